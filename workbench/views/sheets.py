"""Tile pictures joined into few large ones: a browser reads one far cheaper than many small.

A JPEG that is one restart interval long depends on nothing before its data. Pictures of one kind
are laid one under the other by putting restart markers between their data; nothing is decoded, and
nothing encoded again, however many viewers there are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import cv2

from workbench.errors import N_, BadInput
from workbench.views.footage import RGB

MOST_PX = 1_500_000
"""A sheet grows to so many pixels; a browser decodes several beside each other."""
TALLEST_PX = 65_000
"""What JPEG readers take."""
_BLOCK_PX = 8
_SOF, _DRI, _SOS, _EOI, _RST = 0xC0, 0xDD, 0xDA, b"\xff\xd9", 0xD0


def sheet_jpeg(rgb: RGB, quality: int) -> bytes:
    """Return an image as a JPEG that can be joined to others; `rgb` is uint8 (y, x, 3)."""
    height, width = rgb.shape[:2]
    # units of 16 px: colour is kept at half the resolution
    units = -(-width // (2 * _BLOCK_PX)) * -(-height // (2 * _BLOCK_PX))
    settings = [
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_RST_INTERVAL, units,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]  # fmt: skip
    done, data = cv2.imencode(".jpg", rgb[:, :, ::-1], settings)
    if not done:
        raise BadInput(N_("the picture could not be written as JPEG"))
    return data.tobytes()


@dataclass(frozen=True, slots=True)
class _Parts:
    """A JPEG taken apart: what comes before its data, and the data without the end's marker.

    ``height_at`` is where the head tells the height; ``step_px`` the height of its whole units.
    """

    head: bytes
    data: bytes
    width_px: int
    height_px: int
    height_at: int
    step_px: int


def _parts(picture: bytes) -> _Parts:
    at, height, width, height_at, unit, interval = 2, 0, 0, 0, (1, 1), 0
    while at + 4 <= len(picture) and picture[at] == 0xFF:
        kind, length = picture[at + 1], struct.unpack_from(">H", picture, at + 2)[0]
        if kind == _SOF:
            height_at = at + 5
            height, width = struct.unpack_from(">HH", picture, height_at)
            first = picture[at + 11]  # sampling of the brightness, which no other goes beyond
            unit = first >> 4, first & 15
        elif kind == _DRI:
            interval = struct.unpack_from(">H", picture, at + 4)[0]
        at += 2 + length
        if kind == _SOS:
            break
    else:
        raise ValueError("this is no JPEG")
    across, down = (
        -(-size // (_BLOCK_PX * n)) for size, n in zip((width, height), unit, strict=True)
    )
    if not height or interval != across * down or picture[-2:] != _EOI:
        raise ValueError("this JPEG cannot be joined to others")
    return _Parts(
        picture[:at], picture[at:-2], width, height, height_at, down * unit[1] * _BLOCK_PX
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture lies: in which sheet, how far down, and its size, px."""

    sheet: int
    top_px: int
    width_px: int
    height_px: int


def join(pictures: Sequence[bytes]) -> tuple[list[bytes], list[Place]]:
    """Return sheets, and the place of each picture in them.

    Pictures lie under those of the same head, which says size, tables and sampling.

    Raises
    ------
    ValueError
        Where a picture is none of :func:`sheet_jpeg`.
    """
    sheets: list[list[_Parts]] = []
    open_sheet: dict[bytes, int] = {}
    places = []
    for picture in pictures:
        one = _parts(picture)
        number = open_sheet.get(one.head, -1)
        if number < 0 or not _has_room(sheets[number]):
            number = open_sheet[one.head] = len(sheets)
            sheets.append([])
        top_px = len(sheets[number]) * one.step_px
        places.append(Place(number, top_px, one.width_px, one.height_px))
        sheets[number].append(one)
    return [_sheet(parts) for parts in sheets], places


def _has_room(sheet: Sequence[_Parts]) -> bool:
    one, height = sheet[0], sheet[0].step_px * (len(sheet) + 1)
    return height <= TALLEST_PX and one.width_px * height <= MOST_PX


def _sheet(parts: Sequence[_Parts]) -> bytes:
    first = parts[0]
    height = first.step_px * (len(parts) - 1) + first.height_px
    head = bytearray(first.head)
    struct.pack_into(">H", head, first.height_at, height)
    pieces: list[bytes] = [bytes(head)]
    for number, one in enumerate(parts):
        if number:
            pieces.append(bytes((0xFF, _RST + (number - 1) % 8)))
        pieces.append(one.data)
    return b"".join([*pieces, _EOI])
