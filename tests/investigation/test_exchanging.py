"""Sightings of other systems in, of a case out: all or nothing, once, with their origin, logged."""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make.rows import sighting_row, sightings_table
from make.twin_passes import SPAN, made_up

from workbench import cli, investigation, monitoring, ward
from workbench.errors import BadInput, Refused
from workbench.investigation import open_workbench
from workbench.records import KINDS, Case, Purpose
from workbench.store import Store, files
from workbench.store.lake import Lake
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.twin import traffic
from workbench.twin.traffic import Knobs, degrade

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 3600 * SECOND_NS, START + 7200 * SECOND_NS)
CASE = Case("HS-1", "Collision", "Decision 12", "clarify the collision", PERIOD)
PURPOSE = Purpose("HS-1", "find the grey van")
NOW = START + 20 * 3600 * SECOND_NS
CAMERAS = ("S01-P1", "S02-P1", "S03-P1")
PLATE = "99B1-123.45"


def opened(folder, ward_folder):
    made = open_workbench(folder, actor="thu", now=lambda: NOW, create_from=ward_folder)
    made.open_case(CASE)
    return made


@pytest.fixture
def wb(tmp_path, ward_folder):
    return opened(tmp_path / "root", ward_folder)


def reads(path, *rows, head="camera_id,utc,sigma_s,kind,plate"):
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def line(second, plate=PLATE, camera=CAMERAS[0]):
    return f"{camera},2026-11-20T07:15:{second:02d}+07:00,2,car,{plate}"


def take(wb, path, **more):
    facts = {"source": "Cổng khu công nghiệp", "reason": "vụ va chạm", **more}
    return investigation.import_sightings(wb, path, **facts)


def files_of(wb):
    folder = wb.root / "sightings"
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_what_comes_in_is_found_traced_and_says_where_it_came_from(wb, tmp_path):
    path = reads(tmp_path / "reads.csv", line(1), line(50, camera=CAMERAS[1]), line(2, ""))
    done = take(wb, path)
    assert (done.added, done.twice, done.record.rows) == (3, 0, 3)
    trace = wb.trace(PLATE, PURPOSE)
    assert len(trace.sightings) == 2
    one = investigation.origin(wb, trace.sightings["model_ref"][0])
    assert (one.source, one.actor, one.at_ns, one.reason) == (
        "Cổng khu công nghiệp", "thu", NOW, "vụ va chạm",
    )  # fmt: skip
    assert one.sha256 == files.sha256_of(path)
    assert wb.search_plate("12345", PURPOSE)[0].sightings == 2
    entry = next(e for e in wb.audit() if e.action == "sightings.import")
    assert entry.actor == "thu"
    assert json.loads(entry.details)["added"] == 3
    assert PLATE not in entry.details
    assert wb.verify() == []


def test_the_same_file_and_the_same_row_are_one(wb, tmp_path):
    path = reads(tmp_path / "reads.csv", line(1), line(1), line(2))
    assert (take(wb, path).added, take(wb, path).added) == (2, 0)
    assert take(wb, path).twice == 1
    # the same row in another file of the same system, not in one of another system
    more = reads(tmp_path / "more.csv", line(2), line(3))
    assert take(wb, more).added == 1
    other = reads(tmp_path / "other.csv", line(3), line(2))
    assert take(wb, other, source="Bãi xe").added == 2
    assert len(wb.sightings(PURPOSE)) == 5
    with pytest.raises(BadInput, match="imported before, as sightings of"):
        take(wb, path, source="Bãi xe")
    assert wb.verify() == []


