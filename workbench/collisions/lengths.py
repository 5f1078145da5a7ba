"""Known lengths: two picked pixels and the metres between them on the road, measured by hand.

A parking bay, a lane's mark, the distance between two covers, a wheelbase. Together with points
they add to a calibration; alone they are one, without a north and without a place; kept apart
(``use`` "check") they say how far a calibration is off that never saw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.collisions.fitting import Floats
from workbench.errors import N_, BadInput

LENGTH_SIGMA_M = 0.05
"""One standard deviation of a length, by tape, where nothing else is stated."""
FEWEST_LENGTHS = 8
FEWEST_ENDS = 6
_SHORT_PX = 5.0
_ONE_WAY = 0.03  # share of the lengths' directions across their main one, below which all run alike


@dataclass(frozen=True, slots=True)
class KnownLength:
    """Both ends of a length, in pixels, and how long it is, in metres, with its error.

    ``use`` is "fit", or "check": then it only says how far the calibration is off it.
    """

    x1_px: float
    y1_px: float
    x2_px: float
    y2_px: float
    length_m: float
    sigma_m: float = LENGTH_SIGMA_M
    use: Literal["fit", "check"] = "fit"


def ends_of(lengths: Sequence[KnownLength]) -> tuple[Floats, Floats, Floats]:
    """Return ends (k, 2, 2) px, metres (k,) and their errors (k,).

    Raises
    ------
    BadInput
        When one is no length, or too short in the picture.
    """
    ends = np.array(
        [((one.x1_px, one.y1_px), (one.x2_px, one.y2_px)) for one in lengths], dtype=np.float64
    ).reshape(-1, 2, 2)
    long = np.array([one.length_m for one in lengths], dtype=np.float64)
    sigma = np.array([one.sigma_m for one in lengths], dtype=np.float64)
    for number, (pair, metres, error) in enumerate(zip(ends, long, sigma, strict=True), start=1):
        if not (np.isfinite(pair).all() and metres > 0 and error > 0 and np.isfinite(metres)):
            raise BadInput(
                N_("length {length} is not above 0, or has no ends or no error"),
                N_("give both ends in pixels, the metres, and what they could be off by"),
                length=number,
            )
        if not np.linalg.norm(pair[1] - pair[0]) >= _SHORT_PX:
            raise BadInput(
                N_("length {length} is under {least:.0f} px long in the picture"),
                N_("measure a longer one, or nearer to the camera"),
                length=number, least=_SHORT_PX,
            )  # fmt: skip
    return ends, long, sigma


def refuse_few(lengths: Sequence[KnownLength]) -> None:
    """Refuse lengths that are too few to stand alone.

    Raises
    ------
    BadInput
        Saying how many are needed.
    """
    ends = np.unique(ends_of(lengths)[0].reshape(-1, 2), axis=0)
    if len(lengths) < FEWEST_LENGTHS or len(ends) < FEWEST_ENDS:
        raise BadInput(
            N_("{count} known lengths between {ends} places are too few to calibrate by alone"),
            N_("measure at least {wanted} between {places} places or more, near and far, along and "
               "across the road, or give points, too"),
            count=len(lengths), ends=len(ends), wanted=FEWEST_LENGTHS, places=FEWEST_ENDS,
        )  # fmt: skip


def refuse_one_way(ends_m: Floats) -> None:
    """Refuse lengths (k, 2, 2) on the ground that all run the same way.

    Raises
    ------
    BadInput
        Where nothing is known across them.
    """
    along = ends_m[:, 1] - ends_m[:, 0]
    along = along / np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
    if np.linalg.eigvalsh(along.T @ along / len(along))[0] < _ONE_WAY:
        raise BadInput(
            N_("the known lengths all run nearly the same way"),
            N_("measure some across the road, too"),
        )
