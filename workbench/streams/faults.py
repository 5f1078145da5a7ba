"""The faults of a camera: what each is, from which threshold on, and how far a picture is from it.

Each check is a function of what was measured; it gives a score: 1 and above is a fault, None is
unknown. When a fault is told is another matter (:mod:`workbench.streams.health`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.errors import N_
from workbench.streams.pictures import Picture, Reference, Registration, changed
from workbench.timeline import SECOND_NS

Fault = Literal[
    "no frames", "low rate", "low bitrate", "loss", "frozen", "dark", "overexposed", "blurred",
    "covered", "moved", "clock offset", "clock step",
]  # fmt: skip
PICTURE_FAULTS: tuple[Fault, ...] = (
    "frozen", "dark", "overexposed", "blurred", "covered", "moved",
)  # fmt: skip

FAULT_TEXT: dict[Fault, str] = {
    "no frames": N_("no pictures arrive"),
    "low rate": N_("only {fps} frames a second"),
    "low bitrate": N_("only {kbit_s} kbit/s"),
    "loss": N_("{loss_percent} % of the packets are lost or broken"),
    "frozen": N_("the picture stands still although time goes on"),
    "dark": N_("the picture is dark"),
    "overexposed": N_("the picture is over-exposed"),
    "blurred": N_("the picture is blurred"),
    "covered": N_("the view is covered"),
    "moved": N_("the view has moved: {shift_px} px, {rotation_deg}°"),
    "clock offset": N_("the camera's clock is off by {clock_offset_s} s"),
    "clock step": N_("the camera's clock has jumped to {clock_offset_s} s"),
}


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Every threshold of the checks; px are of the small picture, levels are of 0..255.

    ``*_checks`` are checks in a row with the same finding before it is told. Those of 2 or fewer
    are for what nothing harmless looks like; the long ones are for what a bus or a queue of
    vehicles can look like for a while.
    """

    clear_checks: int = 2
    release: float = 0.8
    """A fault's score must fall below this to count as good."""

    frozen_flicker: float = 0.25
    """A tile stands still when it changed less than this part of the reference's flicker."""
    frozen_least_level: float = 0.02
    frozen_most_level: float = 0.2
    frozen_tiles: float = 0.9
    """Share of the tiles that must stand still; a burnt-in clock moves a few."""
    frozen_between_s: tuple[float, float] = (2.0, 120.0)
    frozen_checks: int = 1
    """One comparison is enough: noise never repeats. It is the second picture of the freeze."""
    frozen_quiet_checks: int = 24
    """Where nobody knows the camera's noise, or it has none."""

    black_level: float = 16.0
    """The brightest twentieth of the picture is darker than this."""
    black_checks: int = 2
    dark_level: float = 22.0
    dark_checks: int = 6
    """A dark bus fills the view of a night too.

    A drawn street whose only lamp is out shows 28 to 36: it is dim, and no fault of the camera.
    """
    dark_share: float = 0.5
    """Where a reference is itself dark: darker than this part of it."""
    overexposed_share: float = 0.4
    """Part of the picture burnt out, beyond what is burnt out on the reference."""
    overexposed_checks: int = 2

    blurred_sharpness: float = 0.6
    blurred_checks: int = 2

    covered_share: float = 0.85
    covered_checks: int = 2
    partly_covered_share: float = 0.4
    partly_covered_checks: int = 24

    moved_px: float = 5.0
    moved_deg: float = 1.5
    moved_zoom: float = 0.05
    moved_checks: int = 2
    elsewhere_resemblance: float = 0.12
    elsewhere_checks: int = 24
    """For a view that fits the reference nowhere: it may be a lorry that waits before the lens."""

    no_frames_checks: int = 1
    low_rate_share: float = 0.6
    low_bitrate_share: float = 0.12
    rate_checks: int = 2
    loss_share: float = 0.02
    loss_checks: int = 1

    clock_offset_s: float = 2.0
    clock_offset_checks: int = 2
    clock_step_s: float = 1.0
    clock_step_checks: int = 1


def frozen_score(
    before: Picture, now: Picture, flicker: float | None, settings: HealthSettings
) -> float | None:
    """Return how much of the picture stood still since the one before, 1 at the border.

    A live sensor's noise changes every tile, even of an empty street at night; a frozen encoder
    repeats all of them but its burnt-in clock's. None where the pictures are too near or too far
    apart in time, or mostly black or burnt out.
    """
    step_s = (now.at_ns - before.at_ns) / SECOND_NS
    low, high = settings.frozen_between_s
    if not low <= step_s <= high or before.body.shape != now.body.shape:
        return None
    change = changed(before, now)
    known = change[change == change]
    if len(known) < 0.2 * change.size:
        return None
    level = settings.frozen_flicker * (flicker or 0.0)
    level = min(max(level, settings.frozen_least_level), settings.frozen_most_level)
    return float((known <= level).mean()) / settings.frozen_tiles


def dark_score(
    now: Picture, references: Sequence[Reference], border: float, settings: HealthSettings
) -> float:
    """Return how far the brightest twentieth lies below `border`, 1 at the border.

    A street that is dark on its own reference may be so again.
    """
    known = [settings.dark_share * one.picture.bright_edge for one in references]
    return min([border, *known]) / max(now.bright_edge, 1.0)


def overexposed_score(now: Picture, reference: Reference | None, settings: HealthSettings) -> float:
    """Return the burnt-out part beyond the reference's (a white sky is none), 1 at the border."""
    usual = reference.picture.shining if reference is not None else 0.0
    return (now.shining - usual) / settings.overexposed_share


def blurred_score(sharp: float, settings: HealthSettings) -> float | None:
    """Return how far sharpness beside the reference's has fallen, 1 at the border."""
    return None if math.isnan(sharp) else settings.blurred_sharpness / max(sharp, 1e-3)


def covered_score(empty: float, border: float) -> float | None:
    """Return the share of the view that lost all structure, 1 at `border`."""
    return None if math.isnan(empty) else empty / border


def moved_score(found: Registration, settings: HealthSettings) -> float | None:
    """Return the movement beside the least one told, 1 at the border; None where none fits."""
    if not found.found:
        return None
    return max(
        found.shift_px / settings.moved_px,
        abs(found.rotation_deg) / settings.moved_deg,
        abs(math.log(found.zoom)) / settings.moved_zoom,
    )


def rate_score(now: float, nominal: float | None, border: float) -> float | None:
    """Return how far a rate fell below `border` times its nominal value, 1 at the border."""
    if nominal is None or nominal <= 0:
        return None
    return border * nominal / max(now, 1e-6 * nominal)


def clock_step_score(
    before_s: float | None, now_s: float | None, settings: HealthSettings
) -> float | None:
    """Return the change of a clock's offset beside the least one told, 1 at the border."""
    if before_s is None or now_s is None:
        return None
    return abs(now_s - before_s) / settings.clock_step_s