@pytest.mark.parametrize("bad", ["S01-P9,2026-11-20T07:15:00Z,2,car,", "S01-P1,,2,car,"])
def test_one_bad_row_and_nothing_is_imported(wb, tmp_path, bad):
    before, said = files_of(wb), []
    path = reads(tmp_path / "reads.csv", line(1), bad, line(2))
    with pytest.raises(BadInput, match="1 of 3 rows"):
        take(wb, path, on_fault=said.append)
    assert files_of(wb) == before
    assert len(said) == 1
    assert said[0].startswith(f"{path}:3: ")
    assert wb.audit()[-1].action == "sightings.import.refused"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"camera_id,utc\n\xff\xfe,x\n", "not UTF-8"),
        (b"camera_id,utc\nS01-P1\n", "1 cells and the first line 2"),
        (b"", "no column"),
        (b'camera_id,utc\n"S01-P1,x\n', "no CSV"),
        (b'"camera_id,utc\nS01-P1,x\n', "no CSV"),
    ],
)
def test_files_that_are_no_table(wb, tmp_path, content, said):
    path = tmp_path / "reads.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        take(wb, path)


@pytest.mark.parametrize("name", ["reads.xlsx", "absent.csv", "fake.parquet", "fake.gpkg", "reads"])
def test_files_that_cannot_be_read(wb, tmp_path, name):
    if name.startswith("fake"):
        (tmp_path / name).write_bytes(b"no table")
    with pytest.raises(BadInput, match=name):
        take(wb, tmp_path / name)


def test_who_and_why_must_be_said(wb, tmp_path):
    path = reads(tmp_path / "reads.csv", line(1))
    for facts in ({"source": " "}, {"reason": "."}, {"sigma_s": -1.0}, {"timezone": "Hanoi"}):
        with pytest.raises(BadInput):
            take(wb, path, **facts)
    assert not investigation.imports(wb)


def test_a_spreadsheet_of_semicolons_with_a_byte_order_mark(wb, tmp_path):
    path = tmp_path / "reads.csv"
    text = "\ufeffcamera_id;utc;sigma_s\r\nS01-P1;2026-11-20T07:15:00+07:00;2\r\n\r\n"
    path.write_bytes(text.encode())
    assert take(wb, path).added == 1


def test_one_name_for_two_sightings_is_refused(wb, tmp_path):
    head = "source_id,camera_id,utc,sigma_s"
    row = "7,S01-P1,2026-11-20T07:15:0{}+07:00,2"
    said = []
    both = reads(tmp_path / "a.csv", row.format(1), row.format(2), head=head)
    with pytest.raises(BadInput):
        take(wb, both, on_fault=said.append)
    assert "Row 2 has the same one" in said[0]
    take(wb, reads(tmp_path / "b.csv", row.format(1), head=head))
    with pytest.raises(BadInput, match="imported before with another utc"):
        take(wb, reads(tmp_path / "c.csv", row.format(2), head=head))


def test_broken_off_at_any_moment_it_is_whole_or_absent(wb, tmp_path, monkeypatch):
    rows = [line(n, camera=CAMERAS[n % 3]) for n in range(1, 10)]
    path = reads(tmp_path / "reads.csv", *rows)
    seen = set()
    write = files.write_bytes
    for stop_at in range(12):
        wrote = []

        def failing(where, data, *, stop_at=stop_at, wrote=wrote, **more):
            wrote.append(where)
            if len(wrote) > stop_at:
                raise KeyboardInterrupt
            write(where, data, **more)

        monkeypatch.setattr(files, "write_bytes", failing)
        with suppress(KeyboardInterrupt):
            take(wb, path)
        monkeypatch.undo()
        count = wb._store.sightings().num_rows
        assert (count, len(investigation.imports(wb))) in ((0, 0), (9, 1))
        seen.add(count)
        if count:
            break
    assert seen == {0, 9}
    assert wb.verify() == []


def test_killed_after_the_journal_the_next_reader_ends_it(wb, tmp_path, monkeypatch):
    path = reads(tmp_path / "reads.csv", line(1), line(2, camera=CAMERAS[1]))
    carry_out = Lake._carry_out

    def killed(_lake):
        monkeypatch.setattr(Lake, "_carry_out", carry_out)
        raise KeyboardInterrupt

    monkeypatch.setattr(Lake, "_carry_out", killed)
    with pytest.raises(KeyboardInterrupt):
        take(wb, path)
    assert len(wb.sightings(PURPOSE)) == 2
    assert investigation.imports(wb)[0].rows == 2
    assert wb.verify() == []
    assert take(wb, path).added == 0


