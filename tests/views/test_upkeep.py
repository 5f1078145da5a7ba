"""Beside the wall: sites by state, branches that failed, incidents, an enlarged camera's care."""

import base64
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from workbench.monitoring import open_monitoring
from workbench.records import Affected, Case, IncidentRecord, Response, Task, Wording
from workbench.streams import HealthCheck, make_reference
from workbench.timeline import SECOND_NS, Span
from workbench.views.page import visit
from workbench.views.recorder_status import Health
from workbench.views.text import translator
from workbench.views.upkeep import BINS, FAULTY, LOST, NOT_CHECKED, WELL, Incidents, care
from workbench.views.wall import live_page
from workbench.views.ward_state import broken_branches, incident_rows, joined, site_states

T0 = 1_800_000_000 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
VI = translator("vi")


@pytest.fixture
def ward(small_root):
    return small_root.ward


def told(ward, **by_camera):
    return lambda camera: by_camera.get(camera.replace("-", "_"))


def test_a_site_has_the_state_of_its_worst_camera_and_says_why(ward):
    states = site_states(
        ward,
        told(
            ward,
            S01_P1=Health("recording", T0),
            S01_P2=Health("lost", T0, "stalled", why="nhánh cáp (97 %)"),
            S02_P1=Health("recording", T0, faults=("frozen",)),
            S03_P1=Health("recording", T0),
            S04_P1=Health("opening", T0),
        ),
        VI,
        {"frozen": "HÌNH BỊ ĐỨNG"},
    )
    assert {site: one["state"] for site, one in states.items()} == {
        "S01": "lost", "S02": "faulty", "S03": "recording", "S04": "none"
    }  # fmt: skip
    assert states["S01"]["lines"][0] == "✕ 1/2 mất tín hiệu"
    assert "nhánh cáp (97 %)" in states["S01"]["lines"]
    assert "S02-P1: HÌNH BỊ ĐỨNG" in states["S02"]["lines"]


def test_where_nobody_records_every_site_says_so(ward):
    known = {k: replace(c, stream_url="rtsp://127.0.0.1:9/x") for k, c in ward.cameras.items()}
    states = site_states(replace(ward, cameras=known), lambda _camera: None, VI, {})
    assert {one["state"] for one in states.values()} == {"none"}
    assert len(states) == len(ward.sites)


def incident(ward, **more):
    branch = next(iter(ward.sites.values())).fibre_branch
    cameras = [
        camera.camera_id
        for camera in ward.cameras.values()
        if ward.sites[camera.site_id].fibre_branch == branch
    ]
    facts = {
        "incident_id": "A@1", "kind": "lost", "opened_ns": T0,
        "affected": tuple(Affected(camera, T0, "stalled") for camera in cameras),
        "cause": Wording("the fibre branch"), "cause_kind": "fibre branch", "scope": branch,
        "probability": 0.97,
        "responses": (Response(T0 + SECOND_NS, cameras[0], Wording("the fibre branch")),),
        "task": Task(T0, (Wording("look at each camera by itself"),)),
    }  # fmt: skip
    return IncidentRecord(**facts | more)


def test_a_branch_that_an_open_incident_points_to_is_drawn_between_all_its_sites(ward):
    one = incident(ward)
    on_it = [site for site in ward.sites.values() if site.fibre_branch == one.scope]
    (drawn,) = broken_branches(ward, [one], VI)
    assert drawn["kind"] == "fibre"
    assert len(drawn["lines"]) == len(on_it) - 1
    assert one.scope in drawn["text"][0]
    assert "97 %" in drawn["text"][0]
    assert broken_branches(ward, [replace(one, closed_ns=T0 + 1)], VI) == []
    assert broken_branches(ward, [replace(one, cause_kind="camera", scope="S01-P1")], VI) == []
    assert joined([]) == joined([(1.0, 2.0)]) == []


def test_an_incident_says_how_old_it_is_why_and_what_to_look_at(ward):
    (row,) = incident_rows([incident(ward)], T0 + 95 * SECOND_NS, VI, {})
    assert (row["what"], row["age_s"], row["task"], row["seen"]) == ("Mất tín hiệu", 95, True, "")
    assert "97 %" in row["cause"]
    assert row["done"]
    assert row["checks"]
    frozen = incident(ward, kind="frozen", cause=None, cause_kind="", acknowledged_by="Lan",
                      acknowledged_ns=T0, task=None)  # fmt: skip
    (row,) = incident_rows([frozen], T0, VI, {"frozen": "HÌNH BỊ ĐỨNG"})
    assert (row["what"], row["cause"], row["checks"]) == ("HÌNH BỊ ĐỨNG", "", [])
    assert row["seen"].startswith("Lan ")


def test_only_listed_incidents_can_be_closed_by_a_message():
    done = []
    listed = Incidents(lambda *what: done.append(what), incidents=[{"id": "A"}])
    for said in (None, [], {"act": "close", "id": "B"}, {"act": "drop", "id": "A"}, {"id": "A"}):
        listed._handle_msg(said)
    assert done == []
    listed._handle_msg({"act": "close", "id": "A", "note": " đã thay cáp "})
    assert done == [("close", "A", "đã thay cáp")]


