"""The facade against people who go round it: spoofed names, widened leave, endless texts."""

from dataclasses import replace

import pytest
from make.clips import make_clip

from workbench.cases import LONGEST_REASON, check_chain
from workbench.errors import BadInput, Refused
from workbench.investigation import open_workbench
from workbench.records import Case, Purpose
from workbench.timeline import SECOND_NS, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 3600 * SECOND_NS, START + 3600 * SECOND_NS)
CASE = Case("HS-1", "Collision", "Decision 12", "clarify the collision", PERIOD)
PURPOSE = Purpose("HS-1", "find the grey van")


@pytest.fixture
def wb(tmp_path, ward_folder):
    made = open_workbench(
        tmp_path / "root",
        actor="thu",
        now=lambda: START + 7200 * SECOND_NS,
        create_from=ward_folder,
    )
    made.open_case(CASE)
    return made


@pytest.mark.parametrize("actor", ["", "  "])
def test_nobody_cannot_act(tmp_path, ward_folder, actor):
    with pytest.raises(BadInput, match="nobody"):
        open_workbench(tmp_path / "root", actor=actor, create_from=ward_folder)
    assert not (tmp_path / "root").exists()


def test_a_narrowed_case_ends_the_leave_given_before(wb):
    one, other = list(wb.ward.cameras)[:2]
    wide, narrow = wb.grant([one, other], PURPOSE), wb.grant([one], PURPOSE)
    stored = wb._store.case("HS-1")
    wb._store.put_case(replace(stored, cameras=(one,)))
    assert wb.honour(narrow).cameras == (one,)
    with pytest.raises(Refused, match=other):
        wb.honour(wide)
    early = Span(PERIOD.start_ns, START)
    wb._store.put_case(replace(stored, cameras=(one,), period=early))
    with pytest.raises(Refused, match="outside"):
        wb.honour(narrow)


def test_asking_for_no_camera_is_not_asking_for_all(wb):
    for verb in (
        lambda: wb.sightings(PURPOSE, cameras=[]),
        lambda: wb.grant([], PURPOSE),
    ):
        with pytest.raises(Refused, match="no camera"):
            verb()
        assert wb.audit()[-1].action.endswith(".refused")


def test_another_cameras_still_and_cube_stay_shut(wb, tmp_path):
    one, other = list(wb.ward.cameras)[:2]
    wb.open_case(replace(CASE, case_id="HS-2", cameras=(one,)))
    clip = tmp_path / "clip.mp4"
    make_clip(clip, 12, gop=6)
    (segment,) = wb.ingest(clip, other, START).segments
    narrow = Purpose("HS-2", "only the first camera")
    for verb in (
        lambda: wb.still(segment.sha256, segment.first_pts, narrow),
        lambda: wb.frames(other, wb.utc_span(segment), narrow),
        lambda: wb.grant([other], narrow),
        lambda: wb.grant([one, other], narrow),
        lambda: wb.sightings(narrow, cameras=[other]),
        lambda: wb.sightings(narrow, span=Span(0, PERIOD.stop_ns)),
    ):
        with pytest.raises(Refused):
            verb()
        assert wb.audit()[-1].action.endswith(".refused")


def test_every_refused_or_failed_search_is_in_the_log(wb):
    for pattern in ("<script>", "9" * 10_000, "9"):
        with pytest.raises(BadInput):
            wb.search_plate(pattern, PURPOSE)
        entry = wb.audit()[-1]
        assert (entry.action, entry.case_id) == ("search.plate.refused", "HS-1")
        assert len(entry.subject) <= 64
    with pytest.raises(BadInput):
        wb.trace("9" * 10_000, PURPOSE)


def test_a_reason_without_end_is_refused_and_its_beginning_kept(wb):
    long = Purpose("HS-1", "why " * 2500)
    with pytest.raises(Refused, match="too long"):
        wb.search_plate("99B1*", long)
    assert wb.audit()[-1].reason == long.reason[:LONGEST_REASON]
    wb.search_plate("99B1*", Purpose("HS-1", "x" * LONGEST_REASON))


def test_closing_a_case_needs_a_reason(wb):
    with pytest.raises(BadInput, match="reason"):
        wb.close_case("HS-1", " ")
    assert not wb.cases()[0].closed


def test_opening_a_case_logs_its_bounds(wb):
    cameras = tuple(wb.ward.cameras)[:1]
    wb.open_case(replace(CASE, case_id="HS-3", cameras=cameras))
    details = wb.audit()[-1].details
    for fact in (CASE.title, CASE.legal_basis, *cameras, "2026-11-19T23:15:00"):
        assert fact in details


def test_odd_texts_in_the_log_keep_the_chain_whole(wb):
    for reason in ("\ud800x", "a\x00b", "<b>", "{0}", "'; DROP TABLE audit; --"):
        wb.search_plate("99B1*", Purpose("HS-1", reason))
    assert check_chain(*wb._store.audit_with_head()) == []
