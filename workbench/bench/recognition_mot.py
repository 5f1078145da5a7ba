"""Sequences in MOTChallenge's layout: ``NAME/gt/gt.txt`` beside ``img1/*.jpg`` or a video.

``gt.txt`` has a line a box: frame (from 1), id, left, top, width, height, and, where it has them, a
flag (0: not to be scored), a class and the visible share. ``seqinfo.ini`` may state ``frameRate``.
"""

from __future__ import annotations

import configparser
import csv
from fractions import Fraction
from pathlib import Path

import numpy as np

from workbench import media
from workbench.bench.recognition_match import Trail
from workbench.errors import N_, BadInput
from workbench.recognition.evaluate import read_picture

SCORED = {"1": "person", "3": "car", "4": "bicycle", "5": "motorcycle"}
"""MOTChallenge's classes that count. Others (seated, reflected) are there, unscored."""

VISIBLE_LEAST = 0.25
_RATE = Fraction(25)
_VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")


def sequences(folder: Path) -> list[Path]:
    """Return the folders of sequences at and below a folder."""
    return sorted(path.parent.parent for path in folder.rglob("gt/gt.txt"))


def read_truth(sequence: Path) -> list[Trail]:
    """Return the true trails of a sequence, frames from 0.

    Raises
    ------
    BadInput
        Where a line is not in the layout; it is named.
    """
    rows: dict[str, list[tuple[int, list[float], bool, str]]] = {}
    path = sequence / "gt" / "gt.txt"
    with path.open(encoding="utf-8", newline="") as stream:
        for number, cells in enumerate(csv.reader(stream), start=1):
            if not cells:
                continue
            try:
                frame, box = int(float(cells[0])), [float(cell) for cell in cells[2:6]]
                flag = float(cells[6]) if len(cells) > 6 else 1.0
                visible = float(cells[8]) if len(cells) > 8 else 1.0
                if len(box) < 4 or frame < 1:
                    raise ValueError(cells)
            except (ValueError, IndexError):
                raise BadInput(
                    N_("line {line} is not in MOTChallenge's layout"),
                    N_("write frame, id, left, top, width, height[, flag, class, visible share]"),
                    where=str(path),
                    line=number,
                ) from None
            kind = cells[7].strip() if len(cells) > 7 else "-1"
            counts = flag != 0 and (kind == "-1" or kind in SCORED) and visible >= VISIBLE_LEAST
            rows.setdefault(cells[1].strip(), []).append(
                (frame - 1, box, counts, SCORED.get(kind, ""))
            )
    trails = []
    for name, seen in sorted(rows.items()):
        seen.sort(key=lambda row: row[0])
        trails.append(
            Trail(
                name,
                np.array([row[0] for row in seen], np.int64),
                np.array([row[1] for row in seen], float),
                np.array([row[2] for row in seen], bool),
                seen[0][3],
            )
        )
    return trails


def video_of(sequence: Path, folder: Path) -> Path:
    """Return the video of a sequence; from pictures one is made in `folder` (H.264, CRF 18).

    Raises
    ------
    BadInput
        Where there are neither pictures nor a video.
    """
    pictures = sorted(p for p in (sequence / "img1").glob("*") if p.suffix.lower() in _PICTURES)
    if not pictures:
        found = sorted(p for p in sequence.iterdir() if p.suffix.lower() in _VIDEOS)
        if not found:
            raise BadInput(
                N_("the sequence has neither img1 nor a video"),
                N_("put img1/*.jpg or one video beside gt"),
                where=str(sequence),
            )
        return found[0]
    rate = frame_rate(sequence)
    first = read_picture(pictures[0])
    height, width = (side // 2 * 2 for side in first.shape[:2])
    out = folder / f"{sequence.name}.mp4"
    with media.ClipWriter(
        out, width, height, time_base=1 / rate, gop=max(1, round(2 * rate)), crf=18
    ) as clip:
        for number, path in enumerate(pictures):
            clip.write(read_picture(path)[:height, :width], number)
    return out


_PICTURES = {".jpg", ".jpeg", ".png"}


def frame_rate(sequence: Path) -> Fraction:
    """Return the rate that ``seqinfo.ini`` states, else 25 frames a second."""
    info = configparser.ConfigParser()
    info.read(sequence / "seqinfo.ini", encoding="utf-8")
    text = info.get("Sequence", "frameRate", fallback="")
    try:
        rate = Fraction(text) if text else _RATE
    except ValueError:
        return _RATE
    return rate if rate > 0 else _RATE
