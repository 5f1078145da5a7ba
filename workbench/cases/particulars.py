"""What a case is about and who works on it: offence, category, people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workbench.cases.people import NAME
from workbench.errors import N_, BadInput
from workbench.records import Case
from workbench.store.categories import CATEGORIES, TRAINING

LONGEST_OFFENCE, MOST_PEOPLE = 200, 100


def with_particulars(
    case: Case,
    *,
    offence: str | None = None,
    category: str | None = None,
    people: Sequence[str] | None = None,
) -> Case:
    """Return a case with these particulars; None leaves one as it is.

    A new case of the category for training is one on simulated footage. See :func:`check_change`
    for one that exists.

    Raises
    ------
    BadInput
        Where an offence is endless, a category none, or a name no name for signing in.

    >>> from workbench.timeline import Span
    >>> with_particulars(Case("1", "t", "b", "r", Span(0, 1)), people=["lan", "lan"]).people
    ('lan',)
    """
    made = replace(
        case,
        offence=case.offence if offence is None else " ".join(offence.split()),
        category=case.category if category is None else category.strip(),
        people=case.people if people is None else tuple(dict.fromkeys(map(str.strip, people))),
    )
    made = replace(made, training=made.training or made.category == TRAINING)
    check_particulars(made)
    return made


def check_particulars(case: Case) -> None:
    """Raise BadInput where the particulars of a case cannot be kept."""
    if len(case.offence) > LONGEST_OFFENCE:
        raise BadInput(
            N_("the offence of the case has {count} signs"),
            N_("say it in {most}"),
            where="--offence",
            count=len(case.offence),
            most=LONGEST_OFFENCE,
        )
    if case.category not in ("", *CATEGORIES):
        raise BadInput(
            N_("'{category}' is no category of cases"),
            N_("choose of {names}"),
            where="--category",
            category=case.category[:40],
            names=", ".join(CATEGORIES),
        )
    if case.category and case.training != (case.category == TRAINING):
        raise BadInput(
            N_("a case is on simulated footage when its category is training, and only then"),
            N_("open another case for the other"),
            where="--category",
        )
    if len(case.people) > MOST_PEOPLE:
        raise BadInput(
            N_("{count} people are too many for one case"),
            N_("name {most} at most, or nobody: then whoever may work on cases can"),
            where="--people",
            count=len(case.people),
            most=MOST_PEOPLE,
        )
    for name in case.people:
        if not NAME.fullmatch(name):
            raise BadInput(
                N_("'{name}' is no name for signing in"),
                N_("take up to 40 small letters, digits, dots, hyphens; begin with a letter or "
                   "digit"),
                where="--people",
                name=name[:60],
            )  # fmt: skip


def check_change(before: Case, after: Case) -> None:
    """Raise BadInput where nothing of a case would change, or it would change what it is on."""
    if after.training != before.training:
        raise BadInput(
            N_("a case on real events never becomes one for training, nor the other way"),
            N_("open another case for the other"),
            where="--category",
        )
    if before == after:
        raise BadInput(
            N_("nothing of case {case_id} would change"),
            N_("say what: offence, category, people"),
            case_id=before.case_id,
        )
