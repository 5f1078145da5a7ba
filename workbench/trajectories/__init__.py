"""From sightings of one plate to legs by road and the journeys they allow."""

from workbench.trajectories.clusters import cluster
from workbench.trajectories.hops import Rules
from workbench.trajectories.journeys import Journey, SetAside, journeys
from workbench.trajectories.link import link, link_all
from workbench.trajectories.reasons import explain
from workbench.trajectories.scoring import Score, consecutive, score

__all__ = [
    "Journey",
    "Rules",
    "Score",
    "SetAside",
    "cluster",
    "consecutive",
    "explain",
    "journeys",
    "link",
    "link_all",
    "score",
]
