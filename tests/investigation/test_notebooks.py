"""A case as a notebook: run again it gives the same bytes, and every planted change is named."""

import base64
import json
import re
import shutil
import zlib
from dataclasses import replace

import nbformat
import pytest
from make.clips import make_clip
from make.rows import sighting_row, sightings_table
from make.small_root import CASE, PLATE, START_NS, TWIN, build
from nbclient import NotebookClient

from workbench import demonstration
from workbench.errors import BadInput, Refused
from workbench.investigation import (
    Replay,
    add_person,
    again,
    change_case,
    contradictions,
    convoys,
    export_notebook,
    flows,
    open_workbench,
    replaying,
)
from workbench.records import Purpose
from workbench.store import Store
from workbench.timeline import SECOND_NS, ClockFix, Span
from workbench.views import text

PURPOSE = Purpose(CASE.case_id, "lập sổ")
SPAN = Span(START_NS, START_NS + 1_234_567_891)


@pytest.fixture(scope="module")
def first(tmp_path_factory, ward_folder):
    wb = build(tmp_path_factory.mktemp("notebook") / "root", ward_folder, cameras=3)
    wb.search_plate(PLATE, PURPOSE)
    wb.search_plate("51A-999.99", PURPOSE)
    wb.trace(PLATE, PURPOSE, also=[TWIN])
    wb.sightings(PURPOSE, span=SPAN, kinds=["motorcycle"], with_plate=True)
    wb.sightings(PURPOSE)
    wb.search_plate(PLATE, PURPOSE)  # the same again
    with pytest.raises(Refused):
        wb.sightings(PURPOSE, span=Span(0, 1))
    return wb


@pytest.fixture
def wb(first, tmp_path):
    shutil.copytree(first.root, tmp_path / "root")
    return open_workbench(tmp_path / "root", actor="thu")


@pytest.fixture
def made(wb, tmp_path):
    out = tmp_path / "HL-01.ipynb"
    export_notebook(wb, PURPOSE, out)
    return nbformat.read(out, as_version=4)


def record_of(notebook):
    (source,) = [c.source for c in notebook.cells if "BAN_GHI =" in c.source]
    return re.search(r'"""\n(.*)\n"""', source, re.DOTALL)[1]


def run(notebook, wb, purpose=PURPOSE):
    """Run the notebook's searches as its cells do, on the workbench given."""
    so = Replay(record_of(notebook), wb, purpose, translate=text.translator("vi"))
    told = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("so.run("):
            names = {"so": so, "wb": wb, "muc_dich": purpose, "Span": Span, "again": again}
            one = eval(cell.source, names)
            told[one.name] = one
    return so, told


def reasons(told):
    return {change.group for one in told.values() for change in one.why}


def test_it_holds_each_distinct_search_and_gives_the_same_bytes(wb, made):
    nbformat.validate(made)
    calls = [c.source for c in made.cells if c.source.startswith("so.run(")]
    assert len(calls) == 5
    assert f"span=Span({SPAN.start_ns}, {SPAN.stop_ns})" in calls[3]  # to the nanosecond
    assert "with_plate=True" in calls[3]
    before = len(wb.audit())
    so, told = run(made, wb)
    assert all(one.same for one in told.values())
    assert "trùng từng byte" in str(told["S1"])
    assert PLATE in told["S1"]._repr_html_()
    assert told["S2"].now["reads"].count("\n") == 1  # an answer without rows is an answer
    assert "mục" in str(so)
    assert len(so.summary()) == 5
    acts = [one.action for one in wb.audit()[before:]]
    assert acts.count("search.sightings") == 2  # made again inside the case, and logged
    assert any("sightings.refused" in c.source or "search.refused" in c.source for c in made.cells)


def test_another_model_is_named(wb, made):
    store = Store.open(wb.root)
    row = store.sightings(with_plate=True).to_pylist()[0]
    sha256 = row["segment_sha256"]
    index = store.frame_index(sha256)
    utc_ns = int(wb.segment(sha256).utc(row["pts"], wb.clock_fixes(row["camera_id"]))[0])
    new = sighting_row(
        7, row["camera_id"], plate="99B1-999.99", segment_sha256=sha256, pts=row["pts"],
        utc_ns=utc_ns, model_ref="other@2",
    )  # fmt: skip
    store.append_sightings(sightings_table([new]))
    first, stop = int(index.pts[0]), int(index.pts[-1]) + 1
    store.mark_searched(sha256, first, stop, row["model_ref"])
    store.mark_searched(sha256, first, stop, "other@2")
    _, told = run(made, wb)
    assert not told["S1"].same
    assert "model" in reasons(told)
    assert "other@2" in str(told["S1"])
    assert any(PLATE in line for line in told["S1"].gone["reads"])


