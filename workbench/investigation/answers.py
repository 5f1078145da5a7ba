"""What the facade's verbs give back."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from workbench import plates, trajectories
from workbench.records import Segment
from workbench.timeline import Span


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an import took in and what it refused, with one sentence each."""

    segments: tuple[Segment, ...]
    refused: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class Trace:
    """The sightings of one plate inside a case, the legs between them and the paths they allow."""

    plate: str
    sightings: pd.DataFrame
    legs: pd.DataFrame
    journeys: tuple[trajectories.Journey, ...]


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
