"""Leads in the links of a case: plates that two vehicles may bear, and who travelled together.

Asked inside a case and its bounds. An answer is a lead: it says that a plate should be looked at,
and never that somebody did anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from workbench.errors import N_, BadInput
from workbench.investigation.answers import frame_of
from workbench.investigation.believing import Belief, believe
from workbench.plates import compact
from workbench.records import Purpose
from workbench.trajectories import ClockDoubt, Companion, Contradiction

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench


@dataclass(frozen=True, slots=True, eq=False)
class Contradicted:
    """Plates of a case that may be borne by two vehicles, the likeliest first.

    ``sightings`` are the rows that these name, by id. Where the case is not ``calibrated`` the
    probabilities in ``plates`` mean nothing and are not to be shown: the evidence stands.
    """

    plates: tuple[Contradiction, ...]
    doubts: tuple[ClockDoubt, ...]
    sightings: pd.DataFrame
    reads: int
    links: int
    calibrated: bool


def contradictions(
    house: Workbench, purpose: Purpose, *, plate: str = "", belief: Belief | None = None
) -> Contradicted:
    """Return which plates of a case were read where one vehicle cannot have been.

    Parameters
    ----------
    plate
        Asks about one plate, written as anybody writes it; empty: about all of the case.
    belief
        The links of the case, where they are there already; else they are computed.

    Raises
    ------
    BadInput
        Where `plate` has no signs.
    Refused
        Outside an open case and its bounds.
    """
    wanted = compact(plate)
    if plate and not wanted:
        raise BadInput(
            N_("'{plate}' has no signs of a plate"),
            N_("write it like 99B1-123.45, or leave it out for all plates of the case"),
            where="--plate",
            plate=plate[:20],
        )
    _, allowed, span = house._authorise(purpose, "search")
    found = belief or believe(house, purpose)
    told = tuple(one for one in found.contradictions.plates if wanted in ("", one.plate))
    ids = sorted({name for one in told for name in (*one.one, *one.other)})
    rows = frame_of(house._store.sightings(cameras=allowed, span=span, ids=ids))
    house._log(
        "search.contradictions", wanted or "*", purpose,
        details={"plates": len(told), "calibrated": found.calibrated},
    )  # fmt: skip
    return Contradicted(
        told, found.contradictions.doubts, rows.set_index("sighting_id", drop=False),
        found.reads, found.links, found.calibrated,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Accompanied:
    """Vehicles that may have travelled with a plate of a case, the likeliest first.

    ``sightings`` are the rows that their meetings name, by id. Where the case is not ``calibrated``
    neither probabilities nor ratios are to be shown: the meetings stand.
    """

    plate: str
    companions: tuple[Companion, ...]
    sightings: pd.DataFrame
    reads: int
    links: int
    calibrated: bool


def convoys(
    house: Workbench, purpose: Purpose, plate: str, *, belief: Belief | None = None
) -> Accompanied:
    """Return who passed with a plate more often than this traffic makes of itself.

    One plate a question: who travels with whom is not listed for everybody.

    Raises
    ------
    BadInput
        Where `plate` has no signs, or the case holds no read of it.
    Refused
        Outside an open case and its bounds.
    """
    wanted = compact(plate)
    if not wanted:
        raise BadInput(
            N_("who travels together is asked about one plate, and none was given"),
            N_("write it like 99B1-123.45"),
            where="--plate",
        )
    _, allowed, span = house._authorise(purpose, "search")
    read = house._store.sightings(
        cameras=allowed, span=span, with_plate=True, columns=["sighting_id", "plate"]
    )
    known = {compact(text) for text in read["plate"].to_pylist()}
    if wanted not in known:
        house._log("search.convoys.refused", wanted, purpose, details={"why": "no such read"})
        raise BadInput(
            N_("no read of {plate} inside this case"),
            N_("search for it first: workbench search ROOT PLATE"),
            where="--plate",
            plate=plate[:20],
        )
    found = belief or believe(house, purpose)
    told = found.company.of(wanted) if found.company is not None else ()
    ids = sorted(
        {name for one in told for m in one.meetings for name in (m.subject_id, m.other_id)}
    )
    rows = frame_of(house._store.sightings(cameras=allowed, span=span, ids=ids))
    house._log(
        "search.convoys", wanted, purpose,
        details={"companions": len(told), "calibrated": found.calibrated},
    )  # fmt: skip
    return Accompanied(
        wanted, told, rows.set_index("sighting_id", drop=False), found.reads, found.links,
        found.calibrated,
    )  # fmt: skip
