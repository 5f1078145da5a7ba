"""Quiet groups of pictures are left undecoded, and nothing that passes is lost by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make.scenes import FPS, Mover, blind, camera, draw, film, segment_of, street

from workbench import media
from workbench.recognition.passes.sweep import survey
from workbench.recognition.runs import engine
from workbench.recognition.runs.engine import plan_jobs, run_job
from workbench.recognition.settings import Settings

GOP = 10
FRAMES = 600
EAST = Mover(203, 251, (-30, 130), (350, 130))
SMALL = Mover(403, 419, (40, 70), (150, 70), size=(16, 12))
"""In sight for 1.6 s: at least one key frame sees it."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "quiet.mp4"
    return film(path, [draw(n, [EAST, SMALL]) for n in range(FRAMES)], gop=GOP)


def units_of(path: Path, settings: Settings | None = None) -> list:
    segment, index = segment_of(path)
    return survey(path, index, segment, settings or Settings(), 0, len(index))


def test_active_are_the_groups_in_which_something_moves(clip: Path) -> None:
    units = units_of(clip)
    assert [unit.first for unit in units] == list(range(0, FRAMES, GOP))
    active = {unit.first for unit in units if unit.active}
    for mover in (EAST, SMALL):
        inside = {n // GOP * GOP for n in range(mover.first + 5, mover.last - 5)}
        assert inside <= active
    # the last has no key frame behind it that would show what is in it
    assert len(active) <= 9
    assert FRAMES - GOP in active


def test_what_is_quiet_is_not_decoded_and_what_passes_is_found(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    whole = media.decode

    def counted(*args: object, **options: object):
        for pts, frame in whole(*args, **options):  # type: ignore[arg-type]
            decoded.append(pts)
            yield pts, frame

    monkeypatch.setattr(engine.media, "decode", counted)
    segment, index = segment_of(clip)
    (job,) = plan_jobs(segment, clip, index, camera(), (), Settings())
    found = [row for row in run_job(job, blind()).to_pylist() if row["moving"]]
    assert len(set(decoded)) < FRAMES / 3
    begun = [int(np.searchsorted(index.pts, row["first_pts"])) for row in found]
    assert begun == pytest.approx([EAST.first, SMALL.first], abs=FPS // 2)


def test_a_dense_search_finds_the_same(clip: Path) -> None:
    segment, index = segment_of(clip)
    spans = []
    for settings in (Settings(), Settings(sweep_most_s=0.0)):
        (job,) = plan_jobs(segment, clip, index, camera(), (), settings)
        rows = run_job(job, blind()).to_pylist()
        spans.append([(row["first_pts"], row["last_pts"]) for row in rows if row["moving"]])
    assert np.array(spans[0]) == pytest.approx(np.array(spans[1]), abs=400)


def test_few_key_frames_say_nothing_so_that_all_is_decoded(tmp_path: Path) -> None:
    path = film(tmp_path / "long.mp4", [draw(n, []) for n in range(120)], gop=100)
    assert units_of(path) == []


def test_a_light_that_changes_for_all_is_no_activity(tmp_path: Path) -> None:
    frames = []
    for n in range(300):
        picture = street().astype(np.float32) * (1 + 0.15 * np.sin(n / 60))
        frames.append(draw(n, [], background=np.clip(picture, 0, 255).astype(np.uint8)))
    path = film(tmp_path / "light.mp4", frames, gop=GOP)
    assert sum(unit.active for unit in units_of(path)) <= 3


def test_with_key_frames_far_apart_nothing_is_left_out_or_looked_at_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(tmp_path / "far.mp4", [draw(n, []) for n in range(300)], gop=20)

    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("key frames were decoded for nothing")

    monkeypatch.setattr(media, "key_frames", never)
    assert units_of(path) == []
