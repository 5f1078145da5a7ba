"""Footage of chosen cameras of a simulation, with the truth of every frame beside it.

``render`` writes into a folder:

``CAMERA.mp4``
    H.264 with a burnt-in clock, ready for ``workbench ingest ... --camera CAMERA --start START``.
``boxes.parquet``
    One row a vehicle and frame in view: ``camera_id``, ``frame``, ``time_ns``, ``vehicle_id``,
    ``kind``, ``plate`` (of the end in view; "" where it carries none), ``x``, ``y``, ``w``, ``h``
    (px, cut to the frame), ``plate_px`` (width of the plate in view, 0 where none is wholly in
    view) and ``plate_corners`` (eight numbers, px: top left, top right, bottom right, bottom left).
``passes.csv``, ``journeys.csv``, ``clocks.csv``
    As beside the demonstration ward: what :func:`workbench.twin.score` scores against. A pass
    whose plate was legible only while the camera was at fault is told as not visible.
``render.json``
    Seeds, span, light, faults, the command that takes each clip in. No path, no date of making.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.media import ClipWriter
from workbench.store import files
from workbench.timeline import SECOND_NS
from workbench.twin import scene
from workbench.twin.air import Weather
from workbench.twin.journeys import Pass, Scenario
from workbench.twin.sprites import RGB
from workbench.twin.traffic.tables import write_table
from workbench.twin.truth import truth_of
from workbench.twin.views import View

Kind = Literal["frozen", "dark", "covered", "blurred", "moved", "noise"]
_GOP_S, _CRF, _PRESET = 2.0, 24, "veryfast"
_BIT_RATE = {"plate": 4_000_000, "overview": 2_000_000}
"""Bits a second, as recorders are set to: the noise of a dark sensor would take five times that."""
_LEAST_PX = 6.0

BOXES = pa.schema(
    [
        ("camera_id", pa.string()), ("frame", pa.int32()), ("time_ns", pa.int64()),
        ("vehicle_id", pa.string()), ("kind", pa.string()), ("plate", pa.string()),
        ("x", pa.float32()), ("y", pa.float32()), ("w", pa.float32()), ("h", pa.float32()),
        ("plate_px", pa.float32()), ("plate_corners", pa.list_(pa.float32(), 8)),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls a camera ``from_s`` seconds into its clip, until its end."""

    kind: Kind
    from_s: float = 0.0

    @classmethod
    def read(cls, text: str) -> tuple[str, Fault]:
        """Return camera and fault of a word like ``S01-P1=frozen@10``.

        Raises
        ------
        BadInput
            Where it is no such word.
        """
        camera, _, told = text.partition("=")
        word, _, at = told.partition("@")
        try:
            from_s = float(at) if at else 0.0
        except ValueError:
            from_s = -1.0
        if not camera or word not in get_args(Kind) or not 0 <= from_s < 1e6:
            raise BadInput(
                N_("'{text}' names no fault"),
                N_("write CAMERA=FAULT or CAMERA=FAULT@SECONDS; faults are {known}"),
                where="--fault",
                text=text,
                known=", ".join(get_args(Kind)),
            )
        kind: Any = word
        return camera, cls(kind, from_s)


def render(
    scenario: Scenario,
    out: Path,
    *,
    weather: Weather | None = None,
    faults: Mapping[str, Fault] | None = None,
    workers: int = 1,
    on_camera: Callable[[str], None] = lambda _camera: None,
) -> list[Path]:
    """Draw every camera of a scenario and write the truth beside it; return the clips.

    Parameters
    ----------
    faults
        By camera.
    workers
        Processes; each draws one camera at a time.

    Raises
    ------
    BadInput
        Where a fault is of a camera that is not drawn.
    Unavailable
        Where nothing on this machine can draw off-screen.
    """
    weather, faults = weather or Weather(), faults or {}
    for camera_id in faults:
        if camera_id not in scenario.views:
            raise BadInput(
                N_("a fault is given for {camera}, which is not drawn"),
                N_("name it in --cameras as well"),
                where="--fault",
                camera=camera_id,
            )
    out.mkdir(parents=True, exist_ok=True)
    write_truth(scenario, out, weather, faults)
    jobs = [(scenario, c, out / f"{c}.mp4", weather, faults.get(c)) for c in scenario.cameras]
    if workers < 2 or len(jobs) < 2:
        for job in jobs:
            render_clip(*job)
            on_camera(job[1])
        return [job[2] for job in jobs]
    # Drawing keeps an OpenGL context: a forked one is of no use.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for job, done in [(job, pool.submit(render_clip, *job)) for job in jobs]:
            done.result()
            on_camera(job[1])
    return [job[2] for job in jobs]


