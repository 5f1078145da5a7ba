"""What a page says of the following of its case: rows, delays, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from workbench.timeline import is_recent
from workbench.views.text import Translate

LOOK_MS = 3000
"""How often a page asks whether there are new sightings."""
FRESH_S = 10.0


def rows_of(told: Mapping[str, Any], case_id: str, now_ns: int) -> int | None:
    """Return how many rows the following of a case has found; None where none runs.

    >>> rows_of({"case": "1", "at_ns": 5, "ended": "", "cameras": {"A": {"rows": 2}}}, "1", 6)
    2
    >>> rows_of({}, "1", 6) is None
    True
    """
    stale = not is_recent(int(told.get("at_ns", 0)), now_ns, FRESH_S)
    if told.get("case") != case_id or told.get("ended") or stale:
        return None
    return sum(int(camera["rows"]) for camera in told["cameras"].values())


def following_html(told: Mapping[str, Any], rows: int, tr: Translate) -> str:
    """Return one line: sightings so far, the slowest camera's delay, seconds not searched."""
    cameras = told["cameras"].values()
    delay = max((one["latency_p95_s"] or 0.0 for one in cameras), default=0.0)
    left = sum(one["left_out_s"] for one in cameras)
    said = [tr("Following {count} cameras: {rows} sightings").format(count=len(cameras), rows=rows)]
    if delay:
        said.append(tr("seen to row at most {seconds} s (p95)").format(seconds=f"{delay:.1f}"))
    if left >= 1:
        said.append(tr("{seconds} s recorded, not searched").format(seconds=f"{left:.0f}"))
    return f'<div class="small following" role="status">{escape("; ".join(said))}</div>'
