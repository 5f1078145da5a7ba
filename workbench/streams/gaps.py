"""What was not recorded, and why: the complement of coverage, explained by losses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.records import Gap, Loss
from workbench.timeline import SECOND_NS, Span, gaps, union

JOIN_S = 0.2
"""Footage this close together is whole: a frame's length is not a gap, nor is a late packet."""
WORD_S = 1.5
"""How old the last word of a killed recorder may be."""
BEFORE_S = 10.0
"""A loss is noticed so much before the footage ends (clocks are corrected) or after."""


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
        told = tuple(loss for loss in losses if first_ns <= loss.at_ns < gap.stop_ns)
        found.append(Gap(camera_id, inside, told))
    return found
