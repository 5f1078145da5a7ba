"""The archive: take footage in untouched, hand out exact frames, say what is there and sound."""

from workbench.archive.access import coverage, coverage_grid, frames, still
from workbench.archive.ingest import describe, import_file, import_folder
from workbench.archive.integrity import Finding, repair_index, verify

__all__ = [
    "Finding",
    "coverage",
    "coverage_grid",
    "describe",
    "frames",
    "import_file",
    "import_folder",
    "repair_index",
    "still",
    "verify",
]
