"""*Truy vết*: a plate or a sighting, its candidates, and the journey by road that they allow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any
from urllib.parse import quote

import pandas as pd
import panel as pn

from workbench.errors import WorkbenchError
from workbench.investigation import (
    Belief,
    PlateHit,
    Trace,
    flows,
    on_the_way,
    seen_by,
    sightings_in_time,
    with_belief,
)
from workbench.records import KINDS, Purpose
from workbench.store import PROVISIONAL, is_imported
from workbench.timeline import Span
from workbench.views import belief, detail
from workbench.views.around import around
from workbench.views.contradictions import ContradictionPanel
from workbench.views.density import Density
from workbench.views.flow_map import flow_map
from workbench.views.following import LOOK_MS, following_html, rows_of
from workbench.views.map import legs_of, maybe_of, stops_of, ward_map, way_points
from workbench.views.map_bridge import WardMap
from workbench.views.page import ASSETS, COMPONENTS_CSS, Body, Visit, html, refusal
from workbench.views.reach import ReachPanel
from workbench.views.rows import Cell, Rows, image, marked, plate
from workbench.views.saving import SaveTrace
from workbench.views.text import clock, duration
from workbench.views.timebar import timeline

_FIELD_CSS = COMPONENTS_CSS + (ASSETS / "fields.css").read_text(encoding="utf-8")
MOST_SIGHTINGS = 300
"""Rows of a sighting search that are listed; the count of all is said."""


def trace_page(visit: Visit) -> Body:
    """Return the trace page: refused without a case."""
    page = _TracePage(visit)
    tr = visit.tr
    return Body(
        "trace.html",
        {
            "search": tr("Search"), "candidates": tr("Candidates"), "legs": tr("Legs in order"),
            "map": tr("Map"), "timeline": tr("Sightings in time"), "sighting": tr("Sighting"),
            "reach": tr("Where could it be?"),
        },
        {
            "form": page.form, "candidates": page.candidates, "legs": page.legs,
            "map": page.chart.pane, "travel": page.chart.bridge, "timeline": page.when,
            "detail": pn.Column(
                page.doubt.view, page.detail, margin=0, sizing_mode="stretch_width"
            ),
            "save": page.save.row, "reach": page.reach.view,
        },
    )  # fmt: skip


class _TracePage:
    """The views of one visit and what ties them together: each watches the selection."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.tr = visit, visit.tr
        self.purpose: Purpose = visit.selection.purpose
        # asks for leave at once: without a case the page is refused before it is drawn
        self._token = visit.wb.grant(self._cameras(), self.purpose)
        self._trace: Trace | None = None
        self._linking = belief.Linking(visit.wb, self.purpose)
        self._density: Density | None = None
        self._listed: dict[str, pd.Series] = {}
        self._numbers: dict[str, int] = {}
        self._choose: Callable[[str], None] = self._choose_plate
        self._again: Callable[[], None] = lambda: None
        self._followed_rows: int | None = None
        self._build()
        visit.selection.param.watch(self._show_sighting, "sighting_id")
        visit.selection.param.watch(self._mark_site, "site_id")
        self.doubt = ContradictionPanel(visit, self.chart)
        self.reach = ReachPanel(visit, self.chart.bridge, lambda: self._listed)
        if wanted := visit.asked.get("plate", ""):
            # filled in, not searched for: an address may be anybody's, a search is an officer's
            self._pattern.value = self._pattern.value_input = wanted
        self._look_again()
        if pn.state.curdoc is not None:
            pn.state.add_periodic_callback(self._look_again, period=LOOK_MS)

    def _look_again(self) -> None:
        self._look_at_following()
        self._look_at_links()

    def _look_at_links(self) -> None:
        """Take the links of the case over, once they are there."""
        if self._linking.goes_on:
            self._take(self._linking.answer)

    def _take(self, ask: Callable[[], Belief | None]) -> None:
        try:
            found = ask()
        except WorkbenchError as error:
            self._linked.object = refusal(error, self.tr)
            return
        if found is not None and self._trace is not None:
            self._trace = with_belief(self.visit.wb, self._trace, found, self.purpose)
            self._draw_trace()
            self.doubt.show(self._trace, found)
        linked = self._trace.linked if self._trace else None
        said = belief.summary(linked, self._linking.goes_on, self.tr)
        self._linked.param.update(object=said, visible=bool(said))

    def _look_at_following(self) -> None:
        """Say how the following of this case goes; where it found more, ask the same again."""
        wb = self.visit.wb
        told = wb.following()
        rows = rows_of(told, self.purpose.case_id, wb.now())
        said = "" if rows is None else following_html(told, rows, self.tr)
        if said != self._following.object:
            self._following.param.update(object=said, visible=bool(said))
        if rows is not None and self._followed_rows is not None and rows > self._followed_rows:
            self._again()
        self._followed_rows = rows

    def _cameras(self) -> list[str]:
        chosen = self.visit.selection.case_id
        case = next((c for c in self.visit.wb.cases() if c.case_id == chosen), None)
        wb = self.visit.wb
        cameras = case.cameras if case and case.cameras else wb.ward.cameras
        return sorted(seen_by(wb, tuple(cameras)))

    # -- building ----------------------------------------------------------------------------

    def _build(self) -> None:
        tr, ward = self.tr, self.visit.wb.ward
        self._pattern = _field(
            pn.widgets.TextInput, label=tr("Plate: ? for one sign, * for any"),
            placeholder="99B1-123.45 · 99B1* · 12?.45",
        )  # fmt: skip
        search = _button(tr("Search the plate"), "primary")
        self._site = _field(
            pn.widgets.Select, label=tr("Site"),
            options={tr("All sites"): "", **{
                f"{s.site_id} · {s.name}": s.site_id for s in ward.sites.values()
            }},
        )  # fmt: skip
        self._kind = _field(
            pn.widgets.Select, label=tr("Kind"),
            options={tr("All kinds"): "", **{tr(kind): kind for kind in KINDS}},
            width=96, sizing_mode="fixed",
        )  # fmt: skip
        passes = _button(tr("List sightings"), "default")
        search.on_click(lambda _event: self._search_plate())
        passes.on_click(lambda _event: self._search_passes())
        between = _button(tr("Flows between sites"), "default")
        between.on_click(lambda _event: self._show_flows())
        # Enter in the field searches; typing alone does not
        self._pattern.param.watch(lambda _event: self._search_plate(), "enter_pressed")
        self._said = html("", visible=False)
        self._following = html("", visible=False)
        self._linked = html("", visible=False)
        self.form = pn.Column(
            pn.Row(self._pattern, search, margin=0, sizing_mode="stretch_width"),
            pn.Row(self._site, self._kind, passes, margin=0, sizing_mode="stretch_width"),
            pn.Row(between, margin=0),
            self._said, self._following, self._linked, margin=0, sizing_mode="stretch_width",
        )  # fmt: skip
        self.candidates = Rows(
            on_choose=lambda key: self._choose(key),
            empty=tr("Search for a plate or list sightings"),
        )
        self.save = SaveTrace(self.visit, self._say)
        self.legs = Rows(on_choose=self._show_leg, empty=tr("Choose a candidate to see its legs"))
        self.chart = WardMap(
            ward_map(ward, lang=self.visit.lang),
            on_sighting=self._pick, on_site=self._list_site,
            words={
                "play": tr("Play"), "pause": tr("Pause"), "time": tr("Time"),
                "speed": tr("10 × faster; between sightings the place is estimated"),
            },
        )  # fmt: skip
        self.when = pn.Column(self._no_times(), sizing_mode="stretch_both", margin=0)
        self.detail = pn.Column(self._no_sighting(), sizing_mode="stretch_width", margin=0)

    def _no_times(self) -> Any:
        return html(_note(self.tr("Choose a candidate to see its times"), "empty"))

    def _no_sighting(self) -> Any:
        said = self.tr("Choose a sighting in a list, on the map or in time")
        return html(_note(said, "empty"))

    def _say(self, text: str) -> None:
        self._said.param.update(object=text, visible=bool(text))

    def _crop(self, row: pd.Series) -> Cell:
        if is_provisional(row):
            return marked(self.tr("provisional"), "tag")  # its picture comes with the sealed file
        if is_imported(str(row["model_ref"])):
            return marked(self.tr("imported"), "tag")  # there is no footage of it here
        on_plate = row["plate_box"] is not None and len(row["plate_box"]) == 4
        box = row["plate_box"] if on_plate else [row[f"box_{side}"] for side in "xywh"]
        pts = row["plate_pts"] if on_plate else row["pts"]
        where = ",".join(f"{max(0.0, float(part)):.1f}" for part in box)
        address = f"{self.visit.media_url}/crop/{row['segment_sha256']}/{int(pts)}/{where}.jpg"
        return image(f"{address}?grant={quote(self._token)}", self.tr("picture of the sighting"))

    # -- searching ---------------------------------------------------------------------------

    def _search_plate(self) -> None:
        self._clear()
        self._ask(
            partial(
                self._find_plate, (self._pattern.value_input or self._pattern.value or "").strip()
            )
        )

    def _search_passes(self) -> None:
        self._clear()
        self._ask(partial(self._find_passes, self._site.value, self._kind.value))

    def _clear(self) -> None:
        """Take the last answer away: beside another question it would read as its answer.

        Where the question is refused or finds nothing, nothing else would take it away.
        """
        tr, selection = self.tr, self.visit.selection
        self._trace, self._density, self._listed, self._numbers = None, None, {}, {}
        with pn.io.hold():
            self.candidates.param.update(
                columns=[], rows=[], chosen="", empty=tr("Search for a plate or list sightings")
            )
            self.legs.param.update(
                columns=[], rows=[], chosen="", empty=tr("Choose a candidate to see its legs")
            )
            self.save.withdraw()
            self.doubt.clear()
            self._linked.param.update(object="", visible=False)
            if selection.plate:
                self.chart.show(ward_map(self.visit.wb.ward, lang=self.visit.lang), [])
            selection.plate = ""
            selection.sighting_id = ""
            self.when[:] = [self._no_times()]
            self.detail[:] = [self._no_sighting()]

    def _ask(self, search: Callable[[], None]) -> None:
        """Search, and again when there is more, for what was asked: fields change meanwhile."""
        self._again = search
        search()

    def _find_plate(self, pattern: str) -> None:
        tr = self.tr
        try:
            hits = self.visit.wb.search_plate(pattern, self.purpose)
            read = self.visit.wb.sightings(self.purpose, with_plate=True)
        except WorkbenchError as error:
            self._say(refusal(error, tr))
            return
        best = (
            read.sort_values("plate_score", na_position="first")
            .groupby("plate")
            .tail(1)
            .set_index("plate")
        )
        self._choose = self._choose_plate
        with pn.io.hold():
            answered = tr("{count} plates answer “{pattern}”")
            self._say(_note(answered.format(count=len(hits), pattern=pattern)))
            self.candidates.param.update(
                columns=[
                    {"title": tr("Picture")}, {"title": tr("Plate")},
                    {"title": tr("Seen"), "class": "right"},
                ],
                rows=[self._hit_row(hit, best) for hit in hits],
                chosen="",
                empty=tr(
                    "No read inside this case answers that; "
                    "absence of a read is not absence of a vehicle"
                ),
            )  # fmt: skip

    def _hit_row(self, hit: PlateHit, best: pd.DataFrame) -> dict[str, Any]:
        tr = self.tr
        first, last = (pd.Timestamp(at).as_unit("ns").value for at in (hit.first_utc, hit.last_utc))
        differs = "; ".join(
            tr("asked {ours}, read {theirs}").format(ours=d.ours or "–", theirs=d.theirs or "–")
            for d in hit.differences
        )
        shown = plate(
            hit.plate, differing_signs(hit), approximate=hit.approximate, title=differs,
            sub=tr("approximate: {differences}").format(differences=differs)
            if hit.approximate else tr("{count} cameras").format(count=len(hit.cameras)),
        )  # fmt: skip
        picture = self._crop(best.T[hit.plate]) if hit.plate in best.index else None
        times = marked(str(hit.sightings), sub=f"{clock(first)} – {clock(last)}")
        return {"key": hit.plate, "cells": [picture, shown, times]}

    def _find_passes(self, site: str, kind: str, span: Span | None = None) -> None:
        tr, wb = self.tr, self.visit.wb
        allowed = set(self._cameras())
        cameras = [c.camera_id for c in wb.ward.cameras_at(site) if c.camera_id in allowed]
        kinds = [kind] if kind else None
        try:
            found, listed = sightings_in_time(
                wb, self.purpose, cameras=cameras if site else None, kinds=kinds, span=span,
                most=MOST_SIGHTINGS,
            )  # fmt: skip
        except WorkbenchError as error:
            self._say(refusal(error, tr))
            return
        self._choose = self._pick
        self._keep(listed)
        with pn.io.hold():
            answered = tr("{count} sightings, {listed} listed")
            self._say(_note(answered.format(count=len(found), listed=len(listed))))
            self.candidates.param.update(
                columns=[
                    {"title": tr("Picture")},
                    {"title": tr("Sighting")},
                    {"title": tr("Plate")},
                ],
                rows=[self._pass_row(row) for _, row in listed.iterrows()],
                chosen="",
                empty=tr(
                    "No sighting inside this case answers that; "
                    "absence of a sighting is not absence of a vehicle or person"
                ),
            )
            if span is None and len(found):
                self._density = Density(found, tr, self._list_cell)
                drawn = pn.pane.HoloViews(self._density.drawn, sizing_mode="stretch_both", margin=0)
                self.when[:] = [drawn]

    def _show_flows(self) -> None:
        """Draw how many vehicles went between the sites of the case, by its links."""
        try:
            found = self._linking.ask()
            if found is None:
                waits = self.tr("Linking every read of the case; press again in a while")
                self._say(_note(waits))
                return
            cube = flows(self.visit.wb, self.purpose, found)
        except WorkbenchError as error:
            self._say(refusal(error, self.tr))
            return
        self._density = None
        self._say("")
        self.when[:] = [flow_map(cube, self.tr)]

    def _list_cell(self, site: str, span: Span) -> None:
        """List what a tapped cell of the timeline holds, and mark its site on the map."""
        self._ask(partial(self._find_passes, site, self._kind.value, span))
        self.visit.selection.site_id = site

    def _list_site(self, site: str) -> None:
        """List what a site tapped on the map saw in the time that the timeline shows."""
        if self._density is not None and site in self.visit.wb.ward.sites:
            self._list_cell(site, self._density.shown_inside())

    def _mark_site(self, _event: object) -> None:
        site = self.visit.selection.site_id
        self.chart.highlight(site, "site")
        if self._density is not None:
            self._density.mark(None, site)

    def _pass_row(self, row: pd.Series) -> dict[str, Any]:
        at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
        text = marked(clock(at_ns), sub=f"{row['camera_id']} · {self.tr(row['kind'])}")
        read = plate(row["plate"]) if isinstance(row["plate"], str) else ""
        return {"key": row["sighting_id"], "cells": [self._crop(row), text, read]}

    # -- choosing ----------------------------------------------------------------------------

    def _keep(self, sightings: pd.DataFrame) -> None:
        self._listed = {row["sighting_id"]: row for _, row in sightings.iterrows()}

    def _choose_plate(self, chosen: str) -> None:
        try:
            trace = self.visit.wb.trace(chosen, self.purpose)
        except WorkbenchError as error:
            self._say(refusal(error, self.tr))
            return
        self._trace, self._density = trace, None
        self.doubt.clear()
        self.visit.selection.plate = chosen
        self._draw_trace()
        if len(trace.sightings):
            self._pick(str(trace.sightings.sort_values("utc")["sighting_id"].iloc[0]))
        self._take(self._linking.ask)

    def _draw_trace(self) -> None:
        """Draw the chosen trace, with what its links say where they are there."""
        trace, wb, tr = self._trace, self.visit.wb, self.tr
        assert trace is not None
        listed = self._listed if self._density is not None else {}
        self._keep(trace.sightings)
        self._listed |= listed  # links may come while other sightings are listed
        self.save.offer(trace)
        if trace.linked is not None:
            for more in (trace.linked.possible, trace.linked.rivals, trace.linked.via):
                self._listed |= {row["sighting_id"]: row for _, row in more.iterrows()}
        stops = stops_of(wb, trace)
        legs = legs_of(wb, trace, stops, tr)
        maybe = maybe_of(wb, trace, tr)
        self._numbers = {
            belief.key_of(leg.start.sighting_id, leg.stop.sighting_id): leg.number for leg in legs
        }
        with pn.io.hold():
            self.chart.show(
                ward_map(wb.ward, lang=self.visit.lang, stops=stops, legs=legs, maybe=maybe),
                way_points(legs, stops),
            )
            self.legs.param.update(
                columns=[
                    {"title": "#"},
                    {"title": tr("From – to"), "class": "nowrap"},
                    {"title": tr("Judgement")},
                ],
                rows=[self._leg_row(leg) for leg in legs],
                empty=tr("One sighting: no leg"),
            )
            self._draw_times()
            self._mark(self.visit.selection.sighting_id)

    def _show_leg(self, key: str) -> None:
        """Say what speaks for a leg and against it; draw where else it may have gone."""
        trace = self._trace
        leg = belief.leg_of(trace.legs, key) if trace is not None else None
        if trace is None or trace.linked is None or leg is None:
            return
        try:
            passed = on_the_way(self.visit.wb, leg, self.purpose)
            shown = belief.leg_html(leg, trace.linked, passed, self.tr)
            number = self._numbers.get(key, 0)
            drawn = around(self.visit.wb, number, leg, trace.linked, passed, self.tr)
        except WorkbenchError as error:
            shown, drawn = refusal(error, self.tr), {}
        with pn.io.hold():
            self.detail[:] = [html(shown)]
            self.chart.around(drawn)

    def _leg_row(self, leg: Any) -> dict[str, Any]:
        tr = self.tr
        elapsed = duration((leg.stop.utc_ns - leg.start.utc_ns) / 1e9, tr)
        way = f"{leg.start.camera_id} → {leg.stop.camera_id}"
        times = f"{clock(leg.start.utc_ns)} → {clock(leg.stop.utc_ns)} · {elapsed}"
        linked = self._trace.linked if self._trace else None
        possible = leg.plausible != "impossible"
        sure = belief.how_sure(linked, leg.probability, tr) if possible else ""
        sub = " · ".join(filter(None, [sure, leg.reason]))
        return {
            "key": belief.key_of(leg.start.sighting_id, leg.stop.sighting_id),
            "class": "bad" if leg.plausible == "impossible" else "",
            "cells": [
                marked(str(leg.number or "✕"), f"leg {leg.plausible}"),
                marked(way, sub=times),
                marked(tr(leg.plausible), f"tag {leg.plausible}", sub=sub),
            ],
        }

    def _draw_times(self) -> None:
        chosen = self._listed.get(self.visit.selection.sighting_id)
        if self._density is not None and chosen is not None:
            camera = self.visit.wb.camera(str(chosen["camera_id"]))
            self._density.mark(pd.Timestamp(chosen["utc"]).as_unit("ns").value, camera.site_id)
        if self._density is not None or self._trace is None or not len(self._trace.sightings):
            return
        drawn = timeline(
            self._trace.sightings, self.tr, self._pick, chosen=self.visit.selection.sighting_id
        )
        self.when[:] = [pn.pane.HoloViews(drawn, sizing_mode="stretch_both", margin=0)]

    def _pick(self, sighting_id: str) -> None:
        # only what is listed: anything else is not part of this search
        if sighting_id not in self._listed:
            return
        if sighting_id == self.visit.selection.sighting_id:
            self._show_sighting(None)  # a leg's reasons may stand in its place
        self.visit.selection.sighting_id = sighting_id

    def _show_sighting(self, _event: object) -> None:
        chosen = self.visit.selection.sighting_id
        if not chosen:  # the answer it was of is taken away
            return
        try:
            if chosen in self._listed and is_provisional(self._listed[chosen]):
                shown = _note(
                    self.tr("Provisional: its picture comes with the sealed file"), "empty"
                )
            else:
                shown = detail.sighting(self.visit, chosen)
        except WorkbenchError as error:
            shown = refusal(error, self.tr)
        with pn.io.hold():
            self.detail[:] = [html(shown)]
            self._mark(chosen)
            if self._choose == self._pick:
                self.candidates.chosen = chosen
            self._draw_times()

    def _mark(self, sighting_id: str) -> None:
        """Mark a sighting on the map: its own stop, or its site where no journey holds it."""
        traced = self._trace is not None and sighting_id in set(
            self._trace.sightings["sighting_id"]
        )
        if traced or sighting_id not in self._listed:
            self.chart.highlight(sighting_id, "sighting")
        else:
            camera = self.visit.wb.camera(str(self._listed[sighting_id]["camera_id"]))
            self.chart.highlight(camera.site_id, "site")


def is_provisional(row: pd.Series) -> bool:
    """Return whether a sighting is of a recording that still grows."""
    return str(row["segment_sha256"]).startswith(PROVISIONAL)


def _note(text: str, style: str = "small muted") -> str:
    return f'<div class="{style}">{escape(text)}</div>'


def differing_signs(hit: PlateHit) -> list[int]:
    """Return which signs of the plate that was read differ from what was asked.

    A difference says where the asked text differs; signs the read one has more or fewer shift the
    places after them.
    """
    found: list[int] = []
    shift = 0
    for difference in sorted(hit.differences, key=lambda d: d.position):
        start = difference.position + shift
        found += range(start, start + len(difference.theirs))
        shift += len(difference.theirs) - len(difference.ours)
    return found


def _field(kind: Any, **params: Any) -> Any:
    params.setdefault("sizing_mode", "stretch_width")
    return kind(stylesheets=[_FIELD_CSS], margin=(0, 8, 6, 0), min_width=80, **params)


def _button(text: str, kind: str) -> Any:
    return pn.widgets.Button(
        label=text, button_type=kind, stylesheets=[_FIELD_CSS], align="end", margin=(0, 0, 6, 0),
    )  # fmt: skip
