"""Faults of a picture or a clock that last become incidents, and end when all is sound again."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.streams.faults import PICTURE_FAULTS, Fault
from workbench.streams.health import HealthCheck
from workbench.streams.incidents import Incident, Incidents, Trouble

LASTING_CHECKS = 2
"""A fault told in so many checks in a row is an incident; as many sound ones end it."""

_GROUP: dict[Fault, str] = {
    **dict.fromkeys(PICTURE_FAULTS, "picture"),
    "low rate": "rate",
    "low bitrate": "rate",
    "loss": "rate",
    "clock offset": "clock",
    "clock step": "clock",
}
"""A camera has one incident of a group at a time: who holds a hand before a lens covers it, makes
it dark and blurred, and that is one thing. "no frames" is left out: it becomes a loss."""


def kind_of(fault: Fault) -> str:
    """Return what an incident that begins with a fault is called.

    >>> kind_of("frozen"), kind_of("clock step")
    ('frozen', 'clock')
    """
    return "clock" if _GROUP[fault] == "clock" else fault


@dataclass(slots=True)
class _State:
    """One group of faults of one camera."""

    kind: str = ""
    bad: int = 0
    good: int = 0
    first_ns: int = 0


class Lasting:
    """Groups faults that last, cameras together that fall ill alike; no clock of its own."""

    def __init__(self) -> None:
        self._kinds: dict[str, Incidents] = {}
        self._states: dict[tuple[str, str], _State] = {}

    @property
    def open(self) -> tuple[tuple[str, Incident], ...]:
        """Return the open incidents with their kinds."""
        return tuple((kind, one) for kind, known in self._kinds.items() for one in known.open)

    def take_up(self, kind: str, incident: Incident) -> None:
        """Go on with an incident that was open when the recorder ended."""
        self._kinds.setdefault(kind, Incidents()).take_up(incident)
        for trouble in incident.troubles:
            group = next((g for fault, g in _GROUP.items() if fault == trouble.symptom), "")
            if trouble.camera_id in incident.missing and group:
                self._states[trouble.camera_id, group] = _State(kind)

    def check(self, check: HealthCheck) -> list[tuple[str, Incident]]:
        """Take in a check; return the incidents that it ended."""
        ended = []
        for group in dict.fromkeys(_GROUP.values()):
            raised = [fault for fault in check.faults if _GROUP.get(fault) == group]
            state = self._states.setdefault((check.camera_id, group), _State())
            if raised:
                state.good = 0
                self._worse(state, raised[0], check)
                continue
            state.bad = 0
            if not state.kind or not self._sound(group, state.kind, check):
                state.good = 0
                continue
            state.good += 1
            state.first_ns = check.at_ns if state.good == 1 else state.first_ns
            if state.good >= LASTING_CHECKS:
                incident = self._kinds[state.kind].back(check.camera_id, state.first_ns)
                if incident is not None and incident.closed_ns is not None:
                    ended.append((state.kind, incident))
                state.kind = ""
        return ended

    def _worse(self, state: _State, fault: Fault, check: HealthCheck) -> None:
        if state.kind:
            return
        state.bad += 1
        state.first_ns = check.at_ns if state.bad == 1 else state.first_ns
        if state.bad >= LASTING_CHECKS:
            state.kind = kind_of(fault)
            known = self._kinds.setdefault(state.kind, Incidents())
            known.lose(Trouble(check.camera_id, state.first_ns, fault))

    @staticmethod
    def _sound(group: str, kind: str, check: HealthCheck) -> bool:
        """Return whether nothing of the group is seen, and what began it could be judged."""
        if not check.connected:
            return False
        judged = kind == "clock" or kind not in check.unknown
        return judged and not any(_GROUP.get(fault) == group for fault in check.suspected)
