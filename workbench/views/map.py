"""The ward's map, drawn by folium with every asset and the base map served locally.

``ward_map`` is the base (roads, outlines, sites, view cones); ``journey_map`` adds what one plate's
sightings allow: numbered stops, legs in order with direction and times. An impossible leg is never
a line. The notebook draws the same maps with ``assets=INLINE``.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import folium
import pandas as pd
from branca.element import MacroElement, Template
from folium.utilities import JsCode

from workbench.investigation import Trace, Workbench, cameras_between
from workbench.records import Camera
from workbench.trajectories import explain
from workbench.views.belief import share
from workbench.views.page import ASSETS
from workbench.views.text import Translate, clock, translator

Assets = Literal["served", "inline"]
LonLat = tuple[float, float]
METRES_A_DEGREE = 111_320.0
SURE, UNSURE, SECOND = "#0b559f", "#b26a00", "#6d4a9c"
"""Colours of a leg: plausible, a stop or doubtful, and one of another journey."""

_SCRIPTS = ("leaflet/leaflet.js", "map_reach.js", "map.js")
_STYLES = ("leaflet/leaflet.css", "map.css")


@dataclass(frozen=True, slots=True)
class Stop:
    """One sighting where its camera stands; numbered along the fullest journey, 0 outside it."""

    number: int
    sighting_id: str
    camera_id: str
    lon_deg: float
    lat_deg: float
    utc_ns: int


@dataclass(frozen=True, slots=True)
class LegLine:
    """The way by road between two stops; ``line`` is empty where the leg is impossible.

    ``journey`` counts the paths that the sightings allow, the fullest being 0; -1 is no path.
    ``probability`` is None until linking says how sure it is. ``inferred``: it goes past a camera
    that reads plates, on another site, without a read there.
    """

    number: int
    start: Stop
    stop: Stop
    plausible: str
    reason: str
    line: tuple[LonLat, ...]
    journey: int = 0
    probability: float | None = None
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Maybe:
    """A sighting without a plate that may lie on a leg: where it is drawn, and what is said.

    ``share`` stands beside the mark, empty where there is no probability; ``label`` is the whole.
    """

    sighting_id: str
    camera_id: str
    lon_deg: float
    lat_deg: float
    label: str
    share: str = ""


class _Connect(MacroElement):  # type: ignore[misc]  # branca is untyped
    """Ties the drawn layers to the page around the map's frame."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        {%- for name, kind, id, label in this.picks %}
        wbMap.marker({{ name }}, {{ kind|tojson }}, {{ id|tojson }}, {{ label|tojson }});
        {%- endfor %}
        {{ this._parent.get_name() }}.wbBounds = {{ this.bounds|tojson }};
        wbMap.key({{ this._parent.get_name() }}, {{ this.words|tojson }}, {{ this.key|tojson }});
        wbMap.connect({{ this._parent.get_name() }}, {{ this.map_name|tojson }});
        {% endmacro %}
        """
    )

    def __init__(
        self, map_name: str, bounds: list[list[float]], picks: list[tuple[str, str, str, str]],
        words: str, key: list[dict[str, Any]],
    ) -> None:  # fmt: skip
        super().__init__()
        self._name = "Connect"
        self.words, self.key = words, key
        self.map_name, self.bounds, self.picks = map_name, bounds, picks


def ward_map(
    ward: Any,
    *,
    lang: str = "vi",
    stops: Sequence[Stop] = (),
    legs: Sequence[LegLine] = (),
    maybe: Sequence[Maybe] = (),
    assets: Assets = "served",
) -> folium.Map:
    """Return the map of a ward, with a journey on it where stops and legs are given.

    Parameters
    ----------
    ward
        Sites, cameras, ``roads`` and ``areas`` as :func:`workbench.ward.load` returns them.
    assets
        "served": from the workbench's own server; "inline": inside the page, for notebooks and
        files. Neither asks another host for anything.
    """
    tr = translator(lang)
    # the attribution would link to another host
    chart = folium.Map(
        location=[0.0, 0.0], tiles=None, zoom_start=14, max_zoom=20, attribution_control=False,
        zoom_snap=0.25,
    )  # fmt: skip
    chart.default_js = [(path, _asset(path, assets)) for path in _SCRIPTS]
    chart.default_css = [(path, _asset(path, assets)) for path in _STYLES]
    _draw_areas(chart, ward, tr)
    _draw_roads(chart, ward)
    _draw_cones(chart, ward)
    _draw_sites(chart, ward, quiet=bool(stops))
    for leg in legs:
        _draw_leg(chart, leg, tr)
    picks = [_draw_stop(chart, stop) for stop in stops]
    picks += [_draw_maybe(chart, one) for one in maybe]
    points = [(stop.lon_deg, stop.lat_deg) for stop in stops]
    points += [point for leg in legs for point in leg.line]
    points = points or [(site.lon_deg, site.lat_deg) for site in ward.sites.values()]
    chart.wb_name = uuid4().hex[:12]
    key = _key(legs, maybe, tr)
    chart.add_child(_Connect(chart.wb_name, _bounds(points), picks, tr("Legend"), key))
    return chart


def journey_map(
    wb: Workbench, trace: Trace, *, lang: str = "vi", assets: Assets = "served"
) -> folium.Map:
    """Return the ward's map with the journey that a trace allows."""
    stops, tr = stops_of(wb, trace), translator(lang)
    return ward_map(
        wb.ward, lang=lang, stops=stops, legs=legs_of(wb, trace, stops, tr),
        maybe=maybe_of(wb, trace, tr), assets=assets,
    )  # fmt: skip


