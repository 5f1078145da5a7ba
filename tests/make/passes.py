"""Sightings on a straight road, for tests of linking."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.roads import Way

START_NS = 1_795_133_700_000_000_000
LIMIT_MPS = 50 / 3.6


def road(**at_m: float):  # type: ignore[no-untyped-def]
    """Return a `ways` for cameras at so many metres of a straight road to the east."""

    def ways(start: str, end: str) -> Way | None:
        if start not in at_m or end not in at_m:
            return None
        far = abs(at_m[end] - at_m[start])
        line = tuple((105.9 + at_m[name] / 103_000, 21.08) for name in (start, end))
        return Way(far, far / LIMIT_MPS, ("e",) if far else (), line)

    return ways


def sightings(rows: Sequence[tuple], *, sigma_s: float = 0.5) -> pd.DataFrame:
    """Return sightings from (id, camera, second, plate[, bearing]) rows."""
    return pd.DataFrame(
        {
            "sighting_id": [row[0] for row in rows],
            "camera_id": [row[1] for row in rows],
            "utc": pd.to_datetime([START_NS + round(row[2] * 1e9) for row in rows], utc=True),
            "sigma_s": sigma_s,
            "plate": [row[3] for row in rows],
            "bearing_deg": [row[4] if len(row) > 4 else None for row in rows],
        }
    )
