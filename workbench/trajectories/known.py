"""The plates of a run, and what else than its own a read may have been of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from workbench.trajectories import signs
from workbench.trajectories.beliefs import Believed
from workbench.trajectories.travel import NO_WAY_S

SLACK_S = 2.0
"""A pass is told by its best frame, a second or so from the camera's place on the road."""
MOST_WRONG = 2
_NEAR_PRIOR = 20.0
_READ_ONCE = 0.3
"""What a plate that was read once counts among the plates there are: it may itself be a misread."""

Floats = NDArray[np.float64]


def least_s(believed: Believed, factor: float) -> Floats:
    """Return the seconds of the quickest rides by camera; 0 where no way by road is known."""
    fastest = believed.travel_model.fastest_s
    return np.where(fastest >= NO_WAY_S, 0.0, fastest / factor)


class Known:
    """The plates that were read, one a chain: what else a read could have been."""

    def __init__(self, believed: Believed, chains: Sequence[Sequence[int]], factor: float) -> None:
        self.chains = chains
        self._reads, self._share = believed.reads, believed.sign_model.share
        self._least = least_s(believed, factor)
        read = [Counter(str(self._reads.text[row]) for row in chain) for chain in chains]
        self.text = [min(c, key=lambda text: (-c[text], text)) for c in read]
        self.times = np.array([c[t] for c, t in zip(read, self.text, strict=True)])
        self.codes = signs.encode(self.text).top

    def near_share(self) -> float:
        """Return how many plates have another one sign off, among those read alike twice."""
        texts = {text for text, times in zip(self.text, self.times, strict=True) if times >= 2}
        left_out: dict[tuple[int, str], set[str]] = defaultdict(set)
        for text in texts:
            for at in range(len(text)):
                left_out[at, text[:at] + text[at + 1 :]].add(text)
        twins = {text for group in left_out.values() if len(group) > 1 for text in group}
        return (len(twins) + 0.05 * _NEAR_PRIOR) / (len(texts) + _NEAR_PRIOR)

    def log_misread(self, ratio: Floats, read: int, but: tuple[int, int], plate: int) -> float:
        """Return the log weight of a read being of another known plate that it may have come from.

        ``ratio`` [slot, sign] is what is believed of it; chain `plate` is what it is taken for.
        """
        here, slots = self.codes[plate], np.arange(signs.SLOTS)
        differ = (self.codes != here) & (self.codes != signs.OPEN) & (here != signs.OPEN)
        close = np.flatnonzero((differ.sum(1) > 0) & (differ.sum(1) <= MOST_WRONG))
        total = 1e-12
        for number in close.tolist():
            if number in but or not self._drivable(read, self.chains[number]):
                continue
            code = self.codes[number]
            seen = code != signs.OPEN
            worth = 1.0 if self.times[number] >= 2 else _READ_ONCE
            total += worth * float(np.prod(ratio[slots[seen], code[seen]]))
        return log(total)

    def _drivable(self, read: int, chain: Sequence[int]) -> bool:
        """Return whether one vehicle can have made a read beside all of a chain."""
        reads, rows = self._reads, np.asarray(chain, np.int64)
        apart = np.abs(reads.time_s[rows] - reads.time_s[read])
        a, b = reads.camera[rows], np.full(len(rows), reads.camera[read])
        least = np.minimum(self._least[a, b], self._least[b, a])
        margin = SLACK_S + 3.0 * np.hypot(reads.sigma_s[rows], reads.sigma_s[read])
        return bool((apart + margin >= least).all())
