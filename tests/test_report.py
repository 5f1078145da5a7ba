"""The monthly report: its numbers by property and with planted gaps, its pages as they come out."""

from __future__ import annotations

import errno
import re
from datetime import datetime
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring, report
from workbench.monitoring.deletions import deletions
from workbench.records import Affected, IncidentRecord, Loss, LossCause, Wording
from workbench.streams import HealthCheck, derive_gaps, health_report
from workbench.timeline import SECOND_NS, VIET_NAM, Span
from workbench.views.text import translator

MONTH = report.month_span("2026-11")
HOUR_NS = 3600 * SECOND_NS


def at(day, hour=0):
    return int(datetime(2026, 11, day, hour, tzinfo=VIET_NAM).timestamp()) * SECOND_NS


def made(covered, losses=(), until_ns=MONTH.stop_ns):
    period = Span(MONTH.start_ns, min(MONTH.stop_ns, until_ns))
    gaps = [
        gap
        for name, spans in covered.items()
        for gap in derive_gaps(
            name, spans, [one for one in losses if one.camera_id == name], period
        )
    ]
    return report.figures(MONTH, until_ns, dict.fromkeys(covered, "S01"), covered, gaps)


hours = st.integers(-50, 31 * 24)
spans = st.lists(
    st.tuples(hours, st.integers(1, 90)).map(
        lambda one: Span(MONTH.start_ns + one[0] * HOUR_NS, MONTH.start_ns + sum(one) * HOUR_NS)
    ),
    max_size=12,
)


@given(spans, spans, st.integers(1, 35 * 24))
def test_what_was_recorded_and_the_gaps_make_up_the_whole(one, other, until):
    until_ns = MONTH.start_ns + until * HOUR_NS
    found = made({"C1": one, "C2": other}, until_ns=until_ns)
    whole_s = found.period.duration_ns / SECOND_NS
    both = found.cameras["recorded_s"] + found.cameras["lost_s"]
    assert np.allclose(both, whole_s)
    assert found.causes["lost_s"].sum() == pytest.approx(found.cameras["lost_s"].sum())
    due = np.minimum(np.maximum(until - np.arange(30) * 24, 0), 24)
    by_days = np.nansum(found.days.values * due * 3600, axis=1)
    assert np.allclose(by_days, found.cameras["recorded_s"])
    assert np.isnan(found.days.values).sum() == 2 * (due == 0).sum()


def test_days_are_viet_nam_s_and_planted_gaps_are_found():
    # lost on the 10th from 01:00 to 04:00 there, which is the 9th in UTC
    covered = {
        "C1": [Span(MONTH.start_ns, at(10, 1)), Span(at(10, 4), MONTH.stop_ns)],
        "C2": [Span(MONTH.start_ns, at(20)), Span(at(20, 12), MONTH.stop_ns)],
        "C3": [MONTH],
    }
    found = made(covered, [Loss("C1", at(10, 1), "stalled", "no packets")])
    assert found.days.sel(camera="C1", day=10) == pytest.approx(21 / 24)
    assert found.days.sel(camera="C1", day=9) == 1
    assert found.days.sel(camera="C2", day=20) == pytest.approx(0.5)
    assert list(found.causes.index) == ["unknown", "stalled"]
    assert list(found.gaps["camera"]) == ["C2", "C1"]
    assert found.cameras.loc["C1", "longest_s"] == 3 * 3600
    assert found.cameras.loc["C2", "unknown_s"] == 12 * 3600
    assert found.cameras.loc["C3", "share"] == 1
    assert found.share == pytest.approx(1 - 15 / (3 * 720))


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "", "x", "2026-11-01", "1960-01"])
def test_what_is_no_month_is_said(text):
    with pytest.raises(BadInput, match="is no month"):
        report.month_span(text)


def test_a_month_to_come_is_refused():
    with pytest.raises(BadInput, match="has not begun"):
        made({"C1": []}, until_ns=MONTH.start_ns)


def test_a_share_is_never_rounded_up_to_a_whole():
    assert report._percent(0.99999) == "99.99 %"
    assert report._percent(1.0) == "100.00 %"


