"""Vietnamese number plates: dated grammar, sign lattices, confusable distance and search.

Pure: the dated tables are read once from ``data/plates`` by :func:`load_grammar`. A plate is not a
vehicle (since 15 August 2023 it follows its owner); nothing here equates them.
"""

from workbench.plates.distance import Difference, differences, distance, pairs_within
from workbench.plates.grammar import (
    UNKNOWN,
    Grammar,
    Layout,
    compact,
    default_grammar,
    load_grammar,
)
from workbench.plates.lattice import Lattice, alternatives, decode, from_text, fuse, log_likelihood
from workbench.plates.reading import Override, Reading, changes, normalise
from workbench.plates.search import Hit, PlateIndex, build_index, parse_pattern, search

__all__ = [
    "UNKNOWN",
    "Difference",
    "Grammar",
    "Hit",
    "Lattice",
    "Layout",
    "Override",
    "PlateIndex",
    "Reading",
    "alternatives",
    "build_index",
    "changes",
    "compact",
    "decode",
    "default_grammar",
    "differences",
    "distance",
    "from_text",
    "fuse",
    "load_grammar",
    "log_likelihood",
    "normalise",
    "pairs_within",
    "parse_pattern",
    "search",
]
