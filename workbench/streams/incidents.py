"""Losses that belong together: troubles of many cameras grouped by time, as they come in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from workbench.records import Camera, Loss, LossCause, Site
from workbench.streams.faults import Fault
from workbench.timeline import SECOND_NS

Symptom = LossCause | Fault | Literal["refused", "no answer"]
"""What was noticed of a camera: why its footage ended, or the fault seen on it.

"refused" and "no answer" part what :data:`LossCause` calls unreachable: the first says that
something at the camera's address still answers.
"""

JOIN_S = 15.0
"""An incident takes in what follows its last trouble within this time."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was first noticed of a camera, and what a later try to reach it met (`then`)."""

    camera_id: str
    at_ns: int
    symptom: Symptom
    then: Symptom | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Troubles that began together; closed when every camera of it is well again."""

    incident_id: str
    troubles: tuple[Trouble, ...]
    back_ns: tuple[tuple[str, int], ...] = field(default=())

    @classmethod
    def began(cls, trouble: Trouble) -> Incident:
        """Return an incident named by its first trouble: the same for the same losses."""
        return cls(f"{trouble.camera_id}@{trouble.at_ns}", (trouble,))

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras it took, in the order they fell out."""
        return tuple(one.camera_id for one in self.troubles)

    @property
    def opened_ns(self) -> int:
        """When the first camera fell out."""
        return min(one.at_ns for one in self.troubles)

    @property
    def last_ns(self) -> int:
        """When the last camera fell out."""
        return max(one.at_ns for one in self.troubles)

    @property
    def missing(self) -> tuple[str, ...]:
        """The cameras of it that are not back."""
        back = {camera for camera, _ in self.back_ns}
        return tuple(one for one in self.cameras if one not in back)

    @property
    def closed_ns(self) -> int | None:
        """When the last camera was back; None while one is missing."""
        return None if self.missing else max(at for _, at in self.back_ns)


@dataclass(frozen=True, slots=True)
class Topology:
    """Which cameras hang on what: the ward's sites, branches, and the one recorder they share."""

    site_of: dict[str, str]
    fibre_of: dict[str, str]
    power_of: dict[str, str]

    @classmethod
    def of(cls, sites: Sequence[Site], cameras: Sequence[Camera]) -> Topology:
        """Return the topology of a ward's tables."""
        known = {site.site_id: site for site in sites}
        placed = [(camera.camera_id, known[camera.site_id]) for camera in cameras]
        return cls(
            {camera: site.site_id for camera, site in placed},
            {camera: site.fibre_branch for camera, site in placed},
            {camera: site.power_branch for camera, site in placed},
        )

    @property
    def cameras(self) -> frozenset[str]:
        """Every camera."""
        return frozenset(self.site_of)


def symptom_of(loss: Loss) -> Symptom:
    """Return the symptom of a loss: what is called unreachable is parted by its detail.

    >>> symptom_of(Loss("C1", 0, "unreachable", "ConnectionRefusedError: refused"))
    'refused'
    """
    if loss.cause != "unreachable":
        return loss.cause
    return "refused" if "refused" in loss.detail.lower() else "no answer"


class Incidents:
    """Groups troubles into incidents as they are told, in the order of time.

    Pure bookkeeping: the same troubles give the same incidents. A camera is in one open incident
    at most; what is told of it while it is missing is what a later try met.

    Parameters
    ----------
    join_s
        See :data:`JOIN_S`.
    """

    def __init__(self, join_s: float = JOIN_S) -> None:
        self._join_ns = round(join_s * SECOND_NS)
        self._open: list[Incident] = []

    @property
    def open(self) -> tuple[Incident, ...]:
        """Return the incidents with cameras missing, oldest first."""
        return tuple(self._open)

    def take_up(self, incident: Incident) -> None:
        """Go on with an incident that was open when the recorder ended."""
        self._open.append(incident)

    def lose(self, trouble: Trouble) -> Incident:
        """Take in a trouble; return the incident it now belongs to."""
        for n, incident in enumerate(self._open):
            if trouble.camera_id in incident.missing:
                self._open[n] = self._met_again(incident, trouble)
                return self._open[n]
        for n in reversed(range(len(self._open))):
            incident = self._open[n]
            if abs(trouble.at_ns - incident.last_ns) <= self._join_ns:
                self._open[n] = self._joined(incident, trouble)
                return self._open[n]
        self._open.append(Incident.began(trouble))
        return self._open[-1]

    def back(self, camera_id: str, at_ns: int) -> Incident | None:
        """Say that a camera is well; return the incident it was missing in, closed or not."""
        for n, incident in enumerate(self._open):
            if camera_id in incident.missing:
                incident = replace(incident, back_ns=(*incident.back_ns, (camera_id, at_ns)))
                if incident.closed_ns is None:
                    self._open[n] = incident
                else:
                    del self._open[n]
                return incident
        return None

    @staticmethod
    def _met_again(incident: Incident, trouble: Trouble) -> Incident:
        troubles = tuple(
            replace(one, then=trouble.symptom) if one.camera_id == trouble.camera_id else one
            for one in incident.troubles
        )
        return replace(incident, troubles=troubles)

    @staticmethod
    def _joined(incident: Incident, trouble: Trouble) -> Incident:
        # a camera that was back and fell out again counts once, as what it is now
        kept = [one for one in incident.troubles if one.camera_id != trouble.camera_id]
        back = tuple(one for one in incident.back_ns if one[0] != trouble.camera_id)
        return replace(incident, troubles=(*kept, trouble), back_ns=back)


def group(
    troubles: Iterable[Trouble], back: Iterable[tuple[str, int]] = (), join_s: float = JOIN_S
) -> list[Incident]:
    """Return the incidents of a finished history, oldest first, closed ones and open ones."""
    incidents = Incidents(join_s)
    found: dict[str, Incident] = {}
    told: list[tuple[int, int, Trouble | str]] = [(at, 0, camera) for camera, at in back]
    told += [(one.at_ns, 1, one) for one in troubles]
    for at_ns, _, one in sorted(told, key=lambda item: item[:2]):
        incident = incidents.back(one, at_ns) if isinstance(one, str) else incidents.lose(one)
        if incident is not None:
            found[incident.incident_id] = incident
    return sorted(found.values(), key=lambda incident: incident.opened_ns)
