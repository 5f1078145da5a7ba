"""What a case found of one plate, as GeoJSON, GeoPackage or KML for other maps.

A sighting is a point where its camera stands. A leg is the way by road between two sightings, and
inferred: nobody saw the vehicle on it. A leg the road does not allow has no geometry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import geopandas
from shapely.geometry import LineString, Point

from workbench.errors import N_, BadInput
from workbench.store import files
from workbench.timeline import SECOND_NS, VIET_NAM, format_utc

Layer = Literal["legs", "sightings"]
SUREST = 0.99
"""No probability is written higher: nothing here is certain."""

_KML = "http://www.opengis.net/kml/2.2"
_ENDS = {".geojson": "geojson", ".json": "geojson", ".gpkg": "gpkg", ".kml": "kml"}


@dataclass(frozen=True, slots=True)
class Feature:
    """One leg or sighting: its points (lon, lat; none: not to be drawn), UTC ns, and its facts."""

    layer: Layer
    name: str
    points: tuple[tuple[float, float], ...]
    start_ns: int
    stop_ns: int
    facts: Mapping[str, str | float | int | bool | None]


def trace_format(path: Path) -> str:
    """Return in which format a trace is to be written, by the file's name.

    >>> trace_format(Path("a/B.KML"))
    'kml'
    """
    found = _ENDS.get(path.suffix.lower())
    if found is None:
        raise BadInput(
            N_("'{end}' is no format of a trace"),
            N_("name the file .geojson, .gpkg or .kml"),
            where=str(path),
            end=path.suffix or path.name,
        )
    return found


def at_most(probability: float | None) -> float | None:
    """Return a probability as it is written: never certain; None where there is none.

    >>> at_most(0.9999), at_most(0.12345), at_most(None), at_most(float("nan"))
    (0.99, 0.123, None, None)
    """
    if probability is None or probability != probability:
        return None
    return round(min(float(probability), SUREST), 3)


def local_time(ns: int) -> str:
    """Return an instant as Viet Nam's clocks showed it, with their offset.

    >>> local_time(1795133700123456789)
    '2026-11-20T07:15:00.123+07:00'
    """
    seconds, rest = divmod(ns, SECOND_NS)
    at = datetime.fromtimestamp(seconds, VIET_NAM)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest // 1_000_000:03d}+07:00"


def write_trace(path: Path, features: Sequence[Feature], about: Mapping[str, str]) -> None:
    """Write a trace in the format of its name, whole or not at all.

    `about` (case, purpose, who, a note) stands in the head of the file and, in GeoPackage, which
    has none, with every row.
    """
    kind = trace_format(path)
    with files.replacing(path) as temporary:
        if kind == "geojson":
            temporary.write_text(_geojson(features, about), encoding="utf-8")
        elif kind == "kml":
            temporary.write_bytes(_kml(features, about))
        else:
            named = temporary.with_name(f"{temporary.name}.gpkg")
            try:
                _gpkg(named, features, about)
                named.replace(temporary)
            finally:
                named.unlink(missing_ok=True)


def _all_facts(one: Feature) -> dict[str, Any]:
    """Return a feature's facts with its times, in UTC and as the clocks on the wall showed them."""
    if one.layer == "sightings":
        times = {"utc": format_utc(one.start_ns), "local": local_time(one.start_ns)}
    else:
        times = {
            "from_utc": format_utc(one.start_ns), "from_local": local_time(one.start_ns),
            "to_utc": format_utc(one.stop_ns), "to_local": local_time(one.stop_ns),
        }  # fmt: skip
    return {"name": one.name, **times, **one.facts}


def _geojson(features: Sequence[Feature], about: Mapping[str, str]) -> str:
    listed = []
    for one in features:
        shape: dict[str, Any] | None = None
        if one.points:
            line = one.layer == "legs"
            places = [list(point) for point in one.points]
            shape = {
                "type": "LineString" if line else "Point",
                "coordinates": places if line else places[0],
            }
        facts = {"layer": one.layer, **_all_facts(one)}
        listed.append({"type": "Feature", "geometry": shape, "properties": facts})
    whole = {"type": "FeatureCollection", "about": dict(about), "features": listed}
    return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _gpkg(path: Path, features: Sequence[Feature], about: Mapping[str, str]) -> None:
    for layer in ("sightings", "legs"):
        rows = [one for one in features if one.layer == layer]
        shapes = [
            None if not one.points else LineString(one.points) if layer == "legs"
            else Point(one.points[0])
            for one in rows
        ]  # fmt: skip
        facts = [{**_all_facts(one), **about} for one in rows]
        frame = geopandas.GeoDataFrame(facts, geometry=shapes, crs=4326)
        if rows:
            frame.to_file(path, driver="GPKG", layer=layer)


def _kml(features: Sequence[Feature], about: Mapping[str, str]) -> bytes:
    ElementTree.register_namespace("", _KML)
    root = ElementTree.Element(f"{{{_KML}}}kml")

    def add(parent: ElementTree.Element, tag: str, text: str = "") -> ElementTree.Element:
        made = ElementTree.SubElement(parent, f"{{{_KML}}}{tag}")
        made.text = text or None
        return made

    document = add(root, "Document")
    add(document, "name", about.get("plate", ""))
    add(document, "description", "\n".join(f"{k}: {v}" for k, v in about.items()))
    for layer in ("sightings", "legs"):
        folder = add(document, "Folder")
        add(folder, "name", layer)
        for one in features:
            if one.layer != layer:
                continue
            mark = add(folder, "Placemark")
            add(mark, "name", one.name)
            if layer == "sightings":
                add(add(mark, "TimeStamp"), "when", format_utc(one.start_ns))
            else:
                span = add(mark, "TimeSpan")
                add(span, "begin", format_utc(one.start_ns))
                add(span, "end", format_utc(one.stop_ns))
            data = add(mark, "ExtendedData")
            for name, value in _all_facts(one).items():
                if value is not None and name != "name":
                    held = add(data, "Data")
                    held.set("name", name)
                    add(held, "value", str(value))
            if one.points:
                shape = add(mark, "LineString" if layer == "legs" else "Point")
                if layer == "legs":
                    add(shape, "tessellate", "1")
                add(
                    shape,
                    "coordinates",
                    " ".join(f"{lon:.7f},{lat:.7f}" for lon, lat in one.points),
                )
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written
