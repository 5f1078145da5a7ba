"""*Trực tiếp*: live tiles by site, beside the ward's map and the list of its sites."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import panel as pn
import param
from panel.custom import JSComponent

from workbench.errors import WorkbenchError
from workbench.records import Site
from workbench.views.map import ward_map
from workbench.views.map_bridge import WardMap
from workbench.views.page import ASSETS, COMPONENTS_CSS, Body, Visit
from workbench.views.rows import Rows, marked
from workbench.views.text import Translate

RENEW_MS = 2 * 3600 * 1000
"""The wall asks for a new grant this often, well inside a grant's life."""


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

    _esm = ASSETS / "wall.js"
    _stylesheets = [COMPONENTS_CSS]  # noqa: RUF012 - Panel reads it from the class


def live_page(visit: Visit) -> Body:
    """Return the live page: refused without a case."""
    wb, tr, selection = visit.wb, visit.tr, visit.selection
    case = next((known for known in wb.cases() if known.case_id == selection.case_id), None)
    allowed = set(case.cameras if case and case.cameras else wb.ward.cameras)

    def address() -> str:
        token = wb.grant(sorted(allowed), selection.purpose)
        return f"{visit.media_url.replace('http', 'ws', 1)}/wall?grant={quote(token)}"

    def present() -> list[dict[str, Any]]:
        recorded = {camera for camera, spans in wb.coverage().items() if spans}
        recorded |= set(wb.ward.cameras) & _being_recorded(wb.root / "recording")
        found = [_tiles(site, visit, allowed, recorded) for site in wb.ward.sites.values()]
        return [site for site in found if site["cameras"]]

    sites = present()
    wall = Wall(
        sites=sites,
        url=address(),
        actor=wb.actor,
        lang=visit.lang,
        site=selection.site_id,
        words=_words(tr),
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
    chart = WardMap(ward_map(wb.ward, lang=visit.lang), on_site=show)

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
            wall.url = address()

    if pn.state.curdoc is not None:
        pn.state.add_periodic_callback(renew, period=RENEW_MS)
        pn.state.add_periodic_callback(look, period=LOOK_MS)
    return Body(
        "live.html",
        {"wall": tr("Cameras"), "map": tr("Map of the ward"), "sites": tr("Sites")},
        {"wall": wall, "map": chart.pane, "map_bridge": chart.bridge, "sites": listing},
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
        "keys": tr("Arrows: choose · Enter: enlarge · Esc: back · 0-9: layouts · F: full screen"),
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
