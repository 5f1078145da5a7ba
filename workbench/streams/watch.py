"""Watch recorded cameras: what their processes tell becomes health, incidents and causes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.records import Loss, LossCause
from workbench.streams.causes import explain
from workbench.streams.health import CameraHealth, HealthCheck, Seen
from workbench.streams.incidents import Incident, Incidents, Topology, Trouble, symptom_of
from workbench.streams.messages import Beat, Looked, Lost, Opened, Told
from workbench.streams.pictures import Reference
from workbench.timeline import SECOND_NS

CHECK_S = 5.0
"""Pictures are taken so often, with the next key frame, and each is a check."""
WAIT_S = 8.0
FRESH_S = 3.0
"""A camera with a packet this recent works, and speaks against causes that would have taken it."""
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
    beat_ns: int = 0
    checked_s: float = 0.0
    due_s: float = 0.0
    lost: bool = False

    def is_due(self, now_s: float) -> bool:
        """Tell whether there is something to check, or nothing was for a while."""
        # a check of its own for each new picture: it shows what was wrong a moment ago
        shown = self.looked is not None and now_s - self.checked_s > CHECK_S / 2
        return self.due_s <= now_s or self.lost or shown


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

    def hear(self, camera_id: str, told: Told) -> Incident | None:
        """Take in what a camera's process told; return the incident that it began or ended.

        A recorder that is told to stop is no incident.
        """
        since = self._since[camera_id]
        if isinstance(told, Beat):
            since.packets += told.packets
            since.size_bytes += told.size_bytes
            since.beat_ns, since.live = told.at_ns, told.live
            if told.lost_share is not None:
                sent = told.size_bytes / max(1e-3, 1 - told.lost_share)
                since.lost_bytes = (since.lost_bytes or 0.0) + sent - told.size_bytes
            if told.clock_offset_ns is not None:
                since.clock_offset_s = told.clock_offset_ns / SECOND_NS
            if not since.connected:
                since.connected, since.cause = True, None
                return self._incidents.back(camera_id, told.at_ns)
        elif isinstance(told, Looked):
            since.looked = told
        elif isinstance(told, Lost) and told.cause != "stopped":
            since.lost = since.lost or since.connected
            since.connected, since.cause = False, told.cause
            loss = Loss(camera_id, told.at_ns, told.cause, told.detail)
            return self._incidents.lose(Trouble(camera_id, told.at_ns, symptom_of(loss)))
        elif isinstance(told, Opened):
            pass
        return None

    def due(self, now_ns: int, now_s: float) -> list[HealthCheck]:
        """Return the checks due: with each new picture, or after :data:`WAIT_S` without.

        Of a folder of files there are none while it is there: it is no stream.

        ``now_ns`` is written into them; ``now_s`` is of the clock of `start_s`.
        """
        return [
            self._check(camera_id, now_ns, now_s)
            for camera_id, since in self._since.items()
            if since.is_due(now_s) and (since.live or not since.connected)
        ]

    def why(self, now_ns: int, translate: Callable[[str], str] = str) -> dict[str, str]:
        """Return, for each camera of an open incident, what was noticed and what may be the cause.

        The probability is part of the sentence: a cause is inferred, not known.
        """
        told = {}
        for incident in self._incidents.open:
            well = [
                camera
                for camera, since in self._since.items()
                if since.connected
                and since.beat_ns > incident.last_ns
                and now_ns - since.beat_ns < FRESH_S * SECOND_NS
            ]
            explanation = explain(incident, self._topology, well)
            best = explanation.best
            sentence = f"{best.sentence(translate)} ({100 * best.probability:.0f} %)"
            told.update(dict.fromkeys((c for c in incident.missing if c in best.cameras), sentence))
        return told

    def refer(self, camera_id: str, references: Iterable[Reference]) -> None:
        """Put reference pictures in force."""
        for reference in references:
            self._health[camera_id].refer(reference)

    def _check(self, camera_id: str, now_ns: int, now_s: float) -> HealthCheck:
        since = self._since[camera_id]
        looked = since.looked
        if looked is not None and now_ns - looked.at_ns > STALE_PICTURE_S * SECOND_NS:
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
        return self._health[camera_id].check(seen)
