"""The demonstration ward's footage, drawn from a seed, and the truth to score against.

Nothing else in the product may know what is in these pictures.
"""

from workbench.twin.journeys import Scenario, plan
from workbench.twin.scene import frames, render_camera
from workbench.twin.truth import Score, Truth, read_truth, score, truth_of, write_truth

__all__ = [
    "Scenario",
    "Score",
    "Truth",
    "frames",
    "plan",
    "read_truth",
    "render_camera",
    "score",
    "truth_of",
    "write_truth",
]
