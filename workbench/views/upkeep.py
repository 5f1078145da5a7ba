"""Beside the wall: the open incidents, and how an enlarged camera does beside its reference."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import param
from panel.custom import JSComponent

from workbench.monitoring import Monitoring
from workbench.streams.faults import FAULT_TEXT
from workbench.timeline import SECOND_NS, Span
from workbench.views.footage import jpeg
from workbench.views.page import ASSETS, COMPONENTS_CSS
from workbench.views.text import Translate, clock

if TYPE_CHECKING:
    import xarray as xr

HISTORY_S = 6 * 3600.0
BINS = 180
"""Parts of the history's strip, two minutes each."""
NOT_CHECKED, WELL, FAULTY, LOST = range(4)
NOTE_LONGEST = 500


class Incidents(JSComponent):  # type: ignore[misc]  # Panel is untyped
    """Open incidents with their age, cause and what was done; people acknowledge or close them."""

    incidents = param.List(default=[], doc="Of incident_rows.")
    words = param.Dict(default={})
    trouble = param.String(default="", doc="Why the last act was not done.")

    _esm = ASSETS / "incidents.js"
    _stylesheets = [COMPONENTS_CSS]  # noqa: RUF012 - Panel reads it from the class

    def __init__(self, act: Callable[[str, str, str], None], **params: Any) -> None:
        self._act = act
        super().__init__(sizing_mode="stretch_width", margin=0, **params)

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict) or data.get("act") not in ("acknowledge", "close"):
            return
        # only what was shown: a message is no way to close anything else
        if any(row["id"] == data.get("id") for row in self.incidents):
            self._act(data["act"], data["id"], str(data.get("note", ""))[:NOTE_LONGEST].strip())


def care(house: Monitoring, camera_id: str, tr: Translate) -> dict[str, Any]:
    """Return what the page shows under an enlarged camera: references, last check, history.

    The pictures are the small grey ones that the checks compare.
    """
    now_ns = house.now()
    history = house.health(Span(now_ns - round(HISTORY_S * SECOND_NS), now_ns), [camera_id])
    references = [
        {
            "light": one.light,
            "at": clock(one.at_ns, date=True),
            "src": "data:image/jpeg;base64," + base64.b64encode(_jpeg(one.luma)).decode(),
        }
        for one in house.references(camera_id)
    ]
    return {
        "camera": camera_id,
        "references": references,
        "check": last_check(history, tr),
        "strip": strip(history, now_ns),
        "from": clock(now_ns - round(HISTORY_S * SECOND_NS))[:5],
        "until": clock(now_ns)[:5],
    }


def _jpeg(luma: Any) -> bytes:
    return jpeg(np.repeat(np.asarray(luma, np.uint8)[:, :, None], 3, axis=2), 80)


def last_check(history: xr.Dataset, tr: Translate) -> dict[str, Any]:
    """Return the newest check of a history of one camera: when, its faults in words, its numbers.

    Empty where nothing was checked.
    """
    if not history.sizes.get("time"):
        return {}
    last = history.isel(camera=0, time=-1)
    value = {
        name: float(last[name])
        for name in (
            "fps", "kbit_s", "brightness", "sharpness", "shift_px", "rotation_deg",
            "clock_offset_s", "loss_share",
        )
    }  # fmt: skip
    fields = {
        "fps": _number(value["fps"], 1),
        "kbit_s": _number(value["kbit_s"], 0),
        "loss_percent": _number(100 * value["loss_share"], 1),
        "shift_px": _number(value["shift_px"], 0),
        "rotation_deg": _number(value["rotation_deg"], 1),
        "clock_offset_s": _number(value["clock_offset_s"], 1),
    }
    raised = [one for one in str(last["faults"].item()).split(", ") if one]
    numbers = [
        (tr("Frames a second"), fields["fps"]),
        (tr("kbit/s"), fields["kbit_s"]),
        (tr("Brightness (0 to 255)"), _number(value["brightness"], 0)),
        (tr("Sharpness beside the reference"), _number(100 * value["sharpness"], 0, " %")),
        (tr("Moved beside the reference"), _number(value["shift_px"], 0, " px")),
        (tr("Camera's clock"), _number(value["clock_offset_s"], 1, " s", signed=True)),
    ]
    at_ns = int(history["time"].values[-1].astype("datetime64[ns]").astype(np.int64))
    return {
        "at": clock(at_ns),
        "connected": bool(last["connected"] == 1),
        "faults": [
            tr(FAULT_TEXT[one]).format(**fields) if one in FAULT_TEXT else one for one in raised
        ],
        "numbers": [list(pair) for pair in numbers],
    }


def _number(value: float, digits: int, unit: str = "", *, signed: bool = False) -> str:
    if not math.isfinite(value):
        return "?"
    return f"{value:{'+' if signed else ''}.{digits}f}{unit}"


def strip(history: xr.Dataset, now_ns: int) -> Mapping[str, list[float | None]]:
    """Return a camera's last hours in :data:`BINS` parts: its worst state, brightness, sharpness.

    Parameters
    ----------
    history
        As ``Monitoring.health`` returns it, of one camera.
    """
    start_ns = now_ns - round(HISTORY_S * SECOND_NS)
    state = np.full(BINS, NOT_CHECKED)
    levels = {name: np.full(BINS, np.nan) for name in ("brightness", "sharpness")}
    if history.sizes.get("time"):
        one = history.isel(camera=0)
        at_ns = one["time"].values.astype("datetime64[ns]").astype(np.int64)
        part = np.clip((at_ns - start_ns) * BINS // (now_ns - start_ns), 0, BINS - 1)
        connected = one["connected"].values
        seen = np.where(connected == 1, WELL, np.where(connected == 0, LOST, NOT_CHECKED))
        seen = np.where((seen == WELL) & (one["faults"].values != ""), FAULTY, seen)
        np.maximum.at(state, part, seen)
        for name, level in levels.items():
            values = one[name].values
            known = np.isfinite(values)
            total = np.bincount(part[known], values[known], BINS)
            count = np.bincount(part[known], minlength=BINS)
            level[count > 0] = total[count > 0] / count[count > 0]
    return {
        "state": [int(one) for one in state],
        **{
            name: [None if math.isnan(one) else round(float(one), 3) for one in level]
            for name, level in levels.items()
        },
    }
