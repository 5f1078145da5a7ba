"""A measured speed as a file: a table, or a page in Vietnamese with its interval drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from workbench import collisions
from workbench.errors import N_, BadInput
from workbench.investigation.drawing import Sheet
from workbench.investigation.measuring import Measured, statements_of
from workbench.paper import pdf_of
from workbench.store import files
from workbench.timeline import format_utc, local_text

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

_ASSETS = Path(__file__).parent / "assets"
_ROWS = 24


def refuse_taken(path: Path, endings: tuple[str, ...]) -> None:
    """Refuse a file that is there, has no folder, or another ending."""
    if path.suffix.lower() not in endings:
        raise BadInput(
            N_("this is written as {endings}"), N_("name the file so"),
            where=str(path), endings=", ".join(endings),
        )  # fmt: skip
    if path.exists() or not path.absolute().parent.is_dir():
        raise BadInput(
            N_("this file is there already, or its folder is not"),
            N_("give a name that is free, in a folder that exists"),
            where=str(path),
        )


def write_measured(
    house: Workbench, one: Measured, out: Path, translate: Callable[[str], str]
) -> None:
    """Write it as ``.csv``, ``.html`` or ``.pdf``, by the path's name; the log keeps that it was.

    Raises
    ------
    BadInput
        When the file is there already, or has another ending.
    """
    ending = out.suffix.lower()
    refuse_taken(out, (".csv", ".html", ".pdf"))
    if ending == ".csv":
        data = table_of(one, translate).to_csv(index=False).encode()
    else:
        html = page_of_measured(house, one, translate)
        data = pdf_of(html) if ending == ".pdf" else html.encode()
    house._log(
        "measure.export", one.camera_id, one.purpose,
        details={"file": out.name, "calibration": one.calibrated.sha256},
    )  # fmt: skip
    files.write_bytes(out, data)


def table_of(one: Measured, translate: Callable[[str], str] = str) -> pd.DataFrame:
    """Return a row a frame: figures as 2.5 %, 50 %, 97.5 %, and what must stand beside them."""
    motion = one.motion
    points = one.track.points_px[np.isfinite(one.track.points_px).all(axis=1)]
    columns: dict[str, object] = {
        "utc": [format_utc(int(ns)) for ns in one.utc_ns], "time_s": motion.time_s.round(4),
        "pts": one.pts, "x_px": points[:, 0].round(1), "y_px": points[:, 1].round(1),
        "east_m": motion.position_m[:, 0].round(3), "north_m": motion.position_m[:, 1].round(3),
        "sigma_m": motion.position_sigma_m.round(3),
    }  # fmt: skip
    for name, values in (
        ("speed_km_h", motion.speed_km_h), ("acceleration_m_s2", motion.acceleration_m_s2),
        ("lateral_m_s2", motion.lateral_m_s2), ("heading_deg", motion.heading_deg),
    ):  # fmt: skip
        for word, row in zip(("low", "median", "high"), values, strict=True):
            columns[f"{name}_{word}"] = row.round(2)
    note, *said = statements_of(one, translate)
    columns |= {
        "camera": one.camera_id, "segment_sha256": one.track.segment.sha256,
        "case": one.purpose.case_id, "reason": one.purpose.reason, "measured_by": one.by,
        "calibration_sha256": one.calibrated.sha256, "calibration_class": motion.kind,
        "time_base": motion.time_base.source, "tick_s": str(motion.time_base.tick_s),
        "clock_sigma_s": one.sigma_ns / 1e9, "statements": " | ".join(said), "note": note,
    }  # fmt: skip
    return pd.DataFrame(columns)


def page_of_measured(house: Workbench, one: Measured, translate: Callable[[str], str]) -> str:
    """Return it as an HTML page that stands for itself, in Vietnamese."""
    case = house._store.case(one.purpose.case_id)
    motion = one.motion
    chosen = np.unique(np.linspace(0, len(motion.time_s) - 1, _ROWS).round().astype(int))
    note, *said = statements_of(one, translate)
    page = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(_ASSETS))
    return page.get_template("measured.html").render(
        case=case, purpose=one.purpose, camera=house.camera(one.camera_id), by=one.by,
        made=local_text(one.at_ns), start=_local(int(one.utc_ns[0])),
        stop=_local(int(one.utc_ns[-1])), sigma=f"{one.sigma_ns / 1e9:.2f}",
        mean=[f"{v:.1f}" for v in motion.mean_speed_km_h], note=note, said=said,
        highest=[f"{v:.1f}" for v in motion.speed_km_h[:, int(motion.speed_km_h[1].argmax())]],
        chart=Markup(chart_of(motion).svg()),  # our own drawing, its words escaped
        rows=[
            [
                _local(int(one.utc_ns[k])), f"{motion.time_s[k]:.2f}",
                *(f"{v:.1f}" for v in motion.speed_km_h[[1, 0, 2], k]),
                *(f"{v:+.1f}" for v in motion.acceleration_m_s2[[1, 0, 2], k]),
                _degrees(float(motion.heading_deg[1, k])),
                f"{1.96 * motion.position_sigma_m[k]:.2f}",
            ]
            for k in chosen.tolist()
        ],
    )  # fmt: skip


def chart_of(
    motion: collisions.Motion,
    axis: str = "giây kể từ khung hình đầu",
    at_s: float | None = None,
    size_mm: tuple[float, float] = (170.0, 70.0),
) -> Sheet:
    """Return speed over time: the median as a line in the band of its 95 % interval.

    ``axis`` is written under the times; an instant of the track is marked where one is given. A
    smaller sheet that is shown as large has larger words.
    """
    sheet = Sheet(*size_mm)
    left, top, wide, high = 16.0, 4.0, size_mm[0] - 22.0, size_mm[1] - 16.0
    last = max(float(motion.time_s[-1]), 1e-6)
    most = max(10.0, float(np.ceil(motion.speed_km_h[2].max() / 10) * 10))

    def at(t: float, v: float) -> tuple[float, float]:
        return left + wide * t / last, top + high * (1 - v / most)

    step = next(one for one in (10, 20, 50, 100, 500) if most / one * 5 <= high or one == 500)
    for v in range(0, int(most) + 1, step):
        sheet.line([at(0, v), at(last, v)], "#d5dbe1", 0.15)
        sheet.text(left - 1.5, at(0, v)[1] + 1, str(v), 2.8, anchor="end")
    for t in np.linspace(0, last, 6 if wide > 100 else 4).tolist():
        x, y = at(t, 0)
        sheet.line([(x, y), (x, y + 1)], "#222", 0.2)
        sheet.text(x, y + 4.5, f"{t:.2f}", 2.8, anchor="middle")
    times = motion.time_s.tolist()
    low, middle, up = (
        [at(t, v) for t, v in zip(times, row.tolist(), strict=True)] for row in motion.speed_km_h
    )
    sheet.line([*low, *reversed(up)], "none", 0, fill="#bcd7ec", close=True)
    sheet.line(middle, "#0b559f", 0.6)
    if at_s is not None and 0 <= at_s <= last:
        sheet.line([at(at_s, 0), at(at_s, most)], "#d0342c", 0.4)
    sheet.text(left + wide / 2, size_mm[1] - 2, axis, 2.8, anchor="middle")
    sheet.text(1, 3.2, "km/h", 2.8)
    return sheet


def _degrees(heading: float) -> str:
    return "–" if np.isnan(heading) else str(round(heading) % 360)


def _local(ns: int) -> str:
    return f"{local_text(ns)}.{ns // 1_000_000 % 1000:03d}"
