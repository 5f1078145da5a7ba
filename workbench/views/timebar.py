"""When a plate was seen: sightings by camera along time, and counts, drawn by HoloViews."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import holoviews.plotting.bokeh  # the backend that draws
import numpy as np
import pandas as pd
from bokeh.models import DatetimeTickFormatter, HoverTool, TapTool
from holoviews.streams import Selection1D

from workbench.timeline import SECOND_NS
from workbench.views.text import Translate

BINS = 24
TICKS = {
    "milliseconds": "%H:%M:%S.%3N", "seconds": "%H:%M:%S", "minsec": "%H:%M:%S",
    "minutes": "%H:%M", "hourmin": "%H:%M", "hours": "%H:%M", "days": "%d/%m", "months": "%m/%Y",
}  # fmt: skip
INK, ACCENT, LINE = "#18242f", "#0b559f", "#d5dde5"


def local_times(utc: pd.Series) -> pd.Series:
    """Return tz-aware UTC times as Viet Nam's wall time, without a zone as axes want them."""
    local: pd.Series = utc.dt.tz_convert("Asia/Ho_Chi_Minh").dt.tz_localize(None)
    return local


def counts(utc: pd.Series, bins: int = BINS) -> pd.DataFrame:
    """Return how many sightings fall into each of `bins` equal parts of their period.

    Columns: ``start`` and ``stop`` (Viet Nam's wall time) and ``sightings``; the last part is
    closed. The counts add up to the number of sightings.
    """
    when = local_times(utc).dt.as_unit("ns").astype("int64").to_numpy()
    first = int(when.min())
    # from the first one on: nanoseconds since 1970 are too large for the edges to differ as floats
    length = max(int(when.max()) - first, bins * SECOND_NS)
    number, edges = np.histogram(when - first, bins=bins, range=(0, length))
    stamps = pd.to_datetime(edges.astype("int64") + first)
    return pd.DataFrame({"start": stamps[:-1], "stop": stamps[1:], "sightings": number})


def timeline(
    sightings: pd.DataFrame, tr: Translate, on_choose: Callable[[str], None], *, chosen: str = ""
) -> Any:
    """Return the timeline of sightings above their counts; a tap calls `on_choose` with the id.

    Parameters
    ----------
    sightings
        Rows of SIGHTINGS; at least one.
    """
    rows = sightings.sort_values("utc").reset_index(drop=True)
    when = local_times(rows["utc"])
    margin = max((when.max() - when.min()) * 0.04, pd.Timedelta(seconds=5))
    limits = (when.min() - margin, when.max() + margin)
    dots = pd.DataFrame(
        {
            "when": when,
            "camera": rows["camera_id"],
            "clock": when.dt.strftime("%H:%M:%S"),
            "sigma": rows["sigma_s"].map("±{:.1f} s".format),
            "plate": rows["plate"].fillna("–"),
            "kind": [tr(kind) for kind in rows["kind"]],
            "chosen": rows["sighting_id"] == chosen,
        }
    )
    hover = HoverTool(
        tooltips=[
            (tr("Time"), "@clock @sigma"),
            (tr("Camera"), "@camera"),
            (tr("Plate"), "@plate"),
            (tr("Kind"), "@kind"),
        ]
    )
    points = hv.Points(dots, ["when", "camera"], ["clock", "sigma", "plate", "kind", "chosen"])
    points = points.opts(
        backend="bokeh",
        size=11,
        color=hv.dim("chosen").categorize({True: "#a11d1d", False: ACCENT}),
        line_color="white",
        tools=[hover, TapTool()],
        nonselection_alpha=1.0,
        responsive=True,
        height=126,
        xlim=limits,
        xlabel="",
        ylabel="",
        xaxis=None,
        hooks=[quiet],
    )
    tapped = Selection1D(source=points)

    def tap(index: list[int]) -> None:
        if index and index[0] < len(rows):
            on_choose(str(rows["sighting_id"].iloc[index[0]]))

    tapped.add_subscriber(tap)
    number = counts(rows["utc"])
    bars = hv.Histogram(
        (np.append(number["start"], number["stop"].iloc[-1:]), number["sightings"]),
        kdims="when",
        vdims=hv.Dimension("sightings", label=tr("Sightings")),
    ).opts(
        backend="bokeh",
        color="#8db3da",
        line_color="white",
        responsive=True,
        height=86,
        xlim=limits,
        xlabel="",
        ylabel=tr("Count"),
        yticks=[0, int(number["sightings"].max())],
        hooks=[quiet],
    )
    layout: Any = (points + bars).cols(1)
    return layout.opts(backend="bokeh", shared_axes=True, toolbar=None, merge_tools=False)


def quiet(plot: Any, _element: object) -> None:
    """Give a Bokeh figure the page's quiet look."""
    figure = plot.state
    figure.outline_line_color = LINE
    figure.xgrid.grid_line_color = "#eef2f6"
    figure.ygrid.grid_line_color = "#eef2f6"
    figure.toolbar.logo = None
    figure.min_border_right = 10
    for axis in figure.xaxis:
        axis.formatter = DatetimeTickFormatter(**TICKS)
    for axis in figure.axis:
        axis.axis_line_color = LINE
        axis.major_tick_line_color = LINE
        axis.minor_tick_line_color = None
        axis.major_label_text_font_size = "11px"
        axis.major_label_text_color = INK
        axis.axis_label_text_font_size = "11px"
        axis.axis_label_text_font_style = "normal"
