"""The ward's editable tables: read, checked with a sentence for every finding, and typed."""

from workbench.ward.loading import Ward, check, load
from workbench.ward.tables import Advice

__all__ = ["Advice", "Ward", "check", "load"]
