"""The parsers that read what strangers and officers bring, each with inputs to begin from."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq

from workbench import collisions, demonstration, exchange, plates, ward
from workbench.bench.clips import HOUSE
from workbench.cases import verifier
from workbench.cases.bundle import new_key, public_key, sign
from workbench.collisions import KeptCalibration
from workbench.collisions.calibration import PointPair
from workbench.collisions.steps import from_json
from workbench.errors import WorkbenchError
from workbench.investigation.people import SignIn
from workbench.monitoring.notify import read_settings
from workbench.monitoring.retention import read_policy
from workbench.recognition.models import registry
from workbench.store.lookouts import Lookouts
from workbench.store.people import People
from workbench.streams import parse_address
from workbench.streams.address import read_credentials
from workbench.streams.discovery import read_answer
from workbench.streams.onvif import Target, ask, target_of
from workbench.timeline import parse_instant

_READS = ("99B1-123.45", "29A-123.45", "51F-678.90", "80A-001.23")
_ROW = (
    "id,camera_id,time,plate,kind,score,plate_lattice\n"
    "a1,{camera},2026-11-20T07:15:00+07:00,99B1-123.45,motorcycle,0.9,\n"
    'a2,{camera},2026-11-20 07:16:00,"2",car,,"[{{""2"": 0.9, ""Z"": 0.1}}]"\n'
)
_POINTS = "x_px,y_px,easting,northing,crs\n" + "".join(
    f"{x},{y},{600000 + x / 10},{2330000 + y / 10},EPSG:32648\n"
    for x, y in ((100, 200), (900, 210), (120, 700), (950, 690), (500, 400), (700, 600))
)
_TRACK = "pts,x_px,y_px\n" + "".join(f"{n * 3000},{n * 9},{400 + n}\n" for n in range(12))
_ANSWER = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header><a:RelatesTo>uuid:1'
    "</a:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch><d:Scopes>"
    "onvif://www.onvif.org/name/Cam%207</d:Scopes><d:XAddrs>http://10.0.0.7/onvif/device_service"
    "</d:XAddrs></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
)
_CLOCK = (
    '<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" '
    'xmlns:tt="http://www.onvif.org/ver10/schema"><s:Body><tds:GetSystemDateAndTimeResponse>'
    "<tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false"
    "</tt:DaylightSavings><tt:UTCDateTime><tt:Time><tt:Hour>7</tt:Hour><tt:Minute>1</tt:Minute>"
    "<tt:Second>2</tt:Second></tt:Time><tt:Date><tt:Year>2026</tt:Year><tt:Month>11</tt:Month>"
    "<tt:Day>20</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime>"
    "</tds:GetSystemDateAndTimeResponse></s:Body></s:Envelope>"
)


@dataclass(frozen=True)
class Parser:
    """A parser that takes one input, and the hypothesis strategy that makes inputs for it."""

    parse: Callable[[Any], object]
    inputs: Any


def parsers(folder: Path) -> dict[str, Parser]:
    """Return the parsers by name; `folder` is theirs to write files in."""
    tables = folder / "ward"
    shutil.copytree(demonstration.WARD, tables)
    loaded = ward.load(tables)
    camera = next(iter(loaded.cameras))
    scratch = folder / "scratch"
    scratch.mkdir()
    return {
        **_of_words(),
        **_of_tables(scratch, tables, loaded, camera),
        **_of_records(scratch, loaded),
        **_of_bundles(scratch),
        **_of_cameras(),
    }


# -- how inputs are made ---------------------------------------------------------------------


def changed(*valid: bytes) -> Any:
    """Return a strategy of bytes: valid ones with pieces cut, doubled, swapped or put in."""
    from hypothesis import strategies as st

    odd = st.sampled_from(
        [b"", b"\x00", b"\xff\xfe", b"'", b'"', b",", b";", b"\n", b"-1", b"1e999", b"nan",
         b"9" * 400, b"[" * 3000, b"{" * 3000, b"../", b"%00", b"\xe2\x80\xae", b"<!--", b"&a;",
         b"{0}", b"null",
         b"true", b"0", b"\xf0\x9f\x98\x80", "ạ".encode(), b"=1+1", b" " * 300]
    ) | st.binary(max_size=12)  # fmt: skip
    edit = st.tuples(st.integers(0, 1 << 20), st.integers(0, 40), odd)

    def apply(made: tuple[bytes, Sequence[tuple[int, int, bytes]]]) -> bytes:
        data, edits = made
        for at, length, piece in edits:
            place = at % (len(data) + 1)
            data = data[:place] + piece + data[place + length :]
        return data

    return st.tuples(st.sampled_from(valid), st.lists(edit, max_size=4)).map(apply) | st.binary(
        max_size=200
    )


def _text(*valid: str) -> Any:
    from hypothesis import strategies as st

    given = [one.encode() for one in valid]
    spoilt = changed(*given).map(lambda data: data.decode("utf-8", "replace"))
    return (
        spoilt | st.text(max_size=60) | st.sampled_from([*valid, "9" * 10_000, "\ud800", "*" * 60])
    )


def _json_values() -> Any:
    from hypothesis import strategies as st

    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    return st.recursive(
        plain, lambda one: st.lists(one, max_size=4) | st.dictionaries(st.text(max_size=6), one)
    )


def _json(valid: Any) -> Any:
    """Return a strategy of JSON bytes: a valid document with values exchanged, or bytes changed."""
    from hypothesis import strategies as st

    places = list(_places(valid))

    def put(made: tuple[tuple[Any, ...], Any]) -> bytes:
        where, value = made
        fresh = json.loads(json.dumps(valid))
        if not where:
            return json.dumps(value).encode()
        inner = fresh
        for key in where[:-1]:
            inner = inner[key]
        inner[where[-1]] = value
        return json.dumps(fresh).encode()

    exchanged = st.tuples(st.sampled_from(places), _json_values()).map(put)
    return exchanged | changed(json.dumps(valid).encode())


def _places(value: Any, here: tuple[Any, ...] = ()) -> Any:
    yield here
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(one, (*here, key))


def _in_file(path: Path, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        path.write_bytes(data)
        path.chmod(0o600)
        return read(path)

    return parse


# -- the parsers -----------------------------------------------------------------------------


def _of_words() -> dict[str, Parser]:
    instants = ("2026-11-20T07:15:00+07:00", "2026-11-20T00:15:00Z", "2026-02-30T25:61:61+99:99")
    return {
        "plate read": Parser(
            lambda text: plates.normalise(text[:64]), _text(*_READS, "99-B1 12345")
        ),
        "plate pattern": Parser(
            lambda text: plates.search(text[:64], _READS), _text(*_READS, "99B1*", "?9B1-12?.45")
        ),
        "plates compared": Parser(
            lambda text: plates.distance(text[:40], _READS[0]), _text(*_READS)
        ),
        "instant": Parser(parse_instant, _text(*instants)),
        "stream address": Parser(
            parse_address, _text("rtsp://10.0.0.7:554/main", "file:///x.mp4", "rtsp://[fd00::7]/a")
        ),
        "device address": Parser(target_of, _text("10.0.0.7:8080", "http://[fd00::7]/onvif")),
        "sign-in": Parser(SignIn.read, _text(SignIn("lan", 1, 1 << 60, "a1").text())),
        "name in a bundle": Parser(verifier.allowed, _text("stills/a.jpg", "../x", "C:x")),
    }


def _of_tables(scratch: Path, tables: Path, loaded: ward.Ward, camera: str) -> dict[str, Parser]:
    rows = _ROW.format(camera=camera).encode()
    reader = exchange.RowReader(loaded.cameras, loaded.sites, 1 << 60, {}, None, 1.0)

    def taken(path: Path) -> int:
        names, found = exchange.read(path)
        exchange.refuse_names(names, lambda _names: None)
        count = 0
        for _number, row in found:
            try:
                reader.read(row)
            except exchange.BadRow:
                continue
            count += 1
        return count

    table = pa.table({"id": ["a"], "camera_id": [camera], "time": ["2026-11-20T07:15:00+07:00"]})
    pq.write_table(table, scratch / "valid.parquet")
    frame = geopandas.GeoDataFrame(
        {"id": ["a"], "camera_id": [camera], "time": ["2026-11-20T07:15:00+07:00"]},
        geometry=geopandas.points_from_xy([105.9], [21.1]), crs=4326,
    )  # fmt: skip
    frame.to_file(scratch / "valid.gpkg", driver="GPKG", layer="sightings")
    cameras = "\n".join((tables / "cameras.csv").read_text("utf-8").splitlines()[:4]).encode()
    sites = (tables / "sites.geojson").read_bytes()
    spoilt = scratch / "spoilt"
    shutil.copytree(tables, spoilt)

    def ward_of(name: str) -> Callable[[Path], object]:
        def check(_path: Path) -> object:
            try:
                return [one.sentence() for one in ward.check(spoilt)]
            finally:
                shutil.copy(tables / name, spoilt / name)

        return check

    covered = (
        f"camera_id,start,stop\n{camera},2026-11-20T07:15:00+07:00,2026-11-20T08:00:00+07:00\n"
    )
    return {
        "sightings as CSV": Parser(_in_file(scratch / "a.csv", taken), changed(rows)),
        "sightings as Parquet": Parser(
            _in_file(scratch / "a.parquet", taken),
            changed((scratch / "valid.parquet").read_bytes()),
        ),
        "sightings as GeoPackage": Parser(
            _in_file(scratch / "a.gpkg", taken), changed((scratch / "valid.gpkg").read_bytes())
        ),
        "names of places": Parser(
            _in_file(scratch / "p.csv", exchange.read_places), changed(b"name,camera_id\nA,B\n")
        ),
        "spans looked at": Parser(
            _in_file(scratch / "c.csv", exchange.read_covered), changed(covered.encode())
        ),
        "table of cameras": Parser(
            _in_file(spoilt / "cameras.csv", ward_of("cameras.csv")), changed(cameras)
        ),
        "table of sites": Parser(
            _in_file(spoilt / "sites.geojson", ward_of("sites.geojson")), changed(sites)
        ),
        "cameras to take in": Parser(
            _in_file(scratch / "new.csv", lambda path: ward.plan_import(tables, path)),
            changed(cameras),
        ),
        "calibration points": Parser(
            lambda text: collisions.read_points(text, where="points"), _text(_POINTS)
        ),
        "track": Parser(lambda text: collisions.read_track(text, where="track"), _text(_TRACK)),
    }


def _of_records(scratch: Path, loaded: ward.Ward) -> dict[str, Parser]:
    home = scratch / "root"
    (home / "lookouts").mkdir(parents=True)
    (home / "models" / "own").mkdir(parents=True)
    pairs = tuple(
        PointPair(float(x), float(y), 6e5 + x / 10, 2.33e6 + y / 10)
        for x, y in ((100, 200), (900, 210), (120, 700), (950, 690), (500, 400), (700, 600))
    )
    known = {"points": [asdict(one) for one in pairs], "size_px": [1280, 720]}
    person = {"lan": {"roles": ["investigator"], "password": "x", "cameras": [], "cases": [],
                      "until_ns": 0, "locked": False, "serial": 1}}  # fmt: skip
    steps = [{"kind": "omit", "pts": 7, "actor": "", "at_ns": 0, "reason": ""}]
    policy = b"[default]\ndays = 30\n[disk]\nspare_percent = 5.0\nwhen_full = 'stop'\n"
    secret = b'[default]\nuser = "ward"\npassword = "x"\n'
    notify = (
        b'[email]\nserver = "mail.ward"\nto = ["a@ward"]\n[webhook]\nurl = "http://127.0.0.1/x"\n'
    )
    shipped = json.loads((HOUSE / "models" / "manifest.json").read_text("utf-8"))["weights"][0]
    card = {"weights": [{**shipped, "name": "own", "package": ""}]}
    return {
        "calibration record": Parser(
            lambda data: KeptCalibration.from_json(data.decode("utf-8", "replace")), _json(known)
        ),
        "steps of a track": Parser(
            lambda data: from_json(data.decode("utf-8", "replace")), _json(steps)
        ),
        "list of people": Parser(
            _in_file(home / "people.json", lambda _path: People(home).all()), _json(person)
        ),
        "ended sign-ins": Parser(
            _in_file(home / "signed-out.json", lambda _path: People(home).ended()), _json({"a": 1})
        ),
        "switch of lookouts": Parser(
            _in_file(home / "lookouts" / "switch.json", lambda _path: Lookouts(home).switch()),
            _json({"on": True, "actor": "a", "at_ns": 1, "reason": "r"}),
        ),
        "retention.toml": Parser(
            _in_file(scratch / "retention.toml", lambda path: read_policy(path, loaded.sites)),
            changed(policy),
        ),
        "credentials.toml": Parser(
            _in_file(scratch / "credentials.toml", read_credentials), changed(secret)
        ),
        "notify.toml": Parser(_in_file(scratch / "notify.toml", read_settings), changed(notify)),
        "manifest of a model": Parser(
            _in_file(
                home / "models" / "own" / "manifest.json",
                lambda _path: registry.read_own(home / "models", "own"),
            ),
            _json(card),
        ),
    }


def _of_bundles(scratch: Path) -> dict[str, Parser]:
    pem = new_key()
    data = b'{"case": "1"}'
    manifest = {
        "format": verifier.FORMAT, "case": "1", "key": public_key(pem), "log": {"seq": 0,
        "sha256": verifier.GENESIS}, "files": [{"path": "case.json", "bytes": len(data),
        "sha256": "0" * 64}, {"path": "log.json", "bytes": 2, "sha256": "0" * 64}],
    }  # fmt: skip
    unpacked = scratch / "bundle"
    unpacked.mkdir()
    (unpacked / "case.json").write_bytes(data)
    (unpacked / "log.json").write_bytes(b"[]")
    text = verifier.canonical(manifest)
    (unpacked / verifier.MANIFEST).write_bytes(text)
    (unpacked / verifier.SIGNATURE).write_text(sign(text, pem))
    packed = scratch / "valid.zip"
    with zipfile.ZipFile(packed, "w") as box:
        for path in sorted(unpacked.iterdir()):
            box.writestr(path.name, path.read_bytes())

    def verified(path: Path) -> object:
        try:
            found, _ = verifier.check(str(path))
        except verifier.NoBundleError:
            return []
        return [one.sentence("vi") + one.sentence("en") for one in found]

    log = [{"seq": 1, "prev_sha256": verifier.GENESIS, "sha256": "0" * 64, "action": "view"}]
    return {
        "bundle": Parser(_in_file(scratch / "b.zip", verified), changed(packed.read_bytes())),
        "manifest of a bundle": Parser(
            _in_file(unpacked / verifier.MANIFEST, lambda _path: verified(unpacked)),
            _json(manifest),
        ),
        "log of a bundle": Parser(
            _in_file(unpacked / "log.json", lambda _path: verified(unpacked)), _json(log)
        ),
        "signature of a bundle": Parser(
            lambda given: verifier.signed(text, given[:64], given[64:].hex()),
            changed(bytes(64) + bytes.fromhex(public_key(pem))),
        ),
    }


def _of_cameras() -> dict[str, Parser]:
    device = _Device()
    return {
        "answer of a camera's discovery": Parser(
            lambda data: read_answer(data, "10.0.0.7", {"uuid:1"}), changed(_ANSWER.encode())
        ),
        "answer of a camera (ONVIF)": Parser(device.asked, changed(_CLOCK.encode())),
    }


class _Device:
    """Something on loopback that answers every question of ONVIF with the bytes it is given."""

    def __init__(self) -> None:
        class Answering(BaseHTTPRequestHandler):
            data = b""

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Type", "application/soap+xml")
                self.send_header("Content-Length", str(len(self.data)))
                self.end_headers()
                self.wfile.write(self.data)

            def log_message(self, *_words: object) -> None:
                pass

        self._answers = Answering
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def asked(self, data: bytes) -> object:
        self._answers.data = data
        port = self._server.server_port
        found = ask(Target(f"http://127.0.0.1:{port}/onvif/device_service"), within_s=3.0)
        if isinstance(found.trouble, WorkbenchError):
            raise found.trouble
        return found
