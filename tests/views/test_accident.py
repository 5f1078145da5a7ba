"""The page of accident review and its verbs: bounds, exact pictures of any codec, bookmarks."""

import base64
import hashlib
import json
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from urllib.error import HTTPError
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from make.clips import make_clip, read_number
from make.small_root import CASE, PASSWORDS

from workbench.cases import check_chain
from workbench.cases.oversight import oversee
from workbench.errors import BadInput, Refused
from workbench.investigation import ALWAYS, add_person, open_workbench
from workbench.investigation.reviewing import (
    LONGEST_S,
    MOST_TILES,
    bookmark,
    bookmarks,
    cameras_around,
    remove_bookmark,
    snapshot,
    together,
)
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.accident import _AccidentPage, accident_page
from workbench.views.media_server import Settings
from workbench.views.page import visit
from workbench.views.player import Player, _ReviewPage
from workbench.views.serve import media_process

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PURPOSE = Purpose(CASE.case_id, CASE.reason)
SPAN = Span(START_NS, START_NS + 20 * SECOND_NS)
FRAMES = 130
CODECS = {
    "hevc": ("libx265", "mp4"),
    "mjpeg": ("mjpeg", "avi"),
    "msmpeg4v2": ("msmpeg4v2", "avi"),
    "msmpeg4": ("msmpeg4", "avi"),
    "h264": ("libx264", "mp4"),
}


@pytest.fixture(scope="module")
def codecs(tmp_path_factory, ward_folder):
    """A camera for each codec, thirteen seconds of numbered frames each."""
    folder = tmp_path_factory.mktemp("codecs")
    wb = open_workbench(folder / "root", actor="kiem-thu", create_from=ward_folder)
    wb.open_case(CASE)
    for (name, (codec, ending)), camera_id in zip(CODECS.items(), wb.ward.cameras, strict=False):
        clip = folder / f"{name}.{ending}"
        options = {"strict": "unofficial"} if codec == "mjpeg" else None
        leading = {"bframes": 2, "open_gop": True} if name == "h264" else {}
        make_clip(clip, FRAMES, rate=10, gop=30, codec=codec, options=options, **leading)
        (segment,) = wb.ingest(clip, camera_id, START_NS).segments
        assert segment.codec == name
    return wb


@pytest.fixture(scope="module")
def media(codecs):
    with media_process(Settings(str(codecs.root), "127.0.0.1", 0, 5006)) as port:
        yield f"http://127.0.0.1:{port}"


def picture_of(body):
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def still(media, shown, segment, pts):
    with urlopen(f"{media}/still/{segment.sha256}/{pts}.jpg?grant={shown.token}") as answer:
        assert answer.headers["X-Pts"] == str(pts)
        return answer.read()


def pictures_of(body):
    found = []
    while body:
        pts, size = struct.unpack(">qI", body[:12])
        found.append((pts, picture_of(body[12 : 12 + size])))
        body = body[12 + size :]
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_what_no_browser_plays_comes_as_the_exact_frames_of_the_original(codecs, media, codec):
    camera_id = list(codecs.ward.cameras)[list(CODECS).index(codec)]
    shown = together(codecs, [camera_id], SPAN, PURPOSE)
    (strip,) = shown.strips
    assert len(strip.pts) == FRAMES
    for at_ns in (START_NS + 31 * 10**8 + 5, START_NS + 12 * SECOND_NS):
        frame = strip.at(at_ns)
        segment = strip.stretch(frame).segment
        pts = int(strip.pts[frame])
        assert frame == (at_ns - START_NS) // 10**8
        assert read_number(picture_of(still(media, shown, segment, pts))) == frame
        # as they are played, too
        run = f"{media}/run/{segment.sha256}/{pts}.bin?count=3&grant={shown.token}"
        with urlopen(run) as answer:
            got = [(pts, read_number(rgb)) for pts, rgb in pictures_of(answer.read())]
        assert got == [(int(strip.pts[frame + n]), frame + n) for n in range(3)]
    original = codecs.file(segment).read_bytes()
    assert hashlib.sha256(original).hexdigest() == segment.sha256


