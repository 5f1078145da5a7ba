"""From where vehicles are each second to when they pass a camera's sweet spot.

Times between two seconds are found along the distance driven, so that a change of lane or the end
of an edge in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from workbench.twin.traffic.network import Lane, Spot

_LONGEST_S = 1.6
"""Two positions farther apart in time are no neighbours: the vehicle was parked in between."""


class Follower:
    """Reads positions batch by batch in order of time; keeps the last one of each vehicle."""

    def __init__(self, lanes: Mapping[str, Lane], spots: tuple[Spot, ...]) -> None:
        self._lanes = lanes
        self._spots: dict[str, list[Spot]] = {}
        for spot in spots:
            self._spots.setdefault(spot.sumo_id, []).append(spot)
        self._last = pd.DataFrame()

    def take(self, batch: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return (positions, crossings) of a batch.

        Parameters
        ----------
        batch
            Columns time (s), id, lane, pos (m), posLat (m), speed (m/s), odometer (m).

        Returns
        -------
        tuple[pandas.DataFrame, pandas.DataFrame]
            Positions with ``sumo_id`` and ``lane``; on a crossing the edge just left, at its end.
            Crossings with time, id, spot (index into `spots` of the edge), lane and speed.
        """
        batch = batch.assign(fresh=True)
        rows = pd.concat([self._last, batch]) if len(self._last) else batch
        rows = rows.sort_values(["id", "time"], kind="stable").reset_index(drop=True)
        # A few hundred lanes, a few hundred thousand rows: names are taken apart once each.
        codes, names = pd.factorize(rows["lane"])
        parts = [name.rpartition("_") for name in names]
        edges = [
            None if name.startswith(":") else edge
            for name, (edge, _, _) in zip(names, parts, strict=True)
        ]
        indices = [
            0 if edge is None else int(part[2]) for edge, part in zip(edges, parts, strict=True)
        ]
        rows["edge"] = np.array(edges, dtype=object)[codes]
        rows["index"] = np.array(indices, dtype=np.int8)[codes]
        same = (rows["id"] == rows["id"].shift()).to_numpy()
        if "left" not in rows:
            rows["left"] = None
        left = rows["edge"].where(rows["edge"].notna(), rows["left"])
        rows["left"] = left.groupby(rows["id"], sort=False).ffill()
        crossings = self._crossings(rows, same)
        keep = [*batch.columns, "left"]
        self._last = rows.loc[~rows["id"].duplicated(keep="last"), keep].assign(fresh=False)
        fresh = rows[rows["fresh"] & rows["left"].notna()].copy()
        on_crossing = fresh["edge"].isna()
        fresh["edge"] = fresh["left"]
        ends = fresh["edge"].map({name: lane.length_m for name, lane in self._lanes.items()})
        fresh.loc[on_crossing, "pos"] = ends[on_crossing]
        positions = fresh[["time", "id", "edge", "index", "pos", "posLat", "speed"]]
        return positions.sort_values(["time", "id"], kind="stable"), crossings

    def forget_older(self, before_s: float) -> None:
        """Drop the vehicles that left the road before a time."""
        if len(self._last):
            self._last = self._last[self._last["time"] >= before_s]

    def _crossings(self, rows: pd.DataFrame, same: np.ndarray) -> pd.DataFrame:
        time, pos = rows["time"].to_numpy(float), rows["pos"].to_numpy(float)
        driven, speed = rows["odometer"].to_numpy(float), rows["speed"].to_numpy(float)
        codes, names = pd.factorize(rows["edge"])
        code_of = {name: k for k, name in enumerate(names)}
        lanes = rows["index"].to_numpy()
        pair = np.zeros(len(rows), bool)
        pair[1:] = same[1:] & (np.diff(time) <= _LONGEST_S) & (np.diff(time) > 0)
        at = np.flatnonzero(pair)
        found = []
        for name, spots in self._spots.items():
            here = code_of.get(name, -2)
            now, before = codes[at] == here, codes[at - 1] == here
            for spot in spots:
                p = spot.position_m
                both = now & before & (pos[at - 1] < p) & (pos[at] >= p)
                into = now & ~before & (pos[at] >= p)
                out = ~now & before & (pos[at - 1] < p)
                hit = at[both | into | out]
                if not len(hit):
                    continue
                from_now = codes[hit] == here
                at_m = np.where(
                    from_now, driven[hit] - (pos[hit] - p), driven[hit - 1] + (p - pos[hit - 1])
                )
                step_m = driven[hit] - driven[hit - 1]
                share = (at_m - driven[hit - 1]) / np.maximum(step_m, 1e-6)
                share = np.clip(share, 0.0, 1.0)
                lane = np.where(from_now, lanes[hit], lanes[hit - 1])
                found.append(
                    pd.DataFrame(
                        {
                            "time": time[hit - 1] + share * (time[hit] - time[hit - 1]),
                            "id": rows["id"].to_numpy()[hit],
                            "camera_id": spot.camera_id,
                            "sumo_id": name,
                            "lane": lane.astype(np.int8),
                            "speed": speed[hit - 1] + share * (speed[hit] - speed[hit - 1]),
                        }
                    )
                )
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()
