"""The search through frames as they come: gate, tracker and looks; passes out as they close.

It knows neither files nor networks: an archived file and a recording that still grows push their
frames through the same :meth:`Search.step`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import av
import cv2
import numpy as np

from workbench import media
from workbench.recognition.passes.detect import Eye, spread
from workbench.recognition.passes.gate import Gate
from workbench.recognition.passes.naming import Namer
from workbench.recognition.passes.pictures import Glimpse, gate_picture, still_part
from workbench.recognition.passes.rows import Pass
from workbench.recognition.passes.stitching import Stitcher
from workbench.recognition.passes.sweep import KeyView
from workbench.recognition.passes.track import Observation, Still, Track, Tracker
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB, Detector
from workbench.records import Box, Segment


class Search:
    """State of one uninterrupted search while its frames stream by.

    Parameters
    ----------
    segment
        The file the frames are of; of one that grows, what is known of it.
    first, stop
        Frame numbers between which a pass must begin to belong to this search, half-open.
    warm
        Gives gate pictures to begin the background with; asked at the first frame.
    """

    def __init__(
        self,
        segment: Segment,
        settings: Settings,
        detect: Detector,
        *,
        first: int,
        stop: int,
        warm: Callable[[], Sequence[RGB]],
    ) -> None:
        self._segment, self._s, self._warm, self._detect = segment, settings, warm, detect
        self._first, self._stop = first, stop
        self._tick_s = float(segment.tick_s)
        self._tracker = Tracker(settings, segment.width_px, segment.height_px)
        self._stitcher = Stitcher(settings)
        self._namer = Namer(settings)
        self._gate: Gate | None = None
        self._due_s = self._look_due_s = self._idle_look_due_s = self._looked_s = -1e18
        self._glimpse = Glimpse(settings, segment.rotation_deg)
        self._gate_due_s, self._left_out = -1e18, 0

    @property
    def awaits(self) -> bool:
        """Return whether something that began in this search's part is still on its way."""
        return any(self._ours(track) for track in self._tracker.live)

    @property
    def open_pts(self) -> int | None:
        """Return where the first pass begins that is not given out yet; None without one."""
        undecided = [*self._tracker.live, *self._stitcher.kept]
        return min((track.seen[0].pts for track in undecided), default=None)

    def step(self, number: int, pts: int, frame: av.VideoFrame) -> list[Pass]:
        """Look at one decoded frame, if it is time to; return the passes that this closes."""
        s, t_s = self._s, self._seconds(pts)
        if t_s < self._due_s:
            return []
        self._looked_s = t_s
        if not self._tracker.live and t_s < self._gate_due_s and not self._glimpse.differs(frame):
            self._left_out += 1
            self._pace(t_s, s.idle_fps)
            return []
        small, scale = gate_picture(frame, self._segment.rotation_deg, s.gate_width_px)
        self._follow(number, pts, t_s, small, scale, 1.0 + self._left_out)
        self._left_out = 0
        if not self._tracker.live:
            self._glimpse.take(frame)
            self._gate_due_s = t_s + s.glimpse_s - 5e-4
        self._look(number, pts, t_s, frame)
        self._keep_stills(number, frame)
        active = self._is_active(t_s)
        self._pace(t_s, s.active_fps if active else s.idle_fps)
        return self._closed(t_s)

    def idles(self, pts: int) -> bool:
        """Tell whether this frame was looked at and nothing is followed that is new or going."""
        t_s = self._seconds(pts)
        return self._gate is not None and t_s == self._looked_s and not self._is_active(t_s)

    def shows_nothing(self, frame: av.VideoFrame) -> bool:
        """Tell whether a later frame has nothing beside the background and what stands there.

        Nothing is learned from it, and nothing followed by it.
        """
        if self._gate is None:
            return False
        small, _ = gate_picture(frame, self._segment.rotation_deg, self._s.gate_width_px)
        return all(self._tracker.expects(box) for box in self._gate.peek(small))

    def pass_over(self, length_s: float) -> None:
        """Take note that so much footage is left out, in which nothing is taken to happen."""
        self._left_out += round(length_s * self._s.idle_fps)
        self._due_s = -1e18

    def rest(self, view: KeyView, length_s: float) -> list[Pass]:
        """Take the key frame that stands for a quiet stretch; return the passes that it closes."""
        s, t_s = self._s, self._seconds(view.pts)
        scale = self._segment.width_px / view.picture.shape[1]
        self._follow(view.number, view.pts, t_s, view.picture, scale, length_s * s.idle_fps)
        if view.glance is not None and t_s >= self._idle_look_due_s and self._in_part(view.number):
            found = self._detect(view.glance)
            found = spread(found, self._segment.width_px, self._segment.height_px)
            self._namer.look(self._tracker, found, view.number, view.pts, t_s)
            self._look_due_s, self._idle_look_due_s = t_s + s.look_s, t_s + s.idle_look_s
        self._pace(t_s, s.idle_fps)
        return self._closed(t_s)

    def _pace(self, t_s: float, fps: float) -> None:
        """Set when the next frame is due, and make up for what this one came late by.

        Else 6 frames a second were looked at where 12 come and 10 are asked for. Half a millisecond
        of slack: a 10 fps file sampled at 10 fps must not lose every other.
        """
        late_s, each_s = t_s - self._due_s, 1 / fps
        # later than a whole turn, it is the first one, or the first after a stretch left out
        late_s = late_s if self._s.late_share * each_s < late_s < each_s else 0.0
        self._due_s = t_s + each_s - late_s - 5e-4

    def _is_active(self, t_s: float) -> bool:
        return any(self._tracker.is_lively(track, t_s) for track in self._tracker.live)

    def _seconds(self, pts: int) -> float:
        return (pts - self._segment.first_pts) * self._tick_s

    def _follow(
        self, number: int, pts: int, t_s: float, small: RGB, scale: float, stands_for: float = 1.0
    ) -> None:
        if self._gate is None:
            self._gate = Gate(self._s, list(self._warm()), scale)
        held = self._tracker.held(t_s)
        boxes = self._gate.step(small, held, stands_for=max(1, round(stands_for)))
        self._tracker.step(number, pts, t_s, boxes)

    def _closed(self, t_s: float) -> list[Pass]:
        ended = self._tracker.take_ended()
        return self._passes(self._stitcher.settle(t_s, ended, self._tracker.live))

    def finish(self) -> list[Pass]:
        """End the search: return what is left, moving first, then what stood."""
        moving = self._passes(self._stitcher.finish(self._tracker.finish()))
        stood = [one for one in self._namer.sure() if self._within(one.hits[0][0].number)]
        return moving + [Pass.of_standing(one) for one in stood]

    def _passes(self, tracks: Sequence[Track]) -> list[Pass]:
        return [
            Pass.of_track(track, self._s)
            for track in tracks
            if self._ours(track) and self._tracker.is_pass(track)
        ]

    def _ours(self, track: Track) -> bool:
        return self._within(track.seen[0].number)

    def _within(self, number: int) -> bool:
        return self._first <= number < self._stop

    def _look(self, number: int, pts: int, t_s: float, frame: av.VideoFrame) -> None:
        if not self._in_part(number):
            return
        s = self._s
        firm = [t for t in self._tracker.live if len(t.seen) >= s.pass_least_looks]
        moving = [t for t in firm if t.last.number == number and self._tracker.is_going(t)]
        full = t_s >= (self._look_due_s if moving else self._idle_look_due_s)
        # Between whole looks only a thing nobody has named is worth one, a few times.
        new = [t for t in moving if not t.named and t_s >= t.look_due_s]
        met = [] if full else self._met(moving, t_s)
        if not full and not new and not met:
            return
        eye = Eye(self._detect, frame, self._segment.rotation_deg)
        if full:
            self._namer.look(self._tracker, eye.whole(), number, pts, t_s)
            self._look_due_s, self._idle_look_due_s = t_s + s.look_s, t_s + s.idle_look_s
            moving = [t for t in moving if t in self._tracker.live]
        self._namer.look_closer(self._tracker, moving if full else new, eye, number, pts, t_s)
        for region, tracks in met:
            self._namer.meet(self._tracker, region, tracks, eye, number, pts, t_s)

    def _met(self, moving: Sequence[Track], t_s: float) -> list[tuple[Box, list[Track]]]:
        """Return the regions it is time to look at for what is in them, with who is known there."""
        met = self._tracker.meetings
        shared = {id(track) for _, tracks in met for track in tracks}
        met = met + [
            (track.last.box, [track]) for track in moving if track.loose and id(track) not in shared
        ]
        going = {id(track) for track in moving}
        return [
            (region, tracks)
            for region, tracks in met
            if any(id(t) in going for t in tracks) and min(t.met_due_s for t in tracks) <= t_s
        ]

    def _in_part(self, number: int) -> bool:
        return number < self._stop or bool(self._tracker.live)

    def _keep_stills(self, number: int, frame: av.VideoFrame) -> None:
        luma = None
        for track in self._tracker.live:
            at = track.last
            if at.number != number or at.guessed:
                continue
            if luma is None:
                luma = media.to_luma(frame, self._segment.rotation_deg)
            bucket = int(at.t_s / self._s.candidate_gap_s)
            still = rated(luma, at, self._s)
            best = track.stills.get(bucket)
            if best is None or still.legible > best.legible:
                part = still_part(frame, at.box, self._segment.rotation_deg, self._s)
                track.stills[bucket] = replace(still, part=part)
                track.forget_stills(self._s.candidates)


