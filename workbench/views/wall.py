"""*Trực tiếp*: live tiles by site, beside the ward's map and the list of its sites."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile

import panel as pn
import param
from panel.custom import JSComponent

from workbench.errors import N_, Refused, WorkbenchError
from workbench.investigation import seen_by
from workbench.monitoring import Monitoring, open_monitoring
from workbench.records import Site
from workbench.streams import LIGHTS, Light
from workbench.timeline import Span
from workbench.views.map import ward_map
from workbench.views.map_bridge import WardMap
from workbench.views.page import ASSETS, COMPONENTS_CSS, Body, Visit
from workbench.views.recorder_status import RecorderStatus
from workbench.views.rows import Rows, marked
from workbench.views.text import Translate
from workbench.views.upkeep import Incidents, care
from workbench.views.ward_state import STATES, broken_branches, incident_rows, site_states

RENEW_MS = 2 * 3600 * 1000
"""The wall asks for a new grant this often, well inside a grant's life."""


STAND_MS = 2_000
"""How often the map and the incidents are brought up to date."""
LOOK_MS = 5_000
"""How often the page looks for cameras that have pictures now and had none before."""


class Wall(JSComponent):  # type: ignore[misc]  # Panel is untyped
    """The grid of tiles; pictures come from the media process, not through Panel."""

    sites = param.List(default=[], doc="[{id, name, neighbourhood, cameras: [{id, name}]}]")
    url = param.String(default="", doc="Websocket of the media process, with the grant.")
    site = param.String(default="", doc="The site chosen beside the wall; empty for all.")
    actor = param.String(default="", doc="Who looks: saved layouts are kept for each.")
    lang = param.String(default="vi")
    worker_url = param.String(default="/assets/wall_worker.js")
    words = param.Dict(default={})
    care = param.Dict(default={}, doc="Of upkeep.care, of the camera that was asked for last.")

    _esm = ASSETS / "wall.js"
    _stylesheets = [COMPONENTS_CSS]  # noqa: RUF012 - Panel reads it from the class

    def __init__(
        self, house: Monitoring, visit: Visit, allowed: Sequence[str], **params: Any
    ) -> None:
        self._house, self._visit, self._allowed = house, visit, allowed
        super().__init__(url=self._address(), **params)

    def renew(self) -> None:
        """Ask for leave again; Refused once the case does not allow it any more."""
        self.url = self._address()

    def _address(self) -> str:
        visit = self._visit
        self._token = visit.wb.grant(self._allowed, visit.selection.purpose)
        return f"{visit.media_url.replace('http', 'ws', 1)}/wall?grant={quote(self._token)}"

    def _handle_msg(self, data: Any) -> None:
        shown = {camera["id"] for site in self.sites for camera in site["cameras"]}
        asked = data.get("care", data.get("reference")) if isinstance(data, dict) else None
        # only cameras that the case shows
        if not isinstance(asked, str) or asked not in shown:
            return
        tr, trouble, said = self._visit.tr, "", ""
        if "reference" in data and data.get("light") in LIGHTS:
            trouble = self._set_reference(asked, data["light"])
            said = (
                "" if trouble else tr("Set. The recorder compares with it from its next start on.")
            )
        try:
            self._must_show_now(asked)
            told = care(self._house, asked, tr)
        except WorkbenchError as error:
            told = {"camera": asked, "refused": error.sentence(tr)}
        except (OSError, ValueError, EOFError, BadZipFile):
            told = {"camera": asked, "refused": tr("What is kept of this camera cannot be read")}
        # numbered: what is told twice in the same words is an answer too
        number = self.care.get("number", 0) + 1
        self.care = {**told, "trouble": trouble, "said": said, "number": number}

    def _must_show_now(self, camera_id: str) -> None:
        """Raise Refused where the case does not allow looking at a camera now."""
        wb = self._visit.wb
        if not wb.honour(self._token).covers(camera_id, wb.now()):
            raise Refused(N_("Outside the case's period or cameras"))

    def _set_reference(self, camera_id: str, light: Light) -> str:
        """Set a reference under the case of this page; return what hindered it."""
        visit = self._visit
        purpose = visit.selection.purpose

        def allow(span: Span) -> None:
            visit.wb.allow("upkeep")
            visit.wb.grant([camera_id], purpose, span=span)

        try:
            self._house.set_reference(camera_id, light, purpose=purpose, allow=allow)
        except WorkbenchError as error:
            return error.sentence(visit.tr)
        except (OSError, ValueError):
            return visit.tr("What is kept of this camera cannot be read")
        return ""