def test_verify_finds_rows_and_records_that_were_lost_or_altered(wb, tmp_path):
    path = reads(tmp_path / "reads.csv", line(1), line(2))
    record = wb.root / "sightings" / "imports" / f"{take(wb, path).record.sha256}.json"
    text = record.read_text()
    record.write_text(text.replace("vụ va ch", "không rõ "))
    assert any("not what was written" in finding for finding in wb.verify())
    record.unlink()
    assert any("nothing says from where" in finding for finding in wb.verify())
    record.write_text(text)
    assert wb.verify() == []
    next((wb.root / "sightings").glob("day=*/camera=*/*.parquet")).unlink()
    assert any("0 sightings of this import" in finding for finding in wb.verify())
    # as the finding says: the file again, and it is whole
    assert take(wb, path).added == 2
    assert wb.verify() == []


def test_a_lost_catalogue_loses_no_import(wb, tmp_path):
    spans = reads(
        tmp_path / "spans.csv", "S01-P1,2026-11-20T07:00:00+07:00,2026-11-20T08:00:00+07:00",
        head="camera_id,start,stop",
    )  # fmt: skip
    take(wb, reads(tmp_path / "reads.csv", line(1), line(2)), covered=spans)
    before = wb._store.sightings()
    elsewhere = investigation.searched_elsewhere(wb, ["S01-P1"])
    for end in ("", "-wal", "-shm"):
        (wb.root / f"catalogue.sqlite{end}").unlink(missing_ok=True)
    monitoring.rebuild(wb.root, actor="thu", now=lambda: NOW)
    again = open_workbench(wb.root, actor="thu", now=lambda: NOW)
    assert again._store.sightings().equals(before)
    assert investigation.searched_elsewhere(again, ["S01-P1"]) == elsewhere
    assert take(again, tmp_path / "reads.csv").added == 0


def test_elsewhere_is_searched_only_where_the_file_says_so(wb, tmp_path):
    path = reads(tmp_path / "reads.csv", line(1))
    take(wb, path)
    assert not any(investigation.searched_elsewhere(wb).values())
    head = "camera_id,start,stop"
    spans = reads(
        tmp_path / "spans.csv",
        "Cổng,2026-11-20T07:00:00+07:00,2026-11-20T08:00:00+07:00",
        "S01-P1,2026-11-20T07:30:00+07:00,2026-11-20T08:30:00+07:00",
        head=head,
    )
    names = reads(tmp_path / "names.csv", "Cổng,S01-P1", head="name,camera_id")
    assert take(wb, path, covered=spans, places=names).added == 0
    found = investigation.searched_elsewhere(wb)
    hours = (found["S01-P1"][0].duration_ns / SECOND_NS / 3600, len(found["S01-P1"]))
    assert hours == (1.5, 1)
    assert investigation.watched(wb)["S01-P1"] == found["S01-P1"]
    assert not investigation.watched(wb)["S02-P1"]
    for rows, said in (
        (["S01-P1,2026-11-20T07:30:00+07:00,2026-11-20T07:30:00+07:00"], "ends before"),
        (["S01-P1,2026-11-20T07:30:00,2026-11-20T07:30:00"], "time zone"),
        (["S01-P1,2026-11-20T07:30:00Z,2027-11-20T07:30:00Z"], "to come"),
        (["S99,2026-11-20T07:30:00Z,2026-11-20T07:40:00Z"], "S99"),
    ):
        with pytest.raises(BadInput, match=said):
            take(wb, path, covered=reads(tmp_path / "bad.csv", *rows, head=head))


