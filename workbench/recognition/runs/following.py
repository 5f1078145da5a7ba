"""Recognition of one camera's recording while it grows: fragments in, rows of closed passes out.

The same :class:`~workbench.recognition.passes.search.Search` and second look as for the archive.
What differs is where the background begins: the archive takes pictures from all over a job, which
nobody has before the job is over; here they come from the camera's past.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pyarrow as pa

from workbench import media
from workbench.errors import N_, Damaged
from workbench.recognition.passes.pictures import gate_picture, warm_pictures
from workbench.recognition.passes.rows import Pass, to_table
from workbench.recognition.passes.search import Search
from workbench.recognition.passes.second_look import look_again
from workbench.recognition.runs.engine import row_ref
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB, Models, ModelSettings
from workbench.records import SIGHTINGS, Camera, FrameIndex, Segment
from workbench.timeline import SECOND_NS, ClockFix, pts_to_ns

if TYPE_CHECKING:
    from workbench.recognition.faces.watching import FaceWatch, Watched

WARM_S = 4.0
"""A camera without a past begins with so much of its own start: rows are late by that once."""
_REMEMBERED_S = 2.0
"""Least time between two pictures of a camera's past that its background begins with."""
_ENDLESS = 2**31


def live_settings(settings: Settings) -> Settings:
    """Return the settings under which a growing recording is searched.

    Rows name them, so that a later search of the archive counts instead of these.

    >>> live_settings(Settings()).ref != Settings().ref
    True
    """
    # what is still to be filmed cannot be looked at ahead: nothing is passed over
    return replace(
        settings, drop_quiet=False, warm_least_keys=_ENDLESS, warm_s=WARM_S, span_s=float(_ENDLESS)
    )


