"""From simulated traffic to footage: places, boxes, light, faults, and mistakes of a user."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from workbench import media, twin, ward
from workbench.errors import BadInput
from workbench.timeline import SECOND_NS, Span
from workbench.twin import filming, render
from workbench.twin.air import Weather
from workbench.twin.traffic import open_simulated


@pytest.fixture(scope="module")
def known(ward_folder: Path) -> ward.Ward:
    return ward.load(ward_folder)


@pytest.fixture(scope="module")
def busiest(simulated: Path) -> tuple[str, Span]:
    """The overview that most pass in ten seconds, and these seconds."""
    passes = pq.read_table(simulated / "passes.parquet").to_pandas()
    wide = passes[passes["camera_id"].str.contains("-V")]
    slot = (wide["time_ns"] - open_simulated(simulated).span.start_ns) // (10 * SECOND_NS)
    camera, number = wide.groupby(["camera_id", slot]).size().idxmax()
    start = open_simulated(simulated).span.start_ns + int(number) * 10 * SECOND_NS
    return str(camera), Span(start, start + 10 * SECOND_NS)


def test_every_pass_is_drawn_where_and_when_the_truth_says(
    simulated: Path, known: ward.Ward
) -> None:
    one = open_simulated(simulated)
    cameras = list(known.cameras)
    scenario = filming.scenario_of(simulated, known, cameras, one.span)
    passes = one.passes.to_pandas()
    tracks: dict[tuple[str, str], list[filming.Track]] = {}
    for track in scenario.passes:
        assert isinstance(track, filming.Track)
        tracks.setdefault((track.vehicle_id, track.camera_id), []).append(track)
    off, wrong_way, lost = [], 0, 0
    for row in passes.itertuples():
        mine = tracks.get((str(row.vehicle_id), str(row.camera_id)), [])
        t = (int(row.time_ns) - one.span.start_ns) / SECOND_NS
        view = scenario.views[str(row.camera_id)]
        near = [(abs(m.y_m(t) - view.sweet_m), m) for m in mine]
        if not near or min(near, key=lambda n: n[0])[0] > 5:
            lost += 1
            continue
        far, track = min(near, key=lambda n: n[0])
        off.append(far)
        wrong_way += track.direction != row.direction
        side = 1 if track.direction == "away" else -1
        assert 0 < side * track.x_m(t) < view.half_road_m
    assert lost <= len(passes) // 50
    assert wrong_way == 0
    assert np.percentile(off, 95) < 1.0


def test_vehicles_never_drive_backwards(simulated: Path, known: ward.Ward) -> None:
    one = open_simulated(simulated)
    scenario = filming.scenario_of(simulated, known, ["S01-P1", "S09-V1"], one.span)
    for track in scenario.passes:
        assert isinstance(track, filming.Track)
        sign = 1 if track.direction == "away" else -1
        assert (np.diff(sign * track.y) >= -1e-9).all()


def test_clips_truth_and_faults_lie_side_by_side(
    simulated: Path, known: ward.Ward, busiest: tuple[str, Span], tmp_path: Path
) -> None:
    camera, span = busiest
    short = Span(span.start_ns + 4 * SECOND_NS, span.start_ns + 5 * SECOND_NS)
    scenario = filming.scenario_of(simulated, known, [camera], short, fps=5)
    (clip,) = render.render(
        scenario, tmp_path, weather=Weather("night", rain=True),
        faults={camera: render.Fault("frozen", 0.6)},
    )  # fmt: skip
    _, index = media.index_packets(clip)
    assert len(index) == 5
    shown = [media.to_luma(f).astype(int) for _, f in media.decode(clip, index, 0, 5)]
    assert np.abs(shown[4] - shown[3]).mean() < 1.5  # frozen, but for the encoder
    boxes = pq.read_table(tmp_path / "boxes.parquet").to_pandas()
    assert not boxes.empty
    assert boxes["frame"].max() == 2
    assert (boxes["x"] + boxes["w"] <= 1280.01).all()
    assert (boxes["w"] > 0).all()
    assert set(twin.read_truth(tmp_path).clocks["camera_id"]) == {camera}
    told = json.loads((tmp_path / "render.json").read_text())
    assert told["light"] == "night, rain"
    assert told["faults"][camera]["kind"] == "frozen"


def test_night_is_darker_than_dusk_and_dusk_than_day(
    simulated: Path, known: ward.Ward, busiest: tuple[str, Span]
) -> None:
    camera, span = busiest
    scenario = filming.scenario_of(simulated, known, [camera], span)
    means = [
        render.still(scenario, camera, 5.0, Weather(hour)).mean()
        for hour in ("day", "dusk", "night")
    ]
    assert means[0] > 1.3 * means[1] > 1.7 * means[2] > 10


def test_the_same_seed_draws_the_same(
    simulated: Path, known: ward.Ward, busiest: tuple[str, Span]
) -> None:
    camera, span = busiest
    first, second = (
        render.still(
            filming.scenario_of(simulated, known, [camera], span), camera, 2.0, Weather("glare")
        )
        for _ in range(2)
    )
    assert (first == second).all()


@pytest.mark.parametrize("text", ["fog", "", "day,night", "rain,fog"])
def test_a_light_that_is_none_gets_a_sentence(text: str) -> None:
    with pytest.raises(BadInput, match="is no light or weather"):
        Weather.read(text)


@pytest.mark.parametrize("text", ["S01-P1", "S01-P1=melted", "=dark", "S01-P1=dark@soon"])
def test_a_fault_that_is_none_gets_a_sentence(text: str) -> None:
    with pytest.raises(BadInput, match="names no fault"):
        render.Fault.read(text)


def test_words_are_read() -> None:
    assert Weather.read("rain") == Weather("day", rain=True)
    assert Weather.read("night, rain") == Weather("night", rain=True)
    assert render.Fault.read("S01-P1=moved@2.5") == ("S01-P1", render.Fault("moved", 2.5))
    known = ["S01-P1", "S01-V1", "S02-P1"]
    assert render.cameras_of("S01,S02-P1", known) == known
    with pytest.raises(BadInput, match="names no camera"):
        render.cameras_of("S09", known)


def test_a_span_outside_the_simulation_is_refused(simulated: Path, known: ward.Ward) -> None:
    assert filming.span_in(simulated, "07:01:30", 10).duration_ns == 10 * SECOND_NS
    for start, seconds in (("07:59", 10.0), ("06:00", 10.0), ("07:01", 9000.0)):
        with pytest.raises(BadInput):
            filming.span_in(simulated, start, seconds)
    with pytest.raises(BadInput, match="no time of day"):
        filming.span_in(simulated, "25:00", 10)


def test_what_a_camera_at_fault_saw_is_not_asked_for(
    simulated: Path, known: ward.Ward, busiest: tuple[str, Span]
) -> None:
    camera, span = busiest
    scenario = filming.scenario_of(simulated, known, [camera], span)
    passes = twin.truth_of(scenario).passes
    left = render.lost_to_faults(passes, scenario, {camera: render.Fault("dark", 0.0)})
    assert len(passes)
    assert not left["plate_visible"].any()
    assert len(left) < len(passes)
