"""Corrections by hand on *Tai nạn*: the track measured, on its pictures, and steps that are kept.

The point of the frame shown is dragged on the tile, in pixels of the original picture. Nothing is
kept before a reason is written and a button says so; the found track stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import panel as pn

from workbench.collisions.steps import LONGEST_REASON, Cut, Move, Omit, Step
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation import Measured, Track, keep_step, no_point, undo_step
from workbench.views.page import ASSETS, COMPONENTS_CSS, Visit, html

_CSS = COMPONENTS_CSS + (ASSETS / "fields.css").read_text(encoding="utf-8")
Frame = tuple[str, int]
"""SHA-256 of a file and the PTS of one of its frames."""


class ByHand:
    """The steps a person takes on the track that is held.

    Parameters
    ----------
    draw
        Makes the tiles draw a track's points (as :meth:`drawn` says), or none.
    frame_of
        The exact frame that a camera's tile shows, None where it shows none.
    kept
        Called with what a kept step measures; ``undone`` with the track a step was taken from.
    """

    def __init__(
        self,
        visit: Visit,
        draw: Callable[[dict[str, Any]], None],
        frame_of: Callable[[str], Frame | None],
        kept: Callable[[Measured], None],
        undone: Callable[[Track], None],
    ) -> None:
        self.visit, self.tr = visit, visit.tr
        self._draw, self._frame_of, self._kept, self._undone = draw, frame_of, kept, undone
        tr = visit.tr
        self.told, self._refusal = html(""), ""
        self.why = pn.widgets.TextInput(
            placeholder=tr("Why it is corrected"), width=230, max_length=LONGEST_REASON,
            stylesheets=[_CSS], margin=(2, 6, 4, 0),
        )  # fmt: skip
        self.move = self._button(tr("Keep the new place"), self._moved, "primary")
        self.omit = self._button(tr("Leave this point out"), self._omitted)
        self.begin = self._button(tr("Track begins here"), self._begun)
        self.end = self._button(tr("Track ends here"), self._ended)
        self.undo = self._button(tr("Take the last step back"), None)
        self.undo.on_click(lambda _event: self._safely(self._take_back))
        self.view = pn.Column(
            self.told,
            pn.FlexBox(
                self.why, self.move, self.omit, self.begin, self.end, self.undo, margin=(0, 12)
            ),
            visible=False,
            margin=0,
            sizing_mode="stretch_width",
        )
        self._track: Track | None = None
        self._away: tuple[int, float, float] | None = None
        self._at: int | None = None

    def _button(
        self, label: str, step: Callable[[Track], Step] | None, kind: str = "default"
    ) -> Any:
        one = pn.widgets.Button(
            label=label, button_type=kind, stylesheets=[_CSS], margin=(2, 6, 4, 0)
        )
        if step is not None:
            one.on_click(lambda _event: self._safely(lambda: self._take(step)))
        return one

    def show(self, track: Track | None) -> None:
        """Hold a track, every point of it, or none: what was put elsewhere and not kept is gone."""
        self._track, self._away, self._refusal = track, None, ""
        self.view.visible = track is not None
        self.undo.visible = track is not None and bool(track.kept_numbers)
        self._draw({} if track is None else drawn(track))
        self.stand()

    def stand(self) -> None:
        """Say what can be moved on the frames that the tiles show by now."""
        track, tr = self._track, self.tr
        if track is None:
            return
        pts = self._shown(track)
        if pts != self._at:  # another frame: what was not kept, or refused, is of the last one
            self._at, self._refusal = pts, ""
            if self._away is not None and self._away[0] != pts:
                self._away = None
        self.move.disabled = self._away is None
        point = None if pts is None else _point(track, pts)
        if point is None:
            said = tr("No point of this track here: stand on a frame that has one.")
        else:
            said = tr("Point of PTS {pts}: {x}, {y} px.").format(
                pts=pts, x=f"{point[0]:.1f}", y=f"{point[1]:.1f}"
            )
            if self._away is not None:
                x, y = self._away[1:]
                put = tr("Put at {x}, {y} px, not kept yet.")
                said += " " + put.format(x=f"{x:.1f}", y=f"{y:.1f}")
        how = tr(
            "Drag it on the picture, or take it and press an arrow key: 1 px, with Shift 10 px; "
            "Esc goes back to the frames."
        )
        more = f'<span class="muted">{escape(how)}</span>'
        if self._refusal:  # in the hint's place: the figures below stay where they are
            more = f'<span class="stop" role="alert">{escape(self._refusal)}</span>'
        self.told.object = f'<div class="byhand"><b>{escape(said)}</b> {more}</div>'

    def moved(self, asked: Mapping[str, Any]) -> None:
        """Take note of where the point of the frame shown was put; nothing is kept by that."""
        track, pts, x, y = self._track, asked.get("pts"), asked.get("x"), asked.get("y")
        # only the frame that is shown, and places in numbers: a message is no other way in
        if track is None or asked.get("segment") != track.segment.sha256 or pts is None:
            return
        if not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (x, y)):
            return
        if pts == self._shown(track) and math.isfinite(x) and math.isfinite(y):  # type: ignore[arg-type]
            self._away = int(pts), float(x), float(y)  # type: ignore[arg-type]
            self._refusal = ""
            self.stand()

    def _shown(self, track: Track) -> int | None:
        """Return the PTS of the frame shown where the track has a point there."""
        frame = self._frame_of(track.segment.camera_id)
        if frame is None or frame[0] != track.segment.sha256:
            return None
        return frame[1] if _point(track, frame[1]) else None

    def _here(self, track: Track) -> int:
        pts = self._shown(track)
        if pts is None:
            frame = self._frame_of(track.segment.camera_id)
            raise no_point(frame[1] if frame else None)
        return pts

    def _by(self) -> tuple[str, int, str]:
        return self.visit.wb.actor, self.visit.wb.now(), " ".join(self.why.value.split())

    def _moved(self, _track: Track) -> Step:
        if self._away is None:
            raise BadInput(
                N_("the point was not moved"),
                N_("drag it on the picture, or take it and press an arrow key"),
            )
        return Move(*self._away, *self._by())

    def _omitted(self, track: Track) -> Step:
        return Omit(self._here(track), *self._by())

    # the other end is the found track's own: each cut can be taken back without the other
    def _begun(self, track: Track) -> Step:
        return Cut(self._here(track), int(track.pts[-1]), *self._by())

    def _ended(self, track: Track) -> Step:
        return Cut(int(track.pts[0]), self._here(track), *self._by())

    def _take(self, step: Callable[[Track], Step]) -> None:
        track, visit = self._track, self.visit
        if track is not None:
            done = keep_step(visit.wb, track, step(track), visit.selection.purpose)
            self.why.value = ""
            self._kept(done)

    def _take_back(self) -> None:
        track, purpose = self._track, self.visit.selection.purpose
        if track is not None and track.kept_numbers:
            why = self.why.value.strip() or purpose.reason
            back = undo_step(self.visit.wb, track.kept, track.kept_numbers[-1], why, purpose)
            self.why.value = ""
            self._undone(back)

    def _safely(self, act: Callable[[], None]) -> None:
        self._refusal = ""
        try:
            act()
        except WorkbenchError as error:
            sentence = error.sentence(self.tr)
            self._refusal = sentence[:1].upper() + sentence[1:]
        self.stand()


def drawn(track: Track) -> dict[str, Any]:
    """Return a track as tiles draw it: its points, and those that were found, px or None each."""
    found = track.points_px if track.before is None else track.before
    return {
        "camera": track.segment.camera_id,
        "segment": track.segment.sha256,
        "pts": track.pts.tolist(),
        "at": [_rounded(one) for one in track.points_px.tolist()],
        "found": [_rounded(one) for one in found.tolist()],
    }


def _rounded(point: list[float]) -> list[float] | None:
    return [round(one, 2) for one in point] if all(map(math.isfinite, point)) else None


def _point(track: Track, pts: int) -> tuple[float, float] | None:
    for x, y in track.points_px[track.pts == pts].tolist():
        if math.isfinite(x) and math.isfinite(y):
            return x, y
    return None
