"""Which address to record from: no flapping, whatever the streams do."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.records import Camera
from workbench.streams.neighbours import neighbours, raised
from workbench.streams.responses import SETTINGS, Standing, decide

S = 10**9
START = 1_000 * S
CHAIN = ("main", "sub", "fallback")


@dataclass
class World:
    """A camera whose addresses deliver or not, second by second, and the recorder before it."""

    standing: Standing
    now_ns: int = START
    switches: list = None
    hot: list = None
    recorded_s: int = 0

    def __post_init__(self):
        self.switches, self.hot = [], []

    def second(self, delivers, boost_wanted=False, cause="unreachable"):
        one, now = self.standing, self.now_ns
        if one.source in delivers:
            one = one.recorded(now)
            self.recorded_s += 1
        else:
            one = one.failed(cause, now)
        found = decide(one, now, boost_wanted=boost_wanted)
        if found is not None:
            one = one.asked(found, now)
            if one.recording_ns is None or found in delivers:
                self.switches.append((now, one.source, found))
                if one.recording_ns is not None:
                    self.hot.append((now, one.source, found, one.wait_s(), one.since_ns))
                one = one.switched(found, now)
                one = one.recorded(now) if found in delivers else one
            else:
                one = one.refused(cause, now)
        self.standing, self.now_ns = one, now + S

    def run(self, seconds, delivers, **how):
        for _ in range(seconds):
            self.second(delivers, **how)
        return self


def world(*sources, **how):
    return World(Standing.at(sources or CHAIN, START, **how))


def test_a_sound_camera_stays_on_its_main_stream():
    assert world().run(3600, {"main", "sub"}).switches == []


def test_a_main_stream_that_fails_gives_way_and_comes_back():
    one = world().run(60, CHAIN).run(60, {"sub"})
    (fall,) = one.switches
    assert fall[1:] == ("main", "sub")
    assert fall[0] - (START + 60 * S) <= SETTINGS.lost_s * S
    lost_s = 120 - one.recorded_s
    assert lost_s <= 4
    one.run(130, CHAIN)
    assert [found for *_, found in one.switches] == ["sub", "main"]
    assert 250 - one.recorded_s == lost_s  # the way back costs nothing


def test_all_addresses_are_tried_in_turn_while_none_delivers():
    one = world().run(60, set())
    assert {found for *_, found in one.switches} == set(CHAIN)
    one.run(20, {"fallback"})
    assert one.standing.source == "fallback"
    one.run(300, CHAIN)
    assert one.standing.source == "main"


def test_a_short_loss_changes_nothing():
    assert world().run(60, CHAIN).run(2, set()).run(60, CHAIN).switches == []


def test_a_refused_password_is_not_tried_on_the_next_address_of_the_same_account():
    one = world("main", "sub").run(50, set(), cause="denied")
    assert one.switches == []
    own = world(own_account=frozenset({"fallback"})).run(50, {"fallback"}, cause="denied")
    assert [found for *_, found in own.switches] == ["fallback"]


def test_a_neighbours_loss_raises_the_rate_and_its_return_lowers_it():
    one = world("main", boost=True).run(30, {"main", "boost"})
    one.run(5, {"main", "boost"}, boost_wanted=True)
    assert one.standing.source == "boost"
    one.run(20, {"main", "boost"})
    assert one.standing.source == "boost"  # held for a while
    one.run(60, {"main", "boost"})
    assert one.standing.source == "main"
    assert one.recorded_s == 115
    assert world("main").run(60, {"main"}, boost_wanted=True).switches == []


def test_a_raised_rate_that_fails_is_given_up_at_once():
    one = world("main", boost=True).run(30, {"main", "boost"}, boost_wanted=True)
    one.run(3, {"main"}, boost_wanted=True)
    assert one.standing.source == "main"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 40), st.sets(st.sampled_from(["main", "sub", "boost"])), st.booleans()
        ),
        min_size=1,
        max_size=80,
    )
)
def test_whatever_happens_it_does_not_flap(periods):
    one = world("main", "sub", boost=True)
    for seconds, delivers, wanted in periods:
        one.run(seconds, delivers, boost_wanted=wanted)
    for at_ns, before, found, wait_s, since_ns in one.hot:
        # from what records it goes only to something better, or back when the reason is gone
        assert (before, found) in (("sub", "main"), ("main", "boost"), ("boost", "main"))
        least_s = SETTINGS.boost_hold_s if before == "boost" else wait_s
        assert at_ns - since_ns >= least_s * S
    began_ns = [at_ns for at_ns, *_ in one.switches]
    for n, (at_ns, before, found) in enumerate(one.switches[:-2]):
        # there and back and there again takes its time, unless nothing was recorded meanwhile
        if (before, found) == one.switches[n + 2][1:] and found in ("main", "boost"):
            hot = [at for at, *_ in one.hot]
            if at_ns in hot and began_ns[n + 2] in hot:
                assert began_ns[n + 2] - at_ns >= SETTINGS.probe_s * S


def test_leaving_what_records_needs_the_other_to_deliver():
    one = world("main", "sub").run(20, {"sub"})
    assert one.standing.source == "sub"
    recorded = one.recorded_s
    one.run(600, {"sub"})
    assert one.recorded_s == recorded + 600
    assert one.standing.setbacks >= 5
    assert one.standing.wait_s() >= 160  # it asks ever less often


def test_a_stream_that_comes_and_goes_is_followed_less_and_less():
    one = world("main", "sub")
    for _ in range(360):  # an hour: main delivers for five seconds in every ten
        one.run(5, {"main", "sub"}).run(5, {"sub"})
    back = [at for at, _, found in one.switches if found == "main"]
    assert len(back) <= 15
    assert one.standing.wait_s() > 100
    assert one.recorded_s >= 3600 - 4 * (len(back) + 1)
    one.run(1300, {"main", "sub"})
    assert one.standing.source == "main"
    assert one.standing.setbacks == 0  # and is trusted again when it has been steady


def test_a_cold_return_that_never_recorded_is_tried_less_and_less():
    standing, now, returns = Standing.at(("main", "fallback"), START), START, []
    for _ in range(3600):  # an hour: the fallback delivers, the recorder leaves it at once if asked
        now += S
        if standing.source == "fallback":
            standing = standing.recorded(now)
        else:
            standing = standing.failed("unreachable", now)
        found = decide(standing, now)
        if found is not None:
            standing = standing.asked(found, now).switched(found, now)
            returns += [now] if found == "main" else []
    assert 5 <= len(returns) <= 12  # it was every 7 s
    waits = [b - a for a, b in pairwise(returns)]
    assert waits == sorted(waits)


def test_a_lost_stand_in_is_no_setback_of_the_return():
    one = world().run(600, set())  # all are tried in turn, in vain
    assert one.standing.setbacks == 0
    one.run(60, CHAIN)
    assert one.standing.source == "main"


def camera(name, east_m, heading, *, fov=60.0, range_m=40.0):
    lon = 105.96 + east_m / 103_900
    return Camera(name, "S1", "", "overview", lon, 21.09, heading, fov, range_m, "both", "E")


def test_neighbours_see_the_same_ground():
    facing = neighbours([camera("A", 0, 90), camera("B", 50, 270), camera("C", 500, 270)])
    assert facing == {"A": ("B",), "B": ("A",), "C": ()}
    back_to_back = neighbours([camera("A", 0, 270), camera("B", 10, 90)])
    assert back_to_back == {"A": (), "B": ()}
    # a long narrow view inside a wide one: each knows how much of its own the other sees
    wide, narrow = camera("W", 0, 90, fov=90, range_m=60), camera("N", 0, 90, fov=2, range_m=50)
    assert neighbours([wide, narrow]) == {"W": (), "N": ("W",)}


def test_only_a_camera_lost_for_a_while_is_made_up_for():
    near = {"A": ("B", "C"), "B": ("A",)}
    assert raised({"A": 0}, near, 5 * S) == {}
    assert raised({"A": 0}, near, 10 * S) == {"B": ("A",), "C": ("A",)}
    assert raised({"A": 0, "B": 0}, near, 10 * S) == {"C": ("A",)}