@pytest.mark.parametrize("codec", CODECS)
def test_a_hundred_frames_back_are_the_same_pixels(codecs, media, codec):
    camera_id = list(codecs.ward.cameras)[list(CODECS).index(codec)]
    shown = together(codecs, [camera_id], SPAN, PURPOSE)
    (strip,) = shown.strips
    (stretch,) = strip.stretches
    at_ns = int(strip.utc_ns[7])
    # forwards by one decoder that goes on, backwards by one that begins at a key frame each time
    seen = {}
    for direction in (1, -1):
        for _ in range(100):
            frame = strip.at(at_ns)
            body = still(media, shown, stretch.segment, int(strip.pts[frame]))
            assert seen.setdefault(frame, body) == body
            at_ns = strip.step(at_ns, direction)
    assert strip.at(at_ns) == 7
    assert len(seen) == 101
    assert [read_number(picture_of(seen[frame])) for frame in sorted(seen)] == list(range(7, 108))


def test_a_run_of_each_nth_frame_decodes_on_where_it_stopped(codecs, media):
    camera_id = next(iter(codecs.ward.cameras))
    shown = together(codecs, [camera_id], SPAN, PURPOSE)
    (strip,) = shown.strips
    (stretch,) = strip.stretches
    path, got = f"{media}/run/{stretch.segment.sha256}", []
    for first in (0, 40, 80):
        asked = f"count=10&every=4&width=120&grant={shown.token}"
        with urlopen(f"{path}/{strip.pts[first]}.bin?{asked}") as answer:
            got += pictures_of(answer.read())
    assert [pts for pts, _rgb in got] == strip.pts[:120:4].tolist()
    assert [read_number(rgb) for _pts, rgb in got] == list(range(0, 120, 4))
    assert {rgb.shape for _pts, rgb in got} == {(72, 120, 3)}
    for wrong in ("every=x", "width=-1", "count=12345"):
        with pytest.raises(HTTPError, match="400"):
            urlopen(f"{path}/{strip.pts[0]}.bin?{wrong}&grant={shown.token}")


def test_cameras_are_looked_at_together_inside_the_case_only(codecs):
    cameras = list(codecs.ward.cameras)
    with pytest.raises(BadInput, match="one to 9"):
        together(codecs, cameras[: MOST_TILES + 1], SPAN, PURPOSE)
    with pytest.raises(BadInput, match="0 cameras"):
        together(codecs, [], SPAN, PURPOSE)
    long = Span(START_NS, START_NS + (LONGEST_S + 1) * SECOND_NS)
    with pytest.raises(BadInput, match="up to 600 s"):
        together(codecs, cameras[:1], long, PURPOSE)
    outside = Span(CASE.period.stop_ns - SECOND_NS, CASE.period.stop_ns + SECOND_NS)
    for purpose, span in ((Purpose("", ""), SPAN), (PURPOSE, outside)):
        with pytest.raises(Refused):
            together(codecs, cameras[:1], span, purpose)
        assert codecs.audit()[-1].action == "view.refused"
    together(codecs, cameras[:2], SPAN, PURPOSE)
    entry = codecs.audit()[-1]
    assert (entry.action, entry.subject) == ("view", ",".join(cameras[:2]))


def test_the_frame_that_a_span_begins_with_may_be_fetched_and_none_before_it(codecs, media):
    camera_id = next(iter(codecs.ward.cameras))
    inside = Span(START_NS + SECOND_NS + 50_000_000, START_NS + 3 * SECOND_NS)
    shown = together(codecs, [camera_id], inside, PURPOSE)
    (strip,) = shown.strips
    segment = strip.stretches[0].segment
    assert strip.at(inside.start_ns) == 0
    assert read_number(picture_of(still(media, shown, segment, int(strip.pts[0])))) == 10
    with pytest.raises(HTTPError, match="403"):
        still(media, shown, segment, int(codecs.frame_index(segment).pts[9]))


def test_the_nearest_cameras_come_first_and_say_what_they_lack(codecs):
    cameras = list(codecs.ward.cameras)
    near = cameras_around(codecs, "S01-P2", cameras, SPAN)
    assert near[0].camera.camera_id == "S01-P2"
    sites = [one.camera.site_id for one in near]
    assert sites[: sites.count("S01")] == ["S01"] * sites.count("S01")
    others = [one.distance_m for one in near if one.camera.site_id != "S01"]
    assert others == sorted(others)
    lacking = {one.camera.camera_id: one.missing for one in near}
    assert lacking["S01-P2"][-1].stop_ns == SPAN.stop_ns
    assert lacking[cameras[-1]] == (SPAN,)


# -- a picture leaves the house ----------------------------------------------------------------


def texts_of(png):
    found, offset = {}, 8
    while offset < len(png):
        (size,) = struct.unpack(">I", png[offset : offset + 4])
        body = png[offset + 4 : offset + 8 + size]
        assert (
            zlib.crc32(body) == struct.unpack(">I", png[offset + 8 + size : offset + 12 + size])[0]
        )
        if body[:4] == b"iTXt":
            key, _, rest = body[4:].partition(b"\0")
            found[key.decode()] = rest[4:].decode()
        offset += 12 + size
    return found


