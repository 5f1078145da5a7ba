from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.streams.mailbox import MOST_NOTED, Mailbox
from workbench.streams.messages import Beat, Looked, Lost, Noted, Opened, SegmentTold

CAMERAS = st.sampled_from(["C1", "C2"])
WORDS = st.one_of(
    st.builds(Beat, st.just(1), st.integers(0, 9), st.integers(0, 9), st.just("f")),
    st.builds(Looked, st.integers(), st.just((1, 1)), st.just(b"x")),
    st.builds(Lost, st.sampled_from(["stalled", "denied"]), st.just(""), st.integers(0, 99)),
    st.builds(SegmentTold, CAMERAS, st.text("ab", max_size=2), st.integers(0, 9)),
    st.builds(Opened, st.just("h264"), st.just(1), st.just(1), st.integers(0, 9)),
)


@given(st.lists(st.tuples(CAMERAS, WORDS)))
def test_nothing_that_counts_is_lost_however_long_nobody_listens(words):
    box = Mailbox()
    for camera, told in words:
        box.put(camera, told)
    taken = list(box.take()) if words else []
    for camera in ("C1", "C2"):
        put = [told for name, told in words if name == camera]
        got = [told for name, told in taken if name == camera]
        assert sum(t.packets for t in put if isinstance(t, Beat)) == sum(
            t.packets for t in got if isinstance(t, Beat)
        )
        for kind in (SegmentTold, Opened):
            assert [t for t in put if isinstance(t, kind)] == [
                t for t in got if isinstance(t, kind)
            ]
        # lost in the same way without a packet in between: once, and then the first
        last, kept = None, []
        for told in put:
            if isinstance(told, Beat):
                last = None
            elif isinstance(told, Lost):
                if told.cause != last:
                    kept.append(told)
                last = told.cause
        assert [t for t in got if isinstance(t, Lost)] == kept
        assert [t for t in put if isinstance(t, Looked)][-1:] == [
            t for t in got if isinstance(t, Looked)
        ]


def test_a_stuck_listener_costs_no_memory():
    box = Mailbox()
    for second in range(100_000):
        box.put("C1", Beat(second, 12, 1000, "f"))
        box.put("C1", Looked(second, (180, 320), b"x" * 100))
        box.put("C2", Lost("unreachable", "refused", second))
        box.put("C2", Noted("broken", "a key frame cannot be decoded", second))
    assert len(box) <= MOST_NOTED + 3
    beat = next(told for _, told in box.take() if isinstance(told, Beat))
    assert (beat.at_ns, beat.packets, beat.length_s) == (99_999, 1_200_000, 100_000)
    assert len(box) == 0


def test_a_beat_after_a_loss_is_not_told_before_it():
    box = Mailbox()
    for told in (Beat(1, 1, 1, "a"), Lost("stalled", "", 2), Beat(3, 1, 1, "b")):
        box.put("C1", told)
    assert [type(told) for _, told in box.take()] == [Beat, Lost, Beat]
    box.put("C1", Lost("stalled", "", 4))
    assert len(box) == 1  # what was taken is no longer there to stand for it
    box.close()
    assert len(box.take()) == 1
    assert box.take() == []
