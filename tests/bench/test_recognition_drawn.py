"""The drawn streets of the yardstick: all of the full run can be made, and noise is a camera's."""

from __future__ import annotations

import numpy as np

from workbench.bench import recognition_drawn as drawn
from workbench.bench.recognition_passes import STREET_S, STREETS


def test_every_street_of_the_full_run_can_be_made() -> None:
    streets = list(drawn.pass_streets(STREETS, STREET_S))
    assert len(streets) == STREETS
    assert {street.view.kind for street in streets} == {"plate", "overview"}
    assert {street.view.sees for street in streets} == {"rear", "front", "both"}
    passes = [len(drawn.passes_of(drawn.truth(street), 12)) for street in streets]
    assert min(passes) >= 10


def test_a_camera_s_noise_is_even_and_elsewhere_on_every_frame() -> None:
    clean, noisy = (drawn.pass_street(0, 1.0, weather=weather) for weather in ("day", "sensor"))
    calm = drawn.still(clean, 0.0).astype(float)
    first, again = (drawn.still(noisy, 0.0).astype(float) for _ in range(2))
    assert (first == again).all()
    grain = first - calm
    assert abs(grain.mean()) < 0.6  # cut to whole levels
    assert abs(grain.std() - drawn.SENSOR_NOISE) < 0.4
    later = drawn.still(noisy, 0.1).astype(float) - drawn.still(clean, 0.1).astype(float)
    assert abs(np.corrcoef(grain.ravel(), later.ravel())[0, 1]) < 0.05
