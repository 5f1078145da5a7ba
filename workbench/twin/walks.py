"""Who walks through the drawn streets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workbench.twin.views import View


@dataclass(frozen=True, slots=True)
class Walk:
    """One person walking through one overview's street; ``start_s`` is when at ``from_m``."""

    walker_id: str
    camera_id: str
    start_s: float
    speed_mps: float
    from_m: tuple[float, float]
    to_m: tuple[float, float]
    looks: int

    def at(self, t_s: float) -> tuple[float, float] | None:
        """Return (X, Y) at a scenario time, or None before the start and after the end."""
        length = math.dist(self.from_m, self.to_m)
        part = (t_s - self.start_s) * self.speed_mps / length
        if not 0 <= part <= 1:
            return None
        (ax, ay), (bx, by) = self.from_m, self.to_m
        return ax + (bx - ax) * part, ay + (by - ay) * part


def make_walks(
    views: dict[str, View], duration_s: float, rng: np.random.Generator
) -> tuple[Walk, ...]:
    """Return a few walkers a street, on its pavements and across it."""
    walks: list[Walk] = []
    for view in views.values():
        count = int(rng.integers(4, 8)) if view.kind == "overview" else int(rng.random() < 0.3)
        for _ in range(count):
            side = float(rng.choice([-1, 1]))
            kerb = side * (view.half_road_m + float(rng.uniform(0.4, 1.4)))
            near, far = (8.0, 45.0) if view.kind == "overview" else (14.0, 40.0)
            if rng.random() < 0.3 and view.kind == "overview":
                y = float(rng.uniform(12, 28))
                ends = ((kerb, y), (-kerb, y + float(rng.uniform(-2, 2))))
            else:
                ends = ((kerb, near), (kerb + float(rng.normal(0, 0.2)), far))
            if rng.random() < 0.5:
                ends = (ends[1], ends[0])
            walks.append(
                Walk(
                    f"W{len(walks) + 1:03d}",
                    view.camera_id,
                    float(rng.uniform(-10, duration_s - 8)),
                    float(rng.uniform(1.0, 1.5)),
                    ends[0],
                    ends[1],
                    int(rng.integers(1 << 16)),
                )
            )
    return tuple(walks)
