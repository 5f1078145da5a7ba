"""Clocks of cameras against each other, from vehicles that drove between them both ways.

Two passes of one vehicle differ by the ride and by the two clocks. Rides one way pull the
difference up, rides the other way down; together they leave the clocks. Each pair of cameras gives
a curve over its difference of clocks; the offsets are those under which the curves agree best.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.trajectories.signs import OPEN, Codes

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_GRID_S = 0.5
_WITHIN_S = 240.0
_LEAST_PAIRS = 3
_SWEEPS = 12
_UNKNOWN_S = 10.0
_ALONG_DEG, _AGAINST = 75.0, 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Roads:
    """Between cameras: seconds at the limits, and the bearings a way leaves and arrives in; NaN."""

    fastest_s: Floats
    leaves_deg: Floats
    arrives_deg: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Clocks:
    """What to take off each camera's times: ``offset_s``, one standard deviation ``sigma_s``.

    ``known`` is False where nothing ties a camera to the others: its sigma is what it stated.
    """

    offset_s: Floats
    sigma_s: Floats
    known: NDArray[np.bool_]


def same_signs(codes: Codes) -> Ints:
    """Return a label a read, the same for the same signs; -1 where a line was lost."""
    whole = (codes != OPEN).all(1)
    labels = np.full(len(codes), -1)
    if whole.any():
        labels[whole] = np.unique(codes[whole], axis=0, return_inverse=True)[1].ravel()
    return labels


def estimate(
    label: Ints,
    time_s: Floats,
    camera: Ints,
    bearing_deg: Floats,
    stated_s: Floats,
    roads: Roads,
) -> Clocks:
    """Return offsets of cameras from reads of one vehicle shortly after one another.

    Parameters
    ----------
    label
        The same for reads that are taken for one vehicle; -1 for a read that is not to be used.
    stated_s
        One standard deviation of each camera's clock as stated; offsets are drawn to 0 by it.
    """
    i, j = _repeats(label, time_s, camera)
    reach = float(np.clip(5.0 * stated_s.max(initial=0.0), 5.0, 180.0))
    grid = np.arange(-2 * reach, 2 * reach + _GRID_S / 2, _GRID_S)
    a, b = camera[i], camera[j]
    forth = _heads(bearing_deg, i, j, a, b, roads)
    back = _heads(bearing_deg, j, i, b, a, roads)
    curves = _curves(a, b, time_s[j] - time_s[i], forth / (forth + back), roads.fastest_s, grid)
    offset, settled = _settle(curves, stated_s, grid, len(stated_s))
    sigma = _spread(curves, offset, stated_s, grid)
    tied = np.zeros(len(stated_s), bool)
    for first, then in curves:
        tied[first] = tied[then] = True
    known = tied & settled & (sigma < _UNKNOWN_S)
    return Clocks(np.where(known, offset, 0.0), np.where(known, sigma, stated_s), known)


def _repeats(label: Ints, time_s: Floats, camera: Ints) -> tuple[Ints, Ints]:
    """Return reads (of the lesser, of the greater camera) with one label, shortly apart."""
    rows = np.flatnonzero(label >= 0)
    rows = rows[np.lexsort((time_s[rows], label[rows]))]
    plate = label[rows]
    found = []
    for ahead in (1, 2, 3):
        i, j = rows[:-ahead], rows[ahead:]
        ok = (plate[:-ahead] == plate[ahead:]) & (camera[i] != camera[j])
        found.append(np.stack([i[ok], j[ok]]))
    i, j = np.concatenate(found, axis=1)
    ok = time_s[j] - time_s[i] < _WITHIN_S
    i, j = i[ok], j[ok]
    swap = camera[i] > camera[j]
    return np.where(swap, j, i), np.where(swap, i, j)


def _heads(bearing_deg: Floats, i: Ints, j: Ints, a: Ints, b: Ints, roads: Roads) -> Floats:
    """Return how well headings fit a ride from camera a, read i, to camera b, read j: 0 to 1.

    Without it, traffic that mostly goes one way fits as well with the clocks on the other side.
    """
    fit = np.full(len(i), _AGAINST)
    leaves = _apart(bearing_deg[i], roads.leaves_deg[a, b])
    arrives = _apart(bearing_deg[j], roads.arrives_deg[a, b])
    return np.asarray(fit + (leaves < _ALONG_DEG) * (arrives < _ALONG_DEG))


def _apart(one: Floats, other: Floats) -> Floats:
    return np.nan_to_num(np.abs((one - other + 180.0) % 360.0 - 180.0), nan=0.0)


def _curves(
    a: Ints, b: Ints, apart: Floats, forth: Floats, fastest_s: Floats, grid: Floats
) -> dict[tuple[int, int], Floats]:
    """Return, by pair of cameras, the log likelihood of each difference of clocks on the grid."""
    keys = a * len(fastest_s) + b
    order = np.argsort(keys, kind="stable")
    curves: dict[tuple[int, int], Floats] = {}
    bounds = np.flatnonzero(np.diff(keys[order], prepend=-1, append=-1))
    for start, stop in itertools.pairwise(bounds):
        if stop - start < _LEAST_PAIRS:
            continue
        rows = order[start : min(stop, start + 400)]
        one, other = int(a[rows[0]]), int(b[rows[0]])
        there, back = fastest_s[one, other], fastest_s[other, one]
        if not (np.isfinite(there) and np.isfinite(back)) or min(there, back) > 120:
            continue
        late = apart[rows][:, None] - grid
        ahead = forth[rows][:, None]
        density = ahead * _ride(late, there) + (1 - ahead) * _ride(-late, back) + 1e-3
        curves[one, other] = np.log(density).sum(0)
    return curves


def _ride(seconds: Floats, fastest_s: float) -> Floats:
    """Return a density of rides: from about the limit, with a tail for waiting."""
    mean = 1.2 * fastest_s + 0.5
    spread = 0.2 * mean + 1.0
    plain = np.exp(-0.5 * ((seconds - mean) / spread) ** 2) / (2.5066 * spread)
    tail = np.where(seconds > mean, np.exp(-np.clip(seconds - mean, 0, 400) / 30.0) / 30.0, 0.0)
    return np.asarray(0.75 * plain + 0.25 * tail)


def _settle(
    curves: dict[tuple[int, int], Floats], stated_s: Floats, grid: Floats, count: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return offsets: cameras are placed one after another, the best tied first, then adjusted."""
    ties: dict[int, list[tuple[int, Floats, int]]] = defaultdict(list)
    sharp: dict[tuple[int, int], float] = {}
    for (one, other), curve in curves.items():
        ties[one].append((other, curve, -1))
        ties[other].append((one, curve, 1))
        sharp[one, other] = float(curve.max() - np.median(curve))
    offset = np.zeros(count)
    placed: set[int] = set()
    tied = set(ties)
    while tied - placed:
        strength = {
            camera: sum(
                sharp[min(camera, other), max(camera, other)]
                for other, _, _ in ties[camera]
                if other in placed
            )
            for camera in sorted(tied - placed)
        }
        camera = max(strength, key=lambda name: (strength[name], -name))
        if strength[camera] == 0:
            camera = max(sorted(tied - placed), key=lambda name: len(ties[name]))
        else:
            offset[camera] = _best(camera, ties, placed, offset, stated_s, grid)
        placed.add(camera)
    # One common shift of all clocks changes no ride: it is fixed by what they state.
    settled = np.zeros(count, bool)
    settled[sorted(placed)] = True
    for _ in range(_SWEEPS):
        if settled.any():
            weight = 1.0 / np.maximum(stated_s, 0.05) ** 2 * settled
            offset[settled] -= (offset * weight).sum() / weight.sum()
        before = offset.copy()
        for camera in sorted(placed):
            offset[camera] = _best(camera, ties, placed, offset, stated_s, grid)
        if float(np.abs(offset - before).max(initial=0.0)) < 0.05:
            break
    return offset, settled


