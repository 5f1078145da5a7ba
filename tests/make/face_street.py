"""A street with three faces, a pass each, in a case of its own; and whose face a copy shows."""

from __future__ import annotations

from make import passers
from workbench.investigation import open_workbench
from workbench.investigation.face_copies import face_copies
from workbench.recognition.faces.hiding import open_face_hider
from workbench.records import Case
from workbench.timeline import SECOND_NS, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START_NS - 60 * SECOND_NS, START_NS + 60 * SECOND_NS)
FRAMES = 12
LEFTS = (20, 400, 780)


def film(path):
    """Film the street: the same portrait three times, mirrored and darker, moving to the right."""
    return passers.film(path, FRAMES, lefts=LEFTS, gop=10)


def build(root, ward_folder, clip, *, now):
    """Return a root with an open case that `thu` opened, the clip and its three passes."""
    made = open_workbench(root, actor="thu", now=now, create_from=ward_folder)
    made.open_case(Case("HS-1", "The grey van", "Decision 12", "find who left it", PERIOD))
    passers.take_in(made, clip, START_NS, FRAMES, lefts=LEFTS)
    return made


def shown_in_copies(wb, purpose):
    """Return whose face shows in the copies of candidates, by number."""
    finder = open_face_hider()
    return {one.number: one.shown for one in face_copies(wb, purpose, lambda: finder)}
