"""The deletion statement of a month, and the rule in force, in words: for people, from the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from workbench.errors import N_
from workbench.monitoring.retention import Policy
from workbench.records import AuditEntry
from workbench.store import Store
from workbench.store.categories import CATEGORIES
from workbench.timeline import Span

FOR_EVER, OTHERS, DAYS = N_("for ever"), N_("other sites"), N_("{days} days")
_FOOTAGE, _CHECKS = N_("{count} files of {cameras}"), N_("{count} files with checks of health")
_ROWS, _CANDIDATES = N_("rows of {count} recordings"), N_("{count} face candidates of {request}")
_IMPORTED = N_("{count} sightings of {source}")
_PHOTOGRAPHS = N_("{count} photographs of {request}")
_CLOSED = N_("closed cases by category: {days}")
_WHY = {"age": N_("its days were over"), "disk": N_("the disk was short of room")}

_FACES = "faces.delete", "lookout.face.delete"
Deletion = tuple[int, str, str, str, str]


def deletions(store: Store, period: Span, tr: Callable[[str], str]) -> list[Deletion]:
    """Return what the log says was deleted in a period, oldest first.

    Returns
    -------
    list[Deletion]
        When (UTC ns), what, how large, why, and by whom, in words; of footage as of the face
        candidates of a case.
    """
    entries = [entry for act in ("drop", *_FACES) for entry in store.audit("", act)]
    inside = sorted((one for one in entries if one.at_ns in period), key=lambda one: one.seq)
    return [told for one in inside for told in _told(one, tr)]


def _told(entry: AuditEntry, tr: Callable[[str], str]) -> Iterator[Deletion]:
    facts, who = json.loads(entry.details), entry.actor
    reason = str(facts.get("why", ""))
    why = tr(_WHY[reason]) if reason in _WHY else reason
    if entry.action in _FACES:
        counts = {_CANDIDATES: facts.get("candidates", len(facts.get("deleted", ())))}
        counts[_PHOTOGRAPHS] = facts.get("photographs", 0)
        for words, count in counts.items():
            if count:
                said = tr(words).format(count=count, request=entry.subject)
                yield entry.at_ns, said, "–", f"{why} ({entry.case_id})", who
    if entry.action != "drop":  # drop.compact deletes nothing: see store.compaction
        return
    if facts.get("files"):
        cameras = ", ".join(sorted(facts.get("cameras", {})))
        said = tr(_FOOTAGE).format(count=facts["files"], cameras=cameras)
        yield entry.at_ns, said, _size(facts["bytes"]), why, who
    if facts.get("provisional"):
        said = tr(_ROWS).format(count=len(facts["provisional"]))
        yield entry.at_ns, said, "–", why, who
    for one in facts.get("imported", ()):
        said = tr(_IMPORTED).format(count=one["sightings"], source=one["source"])
        yield entry.at_ns, said, "–", why, who
    if facts.get("health"):
        said = tr(_CHECKS).format(count=facts["health"]["files"])
        yield entry.at_ns, said, _size(facts["health"]["bytes"]), why, who


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def rules_of(policy: Policy, tr: Callable[[str], str]) -> str:
    """Return the rule in force in words: footage by site, closed cases by category."""
    days = tr(DAYS)
    default = days.format(days=policy.default_days) if policy.default_days else tr(FOR_EVER)
    told = [f"{tr(OTHERS)}: {default}"] if policy.days else [default]
    sites = [f"{site}: {days.format(days=n)}" for site, n in policy.days.items()]
    closed = ", ".join(
        f"{tr(CATEGORIES[key].name)} {days.format(days=n)}" for key, n in policy.case_days.items()
    )
    return "; ".join([*sites, *told, tr(_CLOSED).format(days=closed)])