def test_a_saved_frame_is_the_frame_and_says_which(codecs):
    camera_id = next(iter(codecs.ward.cameras))
    (segment,) = codecs.segments([camera_id])
    pts = int(codecs.frame_index(segment).pts[42])
    taken = snapshot(codecs, segment.sha256, pts, PURPOSE)
    picture = cv2.imdecode(np.frombuffer(taken.png, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert read_number(picture) == 42
    assert np.array_equal(picture, codecs.still(segment.sha256, pts, PURPOSE))
    texts = texts_of(taken.png)
    assert texts == dict(taken.facts)
    assert texts["Camera"] == camera_id
    assert texts["UTC"] == "2026-11-20T00:15:04.200Z"
    assert texts["UTC sigma (s)"] == "1.000"
    assert (texts["PTS"], texts["SHA-256 of the file"]) == (str(pts), segment.sha256)
    assert texts["Reason"] == CASE.reason
    entry = next(one for one in reversed(codecs.audit()) if one.action == "export")
    told = json.loads(entry.details)
    assert told["sha256"] == hashlib.sha256(taken.png).hexdigest()
    assert (told["segment"], told["pts"]) == (segment.sha256, pts)
    assert entry in oversee(codecs.audit(), ALWAYS).exports
    with pytest.raises(BadInput, match="nearest"):
        snapshot(codecs, segment.sha256, pts + 1, PURPOSE)
    with pytest.raises(Refused):
        snapshot(codecs, segment.sha256, pts, Purpose("", ""))
    assert codecs.audit()[-1].action == "export.refused"


def test_who_may_look_only_saves_and_marks_nothing(codecs):
    add_person(codecs, "binh", ["operator"], PASSWORDS["lan"])
    watching = codecs.as_actor("binh")
    camera_id = next(iter(codecs.ward.cameras))
    (segment,) = codecs.segments([camera_id])
    together(watching, [camera_id], SPAN, PURPOSE)
    with pytest.raises(Refused, match="roles"):
        snapshot(watching, segment.sha256, segment.first_pts, PURPOSE)
    with pytest.raises(Refused, match="roles"):
        bookmark(watching, START_NS, [camera_id], SPAN, "va chạm", PURPOSE)


# -- bookmarks ---------------------------------------------------------------------------------


def test_a_bookmark_stays_with_its_case_and_in_the_log(codecs):
    cameras = list(codecs.ward.cameras)[:2]
    other = replace(CASE, case_id="HL-02")
    codecs.open_case(other)
    late = bookmark(codecs, START_NS + 9, cameras, SPAN, "  xe máy \n ngã  ", PURPOSE)
    early = bookmark(codecs, START_NS + 2, cameras[:1], SPAN, "", PURPOSE)
    again = open_workbench(codecs.root, actor="lan")  # another process, another person
    assert bookmarks(again, PURPOSE) == [early, late]
    assert late.note == "xe máy ngã"
    assert bookmarks(again, Purpose(other.case_id, "khác")) == []
    with pytest.raises(BadInput, match="no bookmark"):
        remove_bookmark(again, late.number, Purpose(other.case_id, "khác"))
    remove_bookmark(again, late.number, PURPOSE)
    assert bookmarks(codecs, PURPOSE) == [early]
    said = [one.action for one in codecs._store.audit(CASE.case_id, "bookmark.")]
    assert [one for one in said if one != "bookmark.refused"] == [
        "bookmark.add",
        "bookmark.add",
        "bookmark.remove",
    ]
    assert check_chain(*codecs._store.audit_with_head()) == []
    for at_ns, note in ((START_NS, "x" * 201), (SPAN.stop_ns, "")):
        with pytest.raises(BadInput, match="cannot be marked"):
            bookmark(codecs, at_ns, cameras, SPAN, note, PURPOSE)


# -- the page ----------------------------------------------------------------------------------


def page_of(wb, **asked):
    named = {"case": CASE.case_id, "reason": CASE.reason, **asked}
    here = visit(wb, named, host_url="http://127.0.0.1:5006", media_port=5007)
    return _AccidentPage(here)


def test_a_link_names_a_frame_and_the_page_stands_on_it_with_its_neighbours(codecs):
    camera_id = list(codecs.ward.cameras)[1]
    (segment,) = codecs.segments([camera_id])
    pts = int(codecs.frame_index(segment).pts[50])
    page = page_of(codecs, segment=segment.sha256, pts=str(pts))
    view = page.tiles.view
    assert view["tiles"][0]["camera"] == camera_id
    assert len(view["tiles"]) == 4
    mine = view["tiles"][0]
    assert mine["pts"][mine["at"].index(view["at"])] == pts
    assert int(view["start"]) + view["at"] == codecs.utc(segment, pts)[0]
    # and Review leads here
    here = visit(
        codecs,
        {"case": CASE.case_id, "reason": CASE.reason, "segment": segment.sha256},
        host_url="http://127.0.0.1:5006",
        media_port=5007,
    )
    player: Player = _ReviewPage(here).player
    assert player.view["accident"].startswith("/tai-nan?")
    assert segment.sha256 in player.view["accident"]


@pytest.mark.parametrize(
    "asked",
    [
        {"cameras": "nobody,S01-P1", "at": "12"},
        {"cameras": "", "span": "7"},
        {"segment": "zz", "pts": "1.5"},
        {"camera": "<script>"},
        {"at": str(START_NS + 4 * SECOND_NS), "span": "30"},
    ],
)
def test_an_odd_address_still_opens_on_what_is_recorded(codecs, asked):
    view = page_of(codecs, **asked).tiles.view
    assert view["tiles"][0]["pts"]
    assert 0 <= view["at"] < view["length"]


@pytest.mark.parametrize(
    "asked",
    [
        {"cameras": "nobody,S01-P1"},
        {"camera": "<script>"},
        {"at": "12"},
        {"at": "yesterday"},
        {"from": "yesterday"},
        {"segment": "zz", "pts": "1.5"},
    ],
)
def test_an_address_that_cannot_be_followed_is_said_not_replaced_in_silence(codecs, asked):
    page = page_of(codecs, **asked)
    assert page.said.visible
    assert "địa chỉ" in page.said.object.lower()


def test_an_address_that_is_followed_says_nothing(codecs):
    camera_id = list(codecs.ward.cameras)[1]
    (segment,) = codecs.segments([camera_id])
    pts = str(int(codecs.frame_index(segment).pts[50]))
    at = str(START_NS + 5 * SECOND_NS)
    for asked in (
        {},
        {"camera": camera_id},
        {"cameras": camera_id, "at": at},
        {"cameras": camera_id, "at": at, "from": str(START_NS), "span": "10"},
        {"segment": segment.sha256, "pts": pts},
    ):
        assert not page_of(codecs, **asked).said.visible, asked


def test_the_address_of_a_review_opens_the_same_cameras_span_and_instant(codecs):
    cameras = list(codecs.ward.cameras)[1:3]
    first = page_of(codecs, cameras=",".join(cameras), at=str(START_NS + 5 * SECOND_NS), span="10")
    first.tiles._handle_msg({"here": {"at": 7 * SECOND_NS}})
    view = first.tiles.view
    again = page_of(codecs, cameras=",".join(cameras), span=str(view["asked_s"]),
                    at=str(int(view["start"]) + 7 * SECOND_NS),
                    **{"from": view["start"]}).tiles.view  # fmt: skip
    same = ("start", "length", "asked_s")
    assert [again[name] for name in same] == [view[name] for name in same]
    assert [one["camera"] for one in again["tiles"]] == cameras
    assert again["at"] == 7 * SECOND_NS
    # an instant that is not in the span named counts, and the span is made about it
    odd = page_of(codecs, cameras=cameras[0], span="10", at=str(START_NS + 30 * SECOND_NS),
                  **{"from": str(START_NS)}).tiles.view  # fmt: skip
    assert int(odd["start"]) + odd["at"] == START_NS + 30 * SECOND_NS


def test_under_each_tile_stands_where_its_times_come_from(tmp_path, ward_folder):
    made = open_workbench(tmp_path / "root", actor="lan", create_from=ward_folder)
    made.open_case(CASE)
    cameras = list(made.ward.cameras)[:3]
    clip, raw = tmp_path / "clip.mp4", tmp_path / "raw.h264"
    make_clip(clip, 30, rate=10, first_number=100)
    made.ingest(clip, cameras[0], START_NS)
    make_clip(clip.with_name("b.mp4"), 30, rate=10, first_number=200)
    made.ingest(clip.with_name("b.mp4"), cameras[1], START_NS, rate=Fraction(12))
    make_clip(raw, 30, rate=10, first_number=300)
    made.ingest(raw, cameras[2], START_NS)
    view = page_of(made, cameras=",".join(cameras), at=str(START_NS), span="10").tiles.view
    said = [tile["files"][0] for tile in view["tiles"]]
    assert [one["base"] for one in said] == [
        "giờ: theo tệp", "giờ: tốc độ khung do người nêu", "giờ: tốc độ khung phỏng đoán"
    ]  # fmt: skip
    assert all("khung" in one["base_title"] for one in said)


def test_what_a_browser_says_is_checked(codecs):
    page = page_of(codecs)
    tell = page.tiles._handle_msg
    before, entries = page.tiles.view, len(codecs.audit())
    other = next(one for one in codecs.segments() if one.camera_id == list(codecs.ward.cameras)[4])
    for message in (
        None, [], "here", {"snapshot": 1}, {"snapshot": {"segment": 3, "pts": 0}},
        {"snapshot": {"segment": other.sha256, "pts": 0}}, {"bookmark": {"at": "0", "note": ""}},
        {"bookmark": {"at": True, "note": ""}}, {"here": {"at": 1.5}}, {"_show": {"at": 1}},
    ):  # fmt: skip
        tell(message)
    assert page.tiles.view is before
    assert len(codecs.audit()) == entries
    tell({"open": {"start": "31/02/2026 07:15:00", "span_s": 60}})
    assert "20/11/2026" in page.said.object
    tell({"open": {"start": "20/11/2026 07:15:02", "span_s": 61}})
    assert "hồ sơ" in page.said.object
    tell({"open": {"start": "20/11/2027 07:15:02", "span_s": 60}})
    assert page.said.visible
    assert page.tiles.view is before
    tell({"open": {"start": "20/11/2026 07:15:02", "span_s": 10}})
    assert not page.said.visible
    assert page.tiles.view["length"] == 10 * SECOND_NS
    assert page.tiles.view["from"] == "20/11/2026 07:15:02.000"


def test_cameras_come_and_go_at_the_instant_that_is_shown(codecs):
    cameras = list(codecs.ward.cameras)
    page = page_of(codecs, cameras=cameras[0], at=str(START_NS + 2 * SECOND_NS))
    page.tiles._handle_msg({"here": {"at": 3 * SECOND_NS}})
    at_ns = int(page.tiles.view["start"]) + 3 * SECOND_NS
    for camera_id in cameras[1:9]:
        page._toggle(camera_id)
    assert [one["camera"] for one in page.tiles.view["tiles"]] == cameras[:9]
    assert int(page.tiles.view["start"]) + page.tiles.view["at"] == at_ns
    page._toggle(cameras[9])
    assert "9" in page.said.object
    assert len(page.tiles.view["tiles"]) == 9
    page._toggle(cameras[0])
    assert [one["camera"] for one in page.tiles.view["tiles"]] == cameras[1:9]
    assert sum("on" in row["class"] for row in page.cameras.rows) == 8


def test_a_saved_picture_and_a_bookmark_come_from_the_page(codecs):
    page = page_of(codecs, cameras="S01-P1", at=str(START_NS + 2 * SECOND_NS))
    (tile,) = page.tiles.view["tiles"]
    page.tiles._handle_msg(
        {"snapshot": {"segment": tile["files"][0]["segment"], "pts": tile["pts"][5]}}
    )
    png = base64.b64decode(page.tiles.saved["png"])
    assert read_number(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)) == 5
    assert page.tiles.saved["name"].startswith("S01-P1_20261120T0015")
    page.tiles._handle_msg({"bookmark": {"at": 4 * SECOND_NS, "note": "<b>va chạm"}})
    (row,) = [one for one in page.bookmarks.rows if one["cells"][1]["text"] == "<b>va chạm"]
    assert [4 * SECOND_NS, "<b>va chạm"] in page.tiles.marks
    # after a reload, from another span and other cameras
    again = page_of(codecs, cameras="S01-P2", at=str(START_NS + 12 * SECOND_NS), span="10")
    again.bookmarks.chosen = row["key"]
    again._recall(row["key"])
    assert [one["camera"] for one in again.tiles.view["tiles"]] == ["S01-P1"]
    assert (
        int(again.tiles.view["start"]) + again.tiles.view["at"]
        == int(page.tiles.view["start"]) + 4 * SECOND_NS
    )
    assert again.remove.visible
    again._remove()
    assert row["key"] not in {one["key"] for one in again.bookmarks.rows}
    assert not again.remove.visible


def test_without_a_case_nothing_is_listed(codecs):
    here = visit(codecs, {}, host_url="http://127.0.0.1:5006", media_port=5007)
    with pytest.raises(Refused):
        accident_page(here)
