"""Sightings of other systems go when their days are over, by the rules of footage."""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import numpy as np
import pytest
from make.rows import sighting_row, sightings_table

from workbench import cli, investigation
from workbench.errors import Refused, Unavailable
from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring
from workbench.monitoring.deletions import deletions
from workbench.records import Case
from workbench.store import files
from workbench.store.imports import Imports
from workbench.store.lake import Lake
from workbench.timeline import SECOND_NS, Span, format_utc, parse_instant
from workbench.views.text import translator

S, DAY = SECOND_NS, 86_400 * SECOND_NS
NOW = parse_instant("2026-11-20T12:00:00+07:00")
HERE, THERE = "S01-P1", "S02-P1"


@pytest.fixture
def root(tmp_path, ward_folder):
    folder = tmp_path / "root"
    open_workbench(folder, actor="t", create_from=ward_folder)
    (folder / "retention.toml").write_text("[default]\ndays = 30\n[S02]\ndays = 60\n")
    return folder


@pytest.fixture
def house(root):
    return open_monitoring(root, actor="keeper", now=lambda: NOW)


def ago(days):
    return NOW - round(days * DAY)


def take(house, name, *rows, came=35.0, covered=(), sigma_s=1.0):
    """Import sightings of (camera, days ago), so many days ago; return the hash of the file."""
    folder = house._store.root.parent
    path, spans = folder / f"{name}.csv", folder / f"{name}-spans.csv"
    lines = [f"{camera},{format_utc(ago(days))},car" for camera, days in rows]
    path.write_text("\n".join(["camera_id,utc,kind", *lines]) + "\n")
    lines = [f"{c},{format_utc(ago(start))},{format_utc(ago(stop))}" for c, start, stop in covered]
    spans.write_text("\n".join(["camera_id,start,stop", *lines]) + "\n")
    wb = open_workbench(house._store.root, actor="t", now=lambda: ago(came))
    done = investigation.import_sightings(
        wb, path, source="Bãi xe", reason="r", sigma_s=sigma_s, covered=spans if covered else None
    )
    return done.record.sha256


def left(house):
    """Return (camera, days ago) of the sightings that are here."""
    table = house._store.sightings()
    at_ns = table["utc"].cast("int64").to_numpy()
    days = np.round((NOW - at_ns) / DAY, 3).tolist()
    return sorted(zip(table["camera_id"].to_pylist(), days, strict=True))


def statements(house):
    return [json.loads(one.details) for one in house._store.audit() if one.action == "drop"]


def sound(house):
    return [line for line in open_workbench(house._store.root, actor="t").verify() if line] == []


def test_shown_first_then_dropped_by_site_told_in_the_log_and_the_month(house):
    name = take(house, "a", (HERE, 50.1), (HERE, 40.1), (HERE, 29), (THERE, 50.1), came=28.9)
    assert house.keeping.retention() == []  # it came 29 days ago
    house.now = lambda: NOW + 3 * DAY
    shown = house.keeping.retention()
    assert [(one.site_id, one.day, one.sightings, one.why) for one in shown] == [
        ("S01", "2026-10-22", 3, "imported")
    ]
    assert len(left(house)) == 4
    assert house.keeping.retention(apply=True) == shown
    assert left(house) == [(THERE, 50.1)]
    told = {"import": name, "source": "Bãi xe", "sightings": 3, "spans": 0}
    assert statements(house) == [{"why": "age", "files": 0, "bytes": 0, "imported": [told]}]
    said = deletions(house._store, Span(0, 2**62), translator("vi"))
    assert [line[1:3] for line in said] == [("3 lượt ghi nhận của Bãi xe", "–")]
    (record,) = house._store.imports.all()
    assert (record.added, record.dropped) == (4, 3)
    assert house.keeping.retention(apply=True) == []
    assert len(statements(house)) == 1
    assert sound(house)
    # the last of them takes the record along
    house.now = lambda: NOW + 40 * DAY
    house.keeping.retention(apply=True)
    assert (left(house), house._store.imports.all()) == ([], [])
    assert sound(house)


