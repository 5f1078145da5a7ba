"""How many links are right: for the bench, never for a decision about a vehicle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of links and what follows from them; a link is (earlier, later) consecutive pass."""

    correct: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        """Share of the predicted links that are true; 1 where none was predicted."""
        return self.correct / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the true links that were predicted; 1 where there are none."""
        return self.correct / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.predicted + self.true
        return 2 * self.correct / both if both else 1.0


def score(predicted: Iterable[tuple[str, str]], true: Iterable[tuple[str, str]]) -> Score:
    """Return the score of predicted links against the true ones; order within a link counts.

    >>> score([("a", "b"), ("b", "d")], [("a", "b"), ("b", "c"), ("c", "d")]).recall
    0.3333333333333333
    """
    guessed, known = set(predicted), set(true)
    return Score(len(guessed & known), len(guessed), len(known))


def consecutive(chains: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """Return the links of ordered chains: each two neighbours.

    >>> consecutive([["a", "b", "c"], ["d"]])
    [('a', 'b'), ('b', 'c')]
    """
    return [pair for chain in chains for pair in pairwise(chain)]