def stops_of(wb: Workbench, trace: Trace) -> list[Stop]:
    """Return a trace's sightings as stops, oldest first; those of the fullest journey numbered."""
    order = trace.journeys[0].sighting_ids if trace.journeys else ()
    numbers = {sighting_id: number for number, sighting_id in enumerate(order, start=1)}
    stops = []
    for row in trace.sightings.sort_values("utc").to_dict("records"):
        number = numbers.get(row["sighting_id"], 0)
        camera = wb.camera(row["camera_id"])
        at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
        stops.append(
            Stop(
                number, row["sighting_id"], camera.camera_id, camera.lon_deg, camera.lat_deg, at_ns
            )
        )
    return stops


def maybe_of(wb: Workbench, trace: Trace, tr: Translate) -> list[Maybe]:
    """Return what may lie on a trace's legs, one mark a camera: its likeliest sighting there."""
    found: dict[str, Maybe] = {}
    rows = trace.linked.possible.to_dict("records") if trace.linked is not None else []
    for row in rows:
        camera = wb.camera(row["camera_id"])
        at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
        said = share(row["probability"])
        label = " · ".join(filter(None, [tr("possible"), clock(at_ns), said]))
        one = Maybe(
            row["sighting_id"], camera.camera_id, camera.lon_deg, camera.lat_deg, label, said
        )
        found.setdefault(camera.camera_id, one)
    return list(found.values())


def legs_of(wb: Workbench, trace: Trace, stops: Iterable[Stop], tr: Translate) -> list[LegLine]:
    """Return a trace's legs with their way by road: the fullest journey's first, each in order.

    Impossible legs come last, without a line and without a number of their own.
    """
    by_id = {stop.sighting_id: stop for stop in stops}
    found: list[LegLine] = []
    reading = [name for name, camera in wb.ward.cameras.items() if camera.kind == "plate"]
    for number, journey in enumerate(trace.journeys):
        for row in journey.legs.to_pylist():
            way = wb.graph.between(row["from_camera"], row["to_camera"])
            line = tuple((float(x), float(y)) for x, y in way.line) if way is not None else ()
            leg = _leg(row, len(found) + 1, by_id, line, number, tr)
            found.append(replace(leg, inferred=bool(cameras_between(wb, row, reading))))
    impossible = trace.legs[trace.legs["plausible"] == "impossible"]
    found += [_leg(row, 0, by_id, (), -1, tr) for row in impossible.to_dict("records")]  # type: ignore[arg-type]
    return found


def _leg(
    row: Mapping[str, Any], number: int, stops: Mapping[str, Stop], line: tuple[LonLat, ...],
    journey: int, tr: Translate,
) -> LegLine:  # fmt: skip
    return LegLine(
        number, stops[row["from_id"]], stops[row["to_id"]], row["plausible"], explain(row, tr),
        line, journey, row.get("probability"),
    )  # fmt: skip


