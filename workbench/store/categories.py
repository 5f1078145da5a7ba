"""Categories of cases: what a case is about, and how long its footage is kept after it is closed.

The days are defaults, each with what they rest on; a ward writes its own into ``retention.toml``.
None of it is legal advice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from workbench.errors import N_, BadInput
from workbench.records import Case
from workbench.timeline import SECOND_NS, VIET_NAM

TRAINING = "training"
"""Cases of this category are on simulated footage, and no others are."""


@dataclass(frozen=True, slots=True)
class Category:
    """A category: its name, the days a closed case of it is kept, and what these rest on."""

    name: str
    days: int
    basis: str


CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        "traffic": Category(
            N_("traffic accident"), 1096,
            N_("Civil Code 91/2015/QH13, article 588: three years to claim damages"),
        ),
        "violation": Category(
            N_("administrative violation"), 366,
            N_("Law 15/2012/QH13, article 6: one year to sanction"),
        ),
        "missing": Category(
            N_("missing person"), 731,
            N_("Civil Code 91/2015/QH13, article 68: two years without news"),
        ),
        "criminal": Category(
            N_("criminal offence"), 1827,
            N_("Penal Code 100/2015/QH13, article 27: five years for a less serious crime; "
               "a graver one needs more"),
        ),
        TRAINING: Category(
            N_("exercise or training"), 30, N_("no statute: the house's own default")
        ),
        "other": Category(N_("other"), 30, N_("no statute: the house's own default")),
    }
)  # fmt: skip
LONGEST_DAYS = 36_500
_SEE = N_("see docs/operations.md, Retention; until then nothing is dropped")
DAYS: Mapping[str, int] = MappingProxyType({key: one.days for key, one in CATEGORIES.items()})
"""Days by category where a ward says nothing else."""

OFFENCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "traffic": (
            N_("traffic accident with damage to property"),
            N_("traffic accident with injury or death"),
            N_("leaving the scene of an accident"),
            N_("violation of road traffic rules (Penal Code, article 260)"),
        ),
        "violation": (
            N_("passing a red light"), N_("driving against the direction of a road"),
            N_("racing on a public road"), N_("public disorder"),
        ),
        "missing": (N_("child missing"), N_("old or ill person missing"), N_("adult missing")),
        "criminal": (
            N_("theft (Penal Code, article 173)"), N_("snatching (Penal Code, article 171)"),
            N_("robbery (Penal Code, article 168)"),
            N_("intentional injury (Penal Code, article 134)"),
            N_("disturbing public order (Penal Code, article 318)"),
        ),
        TRAINING: (N_("exercise on simulated footage"),),
        "other": (),
    }
)  # fmt: skip
"""Offences or acts that are offered to choose from, by category; anything else may be written."""


def case_days_of(table: Any, where: str) -> Mapping[str, int]:
    """Return the days of every category: those of the table `[cases]`, and the defaults.

    Raises
    ------
    BadInput
        Where it names no category, or no whole days.
    """
    if not isinstance(table, dict) or not set(table) <= set(DAYS):
        raise BadInput(
            N_("[cases] takes days by category: {names}"), _SEE, where=where,
            names=", ".join(DAYS),
        )  # fmt: skip
    for name, days in table.items():
        if not isinstance(days, int) or isinstance(days, bool) or not 0 <= days <= LONGEST_DAYS:
            what = N_("[cases] says {name} = N, whole days from 0")
            raise BadInput(what, _SEE, where=where, name=name)
    return {**DAYS, **table}


def read_case_days(path: Path) -> Mapping[str, int]:
    """Return what ``retention.toml`` says of cases; the defaults where there is none.

    Raises
    ------
    BadInput
        Where it cannot be read or used.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return DAYS
    except (OSError, ValueError, RecursionError) as error:
        what = N_("retention.toml cannot be read ({error})")
        raise BadInput(what, _SEE, where=str(path), error=error) from error
    return case_days_of(told.get("cases", {}), str(path))


def kept_until_ns(case: Case, days: Mapping[str, int] = DAYS) -> int | None:
    """Return when what a case holds is held no longer; None while nobody has closed it.

    A closed case without a category, or with one of no days, holds nothing: 0.

    Parameters
    ----------
    days
        By category: so many whole local days after the day on which it was closed; 0: none.

    >>> from workbench.timeline import Span
    >>> case = Case("1", "", "", "", Span(0, 1), closed=True, closed_at_ns=0, category="other")
    >>> kept_until_ns(case, {"other": 1}) / SECOND_NS / 3600  # closed at 07:00 in Viet Nam
    41.0
    """
    if not case.closed:
        return None
    kept = days.get(case.category, 0)
    if not kept:
        return 0
    closed = datetime.fromtimestamp(case.closed_at_ns // SECOND_NS, VIET_NAM)
    midnight = closed.replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight + timedelta(days=kept + 1)).timestamp()) * SECOND_NS


def holds_now(case: Case, now_ns: int, days: Mapping[str, int] = DAYS) -> bool:
    """Return whether a case keeps its footage at an instant: while open, and its days after."""
    until_ns = kept_until_ns(case, days)
    return until_ns is None or now_ns < until_ns
