"""One sighting: its exact frame with the box drawn on it, and everything that identifies it."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import N_
from workbench.investigation import origin
from workbench.records import Box
from workbench.store import is_imported
from workbench.views.footage import RUN_QUALITY, crop, jpeg, shrink
from workbench.views.page import Visit
from workbench.views.text import Translate, clock

BOX_COLOUR = (255, 183, 43)
PLATE_COLOUR = (90, 220, 255)
FRAME_WIDTH_PX = 960
_COMPASS = (
    N_("north"), N_("north-east"), N_("east"), N_("south-east"),
    N_("south"), N_("south-west"), N_("west"), N_("north-west"),
)  # fmt: skip


def sighting(visit: Visit, sighting_id: str) -> str:
    """Return the HTML of a sighting's frame, PTS, segment hash and model.

    Raises
    ------
    Refused, BadInput
        Where the case does not hold it.
    """
    wb, tr, purpose = visit.wb, visit.tr, visit.selection.purpose
    row = wb.sighting(sighting_id, purpose)
    if is_imported(str(row["model_ref"])):
        return _of_another_system(visit, row)
    pts, sha256 = int(row["pts"]), str(row["segment_sha256"])
    frame = wb.still(sha256, pts, purpose)
    box = Box(*(float(row[f"box_{side}"]) for side in "xywh"))
    drawn = outlined(frame, box, BOX_COLOUR)
    plate_picture = ""
    plate_box = row["plate_box"]
    if plate_box is not None and len(plate_box) == 4:
        around = Box(*(float(part) for part in plate_box))
        plate_pts = int(row["plate_pts"])
        on = frame if plate_pts == pts else wb.still(sha256, plate_pts, purpose)
        if plate_pts == pts:
            drawn = outlined(drawn, around, PLATE_COLOUR)
        plate_picture = (
            f'<img class="plate-crop" alt="{escape(tr("the plate as filmed"))}" '
            f'src="{_embedded(crop(on, around, 0.25))}">'
        )
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd{mark}>{value}</dd>" for name, mark, value in _facts(visit, row)
    )
    review = visit.link("xem-lai", segment=sha256, pts=pts, sighting=sighting_id)
    return (
        f'<div class="frame" data-sighting="{escape(sighting_id)}" data-pts="{pts}" '
        f'data-segment="{sha256}">'
        f'<img alt="{escape(tr("the frame of the sighting, with its box"))}" '
        f'src="{_embedded(shrink(drawn, FRAME_WIDTH_PX))}">{plate_picture}'
        f'<dl class="facts">{facts}</dl>'
        f'<p><a class="button" href="{escape(review)}">{escape(tr("Open in Review"))}</a></p></div>'
    )


def _of_another_system(visit: Visit, row: pd.Series) -> str:
    """Return the HTML of a sighting that was imported: what it says, and who says so."""
    tr = visit.tr
    mono = ' class="mono"'
    # ticks, file and model are of footage, and there is none of it here
    facts = _facts(visit, row)[:-3]
    if one := origin(visit.wb, str(row["model_ref"])):
        by = f"{one.actor}, {clock(one.at_ns, date=True)}: {one.reason}"
        facts += [
            (tr("From"), "", escape(one.source)),
            (tr("Imported by"), "", escape(by)),
            (tr("Imported file"), "", escape(one.file)),
            (tr("File (SHA-256)"), mono, one.sha256),
        ]
    else:
        facts.append((tr("From"), "", escape(tr("unknown: the record of its import is lost"))))
    shown = "".join(f"<dt>{escape(name)}</dt><dd{mark}>{value}</dd>" for name, mark, value in facts)
    said = tr("Imported from another system: there is no picture of it here")
    return (
        f'<div class="frame" data-sighting="{escape(str(row["sighting_id"]))}">'
        f'<p class="empty">{escape(said)}</p><dl class="facts">{shown}</dl></div>'
    )


def _facts(visit: Visit, row: pd.Series) -> list[tuple[str, str, str]]:
    tr, wb = visit.tr, visit.wb
    camera = wb.camera(str(row["camera_id"]))
    site = wb.ward.sites[camera.site_id]
    at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
    mono = ' class="mono"'
    facts = []
    if isinstance(row["plate"], str):
        # never rounded up to certainty, which no reading has
        score = tr("how sure it is was not said")
        if pd.notna(row["plate_score"]):
            sure = min(float(row["plate_score"]), 0.99)
            score = tr("every sign right: probability {score:.2f}").format(score=sure)
        facts.append(
            (
                tr("Plate"),
                "",
                f'<span class="plate">{escape(row["plate"])}</span> <small>{escape(score)}</small>',
            )
        )
    kind = tr(row["kind"])
    facts += [
        (tr("Time"), "", f"{clock(at_ns, millis=True, date=True)} ± {row['sigma_s']:.1f} s"),
        (tr("Camera"), "", escape(f"{camera.camera_id} · {camera.name}")),
        (tr("Site"), "", escape(f"{site.site_id} · {site.name}")),
        (tr("Kind"), "", escape(f"{kind} ({row['score']:.2f})" if row["score"] else kind)),
    ]
    if pd.notna(row["bearing_deg"]):
        facts.append(
            (
                tr("Heading"),
                "",
                escape(f"{row['bearing_deg']:.0f}° {towards(row['bearing_deg'], tr)}"),
            )
        )
    if row["face_count"]:
        facts.append((tr("Faces found"), "", str(int(row["face_count"]))))
    facts += [
        (tr("Frame (PTS)"), mono, str(int(row["pts"]))),
        (tr("File (SHA-256)"), mono, escape(str(row["segment_sha256"]))),
        (tr("Made by"), mono, escape(str(row["model_ref"]))),
    ]
    return facts


def towards(bearing_deg: float, tr: Translate) -> str:
    """Return the compass direction of a bearing, in the reader's language.

    >>> towards(359.0, str), towards(100.0, str)
    ('north', 'east')
    """
    return tr(_COMPASS[round(bearing_deg / 45) % 8])


def outlined(rgb: NDArray[np.uint8], box: Box, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a copy of a frame with a box drawn on it, thick enough to be seen when shrunk."""
    drawn = np.ascontiguousarray(rgb).copy()
    thick = max(2, round(rgb.shape[1] / 320))
    first = (round(box.x), round(box.y))
    last = (round(box.x + box.w), round(box.y + box.h))
    cv2.rectangle(drawn, first, last, (18, 36, 47), thick + 2)
    cv2.rectangle(drawn, first, last, colour, thick)
    return drawn


def _embedded(rgb: NDArray[np.uint8]) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg(rgb, RUN_QUALITY)).decode()}"