def way_points(legs: Sequence[LegLine], stops: Sequence[Stop]) -> list[dict[str, Any]]:
    """Return pieces of the way with the instant of every vertex, for the moving marker.

    A piece is ``{"from_ms", "to_ms", "points": [[lat, lon, ms], ...]}``. Inside a leg the marker
    goes at one speed: where in the leg the vehicle really was is not known. Between pieces that do
    not join there is no marker.
    """
    pieces = [
        {
            "from_ms": stop.utc_ns // 1_000_000,
            "to_ms": stop.utc_ns // 1_000_000,
            "points": [[stop.lat_deg, stop.lon_deg, stop.utc_ns // 1_000_000]],
        }
        for stop in stops
    ]
    for leg in legs:
        if len(leg.line) < 2:
            continue
        start_ms, stop_ms = leg.start.utc_ns // 1_000_000, leg.stop.utc_ns // 1_000_000
        along = [0.0]
        for a, b in zip(leg.line, leg.line[1:], strict=False):
            along.append(along[-1] + _metres(a, b))
        whole = along[-1] or 1.0
        pieces.append(
            {
                "from_ms": start_ms,
                "to_ms": stop_ms,
                "points": [
                    [lat, lon, start_ms + round((stop_ms - start_ms) * metre / whole)]
                    for (lon, lat), metre in zip(leg.line, along, strict=True)
                ],
            }
        )
    return sorted(pieces, key=lambda piece: (piece["from_ms"], piece["to_ms"]))


def cone(camera: Camera, steps: int = 6) -> list[LonLat]:
    """Return the outline of what a camera looks at: its place and an arc, closed.

    >>> north = Camera("C", "S", "", "plate", 105.0, 21.0, 0.0, 20.0, 30.0, "rear", "E")
    >>> ring = cone(north)
    >>> ring[0] == ring[-1] == (105.0, 21.0), all(lat >= 21.0 for _lon, lat in ring)
    (True, True)
    """
    here = (camera.lon_deg, camera.lat_deg)
    wide = math.cos(math.radians(camera.lat_deg))
    arc = []
    for step in range(steps + 1):
        bearing = math.radians(camera.heading_deg + camera.fov_deg * (step / steps - 0.5))
        east, north = camera.range_m * math.sin(bearing), camera.range_m * math.cos(bearing)
        arc.append((here[0] + east / METRES_A_DEGREE / wide, here[1] + north / METRES_A_DEGREE))
    return [here, *arc, here]


def _asset(path: str, assets: Assets) -> str:
    if assets == "served":
        return f"/assets/{path}"
    kind = "text/javascript" if path.endswith(".js") else "text/css"
    return f"data:{kind};base64,{base64.b64encode((ASSETS / Path(path)).read_bytes()).decode()}"


def _features(rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "id": str(n), "properties": dict(facts), "geometry": dict(shape)}
            for n, (facts, shape) in enumerate(rows)
        ],
    }


def _add(
    chart: folium.Map, data: dict[str, Any], style: Callable[[Any], dict[str, Any]], **more: Any
) -> None:
    if data["features"]:
        folium.GeoJson(
            data, style_function=style, on_each_feature=JsCode("wbMap.feature"), **more
        ).add_to(chart)


def _draw_areas(chart: folium.Map, ward: Any, tr: Translate) -> None:
    rows = []
    for row in ward.areas.itertuples():
        text = row.name if hasattr(row, "name") else ""
        if row.valid_to:
            text = tr("{name} (until {day})").format(name=text, day=_day(row.valid_to))
        elif row.valid_from:
            text = tr("{name} (since {day})").format(name=text, day=_day(row.valid_from))
        facts = {"role": row.role, "former": bool(row.valid_to), "name": text}
        rows.append((facts, row.geometry.__geo_interface__))

    def style(feature: Any) -> dict[str, Any]:
        facts = feature["properties"]
        if facts["role"] != "ward":
            return {"color": "#c9d2db", "weight": 1, "fillColor": "#e9edf2", "fillOpacity": 0.4}
        if facts["former"]:
            return {
                "color": "#5f7f9f", "weight": 1.6, "dashArray": "6 4", "fillColor": "#ffffff",
                "fillOpacity": 0.85,
            }  # fmt: skip
        return {"color": "#9fb0c0", "weight": 1.4, "fillColor": "#f3f6f9", "fillOpacity": 1}

    # the current outline lies under the former one
    rows.sort(key=lambda row: (row[0]["role"] == "ward", row[0]["former"]))
    _add(chart, _features(rows), style, interactive=False)


