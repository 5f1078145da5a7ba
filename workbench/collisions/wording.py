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
    "The moment is told from boxes of passes and from points followed in the pictures, without "
    "metres. It was tried on simulated and on mixed collisions only, on no real one: of exact "
    "boxes about half were marked; of drawn footage, none of eight by either means; of collisions "
    "mixed from real pictures, five of 24. What it does not mark may have happened all the same."
)
