"""The monthly report: what was recorded of what should have been, what was lost and why.

Numbers are made by :func:`figures`, a pure function; the pages from them alone. Circular 83/2024
and QCVN 135:2024 make the upkeep of cameras a duty: this is what shows it.
"""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workbench import streams
from workbench.errors import N_, BadInput
from workbench.later import later
from workbench.monitoring.deletions import deletions, rules_of
from workbench.monitoring.facade import Monitoring
from workbench.paper import pdf_of
from workbench.records import Gap, IncidentRecord
from workbench.store import files
from workbench.streams.gaps import JOIN_S
from workbench.streams.health_table import FLAGS
from workbench.timeline import SECOND_NS, VIET_NAM, Span, local_text, union

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = later("xarray")

DAY_NS = 86_400 * SECOND_NS
UNKNOWN = "unknown"
LISTED = 24
"""Gaps of known cause that the report lists, the longest; counts are of all."""
_ASSETS = Path(__file__).parent / "assets"

LABELS = {
    "title": N_("Camera report of"), "period": N_("Period"), "local": N_("Viet Nam time"),
    "made": N_("made on"), "uptime": N_("recorded of what should have been"),
    "unknown_gaps": N_("gaps of unknown cause"), "gaps": N_("gaps in all"),
    "cameras": N_("cameras"), "used": N_("used by this month"), "growth": N_("growth a day"),
    "left": N_("until the disk is full"),
    "calendar": N_("Recorded share by camera and day"), "none": N_("None."),
    "by_cause": N_("Gaps by cause"), "by_site": N_("By site"), "by_camera": N_("By camera"),
    "findings": N_("Findings of health"), "unread": N_("a file of checks cannot be read"),
    "incidents": N_("Incidents"),
    "deleted": N_("Deletion statement"), "when": N_("When"), "what": N_("What"),
    "who": N_("By whom"), "why": N_("Why"), "size": N_("Size"),
    "inventory": N_("Inventory of cameras"), "retention": N_("Retention in force"),
    "no_retention": N_("None is set: nothing is deleted."),
    "longest": N_("Longest gaps"), "share": N_("Share recorded"), "lost": N_("Lost"),
    "count": N_("Count"), "cause": N_("Cause"), "site": N_("Site"), "camera": N_("Camera"),
    "name": N_("Name"), "kind": N_("Kind"), "address": N_("Address"), "from": N_("From"),
    "length": N_("Length"), "finding": N_("Finding"), "hours": N_("Hours"),
    "days": N_("{days} days"),
    "day": N_("Day of the month"), "details": N_("Details"), "longest_one": N_("Longest gap"),
    "unknown_lost": N_("Of unknown cause"), "no_address": N_("no address: not recorded"),
    "meaning": N_("Share recorded and gaps make up the whole period up to now; footage less than "
                  "0.2 s apart counts as whole. Cameras without an address are not counted."),
    "basis": N_("For the upkeep of cameras: Circular 83/2024/TT-BCA, QCVN 135:2024/BTTTT."),
}  # fmt: skip
CAUSES = {
    "unreachable": N_("no answer"), "denied": N_("wrong password"),
    "broken": N_("unreadable stream"),
    "ended": N_("ended by the camera"), "stalled": N_("no packets"), "disk": N_("disk full"),
    "killed": N_("recorder process died"), "stopped": N_("recorder was stopped"),
    "paused": N_("leap of the stream's times"), "not recording": N_("no recorder ran"),
    "switched": N_("another address of the camera was taken"),
    "clock": N_("the recorder's clock was set"),
    UNKNOWN: N_("unknown"),
}  # fmt: skip
FINDINGS = {
    "frozen": N_("frozen"), "dark": N_("dark"), "overexposed": N_("over-exposed"),
    "blurred": N_("blurred"), "covered": N_("covered"), "moved": N_("moved"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """The numbers of a report.

    ``days`` is a float (camera, day) array of the share recorded, NaN where it is still to come.
    ``cameras`` has a row a camera: site, share, recorded_s, lost_s, gaps, longest_s, unknown_s.
    ``causes`` has a row a cause, the unknown one first: gaps, lost_s. ``gaps`` has a row a gap:
    camera, start_ns, length_s, cause, detail; unknown ones first, then the longest. ``findings``
    has a row a camera and fault: hours.
    """

    period: Span
    days: xr.DataArray
    cameras: pd.DataFrame
    causes: pd.DataFrame
    gaps: pd.DataFrame
    findings: pd.DataFrame

    @property
    def share(self) -> float:
        """Return the share recorded of all cameras together; NaN without any."""
        whole_s = len(self.cameras) * self.period.duration_ns / SECOND_NS
        return float(self.cameras["recorded_s"].sum() / whole_s) if whole_s else float("nan")


def month_span(text: str) -> Span:
    """Return a month of Viet Nam's calendar.

    Raises
    ------
    BadInput
        When the text is no month like 2026-11.

    >>> month_span("2026-11").duration_ns == 30 * DAY_NS
    True
    >>> from workbench.timeline import format_utc
    >>> format_utc(month_span("2026-12").start_ns)
    '2026-11-30T17:00:00.000Z'
    """
    if not re.fullmatch(r"(19[7-9]\d|20\d\d|21\d\d)-(0[1-9]|1[0-2])", text):
        raise BadInput(
            N_("'{text}' is no month"), N_("write it like 2026-11"), where="--month", text=text
        )
    year, month = map(int, text.split("-"))
    ends = [(year, month), (year + month // 12, month % 12 + 1)]
    start, stop = (int(datetime(y, m, 1, tzinfo=VIET_NAM).timestamp()) * SECOND_NS for y, m in ends)
    return Span(start, stop)


def figures(
    month: Span,
    until_ns: int,
    sites: Mapping[str, str],
    covered: Mapping[str, Sequence[Span]],
    gaps: Sequence[Gap],
    findings: pd.DataFrame | None = None,
) -> Figures:
    """Return the numbers of a month.

    Parameters
    ----------
    month
        The whole of it; days are its own, of 24 h from its start.
    until_ns
        Now: what lies behind it should not have been recorded yet.
    sites
        The site of each camera that should have been recorded.
    covered
        What was recorded of each camera, in any order.
    gaps
        What was not, with its causes: inside the month, up to `until_ns`.
    findings
        Hours of each fault, as :func:`fault_hours` returns them; None where nothing was checked.

    Raises
    ------
    BadInput
        When the month has not begun.
    """
    if until_ns <= month.start_ns:
        raise BadInput(N_("the month has not begun"), N_("take an earlier one"), where="--month")
    period = Span(month.start_ns, min(month.stop_ns, until_ns))
    starts = np.arange(month.start_ns, month.stop_ns, DAY_NS)
    due = np.clip(period.stop_ns - starts, 0, DAY_NS)
    names = list(sites)
    recorded = np.array(
        [_by_day(covered.get(name, ()), period, starts) for name in names], np.float64
    ).reshape(len(names), len(starts))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(due > 0, recorded / due, np.nan)
    days = xr.DataArray(
        share,
        dims=("camera", "day"),
        coords={"camera": names, "day": np.arange(1, len(starts) + 1)},
        name="recorded_share",
        attrs={"units": "1", "long_name": "recorded of what should have been"},
    )
    table = pd.DataFrame(
        [
            (
                gap.camera_id, int(gap.span.start_ns), gap.span.duration_ns / SECOND_NS,
                gap.cause or UNKNOWN, gap.losses[0].detail if gap.losses else "",
            )
            for gap in gaps
        ],
        columns=["camera", "start_ns", "length_s", "cause", "detail"],
    ).astype({"length_s": "float64", "start_ns": "int64"})  # fmt: skip
    table["known"] = table["cause"] != UNKNOWN
    table = table.sort_values(["known", "length_s"], ascending=[True, False], ignore_index=True)
    by_camera = table.groupby("camera")["length_s"].agg(["sum", "count", "max"])
    unknown = table[~table["known"]].groupby("camera")["length_s"].sum()
    cameras = pd.DataFrame({"site": pd.Series(dict(sites), dtype=object)}, index=names)
    cameras["recorded_s"] = recorded.sum(axis=1) / SECOND_NS
    cameras["share"] = cameras["recorded_s"] / (period.duration_ns / SECOND_NS)
    for column, values in (
        ("lost_s", by_camera["sum"]), ("gaps", by_camera["count"]),
        ("longest_s", by_camera["max"]), ("unknown_s", unknown),
    ):  # fmt: skip
        cameras[column] = values.reindex(names).fillna(0.0)
    grouped = table.groupby("cause")["length_s"]
    causes = pd.DataFrame({"gaps": grouped.count(), "lost_s": grouped.sum()})
    order = sorted(causes.index, key=lambda one: (one != UNKNOWN, -causes.loc[one, "lost_s"]))
    if findings is None:
        findings = pd.DataFrame(columns=["camera", "finding", "hours"])
    return Figures(period, days, cameras, causes.reindex(order), table, findings)


def _by_day(covered: Sequence[Span], period: Span, starts: Any) -> Any:
    """Return the nanoseconds recorded on each day."""
    total = np.zeros(len(starts), np.int64)
    for span in union(covered, join_ns=round(JOIN_S * SECOND_NS)):
        inside = span.overlap(period)
        if inside is not None:
            ends = np.minimum(inside.stop_ns, starts + DAY_NS)
            total += np.clip(ends - np.maximum(inside.start_ns, starts), 0, None)
    return total


def fault_hours(house: Monitoring, period: Span) -> pd.DataFrame:
    """Return how long each fault stood in `period`, a row a camera and fault, the longest first.

    A check stands until its camera's next one, or for one step where nobody looked for long. Days
    are added up one by one: a month of checks does not fit into memory. ``attrs["unread"]`` names
    the files whose checks cannot be read.
    """
    step_ns = round(streams.CHECK_S * SECOND_NS)
    total: Counter[tuple[str, str]] = Counter()
    unread: dict[str, str] = {}
    for start_ns in range(period.start_ns, period.stop_ns, DAY_NS):
        stop_ns = min(start_ns + DAY_NS, period.stop_ns)
        reach = Span(start_ns, stop_ns + 2 * step_ns)  # with the first checks of the day after
        tables = house._store.upkeep.health(reach, columns=("faults",), unread=unread)
        if tables:
            checks = pa.concat_tables(tables, promote_options="permissive")
            total.update(_fault_ns(checks, stop_ns, step_ns))
    table = pd.DataFrame(
        [(camera, fault, ns / SECOND_NS / 3600) for (camera, fault), ns in total.items()],
        columns=["camera", "finding", "hours"],
    )
    table = table.sort_values("hours", ascending=False, ignore_index=True)
    table.attrs["unread"] = [Path(path).name for path in unread]
    return table


def _fault_ns(checks: pa.Table, stop_ns: int, step_ns: int) -> Counter[tuple[str, str]]:
    """Return how long each fault of each camera stood by the checks made before `stop_ns`."""
    checks = checks.sort_by([("camera_id", "ascending"), ("at_ns", "ascending")]).combine_chunks()
    at_ns = checks["at_ns"].to_numpy()
    camera = checks["camera_id"].dictionary_encode().combine_chunks()
    code = camera.indices.to_numpy()
    stands_ns = np.full(len(at_ns), step_ns)
    next_ns = np.diff(at_ns)
    known = (np.diff(code) == 0) & (next_ns <= 2 * step_ns)
    stands_ns[:-1][known] = next_ns[known]
    stands_ns = np.clip(np.minimum(stands_ns, stop_ns - at_ns), 0, None)
    # every raised fault of every check, by the check's number
    lists = checks["faults"].combine_chunks()
    number = pc.list_parent_indices(lists).to_numpy()
    fault = pc.list_flatten(lists).to_numpy(zero_copy_only=False)
    found: Counter[tuple[str, str]] = Counter()
    for name in FLAGS:
        raised = number[fault == name]
        whole = np.bincount(code[raised], stands_ns[raised], len(camera.dictionary))
        found.update(
            {(str(camera.dictionary[n]), name): int(whole[n]) for n in np.flatnonzero(whole)}
        )
    return found


def heat_map(days: xr.DataArray, label: str) -> bytes:
    """Return a picture (PNG) of the share recorded by camera and day; grey is still to come."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(1, days.sizes["camera"])
    figure = Figure(figsize=(11, 1.0 + 0.17 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colours = colormaps["RdYlGn"].with_extremes(bad="#d5dae0")
    values = days.values if days.sizes["camera"] else np.full((1, days.sizes["day"]), np.nan)
    shown = axes.pcolormesh(
        np.ma.masked_invalid(values), vmin=0, vmax=1, cmap=colours, edgecolors="white", lw=0.6
    )
    axes.invert_yaxis()
    axes.set_yticks(np.arange(days.sizes["camera"]) + 0.5, days["camera"].values, fontsize=7)
    axes.set_xticks(np.arange(days.sizes["day"]) + 0.5, days["day"].values, fontsize=7)
    axes.set_xlabel(label, fontsize=8)
    axes.tick_params(length=0)
    bar = figure.colorbar(shown, ax=axes, fraction=0.02, pad=0.01, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"], fontsize=7)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
    return file.getvalue()


def monthly(house: Monitoring, month: str) -> Figures:
    """Return the numbers of a month of a root, up to now."""
    span, now_ns = month_span(month), house.now()
    sites = {one.camera_id: one.site_id for one in house.ward.cameras.values() if one.stream_url}
    if now_ns <= span.start_ns:
        return figures(span, now_ns, sites, {}, [])
    period = Span(span.start_ns, min(span.stop_ns, now_ns))
    covered = house.recorded(period, list(sites))
    missing = [gap for gap in house.gaps_in(covered, period) if not gap.dropped]
    # what was recorded and removed when its days were over was recorded
    for one in house._store.keeping.dropped(list(sites), period):
        covered.setdefault(one.camera_id, []).append(one.span)
    return figures(span, now_ns, sites, covered, missing, fault_hours(house, period))


def write_report(
    house: Monitoring,
    month: str,
    out: Path,
    *,
    language: str = "vi",
    pdf: bool = True,
) -> list[Path]:
    """Write the report of a month as HTML and PDF, and return the files.

    Parameters
    ----------
    language
        Of the ward's notice; the words are put into the house's own by its ``translate``.

    Raises
    ------
    BadInput
        When the month is none, or has not begun.
    Unavailable
        When the libraries that draw PDF are not there.
    """
    found = monthly(house, month)
    html = _page(house, month, found, language)
    written = [out / f"report-{month}.{language}.html"]
    files.write_bytes(written[0], html.encode())
    if pdf:
        written.append(written[0].with_suffix(".pdf"))
        files.write_bytes(written[1], pdf_of(html))
    return written


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _percent(share: float) -> str:
    # never rounded up to a whole: 99.996 % is not all
    return "–" if share != share else f"{np.floor(share * 1e4 + 1e-6) / 100:.2f} %"


def _rows(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples())


def _grid(columns: Sequence[str], rows: Sequence[Any], numbers: set[int]) -> dict[str, Any]:
    return {
        "columns": columns,
        "numbers": numbers,
        "rows": [{"cells": cells, "red": red} for cells, red in rows],
    }


def _page(
    house: Monitoring,
    month: str,
    found: Figures,
    language: str,
) -> str:
    tr = house.translate
    t = {key: tr(text) for key, text in LABELS.items()}
    whole_s = found.period.duration_ns / SECOND_NS
    by_site = found.cameras.groupby("site")[["recorded_s", "lost_s", "unknown_s"]].agg("sum")
    counts = found.cameras.groupby("site").size()
    sites, cameras = house.ward.sites, house.ward.cameras
    grids = [
        (t["by_cause"], _grid([t["cause"], t["count"], t["lost"]], [
            ([tr(CAUSES.get(str(one.Index), UNKNOWN)), one.gaps, _length(one.lost_s)],
             one.Index == UNKNOWN) for one in _rows(found.causes)
        ], {1, 2})),
        (t["longest"], _grid([t["camera"], t["from"], t["length"], t["cause"], t["details"]], [
            ([one.camera, local_text(one.start_ns), _length(one.length_s), tr(CAUSES[one.cause]),
              one.detail], one.cause == UNKNOWN) for one in _rows(_listed(found.gaps))
        ], {2})),
        (t["by_site"], _grid([t["site"], t["name"], t["share"], t["lost"], t["unknown_lost"]], [
            ([one.Index, sites[str(one.Index)].name,
              _percent(one.recorded_s / whole_s / counts[one.Index]), _length(one.lost_s),
              _length(one.unknown_s)], one.unknown_s > 0) for one in _rows(by_site)
        ], {2, 3, 4})),
        (t["by_camera"], _grid(
            [t["camera"], t["share"], t["count"], t["lost"], t["longest_one"], t["unknown_lost"]], [
                ([one.Index, _percent(one.share), int(one.gaps), _length(one.lost_s),
                  _length(one.longest_s), _length(one.unknown_s)], one.unknown_s > 0)
                for one in _rows(found.cameras)
            ], {1, 2, 3, 4, 5})),
        (t["findings"], _grid([t["camera"], t["finding"], t["hours"]], [
            ([one.camera, tr(FINDINGS[one.finding]), f"{one.hours:.2f}"], False)
            for one in _rows(found.findings)
        ] + [(["–", f"{t['unread']}: {name}", "–"], True)
             for name in found.findings.attrs.get("unread", ())], {2})),
        (t["incidents"], _grid([t["camera"], t["from"], t["length"], t["lost"], t["details"]], [
            ([", ".join(one.cameras), local_text(one.opened_ns),
              _length(one.duration_s(house.now())), _length(one.lost_s or 0.0),
              _told(one, tr)], one.is_open)
            for one in house.incidents(found.period)
        ], {2, 3})),
        (t["deleted"], _grid([t["when"], t["what"], t["size"], t["why"], t["who"]], [
            ([local_text(at_ns), what, size, why, who], False)
            for at_ns, what, size, why, who in deletions(house._store, found.period, tr)
        ], {2})),
        (t["inventory"], _grid([t["camera"], t["site"], t["name"], t["kind"], t["address"]], [
            ([one.camera_id, one.site_id, one.name, one.kind, one.stream_url or t["no_address"]],
             False) for one in cameras.values()
        ], set())),
    ]  # fmt: skip
    environment = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(_ASSETS))
    return environment.get_template("report.html").render(
        t=t,
        language=language,
        month=f"{month[5:]}/{month[:4]}",
        ward=house.ward.area_name(datetime.fromtimestamp(
            found.period.start_ns // SECOND_NS, VIET_NAM).date()),
        start=local_text(found.period.start_ns),
        stop=local_text(found.period.stop_ns),
        made=local_text(house.now()),
        notice=house.ward.notice_in(language),
        uptime=_percent(found.share),
        unknown_count=int((found.gaps["cause"] == UNKNOWN).sum()),
        gap_count=len(found.gaps),
        cameras=found.cameras.index.tolist(),
        storage=_storage(house, found, t["days"]),
        picture=base64.b64encode(heat_map(found.days, t["day"])).decode(),
        grids=grids,
        retention=_retention(house),
    )  # fmt: skip


def _listed(gaps: pd.DataFrame) -> pd.DataFrame:
    """Return every gap of unknown cause, and the longest others."""
    unknown = int((~gaps["known"]).sum())
    return gaps.head(unknown + LISTED)


def _told(incident: IncidentRecord, tr: Callable[[str], str]) -> str:
    told = [incident.why(tr), *(one.what.sentence(tr) for one in incident.responses), incident.note]
    return "; ".join(filter(None, told))


def _retention(house: Monitoring) -> str:
    """Return the rule in force in words; empty without one."""
    policy = house.keeping.policy()
    if policy is None:
        return ""
    return rules_of(policy, house.translate)


def _storage(house: Monitoring, found: Figures, days: str) -> dict[str, str]:
    used = house._store.upkeep.size_begun(house._store.cameras(), found.period)
    growth = used / (found.period.duration_ns / DAY_NS)
    free = shutil.disk_usage(house._store.root).free
    return {
        "used": f"{used / 1e9:.1f} GB",
        "growth": f"{growth / 1e9:.1f} GB",
        "left": days.format(days=f"{free / growth:.0f}") if growth else "–",
    }
