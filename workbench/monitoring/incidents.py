"""The incidents of a running recorder as they are kept: written, told of, made into tasks.

Pure bookkeeping between what the watch groups and explains and the rows of the catalogue; the
clock is an argument, and whoever asks does the writing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from workbench import streams
from workbench.monitoring.notices import Rules, Told, is_due
from workbench.records import Affected, IncidentRecord, Response, Task, Wording
from workbench.timeline import SECOND_NS, Span

REWRITE_S = 10.0
"""Where only the likelihoods changed, a row is written anew so seldom."""
MOST_RESPONSES = 100
BEFORE_S = 10.0
"""A loss is noticed so much after the footage ended, at most."""


@dataclass(frozen=True, slots=True)
class Change:
    """An incident to be written, and whether people are to be told of it after that.

    ``checks`` are what they should look at.
    """

    incident: IncidentRecord
    tell: Literal["", "opened", "closed"] = ""
    checks: tuple[Wording, ...] = ()


def taken_up(record: IncidentRecord) -> streams.Incident:
    """Return a kept incident as the watch goes on with it after a restart."""
    return streams.Incident(
        record.incident_id,
        tuple(
            streams.Trouble(one.camera_id, one.since_ns, one.symptom, one.then or None)  # type: ignore[arg-type]
            for one in record.affected
        ),
        tuple((one.camera_id, one.back_ns) for one in record.affected if one.back_ns is not None),
    )


class IncidentDesk:
    """What is known of the open incidents of one run of the recorder.

    Parameters
    ----------
    known
        Those that were open when it began.
    rules
        Which are told of, and from when on one is a task.
    site_of
        The site of each camera.
    """

    def __init__(
        self, known: Sequence[IncidentRecord], rules: Rules, site_of: Mapping[str, str]
    ) -> None:
        self._known = {one.incident_id: one for one in known}
        self._rules, self._site_of = rules, site_of
        self._written_ns: dict[str, int] = {}
        self._answers: dict[str, list[Response]] = {}
        self._told = [
            Told(one.told_ns, one.kind, frozenset(one.cameras))
            for one in known
            if one.told_ns is not None
        ]

    def respond(self, camera_id: str, at_ns: int, what: Wording, *, about: str = "") -> None:
        """Note what was done by itself, under the open incident of the camera it is about."""
        self._answers.setdefault(about or camera_id, []).append(Response(at_ns, camera_id, what))

    def turn(
        self,
        now_ns: int,
        explained: Sequence[streams.Explained],
        over: Sequence[tuple[str, streams.Incident]],
    ) -> list[Change]:
        """Return what has to be written now.

        Parameters
        ----------
        explained
            The open incidents with their kinds and likely causes.
        over
            Those that ended since the last turn.
        """
        changes = []
        for kind, incident in over:
            before = self._known.pop(incident.incident_id, None)
            record = self._answered(_described(kind, incident, before))
            tell: Literal["", "closed"] = "closed" if record.told_ns is not None else ""
            changes.append(Change(replace(record, closed_ns=incident.closed_ns), tell))
        for kind, incident, explanation in explained:
            before = self._known.get(incident.incident_id)
            record = self._answered(_explained(_described(kind, incident, before), explanation))
            change = self._judged(record, explanation, now_ns)
            if self._is_worth_writing(change.incident, before, now_ns):
                self._written_ns[record.incident_id] = now_ns
                self._known[record.incident_id] = change.incident
                changes.append(change)
        self._answers.clear()  # the others are about no incident
        return changes

    def _answered(self, record: IncidentRecord) -> IncidentRecord:
        answers = [answer for camera in record.cameras for answer in self._answers.get(camera, ())]
        if not answers:
            return record
        known = dict.fromkeys((*record.responses, *answers))
        return replace(record, responses=tuple(known)[:MOST_RESPONSES])

    def _judged(
        self, record: IncidentRecord, explanation: streams.Explanation, now_ns: int
    ) -> Change:
        """Open its task and tell people when it is time to."""
        tell: Literal["", "opened"] = ""
        if is_due(record, self._rules, self._site_of, self._told, now_ns):
            self._told.append(Told(now_ns, record.kind, frozenset(record.cameras)))
            record, tell = replace(record, told_ns=now_ns), "opened"
        checks = streams.checks(record.kind, explanation)
        late = now_ns - record.opened_ns >= self._rules.task_s * SECOND_NS
        if record.task is None and late:
            record = replace(record, task=Task(now_ns, checks))
        return Change(record, tell, checks)

    def _is_worth_writing(
        self, record: IncidentRecord, before: IncidentRecord | None, now_ns: int
    ) -> bool:
        if before is None or record == before:
            return before is None
        same = replace(
            record,
            evidence=before.evidence,
            cause=before.cause,
            cause_kind=before.cause_kind,
            scope=before.scope,
            probability=before.probability,
        )
        waited_ns = now_ns - self._written_ns.get(record.incident_id, 0)
        return same != before or waited_ns >= REWRITE_S * SECOND_NS


def _described(
    kind: str, incident: streams.Incident, before: IncidentRecord | None
) -> IncidentRecord:
    back = dict(incident.back_ns)
    affected = tuple(
        Affected(one.camera_id, one.at_ns, one.symptom, one.then or "", back.get(one.camera_id))
        for one in incident.troubles
    )
    if before is None:
        return IncidentRecord(incident.incident_id, kind, incident.opened_ns, affected)
    return replace(before, opened_ns=incident.opened_ns, affected=affected)


def _explained(record: IncidentRecord, explanation: streams.Explanation) -> IncidentRecord:
    best = explanation.best
    evidence, cause = streams.worded_evidence(best)
    return replace(
        record,
        evidence=evidence,
        cause=cause,
        cause_kind=best.kind,
        scope=best.scope,
        probability=round(best.probability, 3),
    )


def lost_s(missing: Sequence[Span], one: Affected, until_ns: int, growing_ns: int | None) -> float:
    """Return how many seconds of a camera an incident cost.

    Parameters
    ----------
    missing
        What of the camera is not in the archive, from :data:`BEFORE_S` before its loss on.
    until_ns
        When it was well again.
    growing_ns
        When the file began that is being written: it is not in the archive yet.

    >>> one = Affected("C", 10 * SECOND_NS, "stalled")
    >>> lost_s([Span(8 * SECOND_NS, 40 * SECOND_NS)], one, 30 * SECOND_NS, 29 * SECOND_NS)
    21.0
    """
    stop_ns = until_ns if growing_ns is None else min(until_ns, growing_ns)
    return sum(
        max(0, min(span.stop_ns, stop_ns) - span.start_ns) / SECOND_NS
        for span in missing
        if span.stop_ns > one.since_ns
    )
