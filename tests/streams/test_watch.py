from __future__ import annotations

import pytest

from workbench.streams import CHECK_S, Topology, Watch
from workbench.streams import watch as watch_module
from workbench.streams.messages import Beat, Looked, Lost
from workbench.streams.watch import STEADY_S, WAIT_S
from workbench.timeline import SECOND_NS


@pytest.mark.parametrize(("looks", "every_s"), [(False, WAIT_S), (True, CHECK_S)])
def test_checks_are_due_by_a_clock_that_nobody_sets(looks, every_s):
    watch = Watch(["C1", "C2"], Topology.of([], []), {}, start_s=100.0)
    wall_ns, steady_s, checks = 10**18, 100.0, []
    for turn in range(120):
        wall_ns += SECOND_NS
        steady_s += 1.0
        if turn == 40:
            wall_ns += 3600 * SECOND_NS
        elif turn == 70:
            wall_ns -= 7200 * SECOND_NS
        for camera in ("C1", "C2"):
            watch.hear(camera, Beat(wall_ns, 12, 1000, "f"), steady_s)
            if looks and turn % CHECK_S == 0:
                watch.hear(camera, Looked(wall_ns, (180, 320), bytes([turn]) * 180 * 320), steady_s)
        checks += watch.due(wall_ns, steady_s)
    for camera in ("C1", "C2"):
        mine = [check for check in checks if check.camera_id == camera]
        assert len(mine) == pytest.approx(120 / every_s, abs=2)
        assert {round(check.fps) for check in mine} <= {12, 13, 14, 15, 16}


def test_a_loss_is_checked_at_once_and_a_folder_only_while_it_is_gone():
    watch = Watch(["C1"], Topology.of([], []), {}, start_s=0.0)
    watch.hear("C1", Beat(1, 12, 1000, "f"), 0.0)
    assert watch.due(2, 0.1) == []
    watch.hear("C1", Lost("stalled", "", 3), 0.2)
    (check,) = watch.due(4, 0.2)
    assert (check.connected, check.cause) == (False, "stalled")
    assert watch.due(5, 0.3) == []
    watch.hear("C1", Beat(6, 0, 0, "", live=False), 0.3)
    assert watch.due(7, 100.0) == []
    watch.hear("C1", Lost("unreachable", "", 8), 100.0)
    assert len(watch.due(9, 100.1)) == 1


@pytest.mark.parametrize("leap_s", [0, -3600, 3600])
def test_a_camera_is_back_and_a_neighbour_well_whatever_the_clock_says(monkeypatch, leap_s):
    well = []
    monkeypatch.setattr(watch_module, "explain", lambda *told: well.append(told[2]))
    watch = Watch(["C1", "C2"], Topology.of([], []), {}, start_s=100.0)
    wall_ns = 10**18
    watch.hear("C2", Beat(wall_ns, 12, 1000, "f"), 100.0)
    watch.hear("C1", Lost("unreachable", "", wall_ns), 101.0)
    wall_ns += leap_s * SECOND_NS
    well_ns = wall_ns + SECOND_NS
    over, seconds = [], 0
    while not over:
        seconds += 1
        wall_ns += SECOND_NS
        watch.hear("C2", Beat(wall_ns, 12, 1000, "f"), 101.0 + seconds)
        watch.hear("C1", Beat(wall_ns, 12, 1000, "f"), 101.0 + seconds)
        watch.explained(101.0 + seconds)
        over = watch.over()
        assert seconds < 10
    assert STEADY_S <= seconds <= STEADY_S + 1
    ((kind, incident),) = over
    assert (kind, incident.closed_ns) == ("lost", well_ns)
    assert well
    assert all("C2" in one for one in well)
