"""Cameras that see the same ground, from where they stand and look."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from shapely.geometry import Polygon

from workbench.optics import view_cone
from workbench.records import Camera
from workbench.timeline import SECOND_NS

LEAST_SHARE = 0.05
"""A neighbour sees at least this part of the ground that a camera sees."""
BOOST_AFTER_S = 10.0
"""A camera that is away for less is not made up for by its neighbours."""
_METRES_A_DEGREE = 111_320.0


def neighbours(cameras: Sequence[Camera]) -> dict[str, tuple[str, ...]]:
    """Return, for each camera, those that see part of its ground, the one that sees most first.

    The ground is the sector that its heading, field of view and range cut out: a calibration says
    more exactly where a pixel lies, but not how far the camera sees.

    >>> east = Camera("A", "S", "", "overview", 106, 21, 90, 60, 40, "both", "E")
    >>> west = Camera("B", "S", "", "overview", 106.0005, 21, 270, 60, 40, "both", "E")
    >>> north = Camera("C", "S", "", "overview", 106, 21, 0, 20, 40, "both", "E")
    >>> neighbours([east, west, north])
    {'A': ('B',), 'B': ('A',), 'C': ()}
    """
    views = {camera.camera_id: _ground(camera) for camera in cameras}
    found = {}
    for one, view in views.items():
        shares = {
            other: view.intersection(seen).area / view.area
            for other, seen in views.items()
            if other != one and view.area > 0 and view.intersects(seen)
        }
        near = [other for other, share in shares.items() if share >= LEAST_SHARE]
        found[one] = tuple(sorted(near, key=lambda other: (-shares[other], other)))
    return found


def _ground(camera: Camera) -> Polygon:
    """Return the sector in metres east and north of 0, 0; a ward is small enough for that."""
    east = _METRES_A_DEGREE * math.cos(math.radians(camera.lat_deg))
    return Polygon([(lon * east, lat * _METRES_A_DEGREE) for lon, lat in view_cone(camera)]).buffer(
        0
    )


def raised(
    lost_ns: Mapping[str, int], near: Mapping[str, Collection[str]], now_ns: int
) -> dict[str, tuple[str, ...]]:
    """Return which cameras should be recorded at their raised rate, and for which lost ones.

    Parameters
    ----------
    lost_ns
        Since when each lost camera is lost, by the clock of `now_ns`.
    near
        See :func:`neighbours`.

    >>> raised({"A": 0}, {"A": ("B",)}, 11 * 10**9)
    {'B': ('A',)}
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for lost, since_ns in lost_ns.items():
        if now_ns - since_ns < BOOST_AFTER_S * SECOND_NS:
            continue
        for other in near.get(lost, ()):
            if other not in lost_ns:
                wanted[other] = (*wanted.get(other, ()), lost)
    return wanted
