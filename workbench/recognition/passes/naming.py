"""The detector's part: it names what motion has proposed, parts what motion has merged, and finds
what stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench import optics
from workbench.later import later
from workbench.recognition.passes.detect import Eye
from workbench.recognition.passes.track import (
    Look,
    Observation,
    Track,
    Tracker,
    affinity,
    hull,
    overlap_share,
)
from workbench.recognition.settings import Settings
from workbench.recognition.types import Detection
from workbench.records import Box

optimize = later("scipy.optimize")

RIDDEN = {"motorcycle", "bicycle"}
DRIVEN = {"car", "bus", "truck"}
_RIDER, _RIDDEN_OF_RIDER = 0.3, 0.5
"""Of a rider, and of what is ridden: more than this lies in the other's box."""


@dataclass(slots=True)
class Standing:
    """A sure object in one place over several looks."""

    kind: str
    hits: list[tuple[Observation, float]] = field(default_factory=list)

    @property
    def best(self) -> tuple[Observation, float]:
        """The surest look; the first of equals."""
        return max(self.hits, key=lambda hit: (hit[1], -hit[0].number))


class Namer:
    """Looks with the detector over one job."""

    def __init__(self, settings: Settings) -> None:
        self._s = settings
        self.standing: list[Standing] = []
        self.looks = 0

    def look(
        self, tracker: Tracker, found: Sequence[Detection], number: int, pts: int, t_s: float
    ) -> None:
        """Take what was found on a whole frame: name tracks, join, part, note what stands."""
        s = self._s
        self.looks += 1
        found = without_riders(found)
        left = self._name(tracker.live, found, number)
        self._join(tracker, found)
        self._part(tracker, found, left, number, pts, t_s)
        busy = [track.last.box for track in tracker.live]
        for one in left:
            if one.score >= s.still_score and not any(
                overlap_share(one.box, box) > s.still_busy for box in busy
            ):
                self._stand(Observation(number, pts, t_s, one.box), one)

    def look_closer(
        self,
        tracker: Tracker,
        tracks: Sequence[Track],
        eye: Eye,
        number: int,
        pts: int,
        t_s: float,
    ) -> None:
        """Cut out those of `tracks` that have no sure name yet and look at each."""
        s = self._s
        unnamed = [
            track
            for track in tracks
            if track.crops < s.crops_per_track
            and max((score for _, score in track.named), default=0.0) < s.name_enough
        ]
        # Those asked least come first, then the largest.
        unnamed.sort(key=lambda t: (t.crops, -t.last.box.w * t.last.box.h, t.seen[0].number))
        for track in unnamed[: s.crops_per_look]:
            track.crops += 1
            track.look_due_s = t_s + s.crop_gap_s * track.crops
            self.looks += 1
            every = eye.near(track.last.box, s.crop_margin)
            found = without_riders(every)
            left = self._name([track], found, number, every)
            self._part(tracker, found, left, number, pts, t_s)

    def meet(
        self,
        tracker: Tracker,
        region: Box,
        tracks: Sequence[Track],
        eye: Eye,
        number: int,
        pts: int,
        t_s: float,
    ) -> None:
        """Look at a region that several are in: each goes on from where the detector draws it.

        What it draws beside them begins a track.
        """
        s = self._s
        self.looks += 1
        every = eye.near(region, s.meet_margin, s.meet_least_px)
        found = [
            one for one in without_riders(every) if overlap_share(one.box, region) >= s.meet_inside
        ]
        score = np.array([[_claim(track, one) for one in found] for track in tracks])
        score = score.reshape(len(tracks), len(found))
        allowed = score >= s.match_least
        rows, columns = optimize.linear_sum_assignment(np.where(allowed, score, 0.0), maximize=True)
        owned: dict[int, Track] = {}
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
            if allowed[i, j]:
                owned[j] = tracks[i]
        for track in tracks:
            track.meetings += 1
            quick = len(tracks) > 1 or track.meetings < s.loose_quick
            track.met_due_s = t_s + (s.meet_look_s if quick else s.loose_look_s)
        beside = self._beside(tracker, found, owned)
        for j, track in owned.items():
            track.named.append((found[j].kind, found[j].score))
            track.loose = _is_loose(found[j].box, region, s)
            track.undrawn = 0
            _note(track, found[j], every, number)
            # Of one thing alone the region says more: of a rider, "person" leaves out the plate.
            if len(tracks) > 1 or beside:
                track.draw(found[j].box, 3 * s.meet_look_s)
        for track in tracks:
            if owned and track not in owned.values():
                track.undrawn += 1
                if track.undrawn >= s.meet_undrawn:
                    tracker.end(track)
        for one in beside:
            near = max(owned.values(), key=lambda t: affinity(t.last.box, one.box))
            track = tracker.add(number, pts, t_s, one.box)
            track.named.append((one.kind, one.score))
            track.motion.rate[:2] = near.motion.rate[:2]
            track.met_due_s = t_s + s.meet_look_s

    def _beside(
        self, tracker: Tracker, found: Sequence[Detection], owned: Mapping[int, Track]
    ) -> list[Detection]:
        """Return what is drawn beside what goes on, surely and as a whole thing of its own."""
        s = self._s
        drawn = [found[j].box for j in owned]
        beside: list[Detection] = []
        for j, one in enumerate(found):
            if j in owned or one.score < s.split_score or not drawn:
                continue
            apart = all(
                overlap_share(one.box, box) < s.part_apart
                and overlap_share(box, one.box) < s.part_apart
                for box in drawn
            )
            known = any(
                optics.iou(one.box, track.last.box) >= s.part_iou
                for track in tracker.live
                if track not in owned.values()
            )
            if apart and not known:
                drawn.append(one.box)
                beside.append(one)
        return beside

    def sure(self) -> list[Standing]:
        """Return what stood long enough, by first look."""
        s = self._s
        return [
            one
            for one in self.standing
            if len(one.hits) >= s.still_looks
            and one.hits[-1][0].t_s - one.hits[0][0].t_s >= s.still_s
        ]

    def _name(
        self,
        tracks: Sequence[Track],
        found: Sequence[Detection],
        number: int,
        every: Sequence[Detection] | None = None,
    ) -> list[Detection]:
        """Give each track its best fitting detection; return the detections nobody took."""
        pairs = [
            (fit, -i, -j)
            for i, track in enumerate(tracks)
            for j, one in enumerate(found)
            if (fit := _fit(one.box, track.last.box)) >= self._s.join_iou
        ]
        named, used = set(), set()
        for _, i, j in sorted(pairs, reverse=True):
            if i not in named and j not in used:
                named.add(i)
                used.add(j)
                track, one = tracks[-i], found[-j]
                track.named.append((one.kind, one.score))
                track.loose = _is_loose(one.box, track.last.box, self._s)
                if every is not None:  # a whole frame at 300 px draws too coarsely
                    _note(track, one, every, number)
        return [one for j, one in enumerate(found) if -j not in used]

    def _join(self, tracker: Tracker, found: Sequence[Detection]) -> None:
        s = self._s
        for one in found:
            if one.score < s.split_score:
                continue
            pieces = [
                track
                for track in tracker.live
                if overlap_share(track.last.box, one.box) >= s.join_inside
                and track.last.box.w * track.last.box.h < s.join_smaller * one.box.w * one.box.h
            ]
            rival = any(
                optics.iou(track.last.box, one.box) >= 0.5 and track not in pieces
                for track in tracker.live
            )
            if len(pieces) >= 2 and not rival and one.kind != "person":
                tracker.join(pieces, one.box)

    def _part(
        self,
        tracker: Tracker,
        found: Sequence[Detection],
        left: Sequence[Detection],
        number: int,
        pts: int,
        t_s: float,
    ) -> None:
        """Begin a track for each second object in somebody's moving box."""
        s = self._s
        for one in left:
            host = self._host(tracker.live, one)
            if one.score < s.split_score or host is None:
                continue
            # Both must be drawn, side by side: half a person is no second person.
            rest = [
                d
                for d in found
                if d is not one
                and overlap_share(d.box, host.last.box) > s.part_inside
                and overlap_share(one.box, d.box) < s.part_apart
                and overlap_share(d.box, one.box) < s.part_apart
            ]
            if not rest:
                continue
            track = tracker.add(number, pts, t_s, one.box)
            track.named.append((one.kind, one.score))
            track.motion.rate[:2] = host.motion.rate[:2]
            host.correct(max(rest, key=lambda d: _fit(d.box, host.last.box)).box)

    def _host(self, tracks: Sequence[Track], one: Detection) -> Track | None:
        """Return the track in whose moving box a detection is a second object, if there is one."""
        s = self._s
        if any(optics.iou(one.box, track.last.box) >= s.part_iou for track in tracks):
            return None
        hosts = [
            track
            for track in tracks
            if overlap_share(one.box, track.last.box) >= s.part_inside
            and one.box.w * one.box.h < s.part_smaller * track.last.box.w * track.last.box.h
        ]
        return max(hosts, key=lambda t: overlap_share(one.box, t.last.box)) if hosts else None

    def _stand(self, at: Observation, one: Detection) -> None:
        for known in self.standing:
            if known.kind == one.kind and (
                optics.iou(known.hits[-1][0].box, at.box) >= self._s.still_iou
            ):
                known.hits.append((at, one.score))
                return
        self.standing.append(Standing(one.kind, [(at, one.score)]))


