"""Which address is recorded, word by word: no recorder, no network."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from workbench.monitoring.steering import Steering
from workbench.streams.address import StreamAddress
from workbench.streams.messages import Beat, CaptureJob, Lost, Switched, TrialFailed
from workbench.streams.recorder import TRIAL_S
from workbench.streams.responses import SETTINGS
from workbench.timeline import SECOND_NS

START = 1_000 * SECOND_NS


def jobs(*sources):
    return {
        source: CaptureJob(
            "C1", StreamAddress(f"rtsp://127.0.0.1/{source}"), Path("/x"), source=source
        )
        for source in sources
    }


class Told:
    """Second by second: what the recorder tells of one camera, and what it is asked for."""

    def __init__(self, *sources):
        self.now_ns, self.set_by_ns = START, 0
        self.steering = Steering({"C1": jobs(*sources)}, {}, START)
        self.asked = []

    def hear(self, told):
        return self.steering.hear("C1", told, self.now_ns)

    @property
    def wall_ns(self):
        return 10**18 + self.now_ns + self.set_by_ns

    def beat(self):
        return self.hear(Beat(self.wall_ns, 12, 1000, "f"))

    def second(self):
        self.now_ns += SECOND_NS
        found = [job.source for job in self.steering.turn(self.now_ns)]
        self.asked += [(self.now_ns, source) for source in found]
        return found

    def on_stand_in(self):
        while not self.second():
            self.hear(Lost("unreachable", "", self.wall_ns))
        self.hear(Switched("sub", "main", self.wall_ns, beside=False))
        self.beat()
        self.asked.clear()
        return self


@pytest.mark.parametrize("ended", ["never", "recorder killed"])
def test_a_trial_that_nobody_ended_is_followed_by_others(ended):
    told = Told("main", "sub").on_stand_in()
    while not told.asked:
        told.second()
        told.beat()
    if ended == "recorder killed":
        told.hear(Lost("killed", "", told.wall_ns))
        told.beat()
    for _ in range(600):
        told.second()
        told.beat()
    at_s = [(at - START) / SECOND_NS for at, _ in told.asked]
    assert len(at_s) >= 4  # it was one: every later turn had "just waited"
    waits = [b - a for a, b in pairwise(at_s)]
    assert waits == sorted(waits)  # and it is asked less and less often
    if ended == "recorder killed":
        assert waits[0] < SETTINGS.trial_s
    told.hear(TrialFailed("main", "stalled", "", told.wall_ns))
    assert told.steering.stands_in("C1")


@pytest.mark.parametrize("leap_s", [0, -3600, 3600])
def test_a_clock_that_is_set_delays_and_hastens_nothing(leap_s):
    told = Told("main", "sub")
    told.beat()
    for _ in range(60):
        assert told.second() == []
        told.beat()
    told.set_by_ns = leap_s * SECOND_NS
    lost_ns = told.now_ns
    while not told.second():
        told.hear(Lost("stalled", "", told.wall_ns))
    assert told.now_ns - lost_ns <= SETTINGS.lost_s * SECOND_NS
    told.hear(Switched("sub", "main", told.wall_ns, beside=False))
    deed = told.beat()
    assert deed.at_ns == deed.loss.at_ns == told.wall_ns  # what is written is UTC
    began_ns = told.now_ns
    while not told.second():
        told.beat()
    assert (told.now_ns - began_ns) / SECOND_NS == SETTINGS.probe_s


def test_the_recorder_gives_a_trial_up_before_it_counts_as_forgotten():
    assert SETTINGS.trial_s > TRIAL_S
