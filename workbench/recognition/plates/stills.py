"""Read the plates of stills and crops, without an archive: files in, one record a plate out."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from workbench import plates
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.recognition.evaluate import read_picture, tiles
from workbench.recognition.models.loading import check_line_reader, open_plate_reader
from workbench.recognition.plates.crops import may_be_a_plate, read_crop, read_crop_again
from workbench.recognition.plates.fusion import PlateOfPass, fuse
from workbench.recognition.plates.reader import TextPlateReader
from workbench.recognition.types import (
    RGB,
    LineReaderName,
    ModelSettings,
    PlateReading,
    PlateShape,
)
from workbench.records import Box

OpenReader = Callable[[], TextPlateReader]
"""Opens a reader at the first call, and returns the same one afterwards."""

StillKind = Literal["one-line", "two-line", "unread", "no plate"]

COLUMNS = ("file", "text", "probability", "alternatives", "kind", "raw", "box", "overrides")
_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
LEAST_SCORE = 0.5
"""Reader's score below which a still stays unread; footage, where other frames come, asks more."""

STILL_READER: LineReaderName = "both"
"""Who reads the lines of stills: PP-OCR, and where it is in doubt our network beside it."""

_CLAIMED = 0.3
"""Probability below which a text is no reading but the first of the alternatives."""

_SURE = 0.98
"""Probability of a reading from which a crop is not looked at again."""

_VOTES = 0.2
"""Share of all looks at a plate that must say what they come to, or the first one's text stays."""

_TILED_FROM_PX = 1300


@dataclass(frozen=True, slots=True)
class StillReading:
    """What one plate of one picture reads; ``kind`` says where there is none, or none readable.

    ``probability`` is the calibrated chance that ``text`` is right in every sign, 0 without one;
    ``alternatives`` are other plates it may be, the likeliest first; ``raw`` what was seen before
    the grammar, ``overrides`` the signs it changed; ``box`` is in px, None without a plate.
    """

    file: str
    text: str | None
    probability: float
    alternatives: tuple[tuple[str, float], ...]
    kind: StillKind
    raw: str
    box: Box | None
    overrides: tuple[plates.Override, ...] = ()


def read_plates_of_images(
    paths: Iterable[Path | str],
    *,
    read: TextPlateReader | None = None,
    reader: LineReaderName = STILL_READER,
    troubles: list[WorkbenchError] | None = None,
) -> Iterator[StillReading]:
    """Yield what the plates of image files read, at least one record a readable file.

    Parameters
    ----------
    paths
        Files, or folders, whose pictures are taken in the order of their names.
    read
        A plate reader; None opens the workbench's own.
    reader
        Which of :data:`~workbench.recognition.types.LINE_READERS` the workbench's own is to be, see
        :func:`open_still_readers`.
    troubles
        Where given, a file that is no picture is put there and the others are still read.

    Raises
    ------
    BadInput
        When a path is not there, a folder holds no picture, or, without `troubles`, a file is none;
        when there is no such `reader`.
    """
    files = image_files(paths)
    beside: OpenReader | None = None
    if read is None:
        read, beside = open_still_readers(reader)
    for path in files:
        try:
            picture = read_picture(path)
        except (BadInput, OSError) as error:
            trouble = error if isinstance(error, BadInput) else _unreadable(path, error)
            if troubles is None:
                raise trouble from None
            troubles.append(trouble)
            continue
        yield from _records(str(path), read_still(read, picture, beside))


def open_still_readers(reader: LineReaderName) -> tuple[TextPlateReader, OpenReader | None]:
    """Return who reads stills, and what opens the reader beside it at the first doubt, or None.

    With ``both`` each reads whole plates for itself: put together sign by sign, as footage is
    read, our network outvotes PP-OCR on photographs where it is too sure.

    Raises
    ------
    BadInput, Unavailable, Damaged
        As :func:`~workbench.recognition.models.loading.open_plate_reader`: of both readers at once,
        though the second is loaded late.
    """

    def opened(name: LineReaderName) -> TextPlateReader:
        return open_plate_reader(ModelSettings(plate_min_score=LEAST_SCORE, plate_reader=name))

    if reader != "both":
        return opened(reader), None
    check_line_reader("easyocr")
    return opened("pp-ocr"), cache(lambda: opened("easyocr"))


