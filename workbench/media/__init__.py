"""The one place that opens video files: packet index, exact decoding, pixels, writing clips."""

from workbench.media.frames import ClipWriter, decode, to_luma, to_rgb
from workbench.media.packets import VideoFacts, check_readable, index_packets, remark_of
from workbench.media.spool import Spool
from workbench.media.timestamps import gop_runs, missing_after, typical_interval

__all__ = [
    "ClipWriter",
    "Spool",
    "VideoFacts",
    "check_readable",
    "decode",
    "gop_runs",
    "index_packets",
    "missing_after",
    "remark_of",
    "to_luma",
    "to_rgb",
    "typical_interval",
]
