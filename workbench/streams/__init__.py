"""Keep the cameras running: capture, recording, health, causes and responses."""

from workbench.streams.address import (
    StreamAddress,
    parse_address,
    read_credentials,
    with_credentials,
)
from workbench.streams.capture import BEAT_S, small_luma
from workbench.streams.clocks import clock_fixes, new_fixes
from workbench.streams.files import forget, set_aside
from workbench.streams.gaps import derive_gaps
from workbench.streams.health import HealthCheck
from workbench.streams.health_table import health_dataset, health_report
from workbench.streams.incidents import Incident, Topology
from workbench.streams.messages import CaptureJob
from workbench.streams.pictures import LIGHTS, Light, Reference, make_reference
from workbench.streams.recorder import Recorder, record
from workbench.streams.watch import CHECK_S, Watch

__all__ = [
    "BEAT_S",
    "CHECK_S",
    "LIGHTS",
    "CaptureJob",
    "HealthCheck",
    "Incident",
    "Light",
    "Recorder",
    "Reference",
    "StreamAddress",
    "Topology",
    "Watch",
    "clock_fixes",
    "derive_gaps",
    "forget",
    "health_dataset",
    "health_report",
    "make_reference",
    "new_fixes",
    "parse_address",
    "read_credentials",
    "record",
    "set_aside",
    "small_luma",
    "with_credentials",
]
