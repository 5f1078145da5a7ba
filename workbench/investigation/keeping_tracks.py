"""Tracks of vehicles kept in a case, and what an analyst corrected of them, step by step.

The track stays as it was found or picked; each correction is an event of the case's own book, with
who wrote it down and when, so that a bundle holds it and ``verify`` finds what was altered. Undoing
a step is an event, too: nothing goes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.cases import files as rules
from workbench.cases.files import CaseFile, CaseTrack
from workbench.collisions import steps as hand
from workbench.errors import N_, BadInput, Damaged, WorkbenchError
from workbench.investigation import people
from workbench.investigation.case_files import ACT, _file, _write
from workbench.investigation.face_requests import refusals
from workbench.investigation.measuring import (
    Measured,
    Track,
    corrected,
    measure,
    refuse_no_frame,
)
from workbench.records import Purpose, Wording
from workbench.store.case_files import CaseBook
from workbench.timeline import Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

MOST_TRACKS, MOST_STEPS = 200, 2_000


def keep_track(house: Workbench, track: Track, purpose: Purpose) -> Track:
    """Write a track down in a case, as it was found, with the steps done to it; return it so.

    A sighting's track that the case holds already is not written twice: new steps are added to it.

    Raises
    ------
    Refused
        Outside the case's bounds or one's rights.
    BadInput
        Where the track is none of its file, a new step has no reason or puts a point outside the
        picture, or there are too many.
    """
    _may(house, track, purpose)
    for step in track.steps[len(track.kept_numbers) :]:
        _refuse_step(track, step)
    found = _as_found(track)
    book = CaseBook(house.root, purpose.case_id)
    with book.changing():
        file = _file(house, purpose.case_id)
        known = _known(file, found)
        if known is None and len(file.tracks) >= MOST_TRACKS:
            raise _too_many()
        track_id = known.track_id if known else f"DD-{len(file.tracks) + 1}"
        if known is None:
            _write(house, book, "track", {"id": track_id, "found": found}, purpose)
        have = [dict(one.step) for one in known.steps] if known else []
        new = json.loads(hand.to_json(track.steps[len(track.kept_numbers) :]))
        if not track.kept:  # the same file of steps, given once more
            new = [one for one in new if one not in have]
        if len(have) + len(new) > MOST_STEPS:
            raise _too_many()
        for one in new:
            _write(house, book, "track.step", {"id": track_id, "step": one}, purpose)
    return kept_track(house, track_id, purpose)


def keep_step(house: Workbench, track: Track, step: hand.Step, purpose: Purpose) -> Measured:
    """Correct a track by one step, keep both with the case, and return what is measured then.

    Nothing is kept of a step after which nothing can be measured.

    Raises
    ------
    Refused
        Outside the case's bounds or one's rights.
    BadInput
        Without a reason, outside the picture, at a frame without a point, and for whatever
        :func:`measure` refuses: no calibration in force, a camera that moved, too few points left.
    """
    _may(house, track, purpose)
    if not track.kept and (known := _known(_file(house, purpose.case_id), _as_found(track))):
        track = track_of_case(house, known)  # the step joins those that hold already
    _refuse_step(track, step)
    if not isinstance(step, hand.Cut):
        point = track.points_px[track.pts == step.pts]
        if not len(point) or not np.isfinite(point).all():
            raise no_point(step.pts)
    new = corrected(track, [step])
    measure(house, new, purpose)
    return measure(house, keep_track(house, new, purpose), purpose)


def no_point(pts: int | None) -> BadInput:
    """Return the refusal of a correction of a frame at which a track has no point."""
    return BadInput(
        N_("the track has no point at the frame named (PTS {pts})"),
        N_("go to a frame on which its point is drawn"),
        pts="–" if pts is None else pts,
    )


def undo_step(house: Workbench, track_id: str, number: int, why: str, purpose: Purpose) -> Track:
    """Take a step of a kept track back, with the reason; both stay written down.

    Raises
    ------
    BadInput
        Where there is no such step, or it is undone already.
    """
    said = rules.in_words(why)
    one = kept_track(house, track_id, purpose)
    _may(house, one, purpose)
    book = CaseBook(house.root, purpose.case_id)
    with book.changing():
        known = rules.track_of(_file(house, purpose.case_id), track_id)
        if not 1 <= number <= len(known.steps) or known.steps[number - 1].undone_by:
            raise BadInput(
                N_("track {id} has no step {number} to take back"),
                N_("see them with: workbench case file ROOT NUMBER"),
                id=track_id, number=number,
            )  # fmt: skip
        facts = {"id": track_id, "number": number, "why": said}
        _write(house, book, "track.undo", facts, purpose)
    return kept_track(house, track_id, purpose)


def kept_track(house: Workbench, track_id: str, purpose: Purpose) -> Track:
    """Return a track of a case with the steps that hold.

    Raises
    ------
    BadInput
        Where the case has none of that id.
    Refused
        Outside the case's bounds or one's rights.
    """
    with refusals(house, "case.file", purpose):
        people.authorise(house, purpose, "case.file")
    return track_of_case(house, rules.track_of(_file(house, purpose.case_id), track_id))


def kept_tracks(
    house: Workbench, cameras: Sequence[str], span: Span, purpose: Purpose
) -> list[Track]:
    """Return the case's tracks of those cameras that are seen in a span, oldest first."""
    with refusals(house, "case.file", purpose):
        people.authorise(house, purpose, "case.file")
    shown = []
    for one in _file(house, purpose.case_id).tracks:
        if one.found["camera_id"] in cameras:
            try:
                track = track_of_case(house, one)
            except WorkbenchError:  # its footage is not here any more
                continue
            first, last = (house.utc(track.segment, int(pts))[0] for pts in track.pts[[0, -1]])
            if first < span.stop_ns and last >= span.start_ns:
                shown.append(track)
    return shown


