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
        self.now_ns = START
        self.steering = Steering({"C1": jobs(*sources)}, {}, START)
        self.asked = []

    def hear(self, told):
        return self.steering.hear("C1", told)

    def beat(self):
        return self.hear(Beat(self.now_ns, 12, 1000, "f"))

    def second(self):
        self.now_ns += SECOND_NS
        found = [job.source for job in self.steering.turn(self.now_ns, {})]
        self.asked += [(self.now_ns, source) for source in found]
        return found

    def on_stand_in(self):
        while not self.second():
            self.hear(Lost("unreachable", "", self.now_ns))
        self.hear(Switched("sub", "main", self.now_ns, beside=False))
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
        told.hear(Lost("killed", "", told.now_ns))
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
    told.hear(TrialFailed("main", "stalled", "", told.now_ns))
    assert told.steering.stands_in("C1")


def test_the_recorder_gives_a_trial_up_before_it_counts_as_forgotten():
    assert SETTINGS.trial_s > TRIAL_S
