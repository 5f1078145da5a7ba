"""What the parts of the yardstick share: clips in an archive, runs of the engine, trails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench import demonstration, recognition
from workbench.bench import recognition_drawn as drawn
from workbench.bench.recognition_match import Trail
from workbench.investigation import Workbench, open_workbench
from workbench.recognition.passes.sweep import survey
from workbench.recognition.types import Models
from workbench.records import Camera, FrameIndex, Segment

Row = Mapping[str, Any]
Figures = dict[str, Any]
Made = TypeVar("Made")
Swept = tuple[int, NDArray[np.float64]]
"""A key frame's number, and the boxes of what the sweep saw on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One clip in the bench's archive, with what is known to be in it (None: nothing is)."""

    name: str
    path: Path
    segment: Segment
    index: FrameIndex
    camera: Camera
    truth: Sequence[Trail] | None = None
    plates: Mapping[str, str] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames a second over the whole clip."""
        return len(self.index) / self.footage_s

    @property
    def footage_s(self) -> float:
        """Length in seconds."""
        return self.segment.stamped.duration_ns / 1e9

    def jobs(self, settings: recognition.Settings) -> list[recognition.Job]:
        """Return the jobs that search it."""
        return recognition.plan_jobs(self.segment, self.path, self.index, self.camera, (), settings)


@dataclass
class Rig:
    """An archive for the bench, the models, and what was asked for."""

    folder: Path
    quick: bool = False
    clips: Path | None = None
    footage: Path | None = None
    _made: dict[str, Any] = field(default_factory=dict)
    _taken: int = 0

    def once(self, key: str, make: Callable[[], Made]) -> Made:
        """Return what `make` gives, made at the first asking in a run."""
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made

    @cached_property
    def archive(self) -> Workbench:
        """The bench's own archive."""
        return open_workbench(self.folder / "root", actor="bench", create_from=demonstration.WARD)

    @cached_property
    def models(self) -> Models:
        """The product's models."""
        return recognition.load_models()

    @cached_property
    def settings(self) -> recognition.Settings:
        """The product's settings."""
        return recognition.Settings()

    def take(
        self,
        path: Path,
        name: str,
        truth: Sequence[Trail] | None = None,
        plates: Mapping[str, str] | None = None,
        *,
        start_ns: int = demonstration.START_NS,
    ) -> Clip:
        """Take a clip into the archive, each under a camera of its own while there are cameras."""
        cameras = list(self.archive.ward.cameras.values())
        camera = cameras[self._taken % len(cameras)]
        later_s = 86_400 * (self._taken // len(cameras))
        self._taken += 1
        taken = self.archive.ingest(
            path, camera.camera_id, start_ns + later_s * 10**9, reason="bench"
        )
        segment = taken.segments[0]
        kept, index = self.archive.file(segment), self.archive.frame_index(segment)
        return Clip(name, kept, segment, index, camera, truth, plates or {})

    def draw(self, street: drawn.Street) -> Clip:
        """Return the clip of a drawn street; drawn once in a run."""

        def make() -> Clip:
            path = drawn.render(street, self.folder / "drawn.mp4")
            clip = self.take(path, street.name, drawn.truth(street), street.plates())
            path.unlink()
            return clip

        key = f"{street.name} {street.weather} {street.scenario.duration_s}"
        return self.once(key, make)

    def take_once(self, path: Path) -> Clip:
        """Return a real video as a clip of the bench's archive."""
        return self.once(str(path), lambda: self.take(path, path.stem))

    @property
    def mixed_street(self) -> Clip:
        """The mixed street on which cost is measured."""
        return self.draw(drawn.mixed_street(20 if self.quick else 100))

    @property
    def sensor_street(self) -> Clip:
        """The same street as a camera films it: with noise, at a camera's bit rate."""
        return self.draw(drawn.mixed_street(20 if self.quick else 100, weather="sensor"))

    @property
    def busy(self) -> Clip:
        """The busy scene on which cost is measured."""
        return self.draw(drawn.busy_scene(4 if self.quick else 16))

    @property
    def sensor_busy(self) -> Clip:
        """The busy scene as a camera films it."""
        return self.draw(drawn.busy_scene(4 if self.quick else 16, weather="sensor"))


def run(clip: Clip, settings: recognition.Settings, models: Models) -> tuple[list[Row], float]:
    """Return the rows of a clip and the CPU seconds (user and system) that they took here."""
    rows: list[Row] = []
    began = time.process_time()
    for job in clip.jobs(settings):
        rows += recognition.run_job(job, models).to_pylist()
    return rows, time.process_time() - began


def trails_of(rows: Sequence[Row], index: FrameIndex, *, moving: bool = True) -> list[Trail]:
    """Return rows as trails by frame number; with `moving`, only what moved."""
    kept = [row for row in rows if row["moving"]] if moving else rows
    return [
        Trail(
            row["sighting_id"],
            np.searchsorted(index.pts, np.array(row["track_pts"], np.int64)).astype(np.int64),
            np.array(row["track_box"], float).reshape(-1, 4),
            kind=row["kind"],
        )
        for row in kept
    ]


def without_second_look(models: Models) -> Models:
    """Return models that read no plate and find no face: passes only."""
    return replace(
        models, read_plates=lambda _rgb, _box, hint=None: [], find_faces=lambda _rgb, _box: []
    )


_LEFT_OUT: Mapping[str, Any] = {"sweep_most_s": 0.0, "glimpse_s": 0.0}
"""Settings that keep an engine from passing quiet stretches over, where it has them."""


def dense_settings(settings: recognition.Settings, fps: float) -> recognition.Settings:
    """Return settings that look at every frame of a clip and drop no quiet stretch of it."""
    known = {name: value for name, value in _LEFT_OUT.items() if hasattr(settings, name)}
    return replace(settings, idle_fps=fps, active_fps=fps, **known)


def sweep_of(clip: Clip, settings: recognition.Settings) -> tuple[list[Swept], float]:
    """Return what the sweep of the key frames sees, and its CPU seconds."""
    seen: list[Swept] = []
    began = time.process_time()
    for job in clip.jobs(settings):
        for unit in survey(
            clip.path, clip.index, clip.segment, settings, job.first, job.stop, glances=True
        ):
            if unit.view is not None:
                boxes = [(b.x, b.y, b.w, b.h) for b in unit.view.boxes]
                seen.append((unit.view.number, np.array(boxes, float).reshape(-1, 4)))
    return seen, time.process_time() - began
