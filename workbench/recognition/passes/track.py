"""Boxes of many instants -> passes: constant-velocity Kalman filters and the Hungarian method.

The gate's boxes are not objects: one may hold two walkers who meet, or half a lorry. So a track
takes every fragment that lies in the box it expects, and two tracks that expect to be inside one
box keep their own sizes until it splits again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from workbench import optics
from workbench.later import later
from workbench.media import Cut
from workbench.recognition.settings import Settings
from workbench.records import Box

optimize = later("scipy.optimize")


@dataclass(frozen=True, slots=True)
class Observation:
    """Where a thing was on one frame: number in the index, PTS, seconds, box in frame pixels.

    ``shared`` marks a box inferred while another thing was in the same blob, ``guessed`` one of a
    thing that had nothing of its own in it: where it would be, had it gone on.
    """

    number: int
    pts: int
    t_s: float
    box: Box
    shared: bool = False
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Still:
    """A frame of a pass worth a second, full look.

    ``quality`` ranks those of one pass as pictures of it, ``legible`` as pictures of its plate.
    ``part`` is what of the frame is kept for that look; without it the frame is decoded again.
    """

    at: Observation
    quality: float
    legible: float = 0.0
    part: Cut | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Look:
    """What the detector drew of a thing on a frame, beside the box that it moved in there."""

    at: Observation
    drawn: Box


class _Motion:
    """Constant-velocity Kalman filter over centre x, y, width and height of a box.

    The four share one covariance of (value, rate), since they share their noise, in units of the
    object's size.
    """

    def __init__(self, box: Box, t_s: float) -> None:
        self.value = _vector(box)
        self.rate = np.zeros(4)
        self._p = 0.01, 0.0, 4.0
        """Variance of the value, covariance, variance of the rate."""
        self.t_s = t_s

    def at(self, t_s: float) -> Box:
        """Return the box expected at an instant; sizes are not extrapolated far."""
        dt = t_s - self.t_s
        value = self.value + self.rate * np.array([dt, dt, min(dt, 0.3), min(dt, 0.3)])
        value[2:] = np.maximum(value[2:], 2)
        return Box(value[0] - value[2] / 2, value[1] - value[3] / 2, value[2], value[3])

    def update(self, box: Box, t_s: float) -> None:
        """Take a measured box in."""
        dt = max(t_s - self.t_s, 1e-3)
        # two by two and symmetric: in single numbers it costs a tenth of what arrays do
        vv, vr, rr = self._p
        vv += dt * (2 * vr + dt * rr) + 0.5 * dt**3
        vr += dt * rr + 0.75 * dt**2
        rr += 1.5 * dt
        of_value, of_rate = vv / (vv + 0.01), vr / (vv + 0.01)
        expected = self.value + self.rate * dt
        error = _vector(box) - expected
        self.value = expected + of_value * error
        self.value[2:] = np.maximum(self.value[2:], 2)
        self.rate = self.rate + of_rate * error
        # The size of a thing changes slowly; its measured size jumps with fragments.
        self.rate[2:] *= 0.8
        self._p = vv - of_value * vv, vr - of_value * vr, rr - of_rate * vr
        self.t_s = t_s


@dataclass(slots=True)
class Track:
    """One thing being followed. ``seen`` grows; nothing in it is forgotten before the pass ends."""

    seen: list[Observation]
    motion: _Motion = field(repr=False)
    moved_s: float
    """Instant of the last real displacement."""
    way_px: float = 0.0
    reach_px: float = 0.0
    named: list[tuple[str, float]] = field(default_factory=list)
    """What the detector called it, look by look: kind, score."""
    parted: int = 0
    """Looks in a row at which it came in pieces."""
    look_due_s: float = -1e18
    """Not before this instant is it worth another look of its own."""
    met_due_s: float = -1e18
    """Nor, while it shares its region with another, one at the two."""
    meetings: int = 0
    """Looks at a region that it was in with others, or that others may be in."""
    drawn: Observation | None = None
    """Where the detector has drawn it there last."""
    undrawn: int = 0
    """Of these the last ones, in a row, that showed others and not it."""
    looks: list[Look] = field(default_factory=list)
    """What the detector drew of it while it went by, by frame."""
    loose: bool = False
    """Its region is more than the thing the detector has drawn in it."""
    crops: int = 0
    """Times it was cut out for the detector."""
    stills: dict[int, Still] = field(default_factory=dict)
    """Best frame of each stretch of ``candidate_gap_s``."""
    _start: tuple[float, float] | None = None
    _anchor: tuple[float, float] = (0.0, 0.0)
    _before: tuple[float, float, float, tuple[float, float], _Motion] | None = None
    """Way, reach, last move, anchor and motion as they were before the guesses at its end."""

    @classmethod
    def begin(cls, at: Observation) -> Track:
        """Start a track on one observation."""
        return cls([at], _Motion(at.box, at.t_s), at.t_s)

    @property
    def last(self) -> Observation:
        """The newest observation."""
        return self.seen[-1]

    @property
    def known(self) -> Observation:
        """The newest observation that is no guess; where it ends now, its last one."""
        return next(at for at in reversed(self.seen) if not at.guessed)

    @property
    def size_px(self) -> float:
        """Root of the median area."""
        areas = sorted(o.box.w * o.box.h for o in self.seen[-25:])
        return math.sqrt(areas[len(areas) // 2])

    def add(self, at: Observation) -> None:
        """Append an observation and learn its motion."""
        box = at.box
        if not at.guessed:
            self._before = None
        elif self._before is None:
            known = self.way_px, self.reach_px, self.moved_s, self._anchor, copy(self.motion)
            self._before = known
        if at.shared:
            # Its size is a guess from before the meeting: it must not shrink with each look.
            x, y = _centre(box)
            w, h = (float(v) for v in self.motion.value[2:])
            box = Box(x - w / 2, y - h / 2, w, h)
        self.motion.update(box, at.t_s)
        self.seen.append(at)
        # The median of three looks: one box that jumps is not a way gone.
        across, down = zip(*(_centre(o.box) for o in self.seen[-3:]), strict=True)
        x, y = median(across), median(down)
        if self._start is None:
            if len(self.seen) < 3:
                return
            self._start = self._anchor = (x, y)
        self.reach_px = max(self.reach_px, math.hypot(x - self._start[0], y - self._start[1]))
        hop = math.hypot(x - self._anchor[0], y - self._anchor[1])
        if hop > 0.2 * self.size_px:
            self.way_px += hop
            self._anchor, self.moved_s = (x, y), at.t_s

    def forget_guesses(self) -> None:
        """Leave out the looks at its end that it was only guessed to be at, and what they told.

        What has gone out of sight behind another is guessed to be there until that one goes, too.
        """
        while self.seen[-1].guessed:
            self.seen.pop()
        if self._before is not None:
            self.way_px, self.reach_px, self.moved_s, self._anchor, self.motion = self._before
            self._before = None

    def correct(self, box: Box) -> None:
        """Replace the newest box by one the detector has drawn."""
        last = self.last
        self.seen[-1] = replace(last, box=box, guessed=False)
        self._before = None
        self.motion.value = _vector(box)

    def draw(self, box: Box, again_s: float) -> None:
        """Take the box the detector has drawn of this thing alone, in a region it shares.

        From one drawing to the next, within `again_s`, its rate follows too: those of regions that
        things come into and leave say little of it.
        """
        at = replace(self.last, box=box, shared=False, guessed=False)
        self._before = None
        self.seen[-1] = at
        self.motion.value = _vector(box)
        if self.drawn is not None and 0 < at.t_s - self.drawn.t_s <= again_s:
            way = _vector(box) - _vector(self.drawn.box)
            self.motion.rate[:2] = way[:2] / (at.t_s - self.drawn.t_s)
        self.drawn = at

    def forget_stills(self, most: int) -> None:
        """Keep only the most legible frames, and the best picture."""
        if len(self.stills) <= most + 1:
            return
        order = sorted(self.stills, key=lambda b: (-self.stills[b].legible, b))
        best = min(self.stills, key=lambda b: (-self.stills[b].quality, b))
        self.stills = {b: self.stills[b] for b in self.stills if b in order[:most] or b == best}

    def take(self, later: Track) -> None:
        """Take over a later piece of the same pass."""
        for at in later.seen:
            if at.number > self.last.number:
                self.add(at)
        self.named += later.named
        self.crops += later.crops
        self.looks += later.looks
        self.stills = {**later.stills, **self.stills}


class Tracker:
    """Follows things through the boxes of one job; deterministic in their order."""

    def __init__(self, settings: Settings, width_px: int, height_px: int) -> None:
        self._s = settings
        self._width_px, self._height_px = width_px, height_px
        self._diagonal_px = float(np.hypot(width_px, height_px))
        self.live: list[Track] = []
        self.ended: list[Track] = []
        self.meetings: list[tuple[Box, list[Track]]] = []
        """Of the last step: each region with the two and more tracks that are in it."""
        self._fidgets: deque[tuple[float, Box]] = deque()

    def is_pass(self, track: Track) -> bool:
        """Tell a thing that went somewhere from leaves, flicker, ghosts and fluttering tape."""
        s = self._s
        if len(track.seen) < s.pass_least_looks or not self._went(track):
            return False
        boxes = [o.box for o in track.seen]
        shared = sum(o.shared for o in track.seen)
        if shared > s.shared_most * len(boxes) and len(track.named) < 2:
            return False  # one look of the detector's, never seen apart from another thing
        vouched = max((score for _, score in track.named), default=0.0) >= s.name_score
        slim = float(np.median([max(b.w / b.h, b.h / b.w) for b in boxes]))
        return (
            track.last.t_s - track.seen[0].t_s >= s.pass_least_s
            and (vouched or track.reach_px >= s.pass_least_straight * track.way_px)
            and slim <= s.pass_most_slim
        )

    def is_going(self, track: Track) -> bool:
        """Tell what has set out from what flickers on the spot, a burnt-in clock above all."""
        return self._went(track, self._s.going_share)

    def is_lively(self, track: Track, t_s: float) -> bool:
        """Tell whether a track is worth the quicker pace: new, or going and not at rest."""
        s = self._s
        if t_s - track.seen[0].t_s < s.lively_new_s:
            return not self._is_restless(track.last.box)
        straight = track.reach_px >= s.pass_least_straight * track.way_px
        return straight and self.is_going(track) and t_s - track.moved_s < s.lively_s

    def expects(self, box: Box) -> bool:
        """Tell whether a box is where a thing that is followed stands, or where nothing ever goes.

        A thing that has gone on since is somewhere else.
        """
        return self._is_restless(box) or any(
            overlap_share(box, _inflate(track.last.box, 0.1)) > 0.7
            and overlap_share(track.last.box, _inflate(box, 0.1)) > 0.7
            for track in self.live
        )

    def _is_restless(self, box: Box) -> bool:
        """Tell a place where things begin again and again and never go anywhere."""
        alike = sum(overlap_share(box, _inflate(old, 0.1)) > 0.7 for _, old in self._fidgets)
        return alike >= self._s.restless_least

    def _went(self, track: Track, share: float = 1.0) -> bool:
        least_px = self._s.pass_least_reach * self._diagonal_px
        least_px = max(least_px, self._s.pass_least_shift * track.size_px)
        return track.reach_px >= share * least_px

    def step(self, number: int, pts: int, t_s: float, boxes: Sequence[Box]) -> None:
        """Take the boxes of one instant."""
        s = self._s
        expected = [track.motion.at(t_s) for track in self.live]
        pairs, swallowed = self._matched(expected, boxes, t_s)
        owner = {j: i for i, j in pairs}  # box -> track
        parts = {i: [j] for j, i in owner.items()}
        free = self._gather(expected, boxes, parts, owner, swallowed)
        # Meetings: a track without a box of its own that expects to be inside another's.
        guests = self._guests(expected, boxes, parts)
        guests |= {i: j for i, j in swallowed.items() if i not in parts}
        hosts = set(guests.values())
        for i, track in enumerate(self.live):
            if i in parts:
                box = hull([boxes[j] for j in parts[i]])
                shared = any(j in hosts for j in parts[i]) and _area(box) > s.merge_growth * _area(
                    expected[i]
                )
                if shared:
                    box = _inside(expected[i], box)
                track.undrawn = track.undrawn if shared else 0
                track.add(Observation(number, pts, t_s, box, shared))
            elif i in guests:
                box = _inside(expected[i], boxes[guests[i]])
                track.add(Observation(number, pts, t_s, box, True, guessed=True))
        self.meetings = self._meetings(boxes, parts, guests)
        for j in free:
            self.live.append(Track.begin(Observation(number, pts, t_s, boxes[j])))
        self._retire(t_s)

    def _meetings(
        self, boxes: Sequence[Box], parts: dict[int, list[int]], guests: dict[int, int]
    ) -> list[tuple[Box, list[Track]]]:
        inside: dict[int, list[Track]] = {}
        for i, own in parts.items():
            if any(guests[g] in own for g in guests):
                inside[i] = [self.live[i]]
        for guest, j in guests.items():
            host = next((i for i, own in parts.items() if j in own), None)
            if host is not None:
                inside[host].append(self.live[guest])
        return [(hull([boxes[j] for j in parts[i]]), tracks) for i, tracks in inside.items()]

    def add(self, number: int, pts: int, t_s: float, box: Box) -> Track:
        """Begin a track on a box that the detector, not the gate, has proposed."""
        track = Track.begin(Observation(number, pts, t_s, box, True))
        track.drawn = track.last
        self.live.append(track)
        return track

    def end(self, track: Track) -> None:
        """End a track that is no longer where it is guessed to be."""
        self.live.remove(track)
        track.forget_guesses()
        self.ended.append(track)

    def join(self, pieces: Sequence[Track], box: Box) -> None:
        """Make one track of several that the detector says are one object in `box`."""
        oldest = max(pieces, key=lambda t: (len(t.seen), -t.seen[0].number))
        for piece in pieces:
            if piece is not oldest:
                oldest.named += piece.named
                self.live.remove(piece)
        oldest.correct(box)

    def held(self, t_s: float) -> list[Box]:
        """Return boxes to keep out of the background: tracked things that moved lately."""
        s = self._s
        return [
            track.last.box
            for track in self.live
            if t_s - track.moved_s < s.hold_new_s
            or (t_s - track.moved_s < s.hold_s and self.is_pass(track))
        ]

    def finish(self) -> list[Track]:
        """End all and return the tracks that ended since they were last taken."""
        for track in self.live:
            track.forget_guesses()
        self.ended += self.live
        self.live = []
        return self.take_ended()

    def take_ended(self) -> list[Track]:
        """Return the tracks that ended since this was last asked."""
        ended, self.ended = self.ended, []
        return ended

    def _gather(
        self,
        expected: Sequence[Box],
        boxes: Sequence[Box],
        parts: dict[int, list[int]],
        owner: dict[int, int],
        swallowed: Mapping[int, int],
    ) -> list[int]:
        """Add fragments to the tracks that expect them (in `parts`); return the boxes left over."""
        s = self._s
        free = []
        for j, box in enumerate(boxes):
            if j in owner:
                continue
            shares = [
                overlap_share(box, _inflate(e, 0.1)) if swallowed.get(k) != j else 0.0
                for k, e in enumerate(expected)
            ]
            i = int(np.argmax(shares)) if shares else -1
            if i < 0 or shares[i] < s.absorb_share or not self._is_part(i, j, boxes, parts):
                free.append(j)
            else:
                parts.setdefault(i, []).append(j)
        for i, track in enumerate(self.live):
            if len(parts.get(i, ())) < 2:
                track.parted = 0
        return free

    def _is_part(self, i: int, j: int, boxes: Sequence[Box], parts: dict[int, list[int]]) -> bool:
        s, track = self._s, self.live[i]
        own = [boxes[k] for k in parts.get(i, ())]
        if not own:
            return True
        joint = hull([*own, boxes[j]])
        if sum(_area(b) for b in own) + _area(boxes[j]) < s.absorb_fill * _area(joint):
            return False
        if _area(boxes[j]) >= s.part_share * _area(joint):
            track.parted += 1
            return track.parted < s.part_looks
        return True

    def _matched(
        self, expected: Sequence[Box], boxes: Sequence[Box], t_s: float
    ) -> tuple[list[tuple[int, int]], dict[int, int]]:
        """Return which track takes which box, and which are swallowed by which."""
        never: set[tuple[int, int]] = set()
        swallowed: dict[int, int] = {}
        while True:
            pairs = self._match(expected, boxes, never)
            more = {(i, j) for i, j in pairs if self._is_swallowed(i, expected[i], boxes[j], t_s)}
            if not more:
                return pairs, swallowed
            never |= more
            swallowed = dict(sorted(more)) | swallowed

    def _is_swallowed(self, i: int, expected: Box, box: Box, t_s: float) -> bool:
        """Tell a thing on its way from what comes in over a border and joins its region.

        What was seen a moment ago is no such times as large now, nor at a border it was not near.
        Of what has only just come in itself, the rest may follow.
        """
        s, track = self._s, self.live[i]
        return (
            t_s - track.seen[0].t_s >= s.swallow_old_s
            and t_s - track.last.t_s <= s.swallow_s
            and _area(box) > s.swallow_growth * _area(expected)
            and self._went(track, s.going_share)
            and bool(self._borders(box) - self._borders(expected) - self._borders(track.last.box))
        )

    def _borders(self, box: Box) -> set[str]:
        """Return the borders of the picture that a box reaches."""
        near = self._s.border_share * self._width_px
        told = {
            "left": box.x < near,
            "top": box.y < near,
            "right": box.x + box.w > self._width_px - near,
            "bottom": box.y + box.h > self._height_px - near,
        }
        return {side for side, reached in told.items() if reached}

    def _match(
        self, expected: Sequence[Box], boxes: Sequence[Box], never: Iterable[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Return which track takes which box; `never` those that must not."""
        if not expected or not boxes:
            return []
        score = np.array([[affinity(e, b) for b in boxes] for e in expected])
        for i, j in never:
            score[i, j] = 0.0
        # A long track outbids a newcomer for the same box.
        trust = np.array([min(len(track.seen), 10) / 100 for track in self.live])
        allowed = score >= self._s.match_least
        rows, columns = optimize.linear_sum_assignment(
            -np.where(allowed, score + trust[:, None], -1.0)
        )
        return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j]]

    def _guests(
        self, expected: Sequence[Box], boxes: Sequence[Box], parts: dict[int, list[int]]
    ) -> dict[int, int]:
        s = self._s
        guests = {}
        taken = {j for own in parts.values() for j in own}
        for i, track in enumerate(self.live):
            # Only what has gone somewhere, or what the detector has drawn, is worth the guess.
            gone = track.reach_px >= max(0.25 * track.size_px, 0.02 * self._diagonal_px)
            if i in parts or not (
                track.last.shared
                or track.drawn is not None
                or (gone and len(track.seen) >= s.pass_least_looks)
            ):
                continue
            shares = [
                overlap_share(expected[i], boxes[j]) if j in taken else 0.0
                for j in range(len(boxes))
            ]
            if shares and max(shares) >= s.merge_share:
                guests[i] = int(np.argmax(shares))
        return guests

    def _retire(self, t_s: float) -> None:
        s = self._s
        keep = []
        for track in self.live:
            drawn = track.last.shared or track.drawn is not None
            known = drawn or len(track.seen) >= s.pass_least_looks
            if t_s - track.last.t_s > (s.coast_s if known else s.coast_new_s):
                track.forget_guesses()
                self.ended.append(track)
                if not self.is_pass(track):
                    self._fidgets.append((t_s, hull([o.box for o in track.seen[-20:]])))
            else:
                keep.append(track)
        self.live = keep
        while self._fidgets and t_s - self._fidgets[0][0] > s.restless_s:
            self._fidgets.popleft()


