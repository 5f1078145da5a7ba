"""The archive: take footage in untouched, hand out exact frames, say what is there and sound."""

from workbench.archive.access import coverage, coverage_grid, frames, not_searched, still
from workbench.archive.ingest import describe, import_file, import_folder
from workbench.archive.integrity import Finding, repair_index, verify
from workbench.archive.rebuild import Rebuilt, differs, rebuild

__all__ = [
    "Finding",
    "Rebuilt",
    "coverage",
    "coverage_grid",
    "describe",
    "differs",
    "frames",
    "import_file",
    "import_folder",
    "not_searched",
    "rebuild",
    "repair_index",
    "still",
    "verify",
]
