"""The facade of cases: every verb loads, makes one pure call, stores, and leaves an audit entry.

Pages, the command line and notebooks use these verbs and nothing below them.
"""

from workbench.investigation.answers import Grant, Ingested, PlateHit, Trace
from workbench.investigation.facade import (
    ALWAYS,
    GRANT_S,
    LONGEST_PLATE,
    Workbench,
    open_workbench,
)

__all__ = [
    "ALWAYS",
    "GRANT_S",
    "LONGEST_PLATE",
    "Grant",
    "Ingested",
    "PlateHit",
    "Trace",
    "Workbench",
    "open_workbench",
]