def test_other_code_is_named(wb, made, monkeypatch):
    other = dict(replaying._code()) | {"source": "f" * 64}
    monkeypatch.setattr(replaying, "_code", lambda: other)
    so, told = run(made, wb)
    assert all(one.same for one in told.values())  # another code need not answer otherwise
    assert "mã chương trình: source" in str(so)
    plain = replaying._reads_text
    monkeypatch.setattr(replaying, "_reads_text", lambda hits: plain(hits[1:]))
    _, told = run(made, wb)
    assert not told["S1"].same
    assert {change.group for change in told["S1"].why} == {"code"}


def test_footage_that_came_is_named(wb, made, tmp_path):
    camera_id = next(iter(wb.ward.cameras))
    make_clip(tmp_path / "more.mp4", 20, rate=10, gop=10, size=(320, 180), first_number=7000)
    (segment,) = wb.ingest(tmp_path / "more.mp4", camera_id, START_NS).segments
    row = sighting_row(
        9, camera_id, plate=PLATE, segment_sha256=segment.sha256, pts=0, utc_ns=START_NS
    )
    Store.open(wb.root).append_sightings(sightings_table([row]))
    _, told = run(made, wb)
    assert not told["S1"].same
    assert "archive" in reasons(told)
    assert "model" not in reasons(told)
    assert told["S2"].same  # no answer then, none now


def test_a_corrected_clock_is_named(wb, made):
    camera_id = wb.sightings(PURPOSE, with_plate=True)["camera_id"].iloc[0]
    wb.fix_clock(ClockFix(camera_id, Span(0, 2**62), 2 * SECOND_NS, SECOND_NS, "operator"))
    _, told = run(made, wb)
    assert not told["S5"].same
    assert "clock" in reasons(told)
    assert camera_id in str(told["S5"])


def test_changed_tables_of_the_ward_and_other_rights_are_named(wb, made):
    table = wb.root / "ward" / "cameras.csv"
    table.write_text(table.read_text() + "\n")
    camera_id = wb.sightings(PURPOSE, with_plate=True)["camera_id"].iloc[0]
    add_person(wb, "hoa", ["investigator"], "sông Ngũ Huyện Khê", cameras=[camera_id])
    _, told = run(made, open_workbench(wb.root, actor="hoa"))
    assert reasons(told) >= {"ward", "rights"}
    assert not told["S5"].same


def test_a_closed_case_is_refused_and_named(wb, made):
    wb.close_case(CASE.case_id, "xong")
    so, told = run(made, wb)
    assert all("refused" in one.now for one in told.values())
    assert reasons(told) == {"case"}
    assert {change.group for change in so.changes} == {"case"}  # nothing of the footage is told


def test_rows_that_were_altered_beside_the_workbench_have_no_other_reason(wb, made):
    store = Store.open(wb.root)
    sha256 = wb.sightings(PURPOSE, with_plate=True)["segment_sha256"].iloc[0]
    rows = store.sightings(segment=sha256).to_pylist()
    store._lake.forget([sha256])
    rows[0]["plate"] = "99B1-000.00"
    store.append_sightings(sightings_table(rows))
    _, told = run(made, wb)
    assert not told["S1"].same
    assert reasons(told) == set()
    assert "workbench verify" in str(told["S1"])


def test_a_record_that_was_altered_is_not_believed(wb, made):
    facts = json.loads(zlib.decompress(base64.b64decode("".join(record_of(made).split()))))
    table = next(one for one in facts["tables"].values() if PLATE in one.get("reads", ""))
    table["reads"] = table["reads"].replace(PLATE, "99B1-000.00")

    def packed():
        return base64.b64encode(zlib.compress(json.dumps(facts).encode())).decode()

    for bad in (packed(), "…", "", base64.b64encode(b"x").decode()):
        with pytest.raises(BadInput, match="altered"):
            Replay(bad, wb, PURPOSE)
    by_name = {name: facts["tables"][sha256] for name, sha256 in facts["answers"].items()}
    forged, _ = replaying.pack(facts["circumstances"], by_name)  # whole, and not the one logged
    so = Replay(forged, wb, PURPOSE, translate=text.translator("vi"))
    assert "không biết bản ghi" in str(so)
    with pytest.raises(BadInput, match="S99"):
        so.run("S99", list)


