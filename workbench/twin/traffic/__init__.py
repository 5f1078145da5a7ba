"""The ward simulated by a traffic engine: truth of every pass, and what cameras make of it."""

from workbench.twin.traffic.degradation import PRESETS, Degraded, Knobs, degrade, preset
from workbench.twin.traffic.demand import Traffic
from workbench.twin.traffic.engine import simulate
from workbench.twin.traffic.tables import Simulated, degrade_folder, open_simulated

__all__ = [
    "PRESETS",
    "Degraded",
    "Knobs",
    "Simulated",
    "Traffic",
    "degrade",
    "degrade_folder",
    "open_simulated",
    "preset",
    "simulate",
]
