"""What was not recorded, and why: the complement of coverage, explained by losses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from workbench.records import Gap, Loss
from workbench.timeline import SECOND_NS, Span, gaps, union

JOIN_S = 0.2
"""Footage this close together is whole: a frame's length is not a gap, nor is a late packet."""
WORD_S = 1.5
"""How old the last word of a killed recorder may be."""
BEFORE_S = 10.0
"""A loss is noticed so much before the footage ends (clocks are corrected) or after."""

SWITCH_S = 10.0
"""A change of address costs no more: a new stream is opened, and its first key frame waited for."""
_LEAP = re.compile(r"set by ([+-]\d+\.\d) s")


def clock_set(step_ns: int) -> str:
    """Return the detail of a loss "clock": :func:`derive_gaps` reads the leap from it.

    >>> clock_set(90 * SECOND_NS)
    "the recorder's clock was set by +90.0 s"
    """
    return f"the recorder's clock was set by {step_ns / SECOND_NS:+.1f} s"


def _most_s(loss: Loss) -> float | None:
    """Return how long a gap may be that an act of the recorder left; None: it was no such act."""
    if loss.cause == "switched":
        return SWITCH_S
    if loss.cause == "clock":
        leap = _LEAP.search(loss.detail)
        return float(leap[1]) + WORD_S if leap else 0.0
    return None


def _explaining(gap: Span, losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """Return the losses of a gap, the cause first.

    An act of the recorder itself costs seconds, at once: it explains no outage that came after it,
    and none that has a cause of its own.
    """
    real, acts = [], []
    for loss in losses:
        most_s = _most_s(loss)
        if most_s is None:
            real.append(loss)
        elif (
            abs(loss.at_ns - gap.start_ns) <= WORD_S * SECOND_NS
            and gap.duration_ns <= most_s * SECOND_NS
        ):
            acts.append(loss)
    return (*real, *acts)


def derive_gaps(
    camera_id: str, covered: Iterable[Span], losses: Sequence[Loss], within: Span
) -> list[Gap]:
    """Return the gaps of one camera inside `within`, oldest first.

    Parameters
    ----------
    covered
        Corrected spans of its recorded files, in any order.
    losses
        The camera's losses, oldest first.
    within
        What should have been recorded.

    >>> lost = [Loss("C1", 10 * SECOND_NS, "stalled", "")]
    >>> spans = [Span(0, 9 * SECOND_NS), Span(20 * SECOND_NS, 30 * SECOND_NS)]
    >>> [(g.span.duration_ns // SECOND_NS, g.cause)
    ...  for g in derive_gaps("C1", spans, lost, Span(0, 30 * SECOND_NS))]
    [(11, 'stalled')]
    """
    whole = union(covered, join_ns=round(JOIN_S * SECOND_NS))
    found = []
    # An outage that began before the window has its cause there.
    since_ns = max(
        (span.stop_ns for span in whole if span.stop_ns <= within.start_ns),
        default=within.start_ns,
    )
    for gap in gaps(whole, Span(since_ns, within.stop_ns)):
        inside = gap.overlap(within)
        if inside is None or gap.duration_ns <= JOIN_S * SECOND_NS:
            continue
        first_ns = gap.start_ns - round(BEFORE_S * SECOND_NS)
        # footage in between: an earlier gap's loss does not explain this one
        # (a recorder's last word may be a little older than the last file it began)
        earlier = [span.start_ns for span in whole if span.stop_ns <= gap.start_ns]
        first_ns = max([first_ns, *(at - round(WORD_S * SECOND_NS) for at in earlier[-1:])])
        told = (loss for loss in losses if first_ns <= loss.at_ns < gap.stop_ns)
        found.append(Gap(camera_id, inside, _explaining(gap, told)))
    return found
