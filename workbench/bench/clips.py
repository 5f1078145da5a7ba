"""Measure: real clips against counts by eye, the demonstration ward against its truth.

Each figure goes out under a name, with its data named; ratios are taken side by side in one run.
Nothing here is imported by the product.
"""

from __future__ import annotations

import ast
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from workbench import demonstration, media, recognition, trajectories, twin
from workbench.errors import N_, BadInput, Unavailable
from workbench.investigation import Workbench, open_workbench
from workbench.recognition import evaluate
from workbench.records import FrameIndex, Purpose
from workbench.timeline import parse_instant

HOUSE = Path(__file__).resolve().parents[2]
Figures = dict[str, Any]


def parts_asked(only: str, known: Sequence[str]) -> list[str]:
    """Return the parts of a benchmark that are asked for, in the order they are known in.

    Raises
    ------
    BadInput
        When there is no such part.

    >>> parts_asked("reach, hard", ("hard", "clones", "reach")), parts_asked("", ("hard",))
    (['hard', 'reach'], ['hard'])
    """
    asked = [part.strip() for part in only.split(",")] if only else list(known)
    for part in asked:
        if part not in known:
            raise BadInput(
                N_("the benchmark has no part '{part}'"),
                N_("choose one of: {known}"),
                part=part,
                known=", ".join(known),
            )
    return [part for part in known if part in asked]


def footage_folder() -> Path:
    """Return the folder of real, labelled footage beside the checkout.

    Raises
    ------
    Unavailable
        Where it is not there.
    """
    folder = Path(os.environ.get("WORKBENCH_FOOTAGE", HOUSE.parent / "shared" / "footage"))
    if not (folder / "README.md").exists():
        raise Unavailable(
            N_("the folder of real footage is not there"),
            N_("set WORKBENCH_FOOTAGE to it"),
            where=str(folder),
        )
    return folder


# -- real clips ------------------------------------------------------------------------------


def bench_footage(footage: Path, *, quick: bool = False) -> Figures:
    """Passes, plates and faces on the real clips; cost against pure decoding of the same clip."""
    golden = golden_clips()
    names = ["car-detection", "cars-cyclist"] if quick else list(golden)
    models = recognition.load_models()
    figures: Figures = {"data": "real clips and stills; the clips were used for tuning"}
    with tempfile.TemporaryDirectory() as folder:
        wb = open_workbench(Path(folder) / "root", actor="bench", create_from=demonstration.WARD)
        figures["passes"] = {
            name: _bench_clip(wb, footage, golden[name], number)
            for number, name in enumerate(names)
        }
    plates = footage / "vn_plates_mrzaizai2k"
    looks = {"whole frame": evaluate.whole_picture(models.read_plates)}
    if not quick:
        looks["inside detected vehicles"] = evaluate.object_by_object(
            models.read_plates, models.detect
        )
    figures["plates"] = {
        name: _plates(evaluate.score_plates(look, evaluate.plate_pictures(plates)))
        for name, look in looks.items()
    }
    faces = footage / "faces_compreface"
    found, there, beyond = evaluate.score_faces(
        models.find_faces,
        (
            (name, evaluate.read_picture(faces / name), points)
            for name, points in sorted(nose_tips(faces).items())
        ),
    )
    figures["faces"] = {"found": found, "there": there, "beyond": beyond}
    return figures


def golden_clips() -> dict[str, dict[str, Any]]:
    """Return the clips whose passes were counted by eye, by name, from ``tests/golden``."""
    clips = json.loads((HOUSE / "tests" / "golden" / "passes.json").read_text())["clips"]
    return {name: clips.get(clip.get("same_as"), {}) | clip for name, clip in clips.items()}


def _bench_clip(wb: Workbench, footage: Path, clip: dict[str, Any], number: int) -> Figures:
    camera_id, passes = list(wb.ward.cameras)[number], clip["passes"]
    start_ns = parse_instant("2026-11-20T07:15:00+07:00")
    rate = Fraction(clip["rate"]) if "rate" in clip else None
    taken = wb.ingest(footage / clip["file"], camera_id, start_ns, rate=rate, reason="bench")
    (segment,) = taken.segments
    index = wb.frame_index(segment)
    began = time.process_time()
    for _ in media.decode(wb.file(segment), index, 0, len(index)):
        pass
    decode_s = time.process_time() - began
    began = time.process_time()
    summary = wb.recognise([camera_id], workers=0)
    search_s = time.process_time() - began
    case = replace(demonstration.TRAINING_CASE, case_id=f"bench-{number}")
    wb.open_case(case)
    rows = wb.sightings(Purpose(case.case_id, "bench"), cameras=[camera_id])
    moving = rows[rows["moving"]].to_dict("records")
    found = [at is not None for at in found_by(moving, passes, index)]
    return {
        "by eye": len(passes),
        "found": sum(found),
        "missed": [p["what"] for p, hit in zip(passes, found, strict=True) if not hit],
        "moving rows": len(moving),
        "standing rows": len(rows) - len(moving),
        "kinds": {str(kind): int(n) for kind, n in rows["kind"].value_counts().items()},
        "rows with faces": int((rows["face_count"] > 0).sum()),
        "failed": list(summary.failed),
        "footage s": round(segment.stamped.duration_ns / 1e9, 1),
        "decode CPU s": round(decode_s, 2),
        "search over decode": round(search_s / decode_s, 2),
    }


