"""*Hiệu chuẩn*: points of a camera's still and their places, how far each is off, and keeping them.

A tap on the still begins a point, a tap on the map gives it its place; every row can be typed, too.
Known lengths are two taps on the still each, and metres that are typed. A mark, on the still or
the map, stands where its row says; it is dragged, or moved by an arrow key, and its row with it.
Nothing is kept before it was checked, and a refusal is said in its sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
import panel as pn

from workbench import investigation
from workbench.collisions import GroundModel, KnownLength, PointPair, fit_ground, read_lengths
from workbench.collisions.lengths import LENGTH_SIGMA_M
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation import Workbench
from workbench.records import Purpose
from workbench.views.page import Body, Visit, html, refusal
from workbench.views.picks import Picks, still_of
from workbench.views.text import Translate, local, written_instant

HEAD = "x_px,y_px,east_m,north_m,kind,sigma_m"
LENGTHS_HEAD = "x1_px,y1_px,x2_px,y2_px,length_m,sigma_m,use"
MAP_CRS = "EPSG:32648"
MAP_SIGMA_M = 1.0
"""A place tapped on the ward's map: its roads are axes, drawn no better than that."""
_REACH_M = (80.0, 45.0)
_BEYOND = 3
"""The map reaches so many times as far as what is seen of it first."""
_PX_M = 10
"""Pixels of the map a metre: an arrow key moves a mark by 10 cm."""
_CELLS = {
    "p": (("", "x_px", "y_px"),),
    "m": (("", "east_m", "north_m"),),
    "l": (("1", "x1_px", "y1_px"), ("2", "x2_px", "y2_px")),
}
"""Marks of a row: points on the still, their places on the map, ends of lengths."""


