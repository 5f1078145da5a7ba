"""The one place that opens video files: packet index, exact decoding, pixels, writing clips."""

from workbench.media.clip_writer import ClipWriter
from workbench.media.container import check_readable
from workbench.media.decoding import decode
from workbench.media.packets import VideoFacts, gop_runs, index_packets, missing_after
from workbench.media.pixels import to_luma, to_rgb
from workbench.media.timestamps import typical_interval

__all__ = [
    "ClipWriter",
    "VideoFacts",
    "check_readable",
    "decode",
    "gop_runs",
    "index_packets",
    "missing_after",
    "to_luma",
    "to_rgb",
    "typical_interval",
]
