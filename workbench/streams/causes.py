"""Why cameras fall out together: a small likelihood model over the ward's sites and branches.

Every hypothesis says which cameras it takes, how surely, how it shows, and how close together.
Its score is its rate times the likelihood of what was noticed of *every* known camera: those that
fell out and those that did not. What it does not take may still fail by itself at the rate of
single cameras, so an unrelated loss does not spoil it. Scores are normalised over all hypotheses.

All rates and shares are the priors in :data:`KINDS`: stated from judgement, not measured on this
ward; with a few months of closed incidents they should be counted anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from workbench.errors import N_
from workbench.streams.incidents import Incident, Symptom, Topology, Trouble
from workbench.timeline import SECOND_NS

Scope = Literal["camera", "site", "fibre branch", "power branch", "all"]
CauseKind = Literal[
    "camera", "cable", "view", "credentials", "clock", "site", "fibre branch", "power branch",
    "centre network", "recorder", "disk", "account", "centre clock", "coincidence",
]  # fmt: skip
Confidence = Literal["high", "medium", "low"]
HIGH, MEDIUM = 0.9, 0.6
_YEAR_S = 365.25 * 86_400
_UNFORESEEN = 0.002
"""Share of any symptom that a hypothesis does not list."""
_FREEDOM = 3.0
"""Of the Student distribution of onsets: a late straggler is no proof against."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of cause does.

    Parameters
    ----------
    scope
        What one such cause takes at once.
    per_year
        How often one camera, site, branch or centre suffers it.
    takes
        Share of the cameras in its scope that fall out.
    spread_s
        Scale of the onsets around their middle.
    shows
        Shares of the first symptom.
    then
        Shares of what a later try to reach the camera meets.
    cause, check
        Templates: the cause in words, and what somebody should look at to know.
    """

    scope: Scope
    per_year: float
    takes: float
    spread_s: float
    shows: Mapping[Symptom, float]
    then: Mapping[Symptom, float]
    cause: str
    check: str


_CUT: dict[Symptom, float] = {"stalled": 0.85, "no answer": 0.1, "loss": 0.03, "low rate": 0.01}
_SILENT: dict[Symptom, float] = {"no answer": 0.95, "stalled": 0.03}

KINDS: dict[CauseKind, Kind] = {
    "camera": Kind(
        "camera", 2.0, 1.0, 1.0,
        {"stalled": 0.36, "ended": 0.2, "refused": 0.15, "broken": 0.1, "no answer": 0.04,
         "killed": 0.04, "frozen": 0.03, "no frames": 0.02, "paused": 0.02, "low rate": 0.01},
        {"refused": 0.6, "no answer": 0.22, "broken": 0.06, "ended": 0.04, "stalled": 0.04},
        N_("the camera itself"),
        N_("open the camera's own page; if it does not answer, switch its port off and on"),
    ),
    "cable": Kind(
        "camera", 1.0, 1.0, 1.0,
        {"stalled": 0.8, "no answer": 0.1, "loss": 0.07, "low rate": 0.01},
        _SILENT,
        N_("its cable, its port or its power"),
        N_("look at the link light of its port on the site's switch"),
    ),
    "view": Kind(
        "camera", 1.0, 1.0, 1.0,
        {"covered": 0.3, "moved": 0.25, "blurred": 0.2, "dark": 0.15, "overexposed": 0.05},
        {},
        N_("its view: somebody or something is at the lens or the pole"),
        N_("compare the picture with its reference; send somebody to the pole"),
    ),
    "credentials": Kind(
        "camera", 0.2, 1.0, 1.0, {"denied": 0.96}, {"denied": 0.95},
        N_("its user name or password"),
        N_("sign in on the camera's own page with the recorder's account"),
    ),
    "clock": Kind(
        "camera", 1.0, 1.0, 1.0, {"clock step": 0.5, "clock offset": 0.48}, {},
        N_("the camera's clock"),
        N_("compare its time with the centre's; look at its NTP setting"),
    ),
    "site": Kind(
        "site", 0.6, 0.97, 1.5, _CUT, _SILENT,
        N_("the site's switch, its fibre or its power"),
        N_("ask for the switch of the site from the centre; look whether the cabinet has power"),
    ),
    "fibre branch": Kind(
        "fibre branch", 0.4, 0.98, 1.5, _CUT, _SILENT,
        N_("the fibre branch"),
        N_("look at the branch's port in the centre; measure the fibre from there"),
    ),
    "power branch": Kind(
        "power branch", 2.0, 0.95, 1.5, _CUT, _SILENT,
        N_("the power branch"),
        N_("ask the electricity company whether the branch is off; look at the street's lamps"),
    ),
    "centre network": Kind(
        "all", 0.5, 0.98, 1.5, _CUT, _SILENT,
        N_("the network of the recorder or the whole centre"),
        N_("look at the recorder's network port and the centre's main switch"),
    ),
    "recorder": Kind(
        "all", 1.0, 0.98, 2.0,
        {"killed": 0.4, "not recording": 0.35, "stopped": 0.23},
        {"not recording": 0.5, "killed": 0.3, "stopped": 0.18},
        N_("the recorder: its program or its machine"),
        N_("look whether the recorder runs, and at its log"),
    ),
    "disk": Kind(
        "all", 1.0, 0.95, 5.0, {"disk": 0.98}, {"disk": 0.97},
        N_("the recorder's disk: full, read-only or gone"),
        N_("look at the free space and the mount of the recording folder"),
    ),
    "account": Kind(
        "all", 0.3, 0.75, 10.0, {"denied": 0.97}, {"denied": 0.97},
        N_("the account the recorder signs in with"),
        N_("ask who changed the cameras' passwords; sign in on one camera by hand"),
    ),
    "centre clock": Kind(
        "all", 0.3, 0.9, 15.0, {"clock step": 0.55, "clock offset": 0.44}, {},
        N_("the centre's own clock"),
        N_("compare the recorder's time with another source of time"),
    ),
}  # fmt: skip
"""The priors of the model. "coincidence" has none of its own: it is single causes, multiplied."""

_COINCIDENCE = N_("several causes that have nothing to do with each other")
_COINCIDENCE_CHECK = N_("look at each camera by itself")

_ONE = N_("only {cameras}; {well} other cameras of site {scope} work")
_SITE = N_(
    "{lost} of {known} cameras of site {scope} within {spread_s} s;"
    " {well} others on its fibre branch {branch} work"
)
_FIBRE = N_(
    "{lost} of {known} cameras on fibre branch {scope}, at {sites} sites, within {spread_s} s;"
    " {well} cameras on other branches work"
)
_POWER = N_(
    "{lost} of {known} cameras on power branch {scope}, at {sites} sites, within {spread_s} s;"
    " {well} cameras on other branches work"
)
_ALL = N_("{lost} of {known} cameras, at {sites} sites, within {spread_s} s; {well} cameras work")
_APART = N_("{lost} cameras at {sites} sites within {spread_s} s, {well} cameras work")


@dataclass(frozen=True, slots=True)
class Inference:
    """One hypothesis and its probability among all.

    ``scope`` is the camera, site or branch it is about, empty for the whole centre; ``cameras``
    are those lost that it explains. ``evidence``, ``cause`` and ``check`` are templates over
    ``fields``.
    """

    kind: CauseKind
    scope: str
    probability: float
    cameras: tuple[str, ...]
    evidence: str
    cause: str
    check: str
    fields: Mapping[str, str] = field(repr=False)

    def sentence(self, translate: Callable[[str], str] = str) -> str:
        """Return what was noticed and what it points to, templates translated first."""
        evidence = translate(self.evidence).format(**self.fields)
        return f"{evidence}: {translate(self.cause).format(**self.fields)}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Every hypothesis of an incident, likeliest first; probabilities sum to 1.

    ``unexplained`` are cameras of the incident the first hypothesis does not take: they need an
    explanation of their own. ``decide`` are the templates of what to look at, one a hypothesis
    that is still likely; more than one where the evidence is thin.
    """

    incident_id: str
    ranked: tuple[Inference, ...]
    confidence: Confidence
    unexplained: tuple[str, ...]
    decide: tuple[str, ...]

    @property
    def best(self) -> Inference:
        """Return the likeliest hypothesis."""
        return self.ranked[0]


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    kind: CauseKind
    scope: str
    takes: frozenset[str]


