"""Columns in which sightings come from other systems and go to them, and what each row must hold.

Pure. A row that cannot be used is never guessed at: :class:`BadRow` says which column, what stands
there and what is expected.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from workbench.errors import N_, BadInput
from workbench.plates import compact, default_grammar, from_text, normalise
from workbench.records import KINDS, SIGHTINGS, Camera, Site
from workbench.timeline import SECOND_NS, UtcNs

COLUMNS: dict[str, tuple[str, str]] = {
    "source_id": ("-", "the sighting's own name in its system; empty: told by its values"),
    "camera_id": ("-", "camera that saw it; empty where lon_deg and lat_deg say the place"),
    "lon_deg": ("deg", "longitude of the place, WGS 84"),
    "lat_deg": ("deg", "latitude of the place, WGS 84"),
    "utc": ("ISO 8601", "when, with its offset; without one --timezone must say the zone"),
    "sigma_s": ("s", "one standard deviation of the clock; where empty --sigma counts"),
    "kind": ("-", "car, motorcycle, bus, truck, bicycle, person or unknown; empty: unknown"),
    "score": ("0..1", "how sure of the kind; empty: 0"),
    "bearing_deg": ("deg", "direction of travel, clockwise from north, 0 to 360"),
    "plate": ("-", "number plate, with or without separators, e.g. 99B1-123.45"),
    "plate_score": ("0..1", "probability that every sign is right; empty: not known"),
    "plate_confidences": ("0..1", "one number a sign, between spaces"),
    "plate_lattice": ("JSON", "sign probabilities by position, instead of plate_confidences"),
    "plate_raw": ("-", "what was read, where it is no plate"),
    "made_by": ("-", "written by export: what made the row; not read"),
    "case_id": ("-", "written by export: the case it belongs to; not read"),
    "purpose": ("-", "written by export: why it was asked for; not read"),
}
"""Every column of the exchange, with its unit and meaning. Order is that of an export."""

LEFT_OUT = frozenset(SIGHTINGS.names) - COLUMNS.keys() - {"sighting_id"}
"""Columns of our own table that speak of footage: taken from a file without a word, not kept."""

LONGEST = 200
MOST_SIGMA_S = 86_400.0
NEAR_M = 60.0
"""A place farther than this from every site is none of the ward's."""
_METRES_A_DEGREE = 111_320.0
_SHAPE = re.compile(r"\d\d[A-Z0-9]{4,8}")
"""Signs of what a reader can take for a plate, whether or not such a series exists."""
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE
)


class BadRow(Exception):
    """A value that cannot be used: ``column``, ``value``, and what is expected, as a template."""

    def __init__(self, column: str, value: object, expected: str, **fields: object) -> None:
        super().__init__(column)
        self.column, self.value, self.expected, self.fields = column, value, expected, fields

    def at(self, where: str) -> BadInput:
        """Return the sentence for a person, with the place of the row."""
        return BadInput(
            N_("column {column}: '{value}' cannot be used"),
            self.expected,
            where=where,
            column=self.column,
            value=str(self.value)[:60],
            **self.fields,
        )


@dataclass(frozen=True, slots=True)
class Incoming:
    """One sighting of another system, checked: what of SIGHTINGS it can say, in the same units."""

    source_id: str
    camera_id: str
    utc_ns: UtcNs
    sigma_s: float
    kind: str
    score: float
    bearing_deg: float | None
    plate: str | None
    plate_score: float | None
    plate_raw: str | None
    plate_lattice: str | None


