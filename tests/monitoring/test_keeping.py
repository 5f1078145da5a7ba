"""Retention, protections and rebuilding on a real root: real clips, a disk that runs short."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
from collections import namedtuple

import pyarrow as pa
import pytest
from make.clips import make_clip
from make.rows import index, segment, sighting_row, sightings_table

from workbench.errors import BadInput, Refused, Unavailable
from workbench.investigation import open_workbench
from workbench.monitoring import facade, keeping, open_monitoring, rebuild
from workbench.monitoring.keeping import Caretaker
from workbench.records import Case
from workbench.store import LiveRows, files, journal, provisional_name
from workbench.timeline import SECOND_NS, Span, format_utc, parse_instant

S, DAY = SECOND_NS, 86_400 * SECOND_NS
NOW = parse_instant("2026-11-20T12:00:00+07:00")
MB = 1_000_000


@pytest.fixture
def root(tmp_path, ward_folder):
    folder = tmp_path / "root"
    open_workbench(folder, actor="t", create_from=ward_folder)
    return folder


@pytest.fixture
def house(root):
    return open_monitoring(root, actor="keeper", now=lambda: NOW)


def put(house, camera, days_ago, *, taken_days_ago=None, size=MB):
    """Archive a file of a minute that began so many days ago; its bytes do not matter."""
    store = house._store
    start_ns = NOW - round(days_ago * DAY)
    made = segment((camera, days_ago), camera, stamped_start_ns=start_ns, size_bytes=size)
    path = store.root / made.path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"film")
    at_s = (NOW - round((taken_days_ago or days_ago) * DAY)) / S
    os.utime(path, (at_s, at_s))
    store.add_segment(made, index())
    return made


def policy(house, text):
    (house._store.root / "retention.toml").write_text(text)


def left(house):
    return {one.sha256 for one in house._store.segments()}


def test_without_a_file_nothing_goes_and_it_is_said(house):
    put(house, "S01-P1", 900)
    with pytest.raises(BadInput, match="no retention is set"):
        house.keeping.retention(apply=True)
    assert "no retention is set" in house.keeping.note()
    assert len(left(house)) == 1


def test_shown_first_then_dropped_by_site_and_logged(house):
    old, young = put(house, "S01-P1", 20.4), put(house, "S01-P1", 10)
    other, older = put(house, "S02-P1", 20.4), put(house, "S02-P1", 40.4)
    policy(house, "[default]\ndays = 30\n[S01]\ndays = 15\n")
    shown = house.keeping.retention()
    assert [(one.site_id, one.day, one.files, one.why) for one in shown] == [
        ("S02", "2026-10-11", 1, "age"),
        ("S01", "2026-10-31", 1, "age"),
    ]
    assert len(left(house)) == 4
    assert house.keeping.retention(apply=True) == shown
    assert left(house) == {young.sha256, other.sha256}
    (entry,) = [one for one in house._store.audit() if one.action == "drop"]
    told = json.loads(entry.details)
    assert (entry.actor, told["files"], told["bytes"], told["why"]) == ("keeper", 2, 2 * MB, "age")
    assert set(told["cameras"]) == {"S01-P1", "S02-P1"}
    assert house.keeping.retention(apply=True) == []
    # verify finds nothing amiss, and the gap has its own word
    lines = open_workbench(house._store.root, actor="t").verify()
    assert not any(one.sha256 in line for line in lines for one in (old, older))
    around = Span(old.stamped.start_ns - 5 * S, old.stamped.stop_ns + 5 * S)
    gaps = house.gaps(around, ["S01-P1"])
    assert [(gap.cause, gap.span) for gap in gaps if gap.dropped] == [("dropped", old.stamped)]
    assert sorted({gap.cause for gap in gaps}, key=str) == [None, "dropped"]


def test_footage_brought_in_by_hand_counts_from_the_day_it_came(house):
    put(house, "S01-P1", 400, taken_days_ago=2)
    policy(house, "[default]\ndays = 30\n")
    assert house.keeping.retention(apply=True) == []


def test_protected_footage_and_that_of_open_cases_stays(house):
    kept, cased, plain = (put(house, camera, 50) for camera in ("S01-P1", "S02-P1", "S03-P1"))
    wb = open_workbench(house._store.root, actor="t")
    wb.open_case(Case("HS-1", "t", "b", "r", Span(NOW - 60 * DAY, NOW), ("S02-P1",)))
    made, gone = house.keeping.protect(["S01-P1"], kept.stamped, number="TN-3", reason="accident")
    assert gone == 0
    policy(house, "[default]\ndays = 30\n")
    assert sum(one.files for one in house.keeping.retention(apply=True)) == 1
    assert left(house) == {kept.sha256, cased.sha256}
    assert [one.number for one in house.keeping.protections()] == ["TN-3", "HS-1"]
    house.keeping.lift(made.protection_id, reason="settled")
    wb.close_case("HS-1", "done")
    house.keeping.retention(apply=True)
    assert left(house) == set()
    actions = [one.action for one in house._store.audit()]
    assert actions.count("protect") == actions.count("protect.lift") == 1
    # whoever comes too late is told
    assert house.keeping.protect([], plain.stamped, number="TN-4", reason="late")[1] == 3


def test_a_closed_case_holds_its_footage_for_the_days_of_its_category(house):
    cased, _, kept = (put(house, camera, 50) for camera in ("S02-P1", "S03-P1", "S01-P1"))
    wb = open_workbench(house._store.root, actor="t", now=lambda: NOW - 10 * DAY)
    for number, camera in (("HS-1", "S02-P1"), ("HS-2", "S01-P1")):
        wb.open_case(
            Case(number, "t", "b", "r", Span(NOW - 60 * DAY, NOW - 40 * DAY), (camera,),
                 category="traffic")
        )  # fmt: skip
        wb.close_case(number, "done")
    house.keeping.protect(["S01-P1"], kept.stamped, number="HS-2", reason="an appeal")
    policy(house, "[default]\ndays = 30\n[cases]\ntraffic = 20\n")
    assert [one.site_id for one in house.keeping.retention()] == ["S03"]
    house.keeping.retention(apply=True)
    assert left(house) == {cased.sha256, kept.sha256}
    assert {one.number for one in house.keeping.protections()} == {"HS-1", "HS-2"}
    # the recorder of that day drops it by itself, the lawful hold still wins
    house.now = lambda: NOW + 12 * DAY
    assert [one.site_id for one in house.keeping.retention()] == ["S02"]
    house.keeping.retention(apply=True)
    assert left(house) == {kept.sha256}
    assert "traffic 20" in house.keeping.note()
    # a slip in the file drops nothing: neither what was held nor what was not
    wb.open_case(Case("HS-3", "t", "b", "r", Span(0, 9), category="criminal"))
    for slip in ("traffic = -1", "traffic = true", 'traffic = "9"', "murder = 9", "traffic = 1e9"):
        policy(house, f"[default]\ndays = 1\n[cases]\n{slip}\n")
        with pytest.raises(BadInput, match=r"\[cases\]"):
            house.keeping.retention(apply=True)


@pytest.mark.parametrize("facts", [{"number": ""}, {"reason": " "}, {"cameras": ["S99-P9"]}])
def test_a_protection_names_its_ground(house, facts):
    asked = {"cameras": [], "number": "HS-1", "reason": "r"} | facts
    with pytest.raises(BadInput):
        house.keeping.protect(asked.pop("cameras"), Span(0, 1), **asked)


def disk_of(monkeypatch, house, total, spare_bytes):
    """Pretend a disk of `total` on which `spare_bytes` are free beside what the archive holds."""
    usage = namedtuple("usage", "total used free")
    whole = sum(one.size_bytes for one in house._store.segments())

    def fake(_path):
        held = sum(one.size_bytes for one in house._store.segments())
        free = spare_bytes + whole - held
        return usage(total, total - free, free)

    monkeypatch.setattr(shutil, "disk_usage", fake)


def test_a_short_disk_is_spoken_of_and_costs_nothing_unless_that_is_asked(house, monkeypatch):
    made = [put(house, "S01-P1", days) for days in (9.4, 8.4, 7.4, 0.2)]
    disk_of(monkeypatch, house, 100 * MB, 4 * MB)
    assert "nothing is dropped" in house.keeping.trouble()
    policy(house, "[default]\ndays = 30\n")
    told = house.keeping.trouble(kbit_s=8 * 1000)
    assert "4.0 % free, full in 0.0 h" in told
    assert "when_full = stop" in told
    assert house.keeping.retention(apply=True) == []
    policy(house, '[default]\ndays = 30\n[disk]\nspare_percent = 6\nwhen_full = "oldest"\n')
    house.keeping.protect(["S01-P1"], made[0].stamped, number="HS-1", reason="r")
    assert "the oldest days are being dropped" in house.keeping.trouble()
    (one, two) = house.keeping.retention(apply=True)
    assert (one.why, one.day, two.day) == ("disk", "2026-11-12", "2026-11-13")
    assert left(house) == {made[0].sha256, made[3].sha256}
    assert house.keeping.trouble() == ""
    (entry,) = [one for one in house._store.audit() if one.action == "drop"]
    assert json.loads(entry.details)["why"] == "disk"
    # today's footage does not go, however short the disk
    disk_of(monkeypatch, house, 100 * MB, 0)
    assert house.keeping.retention(apply=True) == []
    assert "short of room" in house.keeping.trouble()


def test_the_recorder_drops_by_itself_but_not_after_a_leap_of_the_clock(house):
    put(house, "S01-P1", 31.4)
    policy(house, "[default]\ndays = 30\n")
    with Caretaker(house.keeping, lambda: 0.0) as caretaker:
        until(lambda: not left(house))
        assert caretaker.trouble == ""
    for days in (1, 2, 3, 4):
        put(house, "S01-P1", days + 0.4)
    house.now = lambda: NOW + 1000 * DAY
    with Caretaker(house.keeping, lambda: 0.0) as caretaker:
        until(lambda: caretaker.trouble)
        assert "footage of 4 days is overdue" in caretaker.trouble
    assert len(left(house)) == 4


def test_a_camera_taken_out_of_the_ward_stops_nothing_and_the_default_days_count(
    house, monkeypatch
):
    gone, here = put(house, "S99-P9", 40.4), put(house, "S01-P1", 8.4)
    late, young = put(house, "S99-P9", 7.4), put(house, "S99-P9", 0.2)
    policy(house, '[default]\ndays = 30\n[disk]\nspare_percent = 6\nwhen_full = "oldest"\n')
    disk_of(monkeypatch, house, 100 * MB, 5 * MB)
    (one,) = house.keeping.retention(apply=True)
    assert (one.site_id, one.why) == ("", "age")
    assert left(house) == {here.sha256, late.sha256, young.sha256}
    disk_of(monkeypatch, house, 100 * MB, 5 * MB)
    house.keeping.protect(["S99-P9"], late.stamped, number="HS-1", reason="r")
    (one,) = house.keeping.retention(apply=True)
    assert (one.site_id, one.why) == ("S01", "disk")
    assert left(house) == {late.sha256, young.sha256}
    assert house.keeping.protect([], gone.stamped, number="HS-2", reason="late")[1] == 1


def test_a_full_disk_gets_room_though_too_many_days_are_overdue(house, monkeypatch):
    made = [put(house, "S01-P1", days + 0.4) for days in (45, 44, 43, 42, 41)]
    policy(house, '[default]\ndays = 30\n[disk]\nspare_percent = 6\nwhen_full = "oldest"\n')
    disk_of(monkeypatch, house, 100 * MB, 4 * MB)
    with pytest.raises(Refused, match="footage of 5 days is overdue"):
        house.keeping.retention(most_days=3)
    assert len(left(house)) == 5
    with pytest.raises(Refused, match="footage of 5 days is overdue"):
        house.keeping.retention(apply=True, most_days=3)
    assert left(house) == {one.sha256 for one in made[2:]}


def test_a_file_that_cannot_be_used_is_trouble_and_drops_nothing(house):
    put(house, "S01-P1", 90)
    policy(house, "[S99]\ndays = 1\n")
    with Caretaker(house.keeping, lambda: 0.0) as caretaker:
        until(lambda: caretaker.trouble)
        assert "no site S99" in caretaker.trouble
    assert len(left(house)) == 1


def test_a_torn_list_is_said_and_nothing_ends_the_caretaker(house, monkeypatch):
    put(house, "S01-P1", 31.4)
    policy(house, "[default]\ndays = 30\n")
    torn = house._store.root / "journal" / "dropping.json"
    torn.parent.mkdir(exist_ok=True)
    torn.write_text("")
    with Caretaker(house.keeping, lambda: 0.0) as caretaker:
        until(lambda: not left(house))
        assert caretaker._failed == ""
    assert "cannot be read: run workbench verify" in house.keeping.trouble()
    (aside,) = house._store.keeping.unreadable()
    aside.unlink()
    assert house.keeping.trouble() == ""

    def slip(**_asked):
        raise RuntimeError("a slip of ours")

    monkeypatch.setattr(house.keeping, "retention", slip)
    with Caretaker(house.keeping, lambda: 0.0) as caretaker:
        until(lambda: caretaker.trouble)
        assert caretaker.trouble == "RuntimeError: a slip of ours"
        assert caretaker._thread.is_alive()


def test_what_hindered_retention_is_said_until_it_is_tried_again(house, monkeypatch):
    for days in (41, 42, 43, 44):
        put(house, "S01-P1", days + 0.4)
    policy(house, "[default]\ndays = 30\n")
    monkeypatch.setattr(keeping, "LOOK_S", 0.01)
    looks = []
    plain = house.keeping.trouble
    monkeypatch.setattr(house.keeping, "trouble", lambda rate: looks.append(rate) or plain(rate))
    with Caretaker(house.keeping, lambda: 0.0) as caretaker:
        until(lambda: caretaker.trouble)
        seen = len(looks)
        until(lambda: len(looks) > seen + 5)
        assert "footage of 4 days is overdue" in caretaker.trouble


def test_a_drop_is_stopped_between_two_batches(house, monkeypatch):
    made = [put(house, "S01-P1", 31.4 + n / 1000) for n in range(5)]
    policy(house, "[default]\ndays = 30\n")
    monkeypatch.setattr(keeping, "BATCH", 2)
    house.keeping.retention(apply=True, stopped=lambda: len(left(house)) <= 3)
    assert left(house) == {one.sha256 for one in made[:3]}
    house.keeping.retention(apply=True)
    assert left(house) == set()


def older(house, monkeypatch, count=5):
    """Make the root as an earlier version left it: files without sidecars; a batch is of two."""
    made = [put(house, "S01-P1", days) for days in range(1, count + 1)]
    sidecars = [house._store.file(one).with_suffix(".json") for one in made]
    for path in sidecars:
        path.unlink()
    with house._store._catalogue.write() as db:
        db.execute("DELETE FROM journalled WHERE table_name = 'segments'")
    monkeypatch.setattr(journal, "BATCH", 2)
    return sidecars


def test_recording_does_not_wait_for_the_sidecars_of_an_older_archive(house, monkeypatch):
    sidecars = older(house, monkeypatch)
    monkeypatch.setattr(house, "addresses", lambda _cameras: {"S01-P1": {"main": None}})
    seen = []

    class Recording:
        def __init__(self, *_facts):
            pass

        def run(self, _stopped):
            seen.extend(path.exists() for path in sidecars)

        def told(self):
            return {}

    monkeypatch.setattr(facade, "Session", Recording)
    house.record()
    assert seen == [False] * 5
    with Caretaker(house.keeping, lambda: 0.0):
        until(lambda: house.keeping.settle(0) is None)
    assert all(path.exists() for path in sidecars)


def test_sidecars_are_written_in_batches_between_which_it_can_be_stopped(house, monkeypatch):
    sidecars = older(house, monkeypatch)
    caretaker, plain = Caretaker(house.keeping, lambda: 0.0), house.keeping.settle

    def stopped_after_one(after):
        caretaker._stopped.set()
        return plain(after)

    monkeypatch.setattr(house.keeping, "settle", stopped_after_one)
    with caretaker:
        caretaker._thread.join(20)
        assert not caretaker._thread.is_alive()
    assert sum(path.exists() for path in sidecars) == 2
    monkeypatch.setattr(house.keeping, "settle", plain)
    policy(house, "[S99]\ndays = 1\n")  # what hinders retention does not hinder this
    with Caretaker(house.keeping, lambda: 0.0):
        until(lambda: all(path.exists() for path in sidecars))


def until(condition):
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come to pass")


def test_random_protections_and_random_days_never_drop_what_is_protected(house):
    rng = random.Random(7)
    cameras = ["S01-P1", "S01-P2", "S02-P1", "S03-P1"]
    for _ in range(12):
        made = [put(house, rng.choice(cameras), rng.uniform(1, 60)) for _ in range(8)]
        spans = []
        for _ in range(rng.randrange(4)):
            start_ns = NOW - round(rng.uniform(1, 60) * DAY)
            span = Span(start_ns, start_ns + round(rng.uniform(0.1, 9) * DAY))
            chosen = rng.sample(cameras, rng.randrange(3))
            house.keeping.protect(chosen, span, number="HS", reason="r")
            spans.append((chosen, span))
        policy(house, f"[default]\ndays = {rng.randrange(1, 50)}\n[S01]\ndays = 3\n")
        house.keeping.retention(apply=True)
        for one in made:
            if any(
                (not chosen or one.camera_id in chosen) and span.overlap(one.stamped)
                for chosen, span in spans
            ):
                assert one.sha256 in left(house)
                assert house._store.file(one).exists()


def test_rebuild_is_refused_while_a_recorder_runs_and_logged(root, house, tmp_path):
    make_clip(tmp_path / "a.mp4", 20)
    open_workbench(root, actor="t").ingest(tmp_path / "a.mp4", "S01-P1", NOW)
    (root / "recording").mkdir()
    with files.held(root / "recording" / ".recorder"), pytest.raises(Refused, match="recorder"):
        rebuild(root, actor="t")
    for path in root.glob("catalogue.sqlite*"):
        path.unlink()
    made = rebuild(root, actor="t", now=lambda: NOW)
    assert (made.segments, made.findings) == (1, [])
    wb = open_workbench(root, actor="t")
    assert wb.audit()[-1].action == "rebuild"
    assert any("it was cut" in line or "cut and continued" in line for line in wb.verify())
    assert open_monitoring(root, actor="t").keeping.rebuilt_differs() == []
    with pytest.raises(BadInput, match="no such file"):
        rebuild(root, actor="t", backup=tmp_path / "none.sqlite")


def test_a_drop_broken_off_by_a_kill_is_finished_by_rebuild(root, house):
    one, two = put(house, "S01-P1", 9), put(house, "S01-P1", 8)
    store = house._store
    told = {"why": "age", "at_ns": NOW, "segments": [[one.sha256, one.camera_id, one.path, MB]]}
    files.write_bytes(root / "journal" / "dropping.json", json.dumps(told).encode())
    store.keeping._move([one], "age", NOW)
    store.journal.settle()
    for path in root.glob("catalogue.sqlite*"):
        path.unlink()
    made = rebuild(root, actor="t", hashed=False)
    assert made.segments == 1
    again = open_monitoring(root, actor="t")._store
    assert [segment.sha256 for segment in again.segments()] == [two.sha256]
    assert not store.file(one).exists()
    assert not (root / "journal" / "dropping.json").exists()


def check_health(house, days_ago):
    """Leave a file of checks that was written so many days ago."""
    at_ns = NOW - round(days_ago * DAY)
    table = pa.table({"camera_id": ["S01-P1"], "at_ns": [at_ns - S]})
    house._store.upkeep.append_health(table, at_ns)
    return house._store.root / "health" / f"day={format_utc(at_ns)[:10]}" / f"{at_ns}.parquet"


def test_checks_of_health_go_when_their_days_are_over_and_the_statement_tells(house):
    made = {days: check_health(house, days) for days in (500, 450, 402, 399, 1)}
    (made[450].parent / "500.unreadable").write_bytes(b"torn")
    assert "500.unreadable: remove them" in house.keeping.trouble()
    at = NOW - 450 * DAY
    held, _gone = house.keeping.protect(
        ["S01-P1"], Span(at - DAY // 2, at - DAY // 3), number="1", reason="accident"
    )
    policy(house, "[default]\ndays = 30\n")
    shown = house.keeping.retention()
    assert [(one.site_id, one.day, one.files, one.why) for one in shown] == [
        ("", "1970-01-01", 1, "health"),
        ("", "2025-07-08", 1, "health"),
        ("", "2025-10-14", 1, "health"),
    ]
    assert all(path.exists() for path in made.values())
    # so much at once waits for a person
    with pytest.raises(Refused, match="health of 3 days are overdue"):
        house.keeping.retention(apply=True, most_days=2)
    size = sum(made[days].stat().st_size for days in (500, 402)) + 4
    assert house.keeping.retention(apply=True) == shown
    assert [days for days, path in made.items() if path.exists()] == [450, 399, 1]
    assert house.keeping.trouble() == ""
    (told,) = (json.loads(one.details) for one in house._store.audit() if one.action == "drop")
    assert told == {
        "why": "age", "files": 0, "bytes": 0,
        "health": {"first": "1970-01-01", "last": "2025-10-14", "files": 3, "bytes": size},
    }  # fmt: skip
    # a protection that is lifted keeps nothing more, and the days are the operator's
    house.keeping.lift(held.protection_id, reason="settled")
    policy(house, "[default]\ndays = 30\n[health]\ndays = 1000\n")
    assert house.keeping.retention(apply=True) == []
    assert "checks of health 1000 days" in house.keeping.note()
    policy(house, "[health]\ndays = 7\n")
    house.keeping.retention(apply=True)
    assert [days for days, path in made.items() if path.exists()] == [1]


def test_drops_of_long_ago_are_put_together_and_every_answer_stays(house):
    made = [put(house, "S01-P1", 40 + n / 1440) for n in range(4)]  # a minute each, on end
    put(house, "S01-P1", 10)
    policy(house, "[default]\ndays = 30\n")
    house.keeping.retention(apply=True)
    around = Span(made[3].stamped_start_ns - 10 * S, made[0].stamped.stop_ns + 10 * S)
    before = house.gaps(around, ["S01-P1"])
    house.now = lambda: NOW + 93 * DAY
    policy(house, "[default]\ndays = 300\n")
    assert house.keeping.retention() == []
    assert house.keeping.retention(apply=True) == []
    with house._store._catalogue.read() as db:
        assert db.execute("SELECT COUNT(*) FROM dropped").fetchone() == (1,)
    assert house.gaps(around, ["S01-P1"]) == before
    assert [gap.cause for gap in before].count("dropped") == 1
    (told,) = [one for one in house._store.audit() if one.action == "drop.compact"]
    assert json.loads(told.details)["rows"] == 3
    # whoever protects too late is told as before
    late = house.keeping.protect(["S01-P1"], around, number="1", reason="late")
    assert late[1] == 4
    lines = open_workbench(house._store.root, actor="t").verify()
    assert not any("log" in line or "dropped" in line for line in lines)
    assert house.keeping.retention(apply=True) == []
    assert [one.action for one in house._store.audit()].count("drop.compact") == 1


def test_one_bad_disk_holds_up_no_other_camera_and_is_said(house, bad_stat):
    bad, well, stuck = (put(house, camera, 40) for camera in ("S01-P1", "S01-P2", "S02-P1"))
    store = house._store
    path = store.file(stuck)
    path.unlink()
    path.mkdir()  # nothing removes a folder as if it were a file
    os.utime(path, (0, 0))
    bad_stat(store.file(bad).parent)
    policy(house, "[default]\ndays = 30\n")
    assert [one.files for one in house.keeping.retention()] == [1, 1]
    with pytest.raises(Unavailable, match="nothing with 2 files"):
        house.keeping.retention(apply=True)
    # what nobody can look at stays: it may have been brought in by hand yesterday
    assert left(house) == {bad.sha256}
    assert not store.file(well).exists()
    with Caretaker(house.keeping, lambda: 0.0) as caretaker:
        until(lambda: caretaker.trouble)
        assert "retention can do nothing with 2 files" in caretaker.trouble
    path.rmdir()
    with pytest.raises(Unavailable, match="nothing with 1 files") as told:
        house.keeping.retention(apply=True)
    assert told.value.where == str(store.file(bad))


def leave_rows(house, camera_id, days_ago):
    """Leave a row of a recording that never came into the archive."""
    start_ns = NOW - round(days_ago * DAY)
    name = provisional_name(camera_id, str(start_ns))
    row = sighting_row(segment_sha256=name, camera_id=camera_id, utc_ns=start_ns + S)
    table = sightings_table([row])
    house._store.live.put(LiveRows(camera_id, str(start_ns), table, (start_ns,), (), "m@1"))


def test_provisional_rows_go_with_their_days_and_the_statement_names_them(house):
    for camera_id in ("S01-P1", "S01-P2", "S02-P1"):
        leave_rows(house, camera_id, 20.4)
    leave_rows(house, "S01-P1", 10)
    policy(house, "[default]\ndays = 30\n[S01]\ndays = 15\n")
    at = NOW - round(20.4 * DAY)
    house.keeping.protect(["S01-P2"], Span(at, at + S), number="1", reason="accident")
    house.keeping.retention(apply=True)
    rest = {(one.camera_id, one.recording) for one in house._store.live.all()}
    assert rest == {
        ("S01-P1", str(NOW - 10 * DAY)), ("S01-P2", str(at)), ("S02-P1", str(at)),
    }  # fmt: skip
    (told,) = (json.loads(one.details) for one in house._store.audit() if one.action == "drop")
    assert told["provisional"] == [["S01-P1", str(at), 1]]


def test_rows_go_at_once_with_footage_that_a_full_disk_drops(house, monkeypatch):
    gone, kept = put(house, "S01-P1", 20), put(house, "S01-P1", 10)
    leave_rows(house, "S01-P1", 20)
    leave_rows(house, "S01-P1", 10)
    names = {one.stamped_start_ns: one for one in (gone, kept)}

    def remark_of(path):
        (one,) = (one for one in names.values() if house._store.file(one) == path)
        return f"{one.camera_id} {one.stamped_start_ns}"

    monkeypatch.setattr(keeping.media, "remark_of", remark_of)
    policy(house, "[default]\ndays = 90\n[disk]\nwhen_full = 'oldest'\n")
    monkeypatch.setattr(
        keeping.Keeping,
        "_needed",
        lambda _keeping, _policy: MB if left(house) > {kept.sha256} else 0,
    )
    house.keeping.retention(apply=True)
    assert left(house) == {kept.sha256}
    (rest,) = house._store.live.all()
    assert rest.recording == str(kept.stamped_start_ns)
    told = [json.loads(one.details) for one in house._store.audit() if one.action == "drop"]
    assert [(one["files"], one["provisional"], one["why"]) for one in told] == [
        (1, [["S01-P1", str(gone.stamped_start_ns), 1]], "disk")
    ]
