"""What holds for every plate: idempotence, symmetry, and that search loses nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.plates import (
    compact,
    decode,
    differences,
    distance,
    from_text,
    normalise,
    pairs_within,
    search,
)
from workbench.plates.grammar import SIGNS, default_grammar, groups_of

GRAMMAR = default_grammar()
texts = st.text(SIGNS + "-. ", max_size=12)
signs = st.text(SIGNS, min_size=1, max_size=11)


@st.composite
def plates(draw: st.DrawFn) -> str:
    layout = draw(st.sampled_from(GRAMMAR.layouts))
    return "".join(draw(st.sampled_from(g.options)) for g in groups_of(GRAMMAR, layout, None))


@given(texts)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    if once is not None:
        again = normalise(once.text)
        assert again is not None
        assert again.compact == once.compact
        assert again.overrides == ()


@given(plates())
def test_a_plate_is_grammatical_and_unchanged(plate: str) -> None:
    reading = normalise(plate)
    assert reading is not None
    assert reading.compact == compact(reading.text) == plate
    assert reading.penalty == 0
    assert not reading.partial


@given(plates(), st.floats(0.2, 1.0))
def test_decoding_a_plate_gives_the_plate(plate: str, sure: float) -> None:
    reading = decode(from_text(plate, sure if sure > 0.5 else 0.6))
    assert reading is not None
    assert reading.compact == plate


@given(signs, signs)
def test_distance_is_symmetric_and_zero_only_for_equals(a: str, b: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert (differences(a, b) == ()) == (a == b)


@given(signs, signs)
def test_differences_turn_ours_into_theirs(a: str, b: str) -> None:
    made, at = "", 0
    for difference in differences(a, b):
        made += a[at : difference.position]
        assert a[difference.position :].startswith(difference.ours)
        assert difference.their_position == len(made)
        made += difference.theirs
        at = difference.position + len(difference.ours)
    assert made + a[at:] == b


@settings(max_examples=60)
@given(st.lists(plates(), min_size=1, max_size=30), st.data())
def test_search_finds_a_plate_through_one_confusable_error(
    reads: list[str], data: st.DataObject
) -> None:
    plate = data.draw(st.sampled_from(reads))
    at = data.draw(st.integers(0, len(plate) - 1))
    others = sorted(b for (a, b) in GRAMMAR.confusable if a == plate[at])
    asked = plate[:at] + data.draw(st.sampled_from(others or [plate[at]])) + plate[at + 1 :]
    hits = {hit.compact: hit for hit in search(asked, reads, 1000)}
    assert plate in hits
    assert hits[plate].approximate == (asked != plate)


@settings(max_examples=60)
@given(st.lists(signs, min_size=1, max_size=40, unique=True))
def test_the_prefilter_loses_nothing(reads: list[str]) -> None:
    asked = reads[0] if len(reads[0]) >= 2 else reads[0] + "1"
    if len(asked) < 7:
        return
    near = {text for text in reads if distance(asked, text) <= 1.5}
    whole_lines = {text for text in near if abs(len(text) - len(asked)) < 2}
    assert whole_lines <= {hit.compact for hit in search(asked, reads, 1000)}


@settings(max_examples=60)
@given(st.lists(plates(), min_size=2, max_size=25, unique=True))
def test_pairs_are_complete(reads: list[str]) -> None:
    expected = {
        (i, j) for i in range(len(reads)) for j in range(i + 1, len(reads))
        if distance(reads[i], reads[j]) <= 1.2
    }  # fmt: skip
    assert {(i, j) for i, j, _ in pairs_within(reads, 1.2)} == expected
