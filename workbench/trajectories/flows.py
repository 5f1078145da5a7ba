"""Flows between sites by hour, from legs that are believed: expected vehicles, no plates. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.later import later
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = later("xarray")

HOUR_NS = 3600 * SECOND_NS
LEAST = 5.0
"""Expected vehicles below which a flow is not given away: it could be one person's habit."""


def flows(
    legs: pa.Table, site_of: Mapping[str, str], sites: Sequence[str], span: Span
) -> xr.Dataset:
    """Return how many vehicles went from site to site in each hour, by the legs' probabilities.

    A leg counts in the hour it left, with its probability. Legs inside one site (two cameras that
    saw one pass), impossible ones and those without a probability are left out.

    Parameters
    ----------
    legs
        Schema LEGS, with probabilities.
    site_of
        Site of each camera.
    sites
        Every site there is a row and a column for.
    span
        UTC; its first hour is the one it begins in.

    Returns
    -------
    xarray.Dataset
        Dims (origin, destination, hour); ``vehicles`` float64, the sum of probabilities, ``legs``
        int64, how many there are. ``hour`` is the UTC start of each.
    """
    first = span.start_ns // HOUR_NS
    count = max(1, -(-span.stop_ns // HOUR_NS) - first)
    at = {site: number for number, site in enumerate(sites)}
    shape = (len(sites), len(sites), int(count))
    vehicles, number = np.zeros(shape), np.zeros(shape, np.int64)
    left_ns = legs["from_utc"].cast(pa.int64()).to_pylist()
    columns = (
        legs[n].to_pylist() for n in ("from_camera", "to_camera", "probability", "plausible")
    )
    for ns, start, stop, probability, plausible in zip(left_ns, *columns, strict=True):
        ends = at.get(site_of.get(start, "")), at.get(site_of.get(stop, ""))
        hour = ns // HOUR_NS - first
        if None in ends or ends[0] == ends[1] or not 0 <= hour < count:
            continue
        if probability is None or plausible == "impossible":
            continue
        vehicles[ends[0], ends[1], hour] += min(float(probability), 0.99)
        number[ends[0], ends[1], hour] += 1
    hours = pd.to_datetime((np.arange(count) + first) * HOUR_NS)
    dims = ("origin", "destination", "hour")
    return xr.Dataset(
        {
            "vehicles": (dims, vehicles, {"units": "1", "long_name": "expected vehicles"}),
            "legs": (dims, number, {"units": "1", "long_name": "legs counted"}),
        },
        {"origin": list(sites), "destination": list(sites), "hour": hours},
        {"time": "hour: UTC start; Viet Nam is 7 hours ahead"},
    )


def without_small(cube: xr.Dataset, least: float = LEAST) -> xr.Dataset:
    """Return flows without those that could single out a vehicle: missing where below `least`.

    Nothing is missing where nothing went: an empty hour says no more of anybody than its coverage.
    A flow stays only where both its expected vehicles and its legs reach `least`.
    """
    kept = (cube["vehicles"] >= least) & (cube["legs"] >= least) | (cube["legs"] == 0)
    told = xr.Dataset({"vehicles": cube["vehicles"].where(kept)}, attrs=cube.attrs)
    told["vehicles"].attrs = cube["vehicles"].attrs
    told.attrs["suppressed_below"] = least
    return told