def explain(incident: Incident, topology: Topology, well: Collection[str]) -> Explanation:
    """Return what may have caused an incident, with probabilities.

    Parameters
    ----------
    incident
        The cameras that fell out, when and how.
    topology
        What hangs on what.
    well
        Cameras known to work after it began (a packet came since, say). What is neither here nor
        in the incident is unknown and speaks for nothing.
    """
    troubles = [one for one in incident.troubles if one.camera_id in topology.cameras]
    fine = frozenset(well) & topology.cameras - {one.camera_id for one in troubles}
    hypotheses = list(_hypotheses(troubles, topology))
    if not hypotheses:  # cameras the ward's tables do not know hang on nothing known
        troubles = list(incident.troubles)
        hypotheses = [
            _Hypothesis(kind, one.camera_id, frozenset({one.camera_id}))
            for kind in KINDS
            if KINDS[kind].scope == "camera"
            for one in troubles[:1]
        ]
    scores = np.array([_log_score(one, troubles, fine) for one in hypotheses])
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    order = sorted(range(len(hypotheses)), key=lambda n: (-shares[n], n))
    ranked = tuple(_told(hypotheses[n], float(shares[n]), troubles, fine, topology) for n in order)
    best = ranked[0]
    likely = [one for one in ranked[:3] if one.probability >= 0.1]
    confidence: Confidence = "low"
    if best.probability >= MEDIUM:
        confidence = "high" if best.probability >= HIGH else "medium"
    return Explanation(
        incident.incident_id,
        ranked,
        confidence,
        tuple(one for one in incident.cameras if one not in best.cameras),
        tuple(dict.fromkeys(one.check for one in likely)),
    )


