"""The facade of cases: every verb loads, makes one pure call, stores, and leaves an audit entry.

Pages, the command line and notebooks use these verbs and nothing below them.
"""

from workbench.investigation.answers import ALWAYS, Grant, Ingested, Linked, PlateHit, Trace
from workbench.investigation.believing import (
    Belief,
    Passed,
    believe,
    cameras_between,
    on_the_way,
    with_belief,
)
from workbench.investigation.bundling import Bundled, bundle
from workbench.investigation.facade import (
    GRANT_S,
    LONGEST_PLATE,
    Workbench,
    open_workbench,
)
from workbench.investigation.following import Followed
from workbench.investigation.looks import by_colour, by_likeness
from workbench.investigation.models import (
    Comparison,
    Listed,
    compare_model,
    list_models,
    use_model,
    use_shipped,
)
from workbench.investigation.people import (
    SignIn,
    add_person,
    cases_of,
    change_person,
    list_people,
    seen_by,
)
from workbench.investigation.running import Candidates, first_candidates

__all__ = [
    "ALWAYS",
    "GRANT_S",
    "LONGEST_PLATE",
    "Belief",
    "Bundled",
    "Candidates",
    "Comparison",
    "Followed",
    "Grant",
    "Ingested",
    "Linked",
    "Listed",
    "Passed",
    "PlateHit",
    "SignIn",
    "Trace",
    "Workbench",
    "add_person",
    "believe",
    "bundle",
    "by_colour",
    "by_likeness",
    "cameras_between",
    "cases_of",
    "change_person",
    "compare_model",
    "first_candidates",
    "list_models",
    "list_people",
    "on_the_way",
    "open_workbench",
    "seen_by",
    "use_model",
    "use_shipped",
    "with_belief",
]