def track_of_case(house: Workbench, one: CaseTrack) -> Track:
    """Return a track that was written down, with the steps that hold done to it."""
    found = one.found
    points = np.array(
        [(math.nan, math.nan) if at is None else at for at in found["points_px"]], dtype=np.float64
    ).reshape(-1, 2)
    template, fields = found["origin"]
    track = Track(
        house.segment(found["segment_sha256"]), np.array(found["pts"], dtype=np.int64), points,
        Wording(template, tuple((name, value) for name, value in fields)), found["name"],
        found=bool(found["by_computer"]),
    )  # fmt: skip
    done = corrected(track, [step for _, step in _held(one)])
    return replace(
        done, kept=one.track_id, kept_numbers=tuple(number for number, _ in _held(one)),
        undone=len(one.steps) - len(done.steps),
    )  # fmt: skip


def check_tracks(house: Workbench) -> list[str]:
    """Return one sentence for each kept track whose steps are not of that track.

    That nothing written down was altered is checked with the case's whole book.
    """
    said = []
    for case in house.cases():
        try:
            tracks = _file(house, case.case_id).tracks
        except WorkbenchError:  # which is said of the whole book
            continue
        for one in tracks:
            points = np.zeros((len(one.found["pts"]), 2))
            try:
                hand.replay(one.found["pts"], points, [step for _, step in _held(one)])
            except BadInput as error:
                damage = Damaged(
                    N_("steps of track {id} of case {case_id} are not of that track: {why}"),
                    N_("bring it back from a backup"),
                    id=one.track_id, case_id=case.case_id, why=error.what,
                )  # fmt: skip
                said.append(damage.sentence())
    return said


def _held(one: CaseTrack) -> list[tuple[int, hand.Step]]:
    """Return the steps that were not taken back, with their numbers; each says who and when."""
    held = []
    for number, kept in enumerate(one.steps, start=1):
        if not kept.undone_by:
            (step,) = hand.from_json(json.dumps([dict(kept.step)]))
            by = step.actor or kept.written_by
            if by != kept.written_by:  # somebody else's, brought in by this one
                by = f"{by} ({kept.written_by})"
            held.append((number, replace(step, actor=by, at_ns=step.at_ns or kept.at_ns)))
    return held


def _as_found(track: Track) -> dict[str, Any]:
    """Return what is written down of a track itself: as it was found, without any step."""
    before = track.before if track.before is not None else track.points_px
    return {
        "segment_sha256": track.segment.sha256,
        "camera_id": track.segment.camera_id,
        "name": track.name,
        "by_computer": track.found,
        "origin": [track.origin.template, [list(one) for one in track.origin.fields]],
        "pts": [int(one) for one in track.pts],
        "points_px": [None if math.isnan(x) else [x, y] for x, y in before.tolist()],
    }


def _known(file: CaseFile, found: Mapping[str, Any]) -> CaseTrack | None:
    return next((one for one in file.tracks if dict(one.found) == found), None)


def _may(house: Workbench, track: Track, purpose: Purpose) -> None:
    refuse_no_frame(house, track)
    first, last = (house.utc(track.segment, int(pts))[0] for pts in track.pts[[0, -1]])
    house._authorise(purpose, ACT, cameras=(track.segment.camera_id,), span=Span(first, last + 1))


def _refuse_step(track: Track, step: hand.Step) -> None:
    if not any(sign.isalnum() for sign in step.reason):
        raise BadInput(
            N_("a correction without a reason is not kept"),
            N_("write why it is corrected"),
        )
    wide, high = track.segment.width_px, track.segment.height_px
    if isinstance(step, hand.Move) and not (0 <= step.x_px <= wide and 0 <= step.y_px <= high):
        raise BadInput(
            N_("{x}, {y} px lies outside the picture, which is {wide}x{high}"),
            N_("put the point where the wheels touch the road"),
            x=f"{step.x_px:.1f}", y=f"{step.y_px:.1f}", wide=wide, high=high,
        )  # fmt: skip


def _too_many() -> BadInput:
    return BadInput(
        N_("a case keeps at most {tracks} tracks, and {steps} steps of each"),
        N_("leave some out"),
        tracks=MOST_TRACKS,
        steps=MOST_STEPS,
    )
