"""Flows between the sites of a case as a heat map, hour by hour; drawn by HoloViews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import holoviews as hv
import holoviews.plotting.bokeh  # the backend that draws
import numpy as np
import pandas as pd
import panel as pn
from bokeh.models import HoverTool

from workbench.views.page import ASSETS, COMPONENTS_CSS
from workbench.views.text import Translate, clock
from workbench.views.timebar import ACCENT, quiet

if TYPE_CHECKING:
    import xarray as xr

_CSS = COMPONENTS_CSS + (ASSETS / "fields.css").read_text(encoding="utf-8")
_SHADES = ["#e6f0f9", "#b3d0ea", "#82b1dc", "#4f8fca", "#2470b3", ACCENT, "#083d78"]


def flow_map(cube: xr.Dataset, tr: Translate) -> pn.Row:
    """Return a choice of hours beside the heat map of expected vehicles, from (rows) to (columns).

    Parameters
    ----------
    cube
        As ``investigation.flows`` returns it: inside a case, nothing suppressed.
    """
    starts = pd.to_datetime(cube["hour"].values).as_unit("ns").astype("int64").tolist()
    options: dict[str, int] = {tr("The whole period"): -1}
    options |= {clock(ns, date=True)[:16]: number for number, ns in enumerate(starts)}
    hour = pn.widgets.Select(
        label=tr("Hour from"), options=options, value=-1, width=150, stylesheets=[_CSS],
        margin=(4, 10, 0, 10),
    )  # fmt: skip
    drawn = pn.pane.HoloViews(
        _picture(cube, -1, tr), sizing_mode="stretch_both", margin=0, min_height=150
    )

    def choose(event: Any) -> None:
        drawn.object = _picture(cube, int(event.new), tr)

    hour.param.watch(choose, "value")
    return pn.Row(hour, drawn, sizing_mode="stretch_both", margin=0)


def _picture(cube: xr.Dataset, hour: int, tr: Translate) -> Any:
    vehicles = cube["vehicles"]
    shown = vehicles.sum("hour") if hour < 0 else vehicles.isel(hour=hour)
    number = shown.values.astype(np.float32)
    sites = [str(site) for site in cube["origin"].values]
    end = len(sites) - 0.5
    there = number > 0
    number[~there] = np.nan
    top = max(1.0, float(number[there].max())) if there.any() else 1.0
    ticks = [(n, sites[n]) for n in range(0, len(sites), 1 if len(sites) <= 13 else 2)]
    cells = hv.Image(
        number[::-1], kdims=["destination", "origin"], vdims=["vehicles"],
        bounds=(-0.5, -0.5, end, end),
    )  # fmt: skip
    return cells.opts(
        backend="bokeh", cmap=_SHADES, clim=(0, top), clipping_colors={"NaN": "#ffffff"},
        responsive=True, min_height=150, colorbar=True, clabel="",
        title=tr("Vehicles expected, from site to site"), toolbar=None, default_tools=[],
        xticks=ticks, yticks=ticks, xlabel=tr("to site"), ylabel=tr("from site"),
        tools=[HoverTool(tooltips=[(tr("Vehicles expected"), "@image{0.0}")])],
        hooks=[_small], fontsize={"xticks": 7, "yticks": 7, "labels": 8, "title": 8},
    )  # fmt: skip


def _small(plot: Any, element: object) -> None:
    # the axes are sites here, not times
    kept = [axis.formatter for axis in plot.state.xaxis]
    quiet(plot, element)
    for axis, formatter in zip(plot.state.xaxis, kept, strict=True):
        axis.formatter = formatter
    for axis in plot.state.axis:
        axis.major_label_text_font_size = "7px"
