"""Following for real: a recorder that writes, Dask workers that search, rows that move on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from make.growing import START_NS, record
from make.scenes import Mover, draw, film, give_red_cars, give_slow_cars

from workbench.errors import BadInput, Refused
from workbench.investigation import (
    Workbench,
    approve_lookout,
    ask_lookout,
    list_lookouts,
    open_workbench,
)
from workbench.investigation.following import Follower
from workbench.investigation.sealing import sealed, settle
from workbench.monitoring import open_monitoring
from workbench.recognition import Outcome, Piece, Settings
from workbench.records import Camera, Case, Purpose
from workbench.store import PROVISIONAL, Store
from workbench.timeline import SECOND_NS, Span

CAMERAS = ("S01-P1", "S01-P2")
FPS, LENGTH_S = 10, 60
PURPOSE = Purpose("VA-1", "tìm xe bỏ chạy")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    passing = [Mover(n, n + 22, (30, 120), (290, 120)) for n in range(20, FPS * LENGTH_S, 50)]
    path = tmp_path_factory.mktemp("street") / "clip.mp4"
    return film(path, [draw(n, passing) for n in range(FPS * LENGTH_S)], gop=FPS)


@pytest.fixture
def root(tmp_path: Path, ward_folder: Path, clip: Path) -> Path:
    folder = tmp_path / "root"
    open_workbench(folder, actor="t", create_from=ward_folder)
    table = folder / "ward" / "cameras.csv"
    rows = list(csv.DictReader(table.open()))
    for row in rows:
        row["stream_url"] = str(clip) if row["camera_id"] in CAMERAS else ""
    with table.open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def recording(root: Path) -> Iterator[Path]:
    ending = threading.Event()
    house = open_monitoring(root, actor="t")
    recorder = threading.Thread(target=house.record, kwargs={
        "segment_s": 8.0, "stopped": ending.is_set,
    })  # fmt: skip
    recorder.start()
    until(lambda: len(list((root / "recording").glob("*/*.growing.mp4"))) == len(CAMERAS))
    yield root
    ending.set()
    recorder.join()


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        threading.Event().wait(0.05)


def opened(root: Path, seconds: float = 3600.0) -> Workbench:
    wb = open_workbench(root, actor="điều tra viên")
    now = wb.now()
    period = Span(now - 60 * SECOND_NS, now + round(seconds * SECOND_NS))
    wb.open_case(Case("VA-1", "Xe bỏ chạy", "QĐ 12", "tìm xe", period, CAMERAS))
    return wb


def once(condition: Callable[[], object], seconds: float = 90.0) -> Callable[[], bool]:
    end = time.monotonic() + seconds

    def stopped() -> bool:
        assert time.monotonic() < end, "it did not come to pass"
        return bool(condition())

    return stopped


def test_rows_can_be_read_while_the_file_grows_and_move_into_the_lake(recording: Path) -> None:
    wb, store = opened(recording), Store.open(recording)
    provisional: set[str] = set()

    def enough() -> bool:
        found = wb.sightings(PURPOSE)
        assert found["sighting_id"].is_unique
        provisional.update(name for name in found["segment_sha256"] if name.startswith(PROVISIONAL))
        moved = ~found["segment_sha256"].str.startswith(PROVISIONAL)
        return bool(provisional) and set(found[moved]["camera_id"]) == set(CAMERAS)

    followed = wb.follow(PURPOSE, workers=2, models=give_red_cars, stopped=once(enough))
    assert followed.ended == "stopped"
    assert followed.failures == ()
    for camera in CAMERAS:
        assert followed.arrived_s[camera] == pytest.approx(
            followed.searched_s[camera] + followed.left_out_s[camera], abs=0.2
        )
    assert followed.latency_p50_s is not None
    lake = wb.sightings(PURPOSE)
    sealed = lake[~lake["segment_sha256"].str.startswith(PROVISIONAL)]
    for sha256 in sealed["segment_sha256"].unique():
        segment = wb.segment(sha256)
        spans = store.searched(segment=sha256)
        assert spans
        assert all(one.failure == "" for one in spans)
        assert set(sealed[sealed["segment_sha256"] == sha256]["pts"]) <= set(
            wb.frame_index(segment).pts.tolist()
        )
    assert (sealed["plate"].dropna() == "30F-123.45").all()
    acts = [(entry.action, entry.case_id) for entry in wb.audit() if "follow" in entry.action]
    assert acts == [("follow.start", "VA-1"), ("follow.stop", "VA-1")]
    told = wb.following()
    assert told["ended"] == "stopped"
    assert set(told["cameras"]) == set(CAMERAS)


def test_an_approved_lookout_finds_its_plate_on_its_camera_and_is_gone_with_its_case(
    recording: Path,
) -> None:
    wb, lead = opened(recording), open_workbench(recording, actor="lãnh đạo")
    until_ns = wb.now() + 600 * SECOND_NS
    asked = ask_lookout(wb, "30F-123.4?", ["S01-P1"], until_ns, PURPOSE)
    approve_lookout(lead, asked.lookout_id, PURPOSE)
    ask_lookout(wb, "30F-123.45", ["S01-P2"], until_ns, PURPOSE)  # nobody approves this one

    def enough() -> bool:
        both = wb.sightings(PURPOSE)["camera_id"].nunique() == len(CAMERAS)
        return both and any(one.hits for one in list_lookouts(wb, PURPOSE))

    small = Settings(plate_least_px=20)  # the clip is a small one
    followed = wb.follow(
        PURPOSE, workers=2, models=give_red_cars, settings=small, stopped=once(enough)
    )
    assert followed.failures == ()
    found, unapproved = list_lookouts(wb, PURPOSE)
    assert {hit.camera_id for hit in found.hits} == {"S01-P1"}
    assert {hit.read for hit in found.hits} == {"30F-123.45"}
    assert len({hit.hit_id for hit in found.hits}) == len(found.hits)
    assert unapproved.hits == ()
    wb.close_case("VA-1", "xong")
    wb.open_case(Case("VA-2", "Khác", "QĐ 13", "khác", Span(0, wb.now() + 10**12), CAMERAS))
    list_lookouts(wb, Purpose("VA-2", "xem"))
    assert list((recording / "lookouts").iterdir()) == []
    ends = [entry for entry in wb.audit() if entry.action == "lookout.end"]
    assert sorted(json.loads(entry.details)["hits"] for entry in ends) == [0, len(found.hits)]


def test_the_archive_searched_later_counts_instead_and_nothing_is_doubled(
    recording: Path,
) -> None:
    wb, store = opened(recording), Store.open(recording)
    whole = {}

    def enough() -> bool:
        whole.update({s.sha256: s for s in wb.segments() if store.searched(segment=s.sha256)})
        return len(whole) >= 3

    wb.follow(PURPOSE, workers=1, models=give_red_cars, stopped=once(enough))
    before = wb.sightings(PURPOSE)
    refs = set(before["model_ref"])
    for sha256, segment in whole.items():  # as an archive search of other settings marks it
        store.mark_searched(sha256, segment.first_pts, segment.stop_pts, "archive")
    after = wb.sightings(PURPOSE)
    assert refs
    assert not set(whole) & set(after["segment_sha256"])


def test_it_ends_when_the_case_is_closed(recording: Path) -> None:
    wb = opened(recording)
    asked = []

    def close_after_a_while(status: dict) -> None:
        searched = sum(one["searched_s"] for one in status["cameras"].values())
        if searched > 3 and not asked:
            asked.append(searched)
            wb.close_case("VA-1", "xong")

    followed = wb.follow(
        PURPOSE,
        workers=1,
        models=give_red_cars,
        stopped=once(lambda: False),
        on_status=close_after_a_while,
    )
    assert followed.ended == "case closed"
    with pytest.raises(Refused):
        wb.follow(PURPOSE, workers=1, models=give_red_cars)


def test_it_ends_with_the_period(recording: Path) -> None:
    wb = opened(recording, seconds=12)
    followed = wb.follow(PURPOSE, workers=1, models=give_red_cars, stopped=once(lambda: False))
    assert followed.ended == "period over"
    stop_ns = Store.open(recording).case("VA-1").period.stop_ns
    for rows in Store.open(recording).live.all():
        assert all(row["utc"].value <= stop_ns for row in rows.table.to_pylist())


def test_without_a_case_or_outside_it_nothing_is_followed(root: Path) -> None:
    wb = opened(root)
    for purpose, cameras in (
        (None, None), (Purpose("VA-1", " "), None), (PURPOSE, ["S02-P1"]),
    ):  # fmt: skip
        with pytest.raises(Refused):
            wb.follow(purpose, cameras, workers=1, models=give_red_cars)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        wb.follow(Purpose("none", "why"), workers=1, models=give_red_cars)
    actions = [entry.action for entry in wb.audit() if entry.action.startswith("follow")]
    assert actions == ["follow.refused"] * 4
    assert not (root / "live").exists()


def test_one_following_a_root(root: Path) -> None:
    wb = opened(root)
    with Store.open(root).live.alone() as ours:
        assert ours
        with pytest.raises(Refused):
            wb.follow(PURPOSE, workers=1, models=give_red_cars)


def test_without_time_for_all_the_lesser_camera_loses_footage_and_it_is_said(
    recording: Path,
) -> None:
    wb = opened(recording)
    great, small = CAMERAS[1], CAMERAS[0]

    def lost() -> bool:
        told = wb.following()
        if not told:
            return False
        less, more = told["cameras"][small], told["cameras"][great]
        # two that take turns are never more than a fragment of a second apart: two seconds are a
        # preference. What still waits when it is stopped is searched whosever it is, so that the
        # sums at the end tell nothing of it.
        return less["left_out_s"] > 6 and less["searched_s"] + 2 < more["searched_s"]

    followed = wb.follow(
        PURPOSE, priority=[great], workers=1, models=give_slow_cars, stopped=once(lost)
    )
    for camera in CAMERAS:
        both = followed.searched_s[camera] + followed.left_out_s[camera]
        assert followed.arrived_s[camera] == pytest.approx(both, abs=0.2)
    assert wb.following()["cameras"][small]["left_out"]
    until(lambda: wb.segments([small]))
    segment = wb.segments([small])[0]
    assert wb.not_searched([small], wb.utc_span(segment))[small]


KILLED = """
import sys
from make.scenes import give_red_cars
from workbench.investigation import open_workbench
from workbench.records import Purpose
if __name__ == "__main__":
    wb = open_workbench(sys.argv[1], actor="killed")
    wb.follow(Purpose("VA-1", "why"), workers=1, models=give_red_cars)
