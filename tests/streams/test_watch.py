from __future__ import annotations

from workbench.streams import CHECK_S, Topology, Watch
from workbench.streams.messages import Beat, Looked, Lost
from workbench.timeline import SECOND_NS


def test_checks_are_due_by_a_clock_that_nobody_sets():
    watch = Watch(["C1", "C2"], Topology.of([], []), {}, start_s=100.0)
    wall_ns, steady_s, checks = 10**18, 100.0, []
    for turn in range(100):
        wall_ns += SECOND_NS
        steady_s += 1.0
        if turn == 40:
            wall_ns += 3600 * SECOND_NS
        elif turn == 70:
            wall_ns -= 7200 * SECOND_NS
        for camera in ("C1", "C2"):
            watch.hear(camera, Beat(wall_ns, 12, 1000, "f"))
        checks += watch.due(wall_ns, steady_s)
    for camera in ("C1", "C2"):
        mine = [check for check in checks if check.camera_id == camera]
        assert abs(len(mine) - 100 / CHECK_S) <= 2
        assert {round(check.fps) for check in mine} <= {12, 13, 14, 15, 16}
        assert all(check.faults == () for check in mine)
