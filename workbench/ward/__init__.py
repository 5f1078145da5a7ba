"""The ward's editable tables: read, checked with a sentence for every finding, and typed."""

from workbench.ward.checks import check, load
from workbench.ward.model import Ward
from workbench.ward.tables import Advice

__all__ = ["Advice", "Ward", "check", "load"]