class Calibrating:
    """One person's points of one camera: what was tapped, typed and checked."""

    def __init__(self, wb: Workbench, purpose: Purpose, cameras: list[str], tr: Translate) -> None:
        self.wb, self.purpose, self.tr = wb, purpose, tr
        self.size_px: tuple[int, int] | None = None
        self.ground: Ground | None = None
        self.at_ns = 0
        self.camera = pn.widgets.Select(name=tr("Camera"), options=cameras, width=150)
        self.at = pn.widgets.TextInput(name=tr("Instant of the picture"), width=260)
        self.show = pn.widgets.Button(
            name=tr("Show the picture"), button_type="primary", width=150, margin=(26, 10, 5, 10)
        )
        self.rows = pn.widgets.TextAreaInput(
            name=tr("Points: a row each, in pixels and in metres of {crs}").format(crs=MAP_CRS),
            value=HEAD, height=210, width=480, max_length=100_000,
        )  # fmt: skip
        self.lengths = pn.widgets.TextAreaInput(
            name=tr("Known lengths: both ends in pixels, metres, sigma, fit or check"),
            value=LENGTHS_HEAD, height=210, width=440, max_length=100_000,
        )  # fmt: skip
        self.taps = pn.widgets.RadioButtonGroup(
            options={tr("Taps begin points"): "points", tr("Taps are ends of lengths"): "lengths"},
            value="points", margin=(5, 10),
        )  # fmt: skip
        self.note = pn.widgets.TextInput(name=tr("How the points were got"), width=480)
        self.check = pn.widgets.Button(name=tr("Check the points"), width=150)
        self.keep = pn.widgets.Button(
            name=tr("Keep the calibration"), button_type="primary", width=200, disabled=True
        )
        self.told = html("")
        self.known = html("")
        self.picture = pn.Column(sizing_mode="stretch_width", margin=0)
        self.map = pn.Column(sizing_mode="stretch_width", margin=0)
        self.show.on_click(lambda _event: self._safely(self._show))
        self.check.on_click(lambda _event: self._safely(self._check))
        self.keep.on_click(lambda _event: self._safely(self._keep))
        for one in (self.rows, self.lengths):
            one.param.watch(lambda _event: self._changed(), "value")
        self.camera.param.watch(lambda _event: self._chosen(), "value")
        self._chosen()

    def tap_picture(self, x_px: float, y_px: float) -> None:
        """Begin a point where the still was tapped, or set an end of a known length."""
        if self.taps.value == "lengths":
            lines = self.lengths.value.rstrip().splitlines()
            cells = lines[-1].split(",")
            if len(cells) == 7 and cells[2:4] == ["", ""]:
                cells[2:4] = f"{x_px:.1f}", f"{y_px:.1f}"
                lines[-1] = ",".join(cells)
            else:
                lines.append(f"{x_px:.1f},{y_px:.1f},,,,{LENGTH_SIGMA_M},fit")
            self.lengths.value = "\n".join(lines)
            return
        self.rows.value = f"{self.rows.value.rstrip()}\n{x_px:.1f},{y_px:.1f},,,map,{MAP_SIGMA_M}"

    def tap_map(self, east_m: float, north_m: float) -> None:
        """Give the first point without a place the place that was tapped."""
        lines = self.rows.value.splitlines()
        for number, line in enumerate(lines):
            cells = line.split(",")
            if len(cells) == 6 and cells[2:4] == ["", ""]:
                cells[2:4] = f"{east_m:.2f}", f"{north_m:.2f}"
                lines[number] = ",".join(cells)
                self.rows.value = "\n".join(lines)
                return
        self.told.object = _sentence(self.tr("Tap the point on the picture first."))

    def move(self, mark: str, x: float, y: float) -> None:
        """Put a point or an end of a length elsewhere on the still, or a place (m) on the map.

        What was surveyed and is moved on the map is a place from the map from then on.
        """
        text = self.lengths if mark.startswith("l") else self.rows
        found = next((one for one in _marks(text.value, mark[:1]) if one.mark == mark), None)
        if found is None:
            return
        lines = text.value.splitlines()
        cells = lines[found.line].split(",")
        for at, value in zip(found.cells, (x, y), strict=True):
            cells[at] = f"{value:.2f}" if mark.startswith("m") else f"{value:.1f}"
        if mark.startswith("m"):
            names = [one.strip() for one in lines[0].split(",")]
            for name, told in (("kind", "map"), ("sigma_m", str(MAP_SIGMA_M))):
                if name in names and names.index(name) < len(cells):
                    cells[names.index(name)] = told
        lines[found.line] = ",".join(cells)
        text.value = "\n".join(lines)

    def _chosen(self) -> None:
        camera_id = self.camera.value
        self.size_px = None
        self.rows.value, self.lengths.value = HEAD, LENGTHS_HEAD
        self.picture.objects, self.map.objects = [], []
        self.told.object = ""
        held = self.wb.segments([camera_id]) if camera_id else []
        if held:
            span = self.wb.utc_span(held[-1])
            self.at.value = local(span.start_ns).isoformat(timespec="milliseconds")
        self._list()

    def _list(self) -> None:
        found = investigation.calibrations(self.wb, self.camera.value) if self.camera.value else []
        lines = "".join(
            f"<li>{escape('. '.join(w.sentence(self.tr) for w in (one.words, *one.length_words)))}"
            "</li>"
            for one in found
        )
        none = escape(self.tr("This camera is not calibrated: no metres, no speeds."))
        self.known.object = f"<ul>{lines}</ul>" if lines else f"<p>{none}</p>"

    def _changed(self) -> None:
        self.keep.disabled = True  # what was not checked is not kept
        for shown in self.picture.objects:
            shown.marks = self._marks()
        if self.ground is not None:
            for shown in self.map.objects:
                shown.marks = self.ground.marks(self.rows.value)

    def _marks(self) -> list[dict[str, object]]:
        points = [one.shown() for one in _marks(self.rows.value, "p")]
        ends = [one.shown() for one in _marks(self.lengths.value, "l")]
        for first, second in pairwise(ends):
            if first["label"] == second["label"]:
                first["to"] = second["id"]
        return points + ends

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except WorkbenchError as error:
            self.keep.disabled = True
            self.told.object = refusal(error, self.tr)

    def _show(self) -> None:
        self.at_ns = written_instant(self.at.value.strip(), where=self.tr("Instant of the picture"))
        segment, pts = investigation.frame_at(self.wb, self.camera.value, self.at_ns)
        still = self.wb.still(segment.sha256, pts, self.purpose)
        self.size_px = (still.shape[1], still.shape[0])
        words = {"picture": self.tr("Picture"), "mark": self.tr("Mark on the picture")}
        self.picture.objects = [
            Picks(
                self.size_px, self.tap_picture, self.move,
                still=still_of(still), marks=self._marks(), words=words,
            )
        ]  # fmt: skip
        self.ground = Ground(self.wb, self.camera.value)
        words = {"picture": self.tr("Map"), "mark": self.tr("Mark on the map")}
        self.map.objects = [self.ground.picks(self.tap_map, self.move, self.rows.value, words)]
        self.told.object = _sentence(
            self.tr(
                "Tap a point of the road on the picture, then its place on the map; six points or "
                "more, spread over the road. A mark on the picture or the map is dragged to where "
                "it belongs, or moved by an arrow key, a pixel or 10 cm; the wheel enlarges. A "
                "place from the map is taken to be off by {sigma} m: write what was surveyed into "
                "its row. Or tap both ends of lengths that were measured on the road: eight or "
                "more, near and far, along and across, do without points; beside points they add "
                "to them, or check them."
            ).format(sigma=MAP_SIGMA_M)
        )

    def _fitted(self) -> tuple[list[PointPair], list[KnownLength], str, GroundModel]:
        if self.size_px is None:
            raise BadInput(
                N_("no picture is shown yet that points could be picked in"),
                N_("show the picture first"),
            )
        lengths = []
        if self.lengths.value.strip() != LENGTHS_HEAD:
            lengths = read_lengths(self.lengths.value, where=self.tr("Known lengths"))
        points: list[PointPair] = []
        crs = ""
        if not lengths or self.rows.value.strip() != HEAD:
            points, crs = investigation.check_points(
                self.wb, self.camera.value, self.rows.value, crs=MAP_CRS
            )
        return points, lengths, crs, fit_ground(points, self.size_px, lengths=lengths)

    def _check(self) -> None:
        points, lengths, _, model = self._fitted()
        self.told.object = residuals(points, lengths, model, self.tr)
        self.keep.disabled = False

    def _keep(self) -> None:
        points, lengths, crs, model = self._fitted()
        done = investigation.calibrate(
            self.wb, self.camera.value, points, crs=crs, lengths=lengths, at_ns=self.at_ns,
            purpose=self.purpose, note=self.note.value,
        )  # fmt: skip
        kept = escape(self.tr("Kept: {id}").format(id=done.sha256[:12]))
        self.told.object = f"<p><b>{kept}</b></p>{residuals(points, lengths, model, self.tr)}"
        self.keep.disabled = True
        self._list()


