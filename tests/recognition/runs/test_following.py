"""A recording searched while it grows: the rows of the archive, earlier, and nothing in between."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import av
import pytest
from make.growing import pieces, record
from make.scenes import Mover, blind, camera, draw, film, red_car_models, segment_of

from workbench.recognition.passes.rows import sighting_id
from workbench.recognition.runs.engine import plan_jobs, run_job
from workbench.recognition.runs.following import Fed, Following, Piece, live_settings
from workbench.recognition.settings import Settings
from workbench.recognition.types import Models, ModelSettings
from workbench.records import Box

LIVE = live_settings(Settings(plate_least_px=40))
EAST = Mover(70, 110, (30, 120), (290, 120))
AGAIN = Mover(150, 190, (30, 120), (290, 120))
WEST = Mover(160, 210, (290, 150), (30, 150), colour=(30, 60, 190))
LATE = Mover(220, 270, (30, 130), (290, 130))  # still on its way when the file ends
FRAMES = 240


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Piece]]:
    folder = tmp_path_factory.mktemp("growing")
    clip = film(folder / "clip.mp4", [draw(n, [EAST, AGAIN, WEST, LATE]) for n in range(FRAMES)],
                gop=25)  # fmt: skip
    path = record(clip, folder / "C1", 7)
    return path, pieces(folder / "C1", path)


def following(models: Models, settings: Settings = LIVE) -> Following:
    def given(_settings: ModelSettings) -> Models:
        return models

    return Following(camera(), settings, given)


def sealed(fed: list[Fed], sha256: str) -> list[dict]:
    """Return the rows under the name the archive gives the file, times left out."""
    rows = [row for one in fed for row in one.table.to_pylist()]
    for row in rows:
        row["segment_sha256"] = sha256
        box = Box(*(row[f"box_{side}"] for side in "xywh"))
        row["sighting_id"] = sighting_id(sha256, row["pts"], box, row["model_ref"])
    return without_times(rows)


def without_times(rows: list[dict]) -> list[dict]:
    times = {"utc", "first_utc", "last_utc", "sigma_s"}
    kept = [{k: v for k, v in row.items() if k not in times} for row in rows]
    return sorted(kept, key=lambda row: (row["first_pts"], row["sighting_id"]))


@pytest.mark.parametrize("models", [red_car_models(), blind()], ids=["red cars", "motion alone"])
def test_fragment_by_fragment_the_rows_are_those_of_the_sealed_file(
    recorded: tuple[Path, list[Piece]], models: Models
) -> None:
    path, fragments = recorded
    house = following(models)
    fed = [house.feed(piece) for piece in fragments]
    segment, index = segment_of(path)
    (job,) = plan_jobs(segment, path, index, camera(), (), LIVE)
    expected = without_times(run_job(job, models).to_pylist())
    assert len(expected) >= 4
    assert sealed(fed, segment.sha256) == expected
    assert fed[-1].looked == ((int(index.pts[0]), int(index.pts[-1]) + 1),)
    assert fed[-1].open_pts is None


def test_with_a_past_they_are_those_of_a_search_that_begins_with_it(
    recorded: tuple[Path, list[Piece]],
) -> None:
    path, fragments = recorded
    house = following(red_car_models())
    for piece in fragments:
        house.feed(piece)
    past = list(house.past)
    assert len(past) > 5
    other = [replace(piece, of=replace(piece.of, name="next")) for piece in fragments]
    fed = [house.feed(piece) for piece in other]
    assert {one.name for one in fed} == {"next"}
    segment, index = segment_of(path)
    (job,) = plan_jobs(segment, path, index, camera(), (), LIVE)
    expected = run_job(job, red_car_models(), warm=past).to_pylist()
    assert sealed(fed, segment.sha256) == without_times(expected)


def test_a_row_comes_long_before_the_file_ends(recorded: tuple[Path, list[Piece]]) -> None:
    _, fragments = recorded
    house = following(red_car_models())
    came = {}
    for number, piece in enumerate(fragments):
        for row in house.feed(piece).table.to_pylist():
            came[row["first_pts"]] = number
    assert min(came.values()) < len(fragments) * 0.75


def test_no_footage_lies_under_a_name_that_a_killed_process_would_leave(
    recorded: tuple[Path, list[Piece]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    house = following(red_car_models())
    for piece in recorded[1][:-1]:
        house.feed(piece)
        assert list(tmp_path.iterdir()) == []


def test_what_was_left_out_is_not_called_looked_at(recorded: tuple[Path, list[Piece]]) -> None:
    path, fragments = recorded
    keyed = [n for n, piece in enumerate(fragments[:-1]) if _begins_with_key(piece)]
    shed, again = keyed[3], keyed[4]
    house = following(red_car_models())
    kept = [*fragments[:shed], replace(fragments[again], fresh=True), *fragments[again + 1 :]]
    fed = [house.feed(piece) for piece in kept]
    first, second = fed[-1].looked
    assert first[1] <= second[0]
    ticks = segment_of(path)[0].tick_s
    assert float((second[0] - first[1]) * ticks) == pytest.approx(2.5, abs=0.15)
    rows = [row for one in fed for row in one.table.to_pylist()]
    assert all(any(a <= row["first_pts"] < b for a, b in (first, second)) for row in rows)


def test_a_file_that_ends_after_the_next_has_begun_costs_neither_of_them_a_row(
    recorded: tuple[Path, list[Piece]],
) -> None:
    path, fragments = recorded
    house = following(red_car_models())
    second = [replace(piece, of=replace(piece.of, name="next")) for piece in fragments]
    mixed = [*fragments[:-1], *second[:3], fragments[-1], *second[3:]]
    fed = [house.feed(piece) for piece in mixed]
    segment, index = segment_of(path)
    (job,) = plan_jobs(segment, path, index, camera(), (), LIVE)
    expected = without_times(run_job(job, red_car_models()).to_pylist())
    assert any(row["last_pts"] >= int(index.pts[-3]) for row in expected)  # sampled, not each
    whole = ((int(index.pts[0]), int(index.pts[-1]) + 1),)
    for name in ("live", "next"):
        of_it = [one for one in fed if one.name == name]
        assert of_it[-1].looked == whole
        assert {r["segment_sha256"] for f in of_it for r in f.table.to_pylist()} == {name}
        assert sum(one.table.num_rows for one in of_it) == len(expected)
    assert sealed([one for one in fed if one.name == "live"], segment.sha256) == expected


def _begins_with_key(piece: Piece) -> bool:
    import io

    with av.open(io.BytesIO(piece.of.header + piece.data), format="mp4") as container:
        return next(container.demux(container.streams.video[0])).is_keyframe
