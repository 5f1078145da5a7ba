"""The lamps of vehicles at dusk and night, and the plates that throw their light back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.twin.air import Air, Lamp
from workbench.twin.fleet import Vehicle
from workbench.twin.journeys import Pass
from workbench.twin.mesh import Body
from workbench.twin.views import View

_WHITE, _YELLOW, _RED = (1.0, 0.97, 0.90), (1.0, 0.88, 0.62), (1.0, 0.10, 0.06)
_PLACES = {
    # kind: front lamps' X as a share of half the width and their Z, rear ones', glass radius, m
    "motorcycle": ((0.0,), 0.92, (0.0,), 0.75, 0.045),
    "bicycle": ((0.0,), 0.90, (0.0,), 0.62, 0.030),
    "car": ((-0.74, 0.74), 0.66, (-0.80, 0.80), 0.86, 0.065),
    "truck": ((-0.80, 0.80), 0.85, (-0.85, 0.85), 0.85, 0.075),
    "bus": ((-0.80, 0.80), 0.80, (-0.85, 0.85), 1.00, 0.075),
}


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """One vehicle's lamps and plate at an instant, at ``y`` along the street."""

    y: float
    lamps: tuple[Lamp, ...]
    plate: NDArray[np.float64] | None
    pools: tuple[tuple[float, float, float, float], ...]

    def pool(self, air: Air) -> None:
        """Light the road before it."""
        for x, y, ahead, power in self.pools:
            air.pool(x, y, ahead, power)

    def shine(self, air: Air) -> None:
        """Light lamps and plate."""
        if self.plate is not None:
            air.plate(self.plate)
        for lamp in self.lamps:
            air.lamp(lamp)


def lit_at(
    view: View, movers: Iterable[tuple[Vehicle, Pass, Body]], t: float, *, full_beam: bool
) -> Iterator[Lit]:
    """Yield what shines of the vehicles in or just before a view."""
    for vehicle, one, body in movers:
        y = one.y_m(t)
        if not -14 < y < view.far_m:
            continue
        away = one.direction == "away"
        sign = 1.0 if away else -1.0
        x = one.x_m(t)
        length, width, _ = body.size_m
        fronts, front_z, rears, rear_z, glass = _PLACES.get(vehicle.kind, _PLACES["car"])
        # One rider in fifteen, and most bicycles, drive unlit.
        dark = vehicle.looks % 15 == 0 or (vehicle.kind == "bicycle" and vehicle.looks % 3 != 0)
        braking = one.speed_at(t) < one.speed_at(t - 0.4) - 0.25 or one.speed_at(t) < 0.3
        shares, z = (rears, rear_z) if away else (fronts, front_z)
        end = y - length / 2  # what shows is the end nearer to the camera, either way
        places = np.array([(x + sign * s * width / 2, end, z) for s in shares])
        pixels, depth = view.project(places)
        lamps = []
        beam = 1.0 if not full_beam else 2.4
        weak = 0.3 if vehicle.kind == "bicycle" else 0.8 if vehicle.kind == "motorcycle" else 1.0
        if not dark:
            for pixel, far in zip(pixels, depth, strict=True):
                if far < 0.8:
                    continue
                colour = _RED if away else (_YELLOW if vehicle.looks % 3 else _WHITE)
                power = (0.75 if braking else 0.28) if away else beam * weak
                radius = glass * view.focal_px / far
                lamps.append(Lamp((float(pixel[0]), float(pixel[1])), radius, colour, power))
        corners = None
        plated = "rear" if away else "front"
        if plated in vehicle.plated_ends and plated in body.plates:
            spot = body.plates[plated] * (sign, sign, 1.0) + np.array([x, y, 0.0])
            at, far_plate = view.project(spot)
            if far_plate.min() > 1 and np.linalg.norm(at[1] - at[0]) > 5:
                corners = at
        pools = () if dark else ((x, y + sign * length / 2, sign, 0.55 * beam * weak),)
        yield Lit(y, tuple(lamps), corners, pools)
