"""Stretches of files that recognition has been through, and which of them count. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Searched:
    """A run of ticks of a segment that recognition went through, or failed on."""

    segment_sha256: str
    first_pts: int
    stop_pts: int
    model_ref: str
    failure: str = ""


def hidden_parts(spans: Sequence[Searched]) -> list[Searched]:
    """Return the parts of one segment's searched spans, oldest first, that do not count any more.

    In parts, because other settings cut a file elsewhere and no span need lie around another.

    >>> a, b = Searched("f", 0, 10, "A"), Searched("f", 4, 20, "B")
    >>> hidden_parts([a, b]), hidden_parts([a, b, Searched("f", 0, 6, "A")])[0].first_pts
    ([Searched(segment_sha256='f', first_pts=4, stop_pts=10, model_ref='A', failure='')], 6)
    """
    cuts = sorted({tick for span in spans for tick in (span.first_pts, span.stop_pts)})
    waiting = sorted(enumerate(spans), key=lambda one: -one[1].first_pts)
    here: list[tuple[int, Searched]] = []
    found: dict[str, list[Searched]] = {}
    for first, stop in pairwise(cuts):
        here = [one for one in here if one[1].stop_pts > first]
        while waiting and waiting[-1][1].first_pts <= first:
            here.append(waiting.pop())
        counts = max(here, key=lambda one: one[0])[1].model_ref if here else ""
        for ref in {span.model_ref for _, span in here} - {counts}:
            parts = found.setdefault(ref, [])
            if parts and parts[-1].stop_pts == first:
                first_of = parts.pop()
                parts.append(replace(first_of, stop_pts=stop))
            else:
                parts.append(Searched(spans[0].segment_sha256, first, stop, ref))
    return [part for ref in sorted(found) for part in found[ref]]
