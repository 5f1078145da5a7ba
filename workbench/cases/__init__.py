"""Cases: what they allow, and whether the record of what was done is whole."""

from workbench.cases.authority import LONGEST_REASON, authorise, bounds, check_record
from workbench.cases.chain import check_chain, find_faults
from workbench.cases.faces import authorise_faces

__all__ = [
    "LONGEST_REASON",
    "authorise",
    "authorise_faces",
    "bounds",
    "check_chain",
    "check_record",
    "find_faults",
]