def found_by(
    rows: Sequence[Mapping[Any, Any]], passes: Sequence[Mapping[str, Any]], index: FrameIndex
) -> list[int | None]:
    """Return, for each pass counted by eye, which row finds it; each row finds at most one.

    A row finds a pass when its box within two frames of the counted one holds the counted point.
    """
    holds = np.zeros((len(passes), len(rows)), bool)
    for j, row in enumerate(rows):
        numbers = np.searchsorted(index.pts, row["track_pts"])
        boxes = np.reshape(row["track_box"], (-1, 4))
        for i, true in enumerate(passes):
            near = np.abs(numbers - true["frame"])
            k = int(np.argmin(near))
            x, y, w, h = boxes[k]
            holds[i, j] = near[k] <= 2 and x <= true["x"] <= x + w and y <= true["y"] <= y + h
    if not holds.size:
        return [None] * len(passes)
    which = maximum_bipartite_matching(csr_matrix(holds), perm_type="column")
    return [int(j) if j >= 0 else None for j in which]


def nose_tips(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Return nose tips (px) by file name, read from the set's annotations without running them."""
    tree = ast.parse((folder / "annotations.py").read_text(encoding="utf-8"))
    tips: dict[str, list[tuple[int, int]]] = {}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Row":
            words = [ast.literal_eval(value) for value in call.args]
            words += [ast.literal_eval(word.value) for word in call.keywords]
            tips[str(words[0])] = list(words[1])
    return tips


def _plates(score: evaluate.PlateScore) -> Figures:
    return {
        "readable": score.readable,
        "exact": score.exact,
        "wrong": [list(row) for row in score.wrong],
        "unread": [list(row) for row in score.unread],
        "missed": [list(row) for row in score.missed],
        "ms a picture": round(score.read_ms, 1),
    }


# -- the demonstration ward ------------------------------------------------------------------


def bench_ward(root: Path | None = None, *, quick: bool = False) -> Figures:
    """Build a ward of the held-out seed (or take one built) and score it against its truth."""
    if root is not None:
        return score_ward(open_workbench(root, actor="bench"))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "ward"
        demonstration.prepare(made)
        began, cpu = time.perf_counter(), os.times()
        demonstration.build(made, small=quick, seed=demonstration.HELD_OUT_SEED)
        spent = time.perf_counter() - began
        after = os.times()
        figures = score_ward(open_workbench(made, actor="bench"))
        figures["data"] += f", seed {demonstration.HELD_OUT_SEED}, held out"
        figures["build wall s"] = round(spent, 1)
        own, children = after.user - cpu.user, after.children_user - cpu.children_user
        figures["build CPU s"] = round(own + children, 1)
    return figures


def score_ward(wb: Workbench) -> Figures:
    """Return passes, plates and legs of a demonstration root against the truth beside it."""
    truth = twin.read_truth(wb.root / "truth")
    purpose = Purpose(demonstration.TRAINING_CASE.case_id, "score against the truth")
    sightings = wb.sightings(purpose)
    score = twin.score(sightings, truth)
    legs = trajectories.link_all(sightings, wb.graph.between).to_pandas()
    links = _link_score(score.matches, legs)
    return {
        "data": f"demonstration ward, {len(wb.segments())} cameras",
        "passes": score.passes,
        "pass recall": round(score.recall, 4),
        "pass precision": round(score.precision, 4),
        "plates visible": score.plates_visible,
        "plates exact": round(score.plate_exact, 4),
        "plates wrong": round(score.plate_wrong, 4),
        "links true": links.true,
        "link precision": round(links.precision, 4),
        "link recall": round(links.recall, 4),
        "impossible legs": int((legs["plausible"] == "impossible").sum()),
        "clocks": _clock_errors(wb, truth),
        "by camera": score.by_camera.to_dict("index"),
    }


def _link_score(matches: pd.DataFrame, legs: pd.DataFrame) -> trajectories.Score:
    """Score legs between passes: nodes are the truth's passes, so that a missed pass counts."""
    visible = matches[matches["plate_visible"].astype(bool)].sort_values("best_utc")
    node = (
        visible["vehicle_id"] + "/" + visible["camera_id"] + "/" + visible["best_utc"].astype(str)
    )
    chains = node.groupby(visible["vehicle_id"]).agg(list)
    of_sighting = {s: n for s, n in zip(visible["sighting_id"], node, strict=True) if s}
    possible = legs[legs["plausible"] != "impossible"]
    predicted = [
        (of_sighting.get(a, a), of_sighting.get(b, b))
        for a, b in zip(possible["from_id"], possible["to_id"], strict=True)
    ]
    return trajectories.score(predicted, trajectories.consecutive(chains))


def _clock_errors(wb: Workbench, truth: twin.Truth) -> Figures:
    """Compare measured clock fixes with the truth's offsets, camera by camera."""
    errors = []
    late_s = dict(zip(truth.clocks["camera_id"], truth.clocks["stamped_minus_utc_s"], strict=True))
    for camera_id, late in late_s.items():
        fixes = [fix for fix in wb.clock_fixes(camera_id) if fix.method == "overlay"]
        if fixes:
            errors.append(fixes[-1].offset_ns / 1e9 + late)
    return {
        "cameras": len(truth.clocks),
        "measured": len(errors),
        "off by at most s": round(float(np.max(np.abs(errors))), 3) if errors else None,
    }