def test_an_import_can_be_taken_away_and_the_log_says_so(wb, tmp_path):
    one = take(wb, reads(tmp_path / "a.csv", line(1), line(2))).record
    take(wb, reads(tmp_path / "b.csv", line(3)))
    for wrong in ("", "abc", "0" * 12):
        with pytest.raises(BadInput, match="no import"):
            investigation.remove_import(wb, wrong, "too long kept")
    with pytest.raises(BadInput, match="reason"):
        investigation.remove_import(wb, one.sha256, " ")
    assert investigation.remove_import(wb, one.sha256[:12], "too long kept")[1] == 2
    assert len(wb.sightings(PURPOSE)) == 1
    assert json.loads(wb.audit()[-2].details)["rows"] == 2
    assert wb.verify() == []
    assert take(wb, tmp_path / "a.csv").added == 2


def test_no_export_outside_a_case(wb, tmp_path):
    out = tmp_path / "out.csv"
    for purpose, span in (
        (Purpose("", "why"), None),
        (Purpose("HS-9", "why"), None),
        (Purpose("HS-1", ""), None),
        (PURPOSE, Span(START, PERIOD.stop_ns + 1)),
    ):
        with pytest.raises((Refused, BadInput)):
            investigation.export_sightings(wb, out, purpose, span=span)
        assert wb.audit()[-1].action == "sightings.export.refused"
    with pytest.raises(BadInput, match="S01-P9"):
        investigation.export_sightings(wb, out, PURPOSE, cameras=["S01-P9"])
    assert not out.exists()
    out.write_text("mine")
    with pytest.raises(BadInput, match="already"):
        investigation.export_sightings(wb, out, PURPOSE)
    assert out.read_text() == "mine"


def test_an_export_names_its_case_and_is_logged(wb, tmp_path):
    take(wb, reads(tmp_path / "reads.csv", line(1), line(2, "", CAMERAS[1])))
    assert investigation.export_sightings(wb, tmp_path / "o.parquet", PURPOSE, with_plate=True) == 1
    table = pq.read_table(tmp_path / "o.parquet")
    assert table["case_id"].to_pylist() == ["HS-1"]
    assert table.schema.metadata[b"exported_by"] == b"thu"
    entry = wb.audit()[-1]
    assert (entry.action, entry.case_id, json.loads(entry.details)["rows"]) == (
        "sightings.export", "HS-1", 1,
    )  # fmt: skip
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(files.TEMPORARY)]


SAME = ["camera_id", "lon_deg", "lat_deg", "utc", "sigma_s", "kind", "score", "bearing_deg",
        "plate", "plate_score", "plate_lattice", "plate_raw", "case_id", "purpose"]  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.sampled_from(CAMERAS),
        st.integers(PERIOD.start_ns, PERIOD.stop_ns - 1),
        st.sampled_from(KINDS),
        st.sampled_from([None, PLATE, "30A-567.89", "99KX-2310"]),
        st.floats(0, 100),
        st.one_of(st.none(), st.floats(0, 360)),
    ),
    max_size=12,
    unique_by=lambda row: row[:2],
)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(ROWS, st.sampled_from(["csv", "parquet", "gpkg"]))
def test_out_and_into_an_empty_root_gives_the_same_rows(tmp_path_factory, ward_folder, rows, end):
    folder = tmp_path_factory.mktemp("round")
    first = opened(folder / "first", ward_folder)
    table = sightings_table(
        sighting_row(n, camera, utc_ns=at, kind=kind, plate=plate, sigma_s=sigma, bearing_deg=to)
        for n, (camera, at, kind, plate, sigma, to) in enumerate(rows)
    )
    first._store.append_sightings(table)
    out = folder / f"out.{end}"
    assert investigation.export_sightings(first, out, PURPOSE) == len(rows)
    second = opened(folder / "second", ward_folder)
    assert take(second, out).added == len(rows)
    got = []
    for number, house in enumerate((first, second)):
        again = folder / f"again{number}.parquet"
        investigation.export_sightings(house, again, PURPOSE)
        frame = pd.read_parquet(again)[SAME]
        got.append(frame.sort_values(["utc", "camera_id"]).reset_index(drop=True))
    pd.testing.assert_frame_equal(got[0], got[1])