def test_hours_of_faults_are_added_up_over_days_as_the_checks_stood(tmp_path, ward_folder):
    open_workbench(tmp_path / "root", actor="t", create_from=ward_folder)
    now = [0]
    house = open_monitoring(tmp_path / "root", actor="t", now=lambda: now[0])
    step_ns, midnight = 5 * SECOND_NS, at(5)
    checks = [
        *(
            HealthCheck("A", midnight + n * step_ns, True, faults=("moved",))
            for n in range(-12, 12)
        ),
        HealthCheck("A", midnight + 12 * step_ns, True),
        HealthCheck("A", midnight + 13 * step_ns, True, faults=("dark", "moved")),
        # nobody looked for an hour: the one before stands for one step
        HealthCheck("A", midnight + 3600 * SECOND_NS, True, faults=("covered",)),
        HealthCheck("B", midnight - 3600 * SECOND_NS, True, faults=("loss",)),  # none of a picture
        HealthCheck("B", MONTH.stop_ns - 2 * SECOND_NS, True, faults=("dark",)),  # cut by the end
    ]
    for one in checks[::-1]:  # and written in any order, a file each
        now[0] = one.at_ns + 60 * SECOND_NS
        house.keep_health([one])
    found = report.fault_hours(house, MONTH)
    seconds = {(one.camera, one.finding): one.hours * 3600 for one in found.itertuples()}
    assert seconds == pytest.approx(
        {("A", "moved"): 25 * 5, ("A", "dark"): 5, ("A", "covered"): 5, ("B", "dark"): 2}
    )
    # the same as from the dataset, where that fits into memory
    data = health_report(house.health(MONTH), MONTH).isel(time=0)
    moved = float(data["fault_share"].sel(camera="A", fault="moved"))
    moved *= float(data["checked_share"].sel(camera="A")) * MONTH.duration_ns / SECOND_NS
    assert moved == pytest.approx(25 * 5)
    none = report.fault_hours(house, Span(at(20), at(21)))
    assert list(none.columns) == ["camera", "finding", "hours"]
    assert none.empty


def test_checks_are_kept_where_their_hours_cannot_be_joined(tmp_path, ward_folder, monkeypatch):
    open_workbench(tmp_path / "root", actor="t", create_from=ward_folder)
    now = [at(2)]
    house = open_monitoring(tmp_path / "root", actor="t", now=lambda: now[0])
    monkeypatch.setattr("workbench.store.upkeep._join", _full)
    for hour in range(3):
        now[0] = at(2, hour)
        # said to have failed, the recorder would bring the same ones again
        house.keep_health([HealthCheck("A", now[0], True)])
    assert len(house.checks(MONTH)) == 3


def _full(_paths):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("language", ["vi", "en"])
def test_pages_are_whole_and_ask_nobody(tmp_path, ward_folder, language):
    root = tmp_path / "root"
    open_workbench(root, actor="t", create_from=ward_folder)
    table = root / "ward" / "cameras.csv"
    lines = table.read_text().replace(",E003,,", ",E003,rtsp://10.0.0.1/<b>x,")
    table.write_text(lines)
    house = open_monitoring(root, actor="t", now=lambda: at(12, 6), translate=translator(language))
    camera = next(iter(house.sources()))
    house.lose(Loss(camera, at(3), "denied", "<script>alert(1)</script>"))
    nothing = dict.fromkeys(
        ("fps", "kbit_s", "brightness", "contrast", "sharpness", "change"), float("nan")
    )
    then = open_monitoring(root, actor="t", now=lambda: at(4) + SECOND_NS)
    then.keep_health([HealthCheck(camera, at(4), True, faults=("covered",), **nothing)])
    (checks,) = (root / "health").glob("*/*.parquet")
    checks.with_stem(f"{at(5)}").write_bytes(b"torn by a power cut")
    page, pdf = report.write_report(house, "2026-11", tmp_path / "out", language=language)
    html = page.read_text()
    assert f"{at(5)}.parquet" in html  # the rest is read, and what is not is named
    assert not re.findall(r"(?:src|href)=.https?:", html)
    assert "<script" not in html
    assert "<b>x" not in html
    assert "{" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    assert ("che" if language == "vi" else "covered") in html
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF")
    assert len(data) > 20_000


