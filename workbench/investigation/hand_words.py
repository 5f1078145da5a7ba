"""What papers say of an analyst's corrections: each of them, by whom, when and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from workbench.cases.files import CaseTrack
from workbench.collisions.steps import Cut, Move, Step, from_json
from workbench.errors import N_
from workbench.records import Wording
from workbench.timeline import local_text

if TYPE_CHECKING:
    from workbench.investigation.measuring import Track


def words_by_hand(track: Track) -> tuple[Wording, ...]:
    """Return how many corrections there are, each of them, and whether the case keeps them."""
    told: list[Wording] = []
    if track.steps:
        loose = len(track.steps) - len(track.kept_numbers)
        words = N_("corrected by hand in {count} steps, {loose} of them not kept in the case")
        if not loose:
            words = N_("corrected by hand in {count} steps; the track as it was found is kept, too")
        told.append(Wording(words, (("count", str(len(track.steps))), ("loose", str(loose)))))
        numbers = [*track.kept_numbers, *range(len(track.kept_numbers) + track.undone + 1, 10_000)]
        told += [_told(n, step) for n, step in zip(numbers, track.steps, strict=False)]
    if track.kept:
        words = N_("track and corrections are kept in the case as {id}; steps taken back: {undone}")
        told.append(Wording(words, (("id", track.kept), ("undone", str(track.undone)))))
    return tuple(told)


def words_of_track(track: CaseTrack) -> tuple[Wording, ...]:
    """Return what a case's book says of a kept track's corrections, those taken back among them."""
    told: list[Wording] = []
    for number, one in enumerate(track.steps, start=1):
        told += [_told(number, step) for step in from_json(json.dumps([dict(one.step)]))]
        if one.undone_by:
            words = N_("step {number} was taken back by {by}, {at}: {why}")
            fields = (
                ("number", str(number)),
                ("by", one.undone_by),
                ("at", local_text(one.undone_ns)),
                ("why", one.why),
            )
            told.append(Wording(words, fields))
    return tuple(told)


def _told(number: int, step: Step) -> Wording:
    fields = (
        ("number", str(number)), ("by", step.actor or "–"),
        ("at", local_text(step.at_ns) if step.at_ns else "–"), ("why", step.reason or "–"),
    )  # fmt: skip
    if isinstance(step, Cut):
        words = N_("step {number}: PTS {first} to {last} alone were used, by {by}, {at}: {why}")
        return Wording(words, (*fields, ("first", str(step.first_pts)),
                               ("last", str(step.last_pts))))  # fmt: skip
    if isinstance(step, Move):
        words = N_("step {number}: the point of PTS {pts} was put at {x}, {y} px by {by}, {at}: "
                   "{why}")  # fmt: skip
        return Wording(words, (*fields, ("pts", str(step.pts)), ("x", f"{step.x_px:.1f}"),
                               ("y", f"{step.y_px:.1f}")))  # fmt: skip
    words = N_("step {number}: the point of PTS {pts} was left out by {by}, {at}: {why}")
    return Wording(words, (*fields, ("pts", str(step.pts))))