def test_it_counts_from_the_day_the_file_came_and_sites_kept_for_ever_keep(house):
    take(house, "a", (HERE, 400), (THERE, 300), came=2)
    assert house.keeping.retention(apply=True) == []
    take(house, "b", (HERE, 399), (THERE, 299), came=200)
    (house._store.root / "retention.toml").write_text("[S01]\ndays = 30\n")
    (one,) = house.keeping.retention(apply=True)
    assert (one.site_id, one.sightings) == ("S01", 1)
    assert left(house) == [(HERE, 400.0), (THERE, 299.0), (THERE, 300.0)]
    assert sound(house)


def test_protections_and_cases_hold_what_they_hold_of_footage(house):
    rows = [(HERE, 40.0), (HERE, 39.0), (HERE, 38.0), ("S03-P1", 40.0), ("S03-P2", 40.0)]
    take(house, "a", *rows)
    wb = open_workbench(house._store.root, actor="t")
    wb.open_case(Case("HS-1", "t", "b", "r", Span(ago(40.01), ago(39.99)), ("S03-P1",)))
    # a minute beside the protected span is held, too
    made, _gone = house.keeping.protect(
        [HERE], Span(ago(40) + 50 * S, ago(39) - 30 * S), number="TN-1", reason="accident"
    )
    assert sum(one.sightings for one in house.keeping.retention(apply=True)) == 2
    assert left(house) == [(HERE, 39.0), (HERE, 40.0), ("S03-P1", 40.0)]
    house.keeping.lift(made.protection_id, reason="settled")
    house.keeping.retention(apply=True)
    assert left(house) == [("S03-P1", 40.0)]
    wb.close_case("HS-1", "done")
    house.keeping.retention(apply=True)
    assert left(house) == []
    assert [one["imported"][0]["sightings"] for one in statements(house)] == [2, 2, 1]


def test_a_clock_that_may_be_off_widens_what_is_held(house):
    take(house, "a", (HERE, 40.0), sigma_s=1000.0)
    take(house, "b", (HERE, 40.001), sigma_s=1.0)
    house.keeping.protect(
        [HERE], Span(ago(40) + 1900 * S, ago(39)), number="TN-1", reason="accident"
    )
    house.keeping.retention(apply=True)
    assert left(house) == [(HERE, 40.0)]


def test_own_sightings_of_the_same_camera_and_day_stay(house):
    row = sighting_row(camera_id=HERE, utc_ns=ago(40) + 5 * S)
    house._store.append_sightings(sightings_table([row]))
    take(house, "a", (HERE, 40.0))
    house.keeping.retention(apply=True)
    (mine,) = house._store.sightings().to_pylist()
    assert mine["model_ref"] == row["model_ref"]


def test_where_sightings_went_nobody_looked_any_more(house):
    take(house, "a", (HERE, 40.0), covered=[(HERE, 45, 36), (THERE, 45, 40)])
    take(house, "b", covered=[(HERE, 36, 35.5)])
    house.keeping.protect([HERE], Span(ago(41), ago(40.9)), number="TN-1", reason="accident")
    shown = house.keeping.retention()
    assert [(one.site_id, one.sightings, one.spans) for one in shown] == [("S01", 1, 2)]
    assert house.keeping.retention(apply=True) == shown
    wb = open_workbench(house._store.root, actor="t", now=lambda: NOW)
    assert investigation.searched_elsewhere(wb, [HERE, THERE]) == {
        HERE: [Span(ago(41) - 60 * S, ago(40.9) + 60 * S)],
        THERE: [Span(ago(45), ago(40))],
    }
    # of the second import nothing was left
    assert len(house._store.imports.all()) == 1
    assert house.keeping.retention(apply=True) == []
    # spans without a sighting go by themselves, up to what is protected
    house.now = lambda: NOW + 70 * DAY
    assert [(one.sightings, one.spans) for one in house.keeping.retention(apply=True)] == [(0, 1)]
    assert [one.covered[0][0] for one in house._store.imports.all()] == [HERE]
    assert sound(house)


def test_the_recorder_waits_for_a_person_where_many_days_are_over(house):
    for n in range(4):
        take(house, f"a{n}", (HERE, 60 + n), came=40 + n)
    with pytest.raises(Refused, match="imported sightings of 4 days are overdue"):
        house.keeping.retention(apply=True, most_days=3)
    assert len(left(house)) == 4
    house.keeping.retention(apply=True, most_days=4)
    assert left(house) == []


