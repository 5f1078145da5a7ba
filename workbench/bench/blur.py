"""How many faces stay visible in a reading copy, against a count by eye, frame by frame.

Before: each frame looked at alone, as recognition looks for faces to count. After: looked at larger
and with a lower score, and each face followed through the frames around it. The clip is a test:
nothing was tuned on it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench import recognition
from workbench.bench.clips import HOUSE, Figures, nose_tips
from workbench.media import decode, index_packets, to_rgb
from workbench.recognition import evaluate
from workbench.recognition.faces import hiding
from workbench.recognition.types import FaceFinder
from workbench.records import Box

COVERED = 0.9
"""Of a face, from brows to chin: hidden where at least so much of it is."""
_BEFORE_MARGIN = 0.25


def bench_blur(footage: Path, *, quick: bool = False) -> Figures:
    """Hide the faces of the clip and the photographs that were counted by eye, both ways."""
    truth = json.loads((HOUSE / "tests" / "golden" / "faces_by_eye.json").read_text("utf-8"))
    alone, hider = recognition.load_models().find_faces, hiding.open_face_hider()
    figures: Figures = {"data": "faces counted by eye: tests/golden/faces_by_eye.json"}
    for name, clip in truth["clips"].items():
        stop = 90 if quick else clip["frames"]
        figures[name] = bench_clip(footage / clip["file"], clip["people"], stop, alone, hider)
    figures["photographs"] = _stills(footage / truth["stills"]["folder"], alone, hider)
    return figures


def bench_clip(
    path: Path,
    people: Sequence[Mapping[str, Any]],
    stop: int,
    alone: FaceFinder,
    hider: FaceFinder,
) -> Figures:
    """Return faces visible, hidden and missed in the first `stop` frames of a clip, both ways."""
    facts, index = index_packets(path)
    frames = [
        (float(pts * facts.tick_s), to_rgb(frame)) for pts, frame in decode(path, index, 0, stop)
    ]
    began = time.process_time()
    single = [
        [_wider(face.box, _BEFORE_MARGIN) for face in alone(picture, None)] for _, picture in frames
    ]
    alone_s = time.process_time() - began
    began = time.process_time()
    tracked, seen = hiding.faces_of_clip(frames, hider)
    tracked_s = time.process_time() - began
    one_look = [[_wider(box, hiding.MARGIN) for box in boxes] for boxes in seen]
    size = frames[0][1].shape[:2]
    ways = {
        "before: each frame alone": single,
        "larger, lower score, each frame alone": one_look,
        "after: the same, followed": tracked,
    }
    told: Figures = {"frames": len(frames)}
    for name, boxes in ways.items():
        told[name] = score(boxes, people, size)
    told["CPU s"] = {"before": round(alone_s, 1), "after": round(tracked_s, 1)}
    told["frame: visible, hidden before, hidden after"] = _by_frame(single, tracked, people, size)
    return told


def score(
    hidden: Sequence[Sequence[Box]],
    people: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
    covered: float = COVERED,
) -> Figures:
    """Return faces visible, hidden and missed, for each kind and each person of a count by eye.

    Parameters
    ----------
    hidden
        Boxes hidden in each frame.
    people
        As in ``tests/golden/faces_by_eye.json``.
    size
        Height and width of the frames.
    """
    figures: Figures = {}
    leaks: dict[str, set[int]] = {}
    for person in people:
        done = [
            (number, share_hidden(box, hidden[number], size) >= covered)
            for number, box in boxes_of(person, len(hidden))
        ]
        missed = [number for number, one in done if not one]
        leaks.setdefault(person["kind"], set()).update(missed)
        kind = figures.setdefault(
            person["kind"], {"visible": 0, "hidden": 0, "missed": 0, "people": {}}
        )
        for key, count in (
            ("visible", len(done)), ("hidden", len(done) - len(missed)), ("missed", len(missed)),
        ):  # fmt: skip
            kind[key] += count
        if done:
            kind["people"][person["who"]] = f"{len(done) - len(missed)} of {len(done)}"
    for kind, found in figures.items():
        found["recall"] = round(found["hidden"] / found["visible"], 4) if found["visible"] else None
        found["frames with a face missed"] = len(leaks[kind])
    area = [_share(boxes, size) for boxes in hidden]
    figures["picture hidden, mean share"] = round(float(np.mean(area)), 3) if area else 0.0
    return figures


def boxes_of(person: Mapping[str, Any], frames: int) -> list[tuple[int, Box]]:
    """Return where a person's face was by eye in each frame it was in: straight between marks."""
    marks = sorted((int(frame), box) for frame, box in person["boxes"].items())
    at = [frame for frame, _ in marks]
    numbers = [number for number in range(at[0], at[-1] + 1) if number < frames]
    sides = [np.interp(numbers, at, [box[side] for _, box in marks]) for side in range(4)]
    return [
        (number, Box(*map(float, box)))
        for number, box in zip(numbers, np.transpose(sides), strict=True)
    ]


