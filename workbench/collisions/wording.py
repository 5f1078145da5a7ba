"""What stands beside every result of an accident review, word for word."""

from __future__ import annotations

from workbench.errors import N_

SPEED_NOTE = N_(
    "This speed was measured in footage to clarify what happened, with its 95 % interval. "
    "It is no measurement for a penalty."
)
CANDIDATE_NOTE = N_(
    "This is a candidate to be looked at, found by a computer. It is no violation and no finding: "
    "a person decides."
)
ONSET_NOTE = N_(
    "The moment is told from boxes in the picture alone, without metres. It was tried on simulated "
    "collisions only: of exact boxes about half were marked, nearly all of these within 1 s; of "
    "boxes that recognition found in drawn footage, none of eight, and one mark was wrong. What it "
    "does not mark may have happened all the same."
)
