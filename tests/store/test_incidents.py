"""Incidents in the catalogue: the recorder and people write the same row and spoil nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.errors import BadInput
from workbench.records import Affected, IncidentRecord, Response, Task, Wording
from workbench.store import Store
from workbench.timeline import Span

S = 10**9
OPEN = IncidentRecord(
    "S01-P1@5",
    "lost",
    5 * S,
    (Affected("S01-P1", 5 * S, "stalled", "no answer"), Affected("S01-P2", 6 * S, "stalled")),
    evidence=Wording("only {cameras}", (("cameras", "S01-P1"),)),
    cause=Wording("its cable"),
    cause_kind="cable",
    scope="S01",
    probability=0.75,
    responses=(Response(7 * S, "S01-P1", Wording("recorded from {source}", (("source", "sub"),))),),
)


@pytest.fixture
def book(store: Store):
    return store.upkeep.incidents


def test_what_is_kept_comes_back_as_it_was(book):
    assert book.keep(OPEN)
    assert book.all() == [OPEN]
    told = replace(OPEN, told_ns=9 * S, task=Task(10 * S, (Wording("look"),)))
    assert book.keep(told)
    assert book.one(OPEN.incident_id) == told
    assert told.why() == "only S01-P1: its cable (75 %)"


def test_people_and_the_recorder_do_not_overwrite_each_other(book):
    book.keep(replace(OPEN, task=Task(10 * S, (Wording("look"),))))
    seen = book.acknowledge(OPEN.incident_id, 11 * S, "an", "on my way")
    assert (seen.acknowledged_by, seen.acknowledged_ns, seen.note) == ("an", 11 * S, "on my way")
    book.keep(replace(OPEN, probability=0.9))
    assert book.one(OPEN.incident_id) == replace(seen, probability=0.9)
    back = tuple(replace(one, lost_s=4.0) for one in OPEN.affected)
    closed = book.close(OPEN.incident_id, 20 * S, "an", "plug put back", back)
    assert (closed.closed_ns, closed.closed_by, closed.note) == (20 * S, "an", "plug put back")
    assert closed.task == Task(10 * S, (Wording("look"),), 20 * S, "an", "plug put back")
    assert closed.lost_s == 8.0
    assert not book.keep(replace(OPEN, closed_ns=30 * S))  # closed is closed
    assert book.one(OPEN.incident_id) == closed
    with pytest.raises(BadInput, match="closed already"):
        book.close(OPEN.incident_id, 31 * S, "an", "", ())


def test_the_end_of_an_incident_ends_its_task_and_nobody_is_named(book):
    book.keep(replace(OPEN, task=Task(10 * S, (Wording("look"),))))
    book.keep(replace(OPEN, closed_ns=12 * S, task=Task(10 * S, (Wording("look"),))))
    done = book.one(OPEN.incident_id)
    assert done.task == Task(10 * S, (Wording("look"),), 12 * S)
    assert (done.closed_ns, done.closed_by) == (12 * S, "")


def test_they_are_found_by_time_and_by_being_open(book):
    book.keep(OPEN)
    book.keep(replace(OPEN, incident_id="b", opened_ns=50 * S, closed_ns=60 * S))
    ids = [[one.incident_id for one in found] for found in (
        book.all(), book.all(only_open=True), book.all(Span(0, 50 * S)),
        book.all(Span(55 * S, 56 * S)), book.all(Span(61 * S, 70 * S)),
    )]  # fmt: skip
    assert ids == [["S01-P1@5", "b"], ["S01-P1@5"], ["S01-P1@5"], ["S01-P1@5", "b"], ["S01-P1@5"]]


@pytest.mark.parametrize("act", ["acknowledge", "close"])
def test_what_is_not_there_is_one_sentence(book, act):
    with pytest.raises(BadInput, match="no incident nothing"):
        getattr(book, act)("nothing", 1, "an", "", *([()] if act == "close" else []))
