"""What a recording says of its camera's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from workbench.records import Segment
from workbench.streams.messages import SegmentTold
from workbench.timeline import SECOND_NS, ClockFix, Span

ARRIVAL_SIGMA_S = 0.2
"""What the network and the camera's encoder may add to the time of a packet's arrival."""
RECOVERED_SIGMA_S = 0.5
FILE_SIGMA_S = 2.0
"""What lies between the end of a clip and the last change of its file, as other systems write."""
RTCP_SIGMA_S = 0.05
RTCP_TRUST_S = 2.0
"""A camera whose clock is farther from ours is wrong: the centre keeps time by NTP."""
HOLDS_NS = 86_400 * SECOND_NS
_NOTES = {
    "stream": "arrival at the recorder",
    "arrival": "arrival of each frame at the recorder: the stream has no times",
    "last change": "the last change of the file, which another system wrote",
}


def clock_fixes(told: SegmentTold, segment: Segment) -> list[ClockFix]:
    """Return what a recording says of its clock, the one to be believed last.

    Its stamps are our own time of arrival. A camera's sender reports are finer as long as its clock
    agrees with ours; a camera whose clock is wrong is kept in the history and not believed.
    """
    sigma_s = RECOVERED_SIGMA_S if told.recovered else ARRIVAL_SIGMA_S
    if told.stamps == "last change":
        sigma_s = FILE_SIGMA_S
    # What holds for one file holds for a day, unless told otherwise: a row a file were millions.
    start_ns = segment.stamped.start_ns
    valid = segment.stamped if told.recovered else Span(start_ns, start_ns + HOLDS_NS)
    arrival = ClockFix(
        told.camera_id,
        valid,
        0,
        round(sigma_s * SECOND_NS),
        "ntp",
        note=_NOTES[told.stamps],
    )
    if told.rtcp_offset_ns is None:
        return [arrival]
    reports = ClockFix(
        told.camera_id,
        valid,
        told.rtcp_offset_ns,
        round(RTCP_SIGMA_S * SECOND_NS),
        "rtcp",
        note="the camera's sender reports",
    )
    trusted = abs(told.rtcp_offset_ns) <= RTCP_TRUST_S * SECOND_NS
    return [arrival, reports] if trusted else [reports, arrival]


def new_fixes(told: SegmentTold, segment: Segment, known: Sequence[ClockFix]) -> list[ClockFix]:
    """Return the fixes of a recording that say something new: none where those in force agree."""
    found = clock_fixes(told, segment)
    stamped, best = segment.stamped, found[-1]
    force = next((fix for fix in reversed(known) if stamped.start_ns in fix.valid), None)
    if force is not None and stamped.stop_ns <= force.valid.stop_ns:
        if force.method not in ("ntp", "rtcp"):
            return []  # a person's word, or what the pictures show, stands
        alike = abs(force.offset_ns - best.offset_ns) <= best.sigma_ns
        if alike and force.method == best.method and not told.recovered:
            return []
    if any(fix.valid.start_ns > stamped.start_ns for fix in known):
        # taken late: what was found of later files is not to be overtaken
        found = [replace(fix, valid=stamped) for fix in found]
    return found
