"""What the log says of how the house is used: who looked at what, why, and what was refused. Pure.

For an auditor, who needs neither a picture nor a plate: what was searched for stays in the log, and
here stands that it was searched.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.errors import N_
from workbench.records import AuditEntry
from workbench.timeline import SECOND_NS, Span

Sort = Literal["search", "view", "export", "sign-in", "case", "keeping", "other"]
SORTS: dict[Sort, str] = {
    "search": N_("searches"),
    "view": N_("views"),
    "export": N_("exports"),
    "sign-in": N_("sign-ins"),
    "case": N_("cases opened and closed"),
    "keeping": N_("footage and settings"),
    "other": N_("others"),
}
_BEGINS: dict[str, Sort] = {
    "search": "search", "trace": "search", "recognise": "search", "sweep": "search",
    "conflicts": "search",
    "follow": "search", "view": "view", "export": "export", "sign": "sign-in", "case": "case",
    "drop": "keeping", "protect": "keeping", "people": "keeping", "models": "keeping",
    "clock": "keeping", "ingest": "keeping", "record": "keeping", "reference": "keeping",
    "notify": "keeping", "key": "keeping", "quarantine": "keeping", "faces": "search",
    "public": "keeping", "lookout": "search",
}  # fmt: skip
REFUSED = ".refused"
_NIGHT_H = range(5)
_VIET_NAM_S = 7 * 3600


@dataclass(frozen=True, slots=True)
class Count:
    """Acts of one person, or in one case, by sort; how many were refused; first and last, UTC."""

    name: str
    by_sort: dict[Sort, int]
    refused: int
    first_ns: int
    last_ns: int

    @property
    def acts(self) -> int:
        """All of them."""
        return sum(self.by_sort.values())


@dataclass(frozen=True, slots=True)
class Oversight:
    """How a house was used in a period.

    ``by_actor`` and ``by_case`` hold the busiest first; acts of no case stand under an empty name.
    ``refused`` and ``exports`` are entries in order. ``without_answer`` counts searches that found
    nothing; ``at_night`` acts between midnight and five, local time.
    """

    period: Span
    entries: int
    by_actor: tuple[Count, ...]
    by_case: tuple[Count, ...]
    by_sort: dict[Sort, int]
    refused: tuple[AuditEntry, ...]
    exports: tuple[AuditEntry, ...]
    without_answer: int
    at_night: int


def sort_of(action: str) -> Sort:
    """Return what sort of act an action is.

    >>> sort_of("search.plate.refused"), sort_of("sign-in"), sort_of("whatever.comes")
    ('search', 'sign-in', 'other')
    """
    first = action.partition(".")[0]
    return _BEGINS.get(first, _BEGINS.get(first.partition("-")[0], "other"))


def oversee(entries: Sequence[AuditEntry], period: Span) -> Oversight:
    """Return how the house was used in a period, from entries in order."""
    inside = [one for one in entries if one.at_ns in period]
    return Oversight(
        period,
        len(inside),
        _counts(inside, [one.actor for one in inside]),
        _counts(inside, [one.case_id for one in inside]),
        _by_sort(inside),
        tuple(one for one in inside if one.action.endswith(REFUSED)),
        tuple(one for one in inside if one.action in ("export", "export.done")),
        sum(_found_nothing(one) for one in inside),
        sum(_hour(one.at_ns) in _NIGHT_H for one in inside),
    )


def _counts(entries: Sequence[AuditEntry], names: Sequence[str]) -> tuple[Count, ...]:
    groups: dict[str, list[AuditEntry]] = {}
    for entry, name in zip(entries, names, strict=True):
        groups.setdefault(name, []).append(entry)
    found = [
        Count(
            name,
            _by_sort(some),
            sum(one.action.endswith(REFUSED) for one in some),
            some[0].at_ns,
            some[-1].at_ns,
        )
        for name, some in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.acts, one.name)))


def _by_sort(entries: Sequence[AuditEntry]) -> dict[Sort, int]:
    counted = Counter(sort_of(one.action) for one in entries)
    return {sort: counted[sort] for sort in SORTS if counted[sort]}


def _found_nothing(entry: AuditEntry) -> bool:
    # 0 or an empty list, as the verb counts
    return sort_of(entry.action) == "search" and not json.loads(entry.details).get("found", True)


def _hour(at_ns: int) -> int:
    return (at_ns // SECOND_NS + _VIET_NAM_S) // 3600 % 24
