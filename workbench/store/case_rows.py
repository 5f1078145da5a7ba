"""A case as a row of the catalogue's table, and back."""

from __future__ import annotations

import json
from typing import Any

from workbench.records import Case
from workbench.timeline import Span

CASE_COLUMNS = (
    "case_id, title, legal_basis, reason, period_start_ns, period_stop_ns, cameras, opened_by, "
    "opened_at_ns, closed, training, offence, category, people, closed_at_ns"
)


def case_row(case: Case) -> tuple[Any, ...]:
    """Return a case as a row of its table."""
    return (
        case.case_id,
        case.title,
        case.legal_basis,
        case.reason,
        case.period.start_ns,
        case.period.stop_ns,
        json.dumps(list(case.cameras)),
        case.opened_by,
        case.opened_at_ns,
        int(case.closed),
        int(case.training),
        case.offence,
        case.category,
        json.dumps(list(case.people)),
        case.closed_at_ns,
    )


def case_of(row: tuple[Any, ...]) -> Case:
    """Return the case of such a row."""
    case_id, title, basis, reason, start, stop, cameras, opened_by, opened_at, *rest = row
    closed, training, offence, category, people, closed_at = rest
    return Case(
        case_id=str(case_id),
        title=str(title),
        legal_basis=str(basis),
        reason=str(reason),
        period=Span(start, stop),
        cameras=tuple(json.loads(cameras)),
        opened_by=str(opened_by),
        opened_at_ns=opened_at,
        closed=bool(closed),
        training=bool(training),
        offence=str(offence),
        category=str(category),
        people=tuple(json.loads(people)),
        closed_at_ns=closed_at,
    )
