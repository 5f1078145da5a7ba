"""Onset on recognised boxes: what is drawn of a crossing is what happened there, and counts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from workbench.bench import accidents_seen
from workbench.bench.accidents_seen import CLIP_S, Clip, clips_of, true_boxes
from workbench.bench.accidents_traffic import Crossing
from workbench.collisions.onset import onsets

HIT_S = 50.0
STOPS = 4  # a seed whose rider stops at the touch


def ridden(name: str, kind: str, x: np.ndarray, y: float, *, heading: float = 0.0) -> pd.DataFrame:
    at = 20.0 + 0.1 * np.arange(len(x))
    return pd.DataFrame({
        "id": name, "kind": kind, "style": "calm", "time": at, "x": x, "y": y, "heading": heading,
        "speed": np.abs(np.gradient(x, 0.1)),
    })  # fmt: skip


def street() -> Crossing:
    """A rider comes from the west at 9 m/s and runs into a car that stands; one crosses."""
    t = 0.1 * np.arange(480)
    rider = np.minimum(-5.0 + 9.0 * (t - 30.0), 2.0)  # SUMO lets it slide on into the car
    return Crossing(
        pd.concat([
            ridden("v1", "motorcycle", rider, -1.2),
            ridden("v2", "car", np.full(480, -1.9), -1.2),
            ridden("v3", "car", np.full(480, 6.0), 0.0, heading=math.pi / 2),
            ridden("v4", "car", 60.0 - 5.0 * t, 1.5, heading=math.pi),
        ]),
        [(HIT_S, "v1", "v2"), (HIT_S, "v1", "v3"), (30.0, "v4", "v9")],
    )  # fmt: skip


@pytest.mark.parametrize("back", [False, True])
def test_who_rides_along_the_street_is_drawn_as_it_rode_and_stops_where_it_touched(back):
    (clip,) = [one for one in clips_of(street(), STOPS, back=back, most=4) if one.hit_s]
    assert clip.after == ("stops",)
    assert clip.pairs == (("v1", "v2"),)  # who crosses is not drawn, nor any collision with it
    (at,) = clip.hit_s
    assert 8 <= at <= CLIP_S - 8
    passes = {one.vehicle_id.split("#")[0]: one for one in clip.scenario.passes}
    assert set(passes) == {"v1", "v2", "v4"}
    assert {one: clip.scenario.vehicles[passes[one].vehicle_id].kind for one in passes} == {
        "v1": "motorcycle", "v2": "car", "v4": "car",
    }  # fmt: skip
    rider = passes["v1"]
    # a camera that looks east sees who rides east go away, at its right; one that looks west
    # sees it come, at its left
    assert rider.direction == ("towards" if back else "away")
    assert (rider.x_m(at) > 0) is not back
    assert passes["v4"].direction == ("away" if back else "towards")
    assert abs(rider.y_m(at - 1) - rider.y_m(at)) == pytest.approx(9.0, abs=0.6)
    assert rider.y_m(at + 5) == pytest.approx(rider.y_m(at), abs=0.5)
    assert rider.speed_at(at + 5) == 0.0
    assert clip.scenario.duration_s == CLIP_S


def test_the_moment_is_marked_among_the_boxes_that_are_drawn():
    clip = next(one for one in clips_of(street(), STOPS, back=False, most=4) if one.hit_s)
    (first, *_) = onsets(true_boxes(clip.scenario))
    assert first.at_s == pytest.approx(clip.hit_s[0], abs=1.0)
    assert {one.split("#")[0] for one in first.names} == {"v1", "v2"}


def test_an_ordinary_clip_keeps_away_from_every_collision_drawn_or_not():
    rows = pd.concat([street().rows, ridden("v5", "car", 60.0 - 0.1 * np.arange(3000), 1.5)])
    crossing = Crossing(rows, street().collisions)
    calm = [one for one in clips_of(crossing, 3, back=False, most=4) if not one.hit_s]
    # not from 60 s on: the ten seconds before would begin with the collision at 50 s
    assert [20.0 - clip.scenario.passes[-1].t_s[0] for clip in calm] == pytest.approx([90.0, 120.0])


def judged(hit: bool, after: str, both: bool, **off_s: float | None) -> dict:
    """Return how a clip was marked by each finder: how far off, None where it was not."""
    row = {"hit": hit, "after": after, "both": both}
    for name in accidents_seen.FINDERS:
        off = off_s.get(name)
        row |= {f"{name}_marked": name in off_s, f"{name}_off_s": math.nan if off is None else off}
    return row


def test_marks_are_counted_by_each_finder_and_by_what_happened_then(monkeypatch):
    def clips(given):
        assert given == []
        yield judged(True, "stops", False, true=0.4, seen=7.0, points=0.2, either=0.2)
        yield judged(True, "slides", True, true=0.2)
        yield judged(False, "", False, seen=None, either=None)

    monkeypatch.setattr(accidents_seen, "_judged", clips)
    monkeypatch.setattr(accidents_seen, "simulate_crossing", lambda *_given, **_kept: street())
    monkeypatch.setattr(accidents_seen, "clips_of", lambda *_given, **_kept: iter(()))
    told = accidents_seen.seen_figures([7])
    assert told["collision"] == {
        "clips": 4,
        "true boxes": {"marked": 4, "within_1_s": 4, "off_s": [0.2, 0.2, 0.4, 0.4]},
        "seen boxes": {"marked": 2, "within_1_s": 0, "off_s": [7.0, 7.0]},
        "points": {"marked": 2, "within_1_s": 2, "off_s": [0.2, 0.2]},
        "either": {"marked": 2, "within_1_s": 2, "off_s": [0.2, 0.2]},
        "both_passes_seen": 2,
    }
    assert told["after"]["stops"] == {
        "clips": 2, "true boxes": 2, "seen boxes": 0, "points": 2, "either": 2,
    }  # fmt: skip
    assert told["ordinary"]["clips"] == 2
    assert told["ordinary"]["true boxes"]["marked"] == 0
    assert told["ordinary"]["points"] == {"marked": 0, "at_most_95": 0.776}
    assert told["ordinary"]["seen boxes"] == {"marked": 2, "at_most_95": 1.0}


def test_what_happens_after_the_touch_is_drawn_by_lot_and_said():
    rng_kinds = set()
    for seed in range(12):
        (clip,) = [one for one in clips_of(street(), seed, back=False, most=4) if one.hit_s]
        (kind,) = clip.after
        rng_kinds.add(kind)
        (at,) = clip.hit_s
        rider, car = (
            next(p for p in clip.scenario.passes if p.vehicle_id.startswith(name))
            for name in ("v1", "v2")
        )
        gone = abs(rider.y_m(at + 2.5) - rider.y_m(at))
        knocked = abs(car.y_m(at + 2.5) - car.y_m(at))
        aside = abs(rider.x_m(at + 2.5) - rider.x_m(at))
        assert (knocked > 0.5) is (kind in {"slides", "pushes"}), kind
        assert (aside > 0.3) is (kind in {"deflected", "drives on"}), kind
        assert (gone > 5) is (kind == "drives on"), (kind, gone)
        assert gone < 0.01 or kind != "stops", kind
    assert rng_kinds == set(accidents_seen.AFTER)


def test_a_clip_without_a_collision_has_no_two_that_collided():
    assert not accidents_seen._both(None, Clip(None, ()), [], 0)
