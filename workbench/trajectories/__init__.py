"""From sightings of one plate to legs by road and the journeys they allow."""

from workbench.trajectories.hops import Rules, explain
from workbench.trajectories.journeys import Journey, Score, SetAside, consecutive, journeys, score
from workbench.trajectories.link import cluster, link, link_all

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