def rated(luma: np.ndarray, at: Observation, settings: Settings) -> Still:
    """Return how good a frame is for a second look at a box: large, sharp, whole, alone.

    A plate hangs low: a vehicle that reaches out of the picture above may well show it.
    """
    height, width = luma.shape
    left, top = max(0, int(at.box.x)), max(0, int(at.box.y))
    right, bottom = int(at.box.x + at.box.w), int(at.box.y + at.box.h)
    crop = luma[top : max(top + 1, bottom), left : max(left + 1, right)]
    if min(crop.shape) < 4:
        return Still(at, 0.0)
    step = max(1, min(crop.shape) // 96)
    edges = cv2.Laplacian(np.ascontiguousarray(crop[::step, ::step]), cv2.CV_16S)
    sharp = float(cv2.meanStdDev(edges)[1][0, 0]) ** 2
    value = at.box.w * at.box.h * sharp / (sharp + settings.sharpness_half)
    value *= settings.shared_penalty if at.shared else 1.0
    cut = is_cut(at.box, width, height, settings)
    below = at.box.y + at.box.h > height - settings.cut_margin_px
    return Still(
        at,
        value * (settings.cut_penalty if cut else 1.0),
        value * (settings.cut_penalty if below else 1.0),
    )


def is_cut(box: Box, width: int, height: int, settings: Settings) -> bool:
    """Tell whether a box touches the border of a frame, so that part of the thing is outside."""
    m = settings.cut_margin_px
    return box.x < m or box.y < m or box.x + box.w > width - m or box.y + box.h > height - m