def share_hidden(face: Box, hidden: Sequence[Box], size: tuple[int, int]) -> float:
    """Return how much of a face's box is inside hidden boxes, 0 to 1; of what is in the frame."""
    mask = _mask(hidden, size)
    left, top, right, bottom = _inside(face, size)
    part = mask[top:bottom, left:right]
    return float(part.mean()) if part.size else 1.0


def _share(hidden: Sequence[Box], size: tuple[int, int]) -> float:
    return float(_mask(hidden, size).mean())


def _mask(hidden: Sequence[Box], size: tuple[int, int]) -> Any:
    mask = np.zeros(size, np.bool_)
    for box in hidden:
        left, top, right, bottom = _inside(box, size)
        mask[top:bottom, left:right] = True
    return mask


def _inside(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    height, width = size
    left, top = np.clip([box.x, box.y], 0, [width, height])
    right, bottom = np.clip([box.x + box.w, box.y + box.h], 0, [width, height])
    return int(left), int(top), round(float(right)), round(float(bottom))


def _wider(box: Box, more: float) -> Box:
    return Box(
        box.x - more * box.w, box.y - more * box.h, (1 + 2 * more) * box.w, (1 + 2 * more) * box.h
    )


def _by_frame(
    before: Sequence[Sequence[Box]],
    after: Sequence[Sequence[Box]],
    people: Sequence[Mapping[str, Any]],
    size: tuple[int, int],
) -> list[str]:
    """Return a line a run of frames with the same counts, clear faces only."""
    counts = np.zeros((len(before), 3), int)
    for person in people:
        if person["kind"] != "clear":
            continue
        for number, box in boxes_of(person, len(before)):
            counts[number, 0] += 1
            for column, hidden in ((1, before), (2, after)):
                counts[number, column] += share_hidden(box, hidden[number], size) >= COVERED
    lines, start = [], 0
    for number in range(1, len(counts) + 1):
        if number == len(counts) or (counts[number] != counts[start]).any():
            lines.append(f"{start}-{number - 1}: " + ", ".join(map(str, counts[start])))
            start = number
    return lines


def _stills(folder: Path, alone: FaceFinder, hider: FaceFinder) -> Figures:
    there, before, after, missed = 0, 0, 0, []
    for name, points in sorted(nose_tips(folder).items()):
        picture = evaluate.read_picture(folder / name)
        single = [_wider(face.box, _BEFORE_MARGIN) for face in alone(picture, None)]
        larger = [_wider(face.box, hiding.MARGIN) for face in hider(picture, None)]
        there += len(points)
        before += sum(_holds(single, point) for point in points)
        hidden = [point for point in points if _holds(larger, point)]
        after += len(hidden)
        missed += [f"{name} {point}" for point in points if point not in hidden]
    return {
        "photographs": len(nose_tips(folder)), "by eye": there, "hidden before": before,
        "hidden after": after, "missed after": missed,
    }  # fmt: skip


def _holds(boxes: Sequence[Box], point: tuple[int, int]) -> bool:
    x, y = point
    return any(b.x <= x <= b.x + b.w and b.y <= y <= b.y + b.h for b in boxes)