def check(at_ns, **more):
    return HealthCheck("S01-P1", at_ns, more.pop("connected", True), **more)


def test_care_shows_references_the_last_check_and_the_last_hours(small_root, tmp_path):
    house = open_monitoring(small_root.root, actor="kiem-thu", now=lambda: T0)
    nothing = care(house, "S01-P1", VI)
    assert nothing["check"] == {}
    assert set(nothing["strip"]["state"]) == {NOT_CHECKED}
    hour = 3600 * SECOND_NS
    house.keep_health(
        [
            check(T0 - 5 * hour, brightness=100.0),
            check(T0 - 3 * hour, connected=False, cause="stalled"),
            check(T0 - 2 * hour, faults=("covered",), brightness=20.0),
            check(T0 - SECOND_NS, faults=("moved",), shift_px=14.2, clock_offset_s=-2.5),
        ]
    )
    lumas = [np.full((90, 160), 60 + n, np.uint8) for n in range(3)]
    folder = small_root.root / "references"
    folder.mkdir(exist_ok=True)
    np.savez_compressed(folder / "S01-P1-day.npz", lumas=np.stack(lumas), at_ns=5, fps=12.0,
                        kbit_s=400.0)  # fmt: skip
    try:
        shown = care(house, "S01-P1", VI)
    finally:
        (folder / "S01-P1-day.npz").unlink()
    states = shown["strip"]["state"]
    assert [states[BINS // 6], states[BINS // 2], states[BINS * 2 // 3], states[-1]] == [
        WELL, LOST, FAULTY, FAULTY
    ]  # fmt: skip
    assert shown["strip"]["brightness"][BINS // 6] == 100.0
    assert "14" in shown["check"]["faults"][0]
    assert ["Đồng hồ camera", "-2.5 s"] in shown["check"]["numbers"]
    assert ["Độ sáng (0 đến 255)", "?"] in shown["check"]["numbers"]
    (reference,) = shown["references"]
    data = base64.b64decode(reference["src"].partition(",")[2])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    made = make_reference("day", lumas, 5)
    assert abs(float(picture.mean()) - float(made.luma.mean())) < 3
    assert math.isclose(picture.shape[1], made.luma.shape[1])


def live_wall(small_root, purpose):
    """Return the wall of a live page whose case covers the present, and its workbench."""
    wb = small_root.as_actor("kiem-thu")
    now_ns = wb.now()
    name = f"NOW-{now_ns}"
    wb.open_case(
        Case(name, "Trực tiếp", "Kế hoạch", "xem", Span(now_ns - HOUR_NS, now_ns + HOUR_NS),
             ("S01-P1",))
    )  # fmt: skip
    asked = {"case": name, "reason": purpose.reason}
    opened = visit(wb, asked, host_url="http://127.0.0.1:5006", media_port=5007)
    return live_page(opened).roots["wall"], wb, name


@pytest.mark.parametrize("said", [{"care": "S01-P1"}, {"reference": "S01-P1", "light": "day"}])
def test_nothing_of_a_camera_is_shown_or_set_once_its_case_is_closed(small_root, purpose, said):
    wall, wb, name = live_wall(small_root, purpose)
    wall._handle_msg({"care": "S01-P1"})
    assert "references" in wall.care
    wb.close_case(name, "xong")
    wall._handle_msg(said)
    assert wall.care["refused"]
    assert "references" not in wall.care
    if "reference" in said:
        refused = wb.audit()[-1]
        assert (refused.action, refused.case_id) == ("view.refused", name)
        assert refused.reason == purpose.reason


def test_nothing_of_now_is_shown_under_a_case_of_another_time(in_case):
    wall = live_page(in_case()).roots["wall"]
    wall._handle_msg({"care": "S01-P1"})
    assert set(wall.care) >= {"refused"}
    assert "references" not in wall.care


def test_a_reference_that_could_not_be_set_is_answered_each_time(small_root, purpose, monkeypatch):
    wall, _wb, _name = live_wall(small_root, purpose)
    told = []
    wall.param.watch(lambda event: told.append(event.new["trouble"]), "care")

    def broken(*_args, **_more):
        raise OSError("the disk is gone")

    monkeypatch.setattr(wall._house, "set_reference", broken)
    for _ in range(2):
        wall._handle_msg({"reference": "S01-P1", "light": "day"})
    assert len(told) == 2
    assert all(told)


def test_a_kept_reference_that_cannot_be_read_is_a_sentence(small_root, purpose):
    wall, _wb, _name = live_wall(small_root, purpose)
    folder = small_root.root / "references"
    folder.mkdir(exist_ok=True)
    (folder / "S01-P1-day.npz").write_bytes(b"no picture")
    try:
        wall._handle_msg({"care": "S01-P1"})
    finally:
        (folder / "S01-P1-day.npz").unlink()
    assert wall.care["refused"]