def refuse_names(names: Sequence[str], refuse: Callable[[list[str]], None]) -> None:
    """Raise BadInput for columns that are not of the exchange, twice there, or lacking.

    `refuse` is asked first, with the unknown ones: it names what may not be stored at all.
    """
    unknown = [n for n in names if n not in COLUMNS and n not in SIGHTINGS.names]
    if len(set(names)) < len(names):
        refuse(list(names))
    if unknown:
        refuse(unknown)
    placed = "camera_id" in names or {"lon_deg", "lat_deg"} <= set(names)
    lacking = [] if "utc" in names else ["utc"]
    lacking += [] if placed else ["camera_id"]
    if lacking:
        raise BadInput(
            N_("there is no column {columns}"),
            N_("columns are named in the first line as docs/exchange.md says"),
            columns=", ".join(lacking),
        )


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads rows of one file: what the ward knows, and what the operator stated of the file.

    Parameters
    ----------
    places
        Other names of cameras, or sites whose sightings are one camera's: name to camera id.
    zone
        Where times without an offset are from; None: they are refused.
    sigma_s
        What counts where a row says nothing of its clock; None: such a row is refused.
    """

    cameras: Mapping[str, Camera]
    sites: Mapping[str, Site]
    now_ns: int
    places: Mapping[str, str] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    sigma_s: float | None = None

    def read(self, row: Mapping[str, Any]) -> Incoming:
        """Return a row, checked.

        Raises
        ------
        BadRow
            For the first value that cannot be used.
        """
        plate, lattice = _plate(row)
        return Incoming(
            _text(row, "source_id") or _text(row, "sighting_id"),
            self._camera(row),
            self._instant(row),
            self._sigma_s(row),
            _kind(row),
            _number(row, "score", 0, 1) or 0.0,
            _number(row, "bearing_deg", 0, 360),
            plate,
            _number(row, "plate_score", 0, 1),
            _text(row, "plate_raw", 32) or None,
            lattice,
        )

    def _camera(self, row: Mapping[str, Any]) -> str:
        named = _text(row, "camera_id")
        if named:
            camera_id = self.places.get(named, named)
            if camera_id in self.cameras:
                return camera_id
            near = get_close_matches(named, self.cameras, n=3, cutoff=0.5)
            raise BadRow(
                "camera_id",
                named,
                N_("name a camera of the ward ({nearest}), or map its name to one with --map"),
                nearest=", ".join(near) or ", ".join(sorted(self.cameras)[:3]),
            )
        lon, lat = _number(row, "lon_deg", -180, 180), _number(row, "lat_deg", -90, 90)
        if lon is None or lat is None:
            raise BadRow("camera_id", "", N_("name a camera, or give lon_deg and lat_deg"))
        return self._camera_at(lon, lat)

    def _camera_at(self, lon: float, lat: float) -> str:
        place = f"{lon:.5f} {lat:.5f}"
        wide = math.cos(math.radians(lat)) * _METRES_A_DEGREE
        away = sorted(
            (math.hypot((s.lon_deg - lon) * wide, (s.lat_deg - lat) * _METRES_A_DEGREE), s.site_id)
            for s in self.sites.values()
        )
        if not away or away[0][0] > NEAR_M:
            raise BadRow(
                "lon_deg",
                place,
                N_("give a place at most {most:.0f} m from a site (nearest: {nearest})"),
                most=NEAR_M,
                nearest=", ".join(f"{site} {metres:.0f} m" for metres, site in away[:3]),
            )
        site_id = away[0][1]
        here = [c.camera_id for c in self.cameras.values() if c.site_id == site_id]
        if site_id in self.places:
            return self.places[site_id]
        if len(here) == 1:
            return here[0]
        raise BadRow(
            "lon_deg",
            place,
            N_("site {site} has {cameras}: name one, or map the site to one with --map"),
            site=site_id,
            cameras=", ".join(here),
        )

    def _instant(self, row: Mapping[str, Any]) -> UtcNs:
        value = row.get("utc")
        at = UtcNs(value) if isinstance(value, int) else self._parsed(_text(row, "utc"))
        if at <= 0:
            raise BadRow("utc", value, N_("give a time after 1970: a clock that was never set?"))
        if at > self.now_ns:
            raise BadRow("utc", value, N_("give a time that has been: this one is still to come"))
        return at

    def _parsed(self, text: str) -> UtcNs:
        found = _TIME.fullmatch(text)
        at = None
        if found is not None:
            day, clock, _fraction, offset = found.groups()
            try:
                at = datetime.fromisoformat(f"{day}T{clock}{(offset or '').upper()}")
            except ValueError:
                at = None
        if found is None or at is None:
            raise BadRow("utc", text, N_("write date and time like 2026-11-20T07:15:00+07:00"))
        if at.tzinfo is None:
            at = self._in_zone(at, text)
        elif (
            self.zone is not None
            and found[4].upper() != "Z"
            and at.astimezone(self.zone).utcoffset() != at.utcoffset()
        ):
            raise BadRow(
                "utc",
                text,
                N_("the clocks of {zone} did not stand so then: correct the offset"),
                zone=self.zone.key,
            )
        since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        whole = (since.days * 86_400 + since.seconds) * SECOND_NS
        return UtcNs(whole + int((found[3] or "0").ljust(9, "0")))

    def _in_zone(self, at: datetime, text: str) -> datetime:
        if self.zone is None:
            raise BadRow(
                "utc", text, N_("write its offset (+07:00 or Z), or name the zone with --timezone")
            )
        early, late = at.replace(tzinfo=self.zone), at.replace(tzinfo=self.zone, fold=1)
        if early.utcoffset() == late.utcoffset():
            return early
        back = early.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None)
        if back != at:
            raise BadRow(
                "utc",
                text,
                N_("the clocks of {zone} leapt over that time: write the offset"),
                zone=self.zone.key,
            )
        raise BadRow(
            "utc",
            text,
            N_("the clocks of {zone} showed that time twice: write the offset"),
            zone=self.zone.key,
        )

    def _sigma_s(self, row: Mapping[str, Any]) -> float:
        given = _number(row, "sigma_s", 0, MOST_SIGMA_S)
        if given is None:
            given = self.sigma_s
        if given is None:
            raise BadRow(
                "sigma_s", "", N_("say how sure the clock is, in seconds, here or with --sigma")
            )
        return given


def zone_of(name: str) -> ZoneInfo | None:
    """Return the zone of a name like Asia/Ho_Chi_Minh; None of an empty one."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise BadInput(
            N_("'{name}' is no time zone"),
            N_("write it like Asia/Ho_Chi_Minh"),
            where="--timezone",
            name=name,
        ) from None


