"""How long footage is kept: what ``retention.toml`` says, and the choice of what goes. Pure.

Only the reading of the file touches the disk; what is chosen here is dropped elsewhere, and the
store asks once more what is protected before anything goes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from workbench.errors import N_, BadInput
from workbench.store.categories import DAYS, LONGEST_DAYS, case_days_of
from workbench.timeline import SECOND_NS, VIET_NAM

DAY_NS = 86_400 * SECOND_NS
HEALTH_DAYS = 400
"""Thirteen months of checks: a month's report can be held against the same month a year before."""
DROPPED_DAYS = 92
"""So long every dropped file keeps a row of its own; then there is one a camera and day."""
_DISK_KEYS = {"spare_percent", "when_full"}


@dataclass(frozen=True, slots=True)
class Policy:
    """How many whole days footage is kept after the day it is of, and what a full disk means.

    ``days`` is by site; None and no ``default``: for ever. ``health_days`` is how long the checks
    of the cameras' health are kept, ``case_days`` how long a closed case holds its footage, by
    category. Below ``spare_percent`` of the disk the
    recorder says how long it will last, and with ``when_full`` "oldest" drops the oldest days.
    """

    default_days: int | None = None
    days: Mapping[str, int] = field(default_factory=dict)
    spare_percent: float = 5.0
    when_full: Literal["stop", "oldest"] = "stop"
    health_days: int = HEALTH_DAYS
    case_days: Mapping[str, int] = field(default_factory=lambda: DAYS)

    def kept_days(self, site_id: str) -> int | None:
        """Return how many days footage of a site is kept; None: for ever."""
        return self.days.get(site_id, self.default_days)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment that may go: ``since_ns`` is when it began to count, ``kept``: it is protected."""

    sha256: str
    site_id: str
    since_ns: int
    size_bytes: int
    kept: bool


def read_policy(path: Path, sites: Collection[str]) -> Policy | None:
    """Return what a file says, None where there is none: then nothing is ever dropped.

    Raises
    ------
    BadInput
        When it cannot be read, names a site the ward does not have, or says no sensible number.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _bad(path, N_("retention.toml cannot be read ({error})"), error=error) from error
    disk = told.pop("disk", {})
    health = told.pop("health", {"days": HEALTH_DAYS})
    case_days = case_days_of(told.pop("cases", {}), str(path))
    strange = [name for name in told if name != "default" and name not in sites]
    if strange:
        raise _bad(path, N_("the ward has no site {site}"), site=strange[0])
    days = {name: _days(path, name, table) for name, table in told.items()}
    if not isinstance(disk, dict) or not set(disk) <= _DISK_KEYS:
        raise _bad(path, N_("[disk] takes spare_percent and when_full alone"))
    spare, when = disk.get("spare_percent", 5.0), disk.get("when_full", "stop")
    if not isinstance(spare, int | float) or isinstance(spare, bool) or not 0 < spare < 90:
        raise _bad(path, N_("spare_percent is a number between 0 and 90"))
    if when not in ("stop", "oldest"):
        raise _bad(path, N_("when_full is 'stop' or 'oldest'"))
    health_days = _days(path, "health", health)
    return Policy(days.pop("default", None), days, float(spare), when, health_days, case_days)


def _days(path: Path, name: str, table: Any) -> int:
    days = table.get("days") if isinstance(table, dict) else None
    if (
        not isinstance(days, int)
        or isinstance(days, bool)
        or set(table) != {"days"}
        or not 1 <= days <= LONGEST_DAYS
    ):
        raise _bad(path, N_("[{name}] says days = N and no more, N from 1"), name=name)
    return days


def _bad(path: Path, what: str, **fields: object) -> BadInput:
    return BadInput(
        what, N_("see docs/operations.md, Retention; until then nothing is dropped"),
        where=str(path), **fields,
    )  # fmt: skip


def said_of(policy: Policy | None) -> str:
    """Return how long footage is kept, in a line."""
    if policy is None:
        return "no retention is set: nothing is ever dropped (write retention.toml)"
    days = [f"{site} {count} days" for site, count in policy.days.items()]
    default = f"{policy.default_days} days" if policy.default_days else "for ever"
    checks = f"checks of health {policy.health_days} days"
    closed = ", ".join(f"{name} {count}" for name, count in policy.case_days.items())
    told = ", ".join([default, *days, checks])
    return f"footage is kept {told}; that of closed cases, days by category: {closed}"


def day_of(ns: int) -> str:
    """Return the local day of an instant.

    >>> day_of(1795133700000000000)
    '2026-11-20'
    """
    return datetime.fromtimestamp(ns // SECOND_NS, UTC).astimezone(VIET_NAM).date().isoformat()


def cutoff_ns(days: int, now_ns: int) -> int:
    """Return the local midnight before which footage that is kept for `days` is overdue.

    It is kept for that many whole days after the day it is of, never less.

    >>> (1795133700000000000 - cutoff_ns(2, 1795133700000000000)) // SECOND_NS
    198900
    """
    today = datetime.fromtimestamp(now_ns // SECOND_NS, UTC).astimezone(VIET_NAM)
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)
    return int(midnight.timestamp()) * SECOND_NS


def overdue(candidates: Iterable[Candidate], policy: Policy, now_ns: int) -> list[Candidate]:
    """Return what its site's days are over for and nothing protects, oldest first."""
    found = []
    for one in candidates:
        days = policy.kept_days(one.site_id)
        if days is not None and not one.kept and one.since_ns <= cutoff_ns(days, now_ns):
            found.append(one)
    return sorted(found, key=lambda one: (one.since_ns, one.sha256))


def oldest_days(candidates: Iterable[Candidate], needed_bytes: int, now_ns: int) -> list[Candidate]:
    """Return whole local days, oldest first, until enough is free; never yesterday nor today.

    What is protected stays and does not count.
    """
    by_day: dict[str, list[Candidate]] = {}
    for one in candidates:
        if not one.kept and one.since_ns <= cutoff_ns(1, now_ns):
            by_day.setdefault(day_of(one.since_ns - 1), []).append(one)
    found: list[Candidate] = []
    for _day, of_day in sorted(by_day.items()):
        if sum(one.size_bytes for one in found) >= needed_bytes:
            break
        found += sorted(of_day, key=lambda one: (one.since_ns, one.sha256))
    return found
