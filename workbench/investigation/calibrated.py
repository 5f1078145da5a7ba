"""A kept calibration with its fit, and the words that say how well it agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench import collisions
from workbench.errors import N_
from workbench.records import Wording
from workbench.timeline import local_text

_CLASSES = {
    "surveyed": N_(
        "calibration {id} by {count} surveyed points, in the picture of {view}, made {made} by "
        "{by}; points off by up to {px} px and {m} m, {left} m when left out"
    ),
    "lengths": N_(
        "calibration {id} by known lengths alone, in the picture of {view}, made {made} by {by}: "
        "neither place nor north is known, distances and speeds are"
    ),
    "map": N_(
        "calibration {id} by {count} points, some from a map, in the picture of {view}, made "
        "{made} by {by}; points off by up to {px} px and {m} m, {left} m when left out"
    ),
}
_LENGTHS = {
    "fit": N_(
        "known lengths: {count} measured between marks of the road entered the calibration, off by "
        "up to {m} m ({share} %), {left} m ({left_share} %) when left out"
    ),
    "check": N_(
        "known lengths: {count} that did not enter it check the calibration, off by up to {m} m "
        "({share} %)"
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """A kept calibration with its fit; ``sha256`` is the name of its record."""

    sha256: str
    kept: collisions.KeptCalibration
    model: collisions.GroundModel

    @property
    def words(self) -> Wording:
        """Which calibration it is, of what class, and how well its points agree."""
        model = self.model
        return Wording(
            _CLASSES[model.kind],
            (
                ("id", self.sha256[:12]), ("kind", model.kind),
                ("count", str(len(self.kept.points))), ("view", local_text(self.kept.view_ns)),
                ("made", local_text(self.kept.made_ns)), ("by", self.kept.made_by),
                ("px", f"{most(model.residual_px):.1f}"),
                ("m", f"{most(model.residual_m):.2f}"),
                ("left", f"{most(model.left_out_m):.2f}"),
            ),
        )  # fmt: skip

    @property
    def length_words(self) -> tuple[Wording, ...]:
        """How well known lengths agree: those that were fitted, and those that only check."""
        model, told = self.model, []
        for use, words in _LENGTHS.items():
            mine = [k for k, one in enumerate(self.kept.lengths) if one.use == use]
            if mine:
                long = np.array([self.kept.lengths[k].length_m for k in mine])
                off = np.abs(model.length_off_m[mine])
                left = np.abs(model.length_left_out_m[mine])
                told.append(
                    Wording(
                        words,
                        (
                            ("count", str(len(mine))), ("m", f"{most(off):.2f}"),
                            ("share", f"{100 * most(off / long):.1f}"),
                            ("left", f"{most(left):.2f}"),
                            ("left_share", f"{100 * most(left / long):.1f}"),
                        ),
                    )
                )  # fmt: skip
        return tuple(told)


def most(values: NDArray[np.float64]) -> float:
    """Return the largest of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else float("nan")
