"""What the facade's verbs give back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from workbench import plates, trajectories
from workbench.records import Segment
from workbench.timeline import Span, format_utc

ALWAYS = Span(0, 2**63 - 1)
"""Every instant the store can hold."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an import took in and what it refused, with one sentence each.

    ``again`` are hashes of those `segments` that the archive had before.
    """

    segments: tuple[Segment, ...]
    refused: tuple[str, ...]
    again: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlateHit:
    """One distinct read that answers a plate search; a lead, to be looked at by a person."""

    plate: str
    sightings: int
    cameras: tuple[str, ...]
    first_utc: pd.Timestamp
    last_utc: pd.Timestamp
    distance: float
    approximate: bool
    differences: tuple[plates.Difference, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Linked:
    """What linking all reads of the case says of one trace.

    ``calibrated`` is False where there was too little to learn from: no probability is given then.
    ``possible`` are rows of unread sightings that may lie on a leg (from_id, to_id, probability);
    ``rivals`` are rows of the sightings that legs name as others; ``via`` are rows of reads that
    linking puts between the two of a leg (from_id, to_id), in order: as often as not misreads.
    """

    calibrated: bool
    reads: int
    links: int
    possible: pd.DataFrame
    rivals: pd.DataFrame
    via: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Trace:
    """The sightings of one plate inside a case, the legs between them and the paths they allow.

    ``linked`` is None until the case's reads are linked, see ``with_belief``.
    """

    plate: str
    sightings: pd.DataFrame
    legs: pd.DataFrame
    journeys: tuple[trajectories.Journey, ...]
    linked: Linked | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to fetch pictures: of these cameras, in this span, for this case, until it expires."""

    actor: str
    case_id: str
    cameras: tuple[str, ...]
    span: Span
    expires_ns: int

    def covers(self, camera_id: str, utc_ns: int) -> bool:
        """Return whether a picture of `camera_id` at `utc_ns` may be shown."""
        return camera_id in self.cameras and utc_ns in self.span


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return a table as the frame that pages and notebooks work with."""
    frame: pd.DataFrame = table.to_pandas()
    return frame


def span_text(span: Span) -> dict[str, object]:
    """Return a span for the log; nothing where it is all time.

    >>> span_text(ALWAYS)
    {}
    """
    if span == ALWAYS:
        return {}
    return {"from": format_utc(span.start_ns), "to": format_utc(span.stop_ns)}


def asked_text(
    span: Span, kinds: Sequence[str] | None, found: int, *, with_plate: bool = False
) -> dict[str, object]:
    """Return what a search for sightings asked, for the log: enough to make it again exactly."""
    exact = {} if span == ALWAYS else {"ns": [span.start_ns, span.stop_ns]}
    asked = {"kinds": list(kinds or ()), "with_plate": with_plate, "found": found}
    return {**span_text(span), **exact, **asked}
