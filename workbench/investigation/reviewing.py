"""Several cameras on one clock: their frames of a span, an exact picture, and bookmarks.

A bookmark is an entry in the audit log, and so is its removal: what somebody thought worth marking
cannot vanish, and the log's own chain vouches for it.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, hypot, radians

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import archive
from workbench.archive.strips import Strip, strip
from workbench.errors import N_, BadInput
from workbench.investigation.answers import span_text
from workbench.investigation.facade import Workbench
from workbench.records import Camera, Case, Purpose, Segment
from workbench.timeline import SECOND_NS, Span, format_utc, gaps

MOST_TILES = 9
LONGEST_S = 600
"""Seconds that are looked at together at once: a page holds every frame's time of them."""
LONGEST_NOTE = 200
_DEGREE_M = 111_320.0
_PNG_HEAD = 8 + 25
"""Bytes of a PNG's signature and first chunk, behind which texts may stand."""


@dataclass(frozen=True, slots=True)
class Together:
    """Cameras on one clock: a strip each, in the order asked, and leave to fetch their pictures."""

    span: Span
    strips: tuple[Strip, ...]
    token: str

    def segment(self, sha256: str) -> Segment | None:
        """Return a file that is shown, None where it is not of these cameras and this span."""
        shown = (piece.segment for one in self.strips for piece in one.stretches)
        return next((segment for segment in shown if segment.sha256 == sha256), None)


