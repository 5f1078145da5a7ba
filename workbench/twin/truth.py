"""The truth of a scenario, written beside it and read only to score sightings against it.

``passes.csv``, ``journeys.csv`` and ``clocks.csv``; times are ISO 8601 in UTC.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.later import later
from workbench.timeline import SECOND_NS
from workbench.twin.journeys import Pass, Scenario
from workbench.twin.mesh import Body
from workbench.twin.scene import body_of
from workbench.twin.views import View

optimize = later("scipy.optimize")

READABLE_PX = 90.0
"""A two-line plate this wide is called visible; a long one must span 2.2 times as much."""
TOLERANCE_S = 0.5
"""How far apart a sighting and a pass may be in time and still be the same."""
_PASSES = (
    "vehicle_id", "plate", "kind", "camera_id", "enter_utc", "best_utc", "leave_utc", "direction",
    "plate_visible", "plate_px", "speed_kmh",
)  # fmt: skip
_JOURNEYS = (
    "journey_id", "vehicle_id", "plate", "kind", "depart_utc", "speed_kmh", "road_m", "cameras",
)  # fmt: skip
_STEP_S = 0.1
_OTHERS_S = 15.0


class Truth(NamedTuple):
    """What there was to see: one row a pass, a journey, a camera."""

    passes: pd.DataFrame
    journeys: pd.DataFrame
    clocks: pd.DataFrame


def truth_of(scenario: Scenario) -> Truth:
    """Return the truth of a scenario as tables."""
    bodies = {v.vehicle_id: body_of(v) for v in scenario.vehicles.values()}
    rows = []
    for one in scenario.passes:
        near = [
            (other, bodies[other.vehicle_id])
            for other in scenario.passes_of(one.camera_id)
            if other is not one and abs(other.abreast_s - one.abreast_s) < _OTHERS_S
        ]
        row = _pass_row(scenario, one, bodies[one.vehicle_id], near)
        if row is not None:
            rows.append(row)
    for walk in scenario.walks:
        view = scenario.views[walk.camera_id]
        times = np.arange(0, scenario.duration_s, _STEP_S)
        seen = [
            float(t)
            for t in times
            if (at := walk.at(float(t))) is not None and _inside(view, np.array([(*at, 0.9)]))
        ]
        if seen:
            best = max(seen, key=lambda t: -walk.at(t)[1])  # type: ignore[index]
            towards = walk.to_m[1] < walk.from_m[1]
            rows.append(
                _row(
                    scenario,
                    walk.walker_id,
                    "",
                    "person",
                    walk.camera_id,
                    (seen[0], best, seen[-1]),
                    "towards" if towards else "away",
                    0.0,
                    False,
                    walk.speed_mps,
                )
            )
    passes = pd.DataFrame(rows, columns=list(_PASSES)).sort_values(
        ["camera_id", "best_utc"], ignore_index=True
    )
    journeys = pd.DataFrame(
        [
            {
                "journey_id": j.journey_id,
                "vehicle_id": j.vehicle_id,
                "plate": scenario.vehicles[j.vehicle_id].plate,
                "kind": scenario.vehicles[j.vehicle_id].kind,
                "depart_utc": _utc(scenario, j.depart_s),
                "speed_kmh": round(j.speed_mps * 3.6, 2),
                "road_m": round(j.road_m, 1),
                "cameras": " ".join(
                    p.camera_id
                    for p in sorted(scenario.passes, key=lambda p: p.abreast_s)
                    if p.vehicle_id == j.vehicle_id
                ),
            }
            for j in scenario.journeys
        ],
        columns=list(_JOURNEYS),
    )
    clocks = pd.DataFrame(
        [
            {"camera_id": v.camera_id, "stamped_minus_utc_s": v.clock_offset_ns / SECOND_NS}
            for v in scenario.views.values()
        ]
    )
    return Truth(passes, journeys, clocks)


def write_truth(scenario: Scenario, folder: Path) -> None:
    """Write the truth of a scenario into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in truth_of(scenario)._asdict().items():
        path = folder / f"{name}.csv"
        temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
        table.to_csv(temporary, index=False)
        temporary.replace(path)


def read_truth(folder: Path) -> Truth:
    """Read what :func:`write_truth` wrote."""
    text = {"plate": str, "vehicle_id": str, "camera_id": str, "cameras": str}
    passes = pd.read_csv(folder / "passes.csv", dtype=text, keep_default_na=False)
    for name in ("enter_utc", "best_utc", "leave_utc"):
        passes[name] = pd.to_datetime(passes[name], utc=True)
    journeys = pd.read_csv(folder / "journeys.csv", dtype=text, keep_default_na=False)
    journeys["depart_utc"] = pd.to_datetime(journeys["depart_utc"], utc=True)
    clocks = pd.read_csv(folder / "clocks.csv", dtype=text)
    return Truth(passes, journeys, clocks)


