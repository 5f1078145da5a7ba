"""When cameras did not record: branches of fibre and power that fail, until a share is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from workbench.timeline import SECOND_NS, Span, gaps, union

_MEDIAN_S, _SPREAD = 420.0, 0.6
_SHORTEST_S = 20.0


def draw(
    branches: Sequence[Mapping[str, str]],
    span: Span,
    share: float,
    rng: np.random.Generator,
) -> dict[str, list[Span]]:
    """Return what each camera did not record in a span, so that a share of all of it is lost.

    Parameters
    ----------
    branches
        One mapping a camera: camera_id, site_id, fibre_branch, power_branch. What fails is a fibre
        branch (four times in ten), a power branch (four) or one site (two), all cameras on it.
    share
        Share of the camera time that is lost, 0 to 0.9.
    """
    lost: dict[str, list[Span]] = {row["camera_id"]: [] for row in branches}
    wanted_ns = share * len(lost) * span.duration_ns
    lost_ns = 0.0
    while wanted_ns - lost_ns > SECOND_NS:
        kind = str(rng.choice(["fibre_branch", "power_branch", "site_id"], p=[0.4, 0.4, 0.2]))
        names = sorted({row[kind] for row in branches})
        name = names[int(rng.integers(len(names)))]
        struck = [row["camera_id"] for row in branches if row[kind] == name]
        length_ns = int(max(_SHORTEST_S, _MEDIAN_S * rng.lognormal(0, _SPREAD)) * SECOND_NS)
        start = span.start_ns + int(rng.uniform(-0.2, 1.0) * span.duration_ns)
        # The last one is cut short: the share comes out as asked.
        length_ns = min(length_ns, int((wanted_ns - lost_ns) / len(struck)) + SECOND_NS)
        begin, end = max(start, span.start_ns), min(start + length_ns, span.stop_ns)
        if end <= begin:
            continue
        for camera_id in struck:
            lost[camera_id] = union([*lost[camera_id], Span(begin, end)])
        lost_ns = float(sum(one.duration_ns for spans in lost.values() for one in spans))
    return lost


def recorded(lost: Mapping[str, list[Span]], span: Span) -> dict[str, list[Span]]:
    """Return what each camera recorded: the rest of the span."""
    return {camera_id: gaps(spans, span) for camera_id, spans in lost.items()}