"""


def test_killed_in_between_nothing_is_doubled_and_only_what_was_searched_counts(
    recording: Path, tmp_path: Path
) -> None:
    wb, store = opened(recording), Store.open(recording)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    folders = f"{Path(__file__).parents[1]}:{Path(__file__).parents[2]}"
    following = subprocess.Popen(
        [sys.executable, str(script), str(recording)],
        env=os.environ | {"PYTHONPATH": folders}, start_new_session=True,
    )  # fmt: skip
    try:
        until(lambda: any(rows.table.num_rows for rows in store.live.all()), 90)
        left = store.live.all()
    finally:
        os.killpg(following.pid, signal.SIGKILL)
        following.wait()
    names = {(rows.camera_id, rows.recording) for rows in left}
    until(lambda: all(sealed(store, rows) for rows in left))
    settle(store, wb.ward.cameras, log=wb._log)
    assert not names & {(rows.camera_id, rows.recording) for rows in store.live.all()}
    found = wb.sightings(PURPOSE)
    assert len(found)
    assert found["sighting_id"].is_unique
    for sha256 in found["segment_sha256"].unique():
        segment = wb.segment(sha256)
        spans = [(one.first_pts, one.stop_pts) for one in store.searched(segment=sha256)]
        # the passes on their way when it was killed are not called searched
        assert all(stop <= segment.stop_pts for _, stop in spans)
        assert spans != [(segment.first_pts, segment.stop_pts)] or segment.frame_count < 60
    span = Span(found["utc"].min().value - SECOND_NS, wb.now())
    assert any(wb.not_searched(list(CAMERAS), span).values())
    assert settle(store, wb.ward.cameras, log=wb._log).moved == 0


class Idle:
    """A crew of one worker that never has time."""

    groups = (("S01-P1",),)

    def free(self) -> Iterator[list[str]]:
        return iter(())


def follower_of(root: Path, camera: Camera) -> Follower:
    return Follower(
        Store.open(root), cast(Any, Idle()), ["S01-P1"], {"S01-P1": (camera, ())}, case_id="VA-1",
        period=Span(0, 2**62), now=lambda: START_NS, ended=lambda: "", on_status=lambda _: None,
        log=lambda *_, **__: None,
    )  # fmt: skip


def test_failures_are_counted_and_only_the_last_sentence_is_kept(root: Path, clip: Path) -> None:
    follower = follower_of(root, opened(root).camera("S01-P1"))
    (root / "recording").mkdir(exist_ok=True)
    record(clip, root / "recording" / "S01-P1", START_NS)
    follower._look()
    followed = follower._cameras["S01-P1"]
    (recording,) = followed.recordings.values()
    for number in range(5000):
        lost = Outcome("S01-P1", Piece(recording.of), None, f"worker {number} died")
        follower._fail(followed, recording, lost)
    told = follower._followed("stopped").failures
    assert told == ("S01-P1: 5000 pieces failed, at last: worker 4999 died",)
    followed.tail.close()


def test_a_files_end_is_queued_before_the_next_ones_first_fragment(root: Path, clip: Path) -> None:
    folder, camera = root / "recording" / "S01-P1", opened(root).camera("S01-P1")
    folder.parent.mkdir(exist_ok=True)
    first_ns, next_ns = START_NS, START_NS + LENGTH_S * SECOND_NS
    path = record(clip, folder, first_ns)
    follower = follower_of(root, camera)
    followed = follower._cameras["S01-P1"]
    follower._look()
    record(clip, folder, next_ns)  # for a moment both grow, as when a camera's address changes
    follower._look()
    assert set(followed.recordings) == {str(first_ns)}
    path.rename(folder / f"{first_ns}.mp4")
    follower._look()
    order = [(item.recording.name, item.fragment is None) for item in followed.queue]
    assert list(dict.fromkeys(order)) == [
        (str(first_ns), False), (str(first_ns), True), (str(next_ns), False),
    ]  # fmt: skip
    followed.tail.close()


def test_nothing_kept_holds_a_face(recording: Path) -> None:
    wb = opened(recording)
    wb.follow(
        PURPOSE, workers=1, models=give_red_cars,
        stopped=once(lambda: Store.open(recording).live.all()),
    )  # fmt: skip
    for rows in Store.open(recording).live.all():
        assert set(rows.table.column_names) <= {f.name for f in rows.table.schema}
        assert not {"embedding", "face_id"} & set(rows.table.column_names)
    assert json.loads((recording / "live" / "follow.json").read_text())["case"] == "VA-1"
