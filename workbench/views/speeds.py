"""Speeds under the tiles of *Tai nạn*: passes of calibrated cameras, and one of them measured.

A speed never stands alone: beside it are its 95 % interval, the class of the calibration, the time
base, the clock, how far the view is off the calibrated one, and the fixed sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.investigation import (
    Measurable,
    Measured,
    measurable,
    measure_sighting,
    statements_of,
)
from workbench.investigation.measured_paper import chart_of
from workbench.timeline import SECOND_NS, Span
from workbench.views.page import Visit, html, refusal
from workbench.views.rows import Rows, marked
from workbench.views.text import clock

MOST_PASSES = 200
"""Of a span: more are told as a number."""


class Speeds:
    """The passes of the cameras shown, and what the chosen one measures.

    `seek` makes the tiles stand at an instant (UTC, ns): the middle of a pass that was chosen.
    """

    def __init__(self, visit: Visit, seek: Callable[[int], None]) -> None:
        self.visit, self.tr, self._seek = visit, visit.tr, seek
        tr = visit.tr
        self.passes = Rows(
            on_choose=self._choose,
            columns=[{"title": tr("Instant")}, {"title": tr("Kind")}, {"title": "km/h"}],
        )
        self.told = html("")
        self._known: Measurable | None = None
        self._asked: tuple[tuple[str, ...], Span] | None = None
        self._done: dict[str, Measured] = {}
        self._shown: Measured | None = None
        self._at_ns = 0

    def show(self, cameras: Sequence[str], span: Span, at_ns: int) -> None:
        """List the passes of some cameras in a span; asked, and logged, once for each."""
        self._at_ns = at_ns
        if self._asked == (tuple(cameras), span):
            return
        self._asked, self._shown = (tuple(cameras), span), None
        try:
            self._known = measurable(self.visit.wb, cameras, span, self.visit.selection.purpose)
        except WorkbenchError as error:
            self._known = None
            self.passes.param.update(rows=[], chosen="", empty="–")
            self.told.object = refusal(error, self.tr)
            return
        self._list(chosen="")
        self.told.object = self._nothing(self._known)

    def stand(self, at_ns: int) -> None:
        """Take note of the instant at which the tiles stand."""
        self._at_ns = at_ns
        if self._shown is not None:
            self.told.object = self._page(self._shown)

    def _list(self, chosen: str) -> None:
        known, tr = self._known, self.tr
        if known is None:
            return
        rows: list[dict[str, Any]] = []
        for row in known.passes.head(MOST_PASSES).to_dict("records"):
            done = self._done.get(row["sighting_id"])
            plate = "" if pd.isna(row["plate"]) else f" · {row['plate']}"
            rows.append({
                "key": row["sighting_id"],
                "cells": [
                    clock(int(pd.Timestamp(row["utc"]).value), millis=True),
                    marked(tr(row["kind"]), sub=f"{row['camera_id']}{plate}"),
                    "" if done is None else _figure(done.motion.mean_speed_km_h),
                ],
            })  # fmt: skip
        empty = tr("Nothing was recognised here") if known.calibrated else tr("No metres here")
        self.passes.param.update(rows=rows, chosen=chosen, empty=empty)

    def _nothing(self, known: Measurable) -> str:
        """Return what stands there before a pass is chosen: what can be measured, what cannot."""
        tr, said = self.tr, []
        if known.calibrated and len(known.passes):
            said.append(tr("Choose a pass to measure it. Each measurement is logged."))
        elif known.calibrated:
            said.append(
                tr("No pass is known in this span: have the footage recognised, or pick a track by "
                   "hand (workbench speed --track).")
            )  # fmt: skip
        if known.without:
            said.append(
                tr("Not calibrated, so there are no metres and no speeds: {cameras}.").format(
                    cameras=", ".join(known.without)
                )
            )
        more = len(known.passes) - MOST_PASSES
        if more > 0:
            said.append(tr("{count} more passes: choose a shorter span.").format(count=more))
        return f'<div class="speed">{"".join(f"<p>{escape(one)}</p>" for one in said)}</div>'

    def _choose(self, key: str) -> None:
        try:
            done = self._done.get(key)
            if done is None:
                done = measure_sighting(self.visit.wb, key, self.visit.selection.purpose)
        except WorkbenchError as error:
            self._shown = None
            self.told.object = refusal(error, self.tr)
            return
        self._done[key] = self._shown = done
        self._list(chosen=key)
        self.told.object = self._page(done)
        if not int(done.utc_ns[0]) <= self._at_ns <= int(done.utc_ns[-1]):
            self._seek(int(done.utc_ns[len(done.utc_ns) // 2]))

    def _page(self, done: Measured) -> str:
        tr, motion = self.tr, done.motion
        note, *said = statements_of(done, tr)
        now_s = (self._at_ns - int(done.utc_ns[0])) / SECOND_NS
        here = ""
        if 0 <= now_s <= float(motion.time_s[-1]):
            k = int(np.argmin(np.abs(motion.time_s - now_s)))
            here = tr("At the instant shown: {figure} km/h").format(
                figure=_figure(motion.speed_km_h[:, k])
            )
        head = tr("{camera}, {seconds:.1f} s from {start}, {frames} frames").format(
            camera=done.camera_id, seconds=float(motion.time_s[-1]),
            start=clock(int(done.utc_ns[0]), millis=True), frames=len(done.pts),
        )  # fmt: skip
        mean = tr("Mean speed {figure} km/h, with its 95 % interval").format(
            figure=_figure(motion.mean_speed_km_h)
        )
        chart = chart_of(motion, tr("seconds since the first frame"), now_s).svg()
        lines = "".join(f"<li>{escape(one)}</li>" for one in said)
        return (
            f'<div class="speed"><p class="note">{escape(note)}</p><p>{escape(head)}</p>'
            f'<p class="big">{escape(mean)}</p><p data-part="here">{escape(here)}</p>'
            f'<div class="two"><div>{chart}</div><ul>{lines}</ul></div></div>'
        )


def _figure(interval: np.ndarray[Any, Any]) -> str:
    """Return a median with its interval.

    >>> _figure(np.array([31.24, 34.0, 36.96]))
    '34.0 (31.2–37.0)'
    """
    low, middle, high = (f"{one:.1f}" for one in interval.tolist())
    return f"{middle} ({low}–{high})"
