"""The longest consistent chain through passes, and what is left when it is taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Edges = Mapping[tuple[str, str], float]
"""From an earlier to a later identity: what the step costs, in passes (0 for a sure one)."""


def best_chain(order: Sequence[str], weights: Mapping[str, float], edges: Edges) -> list[str]:
    """Return the chain of identities with the greatest sum of weights less costs of steps.

    `order` is the order of time; every edge goes forward in it. Ties go to the earlier chain.
    """
    forward, came_from = _forward(order, weights, edges)
    if not order:
        return []
    end = max(order, key=lambda name: forward[name])
    return _walk_back(end, came_from)


def chain_through(
    name: str, order: Sequence[str], weights: Mapping[str, float], edges: Edges
) -> list[str]:
    """Return the best chain that holds `name`."""
    _, came_from = _forward(order, weights, edges)
    backwards = {(b, a): cost for (a, b), cost in edges.items()}
    _, goes_to = _forward(list(reversed(order)), weights, backwards)
    before = _walk_back(name, came_from)
    after = _walk_back(name, goes_to)
    return before + after[::-1][1:]


def chains(order: Sequence[str], weights: Mapping[str, float], edges: Edges) -> list[list[str]]:
    """Return disjoint chains that together hold every identity, the best first."""
    left = list(order)
    found = []
    while left:
        chain = best_chain(left, weights, edges)
        found.append(chain)
        taken = set(chain)
        left = [name for name in left if name not in taken]
        edges = {pair: cost for pair, cost in edges.items() if not taken & set(pair)}
    return found


def _forward(
    order: Sequence[str], weights: Mapping[str, float], edges: Edges
) -> tuple[dict[str, float], dict[str, str]]:
    steps: dict[str, list[tuple[str, float]]] = {name: [] for name in order}
    for (a, b), cost in edges.items():
        if a in steps and b in steps:
            steps[b].append((a, cost))
    position = {name: at for at, name in enumerate(order)}
    total: dict[str, float] = {}
    came_from: dict[str, str] = {}
    for name in order:
        total[name] = weights[name]
        # The nearest of equal predecessors, so that a chain does not jump over its own passes.
        for before, cost in sorted(steps[name], key=lambda step: -position[step[0]]):
            value = total[before] + weights[name] - cost
            if value > total[name] + 1e-9:
                total[name], came_from[name] = value, before
    return total, came_from


def _walk_back(end: str, came_from: Mapping[str, str]) -> list[str]:
    chain = [end]
    while chain[-1] in came_from:
        chain.append(came_from[chain[-1]])
    return chain[::-1]