def without_riders(found: Sequence[Detection]) -> list[Detection]:
    """Drop people who are part of a vehicle: on its saddle, behind its windows.

    >>> bike = Detection(Box(0, 20, 30, 40), "motorcycle", 0.7)
    >>> rider = Detection(Box(5, 0, 20, 45), "person", 0.9)
    >>> [d.kind for d in without_riders([rider, bike])]
    ['motorcycle']
    """
    ridden = [one.box for one in found if one.kind in RIDDEN]
    driven = [one.box for one in found if one.kind in DRIVEN]
    return [
        one
        for one in found
        if one.kind != "person"
        or not (
            any(overlap_share(one.box, box) > 0.3 for box in ridden)
            or any(overlap_share(one.box, box) > 0.8 for box in driven)
        )
    ]


def verdict(named: Sequence[tuple[str, float]], settings: Settings) -> tuple[str, float]:
    """Return ``(kind, score)`` of a pass from all its looks: ("unknown", 0.0) where unsure.

    >>> verdict([("car", 0.6), ("truck", 0.5), ("car", 0.4)], Settings())
    ('car', 0.6)
    >>> verdict([("person", 0.41)], Settings())
    ('unknown', 0.0)
    """
    sums: dict[str, float] = {}
    for kind, score in named:
        sums[kind] = sums.get(kind, 0.0) + score
    for kind in sorted(sums, key=lambda k: (-sums[k], k)):
        scores = [score for k, score in named if k == kind]
        if max(scores) >= settings.name_score or len(scores) >= 3:
            return kind, max(scores)
    return "unknown", 0.0


