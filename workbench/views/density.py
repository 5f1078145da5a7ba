"""When and where a case has sightings: counts by site and bin, drawn as one picture by HoloViews.

The browser gets one number a site and bin, however many sightings there are. Zooming or moving
along time asks the server to count anew. It is linked both ways: a tap lists the sightings of that
site and bin, and what is chosen in a list or on the map is marked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # the backend that draws
import numpy as np
from bokeh.models import DatetimeTicker, DatetimeTickFormatter, HoverTool
from holoviews.streams import Pipe, RangeX, Tap

from workbench.investigation import InTime
from workbench.timeline import SECOND_NS, Span
from workbench.views.text import Translate
from workbench.views.timebar import ACCENT, TICKS, quiet

BINS = 240
"""Parts of the time shown; with 26 sites 6240 numbers go to the browser, 25 kB."""
SHORTEST_NS = 10 * SECOND_NS
_MS = 1_000_000
_ZONE_MS = 7 * 3_600_000
_SHADES = ["#dbe9f6", "#b3d0ea", "#82b1dc", "#4f8fca", "#2470b3", ACCENT, "#083d78"]
CHOSEN = "#a11d1d"


class Density:
    """The timeline of one search; ``drawn`` is what HoloViews shows.

    Parameters
    ----------
    on_choose
        Called with the site and the span (UTC) of a cell that was tapped and holds sightings.
    """

    def __init__(
        self, found: InTime, tr: Translate, on_choose: Callable[[str, Span], None]
    ) -> None:
        self._found, self._tr, self._on_choose = found, tr, on_choose
        self._range = RangeX()
        self._marks = Pipe(data=(None, None))
        self.shown = found.span
        cells = hv.DynamicMap(self._cells, streams=[self._range])
        marks = hv.DynamicMap(self._mark, streams=[self._marks])
        tapped = Tap(source=cells)
        tapped.add_subscriber(self._tap)
        self.drawn = (cells * marks).opts(backend="bokeh", toolbar=None)

    def shown_inside(self) -> Span:
        """Return the part of the time shown that this search found anything in."""
        return self._found.inside(self.shown) or self._found.span

    def mark(self, at_ns: int | None, site_id: str) -> None:
        """Mark a sighting (an instant at a site), or a site alone where the instant is None."""
        row = self._found.sites.index(site_id) if site_id in self._found.sites else None
        self._marks.send((None if at_ns is None else _shown_ms(at_ns), row))

    def _cells(self, x_range: tuple[float, float] | None = None) -> Any:
        tr = self._tr
        self.shown = _span_of(x_range, self._found.span)
        number = self._found.counts(self.shown, BINS).astype(np.float32)
        number[number == 0] = np.nan
        stop_ns = self.shown.start_ns + -(-self.shown.duration_ns // BINS) * BINS
        bounds = (
            _shown_ms(self.shown.start_ns), -0.5, _shown_ms(stop_ns), len(self._found.sites) - 0.5
        )  # fmt: skip
        top = max(1.0, float(np.nanmax(number))) if np.isfinite(number).any() else 1.0
        # rows of an Image go down
        picture = hv.Image(
            number[::-1], kdims=["when", "site"], vdims=["count"], bounds=bounds
        )  # fmt: skip
        sites = self._found.sites
        step = 1 if len(sites) <= 13 else 2
        return picture.opts(
            backend="bokeh", cmap=_SHADES, clim=(0, top), clipping_colors={"NaN": "#ffffff"},
            responsive=True, min_height=190, xlabel="", ylabel="", toolbar=None,
            yticks=[(n, sites[n]) for n in range(0, len(sites), step)],
            tools=[HoverTool(tooltips=[(tr("Sightings"), "@image")])],
            default_tools=["xwheel_zoom", "xpan", "reset", "tap"],
            active_tools=["xwheel_zoom", "xpan"], hooks=[_in_time],
            title=tr("{count} sightings; wheel: zoom, tap: list").format(
                count=len(self._found)
            ),
            fontsize={"title": 8, "yticks": 7},
        )  # fmt: skip

    def _mark(self, data: tuple[float | None, int | None]) -> Any:
        at, row = data
        point = [] if at is None or row is None else [(at, row)]
        band = [] if row is None else [(row - 0.5, row + 0.5)]
        dots = hv.Points(point, kdims=["when", "site"]).opts(
            backend="bokeh", size=9, color=CHOSEN, line_color="white"
        )
        stripes = hv.HSpans(band, kdims=["low", "high"]).opts(
            backend="bokeh", color=CHOSEN, alpha=0.12, line_alpha=0
        )
        return stripes * dots

    def _tap(self, x: float | None = None, y: float | None = None) -> None:
        if x is None or y is None:
            return
        row, at_ns = round(float(y)), _utc_ns(x)
        if not 0 <= row < len(self._found.sites) or at_ns not in self.shown:
            return
        width = -(-self.shown.duration_ns // BINS)
        start_ns = self.shown.start_ns + (at_ns - self.shown.start_ns) // width * width
        cell = self._found.inside(Span(start_ns, start_ns + width))
        if cell is not None and self._found.counts(cell, 1)[row, 0]:
            self._on_choose(self._found.sites[row], cell)


def _shown_ms(utc_ns: int) -> float:
    """Return an instant as axes want it: milliseconds of Viet Nam's wall time."""
    return utc_ns / _MS + _ZONE_MS


def _utc_ns(shown_ms: Any) -> int:
    return round((float(shown_ms) - _ZONE_MS) * _MS)


def _span_of(x_range: tuple[float, float] | None, whole: Span) -> Span:
    """Return what part of `whole` is shown, at least ten seconds of it."""
    if x_range is None or x_range[0] is None or x_range[1] is None:
        return whole
    low, high = sorted(_utc_ns(end) for end in x_range)
    # an axis rounds to a quarter of a microsecond: the last sighting is not to fall off its end
    low, high = low - _MS, high + _MS
    start = min(max(low, whole.start_ns), whole.stop_ns - SHORTEST_NS)
    return Span(start, max(min(high, whole.stop_ns), start + SHORTEST_NS))


def _in_time(plot: Any, element: object) -> None:
    """Give the axis hours and minutes; a linear axis would tick at 2.5 million milliseconds."""
    quiet(plot, element)
    for axis in plot.state.xaxis:
        axis.ticker = DatetimeTicker()
        axis.formatter = DatetimeTickFormatter(**TICKS)
