"""Which cameras lose footage when recognition cannot keep up: the least important first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BOUND_S = 4.0
"""Footage of one camera that may wait before something is left out, seconds: what is late by more
helps nobody who watches now, and the archive can be searched for it any time."""


def to_shed(
    waiting_s: Mapping[str, float], priority: Sequence[str], bound_s: float = BOUND_S
) -> list[str]:
    """Return the cameras whose waiting footage is left out now, the least important first.

    A camera with more than `bound_s` waiting costs all those below it what they have waiting. It
    loses its own only when nothing of a lower one waits: at once where none is lower, else at
    twice the bound, so that what was left out below has time to help.

    Parameters
    ----------
    waiting_s
        Footage of each camera that no worker has taken yet, seconds.
    priority
        The cameras that share a worker, the most important first.

    >>> to_shed({"A": 5, "B": 3, "C": 1}, ["A", "B", "C"])
    ['C', 'B']
    >>> to_shed({"A": 5}, ["A", "B", "C"]), to_shed({"A": 9}, ["A", "B", "C"])
    ([], ['A'])
    >>> to_shed({"A": 3, "C": 5}, ["A", "B", "C"])
    ['C']
    """
    for place, camera in enumerate(priority):
        if waiting_s.get(camera, 0.0) <= bound_s:
            continue
        below = [one for one in priority[place + 1 :] if waiting_s.get(one, 0.0) > 0]
        if below:
            return below[::-1]
        lowest = place == len(priority) - 1
        return [camera] if lowest or waiting_s[camera] > 2 * bound_s else []
    return []
