"""What goes, listed by site and day; and which sightings of other systems do, by the same rules.

An imported sighting has no footage to go with. It is kept for the days of its site, counted from
the day it is of, or, as footage that a person brings in, from the day its file came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from workbench.monitoring.retention import Candidate, Policy, cutoff_ns, day_of
from workbench.records import Protection
from workbench.store.imports import Imported, Imports, Leaving
from workbench.store.keeping import MARGIN_NS, Why
from workbench.store.upkeep import HealthFile
from workbench.timeline import SECOND_NS, Span, gaps, union

_NEVER, _LATER = -(2**62), 2**62
_SIGMAS = 2.0
"""Clocks of other systems may be off by more than a minute: so far a protection reaches, too."""


@dataclass(frozen=True, slots=True)
class Dropping:
    """What is to go, or went: by site and local day, files and bytes.

    ``why`` is age or disk; health: checks of the cameras' health, which are of no site; imported:
    sightings of other systems, and spans that these had looked at, which are no files.
    """

    site_id: str
    day: str
    files: int
    size_bytes: int
    why: Why | Literal["health", "imported"]
    sightings: int = 0
    spans: int = 0


@dataclass(frozen=True, slots=True)
class Overdue:
    """Imports of which something is to go, and that by site and day."""

    leaving: Sequence[Leaving]
    listed: Sequence[Dropping]


def overdue_imports(
    imports: Imports,
    records: Sequence[Imported],
    site_of: Callable[[str], str],
    policy: Policy,
    holds: Sequence[Protection],
    now_ns: int,
) -> Overdue:
    """Return what goes of sightings of other systems; what a protection or a case holds stays."""

    def cutoff_of(camera_id: str) -> int | None:
        days = policy.kept_days(site_of(camera_id))
        return None if days is None else cutoff_ns(days, now_ns)

    latest_ns = max(
        (cutoff_ns(days, now_ns) for days in (policy.default_days, *policy.days.values()) if days),
        default=None,
    )
    if latest_ns is None or not records:
        return Overdue((), ())
    by_ref = {one.model_ref: one for one in records}
    table = imports.rows(latest_ns).to_pandas()
    table["utc"] = table["utc"].astype("int64")
    # whole numbers throughout: instants in ns do not fit a float
    cutoffs = {one: cutoff_of(one) for one in table["camera_id"].unique()}
    cutoff = table["camera_id"].map(
        {one: _NEVER if at is None else at for one, at in cutoffs.items()}
    )
    # nobody knows when those without a record came: they stay, and verify names them
    came = table["model_ref"].map(
        {ref: by_ref[ref].at_ns if ref in by_ref else _LATER for ref in table["model_ref"].unique()}
    )
    since = np.maximum(table["utc"] + 1, came.astype("int64"))
    over = (since <= cutoff.astype("int64")) & ~_held(table, holds)
    going, since = table[over], since[over]
    counts: dict[tuple[str, str], list[int]] = {}
    sites = going["camera_id"].map(site_of)
    for site_id, since_ns in zip(sites, since, strict=True):
        counts.setdefault((day_of(since_ns - 1), site_id), [0, 0])[0] += 1
    leaving = []
    ids = {
        ref: {key: tuple(rows) for key, rows in mine.groupby(["camera_id", "day"])["sighting_id"]}
        for ref, mine in going.groupby("model_ref")
    }
    for ref, record in by_ref.items():
        left, cut = _left(record, cutoff_of, holds)
        for camera_id, stop_ns in cut:
            key = (day_of(max(stop_ns, record.at_ns) - 1), site_of(camera_id))
            counts.setdefault(key, [0, 0])[1] += 1
        if ref in ids or cut:
            leaving.append(Leaving(record, ids.get(ref, {}), left, len(cut)))
    listed = [
        Dropping(site_id, day, 0, 0, "imported", rows, spans)
        for (day, site_id), (rows, spans) in sorted(counts.items())
    ]
    return Overdue(leaving, listed)


def statement_of(going: Sequence[Leaving]) -> dict[str, object]:
    """Return what the log says before they go: how much of which import, and whose it was."""
    told = [
        {
            "import": one.record.sha256, "source": one.record.source, "sightings": one.rows,
            "spans": one.cut,
        }
        for one in going
    ]  # fmt: skip
    return {"why": "age", "files": 0, "bytes": 0, "imported": told}


def _held(table: pd.DataFrame, holds: Sequence[Protection]) -> pd.Series[bool]:
    """Return which rows a protection holds, a minute and twice their clock's sigma around it."""
    margin = MARGIN_NS + np.round(_SIGMAS * table["sigma_s"] * SECOND_NS).astype("int64")
    held = pd.Series(False, index=table.index)
    for one in holds:
        inside = (table["utc"] + margin >= one.span.start_ns) & (
            table["utc"] - margin < one.span.stop_ns
        )
        if one.cameras:
            inside &= table["camera_id"].isin(one.cameras)
        held |= inside
    return held


def _left(
    record: Imported, cutoff_of: Callable[[str], int | None], holds: Sequence[Protection]
) -> tuple[tuple[tuple[str, int, int], ...], list[tuple[str, int]]]:
    """Return the spans of an import that stay, and camera and end of each that does not wholly."""
    left: list[tuple[str, int, int]] = []
    cut = []
    for camera_id, start_ns, stop_ns in record.covered:
        cutoff, span = cutoff_of(camera_id), Span(start_ns, stop_ns)
        if cutoff is None or record.at_ns > cutoff or start_ns >= cutoff:
            left.append((camera_id, start_ns, stop_ns))
            continue
        kept = [
            Span(one.span.start_ns - MARGIN_NS, one.span.stop_ns + MARGIN_NS)
            for one in holds
            if not one.cameras or camera_id in one.cameras
        ]
        goes = gaps(union([*kept, Span(cutoff, _LATER)]), span)
        if goes:
            cut.append((camera_id, min(stop_ns, cutoff)))
        left += [(camera_id, one.start_ns, one.stop_ns) for one in gaps(goes, span)]
    return tuple(left), cut


def summed(going: Mapping[Why, Sequence[Candidate]]) -> list[Dropping]:
    """Return footage that goes, by site and day."""
    sums: dict[tuple[str, str, Why], list[int]] = {}
    for why, found in going.items():
        for one in found:
            count = sums.setdefault((day_of(one.since_ns - 1), one.site_id, why), [0, 0])
            count[0] += 1
            count[1] += one.size_bytes
    return [
        Dropping(site_id, day, count, size, why)
        for (day, site_id, why), (count, size) in sorted(sums.items())
    ]


def of_health(found: Sequence[HealthFile]) -> list[Dropping]:
    """Return checks of health that go, by day."""
    sizes: dict[str, list[int]] = {}
    for one in found:
        sizes.setdefault(day_of(one.since_ns), []).append(one.size_bytes)
    return [
        Dropping("", day, len(of_day), sum(of_day), "health")
        for day, of_day in sorted(sizes.items())
    ]