def test_a_simulated_ward_can_be_taken_in_with_what_its_cameras_covered(wb, tmp_path):
    passes = made_up(600)
    cameras = pa.Table.from_pylist(
        [
            {
                "camera_id": f"S{k // 3:02d}-P{k % 3}", "site_id": f"S{k // 3:02d}",
                "kind": "plate", "heading_deg": 30.0 * k, "edge": f"E{k:03d}", "along_m": 20.0,
                "fibre_branch": "F0", "power_branch": "W0",
            }
            for k in range(12)
        ]
    )  # fmt: skip
    made = degrade(passes, cameras, SPAN, traffic.preset("realistic"), 101)
    names = sorted(set(made.sightings["camera_id"].to_pylist()))
    known = list(ward.load(wb.root / "ward").cameras)
    listed = [f"{name},{ours}" for name, ours in zip(names, known, strict=False)]
    listed += [f"S{k // 3:02d}-P{k % 3},{known[k]}" for k in range(12)
               if f"S{k // 3:02d}-P{k % 3}" not in names]  # fmt: skip
    places = reads(tmp_path / "names.csv", *listed, head="name,camera_id")
    pq.write_table(made.sightings, tmp_path / "sightings.parquet")
    pq.write_table(made.coverage, tmp_path / "coverage.parquet")
    done = take(
        wb, tmp_path / "sightings.parquet", source="phường mô phỏng 101", places=places,
        covered=tmp_path / "coverage.parquet",
    )  # fmt: skip
    assert done.added == made.sightings.num_rows
    assert "track_box" in done.left_out
    ours = wb._store.sightings()
    kept = ["plate", "plate_lattice", "plate_raw", "plate_score", "kind", "bearing_deg", "sigma_s"]
    key = lambda table: sorted(  # noqa: E731
        map(str, table.select(["utc", *kept]).to_pylist())
    )
    assert key(ours) == key(made.sightings)
    assert sum(map(len, investigation.searched_elsewhere(wb).values())) >= 12 > 0
    assert isinstance(Knobs(), Knobs)


@pytest.fixture
def run(capsys, monkeypatch):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        capsys.readouterr()
        try:
            cli.main()
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return status, said.out, said.err

    return call


def test_the_commands(run, wb, tmp_path):
    path = reads(tmp_path / "reads.csv", line(1), line(40, camera=CAMERAS[1]))
    words = ["sightings", "import", wb.root, path, "--source", "Cổng", "--reason", "vụ va chạm"]
    assert run(*words)[1].startswith("2 sightings added, 0 were here")
    assert run(*words)[1].startswith("0 sightings added, 2 were here")
    assert "Cổng: 2 of 2" in run("sightings", "list", wb.root)[1]
    case = ["--case", "HS-1", "--reason", "find it"]
    traced = run("trace", wb.root, PLATE, *case)
    assert "2 of them are of Cổng" in traced[1]
    out = tmp_path / "out.csv"
    assert run("sightings", "export", wb.root, out, *case)[0] == 0
    assert run("sightings", "export", wb.root, tmp_path / "no.csv")[0] == 3
    assert run("sightings", "export", wb.root, tmp_path / "no.xls", *case)[0] == 2
    assert run("sightings", "export", wb.root, tmp_path / "no" / "o.csv", *case)[0] == 2
    assert run("sightings", "import", wb.root, path)[0] == 2
    assert run("sightings", "import", tmp_path / "nowhere", path, *words[4:])[0] == 2
    bad = reads(tmp_path / "bad.csv", "S01-P9,2026-11-20T07:15:00+07:00,2,car,")
    status, _, err = run("sightings", "import", wb.root, bad, *words[4:])
    assert status == 2
    assert "S01-P" in err.splitlines()[0]
    assert "nothing was imported" in err
    removed = run("sightings", "remove", wb.root, files.sha256_of(path)[:12], "--reason", "done")
    assert removed[1].startswith("2 sightings of Cổng removed")
    assert Store.open(wb.root).sightings().num_rows == 0
