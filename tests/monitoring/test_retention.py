"""What retention.toml may say, and the choice of what goes, without a disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.monitoring.retention import (
    DAY_NS,
    Candidate,
    Policy,
    cutoff_ns,
    day_of,
    oldest_days,
    overdue,
    read_policy,
)
from workbench.timeline import parse_instant

NOW = parse_instant("2026-11-20T07:15:00+07:00")
SITES = {"S01", "S02"}


def test_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "retention.toml"
    assert read_policy(path, SITES) is None
    path.write_text(
        '[default]\ndays = 30\n[S01]\ndays = 15\n[disk]\nspare_percent = 8\nwhen_full = "oldest"\n'
    )
    policy = read_policy(path, SITES)
    assert policy == Policy(30, {"S01": 15}, 8.0, "oldest")
    assert (policy.kept_days("S01"), policy.kept_days("S02")) == (15, 30)
    path.write_text("[S01]\ndays = 15\n")
    policy = read_policy(path, SITES)
    assert policy == Policy(None, {"S01": 15}, 5.0, "stop")
    assert policy.kept_days("S02") is None
    assert policy.health_days == 400
    path.write_text("[health]\ndays = 90\n")
    assert read_policy(path, SITES) == Policy(health_days=90)
    path.write_text("[health]\ndays = 0\n")
    with pytest.raises(BadInput, match=r"\[health\] says days = N"):
        read_policy(path, SITES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default\n", "cannot be read"),
        ("[S09]\ndays = 1\n", "no site S09"),
        ("[S01]\ndays = 0\n", r"\[S01\] says days"),
        ("[S01]\ndays = true\n", r"\[S01\] says days"),
        ("[S01]\ndays = 1.5\n", r"\[S01\] says days"),
        ("[S01]\ndays = 1\nmonths = 2\n", r"\[S01\] says days"),
        ("default = 30\n", r"\[default\] says days"),
        ("[disk]\nspare = 5\n", "takes spare_percent"),
        ("[disk]\nspare_percent = 0\n", "between 0 and 90"),
        ('[disk]\nwhen_full = "newest"\n', "'stop' or 'oldest'"),
    ],
)
def test_what_it_may_not_say(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "retention.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=said):
        read_policy(path, SITES)


def candidate(name, days_ago: float, site="S01", size=1, kept=False) -> Candidate:
    return Candidate(str(name), site, NOW - round(days_ago * DAY_NS), size, kept)


def test_a_day_counts_whole_and_local() -> None:
    # 07:15 local: footage of the evening two days ago is kept for its two whole days
    assert day_of(cutoff_ns(2, NOW)) == "2026-11-18"
    assert cutoff_ns(2, NOW) == parse_instant("2026-11-18T00:00:00+07:00")
    found = overdue([candidate(n, n) for n in (1, 2, 2.29, 2.31, 3)], Policy(2), NOW)
    assert [one.sha256 for one in found] == ["3", "2.31"]


def test_sites_have_their_own_days_and_none_means_for_ever() -> None:
    many = [candidate(f"{s}{d}", d, s) for s in ("S01", "S02") for d in (5, 50, 500)]
    assert [one.sha256 for one in overdue(many, Policy(None, {"S01": 10}), NOW)] == [
        "S01500", "S0150",
    ]  # fmt: skip
    assert overdue(many, Policy(), NOW) == []


candidates = st.lists(
    st.builds(
        candidate,
        st.uuids(),
        st.floats(-1, 60),
        st.sampled_from(["S01", "S02"]),
        st.integers(0, 100),
        st.booleans(),
    ),
    max_size=30,
)


@given(candidates, st.integers(1, 40), st.integers(1, 40))
def test_nothing_protected_or_young_goes_because_of_its_age(many, default, other) -> None:
    policy = Policy(default, {"S02": other})
    gone = overdue(many, policy, NOW)
    assert not any(one.kept for one in gone)
    for one in many:
        age_ns = NOW - one.since_ns
        days = policy.kept_days(one.site_id)
        if one in gone:
            assert age_ns >= days * DAY_NS
        elif not one.kept:
            assert age_ns < (days + 1) * DAY_NS


@given(candidates, st.integers(1, 2000))
def test_a_short_disk_costs_the_oldest_days_whole_and_no_more(many, needed) -> None:
    gone = oldest_days(many, needed, NOW)
    assert not any(one.kept for one in gone)
    assert all(NOW - one.since_ns >= DAY_NS for one in gone)
    days = sorted({day_of(one.since_ns - 1) for one in gone})
    left = [
        one for one in many
        if one not in gone and not one.kept and one.since_ns <= cutoff_ns(1, NOW)
    ]  # fmt: skip
    if days:
        before = sum(one.size_bytes for one in gone if day_of(one.since_ns - 1) < days[-1])
        assert before < needed  # the last day was still needed
        assert all(day_of(one.since_ns - 1) > days[-1] for one in left)
    if sum(one.size_bytes for one in gone) < needed:
        assert not left