@dataclass(frozen=True, slots=True)
class Near:
    """A camera of the case: how far it stands from another, and what it did not record."""

    camera: Camera
    distance_m: float
    missing: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One exact frame as PNG; ``name`` is a file name that says which, ``facts`` stand inside."""

    name: str
    png: bytes
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """An instant somebody marked in a case: on which cameras, in which span, with what note.

    ``number`` is that of its entry in the log.
    """

    number: int
    at_ns: int
    cameras: tuple[str, ...]
    span: Span
    note: str
    actor: str
    made_ns: int


def reviewed_case(wb: Workbench, purpose: Purpose) -> tuple[Case, tuple[str, ...]]:
    """Return the case and those of its cameras the actor may see; Refused without one."""
    case, cameras, _ = wb._authorise(purpose, "view")
    return case, cameras


def together(wb: Workbench, cameras: Sequence[str], span: Span, purpose: Purpose) -> Together:
    """Return the frames of one to nine cameras in a span, after logging the view.

    Raises
    ------
    BadInput
        Where no camera, too many or too long a span is asked for.
    Refused
        Outside the bounds of the case.
    """
    cameras = tuple(dict.fromkeys(cameras))
    if not 1 <= len(cameras) <= MOST_TILES:
        raise BadInput(
            N_("{count} cameras cannot be looked at together"),
            N_("choose one to {most}"),
            count=len(cameras),
            most=MOST_TILES,
        )
    if not 0 < span.duration_ns <= LONGEST_S * SECOND_NS:
        raise BadInput(
            N_("a span of {seconds} s cannot be looked at at once"),
            N_("choose up to {most} s"),
            seconds=span.duration_ns // SECOND_NS,
            most=LONGEST_S,
        )
    for camera_id in cameras:
        wb.camera(camera_id)
    case, _, _ = wb._authorise(purpose, "view", cameras=cameras, span=span)
    store = wb._store
    strips = tuple(
        strip(
            camera_id,
            [(one, store.frame_index(one.sha256)) for one in store.segments([camera_id], span)],
            store.clock_fixes(camera_id),
            span,
            within=case.period,
        )
        for camera_id in cameras
    )
    # the frame that is shown when the span begins may be a little older than it
    first_ns = min([span.start_ns, *(int(one.utc_ns[0]) for one in strips if len(one.utc_ns))])
    token = wb.grant(cameras, purpose, span=Span(first_ns, span.stop_ns))
    return Together(span, strips, token)


def cameras_around(wb: Workbench, camera_id: str, cameras: Sequence[str], span: Span) -> list[Near]:
    """Return some cameras by distance from one of them, it and its own site first.

    Parameters
    ----------
    cameras
        Those of the case.
    span
        What each did not record is told of this span.
    """
    here = wb.camera(camera_id)
    covered = archive.coverage(wb._store, cameras, span)
    found = [
        Near(one, _apart_m(here, one), tuple(gaps(covered[one.camera_id], span)))
        for one in map(wb.camera, cameras)
    ]
    return sorted(
        found,
        key=lambda one: (
            one.camera.camera_id != camera_id,
            one.camera.site_id != here.site_id,
            one.distance_m,
            one.camera.camera_id,
        ),
    )


def _apart_m(one: Camera, other: Camera) -> float:
    """Return the distance of two cameras in a plane: they stand in one ward."""
    east = (other.lon_deg - one.lon_deg) * cos(radians(one.lat_deg))
    return _DEGREE_M * hypot(east, other.lat_deg - one.lat_deg)


def snapshot(wb: Workbench, segment_sha256: str, pts: int, purpose: Purpose) -> Snapshot:
    """Return one frame of the untouched original as PNG, after logging the export.

    Its pixels are the decoded frame, nothing is drawn on it. What it is stands in its texts (PNG
    ``iTXt``): camera, UTC and sigma, PTS, SHA-256 of the file, case, reason, who. The log keeps
    the SHA-256 of the PNG.

    Raises
    ------
    BadInput
        Where the file or the frame is not there.
    Refused
        Outside the bounds of the case, or where the actor's roles export nothing.
    """
    segment = wb.segment(segment_sha256)
    at_ns, sigma_ns = wb.utc(segment, pts)
    wb._authorise(purpose, "export", cameras=(segment.camera_id,), span=Span(at_ns, at_ns + 1))
    picture = archive.still(wb._store, segment, pts)
    facts = {
        "Camera": segment.camera_id,
        "UTC": format_utc(at_ns),
        "UTC (ns)": str(at_ns),
        "UTC sigma (s)": f"{sigma_ns / SECOND_NS:.3f}",
        "PTS": str(pts),
        "Second per tick": str(segment.tick_s),
        "SHA-256 of the file": segment.sha256,
        "Case": purpose.case_id,
        "Reason": purpose.reason,
        "Exported by": wb.actor,
        "Exported at (UTC)": format_utc(wb.now()),
    }
    png = _with_texts(_png(picture), facts)
    stamp = format_utc(at_ns).replace(":", "").replace("-", "")
    name = f"{segment.camera_id}_{stamp}_pts{pts}_{segment.sha256[:12]}.png"
    wb._log(
        "export",
        name,
        purpose,
        details={
            "kind": "picture", "camera": segment.camera_id, "segment": segment.sha256, "pts": pts,
            "utc": format_utc(at_ns), "sigma_s": sigma_ns / SECOND_NS,
            "sha256": hashlib.sha256(png).hexdigest(),
        },
    )  # fmt: skip
    return Snapshot(name, png, facts)


def _png(rgb: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", rgb[:, :, ::-1])
    if not done:
        raise BadInput(N_("the picture could not be written as PNG"))
    return data.tobytes()


def _with_texts(png: bytes, facts: Mapping[str, str]) -> bytes:
    """Return a PNG with texts (international text chunks) behind its head."""
    chunks = b""
    for key, value in facts.items():
        body = b"iTXt" + key.encode("latin-1") + b"\0\0\0\0\0" + value.encode()
        chunks += struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:_PNG_HEAD] + chunks + png[_PNG_HEAD:]


def bookmark(
    wb: Workbench, at_ns: int, cameras: Sequence[str], span: Span, note: str, purpose: Purpose
) -> Bookmark:
    """Mark an instant in the log of a case; return the bookmark.

    Raises
    ------
    BadInput
        Where the instant is not in the span, or the note too long.
    Refused
        Outside the bounds of the case.
    """
    note = " ".join(note.split())
    if len(note) > LONGEST_NOTE or at_ns not in span:
        raise BadInput(
            N_("this cannot be marked: the note is too long, or the instant not in what is shown"),
            N_("write up to {most} signs"),
            most=LONGEST_NOTE,
        )
    wb._authorise(purpose, "bookmark", cameras=tuple(cameras), span=Span(at_ns, at_ns + 1))
    details = {
        "at_ns": at_ns, "cameras": list(cameras), "start_ns": span.start_ns,
        "stop_ns": span.stop_ns, "utc": format_utc(at_ns), **span_text(span),
    }  # fmt: skip
    entry = wb._log("bookmark.add", note, purpose, details=details)
    return Bookmark(entry.seq, at_ns, tuple(cameras), span, note, entry.actor, entry.at_ns)


def remove_bookmark(wb: Workbench, number: int, purpose: Purpose) -> None:
    """Take a bookmark off the case's list; both entries stay in the log.

    Raises
    ------
    BadInput
        Where the case has no such bookmark.
    """
    wb._authorise(purpose, "bookmark")
    if number not in {one.number for one in bookmarks(wb, purpose)}:
        raise BadInput(
            N_("case {case} has no bookmark {number}"),
            N_("open the page again: it may have been removed"),
            case=purpose.case_id,
            number=number,
        )
    wb._log("bookmark.remove", str(number), purpose)


def bookmarks(wb: Workbench, purpose: Purpose) -> list[Bookmark]:
    """Return the bookmarks of a case on cameras the actor may see, by instant.

    Raises
    ------
    Refused
        Without an open case.
    """
    _, allowed, _ = wb._authorise(purpose, "view")
    found: dict[int, Bookmark] = {}
    for entry in wb._store.audit(purpose.case_id, "bookmark."):
        if entry.action == "bookmark.remove":
            found.pop(int(entry.subject), None)
        elif entry.action == "bookmark.add":
            told = json.loads(entry.details)
            span = Span(told["start_ns"], told["stop_ns"])
            found[entry.seq] = Bookmark(
                entry.seq, told["at_ns"], tuple(told["cameras"]), span, entry.subject,
                entry.actor, entry.at_ns,
            )  # fmt: skip
    seen = [one for one in found.values() if set(one.cameras) <= set(allowed)]
    return sorted(seen, key=lambda one: (one.at_ns, one.number))


def first_recorded(wb: Workbench, cameras: Sequence[str], period: Span) -> Segment:
    """Return the first file of some cameras in a period.

    Raises
    ------
    BadInput
        Where nothing is recorded there.
    """
    found = wb.segments(cameras, period)
    if not found:
        raise BadInput(
            N_("nothing is recorded inside this case's period yet"),
            N_("take the footage in first"),
        )
    return min(found, key=lambda one: wb.utc_span(one).start_ns)
