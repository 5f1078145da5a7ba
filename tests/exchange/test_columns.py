"""Rows of other systems: what is meant is kept to the nanosecond, what is doubtful is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import plates, ward
from workbench.errors import BadInput
from workbench.exchange import COLUMNS, BadRow, RowReader, identity, refuse_names, zone_of
from workbench.store.sightings import refuse_columns
from workbench.timeline import SECOND_NS, parse_instant

NOW_NS = parse_instant("2026-11-20T12:00:00+07:00")
GOOD = {"camera_id": "S01-P1", "utc": "2026-11-20T07:15:00+07:00", "sigma_s": "2"}


@pytest.fixture(scope="module")
def reader(ward_folder):
    known = ward.load(ward_folder)
    return RowReader(known.cameras, known.sites, NOW_NS)


BAD = [
    ({"utc": ""}, "utc", "2026-11-20T07"),
    ({"utc": "20/11/2026 07:15"}, "utc", "2026-11-20T07"),
    ({"utc": "2026-02-30T07:15:00Z"}, "utc", "2026-11-20T07"),
    ({"utc": "2026-11-20T07:15:00"}, "utc", "--timezone"),
    ({"utc": "2026-11-20T12:00:01+07:00"}, "utc", "still to come"),
    ({"utc": "1969-12-31T23:59:59Z"}, "utc", "1970"),
    ({"utc": "1970-01-01T00:00:00Z"}, "utc", "1970"),
    ({"utc": -5}, "utc", "1970"),
    ({"camera_id": "S01-P"}, "camera_id", "S01-P1"),
    ({"camera_id": ""}, "camera_id", "lon_deg"),
    ({"camera_id": "", "lon_deg": "106.7", "lat_deg": "10.8"}, "lon_deg", "from a site"),
    ({"sigma_s": ""}, "sigma_s", "--sigma"),
    ({"sigma_s": "-1"}, "sigma_s", "number"),
    ({"sigma_s": "nan"}, "sigma_s", "number"),
    ({"kind": "lorry"}, "kind", "truck"),
    ({"bearing_deg": "361"}, "bearing_deg", "360"),
    ({"bearing_deg": "0,5"}, "bearing_deg", "0.5"),
    ({"score": "1.01"}, "score", "1"),
    ({"plate": "hello"}, "plate", "plate_raw"),
    ({"plate": "=1+1"}, "plate", "plate_raw"),
    ({"plate": "99B1-123.45", "plate_confidences": "0.9 0.9"}, "plate_confidences", "9 numbers"),
    ({"plate": "99B1-123.45", "plate_confidences": "a"}, "plate_confidences", "9 numbers"),
    ({"plate_confidences": "0.9"}, "plate_confidences", "empty"),
    ({"plate": "99B1-123.45", "plate_lattice": "[{}]"}, "plate_lattice", "JSON"),
    ({"plate_lattice": "{"}, "plate_lattice", "JSON"),
    ({"source_id": "x" * 201}, "source_id", "200"),
    ({"source_id": "a\nb"}, "source_id", "one line"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "column", "expected"), BAD)
def test_a_bad_value_is_named_with_what_is_expected(reader, change, column, expected):
    with pytest.raises(BadRow) as caught:
        reader.read(GOOD | change)
    assert caught.value.column == column
    sentence = caught.value.at("reads.csv:7").sentence()
    assert sentence.startswith("reads.csv:7: ")
    assert column in sentence
    assert expected in sentence


@pytest.mark.parametrize(
    ("zone", "text", "said"),
    [
        ("Europe/Paris", "2026-03-29T02:30:00", "leapt"),
        ("Europe/Paris", "2026-10-25T02:30:00", "twice"),
        ("Europe/Paris", "2026-07-01T10:00:00+01:00", "did not stand"),
        ("Asia/Ho_Chi_Minh", "2026-11-20T07:15:00+08:00", "did not stand"),
    ],
)
def test_mistakes_of_summer_time_are_refused(reader, zone, text, said):
    with pytest.raises(BadRow) as caught:
        replace(reader, zone=zone_of(zone)).read(GOOD | {"utc": text})
    assert said in caught.value.at("").sentence()


def test_a_stated_zone_and_a_stated_sigma_count_where_the_row_is_silent(reader):
    stated = replace(reader, zone=zone_of("Asia/Ho_Chi_Minh"), sigma_s=3.5)
    one = stated.read(GOOD | {"utc": "2026-11-20 07:15:00", "sigma_s": ""})
    assert (one.utc_ns, one.sigma_s) == (parse_instant(GOOD["utc"]), 3.5)
    assert stated.read(GOOD).sigma_s == 2.0
    assert stated.read(GOOD | {"utc": "2026-11-20T00:15:00Z"}).utc_ns == one.utc_ns


def test_no_such_zone():
    assert zone_of("") is None
    for name in ("Hanoi", "../etc/passwd", "Asia/"):
        with pytest.raises(BadInput, match="time zone"):
            zone_of(name)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, NOW_NS))
def test_an_instant_is_kept_to_the_nanosecond(reader, ns):
    seconds, rest = divmod(ns, SECOND_NS)
    text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    assert reader.read(GOOD | {"utc": text}).utc_ns == ns == reader.read(GOOD | {"utc": ns}).utc_ns


def test_a_place_is_a_site_and_a_site_needs_one_camera(reader):
    site = next(iter(reader.sites.values()))
    cameras = [c.camera_id for c in reader.cameras.values() if c.site_id == site.site_id]
    row = GOOD | {"camera_id": "", "lon_deg": site.lon_deg, "lat_deg": site.lat_deg + 0.0002}
    with pytest.raises(BadRow) as caught:
        reader.read(row)
    assert all(name in caught.value.at("").sentence() for name in [site.site_id, *cameras])
    mapped = replace(reader, places={site.site_id: cameras[1], "Cổng 3": cameras[0]})
    assert mapped.read(row).camera_id == cameras[1]
    assert mapped.read(GOOD | {"camera_id": "Cổng 3"}).camera_id == cameras[0]


def test_plates_are_written_as_the_grammar_writes_them(reader):
    for text in ("99b112345", "99-B1 123.45", "99B1-123.45"):
        assert reader.read(GOOD | {"plate": text}).plate == "99B1-123.45"
    # a misread of no known series is kept as it was read: readers misread
    assert reader.read(GOOD | {"plate": "99KX-2310"}).plate == "99KX-2310"


def test_confidences_become_a_lattice(reader):
    sure = [0.99, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 1.0]
    row = GOOD | {"plate": "99B1-123.45", "plate_confidences": " ".join(map(str, sure))}
    places = json.loads(reader.read(row).plate_lattice)
    best = [max(place, key=place.get) for place in places]
    assert "".join(best) == plates.compact("99B1-123.45")
    assert [place[sign] for place, sign in zip(places, best, strict=True)] == sure
    assert all(sum(place.values()) <= 1 + 1e-6 for place in places)


def test_a_row_is_known_by_its_own_name_or_by_all_its_values(reader):
    one = reader.read(GOOD)
    assert identity(one, "A") == identity(reader.read(dict(GOOD)), "A") != identity(one, "B")
    assert identity(replace(one, kind="car"), "A") != identity(one, "A")
    named = replace(one, source_id="7")
    assert identity(replace(named, kind="car"), "A") == identity(named, "A")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["camera_id", "utc", "gender"], "on purpose"),
        (["camera_id", "utc", "face_vector"], "on purpose"),
        (["camera_id", "utc", "colour"], "colour"),
        (["camera_id", "utc", "utc"], "twice"),
        (["utc", "lon_deg"], "camera_id"),
        (["camera_id"], "utc"),
        ([], "utc, camera_id"),
    ],
)
def test_columns_that_may_not_be_or_must(names, said):
    with pytest.raises(BadInput) as caught:
        refuse_names(names, refuse_columns)
    assert said in caught.value.sentence()


def test_the_page_of_columns_says_what_the_code_says():
    page = Path(__file__).resolve().parents[2] / "docs" / "exchange.md"
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", page.read_text(), re.MULTILINE)
    assert [(name, (unit, says)) for name, unit, says in rows] == list(COLUMNS.items())
