"""Keep the cameras running: capture, recording, health, causes and responses."""

from workbench.streams.address import (
    StreamAddress,
    parse_address,
    read_credentials,
    with_credentials,
)
from workbench.streams.capture import BEAT_S, small_luma
from workbench.streams.causes import Explanation
from workbench.streams.clocks import clock_fixes, new_fixes
from workbench.streams.files import forget, set_aside
from workbench.streams.gaps import derive_gaps
from workbench.streams.health import HealthCheck
from workbench.streams.health_table import health_dataset, health_report
from workbench.streams.incidents import Incident, Topology, Trouble
from workbench.streams.messages import CaptureJob
from workbench.streams.neighbours import neighbours, raised
from workbench.streams.pictures import LIGHTS, Light, Reference, make_reference
from workbench.streams.recorder import Recorder, record
from workbench.streams.responses import Standing, decide
from workbench.streams.tasks import checks, worded_evidence
from workbench.streams.watch import CHECK_S, LOST, Explained, Watch, why

__all__ = [
    "BEAT_S",
    "CHECK_S",
    "LIGHTS",
    "LOST",
    "CaptureJob",
    "Explained",
    "Explanation",
    "HealthCheck",
    "Incident",
    "Light",
    "Recorder",
    "Reference",
    "Standing",
    "StreamAddress",
    "Topology",
    "Trouble",
    "Watch",
    "checks",
    "clock_fixes",
    "decide",
    "derive_gaps",
    "forget",
    "health_dataset",
    "health_report",
    "make_reference",
    "neighbours",
    "new_fixes",
    "parse_address",
    "raised",
    "read_credentials",
    "record",
    "set_aside",
    "small_luma",
    "why",
    "with_credentials",
    "worded_evidence",
]