def _day(iso: str) -> str:
    year, month, day = iso.split("-")
    return f"{day}/{month}/{year}"


def _draw_roads(chart: folium.Map, ward: Any) -> None:
    rows = [
        (
            {"label": f"{row.name} · {row.limit_kmh:g} km/h", "limit": float(row.limit_kmh)},
            row.geometry.__geo_interface__,
        )
        for row in ward.roads.itertuples()
    ]

    def width(feature: Any) -> float:
        limit = feature["properties"]["limit"]
        return 6.0 if limit >= 50 else 4.0 if limit >= 40 else 2.6

    data = _features(rows)
    _add(chart, data, lambda f: {"color": "#b9c4cf", "weight": width(f) + 1.6, "opacity": 1})
    _add(
        chart,
        data,
        lambda f: {
            "color": "#fff3cf" if f["properties"]["limit"] >= 50 else "#ffffff",
            "weight": width(f), "opacity": 1,
        },
    )  # fmt: skip


def _draw_cones(chart: folium.Map, ward: Any) -> None:
    rows = [
        (
            {"label": f"{camera.camera_id} · {camera.name}", "plate": camera.kind == "plate"},
            {"type": "Polygon", "coordinates": [cone(camera)]},
        )
        for camera in ward.cameras.values()
    ]
    _add(
        chart,
        _features(rows),
        lambda f: {
            "color": "#0b559f" if f["properties"]["plate"] else "#1d7a6b", "weight": 0.7,
            "fillColor": "#3d8fdd" if f["properties"]["plate"] else "#38b09c", "fillOpacity": 0.28,
        },
    )  # fmt: skip


def _draw_sites(chart: folium.Map, ward: Any, *, quiet: bool) -> None:
    rows = [
        (
            {"label": f"{site.site_id} · {site.name}", "pick": "site", "id": site.site_id},
            {"type": "Point", "coordinates": [site.lon_deg, site.lat_deg]},
        )
        for site in ward.sites.values()
    ]
    _add(
        chart,
        _features(rows),
        lambda _f: {
            "color": "#0b559f", "weight": 1.2 if quiet else 2, "fillColor": "#ffffff",
            "fillOpacity": 1,
            # without it a tap on the middle of the ring goes to the road under it
            "fill": True,
        },
        marker=folium.CircleMarker(radius=3.5 if quiet else 5),
    )  # fmt: skip
    if quiet:
        return
    for site in ward.sites.values():
        icon = folium.DivIcon(
            html=escape(site.site_id), icon_size=(30, 12), icon_anchor=(-7, 6), class_name="wb-name"
        )
        folium.Marker([site.lat_deg, site.lon_deg], icon=icon, interactive=False).add_to(chart)


def _draw_leg(chart: folium.Map, leg: LegLine, tr: Translate) -> None:
    if len(leg.line) < 2:
        return
    sure = leg.plausible == "plausible"
    colour = SECOND if leg.journey else SURE if sure else UNSURE
    words = tr("Leg {number}: {start} → {stop}").format(
        number=leg.number, start=clock(leg.start.utc_ns), stop=clock(leg.stop.utc_ns)
    )
    data = _features(
        [({"label": words}, {"type": "LineString", "coordinates": [list(p) for p in leg.line]})]
    )
    _add(
        chart,
        data,
        lambda _f: {
            "color": colour, "weight": leg_width(leg.probability), "opacity": 0.85,
            "dashArray": "9 7" if leg.inferred else None, "lineCap": "butt",
            "className": f"wb-legline wb-line-{leg.number}",
        },
    )  # fmt: skip
    lon, lat, bearing = _middle(leg.line)
    arrow = (
        f'<div><svg width="20" height="20" viewBox="-10 -10 20 20">'
        f'<circle r="8.5" fill="#fff" stroke="{colour}" stroke-width="1.5"/>'
        f'<path d="M0 -6 L4.5 5 L0 2.5 L-4.5 5 Z" fill="{colour}" '
        f'transform="rotate({bearing:.0f})"/>'
        f'<text y="-12" text-anchor="middle" font-size="10.5" font-weight="650" fill="{colour}" '
        f'stroke="#fff" stroke-width="3" paint-order="stroke">{leg.number}</text></svg></div>'
    )
    icon = folium.DivIcon(html=arrow, icon_size=(0, 0), icon_anchor=(0, 0), class_name="wb-leg")
    folium.Marker([lat, lon], icon=icon, interactive=False).add_to(chart)


