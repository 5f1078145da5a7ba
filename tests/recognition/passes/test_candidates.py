"""First candidates from key frames alone: where, when, what, and nothing else decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.scenes import FPS, TICKS, Mover, blind, camera, draw, film, red_car_models, segment_of

from workbench import media, optics
from workbench.recognition.passes.candidates import SWEPT, sweep_job
from workbench.recognition.runs.engine import plan_jobs, run_job
from workbench.recognition.settings import Settings
from workbench.records import SIGHTINGS, Box

RED = Mover(203, 255, (-10, 130), (330, 130))
BLUE = Mover(205, 257, (330, 60), (-10, 60), colour=(30, 60, 190))
STANDS = Mover(380, 470, (160, 160), (160, 160), colour=(230, 220, 60))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("candidates") / "two.mp4"
    return film(path, [draw(n, [RED, BLUE, STANDS]) for n in range(600)], gop=20)


def candidates(path: Path, settings: Settings | None = None) -> list[dict]:
    segment, index = segment_of(path)
    table = [
        sweep_job(job, red_car_models())
        for job in plan_jobs(segment, path, index, camera(), (), settings or Settings())
    ]
    assert all(one.schema.equals(SIGHTINGS) for one in table)
    return [row for one in table for row in one.to_pylist()]


def test_each_that_passes_is_one_candidate_where_it_was(clip: Path) -> None:
    moving = [row for row in candidates(clip) if row["moving"]]
    assert sorted(row["kind"] for row in moving) == ["car", "unknown"]
    for row in moving:
        mover = RED if row["kind"] == "car" else BLUE
        assert len(row["track_pts"]) >= 2
        true = mover.box(row["pts"] * FPS // TICKS)
        assert true is not None
        box = Box(row["box_x"], row["box_y"], row["box_w"], row["box_h"])
        assert optics.iou(box, true) > 0.4


def test_what_only_stands_is_no_pass(clip: Path) -> None:
    (still,) = [row for row in candidates(clip) if not row["moving"]]
    assert STANDS.first <= still["first_pts"] * FPS // TICKS
    assert still["last_pts"] * FPS // TICKS <= STANDS.last


def test_no_frame_between_key_frames_is_decoded(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("a stretch was decoded")

    monkeypatch.setattr(media, "decode", never)
    assert candidates(clip)


def test_a_candidate_is_not_taken_for_a_row_of_the_search(clip: Path) -> None:
    segment, index = segment_of(clip)
    (job,) = plan_jobs(segment, clip, index, camera(), (), Settings())
    rows = run_job(job, red_car_models())
    swept = sweep_job(job, red_car_models())
    assert all(ref.endswith(SWEPT) for ref in swept["model_ref"].to_pylist())
    assert not set(rows["sighting_id"].to_pylist()) & set(swept["sighting_id"].to_pylist())
    assert swept["plate"].null_count == len(swept)


def test_a_file_with_few_key_frames_has_none(tmp_path: Path) -> None:
    path = film(tmp_path / "long.mp4", [draw(n, [RED]) for n in range(150, 300)], gop=100)
    segment, index = segment_of(path)
    (job,) = plan_jobs(segment, path, index, camera(), (), Settings())
    assert sweep_job(job, blind()).num_rows == 0