def test_company_contradictions_and_flows_are_made_again(wb, tmp_path):
    purpose = PURPOSE
    convoys(wb, purpose, PLATE)
    contradictions(wb, purpose)
    contradictions(wb, purpose, plate=PLATE)
    with pytest.raises(BadInput, match="too few"):  # and is in no log
        flows(wb, purpose)
    out = tmp_path / "more.ipynb"
    export_notebook(wb, purpose, out)
    made = nbformat.read(out, as_version=4)
    calls = [
        c.source for c in made.cells if c.source.startswith("so.run(") and "again." in c.source
    ]
    assert [one.split("again.")[1].split("(")[0] for one in calls] == [
        "convoys", "contradictions", "contradictions",
    ]  # fmt: skip
    _, told = run(made, wb)
    assert all(one.same for one in told.values())
    (plates,) = {one.now["plates"] for one in told.values() if "plates" in one.now}
    assert PLATE.replace("-", "").replace(".", "") in plates
    assert ",0." not in plates.splitlines()[1]  # no probability where nothing is calibrated
    # whom the case does not name is told so, with the reason
    for name in ("lan", "hoa"):
        add_person(wb, name, ["investigator"], "sông Ngũ Huyện Khê")
    change_case(wb, CASE.case_id, "lan làm", people=["lan"])
    _, told = run(made, open_workbench(wb.root, actor="hoa"))
    assert all("refused" in one.now for one in told.values())
    assert "case" in reasons(told)


def test_what_people_typed_is_text_and_neither_markup_nor_code(wb, tmp_path):
    title = '<script>alert(1)</script> """ [x](javascript:alert(1))'
    wb.open_case(replace(CASE, case_id="HL-02", title=title, reason="`x`"))
    purpose = Purpose("HL-02", '"""\nimport os; os.abort()')
    for pattern in ("');import os#", '"""<img src=x>', "99\n*"):
        wb.trace(pattern, purpose)
    out = tmp_path / "x.ipynb"
    export_notebook(wb, purpose, out)
    made = nbformat.read(out, as_version=4)
    for cell in made.cells:
        assert "<script" not in cell.source
        assert "<img" not in str(cell.get("outputs", ""))
        if cell.cell_type == "code":
            compile(cell.source, "cell", "exec")
            assert "\nimport os;" not in cell.source
        else:
            assert "](javascript" not in cell.source
            assert "<img" not in cell.source
    _, told = run(made, wb, purpose)
    assert len(told) == 3
    assert all(one.same for one in told.values())


def test_who_may_not_export_and_where_it_cannot_be_written(wb, tmp_path):
    add_person(wb, "hoa", ["auditor"], "sông Ngũ Huyện Khê")
    with pytest.raises(Refused, match="roles"):
        export_notebook(wb.as_actor("hoa"), PURPOSE, tmp_path / "a.ipynb")
    with pytest.raises(Refused):
        export_notebook(wb, Purpose(CASE.case_id, ""), tmp_path / "a.ipynb")
    (tmp_path / "there.ipynb").write_text("mine")
    for path in ("a.txt", "none/a.ipynb", "there.ipynb"):
        with pytest.raises(BadInput, match="ipynb"):
            export_notebook(wb, PURPOSE, tmp_path / path)
    assert (tmp_path / "there.ipynb").read_text() == "mine"
    assert not (tmp_path / "a.ipynb").exists()


@pytest.mark.notebook
@pytest.mark.xdist_group("demonstration")
def test_a_case_of_the_demonstration_runs_as_a_notebook(demonstration_root, tmp_path, monkeypatch):
    wb = open_workbench(demonstration_root, actor="thu")
    purpose = Purpose(demonstration.TRAINING_CASE.case_id, "sổ của bài tập")
    read = wb.sightings(purpose, with_plate=True)
    wb.search_plate(read["plate"].iloc[0][:4], purpose)
    wb.trace(read["plate"].value_counts().index[0], purpose)
    out = tmp_path / "case.ipynb"
    done = export_notebook(wb, purpose, out)
    assert done.searches >= 3
    monkeypatch.setenv("WORKBENCH_ROOT", str(demonstration_root))
    notebook = nbformat.read(out, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    ran = [c for c in notebook.cells if c.source.startswith("so.run(")]
    assert len(ran) == done.searches
    for cell in ran:
        assert "trùng từng byte" in cell.outputs[0]["data"]["text/html"]