def render_clip(
    scenario: Scenario, camera_id: str, out: Path, weather: Weather, fault: Fault | None = None
) -> Path:
    """Draw one camera; the clip is written whole or not at all."""
    view = scenario.views[camera_id]
    with ClipWriter(
        out, view.width_px, view.height_px, time_base=Fraction(1, scenario.fps),
        gop=round(_GOP_S * scenario.fps), crf=_CRF, preset=_PRESET, bit_rate=_BIT_RATE[view.kind],
    ) as clip:  # fmt: skip
        for number, picture in enumerate(pictures(scenario, camera_id, weather, fault)):
            clip.write(picture, number)
    return out


def pictures(
    scenario: Scenario, camera_id: str, weather: Weather, fault: Fault | None = None
) -> Iterator[RGB]:
    """Yield a camera's frames, RGB uint8[y, x, 3], faults and all."""
    total = scenario.frame_count
    if fault is None:
        yield from scene.frames(scenario, camera_id, range(total), weather)
        return
    first = min(total, max(1 if fault.kind == "frozen" else 0, round(fault.from_s * scenario.fps)))
    last: RGB | None = None
    for last in scene.frames(scenario, camera_id, range(first), weather):
        yield last
    if fault.kind == "frozen" and last is not None:
        for _ in range(first, total):
            yield last
        return
    spoilt = faulty_view(scenario.views[camera_id]) if fault.kind == "moved" else None
    drawn = scenario if spoilt is None else replace(scenario, views={camera_id: spoilt})
    spoil = _Spoiler(scenario.views[camera_id], fault.kind)
    for number, picture in enumerate(
        scene.frames(drawn, camera_id, range(first, total), weather), start=first
    ):
        yield spoil(picture, number)


def faulty_view(view: View) -> View:
    """Return the view of a camera that was knocked: it looks at walls and sky, slanted."""
    rng = np.random.default_rng([view.seed, 95])
    side = float(rng.choice([-1, 1]))
    turn = 0.16 if view.kind == "plate" else 0.45
    return view.turned(side * turn, -turn * 0.5, side * 0.14)


class _Spoiler:
    """What a faulty camera makes of a picture."""

    def __init__(self, view: View, kind: Kind) -> None:
        self._seed, self._kind = view.seed, kind
        rng = np.random.default_rng([view.seed, 96])
        height, width = view.height_px, view.width_px
        # A bag or a hand before the lens: one dull colour with soft folds, light at its rim.
        folds = cv2.resize(
            rng.normal(0, 1, (5, 7)).astype(np.float32), (width, height), interpolation=2
        )
        tone = np.array(((92, 84, 74), (58, 60, 66), (118, 112, 100))[int(rng.integers(3))])
        self._bag = np.clip(tone + 9 * folds[..., None], 0, 255).astype(np.float32)

    def __call__(self, picture: RGB, number: int) -> RGB:
        rng = np.random.default_rng([self._seed, 97, number])
        if self._kind == "dark":
            noisy = picture * 0.02 + rng.normal(5, 2.0, (*picture.shape[:2], 1))
        elif self._kind == "covered":
            noisy = self._bag + rng.normal(0, 1.6, (*picture.shape[:2], 1))
        elif self._kind == "blurred":
            small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
            small = cv2.GaussianBlur(small, (0, 0), picture.shape[1] / 4 / 90)
            return np.asarray(cv2.resize(small, picture.shape[1::-1]))
        elif self._kind == "noise":
            noisy = picture + rng.normal(0, 42, picture.shape)
            for _ in range(3):  # torn lines
                row = int(rng.integers(picture.shape[0] - 12))
                noisy[row : row + 10] = np.roll(
                    noisy[row : row + 10], int(rng.integers(40, 400)), 1
                )
        else:
            return picture
        return np.clip(noisy, 0, 255).astype(np.uint8)


# -- truth -----------------------------------------------------------------------------------


def write_truth(
    scenario: Scenario, out: Path, weather: Weather, faults: Mapping[str, Fault]
) -> None:
    """Write boxes, passes, journeys, clocks and settings of what is drawn."""
    write_table(boxes_of(scenario, faults), out / "boxes.parquet")
    for name, table in truth_of(scenario)._asdict().items():
        told = lost_to_faults(table, scenario, faults) if name == "passes" else table
        files.write_bytes(out / f"{name}.csv", told.to_csv(index=False).encode())
    start = pd.Timestamp(scenario.start_ns, unit="ns", tz="UTC").tz_convert("Asia/Ho_Chi_Minh")
    settings = {
        "seed": scenario.seed,
        "start": start.isoformat(),
        "seconds": scenario.duration_s,
        "fps": scenario.fps,
        "light": str(weather),
        "faults": {c: {"kind": f.kind, "from_s": f.from_s} for c, f in sorted(faults.items())},
        "cameras": {
            c: f"workbench ingest ROOT {c}.mp4 --camera {c} --start {start.isoformat()}"
            for c in scenario.cameras
        },
    }
    files.write_bytes(out / "render.json", (json.dumps(settings, indent=1) + "\n").encode())