def test_every_cause_of_a_loss_has_its_words():
    assert set(get_args(LossCause)) <= set(report.CAUSES)


def test_no_gap_of_unknown_cause_is_left_out_of_the_list():
    covered = {
        "C1": [
            Span(
                at(1, n % 24) + n // 24 * 24 * HOUR_NS,
                at(1, n % 24) + n // 24 * 24 * HOUR_NS + HOUR_NS // 2,
            )
            for n in range(60)
        ]
    }
    found = made(covered)
    assert (found.gaps["cause"] == report.UNKNOWN).sum() == 60
    assert len(report._listed(found.gaps)) == 60


def test_the_rule_in_force_incidents_and_removed_footage_are_told(tmp_path, ward_folder):
    root = tmp_path / "root"
    wb = open_workbench(root, actor="t", create_from=ward_folder)
    (root / "retention.toml").write_text("[default]\ndays = 30\n\n[S01]\ndays = 15\n")
    house = open_monitoring(root, actor="t", now=lambda: at(20), translate=translator("vi"))
    camera = next(iter(wb.ward.cameras))
    house.keep_incident(
        IncidentRecord(
            f"{camera}@1",
            "lost",
            at(3),
            (Affected(camera, at(3), "stalled", back_ns=at(3, 1)),),
            closed_ns=at(3, 1),
            cause=Wording("the fibre branch"),
            evidence=Wording("3 cameras"),
        ),
        {},
    )
    (page, *_pdf) = report.write_report(house, "2026-11", tmp_path, pdf=False)
    text = page.read_text()
    assert "S01: 15 ngày; các điểm khác: 30 ngày" in text
    assert "hồ sơ đã đóng theo loại: tai nạn giao thông 1096 ngày" in text
    assert "nhánh cáp quang" in text
    assert "03/11/2026 00:00:00" in text


def test_the_deletion_statement_of_a_month_says_what_went_why_and_by_whom(tmp_path, ward_folder):
    root = tmp_path / "root"
    wb = open_workbench(root, actor="t", create_from=ward_folder)
    drop = {"why": "age", "files": 7, "bytes": 3 * 10**9, "cameras": {"S01-P1": {}, "S02-P1": {}}}
    checks = {"why": "age", "files": 0, "bytes": 0, "health": {"files": 2, "bytes": 10**7}}
    faces = {"why": "the days of category missing are over", "candidates": 10}
    for at_ns, action, subject, case_id, details in (
        (at(1) - 1, "drop", "archive", "", drop | {"files": 99}),
        (at(2), "drop", "archive", "", drop),
        (at(3), "drop", "archive", "", checks),
        (at(3), "drop.compact", "archive", "", {"rows": 4, "before": "x"}),
        (at(4), "faces.delete", "KM-0123456789", "HS-1", faces),
        (MONTH.stop_ns, "drop", "archive", "", drop | {"files": 98}),
    ):
        wb._store.append_audit(at_ns=at_ns, actor="keeper", action=action, subject=subject,
                               case_id=case_id, details=details)  # fmt: skip
    assert deletions(wb._store, MONTH, translator("vi")) == [
        (at(2), "7 tệp của S01-P1, S02-P1", "3.00 GB", "hết hạn lưu", "keeper"),
        (at(3), "2 tệp kiểm tra tình trạng", "0.01 GB", "hết hạn lưu", "keeper"),
        (at(4), "10 ứng viên khuôn mặt của KM-0123456789", "–",
         "the days of category missing are over (HS-1)", "keeper"),
    ]  # fmt: skip
    house = open_monitoring(root, actor="t", now=lambda: at(20), translate=translator("vi"))
    (page,) = report.write_report(house, "2026-11", tmp_path, pdf=False)
    text = page.read_text()
    assert "Báo cáo xóa dữ liệu" in text
    assert "7 tệp của S01-P1, S02-P1" in text
