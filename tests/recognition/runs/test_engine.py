"""One job end to end on drawn scenes with fake models, and on real clips with the real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
from make.scenes import (
    FPS,
    TICKS,
    Mover,
    blind,
    camera,
    draw,
    film,
    red_car_models,
    segment_of,
)

from workbench import media, optics
from workbench.bench.clips import found_by, golden_clips
from workbench.errors import BadInput, Damaged
from workbench.recognition.passes.rows import Pass
from workbench.recognition.passes.search import Search
from workbench.recognition.passes.second_look import exact_frames
from workbench.recognition.runs import engine
from workbench.recognition.runs.engine import Job, plan_jobs, run_job
from workbench.recognition.runs.fanout import recognise_job
from workbench.recognition.settings import Settings
from workbench.recognition.types import Detection, Models
from workbench.records import SIGHTINGS, Box
from workbench.timeline import SECOND_NS, ClockFix, Span

EAST = Mover(10, 50, (30, 120), (290, 120))
WEST = Mover(70, 110, (290, 150), (30, 150), colour=(30, 60, 190))


SMALL = Settings(plate_least_px=40)
"""The drawn vehicles are 44 px long: with plates that somebody could read."""


def jobs_of(path: Path, settings: Settings | None = None, **kwargs: object) -> list[Job]:
    segment, index = segment_of(path)
    return plan_jobs(segment, path, index, camera(), (), settings or SMALL, **kwargs)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "two.mp4"
    return film(path, [draw(n, [EAST, WEST]) for n in range(130)])


@pytest.fixture(scope="module")
def rows(clip: Path) -> list[dict]:
    (job,) = jobs_of(clip)
    table = run_job(job, red_car_models())
    assert table.schema.equals(SIGHTINGS)
    return table.to_pylist()


def test_each_pass_is_a_row_named_or_not(rows: list[dict]) -> None:
    assert [(row["kind"], row["moving"]) for row in rows] == [("car", True), ("unknown", True)]
    assert rows[0]["score"] == pytest.approx(0.9)
    assert rows[1]["score"] == 0


def test_the_box_is_where_the_thing_was_on_that_very_frame(rows: list[dict]) -> None:
    for row, mover in zip(rows, (EAST, WEST), strict=True):
        for pts, box in zip(row["track_pts"], np.reshape(row["track_box"], (-1, 4)), strict=True):
            true = mover.box(pts * FPS // TICKS)
            assert true is not None
            assert optics.iou(Box(*box), true) > 0.5
        assert row["pts"] in row["track_pts"]
        assert row["first_pts"] <= row["pts"] <= row["last_pts"]


def test_direction_follows_motion_and_heading(rows: list[dict]) -> None:
    assert rows[0]["motion_dx"] == pytest.approx(65, rel=0.15)
    assert abs(rows[0]["motion_dy"]) < 8
    assert rows[0]["bearing_deg"] == pytest.approx(90, abs=10)
    assert rows[1]["bearing_deg"] == pytest.approx(270, abs=10)
    assert rows[0]["ground_x"] is None
    assert rows[0]["speed_mps"] is None


def test_the_plate_frame_is_the_best_frame(rows: list[dict]) -> None:
    assert rows[0]["plate"] == "30F-123.45"
    assert rows[0]["plate_pts"] == rows[0]["pts"]
    assert len(json.loads(rows[0]["plate_lattice"])) == 8


def test_again_writes_identical_rows(clip: Path, rows: list[dict]) -> None:
    (job,) = jobs_of(clip)
    assert run_job(job, red_car_models()).to_pylist() == rows


def test_other_settings_make_other_ids(clip: Path, rows: list[dict]) -> None:
    (job,) = jobs_of(clip, Settings(name_score=0.55))
    other = run_job(job, red_car_models()).to_pylist()
    assert {r["sighting_id"] for r in other}.isdisjoint(r["sighting_id"] for r in rows)


def test_motion_alone_is_enough(clip: Path) -> None:
    (job,) = jobs_of(clip)
    kinds = run_job(job, blind())["kind"].to_pylist()
    assert kinds == ["unknown", "unknown"]


def test_a_pass_over_a_border_is_found_once(clip: Path) -> None:
    settings = Settings(span_s=3.0, lead_s=2.0)
    jobs = jobs_of(clip, settings)
    assert [(job.first, job.stop) for job in jobs][:2] == [(0, 30), (30, 60)]
    table = pa.concat_tables(run_job(job, blind()) for job in jobs)
    assert sorted(table["first_pts"].to_pylist()) == table["first_pts"].to_pylist()
    spans = list(zip(table["first_pts"].to_pylist(), table["last_pts"].to_pylist(), strict=True))
    assert len(spans) == 2
    for (first, last), mover in zip(spans, (EAST, WEST), strict=True):
        assert first * FPS // TICKS == pytest.approx(mover.first, abs=3)
        assert last * FPS // TICKS == pytest.approx(mover.last, abs=3)


def test_a_wanted_span_leaves_jobs_out_and_cuts_none(clip: Path) -> None:
    settings = Settings(span_s=3.0)
    everything = jobs_of(clip, settings)
    start_ns = everything[0].segment.stamped_start_ns
    wanted = Span(start_ns + 4 * SECOND_NS, start_ns + 5 * SECOND_NS)
    assert jobs_of(clip, settings, span=wanted) == everything[1:2]


def test_clock_fixes_reach_the_rows(clip: Path, rows: list[dict]) -> None:
    (job,) = jobs_of(clip)
    fix = ClockFix("C1", Span(0, 2**62), -7 * SECOND_NS, SECOND_NS // 2, "operator")
    fixed = run_job(replace(job, fixes=(fix,)), red_car_models()).to_pylist()
    assert [r["sighting_id"] for r in fixed] == [r["sighting_id"] for r in rows]
    assert (rows[0]["utc"] - fixed[0]["utc"]).total_seconds() == 7
    assert fixed[0]["sigma_s"] == 0.5


def test_a_sure_thing_that_stands_is_a_sighting_and_not_a_pass(tmp_path: Path) -> None:
    parked = Mover(0, 10**6, (160, 120), (160, 120))
    path = film(tmp_path / "parked.mp4", [draw(n, [parked]) for n in range(120)])
    (job,) = jobs_of(path, Settings(idle_look_s=2.0))
    (row,) = run_job(job, red_car_models()).to_pylist()
    assert (row["kind"], row["moving"], row["motion_dx"]) == ("car", False, None)
    true = parked.box(0)
    assert true is not None
    assert optics.iou(Box(row["box_x"], row["box_y"], row["box_w"], row["box_h"]), true) > 0.7


def test_an_empty_street_has_no_rows(tmp_path: Path) -> None:
    path = film(tmp_path / "empty.mp4", [draw(n, []) for n in range(60)])
    (job,) = jobs_of(path)
    assert run_job(job, blind()).num_rows == 0


def test_faces_are_counted_on_people_only(clip: Path) -> None:
    asked = []

    def faces(rgb: np.ndarray, box: Box | None) -> list:
        asked.append((rgb.shape, box))
        return []

    def person(rgb: np.ndarray) -> list[Detection]:
        return [replace(d, kind="person") for d in red_car_models().detect(rgb)]

    (job,) = jobs_of(clip, Settings(face_least_px=10))
    plates = blind().read_plates
    run_job(job, Models(red_car_models().detect, plates, faces, "cars"))
    assert asked == []
    rows = run_job(job, Models(person, plates, faces, "people")).to_pylist()
    # two pass; the detector knows the red one, and that one's best frame is searched, there alone
    (known,) = [row for row in rows if row["kind"] == "person"]
    assert [row["kind"] for row in rows if row is not known] == ["unknown"]
    (((height, width, _), box),) = asked
    # in what moved there (steadied since), not only in what the detector draws of it
    moved = np.reshape(known["track_box"], (-1, 4))[known["track_pts"].index(known["pts"])]
    assert (box.w, box.h) == pytest.approx(moved[2:], abs=2.5)
    assert (known["box_w"], known["box_h"]) != pytest.approx(moved[2:], abs=0.5)
    # of the frame only what is around that one is kept: a quarter of its size on each side
    assert box.x == pytest.approx(box.w / 4, abs=2)
    assert box.y == pytest.approx(box.h / 4, abs=2)
    assert (width, height) == pytest.approx((1.5 * box.w, 1.5 * box.h), abs=4)


def test_exact_frames_are_the_ones_asked_for(clip: Path) -> None:
    _, index = media.index_packets(clip)
    asked = [3, 9, 10, 57, 58, 129]
    got = [(n, f.pts) for n, f in exact_frames(clip, index, asked)]
    assert got == [(n, int(index.pts[n])) for n in asked]


def test_a_missing_or_swapped_file_is_one_sentence(clip: Path, tmp_path: Path) -> None:
    (job,) = jobs_of(clip)
    with pytest.raises(BadInput):
        run_job(replace(job, path=tmp_path / "none.mp4"), blind())
    other = film(tmp_path / "other.mp4", [draw(n, []) for n in range(20)])
    with pytest.raises(Damaged):
        run_job(replace(job, path=other), blind())


def decoded_of(monkeypatch: pytest.MonkeyPatch, job: Job) -> tuple[list[int], list[dict]]:
    """Run a job; return the numbers of the frames that reached the search, and its rows."""
    seen: list[int] = []

    class Watched(Search):
        def step(self, number: int, pts: int, frame: av.VideoFrame) -> list[Pass]:
            seen.append(number)
            return super().step(number, pts, frame)

    monkeypatch.setattr(engine, "Search", Watched)
    return seen, run_job(job, blind()).to_pylist()


def test_of_an_empty_gop_the_end_is_left_out_and_no_more_than_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "empty.mp4", [draw(n, []) for n in range(200)], gop=20)
    (job,) = jobs_of(path)
    seen, rows = decoded_of(monkeypatch, job)
    assert rows == []
    assert len(seen) < 120
    left_out = [(a, b) for a, b in pairwise(seen) if b - a > 1]
    assert left_out
    for last, key in left_out:
        assert key % 20 == 0
        assert (key - last) / FPS <= job.settings.sweep_most_s


def test_of_b_frames_no_more_than_the_pace_asks_for_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Mover(30, 210, (30, 120), (290, 120))
    frames = [draw(n, [slow]) for n in range(240)]
    every, plain = decoded_of(
        monkeypatch, *jobs_of(film(tmp_path / "p.mp4", frames, gop=48, fps=25))
    )
    thin, rows = decoded_of(
        monkeypatch, *jobs_of(film(tmp_path / "b.mp4", frames, gop=48, fps=25, bframes=3))
    )
    assert len(every) == 240
    assert len(thin) < 0.7 * len(every)
    assert max(b - a for a, b in pairwise(thin)) * SMALL.active_fps <= 25
    assert len(rows) == len(plain) == 1
    assert rows[0]["last_pts"] - rows[0]["first_pts"] > 0.9 * (
        plain[0]["last_pts"] - plain[0]["first_pts"]
    )


@pytest.mark.parametrize("first", range(40, 60, 3))
def test_what_enters_at_any_time_of_an_empty_gop_is_followed_as_if_nothing_were_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    mover = Mover(first, first + 16, (30, 120), (290, 120))
    path = film(tmp_path / "one.mp4", [draw(n, [mover]) for n in range(120)], gop=20)
    (job,) = jobs_of(path)
    seen, rows = decoded_of(monkeypatch, job)
    assert len(seen) < 110
    assert set(range(first, first + 17)) <= set(seen)
    (whole,) = jobs_of(path, replace(SMALL, skip_least_s=99.0))
    (row,), (dense,) = rows, run_job(whole, blind()).to_pylist()
    assert abs(row["first_pts"] - dense["first_pts"]) <= 2 * TICKS // FPS
    assert abs(row["last_pts"] - dense["last_pts"]) <= 2 * TICKS // FPS


def test_what_stands_still_does_not_keep_a_camera_awake_and_is_seen_to_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [
        Mover(20, 40, (30, 120), (160, 120)),
        Mover(41, 170, (160, 120), (160, 120)),
        Mover(171, 190, (160, 120), (290, 120)),
    ]
    path = film(tmp_path / "stops.mp4", [draw(n, parts) for n in range(240)], gop=20)
    (job,) = jobs_of(path)
    seen, rows = decoded_of(monkeypatch, job)
    assert len([n for n in seen if 60 <= n < 160]) < 80
    assert set(range(171, 191)) <= set(seen)
    assert min(row["first_pts"] for row in rows) <= 22 * TICKS // FPS
    assert max(row["last_pts"] for row in rows) >= 186 * TICKS // FPS


@pytest.mark.footage
@pytest.mark.slow
@pytest.mark.parametrize("name", ["car-detection", "cars-cyclist", "cars-cyclist-rotated"])
def test_real_clips_show_what_was_counted_by_eye(footage: Path, name: str) -> None:
    golden = golden_clips()[name]
    path = footage / golden["file"]
    segment, index = segment_of(path)
    found = [
        row
        for job in plan_jobs(segment, path, index, camera(), (), Settings())
        for row in recognise_job(job).to_pylist()
        if row["moving"]
    ]
    hits = [j for j in found_by(found, golden["passes"], index) if j is not None]
    assert len(hits) >= golden["found_at_least"]
    assert len(found) <= golden["rows_at_most"]
