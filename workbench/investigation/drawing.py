"""A small writer of SVG for papers: millimetres, a few shapes, text in lines."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Sequence
from html import escape

FONT = '"Noto Sans", "DejaVu Sans", sans-serif'
A4_MM = (210.0, 297.0)
Point = tuple[float, float]


class Sheet:
    """One drawing of a size in millimetres; y grows downwards."""

    def __init__(self, width_mm: float, height_mm: float) -> None:
        self.width_mm, self.height_mm = width_mm, height_mm
        self._parts: list[str] = []

    def line(self, points: Sequence[Point], colour: str = "#222", width: float = 0.3, *,
             dash: str = "", fill: str = "none", close: bool = False) -> None:  # fmt: skip
        """Draw through points; `dash` like "2 1"."""
        told = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
        kind = "polygon" if close else "polyline"
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<{kind} points="{told}" fill="{fill}" stroke="{colour}" '
            f'stroke-width="{width}" stroke-linejoin="round"{dashed}/>'
        )

    def box(self, x: float, y: float, w: float, h: float, *, fill: str = "none",
            colour: str = "#222", width: float = 0.3) -> None:  # fmt: skip
        """Draw a rectangle."""
        self._parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" fill="{fill}" '
            f'stroke="{colour}" stroke-width="{width}"/>'
        )

    def ellipse(self, at: Point, rx: float, ry: float, turn_deg: float, colour: str) -> None:
        """Draw an ellipse, turned clockwise."""
        x, y = at
        self._parts.append(
            f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{rx:.3f}" ry="{ry:.3f}" fill="none" '
            f'stroke="{colour}" stroke-width="0.2" '
            f'transform="rotate({turn_deg:.1f} {x:.2f} {y:.2f})"/>'
        )

    def text(self, x: float, y: float, words: str, size: float = 3.2, *, bold: bool = False,
             anchor: str = "start", colour: str = "#111",
             italic: bool = False) -> None:  # fmt: skip
        """Write one line; `anchor` is start, middle or end."""
        weight = ' font-weight="bold"' if bold else ""
        style = ' font-style="italic"' if italic else ""
        self._parts.append(
            f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}"{weight}{style}>{escape(words)}</text>'
        )

    def lines(self, x: float, y: float, words: str, width_mm: float, size: float = 2.8) -> float:
        """Write words in as many lines as they need; return where the next one would be."""
        for line in textwrap.wrap(words, max(8, int(width_mm / (0.52 * size)))) or [""]:
            self.text(x, y, line, size)
            y += 1.35 * size
        return y

    def picture(self, x: float, y: float, w: float, h: float, data: bytes, kind: str) -> None:
        """Put a picture in; `kind` is png or jpeg."""
        code = base64.b64encode(data).decode()
        self._parts.append(
            f'<image x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" '
            f'preserveAspectRatio="none" href="data:image/{kind};base64,{code}"/>'
        )

    def draft(self, words: str) -> None:
        """Mark the whole sheet as a draft."""
        x, y = self.width_mm / 2, self.height_mm / 2
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{self.width_mm / 7:.1f}" fill="#c0392b" '
            f'fill-opacity="0.10" font-weight="bold" text-anchor="middle" '
            f'transform="rotate(-35 {x:.1f} {y:.1f})">{escape(words)}</text>'
        )

    def svg(self) -> str:
        """Return the drawing as SVG that stands for itself."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width_mm:g}mm" '
            f'height="{self.height_mm:g}mm" viewBox="0 0 {self.width_mm:g} {self.height_mm:g}" '
            f"font-family='{FONT}'>" + "".join(self._parts) + "</svg>"
        )


def pages(sheets: Sequence[Sheet]) -> str:
    """Return sheets as HTML, a page each, for :func:`workbench.paper.pdf_of`."""
    size = f"{sheets[0].width_mm:g}mm {sheets[0].height_mm:g}mm"
    images = "".join(
        f'<img src="data:image/svg+xml;base64,{base64.b64encode(one.svg().encode()).decode()}">'
        for one in sheets
    )
    return (
        f'<!DOCTYPE html><html lang="vi"><head><meta charset="utf-8"><style>'
        f"@page {{ size: {size}; margin: 0 }} body {{ margin: 0 }} "
        f"img {{ display: block; width: {sheets[0].width_mm:g}mm; "
        f"height: {sheets[0].height_mm:g}mm }}</style></head><body>{images}</body></html>"
    )