def _utc(scenario: Scenario, t_s: float) -> pd.Timestamp:
    return pd.Timestamp(scenario.start_ns + round(t_s * 1000) * 1_000_000, unit="ns", tz="UTC")


def _inside(view: View, points: np.ndarray) -> bool:
    pixels, depth = view.project(points)
    inside = (pixels >= 0) & (pixels < (view.width_px, view.height_px))
    return bool(inside.all() and depth.min() > 0.5)


def _hidden(
    view: View, plate: np.ndarray, y: float, t: float, others: list[tuple[Pass, Body]]
) -> bool:
    """Return whether another vehicle stands before the plate's centre."""
    centre = plate.mean(0)
    for other, body in others:
        at_y = other.y_m(t)
        if not -6 < at_y < y:
            continue
        box, depth = view.project(body.box() + np.array((other.x_m(t), at_y, 0.0)))
        if depth.max() > 1 and (box.min(0) < centre).all() and (centre < box.max(0)).all():
            return True
    return False


def _pass_row(
    scenario: Scenario, one: Pass, body: Body, others: list[tuple[Pass, Body]]
) -> dict[str, object] | None:
    """Return one pass as seen, or None where it never shows."""
    view = scenario.views[one.camera_id]
    vehicle = scenario.vehicles[one.vehicle_id]
    away = one.direction == "away"
    end = "rear" if away else "front"
    corners = body.plates.get(end) if end in vehicle.plated_ends else None
    sign = 1.0 if away else -1.0
    seen: list[float] = []
    best_px, best_s, largest = 0.0, None, 0.0
    for t in np.arange(0, scenario.duration_s, _STEP_S):
        y = one.y_m(float(t))
        if not -6 < y < view.far_m - 6:
            continue
        where = np.array([one.x_m(float(t)), y, 0.0])
        box, depth = view.project(body.box() + where)
        lo = np.maximum(box.min(0), 0)
        hi = np.minimum(box.max(0), (view.width_px, view.height_px))
        if depth.max() < 1 or (hi - lo).min() < 12:
            continue
        seen.append(float(t))
        if corners is not None:
            spot = corners * (sign, sign, 1.0) + where
            pixels, _ = view.project(spot)
            wide = float(np.linalg.norm(pixels[1] - pixels[0]))
            if (
                wide > best_px
                and _inside(view, spot)
                and not _hidden(view, pixels, y, float(t), others)
            ):
                best_px, best_s = wide, float(t)
        elif (hi - lo).prod() > largest:
            largest, best_s = float((hi - lo).prod()), float(t)
    if len(seen) < 2:
        return None
    best = best_s if best_s is not None else seen[len(seen) // 2]
    need = READABLE_PX if body.two_lines else READABLE_PX * 2.2
    return _row(
        scenario,
        one.vehicle_id,
        vehicle.plate,
        vehicle.kind,
        one.camera_id,
        (seen[0], best, seen[-1]),
        one.direction,
        best_px,
        best_px >= need,
        one.speed_mps,
    )


def _row(
    scenario: Scenario,
    who: str,
    plate: str,
    kind: str,
    camera_id: str,
    times: tuple[float, float, float],
    direction: str,
    plate_px: float,
    visible: bool,
    speed: float,
) -> dict[str, object]:
    enter, best, leave = (_utc(scenario, t) for t in times)
    return {
        "vehicle_id": who,
        "plate": plate,
        "kind": kind,
        "camera_id": camera_id,
        "enter_utc": enter,
        "best_utc": best,
        "leave_utc": leave,
        "direction": direction,
        "plate_visible": visible,
        "plate_px": round(plate_px, 1),
        "speed_kmh": round(speed * 3.6, 2),
    }


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """What was found of what there was. Rates are 0..1, NaN where there was nothing to find.

    ``precision`` counts moving sightings that are a pass; ``plate_exact`` is the share of passes
    with a visible plate whose sighting reads it to the sign; ``plate_wrong`` the share of reads on
    matched passes that are another text. ``matches`` has one row a pass of the truth with the
    sighting's id (empty where missed) and read.
    """

    passes: int
    sightings: int
    matched: int
    precision: float
    recall: float
    plates_visible: int
    plates_exact: int
    plate_exact: float
    plate_wrong: float
    by_camera: pd.DataFrame
    matches: pd.DataFrame

    def __str__(self) -> str:
        return (
            f"passes {self.matched}/{self.passes} found (recall {self.recall:.3f}), "
            f"{self.sightings} sightings (precision {self.precision:.3f}), "
            f"plates {self.plates_exact}/{self.plates_visible} exact ({self.plate_exact:.3f}), "
            f"wrong reads {self.plate_wrong:.3f}"
        )


def score(sightings: pd.DataFrame, truth: Truth) -> Score:
    """Return the score of moving sightings against the truth of the same cameras.

    A sighting and a pass of one camera are paired, at most once each, so that most pairs overlap
    in time. Where a camera's clock was never corrected its times are off by the truth's offset;
    the better of both readings counts, for finding passes is not the same as fixing clocks.

    Parameters
    ----------
    sightings
        Columns as in ``records.SIGHTINGS``; cameras that the truth does not know are left out.
    """
    clocks = dict(zip(truth.clocks["camera_id"], truth.clocks["stamped_minus_utc_s"], strict=True))
    moving = sightings[sightings["moving"].astype(bool) & sightings["camera_id"].isin(clocks)]
    parts = []
    for camera_id, late_s in clocks.items():
        seen = moving[moving["camera_id"] == camera_id]
        passes = truth.passes[truth.passes["camera_id"] == camera_id]
        tries = [_pair(passes, seen, shift) for shift in {0.0, float(late_s)}]
        parts.append(max(tries, key=lambda found: int((found["sighting_id"] != "").sum())))
    matches = pd.concat(parts, ignore_index=True)
    found = matches["sighting_id"] != ""
    visible = matches["plate_visible"].astype(bool)
    exact = found & visible & (matches["read"] == matches["plate"])
    read = found & (matches["read"] != "") & (matches["plate"] != "")
    by_camera = pd.DataFrame(
        {
            "passes": matches.groupby("camera_id").size(),
            "matched": found.groupby(matches["camera_id"]).sum(),
            "sightings": moving.groupby("camera_id").size().reindex(list(clocks), fill_value=0),
            "plates_visible": visible.groupby(matches["camera_id"]).sum(),
            "plates_exact": exact.groupby(matches["camera_id"]).sum(),
        }
    ).fillna(0)
    wrong = read & (matches["read"] != matches["plate"])
    return Score(
        passes=len(matches),
        sightings=len(moving),
        matched=int(found.sum()),
        precision=_rate(int(found.sum()), len(moving)),
        recall=_rate(int(found.sum()), len(matches)),
        plates_visible=int(visible.sum()),
        plates_exact=int(exact.sum()),
        plate_exact=_rate(int(exact.sum()), int(visible.sum())),
        plate_wrong=_rate(int(wrong.sum()), int(read.sum())),
        by_camera=by_camera.astype(int),
        matches=matches,
    )


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _seconds(column: pd.Series) -> NDArray[np.float64]:
    return column.to_numpy(dtype="datetime64[ns]").astype(np.int64) / 1e9


def _pair(passes: pd.DataFrame, seen: pd.DataFrame, shift_s: float) -> pd.DataFrame:
    """Return one camera's passes with the id and read of the sighting paired with each."""
    result = passes.copy()
    result["sighting_id"] = ""
    result["read"] = ""
    if not len(passes) or not len(seen):
        return result
    start, stop = _seconds(passes["enter_utc"]), _seconds(passes["leave_utc"])
    first = _seconds(seen["first_utc"]) - shift_s
    last = _seconds(seen["last_utc"]) - shift_s
    overlap = np.minimum(stop[:, None], last) - np.maximum(start[:, None], first)
    longer = np.maximum(np.maximum(stop[:, None] - start[:, None], last - first), 0.1)
    worth = np.where(overlap >= -TOLERANCE_S, 1 + np.clip(overlap / longer, 0, 1), 0.0)
    reads = seen["plate"].fillna("").to_numpy(dtype=object)
    # Two vehicles in view at once: the read tells which sighting is whose.
    same = (passes["plate"].to_numpy(dtype=object)[:, None] == reads) & (reads != "")
    rows, columns = optimize.linear_sum_assignment(
        worth + 0.5 * (same & (worth > 0)), maximize=True
    )
    kept = worth[rows, columns] > 0
    ids = seen["sighting_id"].to_numpy(dtype=object)
    found, read = np.full(len(passes), "", object), np.full(len(passes), "", object)
    found[rows[kept]], read[rows[kept]] = ids[columns[kept]], reads[columns[kept]]
    result["sighting_id"], result["read"] = found, read
    return result
