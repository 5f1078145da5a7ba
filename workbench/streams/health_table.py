"""Health over time as labelled arrays: from checks to a dataset, from a dataset to a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.records import LossCause
from workbench.streams.health import HealthCheck
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    import xarray as xr

NUMBERS: dict[str, tuple[str, str]] = {
    "fps": ("frames/s", "frames that arrived a second"),
    "kbit_s": ("kbit/s", "what arrived"),
    "brightness": ("0..255", "mean grey level"),
    "contrast": ("0..255", "standard deviation of the grey levels"),
    "sharpness": ("1", "beside the reference: 1 is as sharp"),
    "change": ("0..255", "mean change since the picture before"),
    "shift_px": ("px", "movement of the view, on the small picture"),
    "rotation_deg": ("degree", "turn of the view, clockwise on screen"),
    "clock_offset_s": ("s", "camera's own time minus the centre's"),
    "loss_share": ("1", "packets lost or broken, of those sent"),
}
FLAGS = ("frozen", "dark", "overexposed", "blurred", "covered", "moved")
CAUSES: tuple[str, ...] = (*get_args(LossCause), "unknown", "not checked")
"""Why there was no footage: a loss, one without a word, or nobody looked."""
_LATE = 2.0
"""Checks farther apart than so many of the usual steps leave time between them unchecked."""


def health_dataset(
    checks: Iterable[HealthCheck], *, step_s: float = 5.0, cameras: Sequence[str] | None = None
) -> xr.Dataset:
    """Return checks as a dataset over (camera, time); NaN where unknown or not checked.

    Parameters
    ----------
    checks
        In any order; of several in one step the latest counts.
    step_s
        The grid of time, s; each step is named by its start. Steps nobody checked are left out.
    cameras
        Order of the cameras; those of the checks, sorted, when not given.

    Returns
    -------
    xarray.Dataset
        float32 (camera, time): ``connected`` and :data:`FLAGS` are 0 or 1, the others carry their
        unit in ``attrs``; ``cause`` is text, empty where connected or not checked; ``faults`` the
        raised ones, parted by commas. ``time`` is UTC.

    Raises
    ------
    BadInput
        When the step is not positive.
    """
    import xarray as xr  # large, and the processes that record import this package

    if not step_s > 0:
        raise BadInput(N_("the step of a health table must be longer than nothing"))
    step_ns = round(step_s * SECOND_NS)
    newest: dict[tuple[str, int], HealthCheck] = {}
    for one in sorted(checks, key=lambda check: check.at_ns):
        newest[one.camera_id, one.at_ns // step_ns * step_ns] = one
    names = list(cameras) if cameras is not None else sorted({camera for camera, _ in newest})
    newest = {key: one for key, one in newest.items() if key[0] in names}
    times = np.array(sorted({at for _, at in newest}), np.int64)
    row = {camera: n for n, camera in enumerate(names)}
    column = {int(at): n for n, at in enumerate(times)}
    shape = (len(names), len(times))
    values = {name: np.full(shape, np.nan, np.float32) for name in ("connected", *NUMBERS, *FLAGS)}
    cause, faults = np.full(shape, "", object), np.full(shape, "", object)
    for (camera, at), one in newest.items():
        cell = row[camera], column[at]
        values["connected"][cell] = one.connected
        for name in NUMBERS:
            values[name][cell] = getattr(one, name)
        for name in FLAGS:
            raised = name in one.faults
            # a fault once raised stays so while it cannot be judged
            values[name][cell] = 1.0 if raised else math.nan if name in one.unknown else 0.0
        cause[cell] = "" if one.connected else one.cause or "unknown"
        faults[cell] = ", ".join(one.faults)
    dims = ("camera", "time")
    data = xr.Dataset(
        {name: (dims, array) for name, array in values.items()}
        | {"cause": (dims, cause.astype(str)), "faults": (dims, faults.astype(str))},
        coords={"camera": names, "time": times.view("datetime64[ns]")},
        attrs={"step_s": step_s},
    )
    for name, (unit, says) in NUMBERS.items():
        data[name].attrs |= {"units": unit, "long_name": says}
    for name in ("connected", *FLAGS):
        data[name].attrs |= {"units": "1", "long_name": name, "comment": "0 or 1"}
    data["time"].attrs |= {"long_name": "UTC, start of the step"}
    return data


def health_report(health: xr.Dataset, period: Span, *, every_s: float | None = None) -> xr.Dataset:
    """Return how the cameras ran: uptime, faults and gaps by cause, in parts of a period.

    Parameters
    ----------
    health
        As :func:`health_dataset` made it.
    period
        What is reported on, UTC.
    every_s
        Length of each part; the whole period in one when not given.

    Returns
    -------
    xarray.Dataset
        Over (camera, time), ``time`` the start of each part: ``checked_share`` of its length that
        was checked; ``uptime_share`` of its length that the camera is known to have run, so what
        nobody checked counts as not running; ``fault_share`` of the checked time, over (camera,
        time, fault); means ``fps`` and ``kbit_s`` while connected; ``gap_s`` over (camera, time,
        cause), which with the uptime makes up the whole part.

    Raises
    ------
    BadInput
        When the period or its parts are empty.
    """
    import xarray as xr  # as in :func:`health_dataset`

    length_s = period.duration_ns / SECOND_NS
    part_s = every_s or length_s
    if not length_s > 0 or not part_s > 0:
        raise BadInput(N_("a report needs a period and parts longer than nothing"))
    starts = period.start_ns + np.arange(math.ceil(length_s / part_s)) * round(part_s * SECOND_NS)
    stops = np.minimum(starts + round(part_s * SECOND_NS), period.stop_ns)
    lengths = (stops - starts) / SECOND_NS
    connected = health["connected"].values
    pieces = [_pieces(health, row, starts, stops) for row in ~np.isnan(connected)]

    def total(amount: NDArray[Any]) -> NDArray[np.float64]:
        rows = [
            np.bincount(part, seconds * amount[camera][column], len(starts))
            for camera, (column, part, seconds) in enumerate(pieces)
        ]
        return np.array(rows, np.float64).reshape(len(pieces), len(starts))

    checked_s, up_s = total(~np.isnan(connected)), total(connected == 1)
    cause = health["cause"].values
    gaps = np.stack([total((connected == 0) & (cause == name)) for name in CAUSES], axis=-1)
    gaps[..., CAUSES.index("not checked")] = np.maximum(lengths - checked_s, 0)
    faults = np.stack([total(health[name].values == 1) for name in FLAGS], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {
            name: total(np.where(connected == 1, np.nan_to_num(health[name].values), 0.0)) / up_s
            for name in ("fps", "kbit_s")
        }
        fault_share = faults / checked_s[..., None]
    dims = ("camera", "time")
    report = xr.Dataset(
        {
            "checked_share": (dims, checked_s / lengths),
            "uptime_share": (dims, up_s / lengths),
            "gap_s": ((*dims, "cause"), gaps),
            "fault_share": ((*dims, "fault"), fault_share),
            **{name: (dims, values) for name, values in means.items()},
        },
        coords={
            "camera": health["camera"].values,
            "time": starts.astype("datetime64[ns]"),
            "cause": list(CAUSES),
            "fault": list(FLAGS),
        },
    )
    units = {"checked_share": "1", "uptime_share": "1", "fault_share": "1", "gap_s": "s"}
    for name, unit in (units | {name: NUMBERS[name][0] for name in means}).items():
        report[name].attrs["units"] = unit
    return report


def _pieces(
    health: xr.Dataset,
    checked: NDArray[np.bool_],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return one camera's time as pieces: column of the table, part of the period, length in s.

    A check stands until the camera's next one, or for one step where nobody looked for long. What
    reaches over the border of a part is cut there.
    """
    column = np.flatnonzero(checked)
    times = health["time"].values.astype("datetime64[ns]").astype(np.int64)[column]
    usual_ns = round(float(health.attrs["step_s"]) * SECOND_NS)
    until = np.append(times[1:], times[-1:] + usual_ns)
    until = np.where(until - times <= _LATE * usual_ns, until, times + usual_ns)
    first = np.searchsorted(starts, times, side="right") - 1
    border = np.append(stops, starts[0])[first]  # -1, before the period, ends where it begins
    ends = np.minimum(until, border)
    column, part = np.tile(column, 2), np.concatenate([first, first + 1])
    lengths = np.concatenate([ends - times, until - np.maximum(times, ends)])
    inside = (part >= 0) & (part < len(starts)) & (lengths > 0)
    return column[inside], part[inside], lengths[inside] / SECOND_NS