def overlap_share(inner: Box, outer: Box) -> float:
    """Return the part of `inner`'s area that lies in `outer`, 0..1.

    >>> overlap_share(Box(0, 0, 10, 10), Box(5, 0, 10, 10))
    0.5
    """
    w = min(inner.x + inner.w, outer.x + outer.w) - max(inner.x, outer.x)
    h = min(inner.y + inner.h, outer.y + outer.h) - max(inner.y, outer.y)
    return max(0.0, w) * max(0.0, h) / max(_area(inner), 1e-9)


def affinity(expected: Box, box: Box) -> float:
    """Return how well a box fits, 0..1: overlap, and nearness for small or fast things."""
    size = math.sqrt(max(_area(expected), _area(box)))
    (x0, y0), (x1, y1) = _centre(expected), _centre(box)
    near = max(0.0, 1 - math.hypot(x1 - x0, y1 - y0) / (1.2 * size))
    alike = math.sqrt(min(_area(expected), _area(box)) / max(_area(expected), _area(box)))
    return float(0.5 * optics.iou(expected, box) + 0.5 * near * alike)


def _inside(expected: Box, blob: Box) -> Box:
    """Return the expected box, moved as little as brings it inside the blob it is part of."""
    w, h = min(expected.w, blob.w), min(expected.h, blob.h)
    x = min(max(expected.x, blob.x), blob.x + blob.w - w)
    y = min(max(expected.y, blob.y), blob.y + blob.h - h)
    return Box(float(x), float(y), float(w), float(h))


def hull(boxes: Sequence[Box]) -> Box:
    """Return the least box around several.

    >>> hull([Box(0, 0, 2, 2), Box(4, 1, 1, 5)])
    Box(x=0, y=0, w=5, h=6)
    """
    left, top = min(b.x for b in boxes), min(b.y for b in boxes)
    right, bottom = max(b.x + b.w for b in boxes), max(b.y + b.h for b in boxes)
    return Box(left, top, right - left, bottom - top)


def _inflate(box: Box, share: float) -> Box:
    return Box(
        box.x - share * box.w,
        box.y - share * box.h,
        box.w * (1 + 2 * share),
        box.h * (1 + 2 * share),
    )


def _area(box: Box) -> float:
    return box.w * box.h


def _centre(box: Box) -> tuple[float, float]:
    return box.x + box.w / 2, box.y + box.h / 2


def _vector(box: Box) -> NDArray[np.float64]:
    return np.array([box.x + box.w / 2, box.y + box.h / 2, box.w, box.h], np.float64)
