"""Checks of the road graph: lengths, shared nodes, and that one can get everywhere."""

from __future__ import annotations

import math

import networkx as nx
from pyproj import Geod

from workbench.errors import N_
from workbench.ward import schemas
from workbench.ward.tables import Table, numbers, once, texts

ROAD_FIELDS = (
    "edge_id", "from_node", "to_node", "name", "limit_kmh", "oneway", "length_m",
)  # fmt: skip
_NODE_GAP_M = 1.0  # ends of edges that share a node lie no farther apart
_LENGTH_TOLERANCE = 0.01  # of the length, and never less than a metre
_GEOD = Geod(ellps="WGS84")


def check_roads(table: Table) -> None:
    """Check the edges one by one, then as a graph."""
    texts(table, "edge_id", "from_node", "to_node", "name")
    for column in ("limit_kmh", "length_m"):
        numbers(table, column)
    bad = schemas.apply(schemas.ROADS, table)
    once(
        table,
        "edge_id",
        N_("feature {row}: edge {id} is there already (feature {first})"),
        N_("give it an identifier of its own, or delete one of the two"),
    )
    for row, edge in table.frame.iterrows():
        drawn_m = _GEOD.geometry_length(edge.geometry)
        stated_m = edge.length_m
        if math.isnan(stated_m):
            table.find(
                N_("feature {row}: edge {edge} has no length"),
                N_("write length_m {drawn:.1f}"),
                row,
                edge=edge.edge_id,
                drawn=drawn_m,
            )
        off = abs(drawn_m - stated_m) > max(1.0, _LENGTH_TOLERANCE * drawn_m)
        if math.isfinite(stated_m) and off:
            table.find(
                N_("feature {row}: edge {edge} says {stated:.1f} m and is drawn {drawn:.1f} m"),
                N_("write length_m {drawn:.1f}, or correct the line"),
                row,
                edge=edge.edge_id,
                stated=stated_m,
                drawn=drawn_m,
            )
    _check_nodes(table)
    if not bad:
        _check_connected(table)


def _check_nodes(table: Table) -> None:
    ends: dict[str, tuple[str, tuple[float, float]]] = {}
    for row, edge in table.frame.iterrows():
        for node, at in ((edge.from_node, 0), (edge.to_node, -1)):
            here = edge.geometry.coords[at][:2]
            other, there = ends.setdefault(node, (edge.edge_id, here))
            gap_m = _GEOD.inv(here[0], here[1], there[0], there[1])[2]
            if gap_m > _NODE_GAP_M:
                table.find(
                    N_(
                        "feature {row}: edge {edge} meets edge {other} at node {node}, but their "
                        "ends lie {gap:.1f} m apart"
                    ),
                    N_("snap the ends together in QGIS, or name another node"),
                    row,
                    edge=edge.edge_id,
                    other=other,
                    node=node,
                    gap=gap_m,
                )


def _check_connected(table: Table) -> None:
    graph = nx.DiGraph()
    for edge in table.frame.itertuples():
        graph.add_edge(edge.from_node, edge.to_node)
        if not edge.oneway:
            graph.add_edge(edge.to_node, edge.from_node)
    main = max(nx.weakly_connected_components(graph), key=len)
    whole = max(nx.strongly_connected_components(graph), key=len)
    for row, edge in table.frame.iterrows():
        if edge.from_node not in main:
            table.find(
                N_("feature {row}: edge {edge} ({name}) is not connected to the other roads"),
                N_("give one of its ends the node of the road it meets"),
                row,
                edge=edge.edge_id,
                name=edge["name"],
            )
        elif edge.from_node not in whole or edge.to_node not in whole:
            table.find(
                N_("feature {row}: edge {edge} ({name}) can be entered or left, but not both"),
                N_("check which roads around it are one-way, and their direction"),
                row,
                advice=True,
                edge=edge.edge_id,
                name=edge["name"],
            )
