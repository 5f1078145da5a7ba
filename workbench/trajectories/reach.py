"""Where a vehicle can be after one sighting, or have been between two: a space-time prism. Pure.

A road graph gives least times at the limits; ``pace`` says how much faster anyone goes. What no way
allows within the time, clocks and all, is called *cannot*; what every way that is quick enough goes
by is called *must*; the rest is *could*. Nothing here says that two sightings are one vehicle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erf, hypot, inf, isfinite, sqrt
from typing import TYPE_CHECKING, Literal, TypeAlias

from workbench.errors import N_, BadInput
from workbench.later import later
from workbench.roads import Position, RoadGraph
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    import networkx as nx
else:
    nx = later("networkx")

Verdict = Literal["seen", "must", "could", "cannot"]
Node: TypeAlias = str | tuple[str, float]
"""A node of the road graph, or a place on an edge: its id and metres from its first node."""

# Why a site is judged as it is: templates over the fields of `SiteReach`.
SEEN = N_("it was seen here")
EVERY_WAY = N_("every way that is quick enough goes by here; a way round lacks {lack} s")
MUST_UNLESS_CLOCKS = N_(
    "every way goes by here unless the clocks err: {slack} s lack for a way round "
    "(probability that the time was enough: {probability})"
)
IN_TIME = N_("the time allows it, {slack} s to spare")
ONLY_BY_CLOCKS = N_(
    "only if the clocks err: {lack} s lack (probability that the time was enough: {probability})"
)
TOO_FAR = N_("no way by road is quick enough: {lack} s lack")
NO_WAY = N_("no way by road leads here and on")


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is assumed of the ride.

    ``pace``: multiple of the limit that nobody exceeds over a whole way (1.35 held 99.8 % of
    simulated positions). ``slowest``: multiple of the limit below which it counts as standing, and
    ``stop_s``: for how long it may have stood in all; both bound what to look at, never what is
    called impossible. ``sigmas``: standard deviations that clocks are allowed. ``miss``: share of
    passes that leave no readable row; assumed, not calibrated.
    """

    pace: float = 1.35
    slowest: float = 0.3
    stop_s: float = 600.0
    sigmas: float = 2.0
    miss: float = 0.3

    def __post_init__(self) -> None:
        bounds = (
            ("pace", 0.1, 5.0), ("slowest", 0.01, 5.0), ("stop_s", 0.0, 86_400.0),
            ("sigmas", 0.0, 10.0), ("miss", 0.0, 1.0),
        )  # fmt: skip
        for name, low, high in bounds:
            value = float(getattr(self, name))
            if not low <= value <= high:  # NaN, too
                raise BadInput(
                    N_("{value} is no {name} to reckon with"),
                    N_("give a number from {low:g} to {high:g}"),
                    value=f"{value:g}", name=name, low=low, high=high,
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A sighting as reach uses it; ``view_m`` is how far along the road its camera sees."""

    at: Position
    utc_ns: int
    sigma_s: float
    view_m: float = 0.0
    camera_id: str = ""
    bearing_deg: float | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an edge, metres from its first node, and when it can be reached and left.

    ``latest_ns`` is the end of what was asked where there is no later sighting.
    """

    edge_id: str
    start_m: float
    stop_m: float
    earliest_ns: int
    latest_ns: int


@dataclass(frozen=True, slots=True)
class SiteReach:
    """The judgement of a site.

    ``slack_s`` is the time to spare for passing it (negative: it lacks), ``round_slack_s`` that for
    getting along without passing it; None where there is no such way, or no second sighting.
    ``sigma_s`` is what clocks add to both. ``span`` is when it can have passed, None where it
    cannot.
    """

    site_id: str
    verdict: Verdict
    slack_s: float | None
    round_slack_s: float | None
    sigma_s: float
    span: Span | None
    reason: str

    @property
    def probability(self) -> float:
        """That the time was enough to pass, as far as the clocks go: .01 to .99."""
        return _enough(self.slack_s, self.sigma_s)

    @property
    def round_probability(self) -> float:
        """That the time was enough to get along without passing, as far as the clocks go."""
        return _enough(self.round_slack_s, self.sigma_s)


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """The answer: parts of roads, sites, and by camera when it can have been in its view.

    ``elapsed_s`` ± ``sigma_s`` is the time between the sightings (or until the instant asked);
    ``least_s`` what the road takes at the pace; ``feasible`` is False where no way is quick enough.
    ``order`` is the probability that the first was first, None with one sighting. ``after_s`` and
    ``detour_s`` are, by camera, seconds at the limits from the first sighting and of going round by
    it.
    """

    first: Seen
    then: Seen | None
    until_ns: int
    assumed: Assumed
    elapsed_s: float
    sigma_s: float
    least_s: float
    feasible: bool
    order: float | None
    parts: tuple[Part, ...]
    sites: tuple[SiteReach, ...]
    cameras: Mapping[str, Span]
    after_s: Mapping[str, float]
    detour_s: Mapping[str, float]
    site_of: Mapping[str, str]
    road: Roads


class Roads:
    """The road graph cut at places: one node a place, one piece between two of them."""

    def __init__(self, graph: RoadGraph, places: Iterable[Position]) -> None:
        self.graph = graph
        cuts: dict[str, set[float]] = {}
        for place in places:
            cuts.setdefault(place.edge_id, set()).add(place.along_m)
        self.net: nx.DiGraph = nx.DiGraph()
        self.pieces: list[_Piece] = []
        self._ends: dict[str, tuple[float, str, str]] = {}
        for edge in graph.stretches():
            self._ends[edge.edge_id] = (edge.length_m, edge.from_node, edge.to_node)
            inner = sorted(m for m in cuts.get(edge.edge_id, ()) if 0.0 < m < edge.length_m)
            for low, high in pairwise([0.0, *inner, edge.length_m]):
                a, b = self._node(edge.edge_id, low), self._node(edge.edge_id, high)
                seconds = (high - low) / edge.speed_mps
                self.pieces.append(_Piece(edge.edge_id, low, high, a, b, seconds, edge.oneway))
                self._join(a, b, seconds)
                if not edge.oneway:
                    self._join(b, a, seconds)

    def node(self, place: Position) -> Node:
        """Return the node of a place that the graph was cut at."""
        return self._node(place.edge_id, place.along_m)

    def _node(self, edge_id: str, along_m: float) -> Node:
        length_m, first, last = self._ends[edge_id]
        if along_m <= 0.0:
            return first
        return last if along_m >= length_m else (edge_id, along_m)

    def _join(self, a: Node, b: Node, seconds: float) -> None:
        if a != b and seconds < self.net.get_edge_data(a, b, {"s": inf})["s"]:
            self.net.add_edge(a, b, s=seconds)

    def times(
        self, start: Node, *, back: bool = False, without: Iterable[Node] = ()
    ) -> dict[Node, float]:
        """Return seconds at the limits from a node, or back to it, by ways that avoid others."""
        net = nx.reverse_view(self.net) if back else self.net
        hidden = set(without)
        if hidden:
            net = nx.restricted_view(net, hidden, [])
        if start not in net:
            return {} if start in hidden else {start: 0.0}
        return dict(nx.single_source_dijkstra_path_length(net, start, weight="s"))


@dataclass(frozen=True, slots=True)
class _Piece:
    edge_id: str
    start_m: float
    stop_m: float
    a: Node
    b: Node
    seconds: float
    oneway: bool


def reach(
    graph: RoadGraph,
    first: Seen,
    then: Seen | None = None,
    *,
    sites: Mapping[str, Sequence[str]],
    until_ns: int | None = None,
    assumed: Assumed | None = None,
    views_m: Mapping[str, float] | None = None,
    sigmas_s: Mapping[str, float] | None = None,
) -> Reached:
    """Return where a vehicle can be, or can have been.

    Parameters
    ----------
    first, then
        A sighting and, for what lies between, a later one.
    sites
        Site to its cameras, which the graph knows. Passing a site is passing one of their places.
    until_ns
        With one sighting: by when (needed). With two: parts are those where it can be at that very
        instant; None: at any instant between.
    views_m, sigmas_s
        By camera: how far along the road it sees, metres; one standard deviation of its clock.

    Raises
    ------
    BadInput
        Where the second sighting is clearly earlier, the instant lies outside, or none is given.
    """
    assumed = assumed or Assumed()
    _check(first, then, until_ns, assumed)
    views_m, sigmas_s = views_m or {}, sigmas_s or {}
    places = [graph.cameras[camera] for cameras in sites.values() for camera in cameras]
    road = Roads(graph, [*places, first.at, *([then.at] if then else [])])
    speed = {edge.edge_id: edge.speed_mps for edge in graph.stretches()}
    pace = assumed.pace

    def view_s(at: Position, metres: float) -> float:
        return metres / speed[at.edge_id] / pace

    one_clock = then is not None and bool(first.camera_id) and first.camera_id == then.camera_id
    sigma_s = first.sigma_s if then is None else hypot(first.sigma_s, then.sigma_s)
    sigma_s = 0.0 if one_clock else sigma_s
    stop_ns = then.utc_ns if then else _given(until_ns)
    elapsed_s = (stop_ns - first.utc_ns) / SECOND_NS
    from_s = {n: s / pace for n, s in road.times(road.node(first.at)).items()}
    to_s: dict[Node, float] | None = None
    near_s = view_s(first.at, first.view_m)
    far_s = 0.0
    if then is not None:
        to_s = {n: s / pace for n, s in road.times(road.node(then.at), back=True).items()}
        far_s = view_s(then.at, then.view_m)
    budget = _Budget(elapsed_s + near_s + far_s, assumed.sigmas * sigma_s)
    least_s = 0.0 if then is None else from_s.get(road.node(then.at), inf)
    # one sighting reaches its own place whatever the clocks say
    feasible = least_s <= budget.most_s
    early_ns = first.utc_ns - _ns(assumed.sigmas * first.sigma_s + near_s)
    late_ns = stop_ns + _ns((assumed.sigmas * then.sigma_s if then else 0.0) + far_s)
    at_instant = None
    if then is not None and until_ns is not None:
        at_instant = ((until_ns - early_ns) / SECOND_NS, (late_ns - until_ns) / SECOND_NS)
    prism = _Prism(from_s, to_s, budget.most_s, early_ns, late_ns, pace, at_instant)
    parts = tuple(part for piece in road.pieces for part in prism.parts(piece)) if feasible else ()
    cameras: dict[str, Span] = {}
    after_s: dict[str, float] = {}
    detour_s: dict[str, float] = {}
    verdicts = []
    for site_id, members in sites.items():
        slacks: list[float] = []
        spans: list[Span] = []
        for camera in members:
            at = graph.cameras[camera]
            node, view = road.node(at), view_s(at, views_m.get(camera, 0.0))
            go, on = from_s.get(node, inf), (0.0 if to_s is None else to_s.get(node, inf))
            # seen from afar: it need not have been at the very place
            slacks.append(budget.plain_s - max(go + on - 2 * view, least_s if to_s else 0.0))
            if not (feasible and isfinite(go + on) and slacks[-1] + budget.clocks_s >= 0):
                continue
            blur_ns = _ns(assumed.sigmas * sigmas_s.get(camera, 0.0) + view)
            start, stop = early_ns + _ns(go) - blur_ns, late_ns - _ns(on) + blur_ns
            cameras[camera] = Span(start, max(stop, start))
            after_s[camera], detour_s[camera] = go * pace, max(go + on - least_s, 0.0) * pace
            spans.append(cameras[camera])
        verdicts.append(
            _judged(site_id, members, slacks, spans, road, budget, sigma_s, first, then, pace)
        )
    return Reached(
        first, then, stop_ns if until_ns is None else until_ns, assumed, elapsed_s, sigma_s,
        least_s, feasible, _order(elapsed_s, sigma_s) if then else None, parts, tuple(verdicts),
        cameras, after_s, detour_s,
        {camera: site_id for site_id, members in sites.items() for camera in members}, road,
    )  # fmt: skip


def _given(until_ns: int | None) -> int:
    if until_ns is None:
        raise BadInput(
            N_("with one sighting an instant is needed"),
            N_("say by when, or name a later sighting"),
        )
    return until_ns


def _check(first: Seen, then: Seen | None, until_ns: int | None, assumed: Assumed) -> None:
    """Refuse questions that no ride answers."""
    if then is None:
        if _given(until_ns) < first.utc_ns:
            raise BadInput(
                N_("the instant asked for lies before the sighting"), N_("give a later one")
            )
        return
    margin_s = assumed.sigmas * hypot(first.sigma_s, then.sigma_s)
    if (then.utc_ns - first.utc_ns) / SECOND_NS < -margin_s:
        raise BadInput(
            N_("the second sighting is earlier than the first"), N_("name the earlier one first")
        )
    if until_ns is not None and not (
        min(first.utc_ns, then.utc_ns) <= until_ns <= max(first.utc_ns, then.utc_ns)
    ):
        raise BadInput(
            N_("the instant asked for does not lie between the two sightings"),
            N_("give one that does, or leave it out"),
        )


@dataclass(frozen=True, slots=True)
class _Budget:
    """The time there is: as the clocks say, and what they may add."""

    plain_s: float
    clocks_s: float

    @property
    def most_s(self) -> float:
        return self.plain_s + self.clocks_s


@dataclass(frozen=True, slots=True, eq=False)
class _Prism:
    from_s: Mapping[Node, float]
    to_s: Mapping[Node, float] | None
    budget_s: float
    early_ns: int
    late_ns: int
    pace: float
    at_instant: tuple[float, float] | None

    def parts(self, piece: _Piece) -> list[Part]:
        """Return the parts of a piece inside the prism; times grow evenly along a piece."""
        whole = piece.seconds / self.pace
        go = [(self.from_s.get(piece.a, inf), True)]
        if not piece.oneway:
            go.append((self.from_s.get(piece.b, inf), False))
        shares: list[tuple[float, float]] = []
        if self.to_s is None:
            shares = [_within(s, whole, up, self.budget_s) for s, up in go]
        else:
            on = [(self.to_s.get(piece.b, inf), False)]
            if not piece.oneway:
                on.append((self.to_s.get(piece.a, inf), True))
            if self.at_instant is not None:
                came = [_within(s, whole, up, self.at_instant[0]) for s, up in go]
                left = [_within(s, whole, up, self.at_instant[1]) for s, up in on]
                shares = [(max(a, c), min(b, d)) for a, b in came for c, d in left]
            else:
                shares = [
                    _within(s + t, 2 * whole, up, self.budget_s)
                    if up == along
                    # across the piece: the same time wherever on it
                    else _within(s + t + whole, 0.0, True, self.budget_s)
                    for s, up in go
                    for t, along in on
                ]
        length_m = piece.stop_m - piece.start_m
        return [
            Part(
                piece.edge_id,
                piece.start_m + low * length_m,
                piece.start_m + high * length_m,
                self.early_ns + _ns(min(_at(go, whole, low), _at(go, whole, high))),
                self.late_ns if self.to_s is None
                else self.late_ns - _ns(min(_at(on, whole, low), _at(on, whole, high))),
            )
            for low, high in _merged(shares)
        ]  # fmt: skip


def _within(start_s: float, whole_s: float, up: bool, budget_s: float) -> tuple[float, float]:
    """Return the share of a piece, counted from its first end, that a time reaches.

    ``up``: it is entered at the first end.
    """
    left_s = budget_s - start_s
    if not left_s >= 0.0:
        return (1.0, 0.0)  # nothing
    deep = 1.0 if whole_s <= left_s else left_s / whole_s
    return (0.0, deep) if up else (1.0 - deep, 1.0)


def _at(ends: Sequence[tuple[float, bool]], whole_s: float, share: float) -> float:
    return min(s + whole_s * (share if up else 1.0 - share) for s, up in ends)


def _merged(shares: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for low, high in sorted(one for one in shares if one[0] <= one[1]):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _judged(
    site_id: str, members: Sequence[str], slacks: Sequence[float], spans: Sequence[Span],
    road: Roads, budget: _Budget, sigma_s: float, first: Seen, then: Seen | None, pace: float,
) -> SiteReach:  # fmt: skip
    slack = max(slacks, default=-inf)
    known = slack if isfinite(slack) else None
    span = Span(min(s.start_ns for s in spans), max(s.stop_ns for s in spans)) if spans else None

    def found(verdict: Verdict, reason: str, around: float | None = None) -> SiteReach:
        return SiteReach(site_id, verdict, known, around, sigma_s, span, reason)

    nodes = {road.node(road.graph.cameras[camera]) for camera in members}
    ends = {road.node(first.at), *([road.node(then.at)] if then else [])}
    here = {one.camera_id for one in (first, then) if one is not None}
    if nodes & ends or here & set(members):
        return found("seen", SEEN)
    if not spans or known is None:
        return found("cannot", NO_WAY if known is None else TOO_FAR)
    if then is None:
        return found("could", IN_TIME if slack >= 0 else ONLY_BY_CLOCKS)
    other = road.times(road.node(first.at), without=nodes).get(road.node(then.at), inf) / pace
    around = budget.plain_s - other
    if not isfinite(around) or around + budget.clocks_s < 0:
        return found("must", EVERY_WAY, around if isfinite(around) else None)
    if around < 0 <= slack:
        return found("could", MUST_UNLESS_CLOCKS, around)
    return found("could", IN_TIME if slack >= 0 else ONLY_BY_CLOCKS, around)


def say(site: SiteReach, translate: Callable[[str], str] = str) -> str:
    """Return why a site is judged so, in words; no probability is ever shown as certain.

    >>> say(SiteReach("S01", "cannot", -12.4, None, 1.0, None, TOO_FAR))
    'no way by road is quick enough: 12 s lack'
    """
    slack, lack, probability = site.slack_s, site.slack_s, site.probability
    if site.reason == EVERY_WAY:
        lack = site.round_slack_s
    elif site.reason == MUST_UNLESS_CLOCKS:
        slack = lack = site.round_slack_s
        probability = site.round_probability
    if site.reason == MUST_UNLESS_CLOCKS and slack is not None:
        slack = -slack
    return translate(site.reason).format(
        slack=_seconds(slack),
        lack=_seconds(None if lack is None else -lack),
        probability=f"{probability:.2f}",
    )


def _seconds(value: float | None) -> str:
    if value is None or not isfinite(value):
        return "∞"
    return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"


def _enough(slack_s: float | None, sigma_s: float) -> float:
    if slack_s is None:
        return 0.01
    if sigma_s <= 0:
        return 0.99 if slack_s >= 0 else 0.01
    return min(max(0.5 * (1 + erf(slack_s / sigma_s / sqrt(2))), 0.01), 0.99)


def _order(elapsed_s: float, sigma_s: float) -> float:
    return _enough(elapsed_s, sigma_s)


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)
