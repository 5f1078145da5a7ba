"""Accident review: pixels to metres with error, ground tracks, speeds, conflicts.

Everything here is for clarification: a person decides, and :data:`~.wording.SPEED_NOTE` stands
beside every speed.
"""

from __future__ import annotations

from workbench.collisions.calibration import GroundModel, PointPair, fit_ground
from workbench.collisions.candidates import Candidate, collisions, near_misses
from workbench.collisions.footprints import (
    GroundTrack,
    ground_track,
    post_encroachment,
    separation_m,
    time_to_collision,
)
from workbench.collisions.kept import KeptCalibration
from workbench.collisions.lengths import KnownLength
from workbench.collisions.riding import too_fast, usual_ways, weaving, wrong_way
from workbench.collisions.sheets import read_lengths, read_points, read_track
from workbench.collisions.tracks import Motion, TimeBase, contact_point, distance_m, measure_motion
from workbench.collisions.view import compare_view, refuse_moved
from workbench.collisions.wording import CANDIDATE_NOTE, SPEED_NOTE

__all__ = [
    "CANDIDATE_NOTE",
    "SPEED_NOTE",
    "Candidate",
    "GroundModel",
    "GroundTrack",
    "KeptCalibration",
    "KnownLength",
    "Motion",
    "PointPair",
    "TimeBase",
    "collisions",
    "compare_view",
    "contact_point",
    "distance_m",
    "fit_ground",
    "ground_track",
    "measure_motion",
    "near_misses",
    "post_encroachment",
    "read_lengths",
    "read_points",
    "read_track",
    "refuse_moved",
    "separation_m",
    "time_to_collision",
    "too_fast",
    "usual_ways",
    "weaving",
    "wrong_way",
]