def _note(track: Track, one: Detection, every: Sequence[Detection], number: int) -> None:
    """Keep what is drawn of a track, beside where it moves."""
    if track.last.number == number:
        track.looks.append(Look(track.last, _whole(one, every)))


def _whole(one: Detection, every: Sequence[Detection]) -> Box:
    """Return the box of a thing with who rides it."""
    if one.kind not in RIDDEN:
        return one.box
    return hull([one.box, *riders_of(one.box, [d.box for d in every if d.kind == "person"])])


def riders_of(ridden: Box, people: Sequence[Box]) -> list[Box]:
    """Return the people who are on what is ridden: so much of one lies in the other's box.

    >>> riders_of(Box(0, 20, 30, 40), [Box(5, 0, 20, 45), Box(60, 0, 20, 45)])
    [Box(x=5, y=0, w=20, h=45)]
    """
    return [
        box
        for box in people
        if overlap_share(box, ridden) > _RIDER or overlap_share(ridden, box) > _RIDDEN_OF_RIDER
    ]


def _is_loose(drawn: Box, region: Box, settings: Settings) -> bool:
    """Tell whether so much of a region is left beside what is drawn that another may be in it."""
    return drawn.w * drawn.h < settings.loose_share * region.w * region.h


def _claim(track: Track, one: Detection) -> float:
    """Return how well a detection goes on with a track, one of another kind half as well."""
    kinds = {name for name, score in track.named if score >= 0.5}
    other = bool(kinds) and all(_group(kind) != _group(one.kind) for kind in kinds)
    return affinity(track.last.box, one.box) * (0.5 if other else 1.0)


def _group(kind: str) -> str:
    return "driven" if kind in DRIVEN else "ridden"


def _fit(detected: Box, moving: Box) -> float:
    """Return how well a detection names a moving box: overlap, or lying well inside it."""
    inside = overlap_share(detected, moving)
    part = detected.w * detected.h / max(moving.w * moving.h, 1e-9)
    return max(optics.iou(detected, moving), inside * min(1.0, part / 0.6) if inside > 0.7 else 0.0)
