"""How well sightings tell what there was to be seen. Pure; nothing else reads the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workbench.twin.truth import Truth

TOLERANCE_S = 0.5
"""How far apart a sighting and a pass may be in time and still be the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """What was found of what there was. Rates are 0..1, NaN where there was nothing to find.

    ``precision`` counts moving sightings that are a pass; ``plate_exact`` is the share of passes
    with a visible plate whose sighting reads it to the sign; ``plate_wrong`` the share of reads on
    matched passes that are another text. ``matches`` has one row a pass of the truth with the
    sighting's id (empty where missed) and read.
    """

    passes: int
    sightings: int
    matched: int
    precision: float
    recall: float
    plates_visible: int
    plates_exact: int
    plate_exact: float
    plate_wrong: float
    by_camera: pd.DataFrame
    matches: pd.DataFrame

    def __str__(self) -> str:
        return (
            f"passes {self.matched}/{self.passes} found (recall {self.recall:.3f}), "
            f"{self.sightings} sightings (precision {self.precision:.3f}), "
            f"plates {self.plates_exact}/{self.plates_visible} exact ({self.plate_exact:.3f}), "
            f"wrong reads {self.plate_wrong:.3f}"
        )


def score(sightings: pd.DataFrame, truth: Truth) -> Score:
    """Return the score of moving sightings against the truth of the same cameras.

    A sighting and a pass of one camera are paired, at most once each, so that most pairs overlap
    in time. Where a camera's clock was never corrected its times are off by the truth's offset;
    the better of both readings counts, for finding passes is not the same as fixing clocks.

    Parameters
    ----------
    sightings
        Columns as in ``records.SIGHTINGS``; cameras that the truth does not know are left out.
    """
    clocks = dict(zip(truth.clocks["camera_id"], truth.clocks["stamped_minus_utc_s"], strict=True))
    moving = sightings[sightings["moving"].astype(bool) & sightings["camera_id"].isin(clocks)]
    parts = []
    for camera_id, late_s in clocks.items():
        seen = moving[moving["camera_id"] == camera_id]
        passes = truth.passes[truth.passes["camera_id"] == camera_id]
        tries = [_pair(passes, seen, shift) for shift in {0.0, float(late_s)}]
        parts.append(max(tries, key=lambda found: int((found["sighting_id"] != "").sum())))
    matches = pd.concat(parts, ignore_index=True)
    found = matches["sighting_id"] != ""
    visible = matches["plate_visible"].astype(bool)
    exact = found & visible & (matches["read"] == matches["plate"])
    read = found & (matches["read"] != "") & (matches["plate"] != "")
    by_camera = pd.DataFrame(
        {
            "passes": matches.groupby("camera_id").size(),
            "matched": found.groupby(matches["camera_id"]).sum(),
            "sightings": moving.groupby("camera_id").size().reindex(list(clocks), fill_value=0),
            "plates_visible": visible.groupby(matches["camera_id"]).sum(),
            "plates_exact": exact.groupby(matches["camera_id"]).sum(),
        }
    ).fillna(0)
    wrong = read & (matches["read"] != matches["plate"])
    return Score(
        passes=len(matches),
        sightings=len(moving),
        matched=int(found.sum()),
        precision=_rate(int(found.sum()), len(moving)),
        recall=_rate(int(found.sum()), len(matches)),
        plates_visible=int(visible.sum()),
        plates_exact=int(exact.sum()),
        plate_exact=_rate(int(exact.sum()), int(visible.sum())),
        plate_wrong=_rate(int(wrong.sum()), int(read.sum())),
        by_camera=by_camera.astype(int),
        matches=matches,
    )


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _seconds(column: pd.Series) -> NDArray[np.float64]:
    return column.to_numpy(dtype="datetime64[ns]").astype(np.int64) / 1e9


def _pair(passes: pd.DataFrame, seen: pd.DataFrame, shift_s: float) -> pd.DataFrame:
    """Return one camera's passes with the id and read of the sighting paired with each."""
    result = passes.copy()
    result["sighting_id"] = ""
    result["read"] = ""
    if not len(passes) or not len(seen):
        return result
    start, stop = _seconds(passes["enter_utc"]), _seconds(passes["leave_utc"])
    first = _seconds(seen["first_utc"]) - shift_s
    last = _seconds(seen["last_utc"]) - shift_s
    overlap = np.minimum(stop[:, None], last) - np.maximum(start[:, None], first)
    longer = np.maximum(np.maximum(stop[:, None] - start[:, None], last - first), 0.1)
    worth = np.where(overlap >= -TOLERANCE_S, 1 + np.clip(overlap / longer, 0, 1), 0.0)
    reads = seen["plate"].fillna("").to_numpy(dtype=object)
    # Two vehicles in view at once: the read tells which sighting is whose.
    same = (passes["plate"].to_numpy(dtype=object)[:, None] == reads) & (reads != "")
    rows, columns = linear_sum_assignment(worth + 0.5 * (same & (worth > 0)), maximize=True)
    kept = worth[rows, columns] > 0
    ids = seen["sighting_id"].to_numpy(dtype=object)
    found, read = np.full(len(passes), "", object), np.full(len(passes), "", object)
    found[rows[kept]], read[rows[kept]] = ids[columns[kept]], reads[columns[kept]]
    result["sighting_id"], result["read"] = found, read
    return result
