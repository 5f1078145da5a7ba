"""Incidents and their tasks in the catalogue.

The recorder writes what it knows of an incident, again and again; people acknowledge and close it
from other processes. Neither overwrites the other: each has columns of its own, and what is closed
stays closed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from workbench.errors import N_, BadInput
from workbench.records import Affected, IncidentRecord, Response, Task, Wording
from workbench.store.catalogue import Catalogue
from workbench.store.journal import Journal
from workbench.timeline import Span

_COLUMNS = (
    "incident_id, kind, opened_ns, closed_ns, affected, evidence, cause, cause_kind, scope, "
    "probability, responses, told_ns, acknowledged_by, acknowledged_ns, closed_by, note"
)
_TASK_COLUMNS = "opened_ns, checks, closed_ns, closed_by, note"


class IncidentBook:
    """The incidents of a root. It holds a path only, as the catalogue does."""

    def __init__(self, catalogue: Catalogue, journal: Journal) -> None:
        self._catalogue, self._journal = catalogue, journal

    def keep(self, incident: IncidentRecord) -> bool:
        """Write what the recorder knows of an incident; False where somebody has closed it.

        What people wrote (acknowledged, closed, note) is left as it is; so is a task that somebody
        closed. The end of an incident ends its task.
        """
        with self._catalogue.write() as db:
            closed = db.execute(
                "SELECT closed_ns FROM incidents WHERE incident_id = ?", (incident.incident_id,)
            ).fetchone()
            if closed is not None and closed[0] is not None:
                return False
            db.execute(
                f"INSERT INTO incidents ({_COLUMNS}) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', NULL, '', '') "
                "ON CONFLICT (incident_id) DO UPDATE SET opened_ns = excluded.opened_ns, "
                "closed_ns = excluded.closed_ns, affected = excluded.affected, "
                "evidence = excluded.evidence, cause = excluded.cause, "
                "cause_kind = excluded.cause_kind, scope = excluded.scope, "
                "probability = excluded.probability, responses = excluded.responses, "
                "told_ns = excluded.told_ns",
                (
                    incident.incident_id,
                    incident.kind,
                    int(incident.opened_ns),
                    incident.closed_ns,
                    _json(incident.affected),
                    _json(incident.evidence),
                    _json(incident.cause),
                    incident.cause_kind,
                    incident.scope,
                    float(incident.probability),
                    _json(incident.responses),
                    incident.told_ns,
                ),
            )
            if incident.task is not None:
                db.execute(
                    "INSERT INTO tasks VALUES (?, ?, ?, NULL, '', '') ON CONFLICT (incident_id) "
                    "DO UPDATE SET checks = excluded.checks WHERE closed_ns IS NULL",
                    (
                        incident.incident_id,
                        int(incident.task.opened_ns),
                        _json(incident.task.checks),
                    ),
                )
            if incident.closed_ns is not None:
                self._end_task(db, incident.incident_id, incident.closed_ns, "", "")
        self._journal.settle()
        return True

    def acknowledge(self, incident_id: str, at_ns: int, actor: str, note: str) -> IncidentRecord:
        """Say that somebody has seen an incident; return it as it is now.

        Raises
        ------
        BadInput
            Where there is no such incident.
        """
        found = self.one(incident_id)
        with self._catalogue.write() as db:
            db.execute(
                "UPDATE incidents SET acknowledged_by = ?, acknowledged_ns = ?, "
                "note = CASE WHEN ? = '' THEN note ELSE ? END WHERE incident_id = ?",
                (actor, int(at_ns), note, note, found.incident_id),
            )
        self._journal.settle()
        return self.one(found.incident_id)

    def close(
        self,
        incident_id: str,
        at_ns: int,
        actor: str,
        note: str,
        affected: Sequence[Affected],
    ) -> IncidentRecord:
        """Close an incident, and its task, in somebody's name; return it as it is now.

        Raises
        ------
        BadInput
            Where there is no such incident, or it is closed.
        """
        with self._catalogue.write() as db:
            done = db.execute(
                "UPDATE incidents SET closed_ns = ?, closed_by = ?, note = ?, affected = ? "
                "WHERE incident_id = ? AND closed_ns IS NULL",
                (int(at_ns), actor, note, _json(tuple(affected)), incident_id),
            ).rowcount
            if done:
                self._end_task(db, incident_id, at_ns, actor, note)
        if not done:
            self.one(incident_id)
            raise BadInput(
                N_("incident {incident} is closed already"),
                N_("list the open ones with: workbench incidents ROOT --open"),
                incident=incident_id,
            )
        self._journal.settle()
        return self.one(incident_id)

    @staticmethod
    def _end_task(db: Any, incident_id: str, at_ns: int, actor: str, note: str) -> None:
        db.execute(
            "UPDATE tasks SET closed_ns = ?, closed_by = ?, note = ? "
            "WHERE incident_id = ? AND closed_ns IS NULL",
            (int(at_ns), actor, note, incident_id),
        )

    def one(self, incident_id: str) -> IncidentRecord:
        """Return an incident.

        Raises
        ------
        BadInput
            Where there is none of that name.
        """
        found = self._select("i.incident_id = ?", (incident_id,))
        if not found:
            raise BadInput(
                N_("there is no incident {incident}"),
                N_("list them with: workbench incidents ROOT"),
                incident=incident_id,
            )
        return found[0]

    def all(self, span: Span | None = None, *, only_open: bool = False) -> list[IncidentRecord]:
        """Return the incidents that touch `span` (None: any time), oldest first."""
        where, values = ["1"], list[int]()
        if only_open:
            where.append("i.closed_ns IS NULL")
        if span is not None:
            where.append("i.opened_ns < ? AND (i.closed_ns IS NULL OR i.closed_ns >= ?)")
            values += [int(span.stop_ns), int(span.start_ns)]
        return self._select(" AND ".join(where), values)

    def _select(self, where: str, values: Iterable[Any]) -> list[IncidentRecord]:
        columns = ", ".join(f"i.{name}" for name in _COLUMNS.split(", "))
        of_task = ", ".join(f"t.{name}" for name in _TASK_COLUMNS.split(", "))
        with self._catalogue.read() as db:
            rows = db.execute(
                f"SELECT {columns}, {of_task} FROM incidents i LEFT JOIN tasks t "
                f"USING (incident_id) WHERE {where} ORDER BY i.opened_ns, i.incident_id",
                tuple(values),
            ).fetchall()
        return [_incident(row) for row in rows]


def _json(value: Any) -> str:
    if isinstance(value, tuple):
        return json.dumps([asdict(one) for one in value], ensure_ascii=False)
    return json.dumps(None if value is None else asdict(value), ensure_ascii=False)


def _wording(told: Any) -> Wording:
    return Wording(told["template"], tuple((str(k), str(v)) for k, v in told["fields"]))


def _incident(row: tuple[Any, ...]) -> IncidentRecord:
    (
        incident_id, kind, opened_ns, closed_ns, affected, evidence, cause, cause_kind, scope,
        probability, responses, told_ns, seen_by, seen_ns, closed_by, note, *of_task,
    ) = row  # fmt: skip
    task = None
    if of_task[0] is not None:
        checks = tuple(_wording(one) for one in json.loads(of_task[1]))
        task = Task(of_task[0], checks, *of_task[2:])
    found, points = json.loads(evidence), json.loads(cause)
    return IncidentRecord(
        incident_id,
        kind,
        opened_ns,
        tuple(Affected(**one) for one in json.loads(affected)),
        closed_ns,
        evidence=None if found is None else _wording(found),
        cause=None if points is None else _wording(points),
        cause_kind=cause_kind,
        scope=scope,
        probability=probability,
        responses=tuple(
            Response(one["at_ns"], one["camera_id"], _wording(one["what"]))
            for one in json.loads(responses)
        ),
        task=task,
        acknowledged_by=seen_by,
        acknowledged_ns=seen_ns,
        closed_by=closed_by,
        note=note,
        told_ns=told_ns,
    )
