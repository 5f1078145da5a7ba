"""Speeds of what recognition saw pass: which passes have a camera with metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from workbench.records import Purpose
from workbench.timeline import Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

_SHOWN = ["sighting_id", "camera_id", "utc", "first_utc", "last_utc", "kind", "plate"]


@dataclass(frozen=True, slots=True, eq=False)
class Measurable:
    """Passes that can be measured, oldest first; ``calibrated`` and ``without`` are cameras."""

    calibrated: tuple[str, ...]
    without: tuple[str, ...]
    passes: pd.DataFrame


def measurable(
    house: Workbench, cameras: Sequence[str], span: Span, purpose: Purpose
) -> Measurable:
    """Return the passes of those cameras that are calibrated; logged as a search where one is.

    Raises
    ------
    Refused
        Outside the case's bounds.
    """
    known = tuple(
        one
        for one in cameras
        if house._store.calibrations.in_force(house.camera(one).camera_id, span.start_ns)
    )
    without = tuple(one for one in cameras if one not in known)
    if not known:
        return Measurable((), without, pd.DataFrame(columns=_SHOWN))
    passes = house.sightings(purpose, cameras=known, span=span)
    return Measurable(known, without, passes[_SHOWN])
