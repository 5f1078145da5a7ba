"""The map on a page: folium's frame, clicks out of it, the chosen layers and a moving marker in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import folium
import panel as pn
import param
from panel.custom import JSComponent

from workbench.views.page import ASSETS, COMPONENTS_CSS


class MapBridge(JSComponent):  # type: ignore[misc]  # Panel is untyped
    """Carries clicks out of the map's frame and the chosen layers in; plays the moving marker."""

    map_name = param.String(default="")
    kind = param.Selector(default="site", objects=["site", "sighting"])
    highlight = param.String(default="")
    states = param.Dict(default={}, doc="Of site_states: site to its state and what to say of it.")
    branches = param.List(default=[], doc="Of broken_branches.")
    legend = param.List(default=[], doc="[{state, sign, text}]; empty where sites have no state.")
    pieces = param.List(default=[], doc="From way_points; empty hides the time slider.")
    around = param.Dict(default={}, doc="Of around.around: what is drawn around a chosen leg.")
    reach = param.Dict(default={}, doc="Of reach.layer; empty: nothing is drawn.")
    words = param.Dict(default={})

    _esm = ASSETS / "map_bridge.js"
    _stylesheets = [COMPONENTS_CSS]  # noqa: RUF012 - Panel reads it from the class

    def __init__(self, on_pick: Callable[[str, str], None], **params: Any) -> None:
        self._on_pick = on_pick
        super().__init__(margin=0, **params)

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        for kind in ("site", "sighting"):
            if isinstance(data.get(kind), str):
                self._on_pick(kind, data[kind])


class WardMap:
    """A map pane and its bridge; the pane is built once and given another map to show."""

    def __init__(
        self,
        chart: folium.Map,
        *,
        on_site: Callable[[str], None] = lambda _site: None,
        on_sighting: Callable[[str], None] = lambda _sighting: None,
        words: Mapping[str, str] | None = None,
        legend: list[dict[str, str]] | None = None,
    ) -> None:
        def picked(kind: str, chosen: str) -> None:
            (on_site if kind == "site" else on_sighting)(chosen)

        self.pane = pn.pane.plot.Folium(chart, sizing_mode="stretch_both", margin=0)
        self.bridge = MapBridge(
            picked,
            map_name=chart.wb_name,
            words=dict(words or {}),
            legend=list(legend or []),
            sizing_mode="stretch_width",
        )

    def show(self, chart: folium.Map, pieces: list[dict[str, Any]]) -> None:
        """Replace the map and what moves on it."""
        self.bridge.param.update(map_name=chart.wb_name, pieces=pieces, highlight="", around={})
        self.pane.object = chart

    def tell(self, states: dict[str, dict[str, Any]], branches: list[dict[str, Any]]) -> None:
        """Colour the sites by how their cameras stand and draw the branches that failed."""
        if states != self.bridge.states or branches != self.bridge.branches:
            self.bridge.param.update(states=states, branches=branches)

    def around(self, drawn: dict[str, Any]) -> None:
        """Draw what there is around a chosen leg; an empty dict takes it away."""
        self.bridge.around = drawn

    def highlight(self, chosen: str, kind: str = "site") -> None:
        """Mark a site or a sighting."""
        self.bridge.param.update(kind=kind, highlight=chosen)
