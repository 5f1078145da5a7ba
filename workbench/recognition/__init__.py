"""Find and read what passes a camera: models, gate, tracks, the fan-out over archived footage."""

from workbench.recognition.clock.fix import measure_overlay_clock
from workbench.recognition.models import registry
from workbench.recognition.models.doctor import ModelReport, examine, system_facts
from workbench.recognition.models.loading import load_models
from workbench.recognition.models.weights import dropped_in
from workbench.recognition.passes.appearance import (
    COLOURS,
    VehicleLikeness,
    colour_of,
    open_likeness,
)
from workbench.recognition.passes.candidates import SWEPT, sweep_job
from workbench.recognition.passes.rows import sighting_id
from workbench.recognition.plates.stills import StillReading, as_csv, read_plates_of_images
from workbench.recognition.runs.crew import Crew, GiveModels, Outcome, crew, own_models
from workbench.recognition.runs.engine import Job, plan_jobs, run_job
from workbench.recognition.runs.fanout import (
    Result,
    Summary,
    count_workers,
    local_cluster,
    model_ref,
    recognise,
    sweep_for_candidates,
)
from workbench.recognition.runs.following import Growing, Piece, live_settings
from workbench.recognition.runs.planning import Estimate, Expected, Rates, Spent, estimate, in_order
from workbench.recognition.runs.shedding import to_shed
from workbench.recognition.settings import Settings
from workbench.recognition.types import Chosen, ModelSettings

__all__ = [
    "COLOURS",
    "SWEPT",
    "Chosen",
    "Crew",
    "Estimate",
    "Expected",
    "GiveModels",
    "Growing",
    "Job",
    "ModelReport",
    "ModelSettings",
    "Outcome",
    "Piece",
    "Rates",
    "Result",
    "Settings",
    "Spent",
    "StillReading",
    "Summary",
    "VehicleLikeness",
    "as_csv",
    "colour_of",
    "count_workers",
    "crew",
    "dropped_in",
    "estimate",
    "examine",
    "in_order",
    "live_settings",
    "load_models",
    "local_cluster",
    "measure_overlay_clock",
    "model_ref",
    "open_likeness",
    "own_models",
    "plan_jobs",
    "read_plates_of_images",
    "recognise",
    "registry",
    "run_job",
    "sighting_id",
    "sweep_for_candidates",
    "sweep_job",
    "system_facts",
    "to_shed",
]
