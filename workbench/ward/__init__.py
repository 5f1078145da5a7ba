"""The ward's editable tables: read, checked with a sentence for every finding, and typed."""

from workbench.ward.importing import Change, ImportPlan, plan_import
from workbench.ward.loading import Ward, check, load
from workbench.ward.tables import Advice

__all__ = ["Advice", "Change", "ImportPlan", "Ward", "check", "load", "plan_import"]