def live_page(visit: Visit) -> Body:
    """Return the live page: refused without a case."""
    wb, tr, selection = visit.wb, visit.tr, visit.selection
    case = next((known for known in wb.cases() if known.case_id == selection.case_id), None)
    allowed = set(seen_by(wb, tuple(case.cameras if case and case.cameras else wb.ward.cameras)))

    def present() -> list[dict[str, Any]]:
        recorded = {camera for camera, spans in wb.coverage().items() if spans}
        recorded |= set(wb.ward.cameras) & _being_recorded(wb.root / "recording")
        found = [_tiles(site, visit, allowed, recorded) for site in wb.ward.sites.values()]
        return [site for site in found if site["cameras"]]

    sites = present()
    words = _words(tr)
    house = open_monitoring(wb.root, actor=wb.actor, now=wb.now, translate=tr)
    wall = Wall(
        house,
        visit,
        sorted(allowed),
        sites=sites,
        actor=wb.actor,
        lang=visit.lang,
        site=selection.site_id,
        words=words,
        sizing_mode="stretch_both",
        margin=0,
    )

    def show(site_id: str) -> None:
        selection.site_id = "" if site_id == "*" else site_id

    listing = Rows(
        on_choose=show,
        columns=[
            {"title": tr("Site")},
            {"title": tr("Cameras"), "class": "right"},
            {"title": tr("With pictures"), "class": "right"},
        ],
        rows=_site_rows(visit, sites, allowed),
        chosen="*",
        empty=tr("The case names no camera of this ward"),
    )
    chart = WardMap(
        ward_map(wb.ward, lang=visit.lang),
        on_site=show,
        legend=[
            {"state": state, "sign": sign, "text": tr(text)}
            for state, (sign, text) in STATES.items()
        ],
    )
    status = RecorderStatus(wb.root / "recording")

    def act(what: str, incident_id: str, note: str) -> None:
        incidents.trouble = ""
        try:
            wb.allow("upkeep")
            (house.acknowledge_incident if what == "acknowledge" else house.close_incident)(
                incident_id, note
            )
        except WorkbenchError as error:
            incidents.trouble = error.sentence(tr)
        stand()

    incidents = Incidents(act, words=_incident_words(tr))

    def stand() -> None:
        """Say how the cameras stand now: on the map and in the list of incidents."""
        now_ns, opened = wb.now(), house.incidents(only_open=True)
        states = site_states(wb.ward, lambda camera: status(camera, now_ns), tr, words["faults"])
        chart.tell(states, broken_branches(wb.ward, opened, tr))
        incidents.incidents = incident_rows(opened, now_ns, tr, words["faults"])

    stand()

    def choose(_event: object) -> None:
        wall.site = selection.site_id
        listing.chosen = selection.site_id or "*"
        chart.highlight(selection.site_id)

    def look() -> None:
        """Add cameras whose first footage arrived since."""
        nonlocal sites
        now = present()
        if now != sites:
            sites = now
            listing.rows = _site_rows(visit, sites, allowed)
            wall.sites = sites

    selection.param.watch(choose, "site_id")

    def renew() -> None:
        # refused once the case is closed: the wall has ended then, and says so
        with suppress(WorkbenchError):
            wall.renew()

    if pn.state.curdoc is not None:
        pn.state.add_periodic_callback(renew, period=RENEW_MS)
        pn.state.add_periodic_callback(look, period=LOOK_MS)
        pn.state.add_periodic_callback(stand, period=STAND_MS)
    return Body(
        "live.html",
        {
            "wall": tr("Cameras"),
            "map": tr("Map of the ward"),
            "incidents": tr("Open incidents"),
            "sites": tr("Sites"),
        },
        {
            "wall": wall,
            "map": chart.pane,
            "map_bridge": chart.bridge,
            "incidents": incidents,
            "sites": listing,
        },
    )


def _being_recorded(folder: Path) -> set[str]:
    # the folder stays while its camera is lost: that one, too, has a tile
    return {path.name for path in folder.glob("*") if path.is_dir()}