def leg_width(probability: float | None) -> float:
    """Return how wide a leg is drawn, px: the surer the wider; 4 where nobody has said.

    >>> leg_width(None), leg_width(0.0), leg_width(1.0)
    (4.0, 1.5, 7.0)
    """
    if probability is None or math.isnan(probability):
        return 4.0
    return round(1.5 + 5.5 * probability, 1)


def _draw_maybe(chart: folium.Map, one: Maybe) -> tuple[str, str, str, str]:
    text = f"<div><b>?</b><span>{escape(one.share)}</span></div>"
    icon = folium.DivIcon(
        html=text, icon_size=(0, 0), icon_anchor=(0, 0), class_name="wb-stop maybe"
    )
    marker = folium.Marker([one.lat_deg, one.lon_deg], icon=icon).add_to(chart)
    return marker.get_name(), "sighting", one.sighting_id, f"{one.camera_id} · {one.label}"


def _key(legs: Sequence[LegLine], maybe: Sequence[Maybe], tr: Translate) -> list[dict[str, Any]]:
    """Return the entries of the map's legend: of what is drawn only."""
    lines = [leg for leg in legs if leg.line]
    if not lines:
        return []
    main = [leg for leg in lines if not leg.journey]
    told = any(leg.probability is not None and not math.isnan(leg.probability) for leg in lines)
    found = [
        (any(leg.plausible == "plausible" for leg in main), SURE, "", tr("plausible")),
        (any(leg.plausible != "plausible" for leg in main), UNSURE, "", tr("a stop, or doubtful")),
        (len(main) < len(lines), SECOND, "", tr("another path")),
        (
            any(leg.inferred for leg in lines), SURE, "9 7",
            tr("inferred: past a camera without a read there"),
        ),
    ]  # fmt: skip
    entries = [
        {"colour": colour, "dash": dash, "text": text}
        for drawn, colour, dash, text in found
        if drawn
    ]
    if told:
        entries.append({"sign": "", "text": tr("the wider, the more probable")})
    if maybe:
        entries.append({"sign": "?", "text": tr("possible: seen without a plate")})
    return entries


def _draw_stop(chart: folium.Map, stop: Stop) -> tuple[str, str, str, str]:
    text = f"<div><b>{stop.number or '?'}</b><span>{escape(clock(stop.utc_ns))}</span></div>"
    name = "wb-stop" if stop.number else "wb-stop aside"
    icon = folium.DivIcon(html=text, icon_size=(0, 0), icon_anchor=(0, 0), class_name=name)
    marker = folium.Marker([stop.lat_deg, stop.lon_deg], icon=icon).add_to(chart)
    return marker.get_name(), "sighting", stop.sighting_id, stop.camera_id


def _bounds(points: Sequence[LonLat]) -> list[list[float]]:
    lons, lats = [p[0] for p in points], [p[1] for p in points]
    return [[min(lats), min(lons)], [max(lats), max(lons)]]


def _metres(a: LonLat, b: LonLat) -> float:
    wide = math.cos(math.radians(a[1]))
    return math.hypot((b[0] - a[0]) * wide, b[1] - a[1]) * METRES_A_DEGREE


def _middle(line: Sequence[LonLat]) -> tuple[float, float, float]:
    """Return the point halfway along a line and the bearing of travel there, degrees."""
    lengths = [_metres(a, b) for a, b in pairwise(line)]
    left = sum(lengths) / 2
    for a, b, length in zip(line, line[1:], lengths, strict=False):
        if left <= length and length > 0:
            part = left / length
            east = (b[0] - a[0]) * math.cos(math.radians(a[1]))
            bearing = math.degrees(math.atan2(east, b[1] - a[1])) % 360
            return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, bearing
        left -= length
    return line[-1][0], line[-1][1], 0.0
