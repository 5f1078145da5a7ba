"""Every fault planted into a chain is found, and named where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.cases import check_chain, find_faults
from workbench.records import AuditEntry
from workbench.store.ledger import GENESIS, Head, entry_sha256

Chain = list[AuditEntry]


def sealed(entry: AuditEntry, **changes: object) -> AuditEntry:
    entry = replace(entry, **changes)  # type: ignore[arg-type]
    return replace(entry, sha256=entry_sha256(entry))


def chain(length: int) -> Chain:
    entries: Chain = []
    previous = GENESIS
    for seq in range(1, length + 1):
        entry = sealed(
            AuditEntry(seq, seq * 10, "an", "view", f"C{seq}", "01/2026", "vì sao", "{}", "", ""),
            prev_sha256=previous,
        )
        entries.append(entry)
        previous = entry.sha256
    return entries


def head(entries: Chain) -> Head:
    return Head(entries[-1].seq, entries[-1].sha256)


def altered(c: Chain) -> Chain:
    return [*c[:3], replace(c[3], reason="other"), *c[4:]]


def altered_and_resealed(c: Chain) -> Chain:
    return [*c[:3], sealed(c[3], reason="other"), *c[4:]]


def dropped(c: Chain) -> Chain:
    return c[:3] + c[4:]


def dropped_two(c: Chain) -> Chain:
    return c[:3] + c[5:]


def dropped_and_renumbered(c: Chain) -> Chain:
    return c[:3] + [sealed(e, seq=e.seq - 1) for e in c[4:]]


def first_dropped(c: Chain) -> Chain:
    return c[1:]


def swapped(c: Chain) -> Chain:
    return [*c[:3], c[4], c[3], *c[5:]]


def inserted_twice(c: Chain) -> Chain:
    return [*c[:4], sealed(c[3], subject="C99"), *c[4:]]


def inserted_and_renumbered(c: Chain) -> Chain:
    new = sealed(c[3], subject="C99", prev_sha256=c[2].sha256)
    return [*c[:3], new, *(sealed(e, seq=e.seq + 1) for e in c[3:])]


def begun_anew(c: Chain) -> Chain:
    return [sealed(c[0], prev_sha256="f" * 64), *c[1:]]


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (altered, "entry 4 was altered after it was written"),
        (altered_and_resealed, "entry 5 does not follow entry 4"),
        (dropped, "entry 4 is missing"),
        (dropped_two, "entries 4 to 5 are missing"),
        (dropped_and_renumbered, "entry 4 does not follow entry 3"),
        (first_dropped, "entry 1 is missing"),
        (swapped, "entry 4 stands after entry 5: the order was changed"),
        (inserted_twice, "number 4 stands twice: an entry was inserted"),
        (inserted_and_renumbered, "entry 5 does not follow entry 4"),
        (begun_anew, "entry 1 does not begin a ledger"),
    ],
)
def test_planted_fault(plant: Callable[[Chain], Chain], sentence: str) -> None:
    whole = chain(8)
    assert check_chain(whole, [head(whole)]) == []
    found = check_chain(plant(whole), [head(whole)])
    assert any(sentence in one for one in found), found
    assert all("{" not in one for one in found)


def test_cut_tail_needs_the_head() -> None:
    whole = chain(8)
    assert check_chain(whole[:5]) == []
    assert "ends at entry 5, and entry 8" in check_chain(whole[:5], [head(whole)])[0]
    assert check_chain(whole, [head(whole[:5])]) == []  # an older, printed head is contained


def test_rewritten_from_the_start_needs_the_head() -> None:
    whole, other = chain(8), chain(9)
    other = [sealed(other[0], reason="other")]
    for entry in chain(9)[1:]:
        other.append(sealed(entry, prev_sha256=other[-1].sha256))
    assert check_chain(other) == []
    assert "entry 8 is not the one that was written" in check_chain(other, [head(whole)])[0]


@given(
    place=st.integers(0, 5),
    field=st.sampled_from(
        ["at_ns", "actor", "action", "subject", "case_id", "reason", "details", "prev_sha256"]
    ),
)
def test_no_field_can_be_altered(place: int, field: str) -> None:
    entries = chain(6)
    old = getattr(entries[place], field)
    entries[place] = replace(entries[place], **{field: old + 1 if field == "at_ns" else old + "x"})
    assert find_faults(entries)


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_only_the_whole_in_order_passes(order: list[int], gone: set[int]) -> None:
    whole = chain(6)
    kept = [whole[i] for i in order if i not in gone]
    assert (check_chain(kept, [head(whole)]) == []) == (kept == whole)