def _words(tr: Translate) -> dict[str, Any]:
    """Return what the wall says, in the reader's language."""
    return {
        "live": tr("LIVE"),
        "replay": tr("REPLAY"),
        "stale": tr("OLD PICTURE"),
        "no_signal": tr("NO SIGNAL"),
        "unlinked": tr("NO CONNECTION"),
        "back": tr("WOUND BACK"),
        "waiting": tr("Waiting for the first picture"),
        "opening": tr("The stream is being opened"),
        "since": tr("No signal since"),
        "never": tr("No signal"),
        "lost_since": tr("Signal lost since"),
        "no_new": tr("No new picture since"),
        "cut": tr("Connection to the server lost"),
        "again": tr("trying again by itself"),
        "outside": tr("Outside the case's period or cameras"),
        "ended": tr("The leave to watch has ended: open the page again from its case"),
        "nothing": tr("No camera of this case has a stream or footage yet"),
        "none_here": tr("No camera with pictures in this choice"),
        "unrecorded": tr("NOT BEING RECORDED"),
        "from": tr("since"),
        "faults": {
            "frozen": tr("FROZEN PICTURE"),
            "dark": tr("TOO DARK"),
            "overexposed": tr("OVEREXPOSED"),
            "blurred": tr("BLURRED"),
            "covered": tr("COVERED"),
            "moved": tr("CAMERA MOVED"),
            "clock": tr("WRONG CLOCK"),
            "clock offset": tr("WRONG CLOCK"),
            "clock step": tr("CLOCK LEAPT"),
            "no frames": tr("NO FRAMES"),
            "low rate": tr("FEW FRAMES"),
            "low bitrate": tr("LOW BITRATE"),
            "loss": tr("PACKETS LOST"),
        },
        "causes": {
            "unreachable": tr("the camera does not answer"),
            "denied": tr("the camera refuses the name or the password"),
            "broken": tr("the stream cannot be read"),
            "ended": tr("the camera ended the stream"),
            "stalled": tr("the camera sends nothing more"),
            "disk": tr("the disk takes nothing more"),
            "killed": tr("the recording process died"),
            "stopped": tr("the recorder was stopped"),
            "paused": tr("the stream's own time leapt"),
            "clock": tr("the recorder's clock was set"),
            "not recording": tr("no recorder was running"),
            "switched": tr("another address of the camera was taken"),
        },
        "pause": tr("Pause or play"),
        "back_5": tr("Back five seconds"),
        "wind": tr("The last minute"),
        "to_edge": tr("Back to now"),
        "fps": tr("frames/s"),
        "missed": tr("skipped"),
        "neighbourhoods": tr("All neighbourhoods"),
        "everything": tr("All"),
        "layout_name": tr("Name of a layout"),
        "save_layout": tr("Save layout"),
        "save_hint": tr("Keeps the marked tiles, or all that are shown (Space marks a tile)"),
        "delete_layout": tr("Delete layout"),
        "keys": tr(
            "Arrows: choose · Enter: enlarge · Esc: back · J: −5 s · L: live · 0-9: layouts"
            " · F: full screen"
        ),
        "care": _care_words(tr),
    }


def _care_words(tr: Translate) -> dict[str, str]:
    return {
        "reference": tr("Reference"),
        "day": tr("day"),
        "night": tr("night"),
        "no_reference": tr("No reference picture was set"),
        "current": tr("Now"),
        "not_now": tr("No picture of now; the last one is of"),
        "no_picture": tr("No picture of now"),
        "not_checked": tr("Not checked in the last hours"),
        "checked_at": tr("checked at"),
        "no_fault": tr("No fault found"),
        "no_signal": tr("No signal"),
        "well": tr("well"),
        "faulty": tr("faulty"),
        "lost": tr("lost"),
        "unchecked": tr("not checked"),
        "brightness": tr("brightness"),
        "sharpness": tr("sharpness"),
        "set_reference": tr("Set as reference…"),
        "set_question": tr("Take the last recorded minute as the reference?"),
        "no": tr("No"),
        "setting": tr("being set…"),
    }


def _incident_words(tr: Translate) -> dict[str, str]:
    return {
        "none": tr("No open incident"),
        "check": tr("Look at"),
        "seen": tr("Seen:"),
        "acknowledge": tr("Acknowledge"),
        "close": tr("Close"),
        "note": tr("What was found and done"),
        "back": tr("Cancel"),
    }


def _tiles(site: Site, visit: Visit, allowed: set[str], recorded: set[str]) -> dict[str, Any]:
    cameras = [
        {"id": camera.camera_id, "name": camera.name}
        for camera in visit.wb.ward.cameras_at(site.site_id)
        if camera.camera_id in allowed and (camera.stream_url or camera.camera_id in recorded)
    ]
    return {
        "id": site.site_id,
        "name": site.name,
        "neighbourhood": site.neighbourhood,
        "cameras": cameras,
    }


def _site_rows(
    visit: Visit, shown: list[dict[str, Any]], allowed: set[str]
) -> list[dict[str, Any]]:
    tr, ward = visit.tr, visit.wb.ward
    with_pictures = {site["id"]: len(site["cameras"]) for site in shown}
    rows: list[dict[str, Any]] = [
        {
            "key": "*",
            "cells": [marked(tr("All sites")), str(len(allowed)), str(sum(with_pictures.values()))],
        }
    ]
    for site in ward.sites.values():
        count = sum(camera.camera_id in allowed for camera in ward.cameras_at(site.site_id))
        rows.append(
            {
                "key": site.site_id,
                "cells": [
                    marked(f"{site.site_id} · {site.name}", sub=site.neighbourhood),
                    str(count),
                    str(with_pictures.get(site.site_id, 0)),
                ],
            }
        )
    return rows
