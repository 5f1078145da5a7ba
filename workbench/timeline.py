"""Time without surprises: UTC nanoseconds, half-open spans, PTS to UTC, clock fixes, gaps.

Three clocks are never mixed: ``pts`` (ticks of a file), ``stamped_ns`` (what the camera claimed)
and ``utc_ns`` (corrected, with a sigma). Everything is integer arithmetic until it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from typing import Literal, NewType

from workbench.errors import N_, BadInput

UtcNs = NewType("UtcNs", int)
"""Nanoseconds since 1970-01-01T00:00:00Z."""

SECOND_NS = 1_000_000_000
VIET_NAM = timezone(timedelta(hours=7))
"""Local time here: one offset, no summer time."""
AHEAD_NS = SECOND_NS
"""So far ahead of the clock may lie what was just now; more means that the clock was set back."""
UNFIXED_SIGMA_NS = 30 * SECOND_NS
"""Standard deviation assumed for a camera clock that nobody has stated or measured."""

ClockMethod = Literal["ntp", "rtcp", "overlay", "operator", "matched"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open interval ``[start_ns, stop_ns)`` of UTC or stamped nanoseconds.

    >>> Span(0, 10).overlap(Span(10, 20)) is None
    True
    """

    start_ns: int
    stop_ns: int

    def __post_init__(self) -> None:
        if self.stop_ns < self.start_ns:
            raise BadInput(
                N_("the period ends before it starts ({start} > {stop})"),
                N_("give an end later than the start"),
                start=format_utc(self.start_ns),
                stop=format_utc(self.stop_ns),
            )

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds."""
        return self.stop_ns - self.start_ns

    def __contains__(self, t_ns: int) -> bool:
        return self.start_ns <= t_ns < self.stop_ns

    def overlap(self, other: Span) -> Span | None:
        """Return the common part of two spans, or None where they share no instant."""
        start, stop = max(self.start_ns, other.start_ns), min(self.stop_ns, other.stop_ns)
        return Span(start, stop) if start < stop else None


@dataclass(frozen=True, slots=True)
class ClockFix:
    """What is known of a camera's clock while ``valid`` (a span of stamped time).

    ``offset_ns`` is added to stamped time to get UTC; ``drift_ppb`` grows it from ``valid``'s
    start on; ``sigma_ns`` is one standard deviation of the result.
    """

    camera_id: str
    valid: Span
    offset_ns: int
    sigma_ns: int
    method: ClockMethod
    drift_ppb: int = 0
    note: str = ""

    def to_utc(self, stamped_ns: int) -> UtcNs:
        """Return corrected UTC of a stamped instant.

        >>> ClockFix("C1", Span(0, 10**18), -2 * SECOND_NS, SECOND_NS, "operator").to_utc(5 * 10**9)
        3000000000
        """
        drift_ns = (stamped_ns - self.valid.start_ns) * self.drift_ppb // SECOND_NS
        return UtcNs(stamped_ns + self.offset_ns + drift_ns)


def correct(stamped_ns: int, fixes: Sequence[ClockFix]) -> tuple[UtcNs, int]:
    """Return ``(utc_ns, sigma_ns)`` of a stamped instant under the newest fix that covers it.

    `fixes` are one camera's, oldest first: a later entry replaces an earlier one where both are
    valid. With none, the stamp is believed with :data:`UNFIXED_SIGMA_NS`.

    >>> correct(7, [])
    (7, 30000000000)
    """
    for fix in reversed(fixes):
        if stamped_ns in fix.valid:
            return fix.to_utc(stamped_ns), fix.sigma_ns
    return UtcNs(stamped_ns), UNFIXED_SIGMA_NS


def correct_span(stamped: Span, fixes: Sequence[ClockFix]) -> Span:
    """Return the least span that holds every instant of a span of stamped time, corrected.

    Within one fix correction keeps order, so the ends of the pieces tell; where fixes meet inside
    the span it may jump either way, and the pieces may lie in another order than they were stamped.

    >>> early = ClockFix("C1", Span(0, 5), 100, 0, "operator")
    >>> correct_span(Span(0, 10), [early])
    Span(start_ns=5, stop_ns=105)
    """
    if not stamped.duration_ns:
        at, _ = correct(stamped.start_ns, fixes)
        return Span(at, at)
    cuts = {stamped.start_ns, stamped.stop_ns}
    for fix in fixes:
        cuts |= {t for t in (fix.valid.start_ns, fix.valid.stop_ns) if t in stamped}
    ends = [correct(t, fixes)[0] for t in cuts - {stamped.stop_ns}]
    ends += [correct(t - 1, fixes)[0] for t in cuts - {stamped.start_ns}]
    return Span(min(ends), max(ends) + 1)


def in_force(stamped: Span, fixes: Sequence[ClockFix]) -> list[tuple[Span, ClockFix | None]]:
    """Return the parts of a span of stamped time with the fix in force in each, None where none is.

    `fixes` are one camera's, oldest first: the newest that covers an instant is in force there.

    >>> early = ClockFix("C1", Span(0, 5), 100, 0, "operator")
    >>> [(part.stop_ns, fix == early) for part, fix in in_force(Span(0, 10), [early])]
    [(5, True), (10, False)]
    """
    cuts = {stamped.start_ns, stamped.stop_ns}
    for fix in fixes:
        cuts |= {t for t in (fix.valid.start_ns, fix.valid.stop_ns) if t in stamped}
    found: list[tuple[Span, ClockFix | None]] = []
    for start_ns, stop_ns in pairwise(sorted(cuts)):
        fix_here = next((fix for fix in reversed(fixes) if start_ns in fix.valid), None)
        if found and found[-1][1] == fix_here:
            start_ns = found.pop()[0].start_ns
        found.append((Span(start_ns, stop_ns), fix_here))
    return found


def stamped_spans(span: Span, fixes: Sequence[ClockFix]) -> list[Span]:
    """Return spans of stamped time that hold whatever may lie in a span of UTC, sorted and merged.

    It is never too little: every stamped instant that :func:`correct` puts into `span` lies in one
    of them. It may be more, because an older fix counts although a newer one replaced it.

    >>> late = ClockFix("C1", Span(0, 1000), -100, 0, "operator")
    >>> stamped_spans(Span(200, 210), [late])
    [Span(start_ns=200, stop_ns=210), Span(start_ns=298, stop_ns=312)]
    """
    found = [span]
    for fix in fixes:
        origin_ns, rate = fix.valid.start_ns, SECOND_NS + fix.drift_ppb
        if rate <= 0:  # such a clock runs backwards: no order to go by
            found.append(fix.valid)
            continue
        start, stop = (
            origin_ns + (bound_ns - fix.offset_ns - origin_ns) * SECOND_NS // rate
            for bound_ns in (span.start_ns, span.stop_ns)
        )
        inside = Span(start - 2, stop + 2).overlap(fix.valid)
        if inside is not None:
            found.append(inside)
    return union(found)


def is_recent(at_ns: int, now_ns: int, hold_s: float) -> bool:
    """Return whether something is at most `hold_s` old, and not of a time that is still to come.

    Of the future is what was stamped before the clock was set back: nobody knows how old it is.

    >>> is_recent(0, 3 * SECOND_NS, 3.0), is_recent(0, 4 * SECOND_NS, 3.0)
    (True, False)
    >>> is_recent(SECOND_NS, 0, 3.0), is_recent(2 * SECOND_NS, 0, 3.0)
    (True, False)
    """
    return -AHEAD_NS <= now_ns - at_ns <= hold_s * SECOND_NS


def pts_to_ns(pts: int, tick_s: Fraction) -> int:
    """Return the nanoseconds of `pts` ticks of `tick_s` seconds, rounded down.

    Python integers, so a PTS of days at 90 kHz does not overflow as ``int64`` would.

    >>> pts_to_ns(3003, Fraction(1, 90_000))
    33366666
    """
    return pts * tick_s.numerator * SECOND_NS // tick_s.denominator


def ns_to_pts(ns: int, tick_s: Fraction) -> int:
    """Return the first tick at or after `ns`: the least p with ``pts_to_ns(p) >= ns``.

    >>> ns_to_pts(33366666, Fraction(1, 90_000))
    3003
    """
    # floor(p * n / d) >= ns  <=>  p * n / d >= ns for integer ns
    return -((-ns * tick_s.denominator) // (tick_s.numerator * SECOND_NS))


def union(spans: Iterable[Span], *, join_ns: int = 0) -> list[Span]:
    """Return the spans sorted and merged; those at most `join_ns` apart become one.

    >>> union([Span(5, 9), Span(0, 5), Span(20, 30)])
    [Span(start_ns=0, stop_ns=9), Span(start_ns=20, stop_ns=30)]
    """
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start_ns <= merged[-1].stop_ns + join_ns:
            merged[-1] = Span(merged[-1].start_ns, max(merged[-1].stop_ns, span.stop_ns))
        else:
            merged.append(span)
    return merged


def local_text(ns: int) -> str:
    """Return an instant as people here write it, to the second.

    >>> local_text(0)
    '01/01/1970 07:00:00'
    """
    return datetime.fromtimestamp(ns // SECOND_NS, VIET_NAM).strftime("%d/%m/%Y %H:%M:%S")


def gaps(covered: Iterable[Span], within: Span) -> list[Span]:
    """Return the parts of `within` that no span covers.

    >>> gaps([Span(2, 4)], Span(0, 10))
    [Span(start_ns=0, stop_ns=2), Span(start_ns=4, stop_ns=10)]
    """
    found, cursor = [], within.start_ns
    for span in union(covered):
        if span.start_ns > cursor and cursor < within.stop_ns:
            found.append(Span(cursor, min(span.start_ns, within.stop_ns)))
        cursor = max(cursor, span.stop_ns)
    if cursor < within.stop_ns:
        found.append(Span(cursor, within.stop_ns))
    return found


def parse_instant(text: str, *, where: str = "") -> UtcNs:
    """Return UTC nanoseconds of an ISO 8601 date-time that names its offset.

    Raises
    ------
    BadInput
        When the text is no date-time, or has no offset: a local time without one is a guess.

    >>> parse_instant("2026-11-20T07:15:00+07:00")
    1795133700000000000
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            N_("'{text}' is not a date and time"),
            N_("write it like 2026-11-20T07:15:00+07:00"),
            where=where,
            text=text,
        ) from None
    if at.tzinfo is None:
        raise BadInput(
            N_("'{text}' does not say which time zone it is in"),
            N_("write the offset too, like 2026-11-20T07:15:00+07:00"),
            where=where,
            text=text,
        )
    delta = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return UtcNs((delta.days * 86_400 + delta.seconds) * SECOND_NS + delta.microseconds * 1_000)


def format_utc(ns: int) -> str:
    """Return ISO 8601 in UTC to the millisecond, rounded down.

    >>> format_utc(1795133700123456789)
    '2026-11-20T00:15:00.123Z'
    """
    seconds, rest = divmod(ns, SECOND_NS)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{rest // 1_000_000:03d}Z"
