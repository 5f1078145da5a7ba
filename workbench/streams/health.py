"""How a camera is: one check every few seconds, faults that last, and nothing that only passes by.

A fault is raised after a stated number of checks in a row with a score of 1 or more and taken back
after as many good ones; between the two borders nothing changes. Everything is judged beside a
reference that somebody set (:meth:`CameraHealth.refer`); nothing learns by itself what is normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from workbench.records import LossCause
from workbench.streams.faults import (
    FAULT_TEXT,
    PICTURE_FAULTS,
    Fault,
    HealthSettings,
    blurred_score,
    clock_step_score,
    covered_score,
    dark_score,
    frozen_score,
    moved_score,
    overexposed_score,
    rate_score,
)
from workbench.streams.pictures import (
    Grey,
    Light,
    Picture,
    Reference,
    Registration,
    emptied,
    make_reference,
    measure,
    register,
    resemblance,
    sharpness,
)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What came of one camera since its last check.

    Parameters
    ----------
    at_ns
        Now, UTC.
    elapsed_s
        Length of the time counted.
    connected
        Whether its stream is open.
    packets, size_bytes
        What came.
    lost_share
        Share of the network's packets that never came; None where nobody counts.
    picture
        The newest small picture, uint8 (y, x), if there is a new one.
    picture_ns
        When that was taken.
    clock_offset_s
        The camera's own time (RTCP or burnt in) minus ours, if newly known.
    loss_cause
        Why it is not connected.
    """

    at_ns: int
    elapsed_s: float
    connected: bool = True
    packets: int = 0
    size_bytes: int = 0
    lost_share: float | None = None
    picture: Grey | None = field(default=None, repr=False)
    picture_ns: int | None = None
    clock_offset_s: float | None = None
    loss_cause: LossCause | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One camera at one moment. Numbers are NaN where unknown.

    ``faults`` are those raised; ``suspected`` those seen now and not yet long enough; ``unknown``
    those that could not be judged. ``sharpness`` is 1 for as sharp as the reference. ``light``
    names the reference it was held against, empty without one.
    """

    camera_id: str
    at_ns: int
    connected: bool
    cause: LossCause | None = None
    faults: tuple[Fault, ...] = ()
    suspected: tuple[Fault, ...] = ()
    unknown: tuple[Fault, ...] = ()
    fps: float = math.nan
    kbit_s: float = math.nan
    brightness: float = math.nan
    contrast: float = math.nan
    sharpness: float = math.nan
    change: float = math.nan
    shift_px: float = math.nan
    rotation_deg: float = math.nan
    zoom: float = math.nan
    clock_offset_s: float = math.nan
    loss_share: float = math.nan
    light: Light | Literal[""] = ""

    def fields(self) -> dict[str, str]:
        """Return what the templates of :data:`FAULT_TEXT` ask for, rounded for reading."""
        return {
            "fps": f"{self.fps:.1f}",
            "kbit_s": f"{self.kbit_s:.0f}",
            "loss_percent": f"{100 * self.loss_share:.1f}",
            "shift_px": f"{self.shift_px:.0f}" if math.isfinite(self.shift_px) else "?",
            "rotation_deg": f"{self.rotation_deg:.1f}" if math.isfinite(self.rotation_deg) else "?",
            "clock_offset_s": f"{self.clock_offset_s:+.1f}",
        }


class _Numbers(TypedDict, total=False):
    """The numbers of a check that became known."""

    fps: float
    kbit_s: float
    brightness: float
    contrast: float
    sharpness: float
    change: float
    shift_px: float
    rotation_deg: float
    zoom: float
    clock_offset_s: float
    loss_share: float


_Scores = dict[str, tuple[Fault, float | None, int]]
"""What a check found: the fault, its score and after how many checks in a row it is told."""


@dataclass(slots=True)
class _Latch:
    """One finding over time."""

    raised: bool = False
    bad: int = 0
    good: int = 0

    def take(self, score: float | None, raise_after: int, settings: HealthSettings) -> None:
        if score is None:
            return
        if score >= 1:
            self.bad, self.good = self.bad + 1, 0
            self.raised = self.raised or self.bad >= raise_after
            return
        self.bad = 0
        # between the borders a raised fault stays, and its good checks start anew
        self.good = self.good + 1 if score < settings.release else 0
        self.raised = self.raised and self.good < settings.clear_checks


class CameraHealth:
    """What is remembered of one camera from check to check: its references and what was seen last.

    Parameters
    ----------
    camera_id
        The camera.
    references
        At most one a light.
    settings
        Thresholds.
    """

    KEPT = 12
    """Pictures kept to propose a reference from: a minute's."""

    def __init__(
        self,
        camera_id: str,
        references: Sequence[Reference] = (),
        settings: HealthSettings | None = None,
    ) -> None:
        self.camera_id = camera_id
        self.settings = settings or HealthSettings()
        self._references: dict[Light, Reference] = {one.light: one for one in references}
        self._latches: dict[str, _Latch] = {}
        self._last: Picture | None = None
        self._lumas: list[Grey] = []
        self._offset_s: float | None = None

    @property
    def references(self) -> tuple[Reference, ...]:
        """Return the references in force."""
        return tuple(self._references.values())

    def propose(
        self, light: Light, *, fps: float | None = None, kbit_s: float | None = None
    ) -> Reference:
        """Return a reference made of the last minute, for somebody to look at; it is not in force.

        Raises
        ------
        BadInput
            When no picture was seen yet.
        """
        at_ns = self._last.at_ns if self._last is not None else 0
        return make_reference(light, self._lumas, at_ns, fps=fps, kbit_s=kbit_s)

    def refer(self, reference: Reference) -> None:
        """Put a reference in force, in place of the one of the same light; findings start anew."""
        self._references[reference.light] = reference
        for name in [one for one in self._latches if one.split("/")[0] in PICTURE_FAULTS]:
            del self._latches[name]

    def check(self, seen: Seen) -> HealthCheck:
        """Return how the camera is now; to be called with every check, also while it is lost."""
        scores: _Scores = {}
        fields: _Numbers = {}
        reference: Reference | None = None
        if not seen.connected:
            # what was seen before says nothing of the picture that comes back
            self._last, self._offset_s = None, None
            self._latches.clear()
            return HealthCheck(
                self.camera_id,
                seen.at_ns,
                connected=False,
                cause=seen.loss_cause,
                unknown=PICTURE_FAULTS,
                fps=0.0,
                kbit_s=0.0,
            )
        if seen.picture is not None:
            now = measure(seen.picture, seen.picture_ns or seen.at_ns)
            reference = self._alike(now)
            self._look(now, reference, scores, fields)
            self._last = now
            self._lumas = [*self._lumas, seen.picture][-self.KEPT :]
        self._count(seen, reference or next(iter(self.references), None), scores, fields)
        self._compare_clocks(seen, scores, fields)
        suspected = []
        for name, (fault, score, checks) in scores.items():
            latch = self._latches.setdefault(name, _Latch())
            latch.take(score, checks, self.settings)
            if latch.bad and not latch.raised:
                suspected.append(fault)
        raised = {name.split("/")[0] for name, latch in self._latches.items() if latch.raised}
        judged = {fault for fault, score, _ in scores.values() if score is not None}
        order = tuple(FAULT_TEXT)
        return HealthCheck(
            self.camera_id,
            seen.at_ns,
            connected=True,
            faults=tuple(fault for fault in order if fault in raised),
            suspected=tuple(fault for fault in order if fault in suspected),
            unknown=tuple(fault for fault in order if fault not in judged),
            light=reference.light if reference is not None else "",
            **fields,
        )

    def _alike(self, now: Picture) -> Reference | None:
        """Return the reference the picture is most like: no calendar knows when the lamps go on."""
        fitting = [one for one in self.references if one.picture.body.shape == now.body.shape]
        return max(
            fitting,
            key=lambda one: (
                round(resemblance(now, one), 1),
                -abs(one.picture.brightness - now.brightness),
            ),
            default=None,
        )

    def _look(
        self,
        now: Picture,
        reference: Reference | None,
        scores: _Scores,
        fields: _Numbers,
    ) -> None:
        settings = self.settings
        fields |= {"brightness": now.brightness, "contrast": now.contrast}
        flicker = reference.flicker if reference is not None else None
        if self._last is not None:
            if self._last.body.shape == now.body.shape:
                fields["change"] = float(abs(now.body - self._last.body).mean())
            quiet = flicker is None or flicker < settings.frozen_least_level
            wait = settings.frozen_quiet_checks if quiet else settings.frozen_checks
            scores["frozen"] = "frozen", frozen_score(self._last, now, flicker, settings), wait
        black = dark_score(now, self.references, settings.black_level, settings)
        dark = dark_score(now, self.references, settings.dark_level, settings)
        scores["dark"] = "dark", black, settings.black_checks
        scores["dark/dim"] = "dark", dark, settings.dark_checks
        overexposed = overexposed_score(now, reference, settings)
        scores["overexposed"] = "overexposed", overexposed, settings.overexposed_checks
        if reference is None or dark >= 1 or overexposed >= 1:
            return
        sharp, empty = sharpness(now, reference), emptied(now, reference)
        plain = empty >= settings.covered_share
        found = Registration(False, 0.0) if plain else register(now, reference)
        fields |= {"sharpness": sharp, "shift_px": found.shift_px}
        if found.found:
            fields |= {"rotation_deg": found.rotation_deg, "zoom": found.zoom}
        moved = moved_score(found, settings)
        scores["moved"] = "moved", moved, settings.moved_checks
        if moved is not None and moved >= 1:
            return  # the reference lies beside what it shows no longer
        blurred = blurred_score(sharp, settings)
        scores["blurred"] = "blurred", blurred, settings.blurred_checks
        covered = covered_score(empty, settings.covered_share)
        scores["covered"] = "covered", covered, settings.covered_checks
        # The slow findings need to know the view in every light, or each dusk would be one.
        if len(self._references) == 2:
            scores["covered/partly"] = (
                "covered",
                covered_score(empty, settings.partly_covered_share),
                settings.partly_covered_checks,
            )
            nowhere = not found.found and not math.isnan(empty) and empty < 0.5
            like = resemblance(now, reference)
            strange = settings.elsewhere_resemblance / max(like, 1e-3) if nowhere else 0.0
            scores["moved/elsewhere"] = "moved", strange, settings.elsewhere_checks

    def _count(
        self,
        seen: Seen,
        reference: Reference | None,
        scores: _Scores,
        fields: _Numbers,
    ) -> None:
        if seen.elapsed_s <= 0:
            return
        settings = self.settings
        nominal_fps = reference.fps if reference is not None else None
        nominal_kbit_s = reference.kbit_s if reference is not None else None
        fps = seen.packets / seen.elapsed_s
        kbit_s = seen.size_bytes * 8 / 1000 / seen.elapsed_s
        fields |= {"fps": fps, "kbit_s": kbit_s}
        silent = 0.0 if seen.packets else 1.0
        scores["no frames"] = "no frames", silent, settings.no_frames_checks
        if seen.packets:
            low = rate_score(fps, nominal_fps, settings.low_rate_share)
            thin = rate_score(kbit_s, nominal_kbit_s, settings.low_bitrate_share)
            scores["low rate"] = "low rate", low, settings.rate_checks
            scores["low bitrate"] = "low bitrate", thin, settings.rate_checks
        if seen.lost_share is not None:
            fields["loss_share"] = seen.lost_share
            scores["loss"] = "loss", seen.lost_share / settings.loss_share, settings.loss_checks

    def _compare_clocks(
        self,
        seen: Seen,
        scores: _Scores,
        fields: _Numbers,
    ) -> None:
        offset = seen.clock_offset_s
        if offset is None:
            if self._offset_s is not None:
                fields["clock_offset_s"] = self._offset_s
            return
        settings = self.settings
        fields["clock_offset_s"] = offset
        step = clock_step_score(self._offset_s, offset, settings)
        scores["clock step"] = "clock step", step, settings.clock_step_checks
        scores["clock offset"] = (
            "clock offset", abs(offset) / settings.clock_offset_s, settings.clock_offset_checks,
        )  # fmt: skip
        self._offset_s = offset