def test_a_record_that_cannot_be_read_keeps_its_rows_and_is_said(house):
    name = take(house, "a", (HERE, 40.0))
    take(house, "b", (HERE, 41.0))
    path = house._store.root / "sightings" / "imports" / f"{name}.json"
    text = path.read_text()
    path.write_text(text.replace("Bãi", "Bến"))
    with pytest.raises(Unavailable, match="1 files"):
        house.keeping.retention(apply=True)
    assert left(house) == [(HERE, 40.0)]
    path.write_text(text)
    house.keeping.retention(apply=True)
    assert left(house) == []


def test_broken_off_at_any_moment_every_count_is_right(house, monkeypatch):
    write = files.write_bytes
    counts = set()
    for stop_at in range(40):
        rows = [(camera, days) for camera in (HERE, "S03-P1", THERE) for days in (40.1, 41.1)]
        name = take(house, f"a{stop_at}", *rows, covered=[(HERE, 42, 40)])
        wrote = []

        def failing(where, data, *, stop_at=stop_at, wrote=wrote, **more):
            wrote.append(where)
            if len(wrote) > stop_at:
                raise KeyboardInterrupt
            write(where, data, **more)

        monkeypatch.setattr(files, "write_bytes", failing)
        broken = True
        with suppress(KeyboardInterrupt):
            house.keeping.retention(apply=True)
            broken = False
        monkeypatch.undo()
        house._store.sightings()  # a reader ends what had been decided
        record = house._store.imports.of(f"import:{name}")
        here = house._store.sightings().num_rows
        assert here == record.added - record.dropped
        # no span says that somebody looked where the sightings are gone
        assert here == 6 or not record.covered
        counts.add(here)
        assert sound(house)
        house._store.imports.remove(name)
        if not broken:
            break
    assert counts == {6, 5, 4, 3, 2}


def test_what_is_protected_in_between_stays(house, monkeypatch):
    take(house, "a", (HERE, 40.1), ("S03-P1", 41.1))
    drop = Imports.drop

    def with_a_protection(imports, choose, tell, still, stopped):
        def telling(going):
            tell(going)
            house.keeping.protect(
                [HERE], Span(ago(40.2), ago(40)), number="TN-1", reason="accident"
            )

        drop(imports, choose, telling, still, stopped)

    monkeypatch.setattr(Imports, "drop", with_a_protection)
    house.keeping.retention(apply=True)
    monkeypatch.undo()
    assert len(left(house)) == 2
    assert not list((house._store.root / "sightings").rglob(f"{files.TEMPORARY}*"))
    house.keeping.retention(apply=True)
    assert left(house) == [(HERE, 40.1)]
    assert sound(house)


def test_it_can_be_stopped_between_two_days(house):
    take(house, "a", (HERE, 40.1), (HERE, 41.1), (HERE, 42.1))
    house.keeping.retention(apply=True, stopped=lambda: len(left(house)) < 3)
    assert len(left(house)) == 2
    assert sound(house)


def test_nobody_can_read_half_of_it(house, monkeypatch):
    take(house, "a", (HERE, 40.1), (HERE, 40.2))
    carry_out = Lake._carry_out

    def killed(_lake):
        monkeypatch.setattr(Lake, "_carry_out", carry_out)
        raise KeyboardInterrupt

    monkeypatch.setattr(Lake, "_carry_out", killed)
    with pytest.raises(KeyboardInterrupt):
        house.keeping.retention(apply=True)
    assert (left(house), house._store.imports.all()) == ([], [])


def test_the_command_lists_it(house, capsys, monkeypatch):
    take(house, "a", (HERE, 40.1), (HERE, 40.2), (HERE, 41.2), covered=[(HERE, 42, 41)])
    monkeypatch.setattr("workbench.monitoring.facade.time.time_ns", lambda: NOW)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        with suppress(SystemExit):
            cli.main()
        return capsys.readouterr().out

    root = house._store.root
    assert "3 sightings" in run("retention", root)
    assert len(left(house)) == 3
    assert run("retention", root, "--apply").splitlines()[-1] == (
        "0 files, 0.00 GB, 3 sightings of other systems dropped"
    )
    assert left(house) == []
