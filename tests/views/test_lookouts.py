"""The page of lookouts: asking, approving, deciding; a queue with words and no picture."""

import panel as pn
import pytest
from make.rows import sighting_row, sightings_table

from workbench.errors import Refused
from workbench.investigation import open_workbench
from workbench.investigation.lookouts import Watch
from workbench.records import Case, Purpose
from workbench.timeline import SECOND_NS, Span
from workbench.views.lookouts import LookoutPage, lookouts_page
from workbench.views.page import visit

NOW = 1_800_000_000 * SECOND_NS
PLATE = "99B1-123.45"


@pytest.fixture
def house(tmp_path, ward_folder):
    wb = open_workbench(tmp_path / "root", actor="an", now=lambda: NOW, create_from=ward_folder)
    period = Span(NOW - SECOND_NS, NOW + 86_400 * SECOND_NS)
    cameras = ("S01-P1", "S01-P2")
    wb.open_case(Case("VA-1", "Xe <b>bỏ chạy", "QĐ 12", "tìm xe", period, cameras))
    return wb


def opened(house, actor="an", **asked):
    asked = {"case": "VA-1", "reason": "tìm <i>xe", **asked}
    wb = house.as_actor(actor)
    return LookoutPage(visit(wb, asked, host_url="http://127.0.0.1:5006", media_port=5007))


def ask(page, plate=PLATE, cameras=("S01-P1",)):
    page.plate.value_input, page.cameras.value = plate, list(cameras)
    page.ask.clicks += 1


def buttons(column):
    return {one.name: one for one in column.select(pn.widgets.Button)}


def words(column):
    return " ".join(one.object for one in column.select(pn.pane.HTML))


def found(house):
    rows = [sighting_row(0, "S01-P1", plate="99B1-128.45", utc_ns=NOW + SECOND_NS)]
    assert Watch(house, "VA-1")(sightings_table(rows)) == 1


def test_without_a_case_there_is_no_page(house):
    empty = visit(house, {}, host_url="http://127.0.0.1:5006", media_port=5007)
    with pytest.raises(Refused):
        lookouts_page(empty)


def test_one_asks_another_approves_and_a_person_decides(house):
    mine = opened(house)
    assert "Không có" in words(mine.lookouts)
    ask(mine)
    assert "Phê duyệt" not in buttons(mine.lookouts)
    theirs = opened(house, "binh")
    buttons(theirs.lookouts)["Phê duyệt"].clicks += 1
    assert "binh đã phê duyệt" in words(theirs.lookouts)
    assert "không được theo dõi" in theirs.state.object
    found(house)
    mine.look_again()
    said = words(mine.queue)
    assert "99B1-128.45" in said
    assert "phản bác: ký tự thứ 7 đọc là 8, cần tìm 3" in said
    assert "/truy-vet?" in said
    assert "canvas" not in said
    assert "<img" not in said
    buttons(mine.queue)["không liên quan"].clicks += 1
    assert "an cho là: không liên quan" in words(mine.queue)
    buttons(mine.lookouts)["Kết thúc và xóa"].clicks += 1
    assert "Không có" in words(mine.queue)
    assert list((house.root / "lookouts").iterdir()) == []


def test_a_refusal_is_a_sentence_and_markup_stays_text(house):
    page = opened(house)
    ask(page, "99*")
    assert "cho biết quá ít về biển số" in page.told.object
    ask(page, cameras=())
    assert "phải nêu rõ camera" in page.told.object
    ask(page)
    assert page.told.object == ""
    assert "tìm &lt;i&gt;xe" in words(page.lookouts)
    assert "<i>xe" not in words(page.lookouts)


def test_looking_again_is_logged_only_where_something_has_changed(house):
    page = opened(house)
    ask(page)
    before = len(house.audit())
    page.look_again()
    page.look_again()
    assert len(house.audit()) == before
    buttons(opened(house, "binh").lookouts)["Phê duyệt"].clicks += 1
    before = len(house.audit())
    page.look_again()
    assert [entry.action for entry in house.audit()[before:]] == ["lookout.list"]
    assert Purpose("VA-1", "tìm <i>xe") == page.purpose
