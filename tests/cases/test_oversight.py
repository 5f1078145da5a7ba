"""What an auditor is told: counts that add up, and nothing left out."""

from hypothesis import given
from hypothesis import strategies as st

from workbench.cases.oversight import SORTS, oversee, sort_of
from workbench.records import AuditEntry
from workbench.timeline import SECOND_NS, Span, parse_instant

NINE = parse_instant("2026-11-20T09:00:00+07:00")
ACTIONS = (
    "search.plate", "search.plate.refused", "view", "view.refused", "export", "sign-in",
    "sign-in.refused", "case.open", "people.add", "drop", "verify", "new.verb",
)  # fmt: skip


def entry(seq, action="view", actor="lan", case_id="HS-1", at_ns=NINE, details="{}"):
    return AuditEntry(seq, at_ns, actor, action, "x", case_id, "why", details, "0", "1")


acts = st.builds(
    entry,
    st.integers(1, 99),
    st.sampled_from(ACTIONS),
    st.sampled_from(["lan", "minh", ""]),
    st.sampled_from(["HS-1", ""]),
    st.integers(NINE, NINE + 86_400 * SECOND_NS),
)


@given(st.lists(acts, max_size=30))
def test_each_act_is_counted_once_by_person_once_by_case_and_once_by_sort(entries):
    found = oversee(entries, Span(NINE, NINE + 12 * 3600 * SECOND_NS))
    inside = [one for one in entries if one.at_ns in found.period]
    assert found.entries == len(inside)
    assert sum(one.acts for one in found.by_actor) == len(inside)
    assert sum(one.acts for one in found.by_case) == len(inside)
    assert sum(found.by_sort.values()) == len(inside)
    refused = [one for one in inside if one.action.endswith(".refused")]
    assert list(found.refused) == refused
    assert sum(one.refused for one in found.by_actor) == len(refused)


def test_every_action_is_of_some_sort():
    assert {sort_of(action) for action in ACTIONS} == set(SORTS)


def test_searches_without_an_answer_and_acts_at_night_are_counted():
    night = parse_instant("2026-11-20T03:00:00+07:00")
    entries = [
        entry(1, "search.plate", at_ns=night, details='{"found": []}'),
        entry(2, "search.plate", details='{"found": ["99B1-123.45"]}'),
        entry(3, "search.sightings", details='{"found": 0, "kinds": []}'),
        entry(4, "search.sightings", details='{"found": 10, "kinds": []}'),
        entry(5, "view", at_ns=night + 2 * 3600 * SECOND_NS),
    ]
    found = oversee(entries, Span(0, NINE + 1))
    assert (found.without_answer, found.at_night) == (2, 1)
