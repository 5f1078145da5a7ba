"""How the ward's cameras stand, by site, as the map and the list of incidents beside the wall say.

Everything here is pure: the recorder's word and the kept incidents in, texts and colours out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from workbench.errors import N_
from workbench.records import IncidentRecord
from workbench.streams.causes import KINDS
from workbench.views.map import METRES_A_DEGREE
from workbench.views.recorder_status import Health
from workbench.views.text import Translate, clock

SiteState = Literal["lost", "faulty", "recording", "none"]
STATES: Mapping[SiteState, tuple[str, str]] = {
    "recording": ("✓", N_("being recorded")),
    "faulty": ("!", N_("picture or stream faulty")),
    "lost": ("✕", N_("signal lost")),
    "none": ("–", N_("not being recorded")),
}
"""Sign and words of each state; the colours are in ``assets/map.css``, worst last wins no tie."""
_WORST: Sequence[SiteState] = ("lost", "faulty", "none", "recording")
BRANCHES = {"fibre branch": "fibre", "power branch": "power"}


def camera_state(health: Health | None) -> SiteState:
    """Return how one camera stands; what no recorder speaks of is not being recorded.

    >>> camera_state(None), camera_state(Health("recording", 0, faults=("dark",)))
    ('none', 'faulty')
    """
    if health is None or health.state not in ("recording", "lost"):
        return "none"
    if health.state == "lost":
        return "lost"
    return "faulty" if health.faults else "recording"


def site_states(
    ward: Any, health_of: Callable[[str], Health | None], tr: Translate, faults: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return, by site, ``{"state", "lines"}``: the worst of its cameras and what to say of them.

    A site without a camera that has an address or a recorder's word is left out: nothing is meant
    to be recorded there.

    Parameters
    ----------
    faults
        Words for each kind of fault.
    """
    found = {}
    for site in ward.sites.values():
        known = {
            camera.camera_id: (camera_state(health), health)
            for camera in ward.cameras_at(site.site_id)
            if (health := health_of(camera.camera_id)) is not None or camera.stream_url
        }
        if not known:
            continue
        states = [state for state, _ in known.values()]
        lines = []
        for state in _WORST:
            if count := states.count(state):
                said = tr(STATES[state][1])
                lines.append(f"{STATES[state][0]} {count}/{len(known)} {said}")
        told = [
            f"{camera}: {_said(health, faults)}"
            for camera, (_, health) in known.items()
            if health is not None and _said(health, faults)
        ]
        whys = dict.fromkeys(h.why for _, h in known.values() if h is not None and h.why)
        found[site.site_id] = {
            "state": next(state for state in _WORST if state in states),
            "lines": [*lines, *told, *whys],
        }
    return found


def _said(health: Health, faults: Mapping[str, str]) -> str:
    if health.state == "lost":
        return f"✕ {clock(health.since_ns)}"
    return ", ".join(faults.get(fault, fault) for fault in health.faults)


def broken_branches(
    ward: Any, incidents: Sequence[IncidentRecord], tr: Translate
) -> list[dict[str, Any]]:
    """Return the branches that open incidents point to: kind, text, and lines between its sites.

    The tables know which sites hang on a branch, not where its cable lies: the lines join each site
    with its nearest neighbour of the branch and are no route.
    """
    found = []
    for incident in incidents:
        kind = BRANCHES.get(incident.cause_kind)
        if kind is None or not incident.is_open:
            continue
        on_it = [
            (site.lat_deg, site.lon_deg)
            for site in ward.sites.values()
            if getattr(site, f"{kind}_branch") == incident.scope
        ]
        name = tr("Fibre branch {branch}") if kind == "fibre" else tr("Power branch {branch}")
        found.append(
            {
                "kind": kind,
                "lines": joined(on_it),
                "text": [
                    f"{name.format(branch=incident.scope)} · {cause_text(incident, tr)}",
                    tr("lines join the branch's sites; they are not the cable's way"),
                ],
            }
        )
    return found


def joined(points: Sequence[tuple[float, float]]) -> list[list[list[float]]]:
    """Return lines that join all points by the shortest links (a minimum spanning tree).

    >>> joined([(0.0, 0.0), (0.0, 3.0), (0.0, 1.0)])
    [[[0.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 3.0]]]
    """
    left, lines = list(points[1:]), []
    inside = list(points[:1])
    while left:
        _, a, b = min(
            (((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) * METRES_A_DEGREE, a, b)
            for a in inside
            for b in left
        )
        lines.append([list(a), list(b)])
        inside.append(b)
        left.remove(b)
    return lines


def cause_text(incident: IncidentRecord, tr: Translate) -> str:
    """Return what an incident's cause is thought to be, and how surely; empty until inferred."""
    if incident.cause is None:
        return ""
    said = incident.cause.sentence(tr)
    if incident.evidence is not None:
        said = f"{incident.evidence.sentence(tr)}: {said}"
    return f"{said} ({100 * incident.probability:.0f} %)"


def incident_rows(
    incidents: Sequence[IncidentRecord], now_ns: int, tr: Translate, faults: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return open incidents as the list beside the wall shows them, newest first."""
    rows = []
    for one in sorted(incidents, key=lambda incident: -incident.opened_ns):
        what = tr("Signal lost") if one.kind == "lost" else faults.get(one.kind, one.kind)
        checks = [] if one.task is None else [check.sentence(tr) for check in one.task.checks]
        if not checks and one.cause_kind in KINDS:
            checks = [tr(KINDS[one.cause_kind].check)]
        rows.append(
            {
                "id": one.incident_id,
                "what": what,
                "cameras": ", ".join(one.missing or one.cameras),
                "opened": clock(one.opened_ns),
                "opened_ms": one.opened_ns // 1_000_000,
                "age_s": max(0, (now_ns - one.opened_ns) // 1_000_000_000),
                "cause": cause_text(one, tr),
                "done": [
                    f"{clock(done.at_ns)} {done.camera_id}: {done.what.sentence(tr)}"
                    for done in one.responses
                ],
                "checks": checks,
                "task": one.task is not None and one.task.closed_ns is None,
                "seen": f"{one.acknowledged_by} {clock(one.acknowledged_ns)}"
                if one.acknowledged_ns
                else "",
                "note": one.note,
            }
        )
    return rows
