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
from workbench.exchange.traces import Feature, at_most, trace_format, write_trace

__all__ = [
    "COLUMNS",
    "LEFT_OUT",
    "LONGEST",
    "MOST_SIGMA_S",
    "BadRow",
    "Feature",
    "Incoming",
    "RowReader",
    "as_sightings",
    "at_most",
    "exported",
    "format_of",
    "identity",
    "read",
    "read_covered",
    "read_places",
    "refuse_names",
    "same_facts",
    "trace_format",
    "write",
    "write_trace",
    "zone_of",
]
