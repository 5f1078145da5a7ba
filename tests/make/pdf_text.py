"""The words of a PDF that WeasyPrint made: glyphs of each font, put back into text."""

from __future__ import annotations

import re
import zlib

_OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\s(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)


def text_of(pdf: bytes) -> str:
    """Return what stands in a PDF without its spaces; ValueError where it is none, or cut."""
    if not pdf.startswith(b"%PDF-") or b"%%EOF" not in pdf[-1024:]:
        raise ValueError("this is no whole PDF")
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    for body in list(objects.values()):
        if b"/ObjStm" in body:
            objects |= _packed(body)
    fonts: dict[bytes, dict[bytes, str]] = {}
    for body in objects.values():
        for name, number in re.findall(rb"/([\w-]+) (\d+) 0 R", body):
            told = re.search(rb"/ToUnicode (\d+) 0 R", objects.get(int(number), b""))
            if told:
                fonts[name] = _signs(_data(objects[int(told[1])]))
    words = []
    for body in objects.values():
        font: dict[bytes, str] = {}
        for name, glyphs in re.findall(
            rb"/([\w-]+) [\d.]+ Tf|(\[[^\]]*\]\s*TJ|<[0-9a-fA-F]*>\s*Tj)", _data(body)
        ):
            if name:
                font = fonts.get(name, {})
                continue
            # each sign is placed on its own: nothing stands between them
            codes = b"".join(re.findall(rb"<([0-9a-fA-F]*)>", glyphs)).lower()
            words.append("".join(font.get(codes[k : k + 4], "") for k in range(0, len(codes), 4)))
    return "".join(words)


def _packed(body: bytes) -> dict[int, bytes]:
    count, first = (int(re.search(rb"/%s (\d+)" % key, body)[1]) for key in (b"N", b"First"))
    data = _data(body)
    heads = [int(one) for one in data[:first].split()][: 2 * count]
    starts = [first + one for one in heads[1::2]]
    stops = [*starts[1:], len(data)]
    return {number: data[a:b] for number, a, b in zip(heads[::2], starts, stops, strict=True)}


def _data(body: bytes) -> bytes:
    found = _STREAM.search(body)
    if not found or b"/Image" in body:
        return b""
    return zlib.decompress(found[1]) if b"/FlateDecode" in body else found[1]


def _signs(cmap: bytes) -> dict[bytes, str]:
    pairs = re.findall(rb"<([0-9a-fA-F]{4})>\s*<([0-9a-fA-F]+)>\s*(?=[\n<])", cmap)
    return {
        glyph.lower(): bytes.fromhex(sign.decode()).decode("utf-16-be") for glyph, sign in pairs
    }
