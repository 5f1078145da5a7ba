"""What is drawn around a chosen leg: where else it may have gone, and which cameras were out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from workbench.investigation import Linked, Passed, Workbench
from workbench.views.belief import rivals, share, silence
from workbench.views.text import Translate, clock


def around(
    wb: Workbench, number: int, leg: Mapping[str, Any], linked: Linked,
    passed: Mapping[str, Passed], tr: Translate,
) -> dict[str, Any]:  # fmt: skip
    """Return what the map draws around a leg, for :class:`~workbench.views.map_bridge.MapBridge`.

    ``{"leg", "lines", "marks"}``: a line goes by road to each rival that could be the next
    sighting, a mark stands at each camera between that did not record.
    """
    return {
        "leg": number,
        "lines": [_line(wb, leg, *rival, tr) for rival in rivals(leg, linked)],
        "marks": [
            {"at": _at(wb, name), "text": silence(name, one, tr)}
            for name, one in passed.items()
            if one.gaps
        ],
    }


def _line(
    wb: Workbench, leg: Mapping[str, Any], rival: Mapping[str, Any], p: float | None, tr: Translate
) -> dict[str, Any]:
    start, stop = str(leg["from_camera"]), str(rival["camera_id"])
    way = wb.graph.between(start, stop) if start != stop else None
    line = [[lat, lon] for lon, lat in way.line] if way else [_at(wb, start), _at(wb, stop)]
    at_ns = pd.Timestamp(rival["utc"]).as_unit("ns").value
    said = share(p)
    known = tr("or {camera}").format(camera=stop)
    words = [known, clock(at_ns), str(rival["plate"] or ""), said]
    return {"line": line, "text": " · ".join(filter(None, words))}


def _at(wb: Workbench, camera_id: str) -> list[float]:
    camera = wb.camera(camera_id)
    return [camera.lat_deg, camera.lon_deg]
