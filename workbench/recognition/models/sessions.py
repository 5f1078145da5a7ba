"""One way to open an ONNX network: one thread, no spinning, no chatter; boxes for all of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray


def options(*, exact: bool = False) -> ort.SessionOptions:
    """Return session options for a worker that owns one core.

    ONNX Runtime's default spins idle threads: measured 1.67 times the CPU for nothing.

    Parameters
    ----------
    exact
        The network has weights of whole eight bits: where the processor would add their products
        in 16, which overflow, it is told to take the slower way (1.4 times the time).
    """
    chosen = ort.SessionOptions()
    chosen.intra_op_num_threads = 1
    chosen.inter_op_num_threads = 1
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen.log_severity_level = 3
    if exact and not adds_in_32_bits():
        chosen.add_session_config_entry("session.x64quantprecision", "1")
    return chosen


@lru_cache
def adds_in_32_bits(listed: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether the processor multiplies eight bits without overflow (VNNI); no, if unknown."""
    try:
        said = listed.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line.split() for line in said.splitlines() if line.startswith("flags")), [])
    return "avx_vnni" in flags or "avx512_vnni" in flags


def open_network(source: Path | bytes, *, exact: bool = False) -> ort.InferenceSession:
    """Open a network on the CPU from a file or from its bytes; see :func:`options`."""
    graph = source if isinstance(source, bytes) else str(source)
    return ort.InferenceSession(graph, options(exact=exact), providers=["CPUExecutionProvider"])


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], max_overlap: float
) -> list[int]:
    """Return the rows that stay, best first, after greedy non-maximum suppression.

    Parameters
    ----------
    boxes
        float32[n, 4]: left, top, right, bottom.
    max_overlap
        Intersection over union above which the weaker box goes.

    >>> a = np.array([[0, 0, 9, 9], [1, 0, 10, 9], [30, 0, 40, 9]], np.float32)
    >>> suppress(a, np.array([.5, .9, .4], np.float32), .5)
    [1, 2]
    """
    left, top, right, bottom = boxes.T
    area = (right - left) * (bottom - top)
    rest = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while rest.size:
        best, rest = int(rest[0]), rest[1:]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        shared = np.clip(width, 0, None) * np.clip(height, 0, None)
        rest = rest[shared <= max_overlap * (area[best] + area[rest] - shared)]
    return kept
