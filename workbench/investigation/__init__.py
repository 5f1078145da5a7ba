"""The facade of cases: every verb loads, makes one pure call, stores, and leaves an audit entry.

Pages, the command line and notebooks use these verbs and nothing below them.
"""

from workbench.investigation.answers import ALWAYS, Grant, Ingested, PlateHit, Trace
from workbench.investigation.facade import (
    GRANT_S,
    LONGEST_PLATE,
    Workbench,
    open_workbench,
)
from workbench.investigation.following import Followed
from workbench.investigation.looks import by_colour, by_likeness
from workbench.investigation.running import Candidates, first_candidates

__all__ = [
    "ALWAYS",
    "GRANT_S",
    "LONGEST_PLATE",
    "Candidates",
    "Followed",
    "Grant",
    "Ingested",
    "PlateHit",
    "Trace",
    "Workbench",
    "by_colour",
    "by_likeness",
    "first_candidates",
    "open_workbench",
]
