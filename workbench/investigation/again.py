"""Answers of a case made again as tables: conflicts, flows, company, contradictions, face searches.

What a case's notebook calls beside plate searches. Each goes through the verb that gave the answer
once, inside the case and the rights of whoever runs it, and into the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench import trajectories
from workbench.investigation import conflicts as conflicting
from workbench.investigation import contradicting, face_readings, face_runs, flowing
from workbench.records import Purpose, Wording
from workbench.timeline import Span, format_utc

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

Tables = Mapping[str, pd.DataFrame]
_ORDER = ["utc", "camera_id", "what", "template"]
_DIGITS = 6


def conflicts(
    house: Workbench,
    purpose: Purpose,
    *,
    cameras: Sequence[str] | None = None,
    span: Span | None = None,
) -> Tables:
    """Return the conflicts that the calibrations kept in the root find, and what was left out."""
    found = conflicting.find_conflicts(house, purpose, None, cameras, span, workers=0)
    listed = found.table.sort_values(_ORDER, kind="stable", ignore_index=True)
    lines = [f"{camera_id}: {why}" for camera_id, why in found.left_out.items()]
    left = pd.DataFrame({"said": [*lines, *found.failed, *found.unchecked]})
    return {"conflicts": listed, "left out": left}


def flows(house: Workbench, purpose: Purpose) -> Tables:
    """Return the flows of the case by hour as they may be given away: none of few vehicles."""
    told = trajectories.without_small(flowing.flows(house, purpose), trajectories.LEAST)
    frame = told["vehicles"].to_dataframe().reset_index()
    frame["vehicles"] = frame["vehicles"].round(1)
    return {"flows": frame[frame["vehicles"] != 0].reset_index(drop=True)}


def convoys(house: Workbench, purpose: Purpose, plate: str) -> Tables:
    """Return who passed with a plate; without probabilities where there is too little."""
    found = contradicting.convoys(house, purpose, plate)
    silent = () if found.calibrated else ("probability", "log_ratio", "speaks_for")
    return {"companions": _rows(found.companions, silent)}


def contradictions(house: Workbench, purpose: Purpose, *, plate: str = "") -> Tables:
    """Return the plates that two vehicles may bear, and the clocks that are doubted."""
    found = contradicting.contradictions(house, purpose, plate=plate)
    silent = (
        ()
        if found.calibrated
        else ("probability", "two_vehicles", "one_vehicle", "near_plates", "other_plates",
              "speaks_for")
    )  # fmt: skip
    return {"plates": _rows(found.plates, silent), "clocks": _rows(found.doubts, silent)}


def face_search(
    house: Workbench, purpose: Purpose, request_id: str, *, anew: bool = False
) -> Tables:
    """Return the candidates of a face search; without score or verdict until two people have read.

    Parameters
    ----------
    anew
        Compare the passes once more, which needs leave that still stands and is for whoever asked
        for it: see :func:`~workbench.investigation.face_runs.search_faces_again`. Nothing of it is
        kept. Otherwise the candidates that the search found are told.

    Raises
    ------
    Refused
        Outside the case and one's rights; with `anew`, without leave that stands.
    """
    if anew:
        found = face_runs.search_faces_again(house, request_id, purpose)
        told = face_readings.candidate_table(house, request_id, purpose, found)
    else:
        told = face_readings.candidate_table(house, request_id, purpose)
    return {"candidates": told}


def _rows(found: Sequence[Any], silent: Sequence[str]) -> pd.DataFrame:
    """Return records as rows of plain values; `silent` fields stay empty."""
    names = [one.name for one in fields(found[0])] if found else []
    rows = [
        {name: "" if name in silent else _plain(getattr(one, name)) for name in names}
        for one in found
    ]
    return pd.DataFrame(rows, columns=names or None)


def _plain(value: Any) -> Any:
    if isinstance(value, Wording):
        return value.sentence()
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Span):
        return f"{format_utc(value.start_ns)} {format_utc(value.stop_ns)}"
    if is_dataclass(value) and not isinstance(value, type):
        return json.dumps(
            {key: _plain(one) for key, one in asdict(value).items()}, sort_keys=True, default=str
        )
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
