"""Keep the cameras running: capture, recording, health, causes and responses."""

from workbench.streams.address import (
    StreamAddress,
    parse_address,
    read_credentials,
    with_credentials,
)
from workbench.streams.capture import BEAT_S
from workbench.streams.files import forget
from workbench.streams.gaps import derive_gaps
from workbench.streams.messages import CaptureJob
from workbench.streams.recorder import Recorder, record

__all__ = [
    "BEAT_S",
    "CaptureJob",
    "Recorder",
    "StreamAddress",
    "derive_gaps",
    "forget",
    "parse_address",
    "read_credentials",
    "record",
    "with_credentials",
]
