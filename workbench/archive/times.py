"""Pure: the times of many frames at once, equal to the scalar rules of ``timeline`` and records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.records import Segment
from workbench.timeline import SECOND_NS, UNFIXED_SIGMA_NS, ClockFix, Span, UtcNs, correct

_INT64_SAFE = 1 << 62


def stamped_ns(segment: Segment, pts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stamped instants of frames; ``Segment.stamped_ns`` for arrays."""
    tick_ns = segment.tick_s * SECOND_NS
    over, under = tick_ns.numerator, tick_ns.denominator
    ticks = pts - segment.first_pts
    if over * under < _INT64_SAFE:
        # floor(t * o / u) without the product that overflows int64 after 28 h at 90 kHz
        whole, rest = np.divmod(ticks, under)
        elapsed_ns = whole * over + rest * over // under
    else:
        elapsed_ns = np.array([t * over // under for t in ticks.tolist()], np.int64)
    stamped: NDArray[np.int64] = elapsed_ns + np.int64(segment.stamped_start_ns)
    return stamped


def utc_ns(
    segment: Segment, pts: NDArray[np.int64], fixes: Sequence[ClockFix]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ``(utc_ns, sigma_ns)`` of frames; ``Segment.utc`` for arrays."""
    stamped = stamped_ns(segment, pts)
    utc, sigma = stamped.copy(), np.full(len(stamped), UNFIXED_SIGMA_NS, np.int64)
    for fix in fixes:
        valid = (stamped >= fix.valid.start_ns) & (stamped < fix.valid.stop_ns)
        if valid.any():
            whole, rest = np.divmod(stamped[valid] - fix.valid.start_ns, SECOND_NS)
            drift_ns = whole * fix.drift_ppb + rest * fix.drift_ppb // SECOND_NS
            utc[valid] = stamped[valid] + fix.offset_ns + drift_ns
            sigma[valid] = fix.sigma_ns
    return utc, sigma


def utc_span(stamped: Span, fixes: Sequence[ClockFix]) -> Span:
    """Return the corrected form of a span of stamped time.

    Its end is corrected as the last instant inside: a fix that is valid just as long as the span
    does not hold for the half-open end itself.
    """
    start, _ = correct(stamped.start_ns, fixes)
    if not stamped.duration_ns:
        return Span(start, start)
    last, _ = correct(stamped.stop_ns - 1, fixes)
    return Span(start, UtcNs(max(start, last + 1)))
