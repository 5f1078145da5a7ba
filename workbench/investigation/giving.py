"""A trace leaves the house: its sightings and legs with evidence, for other maps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from workbench import exchange, trajectories
from workbench.errors import N_, BadInput
from workbench.investigation.answers import Trace
from workbench.investigation.exchanging import origin
from workbench.investigation.facade import Workbench
from workbench.records import Purpose
from workbench.store import is_imported

Translate = Callable[[str], str]

NOTE = N_("leads for two human readers, never identities; the way between sightings is inferred")
NOT_CALIBRATED = N_("not calibrated here")


def export_trace(
    wb: Workbench, trace: Trace, path: Path, purpose: Purpose, *, translate: Translate = str
) -> int:
    """Write a trace of a case as GeoJSON, GeoPackage or KML; return how many features it has.

    Raises
    ------
    Refused
        Where the case, its cameras or its period do not hold what the trace shows.
    BadInput
        Where the file is there already, or its name is of no format.
    """
    exchange.trace_format(path)
    if path.exists() or not path.absolute().parent.is_dir():
        raise BadInput(
            N_("this file is there already, or its folder is not"),
            N_("give a name that is free, in a folder that exists"),
            where=str(path),
        )
    cameras = sorted(set(trace.sightings["camera_id"])) or None
    case, _, _ = wb._authorise(purpose, "trace.export", cameras=cameras)
    features = features_of(wb, trace, translate)
    about = {
        "plate": trace.plate, "case": case.case_id, "legal_basis": case.legal_basis,
        "purpose": purpose.reason, "exported_by": wb.actor, "note": translate(NOTE),
    }  # fmt: skip
    details = {"format": exchange.trace_format(path), "features": len(features)}
    wb._log("trace.export", trace.plate, purpose, details=details)
    exchange.write_trace(path, features, about)
    return len(features)


def trace_bytes(
    wb: Workbench, trace: Trace, ending: str, purpose: Purpose, *, translate: Translate = str
) -> bytes:
    """Return what :func:`export_trace` writes, for a page to hand over."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"trace.{ending}"
        export_trace(wb, trace, path, purpose, translate=translate)
        return path.read_bytes()


def features_of(wb: Workbench, trace: Trace, translate: Translate) -> list[exchange.Feature]:
    """Return a trace's sightings, then its legs; impossible ones have no line."""
    found = [_sighting(wb, row) for row in trace.sightings.sort_values("utc").to_dict("records")]
    numbers = {
        (row["from_id"], row["to_id"]): number
        for number, journey in enumerate(trace.journeys)
        for row in journey.legs.select(["from_id", "to_id"]).to_pylist()
    }
    for row in trace.legs.to_dict("records"):
        journey = numbers.get((row["from_id"], row["to_id"]), -1)
        found.append(_leg(wb, row, journey, translate))
    return found


def _sighting(wb: Workbench, row: dict[Any, Any]) -> exchange.Feature:
    camera = wb.camera(row["camera_id"])
    at_ns = _ns(row["utc"])
    ref = str(row["model_ref"])
    source = origin(wb, ref) if is_imported(ref) else None
    return exchange.Feature(
        "sightings",
        f"{camera.camera_id} {row['plate']}",
        ((camera.lon_deg, camera.lat_deg),),
        at_ns,
        at_ns,
        {
            "sighting_id": row["sighting_id"], "camera_id": camera.camera_id,
            "site_id": camera.site_id, "sigma_s": float(row["sigma_s"]), "kind": row["kind"],
            "plate": row["plate"], "plate_probability": exchange.at_most(row["plate_score"]),
            "segment_sha256": None if source else row["segment_sha256"],
            "pts": None if source else int(row["pts"]),
            "made_by": ref, "source": source.source if source else None,
        },
    )  # fmt: skip


def _leg(
    wb: Workbench, row: dict[Any, Any], journey: int, translate: Translate
) -> exchange.Feature:
    drawn = row["plausible"] != "impossible"
    way = wb.graph.between(row["from_camera"], row["to_camera"]) if drawn else None
    line = tuple((float(x), float(y)) for x, y in way.line) if way is not None else ()
    said = trajectories.evidence(row)
    probability = exchange.at_most(row["probability"])
    return exchange.Feature(
        "legs",
        f"{row['from_camera']} → {row['to_camera']}",
        line if len(line) > 1 else (),
        _ns(row["from_utc"]),
        _ns(row["to_utc"]),
        {
            "from_id": row["from_id"], "to_id": row["to_id"], "from_camera": row["from_camera"],
            "to_camera": row["to_camera"], "journey": journey, "inferred": True,
            "elapsed_s": round(float(row["elapsed_s"]), 1),
            "elapsed_sigma_s": round(float(row["elapsed_sigma_s"]), 1),
            "plausible": row["plausible"], "reason": trajectories.explain(row, translate),
            "probability": probability,
            "probability_note": translate(NOT_CALIBRATED) if probability is None else
            trajectories.default_calibration().origin,
            "evidence_for": _sentences(said.speaks_for, translate),
            "evidence_against": _sentences(said.speaks_against, translate),
        },
    )  # fmt: skip


def _sentences(words: Sequence[Any], translate: Translate) -> str:
    return "; ".join(one.sentence(translate) for one in words)


def _ns(at: Any) -> int:
    return int(pd.Timestamp(at).as_unit("ns").value)
