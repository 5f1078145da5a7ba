"""Sightings of other systems in and out, and what a case found in formats that others read."""

from workbench.exchange.columns import (
    COLUMNS,
    LEFT_OUT,
    LONGEST,
    MOST_SIGMA_S,
    BadRow,
    Incoming,
    RowReader,
    as_sightings,
    exported,
    identity,
    refuse_names,
    same_facts,
    zone_of,
)
from workbench.exchange.tables import format_of, read, read_covered, read_places, write

__all__ = [
    "COLUMNS",
    "LEFT_OUT",
    "LONGEST",
    "MOST_SIGMA_S",
    "BadRow",
    "Incoming",
    "RowReader",
    "as_sightings",
    "exported",
    "format_of",
    "identity",
    "read",
    "read_covered",
    "read_places",
    "refuse_names",
    "same_facts",
    "write",
    "zone_of",
]
