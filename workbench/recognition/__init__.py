"""Find and read what passes a camera: models, gate, tracks, the fan-out over archived footage."""

from workbench.recognition.doctor import ModelReport, examine, system_facts
from workbench.recognition.engine import Job, plan_jobs, run_job
from workbench.recognition.fanout import Result, Summary, local_cluster, recognise
from workbench.recognition.models import load_models
from workbench.recognition.overlay_clock import measure_overlay_clock
from workbench.recognition.settings import Settings

__all__ = [
    "Job",
    "ModelReport",
    "Result",
    "Settings",
    "Summary",
    "examine",
    "load_models",
    "local_cluster",
    "measure_overlay_clock",
    "plan_jobs",
    "recognise",
    "run_job",
    "system_facts",
]