def _hypotheses(troubles: list[Trouble], topology: Topology) -> Iterator[_Hypothesis]:
    """Yield every cause that could have taken one of the cameras; the others explain nothing."""
    lost = [one.camera_id for one in troubles]
    if len(lost) > 1:
        yield _Hypothesis("coincidence", "", frozenset(lost))
    groups: dict[Scope, dict[str, str]] = {
        "site": topology.site_of,
        "fibre branch": topology.fibre_of,
        "power branch": topology.power_of,
        "all": dict.fromkeys(topology.cameras, ""),
    }
    for kind, model in KINDS.items():
        if model.scope == "camera":
            # with several lost, single causes are the coincidence
            if len(lost) == 1:
                yield _Hypothesis(kind, lost[0], frozenset(lost))
            continue
        member_of = groups[model.scope]
        for scope in sorted({member_of[camera] for camera in lost}):
            members = frozenset(camera for camera, of in member_of.items() if of == scope)
            yield _Hypothesis(kind, scope, members)


def _log_score(hypothesis: _Hypothesis, troubles: list[Trouble], fine: frozenset[str]) -> float:
    """Return the log of rate times likelihood; the unit, 1/s a lost camera, is the same for all."""
    if hypothesis.kind == "coincidence":
        return sum(math.log(_alone(one)) for one in troubles)
    model = KINDS[hypothesis.kind]
    rate = model.per_year / _YEAR_S
    taken = [one for one in troubles if one.camera_id in hypothesis.takes]
    middle_ns = float(np.median([one.at_ns for one in taken]))
    # Laplace's approximation of the integral over the unknown moment of the cause
    peak = _student(0.0) / model.spread_s
    score = math.log(rate) - math.log(peak) - 0.5 * math.log(len(taken))
    for one in troubles:
        if one.camera_id not in hypothesis.takes:
            score += math.log(_alone(one))
            continue
        off_s = (one.at_ns - middle_ns) / SECOND_NS
        near = _student(off_s / model.spread_s) / model.spread_s
        by_it = model.takes * _shown(model, one) * near
        score += math.log(by_it + (1 - model.takes) * _alone(one))
    spared = len(hypothesis.takes & fine)
    return score + spared * math.log(max(1 - model.takes, 1e-6))


def _alone(trouble: Trouble) -> float:
    """Return the rate, 1/s, at which one camera shows such a trouble for a reason of its own."""
    return sum(
        model.per_year / _YEAR_S * _shown(model, trouble)
        for model in KINDS.values()
        if model.scope == "camera"
    )


def _shown(model: Kind, trouble: Trouble) -> float:
    share = model.shows.get(trouble.symptom, _UNFORESEEN)
    if trouble.then is not None:
        share *= model.then.get(trouble.then, _UNFORESEEN)
    return share


def _student(x: float) -> float:
    n = _FREEDOM
    norm = math.gamma((n + 1) / 2) / (math.sqrt(n * math.pi) * math.gamma(n / 2))
    return norm * math.pow(1 + x * x / n, -(n + 1) / 2)


def _told(
    hypothesis: _Hypothesis,
    probability: float,
    troubles: list[Trouble],
    fine: frozenset[str],
    topology: Topology,
) -> Inference:
    taken = [one for one in troubles if one.camera_id in hypothesis.takes]
    cameras = tuple(one.camera_id for one in taken)
    first = cameras[0]
    site = topology.site_of.get(first, "?")
    scope_kind = "apart" if hypothesis.kind == "coincidence" else KINDS[hypothesis.kind].scope
    well = fine
    if scope_kind == "camera":
        well = frozenset(one for one in fine if topology.site_of[one] == site)
    elif scope_kind == "site":
        branch = topology.fibre_of[first]
        well = frozenset(one for one in fine if topology.fibre_of[one] == branch)
    if scope_kind in ("site", "fibre branch", "power branch"):
        well -= hypothesis.takes
    spread_ns = max(one.at_ns for one in taken) - min(one.at_ns for one in taken)
    fields = {
        "cameras": ", ".join(cameras),
        "lost": str(len(taken)),
        "known": str(len(taken) + len(hypothesis.takes & fine)),
        "scope": site if scope_kind == "camera" else hypothesis.scope,
        "branch": topology.fibre_of.get(first, "?"),
        "sites": str(len({topology.site_of.get(one, "?") for one in cameras})),
        "spread_s": f"{spread_ns / SECOND_NS:.1f}",
        "well": str(len(well)),
    }
    evidence = {
        "camera": _ONE, "site": _SITE, "fibre branch": _FIBRE, "power branch": _POWER,
        "all": _ALL, "apart": _APART,
    }[scope_kind]  # fmt: skip
    model = KINDS.get(hypothesis.kind)
    return Inference(
        hypothesis.kind,
        hypothesis.scope,
        probability,
        cameras,
        evidence,
        model.cause if model is not None else _COINCIDENCE,
        model.check if model is not None else _COINCIDENCE_CHECK,
        fields,
    )