def _kind(row: Mapping[str, Any]) -> str:
    kind = _text(row, "kind").lower() or "unknown"
    if kind not in KINDS:
        raise BadRow("kind", kind, N_("write one of {kinds}"), kinds=", ".join(KINDS))
    return kind


def _plate(row: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the plate as grammar writes it, and its lattice as JSON; None where there is none."""
    text = _text(row, "plate", 32)
    given = _text(row, "plate_lattice", 20_000)
    confidences = _text(row, "plate_confidences", 400)
    if not text:
        for name, value in (("plate_confidences", confidences),):
            if value:
                raise BadRow(name, value, N_("leave it empty where no plate was read"))
        return None, _lattice(given, None) if given else None
    plate = _written(text)
    if plate is None:
        raise BadRow(
            "plate", text, N_("write a plate like 99B1-123.45, or move what was read to plate_raw")
        )
    if given:
        return plate, _lattice(given, plate)
    if not confidences:
        return plate, None
    try:
        sure = [float(part) for part in confidences.replace(";", " ").split()]
    except ValueError:
        sure = []
    signs = compact(plate)
    if len(sure) != len(signs) or not all(0 <= one <= 1 for one in sure):
        raise BadRow(
            "plate_confidences",
            confidences,
            N_("write {count} numbers from 0 to 1, one for each sign of {plate}"),
            count=len(signs),
            plate=plate,
        )
    places = from_text(signs, sure)
    return plate, json.dumps([{s: round(p, 6) for s, p in one.items()} for one in places])


@lru_cache(maxsize=100_000)
def _written(text: str) -> str | None:
    signs = compact(text)
    reading = normalise(signs)
    if reading is None or reading.partial or reading.overrides or not reading.grammatical:
        # Every reader misreads: what looks like a plate is kept as it was read.
        return text.upper() if _SHAPE.fullmatch(signs) and len(text) <= 14 else None
    # One row of signs may be written in two layouts: whoever wrote separators has seen which.
    layouts = default_grammar().layouts_on(None)
    ways = {one.format(signs) for one in layouts if len(one.signs) == len(signs)}
    return text if text in ways else reading.text


def _lattice(text: str, plate: str | None) -> str:
    try:
        places = json.loads(text)
        sound = isinstance(places, list) and all(
            isinstance(sign, str) and len(sign) == 1 and 0 <= float(p) <= 1
            for place in places
            for sign, p in place.items()
        )
        sound = sound and (plate is None or len(places) == len(compact(plate)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise BadRow(
            "plate_lattice",
            text,
            N_('write a JSON list, one {{"sign": probability}} for each sign of the plate'),
        )
    return text


def _text(row: Mapping[str, Any], column: str, most: int = LONGEST) -> str:
    value = row.get(column)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = str(value).strip()
    if len(text) > most or any(not sign.isprintable() for sign in text):
        raise BadRow(column, text, N_("write at most {most} signs on one line"), most=most)
    return text


def _number(row: Mapping[str, Any], column: str, low: float, high: float) -> float | None:
    text = _text(row, column)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise BadRow(
            column, text, N_("write a number from {low:g} to {high:g}, like 0.5"),
            low=low, high=high,
        )  # fmt: skip
    return value


def identity(one: Incoming, source: str) -> str:
    """Return the sighting_id of a row: the same row of the same system has the same one."""
    what: Iterable[object] = [one.source_id] if one.source_id else astuple(one)
    said = json.dumps([source, bool(one.source_id), *what], ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()


def as_sightings(rows: Mapping[str, Incoming], source: str, model_ref: str) -> pa.Table:
    """Return checked rows, by sighting_id, in the schema SIGHTINGS.

    They have no footage: boxes and ticks are 0, and ``segment_sha256`` is that of no file but of
    the source, camera and UTC day, by which what is here already is found.
    """
    shelves: dict[tuple[str, int], str] = {}
    table = []
    for sighting_id, one in rows.items():
        shelf = (one.camera_id, one.utc_ns // (86_400 * SECOND_NS))
        if shelf not in shelves:
            said = f"import|{source}|{shelf[0]}|{shelf[1]}"
            shelves[shelf] = hashlib.sha256(said.encode()).hexdigest()
        table.append(
            {
                **_NOWHERE, "sighting_id": sighting_id, "camera_id": one.camera_id,
                "segment_sha256": shelves[shelf], "utc": one.utc_ns, "first_utc": one.utc_ns,
                "last_utc": one.utc_ns, "sigma_s": one.sigma_s, "kind": one.kind,
                "score": one.score, "bearing_deg": one.bearing_deg, "plate": one.plate,
                "plate_score": one.plate_score, "plate_raw": one.plate_raw,
                "plate_lattice": one.plate_lattice, "model_ref": model_ref,
            }
        )  # fmt: skip
    columns = [pa.array([row[f.name] for row in table], f.type) for f in SIGHTINGS]
    return pa.table(columns, schema=SIGHTINGS)


_NOWHERE: dict[str, Any] = {
    **dict.fromkeys(SIGHTINGS.names), "pts": 0, "first_pts": 0, "last_pts": 0, "moving": True,
    "box_x": 0.0, "box_y": 0.0, "box_w": 0.0, "box_h": 0.0, "track_pts": [], "track_box": [],
    "face_count": 0, "face_boxes": [],
}  # fmt: skip


def same_facts(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return the first column in which two rows of one sighting differ; empty where none does."""
    kept = ("camera_id", "utc", "sigma_s", "kind", "score", "bearing_deg", "plate", "plate_score")
    return next((name for name in kept if one[name] != other[name]), "")


def exported(
    sightings: pa.Table, cameras: Mapping[str, Camera], *, case_id: str, purpose: str
) -> pa.Table:
    """Return sightings in the columns of the exchange, oldest first, all as text or numbers."""
    rows = sightings.sort_by([("utc", "ascending"), ("sighting_id", "ascending")])
    count = rows.num_rows
    named = rows["camera_id"].to_pylist()
    here = [cameras.get(camera_id) for camera_id in named]
    epoch = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock whose zone is written behind it
    times = []
    for ns in rows["utc"].cast(pa.int64()).to_pylist():
        seconds, rest = divmod(ns, SECOND_NS)
        times.append(f"{(epoch + timedelta(seconds=seconds)).isoformat()}.{rest:09d}Z")
    text, number = pa.string(), pa.float64()
    columns = {
        "source_id": rows["sighting_id"].cast(text),
        "camera_id": pa.array(named, text),
        "lon_deg": pa.array([c.lon_deg if c else None for c in here], number),
        "lat_deg": pa.array([c.lat_deg if c else None for c in here], number),
        "utc": pa.array(times, text),
        **{name: rows[name] for name in ("sigma_s", "kind", "score", "bearing_deg")},
        **{name: rows[name] for name in ("plate", "plate_score", "plate_lattice", "plate_raw")},
        "made_by": rows["model_ref"],
        "case_id": pa.array([case_id] * count, text),
        "purpose": pa.array([purpose] * count, text),
    }
    return pa.table(columns)
