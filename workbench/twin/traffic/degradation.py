"""What cameras, readers and clocks make of true passes: a pure function with named knobs.

:func:`degrade` turns ``passes.parquet`` of :mod:`~workbench.twin.traffic.engine` into tables:

``sightings``
    :data:`workbench.records.SIGHTINGS`, by time as the camera's clock has it. ``bearing_deg`` is
    of travel, a few degrees off; ``plate`` is missing where unread; where one line of a two-line
    plate is all that was read, ``plate_raw`` and ``plate_lattice`` hold that line and ``plate`` is
    missing. ``sigma_s`` is 30 where clocks may be wrong (no clock was compared), else .1.
``looks``
    ``sighting_id``, ``colour``: "" where none was named. Motorcycles and bicycles have none, as in
    the product.
``coverage``
    ``camera_id``, ``start_ns``, ``stop_ns``: what was recorded, in the same clock as the sightings
    of the camera.
``truth``
    ``sighting_id``, ``pass_id``, ``vehicle_id``, ``true_time_ns``, ``plate`` (as mounted: twins and
    clones have other plates than in the passes), ``plate_shown``, ``cloned_from`` and ``twin_of``
    (vehicle ids, else ""). A duplicate sighting has the same pass.
``clocks``
    ``camera_id``, ``offset_s``, ``drift_ppm``: shown is true + offset + drift x time since the
    scenario's start. Truth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.records import SIGHTINGS
from workbench.timeline import SECOND_NS, Span
from workbench.twin.traffic import outages
from workbench.twin.traffic.reads import Read, one_sign_off, read

_FRAME_NS = SECOND_NS // 10
_SEGMENT_NS = 600 * SECOND_NS
_MISTAKEN = {
    "motorcycle": ("bicycle", "unknown", "car"),
    "bicycle": ("motorcycle", "unknown"),
    "car": ("truck", "unknown", "bus"),
    "truck": ("bus", "car", "unknown"),
    "bus": ("truck", "car", "unknown"),
}
_NEAR_COLOURS = {
    "white": ("silver", "grey"), "silver": ("grey", "white"), "grey": ("black", "silver"),
    "black": ("grey", "blue"), "red": ("brown", "orange"), "orange": ("red", "yellow"),
    "yellow": ("orange", "white"), "green": ("blue", "grey"), "blue": ("black", "green"),
    "brown": ("red", "grey"),
}  # fmt: skip
MODEL_REF = "twin"


@dataclass(frozen=True, slots=True)
class Knobs:
    """What goes wrong, and how often. Shares and probabilities are 0..1.

    ``miss`` passes without a sighting; ``fronts`` passes seen from the front that a camera catches
    at all (its view is laid on the lane that shows rears); ``sign`` signs mistaken for look-alikes;
    ``line_lost`` read two-line plates of which one line is lost; ``unread`` sightings without a
    plate, those included that show none (0: what shows a plate is read); ``front_odds``,
    ``night_odds``, ``overview_odds`` how many times likelier a plate stays unread from the front,
    at night, on an overview; ``spread`` how much cameras differ in reading (log, one standard
    deviation); ``clock_s`` and ``drift_ppm`` standard deviations of offset and drift; ``outages``
    camera time lost; ``kinds`` and ``colours`` named wrongly; ``uncoloured`` without a colour;
    ``duplicates`` passes told twice; ``twins`` vehicles with a plate one sign off another's;
    ``clones`` vehicles with another's plate; ``jitter_s`` how far the best frame is from the sweet
    spot, one standard deviation.
    """

    miss: float = 0.0
    fronts: float = 0.0
    sign: float = 0.0
    line_lost: float = 0.0
    unread: float = 0.0
    front_odds: float = 1.5
    night_odds: float = 2.5
    overview_odds: float = 4.0
    spread: float = 0.0
    clock_s: float = 0.0
    drift_ppm: float = 0.0
    outages: float = 0.0
    kinds: float = 0.0
    colours: float = 0.0
    uncoloured: float = 0.0
    duplicates: float = 0.0
    twins: float = 0.0
    clones: float = 0.0
    jitter_s: float = 0.1

    def __post_init__(self) -> None:
        loose = {"front_odds", "night_odds", "overview_odds", "spread", "clock_s", "drift_ppm"}
        for one in fields(self):
            value = getattr(self, one.name)
            if not 0 <= value <= (1e6 if one.name in loose else 1):
                raise BadInput(
                    N_("{knob} cannot be {value}"),
                    N_("give a share from 0 to 1; odds, seconds and ppm from 0"),
                    knob=one.name,
                    value=value,
                )
        if self.outages > 0.9 or self.sign > 0.3:
            raise BadInput(
                N_("more than 90 % of outages or 30 % of mistaken signs is no camera network"),
                N_("give less"),
            )


_WORLD = Knobs(twins=0.02, clones=0.002, kinds=0.03, colours=0.10, uncoloured=0.2, duplicates=0.01)
PRESETS: dict[str, Knobs] = {
    f"miss{miss}-sign{sign}": Knobs(miss=miss / 100, sign=sign / 100)
    for miss in (0, 10, 30)
    for sign in (0, 3, 8)
} | {
    "realistic": replace(
        _WORLD, miss=0.15, sign=0.05, unread=0.38, clock_s=5.0, drift_ppm=20.0, outages=0.15,
        line_lost=0.02, fronts=0.3, spread=0.4,
    ),
    "hard": replace(
        _WORLD, miss=0.30, sign=0.08, unread=0.58, clock_s=30.0, drift_ppm=20.0, outages=0.30,
        line_lost=0.05, fronts=0.3, spread=0.4,
    ),
}  # fmt: skip
"""The sweep (``miss10-sign3`` and so on: nothing else goes wrong) and two towns."""


@dataclass(frozen=True, slots=True, eq=False)
class Degraded:
    """What :func:`degrade` returns; see the module for the columns."""

    sightings: pa.Table
    looks: pa.Table
    coverage: pa.Table
    truth: pa.Table
    clocks: pa.Table


def preset(name: str) -> Knobs:
    """Return the knobs of a preset.

    Raises
    ------
    BadInput
        Where there is none of that name.
    """
    if name not in PRESETS:
        raise BadInput(
            N_("there is no preset {name}"),
            N_("use one of {names}"),
            name=name,
            names=", ".join(PRESETS),
        )
    return PRESETS[name]


def degrade(passes: pa.Table, cameras: pa.Table, span: Span, knobs: Knobs, seed: int) -> Degraded:
    """Return what is left of true passes under some knobs.

    Nothing but what a camera could know goes into sightings: other names for passes and vehicles
    give the same sightings.

    Parameters
    ----------
    passes, cameras
        As :func:`~workbench.twin.traffic.engine.simulate` writes them; passes by time.
    span
        The scenario's, UTC.
    """
    rows: dict[str, Any] = {
        name: np.array(passes[name].to_pylist()) for name in passes.column_names
    }
    known = {row["camera_id"]: row for row in cameras.to_pylist()}
    order = sorted(known)
    plates, cloned, twin = _mounted(rows, knobs, _rng(seed, 1))
    lost = outages.draw([known[c] for c in order], span, knobs.outages, _rng(seed, 2))
    at = _kept(rows, lost, knobs, _rng(seed, 3))
    clocks = _clocks(order, knobs, _rng(seed, 4))
    n = len(at)
    true_ns = rows["time_ns"][at] if n else np.zeros(0, np.int64)
    rng = _rng(seed, 5)
    again = np.flatnonzero(rng.random(n) < knobs.duplicates)
    shift = np.concatenate([np.zeros(n), rng.uniform(0.5, 1.6, len(again))])
    at = np.concatenate([at, at[again]]).astype(int)
    seen_ns = np.concatenate([true_ns, true_ns[again]]) + np.round(
        (shift + rng.normal(0, knobs.jitter_s, len(at))) * 1e9
    ).astype(np.int64)
    camera = rows["camera_id"][at] if len(at) else np.zeros(0, str)
    shown_ns = _by_clock(seen_ns, camera, clocks, span.start_ns)
    shown_ns = shown_ns // _FRAME_NS * _FRAME_NS
    reads = _reads(rows, at, plates, known, knobs, seed)
    table, ids = _sightings(rows, at, shown_ns, reads, known, knobs, seed)
    ranked = np.lexsort([ids, shown_ns]) if len(at) else np.zeros(0, int)
    truth = pa.table(
        {
            "sighting_id": pa.array(ids[ranked].tolist(), pa.string()),
            "pass_id": pa.array(rows["pass_id"][at][ranked].tolist(), pa.string()),
            "vehicle_id": pa.array(rows["vehicle_id"][at][ranked].tolist(), pa.string()),
            "true_time_ns": pa.array(seen_ns[ranked], pa.int64()),
            "plate": pa.array([plates[k] for k in at[ranked]], pa.string()),
            "plate_shown": pa.array(rows["plate_shown"][at][ranked].tolist(), pa.bool_()),
            "cloned_from": pa.array([cloned[k] for k in at[ranked]], pa.string()),
            "twin_of": pa.array([twin[k] for k in at[ranked]], pa.string()),
        }
    )
    colours = _colours(rows, at, knobs, _rng(seed, 7))
    return Degraded(
        table.take(pa.array(ranked)),
        pa.table(
            {
                "sighting_id": pa.array(ids[ranked].tolist(), pa.string()),
                "colour": pa.array([colours[k] for k in ranked], pa.string()),
            }
        ),
        _coverage(outages.recorded(lost, span), clocks, span.start_ns),
        truth,
        pa.table(
            {
                "camera_id": order,
                "offset_s": [clocks[c][0] for c in order],
                "drift_ppm": [clocks[c][1] for c in order],
            }
        ),
    )


def settings(knobs: Knobs, seed: int) -> dict[str, Any]:
    """Return what to keep beside the tables: the knobs and the seed."""
    return {"seed": seed, "knobs": asdict(knobs)}


def _rng(seed: int, part: int) -> np.random.Generator:
    # A generator a part: turning one knob leaves what the others do alone.
    return np.random.default_rng([seed, 31, part])


def _mounted(
    rows: Mapping[str, Any], knobs: Knobs, rng: np.random.Generator
) -> tuple[list[str], list[str], list[str]]:
    """Return by pass the plate that is mounted, whom it was cloned from, whose twin it is."""
    first: dict[str, int] = {}
    for k, vehicle_id in enumerate(rows["vehicle_id"]):
        if rows["plate"][k]:
            first.setdefault(str(vehicle_id), k)
    plates = {v: str(rows["plate"][k]) for v, k in first.items()}
    alike: dict[str, list[str]] = {}
    for v, k in first.items():
        alike.setdefault(str(rows["kind"][k]), []).append(v)
    cloned: dict[str, str] = {}
    twin: dict[str, str] = {}
    taken = set(plates.values())
    for vehicle_id, k in first.items():
        draw = rng.random()
        # All draws are made whatever the knobs: turning one leaves the others' victims alone.
        among = alike[str(rows["kind"][k])]
        other = among[int(rng.integers(len(among)))]
        if other == vehicle_id or other in cloned or other in twin:
            continue
        if draw < knobs.clones:
            plates[vehicle_id], cloned[vehicle_id] = plates[other], other
        elif draw > 1 - knobs.twins:
            near = one_sign_off(plates[other], np.random.default_rng(int(draw * 2**53)))
            if near not in taken:
                taken.add(near)
                plates[vehicle_id], twin[vehicle_id] = near, other
    names = [str(v) for v in rows["vehicle_id"]]
    return (
        [plates.get(v, "") for v in names],
        [cloned.get(v, "") for v in names],
        [twin.get(v, "") for v in names],
    )


def _kept(
    rows: Mapping[str, Any],
    lost: Mapping[str, list[Span]],
    knobs: Knobs,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    n = len(rows["time_ns"])
    if not n:
        return np.zeros(0, np.int64)
    caught = rng.random(n) < np.where(rows["plate_side"] == "front", knobs.fronts, 1.0)
    caught &= rng.random(n) >= knobs.miss
    for camera_id, spans in lost.items():
        here = np.flatnonzero(rows["camera_id"] == camera_id)
        for span in spans:
            inside = (rows["time_ns"][here] >= span.start_ns) & (
                rows["time_ns"][here] < span.stop_ns
            )
            caught[here[inside]] = False
    return np.flatnonzero(caught)


def _clocks(
    order: list[str], knobs: Knobs, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    offsets = rng.normal(0, 1, len(order)) * knobs.clock_s
    drifts = rng.normal(0, 1, len(order)) * knobs.drift_ppm
    return {c: (float(o), float(d)) for c, o, d in zip(order, offsets, drifts, strict=True)}


def _by_clock(
    true_ns: NDArray[np.int64],
    camera: NDArray[Any],
    clocks: Mapping[str, tuple[float, float]],
    origin_ns: int,
) -> NDArray[np.int64]:
    offset = np.array([clocks[str(c)][0] for c in camera])
    drift = np.array([clocks[str(c)][1] for c in camera])
    wrong_s = offset + drift * 1e-6 * (true_ns - origin_ns) / 1e9
    return true_ns + np.round(wrong_s * 1e9).astype(np.int64)


def _is_night(time_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    hour = (time_ns // SECOND_NS // 60 + 7 * 60) % 1440 / 60
    return (hour < 5.75) | (hour >= 17.75)


def _reads(
    rows: Mapping[str, Any],
    at: NDArray[np.int64],
    plates: list[str],
    known: Mapping[str, Any],
    knobs: Knobs,
    seed: int,
) -> list[tuple[Read | None, str]]:
    """Return by sighting what was read, and which line of it: "", "upper" or "lower" alone."""
    if not len(at):
        return []
    rng = _rng(seed, 6)
    order = sorted(known)
    worse = dict(zip(order, rng.normal(0, knobs.spread, len(order)), strict=True))
    camera = rows["camera_id"][at]
    by_camera = np.array([worse[str(c)] for c in camera])
    shown = rows["plate_shown"][at]
    odds = (
        np.where(rows["plate_side"][at] == "front", knobs.front_odds, 1.0)
        * np.where(_is_night(rows["time_ns"][at]), knobs.night_odds, 1.0)
        * np.where([known[str(c)]["kind"] == "overview" for c in camera], knobs.overview_odds, 1.0)
    )
    unread = rng.random(len(at)) < _unread(np.log(odds) + by_camera, shown, knobs.unread)
    factor = np.exp(by_camera)
    usable = shown & ~unread
    error = np.clip(
        knobs.sign * factor / max(1e-9, factor[usable].mean() if usable.any() else 1), 0, 0.3
    )
    lost = rng.random(len(at)) < knobs.line_lost
    upper = rng.random(len(at)) < 0.4
    found: list[tuple[Read | None, str]] = []
    for k, row in enumerate(at):
        if not usable[k]:
            found.append((None, ""))
            continue
        what = read(plates[row], float(error[k]), np.random.default_rng([seed, 32, k]))
        two_lines = rows["kind"][row] == "motorcycle"
        found.append((what, ("upper" if upper[k] else "lower") if lost[k] and two_lines else ""))
    return found


def _unread(
    log_odds: NDArray[np.float64], shown: NDArray[np.bool_], share: float
) -> NDArray[np.float64]:
    """Return probabilities of staying unread, so that the share comes out over all sightings."""
    still = share - float((~shown).mean())
    if still <= 0 or not shown.any():
        return np.zeros(len(shown))
    wanted = min(still / float(shown.mean()), 1.0)
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        if float((1 / (1 + np.exp(-(log_odds[shown] + middle)))).mean()) < wanted:
            low = middle
        else:
            high = middle
    return 1 / (1 + np.exp(-(log_odds + low)))


def _sightings(
    rows: Mapping[str, Any],
    at: NDArray[np.int64],
    shown_ns: NDArray[np.int64],
    reads: list[tuple[Read | None, str]],
    known: Mapping[str, Any],
    knobs: Knobs,
    seed: int,
) -> tuple[pa.Table, NDArray[Any]]:
    rng = _rng(seed, 8)
    n = len(at)
    wrong_kind = rng.random(n) < knobs.kinds
    which = rng.random(n)
    score = np.round(rng.beta(9, 2, n), 4)
    bearing = rng.normal(0, 6, n)
    x, y = rng.uniform(300, 1300, n), rng.uniform(350, 700, n)
    w, h = rng.uniform(110, 420, n), rng.uniform(160, 420, n)
    dwell = rng.uniform(0.5, 1.2, n)
    table = []
    for k, row in enumerate(at):
        camera_id, kind = str(rows["camera_id"][row]), str(rows["kind"][row])
        if wrong_kind[k]:
            others = _MISTAKEN[kind]
            kind = others[int(which[k] ** 2 * len(others))]
        begin_ns = int(shown_ns[k]) // _SEGMENT_NS * _SEGMENT_NS
        sha = hashlib.sha256(f"{camera_id}|{begin_ns}|{seed}".encode()).hexdigest()
        spread_ns = int(dwell[k] * 10) * _FRAME_NS
        first, last = int(shown_ns[k]) - spread_ns, int(shown_ns[k]) + spread_ns
        pts = [(t - begin_ns) * 9 // 100_000 for t in (first, int(shown_ns[k]), last)]
        box = [round(float(v), 1) for v in (x[k], y[k], w[k], h[k])]
        away = rows["direction"][row] == "away"
        course = (float(rows["heading_deg"][row]) + float(bearing[k])) % 360
        start, stop = 0.6, 1.5
        boxes = [
            round(v * (stop if (j == 0) == away else start if j != 1 else 1.0), 1)
            for j in range(3)
            for v in box
        ]
        identity = hashlib.sha256(f"{sha}|{pts[1]}|{box}|{MODEL_REF}".encode()).hexdigest()
        table.append(
            {
                "sighting_id": identity, "camera_id": camera_id, "segment_sha256": sha,
                "pts": pts[1], "first_pts": pts[0], "last_pts": pts[2], "utc": int(shown_ns[k]),
                "first_utc": first, "last_utc": last,
                "sigma_s": 30.0 if knobs.clock_s or knobs.drift_ppm else 0.1,
                "kind": kind, "score": 0.0 if kind == "unknown" else float(score[k]),
                "moving": True, "box_x": box[0], "box_y": box[1], "box_w": box[2],
                "box_h": box[3], "track_pts": pts, "track_box": boxes,
                "motion_dx": 0.0, "motion_dy": round((-1 if away else 1) * 90 / float(dwell[k]), 2),
                "bearing_deg": round(course, 1),
                "speed_mps": None, "ground_x": None, "ground_y": None, "ground_sigma_m": None,
                **_plate_columns(*reads[k], pts[1], box), "face_count": 0, "face_boxes": [],
                "model_ref": MODEL_REF,
            }
        )  # fmt: skip
    ids = np.array([row["sighting_id"] for row in table], dtype=str)
    return pa.Table.from_pylist(table, schema=SIGHTINGS), ids


def _plate_columns(seen: Read | None, line: str, pts: int, box: list[float]) -> dict[str, Any]:
    if seen is None:
        names = ("plate", "plate_score", "plate_raw", "plate_lattice", "plate_pts", "plate_box")
        return dict.fromkeys(names)
    place = [round(v, 1) for v in (box[0] + 0.4 * box[2], box[1] + 0.6 * box[3], 100.0, 72.0)]
    found: dict[str, Any] = {
        "plate": seen.text, "plate_score": round(seen.score, 4), "plate_raw": seen.signs,
        "plate_lattice": seen.json(), "plate_pts": pts, "plate_box": place,
    }  # fmt: skip
    if line:
        cut = sum(sign.isalnum() for sign in seen.text[: seen.text.index("-")])
        part = (0, cut) if line == "upper" else (cut, len(seen.signs))
        found |= {
            "plate": None, "plate_score": 0.0, "plate_raw": seen.signs[slice(*part)],
            "plate_lattice": seen.json(*part),
        }  # fmt: skip
    return found


def _colours(
    rows: Mapping[str, Any], at: NDArray[np.int64], knobs: Knobs, rng: np.random.Generator
) -> list[str]:
    wrong, none, which = rng.random((3, len(at)))
    night = _is_night(rows["time_ns"][at]) if len(at) else np.zeros(0, bool)
    found = []
    for k, row in enumerate(at):
        colour = str(rows["colour"][row])
        if rows["kind"][row] in ("motorcycle", "bicycle") or none[k] < knobs.uncoloured or night[k]:
            colour = ""
        elif wrong[k] < knobs.colours:
            colour = _NEAR_COLOURS[colour][int(which[k] * 2)]
        found.append(colour)
    return found


def _coverage(
    recorded: Mapping[str, list[Span]],
    clocks: Mapping[str, tuple[float, float]],
    origin_ns: int,
) -> pa.Table:
    rows = [
        (c, one.start_ns, one.stop_ns) for c, spans in sorted(recorded.items()) for one in spans
    ]
    camera = np.array([row[0] for row in rows], dtype=str)
    start, stop = (np.array([row[k] for row in rows], dtype=np.int64) for k in (1, 2))
    return pa.table(
        {
            "camera_id": pa.array(camera.tolist(), pa.string()),
            "start_ns": _by_clock(start, camera, clocks, origin_ns),
            "stop_ns": _by_clock(stop, camera, clocks, origin_ns),
        }
    )
