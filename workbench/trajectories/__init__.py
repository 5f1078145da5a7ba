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
from workbench.trajectories.contradictions import (
    ALERT_AT,
    ClockDoubt,
    Contradiction,
    Contradictions,
    Undrivable,
    contradictions,
)
from workbench.trajectories.convoys import (
    CONVOY_AT,
    LEAST_PLACES,
    Companion,
    Company,
    Meeting,
    companions,
)
from workbench.trajectories.flows import LEAST, flows, without_small
from workbench.trajectories.hops import Rules, explain
from workbench.trajectories.journeys import Journey, Score, SetAside, consecutive, journeys, score
from workbench.trajectories.link import cluster, link, link_all
from workbench.trajectories.reach import Assumed, Part, Reached, Seen, SiteReach, reach, say
from workbench.trajectories.unread import Possible, join_unread
from workbench.trajectories.whereto import (
    Absence,
    Coverage,
    Rides,
    Window,
    absences,
    next_by_roads,
    rides_from,
    windows,
)

__all__ = [
    "ALERT_AT",
    "CONVOY_AT",
    "LEAST",
    "LEAST_PLACES",
    "Absence",
    "Assumed",
    "Believed",
    "Calibration",
    "ClockDoubt",
    "Companion",
    "Company",
    "Contradiction",
    "Contradictions",
    "Coverage",
    "Evidence",
    "Journey",
    "Meeting",
    "Part",
    "Possible",
    "Reached",
    "Rides",
    "Rules",
    "Score",
    "Seen",
    "SetAside",
    "SiteReach",
    "Undrivable",
    "Window",
    "absences",
    "claimed_legs",
    "cluster",
    "companions",
    "consecutive",
    "contradictions",
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
    "next_by_roads",
    "reach",
    "rides_from",
    "rivals",
    "say",
    "score",
    "windows",
    "with_claims",
    "without_small",
]
