"""Which incidents people are told of, when, and in which words; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from workbench.errors import N_
from workbench.records import IncidentRecord, Site, Wording
from workbench.timeline import SECOND_NS, VIET_NAM

Event = Literal["opened", "closed", "test"]

_OPENED = N_("Cameras lost: {count} at {sites} since {at}")
_ILL = N_("Picture or clock at fault ({kind}): {count} cameras at {sites} since {at}")
_CLOSED = N_("Over after {duration}: {count} cameras at {sites}, {lost_s} s not recorded")
_TEST = N_("Trial message of the camera workbench: nothing has happened")
_CAMERAS = N_("Cameras: {cameras}")
_WHY = N_("Likely cause: {why}")
_CHECK = N_("To check: {check}")
_MOST_NAMED = 12
KIND_WORDS: Mapping[str, str] = {
    "frozen": N_("frozen"),
    "dark": N_("dark"),
    "overexposed": N_("over-exposed"),
    "blurred": N_("blurred"),
    "covered": N_("covered"),
    "moved": N_("moved"),
    "clock": N_("clock"),
    "low rate": N_("low rate"),
    "low bitrate": N_("low bitrate"),
    "loss": N_("packet loss"),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Which incidents people are told of.

    Parameters
    ----------
    kinds, sites
        Those told of; empty: all.
    after_s
        An incident is told of when it has lasted so long: by then it is whole, and what mends
        itself in seconds calls nobody.
    quiet_s
        After a message about a camera, further incidents of the same kind with only cameras told
        of lately wait for so long.
    task_s
        An incident that lasts so long opens a task.
    """

    kinds: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    after_s: float = 15.0
    quiet_s: float = 600.0
    task_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Told:
    """A message that went out: when, of what kind, about which cameras."""

    at_ns: int
    kind: str
    cameras: frozenset[str]


def is_due(
    incident: IncidentRecord,
    rules: Rules,
    site_of: Mapping[str, str],
    told: Sequence[Told],
    now_ns: int,
) -> bool:
    """Return whether people should be told of an open incident now.

    >>> one = IncidentRecord("a", "lost", 0, ())
    >>> is_due(one, Rules(), {}, [], 10 * 10**9), is_due(one, Rules(), {}, [], 20 * 10**9)
    (False, True)
    """
    if incident.told_ns is not None or not incident.is_open:
        return False
    if now_ns - incident.opened_ns < rules.after_s * SECOND_NS:
        return False
    if rules.kinds and incident.kind not in rules.kinds:
        return False
    if rules.sites and not rules.sites & {site_of.get(one, "") for one in incident.cameras}:
        return False
    lately = [
        one
        for one in told
        if one.kind == incident.kind and now_ns - one.at_ns < rules.quiet_s * SECOND_NS
    ]
    known = frozenset[str]().union(*(one.cameras for one in lately))
    return not lately or not set(incident.cameras) <= known


@dataclass(frozen=True, slots=True)
class Notice:
    """A message: its event, a headline, all its lines, and the same as plain values."""

    event: Event
    headline: str
    lines: tuple[str, ...]
    facts: Mapping[str, object]

    @property
    def text(self) -> str:
        """The whole text."""
        return "\n".join((self.headline, *self.lines))


def notice(
    event: Event,
    incident: IncidentRecord | None,
    sites: Mapping[str, Site],
    site_of: Mapping[str, str],
    now_ns: int,
    translate: Callable[[str], str] = str,
    checks: Sequence[Wording] = (),
) -> Notice:
    """Return the message about an incident (None: a trial), in the language of `translate`.

    Parameters
    ----------
    checks
        What to look at, likeliest first.
    """
    if incident is None:
        return Notice("test", translate(_TEST), (), {"event": "test", "at_ns": now_ns})
    places = dict.fromkeys(site_of.get(one, "?") for one in incident.cameras)
    names = [f"{one} {sites[one].name}" if one in sites else one for one in places]
    fields = {
        "count": str(len(incident.cameras)),
        "sites": _some(names),
        "at": _local(incident.opened_ns),
        "kind": translate(KIND_WORDS.get(incident.kind, incident.kind)),
        "duration": _length(incident.duration_s(now_ns)),
        "lost_s": f"{incident.lost_s or 0.0:.0f}",
    }
    template = _CLOSED if event == "closed" else _OPENED if incident.kind == "lost" else _ILL
    why = incident.why(translate)
    lines = [translate(_CAMERAS).format(cameras=_some(list(incident.cameras)))]
    lines += [translate(_WHY).format(why=why)] if why else []
    lines += [translate(_CHECK).format(check=one.sentence(translate)) for one in checks]
    lines += [
        f"{_local(one.at_ns)} {one.camera_id}: {one.what.sentence(translate)}"
        for one in incident.responses[:_MOST_NAMED]
    ]
    facts = {
        "event": event,
        "at_ns": now_ns,
        "incident": incident.incident_id,
        "kind": incident.kind,
        "opened_ns": incident.opened_ns,
        "closed_ns": incident.closed_ns,
        "cameras": list(incident.cameras),
        "sites": list(places),
        "why": why,
        "cause": incident.cause_kind,
        "scope": incident.scope,
        "probability": round(incident.probability, 3),
        "checks": [one.sentence(translate) for one in checks],
        "lost_s": {one.camera_id: one.lost_s for one in incident.affected},
    }
    return Notice(event, translate(template).format(**fields), tuple(lines), facts)


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f", … (+{rest})" if rest > 0 else "")


def _local(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, VIET_NAM).strftime("%H:%M:%S %d/%m/%Y")


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
