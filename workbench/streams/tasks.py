"""What somebody should look at, by cause and by fault: the lines of a task."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import N_
from workbench.records import Wording
from workbench.streams.causes import CauseKind, Explanation, Inference

LEAST_PROBABILITY = 0.1
"""A cause less likely than this sends nobody anywhere."""

_BY_CAUSE: Mapping[CauseKind, tuple[str, ...]] = {
    "fibre branch": (
        N_("look at the splices and the switch of fibre branch {scope}: light, port, power"),
    ),
    "power branch": (
        N_("look whether power branch {scope} has current: fuse, breaker, the cabinets' supplies"),
    ),
    "site": (N_("look at the switch of site {scope}: power, uplink, fibre converter"),),
    "cable": (N_("look at the cable, the plug and the power of {cameras}"),),
    "camera": (N_("look whether {cameras} has power and answers; start it again"),),
    "credentials": (
        N_("check the password of {cameras} in credentials.toml against the camera's own"),
    ),
    "view": (N_("look at the lens and the mount of {cameras}"),),
    "clock": (N_("set the clock of {cameras}: its NTP server must be the centre's"),),
    "centre clock": (N_("check NTP on the recorder: timedatectl"),),
    "centre network": (N_("look at the recorder's network cable and the centre's main switch"),),
    "recorder": (N_("look whether the recorder's service runs and why it ended"),),
    "disk": (N_("make room on the recorder's disk, or mount it again"),),
    "account": (N_("check the recorder's account in credentials.toml"),),
    "coincidence": (N_("look at each camera by itself: {cameras}"),),
}

_BY_FAULT: Mapping[str, tuple[str, ...]] = {
    "covered": (N_("clean the lens of {cameras}, or take away what covers it"),),
    "moved": (N_("set {cameras} straight, or, where the new view is meant, set a new reference"),),
    "blurred": (N_("clean the lens of {cameras} and focus it"),),
    "dark": (N_("look at the light, the infrared lamp and the exposure of {cameras}"),),
    "overexposed": (N_("look at the exposure of {cameras} and for a lamp or the sun in its view"),),
    "frozen": (N_("start {cameras} again: its picture stands still while it sends"),),
    "clock": (N_("set the clock of {cameras}: its NTP server must be the centre's"),),
    "low rate": (N_("compare the profile of {cameras} with the one that was agreed"),),
    "low bitrate": (N_("compare the profile of {cameras} with the one that was agreed"),),
    "loss": (N_("look for errors on the switch port and the cable of {cameras}"),),
}


def checks(kind: str, explanation: Explanation) -> tuple[Wording, ...]:
    """Return what to look at for an incident, likeliest first, nothing twice.

    Parameters
    ----------
    kind
        "lost" or the fault.
    explanation
        What may have caused it.
    """
    likely = [one for one in explanation.ranked[:3] if one.probability >= LEAST_PROBABILITY] or [
        explanation.best
    ]
    found = [_worded(text, explanation.best) for text in _BY_FAULT.get(kind, ())]
    for one in likely:
        found += [_worded(text, one) for text in _BY_CAUSE.get(one.kind, ())]
    found += [_worded(one.check, one) for one in likely]
    return tuple(dict.fromkeys(found))


def worded_evidence(inference: Inference) -> tuple[Wording, Wording]:
    """Return what was noticed and what it points to, as kept with an incident."""
    return _worded(inference.evidence, inference), _worded(inference.cause, inference)


def _worded(template: str, inference: Inference) -> Wording:
    # only what the template asks for: the rest changes from second to second
    fields = [(k, v) for k, v in sorted(inference.fields.items()) if f"{{{k}}}" in template]
    return Wording(template, tuple(fields))
