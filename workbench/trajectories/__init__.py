"""From sightings of one plate to legs by road and the journeys they allow."""

from workbench.trajectories.beliefs import Believed, link_by_belief
from workbench.trajectories.claims import (
    Calibration,
    Evidence,
    claimed_legs,
    default_calibration,
    either_way,
    evidence,
    rivals,
    with_claims,
)
from workbench.trajectories.flows import LEAST, flows, without_small
from workbench.trajectories.hops import Rules, explain
from workbench.trajectories.journeys import Journey, Score, SetAside, consecutive, journeys, score
from workbench.trajectories.link import cluster, link, link_all
from workbench.trajectories.unread import Possible, join_unread

__all__ = [
    "LEAST",
    "Believed",
    "Calibration",
    "Evidence",
    "Journey",
    "Possible",
    "Rules",
    "Score",
    "SetAside",
    "claimed_legs",
    "cluster",
    "consecutive",
    "default_calibration",
    "either_way",
    "evidence",
    "explain",
    "flows",
    "join_unread",
    "journeys",
    "link",
    "link_all",
    "link_by_belief",
    "rivals",
    "score",
    "with_claims",
    "without_small",
]