def read_still(
    read: TextPlateReader,
    picture: RGB,
    beside: OpenReader | None = None,
    *,
    again: bool = True,
) -> list[PlateOfPass]:
    """Return the plates of one picture, the surest first; a crop has at most one.

    A crop whose first reading is not sure is looked at again, see
    :func:`~workbench.recognition.plates.crops.read_crop_again`, and by the reader `beside`; so is a
    small picture in which no plate is seen at all. Not so with ``again=False``.
    """
    crop = may_be_a_plate(picture)
    looks = read_crop(read, picture) if crop else []
    first = _fused(looks)
    if first is None:
        scene = _plates_of_scene(read, picture)
        if scene or not crop:
            return scene
    if not again or (first is not None and first.score >= _SURE):
        return [first] if first else []
    whole = _settled(looks + _more_looks(read, picture, beside))
    if first is not None and first.text and (whole is None or not whole.text):
        return [first]  # many looks that disagree are no reason to forget the first one's text
    return [whole] if whole else []


def _plates_of_scene(read: TextPlateReader, picture: RGB) -> list[PlateOfPass]:
    found = read(picture, None)
    if max(picture.shape[:2]) >= _TILED_FROM_PX and not any(one.text for one in found):
        found = tiles(read)(picture) or found
    settled = [fuse([(0, one)]) for one in found]
    return sorted((one for one in settled if one), key=lambda one: -one.score)


def _more_looks(
    read: TextPlateReader, picture: RGB, beside: OpenReader | None
) -> list[PlateReading]:
    found = read_crop_again(read, picture)
    if beside is not None:
        other = beside()
        found += read_crop(other, picture) + read_crop_again(other, picture)
    return found


def _fused(looks: Sequence[PlateReading]) -> PlateOfPass | None:
    return fuse([(0, look) for look in looks])


def _settled(looks: Sequence[PlateReading]) -> PlateOfPass | None:
    """Return what looks at one plate come to; unread where hardly any of them says it."""
    whole = _fused(looks)
    if whole is None or whole.text is None:
        return whole
    said = sum(look.text == whole.text for look in looks)
    if said >= _VOTES * len(looks):
        return whole
    # none of it is claimed, so the shares are halved
    guesses = [
        (text, share / 2) for text, share in ((whole.text, whole.score), *whole.alternatives)
    ]
    return replace(
        whole, text=None, score=0.0, alternatives=_likeliest_first(guesses), overrides=()
    )


def _likeliest_first(guesses: Iterable[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(guesses, key=lambda guess: -guess[1]))


def image_files(paths: Iterable[Path | str]) -> list[Path]:
    """Return the files of paths and folders, each once.

    Raises
    ------
    BadInput
        When a path is not there or a folder holds no picture.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            inside = [one for one in sorted(path.iterdir()) if one.suffix.lower() in _ENDINGS]
            if not inside:
                raise BadInput(
                    N_("this folder holds no picture"),
                    N_("give a folder with JPEG or PNG files"),
                    where=str(path),
                )
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[path] = None
        else:
            raise BadInput(
                N_("there is no such file or folder"),
                N_("check the path of the pictures"),
                where=str(path),
            )
    return list(found)


def as_csv(readings: Sequence[StillReading]) -> str:
    """Return a table of readings with a header, its columns :data:`COLUMNS`."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in readings:
        box = one.box
        table.writerow(
            (
                _plain(one.file),
                one.text or "",
                f"{one.probability:.4f}",
                "; ".join(f"{text} {p:.3f}" for text, p in one.alternatives),
                one.kind,
                _plain(one.raw),
                "" if box is None else f"{box.x:.0f} {box.y:.0f} {box.w:.0f} {box.h:.0f}",
                "; ".join(f"{c.position}: {c.raw}>{c.sign} ({c.reason})" for c in one.overrides),
            )
        )
    return out.getvalue()


def _plain(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return "'" + cell if cell[:1] in ("=", "+", "-", "@") else cell


def _records(file: str, settled: Sequence[PlateOfPass]) -> Iterator[StillReading]:
    if not settled:
        yield StillReading(file, None, 0.0, (), "no plate", "", None)
    for one in settled:
        if one.text is not None and one.score >= _CLAIMED:
            kind: PlateShape = one.kind
            yield StillReading(
                file, one.text, one.score, one.alternatives, kind, one.raw, one.box, one.overrides
            )
        else:
            guess = ((one.text, one.score),) if one.text else ()
            guesses = _likeliest_first((*guess, *one.alternatives))
            yield StillReading(file, None, 0.0, guesses, "unread", one.raw, one.box)


def _unreadable(path: Path, error: OSError) -> BadInput:
    return BadInput(
        N_("this file cannot be read ({reason})"),
        N_("check its rights and the disk"),
        where=str(path),
        reason=error.strerror or "?",
    )