def _best(
    camera: int,
    ties: dict[int, list[tuple[int, Floats, int]]],
    placed: set[int],
    offset: Floats,
    stated_s: Floats,
    grid: Floats,
) -> float:
    at, total = _profile(camera, ties[camera], placed, offset, stated_s, grid)
    best = int(total.argmax())
    if 0 < best < len(at) - 1:
        low, top, high = total[best - 1 : best + 2]
        bend = low - 2 * top + high
        if bend < 0:
            return float(at[best] + 0.5 * (low - high) / bend * _GRID_S)
    return float(at[best])


def _profile(
    camera: int,
    ties: list[tuple[int, Floats, int]],
    placed: set[int],
    offset: Floats,
    stated_s: Floats,
    grid: Floats,
) -> tuple[Floats, Floats]:
    """Return the log likelihood of a camera's offset, the others' held, on half the grid."""
    at = grid[len(grid) // 4 : -(len(grid) // 4)]
    total = -0.5 * (at / max(float(stated_s[camera]), 0.05)) ** 2
    for other, curve, sign in ties:
        if other in placed and other != camera:
            # a curve runs over "greater camera minus lesser": +1 where this one is the greater
            shift = sign * (at - offset[other])
            total = total + np.interp(shift, grid, curve)
    return at, total


def _spread(
    curves: dict[tuple[int, int], Floats], offset: Floats, stated_s: Floats, grid: Floats
) -> Floats:
    """Return one standard deviation of each offset: how sharp its curve is, and what rides add."""
    ties: dict[int, list[tuple[int, Floats, int]]] = defaultdict(list)
    for (one, other), curve in curves.items():
        ties[one].append((other, curve, -1))
        ties[other].append((one, curve, 1))
    sigma = stated_s.astype(np.float64).copy()
    everyone = set(ties)
    for camera, mine in ties.items():
        at, total = _profile(camera, mine, everyone, offset, stated_s, grid)
        weight = np.exp(np.maximum((total - total.max()) / 4.0, -50.0))
        weight /= weight.sum()
        mean = float((at * weight).sum())
        own = float(np.sqrt((weight * (at - mean) ** 2).sum()))
        sigma[camera] = min(float(np.hypot(own, 0.3)), max(float(stated_s[camera]), 0.3))
    return sigma