def calibration_page(visit: Visit) -> Body:
    """Return the page of one case's cameras; refused without a case."""
    tr, wb, purpose = visit.tr, visit.wb, visit.selection.purpose
    wb.grant(None, purpose)
    case = next(one for one in wb.cases() if one.case_id == purpose.case_id)
    cameras = list(investigation.seen_by(wb, tuple(case.cameras or wb.ward.cameras)))
    one = Calibrating(wb, purpose, cameras, tr)
    asked = visit.asked.get("camera", "")
    if asked in cameras:
        one.camera.value = asked
    return Body(
        "calibrating.html",
        {"picture": tr("Picture"), "map": tr("Map"), "points": tr("Points"), "kept": tr("Kept")},
        {
            "choice": pn.Row(one.camera, one.at, one.show, height=70, sizing_mode="stretch_width"),
            "picture": one.picture,
            "map": one.map,
            "points": pn.Column(
                one.taps,
                pn.FlexBox(one.rows, one.lengths),
                one.note,
                pn.Row(one.check, one.keep),
                one.told,
            ),
            "kept": one.known,
        },
    )


@dataclass(frozen=True, slots=True)
class _Mark:
    """A pick or a place that stands in a row: its line, and in which of the line's cells."""

    mark: str
    label: str
    line: int
    cells: tuple[int, int]
    x: float
    y: float

    def shown(self) -> dict[str, object]:
        return {"id": self.mark, "label": self.label, "x": self.x, "y": self.y}


def _marks(text: str, kind: str) -> list[_Mark]:
    """Return what stands in typed rows of a kind of :data:`_CELLS`; what is none is none.

    The first line names the columns, in whatever order.
    """
    head, *lines = text.splitlines() or [""]
    names = [one.strip() for one in head.split(",")]
    found = []
    for number, line in enumerate(lines, start=1):
        cells = line.split(",")
        for side, across, down in _CELLS[kind]:
            try:
                at = names.index(across), names.index(down)
                x, y = (float(cells[one]) for one in at)
            except (ValueError, IndexError):
                continue
            if math.isfinite(x) and math.isfinite(y):
                label = f"L{number}" if kind == "l" else str(number)
                found.append(_Mark(f"{kind}{number}{side}", label, number, at, x, y))
    return found


