"""Footage taken in, and what is stated or taken to be true of its clock with it."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import archive
from workbench.errors import N_, BadInput
from workbench.investigation.answers import Ingested
from workbench.records import Segment
from workbench.timeline import SECOND_NS, ClockFix, Span, in_force

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

RIGHT_SIGMA_S = 1.0
"""Standard deviation of a clock that nobody doubted when its footage was taken in."""
_RIGHT = "taken to be right at ingest"
_CARRIED = "carried on at ingest from the file that overlaps it"


def ingest(
    house: Workbench,
    path: Path,
    camera_id: str,
    start_ns: int,
    *,
    rate: Fraction | None,
    clock_offset_s: float | None,
    clock_sigma_s: float | None,
    reason: str,
) -> Ingested:
    """Take a file or a folder of footage into the archive; see :meth:`Workbench.ingest`."""
    house.camera(camera_id)
    house.allow("upkeep")
    if clock_sigma_s is not None and clock_offset_s is None:
        raise BadInput(
            N_("a sigma alone says nothing of the clock"),
            N_("give --clock-offset too, 0 where the clock is right"),
            where="--clock-sigma",
        )
    sigma_s = RIGHT_SIGMA_S if clock_sigma_s is None else clock_sigma_s
    if not sigma_s >= 0:
        raise BadInput(N_("the clock's sigma is negative"), N_("give seconds, for example 1"))
    path, store = Path(path), house._store
    before = store.segments([camera_id])
    if path.is_dir():
        taken, refused = archive.import_folder(
            store, path, camera_id=camera_id, stamped_start_ns=start_ns, rate=rate
        )
    else:
        taken, refused = (
            [
                archive.import_file(
                    store, path, camera_id=camera_id, stamped_start_ns=start_ns, rate=rate
                )
            ],
            [],
        )
    bounds = {(one.sha256, one.stamped) for one in [*before, *taken]}
    added: list[ClockFix] = []
    for segment in taken:
        known = store.clock_fixes(camera_id, segment.stamped)
        if clock_offset_s is None:
            new = _supposed(segment, known, {span for sha, span in bounds if sha != segment.sha256})
        else:
            new = _stated(segment, known, clock_offset_s, sigma_s, house.actor)
        for fix in new:
            store.add_clock_fix(fix)
        added += new
    moved = [fix for fix in added if any(one.stamped.overlap(fix.valid) for one in before)]
    if moved:  # what was there may have sightings, which move with their clock: once for all files
        store.retime(camera_id)
    for method, offset_ns, sigma_ns, note in dict.fromkeys(map(_told, moved)):
        told = {"method": method, "offset_ns": offset_ns, "sigma_ns": sigma_ns, "note": note}
        house._log("clock", camera_id, details=told)
    sentences = tuple(error.sentence() for error in refused)
    house._log(
        "ingest",
        camera_id,
        details={
            "source": path.name,
            "segments": [segment.sha256 for segment in taken],
            "refused": list(sentences),
            "reason": reason,
        },
    )
    earlier = {one.sha256 for one in before}
    return Ingested(
        tuple(taken), sentences, tuple(one.sha256 for one in taken if one.sha256 in earlier)
    )


def _told(fix: ClockFix) -> tuple[str, int, int, str]:
    return fix.method, fix.offset_ns, fix.sigma_ns, fix.note


def _stated(
    segment: Segment, known: Sequence[ClockFix], offset_s: float, sigma_s: float, actor: str
) -> list[ClockFix]:
    """Return the fix that states a clock for a file, none where just that is in force all over."""
    fix = ClockFix(
        segment.camera_id,
        segment.stamped,
        round(offset_s * SECOND_NS),
        round(sigma_s * SECOND_NS),
        "operator",
        note=f"stated at ingest by {actor}",
    )
    # the newest statement holds: what was stated once and taken back since is stated anew
    parts = in_force(segment.stamped, known)
    same = all(
        now is not None and not now.drift_ppb and _told(now) == _told(fix) for _, now in parts
    )
    return [] if same else [fix]


def _supposed(
    segment: Segment, known: Sequence[ClockFix], others: AbstractSet[Span]
) -> list[ClockFix]:
    """Return what is taken to be so of the parts of a file of whose clock nothing is known.

    What somebody stated is never replaced. Where a statement that was made for another file (one of
    the spans `others`) ends in this one, it ends because that file does: its offset goes on, so
    that time does not jump inside the file. A statement that ends elsewhere ends on purpose.
    """
    sigma_ns = round(RIGHT_SIGMA_S * SECOND_NS)
    starts, stops = ({one.start_ns for one in others}, {one.stop_ns for one in others})
    parts = in_force(segment.stamped, known)
    found = []
    for n, (gap, now) in enumerate(parts):
        if now is not None:
            continue
        fix = ClockFix(segment.camera_id, gap, 0, sigma_ns, "operator", note=_RIGHT)
        earlier = parts[n - 1][1] if n else None
        later = parts[n + 1][1] if n + 1 < len(parts) else None
        if earlier is not None and earlier.valid.stop_ns in stops:
            fix = _carried(earlier, fix)
        elif later is not None and later.valid.start_ns in starts:
            fix = _carried(later, fix)
        found.append(fix)
    return found


def _carried(known: ClockFix, right: ClockFix) -> ClockFix:
    start_ns = right.valid.start_ns
    offset_ns = known.to_utc(start_ns) - start_ns
    if not offset_ns and not known.drift_ppb and known.sigma_ns <= right.sigma_ns:
        return right
    sigma_ns = max(known.sigma_ns, right.sigma_ns)
    return replace(
        right, offset_ns=offset_ns, sigma_ns=sigma_ns, drift_ppb=known.drift_ppb, note=_CARRIED
    )
