"""The one place that opens video files: packet index, exact decoding, pixels, writing clips."""

from workbench.media.cutting import CutPacket, cut_exactly
from workbench.media.frames import ClipWriter, Cut, cut, decode, key_frames, to_luma, to_rgb
from workbench.media.packets import VideoFacts, check_readable, index_packets, remark_of
from workbench.media.spool import Spool
from workbench.media.timestamps import gop_runs, missing_after, typical_interval

__all__ = [
    "ClipWriter",
    "Cut",
    "CutPacket",
    "Spool",
    "VideoFacts",
    "check_readable",
    "cut",
    "cut_exactly",
    "decode",
    "gop_runs",
    "index_packets",
    "key_frames",
    "missing_after",
    "remark_of",
    "to_luma",
    "to_rgb",
    "typical_interval",
]