class Ground:
    """The ward's roads about a camera: metres of :data:`MAP_CRS`, and the pixels they are shown in.

    Pixels go from the upper left corner, which is the north-western one.
    """

    def __init__(self, wb: Workbench, camera_id: str) -> None:
        self.wb = wb
        self.camera_m = investigation.place_m(wb.camera(camera_id), MAP_CRS)
        reach = [_BEYOND * one for one in _REACH_M]
        self.size_px = (round(2 * reach[0] * _PX_M), round(2 * reach[1] * _PX_M))
        # whole metres: a place in hundredths has one pixel, and is the same when it comes back
        self.west_m = float(round(self.camera_m[0] - reach[0]))
        self.north_m = float(round(self.camera_m[1] + reach[1]))

    def px(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Return where a place is shown."""
        across, down = (east_m - self.west_m) * _PX_M, (self.north_m - north_m) * _PX_M
        return round(across, 1), round(down, 1)

    def metres(self, x_px: float, y_px: float) -> tuple[float, float]:
        """Return the place of a pixel of the map, m."""
        return self.west_m + x_px / _PX_M, self.north_m - y_px / _PX_M

    def marks(self, rows: str) -> list[dict[str, object]]:
        """Return the marks of typed rows whose place is on the map."""
        found = []
        for one in _marks(rows, "m"):
            x, y = self.px(one.x, one.y)
            if 0 <= x <= self.size_px[0] and 0 <= y <= self.size_px[1]:
                found.append(one.shown() | {"x": x, "y": y})
        return found

    def picks(
        self,
        tapped: Callable[[float, float], None],
        moved: Callable[[str, float, float], None],
        rows: str,
        words: dict[str, str],
    ) -> Picks:
        """Return the map, that tells taps and moves in metres."""
        camera = self.px(*self.camera_m)
        wide, high = (2 * one * _PX_M for one in _REACH_M)
        return Picks(
            self.size_px,
            lambda x, y: tapped(*self.metres(x, y)),
            lambda mark, x, y: moved(mark, *self.metres(x, y)),
            marks=self.marks(rows), words=words, here=list(camera), roads=list(self._roads()),
            view=[camera[0] - wide / 2, camera[1] - high / 2, wide],
            axes=[self.west_m, 1 / _PX_M, self.north_m, -1 / _PX_M],
        )  # fmt: skip

    def _roads(self) -> Iterator[list[list[float]]]:
        east_m, south_m = self.metres(*self.size_px)
        near = self.wb.ward.roads.to_crs(MAP_CRS).geometry.clip_by_rect(
            self.west_m, south_m, east_m, self.north_m
        )
        for line in near[~near.is_empty]:
            for one in getattr(line, "geoms", [line]):
                yield [list(self.px(*place[:2])) for place in one.coords]


def residuals(
    points: list[PointPair], lengths: list[KnownLength], model: GroundModel, tr: Translate
) -> str:
    """Return how far each point and each known length is off, as HTML tables."""
    raised = (
        _sentence(
            tr("The points disagree by more than stated: errors were raised {by} times.").format(
                by=f"{model.inflation:.1f}"
            )
        )
        if model.inflation > 1
        else ""
    )
    parts = [_points_table(points, model, tr) if points else "",
             _lengths_table(lengths, model, tr) if lengths else "", raised]  # fmt: skip
    return "".join(parts)


def _points_table(points: list[PointPair], model: GroundModel, tr: Translate) -> str:
    heads = [tr("Point"), tr("Kind of point"), tr("sigma, m"), tr("off, px"), tr("off, m"),
             tr("left out, m")]  # fmt: skip
    kinds = {"surveyed": tr("surveyed"), "map": tr("map")}
    rows = "".join(
        f"<tr><td>{number}</td><td>{escape(kinds[one.kind])}</td><td>{one.error_m:.2f}</td>"
        f"<td>{px:.1f}</td><td>{m:.2f}</td><td>{'–' if np.isnan(left) else f'{left:.2f}'}</td></tr>"
        for number, (one, px, m, left) in enumerate(
            zip(points, model.residual_px, model.residual_m, model.left_out_m, strict=True), start=1
        )
    )
    return _table(heads, rows)


def _lengths_table(lengths: list[KnownLength], model: GroundModel, tr: Translate) -> str:
    heads = [tr("Known length"), tr("Use"), tr("measured, m"), tr("sigma, m"), tr("off, m"),
             tr("off, %"), tr("left out, m")]  # fmt: skip
    uses = {"fit": tr("fitted"), "check": tr("checks")}
    rows = "".join(
        f"<tr><td>{number}</td><td>{escape(uses[one.use])}</td><td>{one.length_m:.2f}</td>"
        f"<td>{one.sigma_m:.2f}</td><td>{off:+.2f}</td><td>{100 * off / one.length_m:+.1f}</td>"
        f"<td>{'–' if np.isnan(left) else f'{left:+.2f}'}</td></tr>"
        for number, (one, off, left) in enumerate(
            zip(lengths, model.length_off_m, model.length_left_out_m, strict=True), start=1
        )
    )
    return _table(heads, rows)


def _table(heads: list[str], rows: str) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return f'<table class="residuals"><tr>{head}</tr>{rows}</table>'


def _sentence(text: str) -> str:
    return f"<p>{escape(text)}</p>"
