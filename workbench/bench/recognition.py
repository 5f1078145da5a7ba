"""The yardstick of recognition: cost, recall, tracking, plates, spread, faces; each part by name.

``docs/benchmarks/recognition.md`` holds what it said, before and after. A part whose data is not
there says so and is passed over.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

from workbench.bench import recognition_drawn as drawn
from workbench.bench.clips import footage_folder, parts_asked
from workbench.bench.recognition_costs import cost, ten_cameras, two_workers
from workbench.bench.recognition_passes import hard, recall, tracking
from workbench.bench.recognition_plates import plates_part
from workbench.bench.recognition_rig import Figures, Rig
from workbench.errors import N_, BadInput, Unavailable

Part = Callable[[Rig, Figures], Figures]
"""A part from what all parts share and the figures of those before it."""


def faces(rig: Rig) -> Figures:
    """Return the figures of face comparison, where the engine has them."""
    if rig.footage is None:
        return {"skipped": "the folder of real footage is not there"}
    try:
        module = importlib.import_module("workbench.recognition.faces.evaluation")
    except ModuleNotFoundError:
        return {"skipped": "the engine compares no faces"}
    figures: Figures = module.evaluate_faces(rig.footage, quick=rig.quick)
    return figures


PARTS: dict[str, Part] = {
    "cost": lambda rig, _so_far: cost(rig),
    "recall": lambda rig, _so_far: recall(rig),
    "tracking": lambda rig, _so_far: tracking(rig),
    "hard scenes": lambda rig, _so_far: hard(rig),
    "plates": lambda rig, _so_far: plates_part(rig),
    "two workers": lambda rig, _so_far: two_workers(rig),
    "ten cameras": lambda _rig, so_far: ten_cameras(so_far),
    "faces": lambda rig, _so_far: faces(rig),
}
"""What is measured, by name, in this order; a later part may rest on an earlier one."""


def bench_recognition(*, quick: bool = False, clips: Path | None = None, only: str = "") -> Figures:
    """Measure recognition against decoding, against looking always, and against known truth.

    Parameters
    ----------
    quick
        Short clips and few samples: a first look in three minutes on two cores.
    clips
        A folder with videos (cost), folders in MOTChallenge's layout (tracking) and CSVs of
        file,text beside crops (plates). The footage beside the checkout serves where it is None.
    only
        Parts of :data:`PARTS`, divided by commas; all where it is empty.

    Raises
    ------
    BadInput
        When there is no such part, or no such folder.
    """
    asked = parts_asked(only, list(PARTS))
    if clips is not None and not clips.is_dir():
        raise BadInput(N_("there is no such folder"), where=str(clips))
    try:
        footage: Path | None = footage_folder()
    except Unavailable:
        footage = None
    cv2.setNumThreads(1)
    figures: Figures = {
        "data": {
            "drawn": "streets of the simulated ward, drawn anew in each run",
            "seeds": drawn.SEEDS,
            "clips": str(clips.name) if clips else "none given",
            "footage": "there" if footage else "not there: parts that need it say so",
        },
        "quick": quick,
        "cores": os.cpu_count(),
        "load at the start": round(os.getloadavg()[0], 1),
    }
    with tempfile.TemporaryDirectory() as name:
        rig = Rig(Path(name), quick, clips, footage)
        for part in asked:
            began = time.process_time()
            figures[part] = PARTS[part](rig, figures)
            spent = time.process_time() - began
            sys.stderr.write(f"{part}: {spent:.0f} CPU s\n")
    return figures
