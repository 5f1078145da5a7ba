"""Watch recorded cameras: what their processes tell becomes health, incidents and causes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.records import Loss, LossCause
from workbench.streams.causes import Explanation, explain
from workbench.streams.faults import Fault
from workbench.streams.health import CameraHealth, HealthCheck, Seen
from workbench.streams.incidents import (
    Incident,
    Incidents,
    Symptom,
    Topology,
    Trouble,
    symptom_of,
)
from workbench.streams.lasting import Lasting
from workbench.streams.messages import Beat, Looked, Lost, Told
from workbench.streams.pictures import Reference
from workbench.timeline import SECOND_NS

CHECK_S = 5.0
"""Pictures are taken so often, with the next key frame, and each is a check."""
WAIT_S = 8.0
FRESH_S = 3.0
"""A camera with a packet this recent works, and speaks against causes that would have taken it."""
LOST = "lost"
"""The kind of an incident of cameras without footage; the others are called by their fault."""
Explained = tuple[str, Incident, Explanation]
"""The kind of an open incident, the incident, and what may have caused it."""
RATE_FAULTS: tuple[Fault, ...] = ("low rate", "low bitrate")
STEADY_S = 5.0
"""A camera is back when it has delivered for so long; until then its incident goes on."""
STALE_PICTURE_S = 30.0


@dataclass(slots=True)
class _Since:
    """What came of one camera since its last check."""

    connected: bool = False
    live: bool = True
    packets: int = 0
    size_bytes: int = 0
    lost_bytes: float | None = None
    looked: Looked | None = None
    clock_offset_s: float | None = None
    cause: LossCause | None = None
    beat_s: float = -math.inf
    looked_s: float = 0.0
    well: tuple[int, float] | None = None
    """Since when it delivers: UTC, and by the clock that nobody sets."""
    stand_in: bool = False
    checked_s: float = 0.0
    due_s: float = 0.0
    lost: bool = False

    def is_due(self, now_s: float) -> bool:
        """Tell whether there is something to check, or nothing was for a while."""
        # a check of its own for each new picture: it shows what was wrong a moment ago
        shown = self.looked is not None and now_s - self.checked_s > CHECK_S / 2
        return self.due_s <= now_s or self.lost or shown


def why(explained: Sequence[Explained], translate: Callable[[str], str] = str) -> dict[str, str]:
    """Return, for each lost camera, what was noticed and what may be the cause.

    The probability is part of the sentence: a cause is inferred, not known.
    """
    told = {}
    for kind, incident, explanation in explained:
        if kind != LOST:
            continue
        best = explanation.best
        sentence = f"{best.sentence(translate)} ({100 * best.probability:.0f} %)"
        told.update(dict.fromkeys((c for c in incident.missing if c in best.cameras), sentence))
    return told


class Watch:
    """Keeps the health of cameras and the open incidents; no input or output of its own.

    Parameters
    ----------
    cameras
        Those recorded.
    topology
        What hangs on what.
    references
        Reference pictures in force, by camera.
    start_s
        Now, by a clock that nobody sets: the machine's may be.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        topology: Topology,
        references: Mapping[str, Sequence[Reference]],
        start_s: float,
    ) -> None:
        self._topology = topology
        self._incidents = Incidents()
        self._lasting = Lasting()
        self._over: list[tuple[str, Incident]] = []
        self._lost_s: dict[str, float] = {}
        self._health = {one: CameraHealth(one, references.get(one, ())) for one in cameras}
        # spread over the period: 77 checks at once would make everything else wait
        self._since = {
            one: _Since(checked_s=start_s, due_s=start_s + CHECK_S * (1 + n / len(cameras)))
            for n, one in enumerate(cameras)
        }

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Return the incidents with cameras missing, oldest first."""
        return self._incidents.open

    def take_up(self, kind: str, incident: Incident) -> None:
        """Go on with an incident that was open when the recorder before ended."""
        if kind == LOST:
            self._incidents.take_up(incident)
        else:
            self._lasting.take_up(kind, incident)

    def lose(self, camera_id: str, at_ns: int, symptom: Symptom) -> None:
        """Say that a camera was lost, unless it is already."""
        if not any(camera_id in incident.missing for incident in self._incidents.open):
            self._incidents.lose(Trouble(camera_id, at_ns, symptom))

    def hear(self, camera_id: str, told: Told, now_s: float, *, stand_in: bool = False) -> None:
        """Take in what a camera's process told, `now_s` by the clock of `start_s`.

        A recorder that is told to stop is no incident. `stand_in`: the footage comes from an
        address that only stands in for the camera's main stream, which is not back by it.
        """
        since = self._since[camera_id]
        since.stand_in = stand_in
        if isinstance(told, Beat):
            since.packets += told.packets
            since.size_bytes += told.size_bytes
            since.beat_s, since.live = now_s, told.live
            if told.lost_share is not None:
                sent = told.size_bytes / max(1e-3, 1 - told.lost_share)
                since.lost_bytes = (since.lost_bytes or 0.0) + sent - told.size_bytes
            if told.clock_offset_ns is not None:
                since.clock_offset_s = told.clock_offset_ns / SECOND_NS
            since.connected, since.cause = True, None
            if stand_in or (told.live and not told.growing):
                since.well = None
            elif since.well is None:
                since.well = told.at_ns, now_s
            elif now_s - since.well[1] >= STEADY_S:
                incident = self._incidents.back(camera_id, since.well[0])
                if incident is not None and incident.closed_ns is not None:
                    self._lost_s.pop(incident.incident_id, None)
                    self._over.append((LOST, incident))
        elif isinstance(told, Looked):
            since.looked, since.looked_s = told, now_s
        elif isinstance(told, Lost) and told.cause != "stopped":
            since.lost = since.lost or since.connected or since.cause is None
            since.connected, since.cause, since.well = False, told.cause, None
            loss = Loss(camera_id, told.at_ns, told.cause, told.detail)
            before = self._incidents.open
            incident = self._incidents.lose(Trouble(camera_id, told.at_ns, symptom_of(loss)))
            # met again is no news: it was lost all the while
            if not any(camera_id in one.missing for one in before):
                self._lost_s[incident.incident_id] = now_s

    def over(self) -> list[tuple[str, Incident]]:
        """Return the incidents that ended since this was asked last, with their kinds."""
        over, self._over = self._over, []
        return over

    def due(self, now_ns: int, now_s: float) -> list[HealthCheck]:
        """Return the checks due: with each new picture, or after :data:`WAIT_S` without.

        Of a folder of files there are none while it is there: it is no stream.

        ``now_ns`` is written into them; ``now_s`` is of the clock of `start_s`.
        """
        checks = [
            self._check(camera_id, now_ns, now_s)
            for camera_id, since in self._since.items()
            if since.is_due(now_s) and (since.live or not since.connected)
        ]
        for check in checks:
            self._over += self._lasting.check(check)
        return checks

    def explained(self, now_s: float) -> list[Explained]:
        """Return the open incidents with their kinds and what may have caused each.

        `now_s` is of the clock of `start_s`.
        """
        found = []
        for kind, incident in ((LOST, one) for one in self._incidents.open):
            lost_s = self._lost_s.get(incident.incident_id, -math.inf)
            well = [
                camera
                for camera, since in self._since.items()
                if since.connected and since.beat_s > lost_s and now_s - since.beat_s < FRESH_S
            ]
            found.append((kind, incident, explain(incident, self._topology, well)))
        for kind, incident in self._lasting.open:
            ill = {camera for _, one in self._lasting.open for camera in one.missing}
            well = [one for one, since in self._since.items() if since.connected and one not in ill]
            found.append((kind, incident, explain(incident, self._topology, well)))
        return found

    def refer(self, camera_id: str, references: Iterable[Reference]) -> None:
        """Put reference pictures in force."""
        for reference in references:
            self._health[camera_id].refer(reference)

    def _check(self, camera_id: str, now_ns: int, now_s: float) -> HealthCheck:
        since = self._since[camera_id]
        looked = since.looked
        if looked is not None and now_s - since.looked_s > STALE_PICTURE_S:
            looked = None
        seen = Seen(
            at_ns=now_ns,
            elapsed_s=max(1e-3, now_s - since.checked_s),
            connected=since.connected,
            packets=since.packets,
            size_bytes=since.size_bytes,
            lost_share=None
            if since.lost_bytes is None
            else since.lost_bytes / max(1.0, since.lost_bytes + since.size_bytes),
            picture=None
            if looked is None
            else np.frombuffer(looked.luma, np.uint8).reshape(looked.shape),
            picture_ns=None if looked is None else looked.at_ns,
            clock_offset_s=since.clock_offset_s,
            loss_cause=since.cause,
        )
        since.packets = since.size_bytes = 0
        since.looked = since.clock_offset_s = since.lost_bytes = None
        since.checked_s, since.due_s = now_s, now_s + WAIT_S
        since.lost = False
        check = self._health[camera_id].check(seen)
        if since.stand_in:  # the reference knows the main stream's rate
            check = replace(
                check,
                faults=tuple(one for one in check.faults if one not in RATE_FAULTS),
                suspected=tuple(one for one in check.suspected if one not in RATE_FAULTS),
                unknown=(*check.unknown, *RATE_FAULTS),
            )
        return check