def lost_to_faults(
    passes: pd.DataFrame, scenario: Scenario, faults: Mapping[str, Fault]
) -> pd.DataFrame:
    """Return passes of which those after a camera's fault show no plate, or left out if unseen."""
    if not faults or passes.empty:
        return passes
    kept = passes.copy()
    gone = np.zeros(len(kept), bool)
    for camera_id, fault in faults.items():
        at = pd.Timestamp(
            scenario.start_ns + round(fault.from_s * 1000) * 1_000_000, unit="ns", tz="UTC"
        )
        mine = (kept["camera_id"] == camera_id).to_numpy()
        gone |= mine & (kept["enter_utc"] >= at).to_numpy()
        kept.loc[mine & (kept["best_utc"] >= at).to_numpy(), "plate_visible"] = False
    left: pd.DataFrame = kept[~gone].reset_index(drop=True)
    return left


def boxes_of(scenario: Scenario, faults: Mapping[str, Fault] | None = None) -> pa.Table:
    """Return the boxes and plates in view on every frame that a sound camera drew."""
    rows: list[dict[str, Any]] = []
    faults = faults or {}
    for camera_id, view in scenario.views.items():
        stop = scenario.frame_count
        if camera_id in faults:
            stop = min(stop, round(faults[camera_id].from_s * scenario.fps))
        for one in scenario.passes_of(camera_id):
            rows += _boxes(scenario, view, one, stop)
    rows.sort(key=lambda row: (row["camera_id"], row["frame"], row["vehicle_id"]))
    return pa.Table.from_pylist(rows, schema=BOXES)


def _boxes(scenario: Scenario, view: View, one: Pass, stop: int) -> Iterator[dict[str, Any]]:
    vehicle = scenario.vehicles[one.vehicle_id]
    body = scene.body_of(vehicle)
    away = one.direction == "away"
    end = "rear" if away else "front"
    plated = end in vehicle.plated_ends and end in body.plates
    sign = 1.0 if away else -1.0
    limits = np.array((view.width_px, view.height_px), float)
    for number in range(stop):
        t = number / scenario.fps
        y = one.y_m(t)
        if not -6 < y < view.far_m:
            continue
        where = np.array([one.x_m(t), y, 0.0])
        pixels, depth = view.project(body.box() + where)
        low, high = np.clip(pixels.min(0), 0, limits), np.clip(pixels.max(0), 0, limits)
        size = high - low
        if depth.max() < 1 or size.min() < _LEAST_PX:
            continue
        wide, corners = 0.0, None
        if plated:
            at, far = view.project(body.plates[end] * (sign, sign, 1.0) + where)
            if far.min() > 0.5 and (at >= 0).all() and (at < limits).all():
                wide, corners = float(np.linalg.norm(at[1] - at[0])), at.ravel().tolist()
        yield {
            "camera_id": view.camera_id, "frame": number,
            "time_ns": scenario.start_ns + number * SECOND_NS // scenario.fps,
            "vehicle_id": one.vehicle_id, "kind": vehicle.kind,
            "plate": vehicle.plate if plated else "",
            "x": low[0], "y": low[1], "w": size[0], "h": size[1],
            "plate_px": wide, "plate_corners": corners,
        }  # fmt: skip


def cameras_of(text: str, known: Sequence[str]) -> list[str]:
    """Return the cameras that a text like ``S01-P1,S02`` names: by id, by site, or ``all``."""
    if text.strip().lower() == "all":
        return list(known)
    found: list[str] = []
    for word in (part.strip() for part in text.split(",")):
        mine = [c for c in known if c == word or c.startswith(f"{word}-")] if word else []
        if not mine:
            raise BadInput(
                N_("'{text}' names no camera of the ward"),
                N_("write ids or sites like S01-P1,S02, or all"),
                where="--cameras",
                text=word,
            )
        found += [c for c in mine if c not in found]
    return found


def still(
    scenario: Scenario, camera_id: str, at_s: float, weather: Weather | None = None
) -> NDArray[np.uint8]:
    """Return one frame of a camera, RGB uint8[y, x, 3], as it is before encoding."""
    number = min(scenario.frame_count - 1, max(0, round(at_s * scenario.fps)))
    (picture,) = scene.frames(scenario, camera_id, range(number, number + 1), weather)
    return picture
