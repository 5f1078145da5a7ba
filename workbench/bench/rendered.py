"""From simulated traffic through pixels to links: the whole path scored against one truth."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workbench import demonstration, ward
from workbench.bench.clips import Figures, score_ward
from workbench.investigation import open_workbench
from workbench.timeline import SECOND_NS
from workbench.twin import filming, render
from workbench.twin.air import Weather
from workbench.twin.journeys import Scenario
from workbench.twin.traffic import Traffic, simulate

SEED = 101
"""Of the simulated stretch that is drawn where none is given; one that is developed on."""
CAMERAS = ("S09-P1", "S10-P1", "S10-V2")
LIGHTS = ("day", "dusk", "night", "rain", "glare", "night,rain")
_FROM_S, _SECONDS = 60, 30.0
_KEPT = (
    "passes", "pass recall", "pass precision", "plates visible", "plates exact", "plates wrong",
    "links true", "link precision", "link recall", "impossible legs",
)  # fmt: skip


def bench_rendered(
    folder: Path | None = None, *, quick: bool = False, lights: Sequence[str] = LIGHTS
) -> Figures:
    """Draw cameras of a simulation in each light, recognise them, score passes, plates, links.

    Parameters
    ----------
    folder
        Written by ``twin simulate`` with the illustrative ward; else a few minutes are simulated.
    quick
        One camera, ten seconds, two lights.

    Returns
    -------
    dict
        Figures by light, as ``bench ward`` names them, and the data.
    """
    with tempfile.TemporaryDirectory() as made:
        truth = folder
        if truth is None:
            truth = Path(made) / "traffic"
            traffic = Traffic(vehicles_per_hour=3500.0)
            simulate(ward.load(demonstration.WARD), truth, seed=SEED, hours=0.05, traffic=traffic)
        names = CAMERAS[:1] if quick else CAMERAS
        seconds = 10.0 if quick else _SECONDS
        span = filming.span_in(truth, "", seconds)
        span = type(span)(*(at + _FROM_S * SECOND_NS for at in (span.start_ns, span.stop_ns)))
        scenario = filming.scenario_of(truth, ward.load(demonstration.WARD), names, span)
        figures: Figures = {
            "data": f"simulated traffic of {'seed ' + str(SEED) if folder is None else folder.name}"
            f", {', '.join(names)}, {seconds:g} s each, {scenario.fps} frames/s"
        }
        for light in ("day", "night") if quick else lights:
            at = Path(made) / light
            figures[light] = _scored(scenario, Weather.read(light), at)
            shutil.rmtree(at)
        return figures


def _scored(scenario: Scenario, weather: Weather, folder: Path) -> Figures:
    began = os.times()
    clips = render.render(scenario, folder / "clips", weather=weather)
    drawn = os.times()
    wb = open_workbench(folder / "root", actor="bench", create_from=demonstration.WARD)
    wb.open_case(demonstration.TRAINING_CASE)
    for clip in clips:
        wb.ingest(clip, clip.stem, scenario.start_ns, reason="bench")
    wb.recognise(list(scenario.cameras), workers=0)
    done = os.times()
    shutil.copytree(folder / "clips", wb.root / "truth", ignore=shutil.ignore_patterns("*.mp4"))
    figures = {name: figure for name, figure in score_ward(wb).items() if name in _KEPT}
    return figures | {
        "drawing CPU s": round(drawn.user - began.user, 1),
        "recognising CPU s": round(done.user - drawn.user, 1),
    }