@dataclass(frozen=True, slots=True)
class Growing:
    """A file that is being recorded, as far as it is known before it is sealed.

    ``start_ns`` is the recorder's time at media time zero, ``first_pts`` the file's first frame.
    """

    name: str
    start_ns: int
    first_pts: int
    header: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole fragments of a growing file, in order.

    ``fresh``: something before them was left out, so what was on its way is given up; they begin
    with a key frame. ``last``: the file has ended with them. ``seconds``: their length. ``faces``:
    the lookouts for a face that stand at its camera now; without one no face is ever compared.
    """

    of: Growing
    data: bytes = field(default=b"", repr=False)
    fresh: bool = False
    last: bool = False
    seconds: float = 0.0
    faces: tuple[FaceWatch, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Fed:
    """What came of a piece: rows of passes that are closed, and how far the search has come.

    ``looked`` are the spans of ticks ``[first, stop)`` of the file searched so far; in the newest
    one passes that began at ``open_pts`` or later may still be on their way. ``watched`` is what
    came of the piece's lookouts for a face, None where there were none.
    """

    name: str
    table: pa.Table
    looked: tuple[tuple[int, int], ...] = ()
    open_pts: int | None = None
    model_ref: str = ""
    watched: Watched | None = None


class Following:
    """State of one camera while its recording grows; lives where its models are.

    Parameters
    ----------
    models
        Gives this process's models; asked at the first piece.
    """

    def __init__(
        self,
        camera: Camera,
        settings: Settings,
        models: Callable[[ModelSettings], Models],
        fixes: tuple[ClockFix, ...] = (),
    ) -> None:
        self._camera, self._settings, self._fixes = camera, settings, fixes
        self._models_of = models
        self.past: deque[RGB] = deque(maxlen=settings.warm_pictures)
        self._past_ns = 0
        self._watches: tuple[FaceWatch, ...] = ()
        self._watched: list[Watched] = []
        self._files: dict[str, _File] = {}

    def feed(self, piece: Piece) -> Fed:
        """Search a piece and return the rows of all passes that closed with it."""
        cv2.setNumThreads(1)
        models = self._models_of(self._settings.models)
        self._watches, self._watched = piece.faces, []
        # By file: where one ends late, the next has begun, and neither may cost the other rows.
        file = self._files.setdefault(piece.of.name, _File())
        if piece.last:
            del self._files[piece.of.name]
        tables = [self._end(file)] if piece.fresh else []
        if piece.data:
            if file.run is None:
                file.run = _Run(piece.of, self._camera, self._settings, self._fixes, models)
            tables.append(file.run.add(piece.data, self))
        looked = [*file.looked, *([file.run.span] if file.run and file.run.span else [])]
        open_pts = file.run.open_pts if file.run else None
        if piece.last:
            tables.append(self._end(file))
            looked, open_pts = file.looked, None
        return Fed(
            piece.of.name,
            pa.concat_tables(tables) if tables else SIGHTINGS.empty_table(),
            tuple(looked),
            open_pts,
            row_ref(models.ref, self._settings),
            self._seen_faces() if piece.faces else None,
        )

    def remember(self, picture: RGB, at_ns: int) -> None:
        """Keep a picture of a key frame for the next beginning, at times."""
        if self.past and self.past[-1].shape != picture.shape:
            self.past.clear()
        if not self.past or at_ns - self._past_ns >= _REMEMBERED_S * SECOND_NS:
            self.past.append(picture)
            self._past_ns = at_ns

    def watch(
        self, table: pa.Table, segment: Segment, path: Path, index: FrameIndex, models: Models
    ) -> None:
        """Compare passes that have closed with the faces looked out for here; mostly do nothing."""
        if not self._watches or not table.num_rows:
            return
        # the network that compares is imported by this alone
        from workbench.recognition.faces.search import plan_face_job
        from workbench.recognition.faces.watching import KINDS, watch_faces

        rows = [row for row in table.to_pylist() if row["kind"] in KINDS]
        job = plan_face_job(segment, path, self._fixes, rows, self._watches[0].settings)
        self._watched.append(watch_faces(job, index, self._watches, models.find_faces))

    def _seen_faces(self) -> Watched:
        from workbench.recognition.faces.watching import Watched

        return Watched(
            tuple(hit for one in self._watched for hit in one.hits),
            tuple(look for one in self._watched for look in one.looked),
            next((one.failure for one in self._watched if one.failure), ""),
        )

    def _end(self, file: _File) -> pa.Table:
        run, file.run = file.run, None
        if run is None:
            return SIGHTINGS.empty_table()
        try:
            table = run.end(self)
            if run.span:
                file.looked.append(run.span)
            return table
        finally:
            run.close()


@dataclass(slots=True, eq=False)
class _File:
    """What is on its way in one growing file, and what was searched of it before."""

    run: _Run | None = None
    looked: list[tuple[int, int]] = field(default_factory=list)


class _Run:
    """One uninterrupted search through a part of one growing file."""

    def __init__(
        self,
        of: Growing,
        camera: Camera,
        settings: Settings,
        fixes: tuple[ClockFix, ...],
        models: Models,
    ) -> None:
        self._of, self._camera, self._s = of, camera, settings
        self._fixes, self._models = fixes, models
        self._spool = media.Spool(of.header)
        self._search: Search | None = None
        self.segment: Segment | None = None
        self.span: tuple[int, int] | None = None

    @property
    def open_pts(self) -> int | None:
        """Return where the first pass begins that is not given out yet."""
        return self._search.open_pts if self._search else None

    def add(self, data: bytes, house: Following) -> pa.Table:
        """Take fragments and search them, once there is a background to begin with."""
        self._spool.add(data)
        if self.segment is None:
            self.segment = self._as_segment()
        if self._search is None and not self._begin(house, last=False):
            return SIGHTINGS.empty_table()
        return self._go_on(house, last=False)

    def end(self, house: Following) -> pa.Table:
        """Search what the decoder still holds and return what is left."""
        if self._search is None and not self._begin(house, last=True):
            return SIGHTINGS.empty_table()
        return self._go_on(house, last=True)

    def close(self) -> None:
        """Let the pieces go."""
        self._spool.close()

    def _as_segment(self) -> Segment:
        facts, of = self._spool.facts, self._of
        assert facts is not None
        if self._spool.index.ordinal:
            raise Damaged(
                N_("the times of this recording must be mended before it can be searched"),
                N_("run recognise once it is in the archive"),
                where=of.name,
            )
        return Segment(
            sha256=of.name,
            camera_id=self._camera.camera_id,
            path="",
            stamped_start_ns=of.start_ns + pts_to_ns(of.first_pts, facts.tick_s),
            first_pts=of.first_pts,
            stop_pts=facts.stop_pts,
            time_base=facts.time_base,
            tick_s=facts.tick_s,
            frame_count=len(self._spool.index),
            width_px=facts.width_px,
            height_px=facts.height_px,
            codec=facts.codec,
            rotation_deg=facts.rotation_deg,
            size_bytes=0,
        )

    def _begin(self, house: Following, *, last: bool) -> bool:
        segment, pts = self.segment, self._spool.index.pts
        if segment is None or not len(pts):
            return False
        past = list(house.past)
        # a second more than is looked at: what is shown before that may still come after it
        enough = (int(pts[-1]) - int(pts[0])) * segment.tick_s > self._s.warm_s + 1
        if not past and not enough and not last:
            return False
        warm = past or list(
            warm_pictures(self._spool.path, self._spool.index, 0, len(pts), segment, self._s)
        )
        self._search = Search(
            segment, self._s, self._models.detect, first=0, stop=_ENDLESS, warm=lambda: warm
        )
        return True

    def _go_on(self, house: Following, *, last: bool) -> pa.Table:
        search, segment, index = self._search, self.segment, self._spool.index
        assert search is not None
        assert segment is not None
        passes: list[Pass] = []
        for pts, frame in self._spool.decode(last=last):
            passes += search.step(int(np.searchsorted(index.pts, pts)), pts, frame)
            start, _ = self.span or (pts, pts)
            self.span = (start, pts + 1)
            if frame.key_frame:
                picture, _ = gate_picture(frame, segment.rotation_deg, self._s.gate_width_px)
                house.remember(picture, segment.stamped_ns(pts))
        if last:
            passes += search.finish()
        path = self._spool.path
        look_again(passes, path, index, segment, self._fixes, self._models, self._s)
        ref = row_ref(self._models.ref, self._s)
        table = to_table(passes, segment, self._camera, self._fixes, ref)
        house.watch(table, segment, path, index, self._models)
        return table
