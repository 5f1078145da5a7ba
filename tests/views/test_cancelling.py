"""Ending one's own search from a page: asked once, nobody else's, and in the log."""

import pytest
from make.small_root import build

from workbench.errors import BadInput, Refused
from workbench.store.runs import Runs
from workbench.views.cancelling import CancelOwn
from workbench.views.text import translator


@pytest.fixture(scope="module")
def wb(tmp_path_factory, ward_folder):
    return build(tmp_path_factory.mktemp("cancelling") / "root", ward_folder)


def going(wb, actor):
    return Runs(wb.root).begin(actor=actor, started_ns=wb.now(), case_id="", footage_h=1.0)


def labels(cancel):
    return [part.label for part in cancel.row if hasattr(part, "label")]


def said(cancel):
    return " ".join(part.object for part in cancel.row if hasattr(part, "object"))


def press(cancel, label):
    next(part for part in cancel.row if getattr(part, "label", "") == label).clicks += 1


def test_a_search_of_ones_own_is_ended_after_one_question(wb):
    cancel = CancelOwn(wb, translator("vi"))
    assert not cancel.row.visible
    with going(wb, wb.actor) as own:
        cancel.refresh()
        (label,) = labels(cancel)
        assert label.startswith("Hủy lượt tìm lúc ")
        press(cancel, label)
        assert labels(cancel) == ["Dừng", "Để chạy tiếp"]
        assert Runs(wb.root).stopped_by(own.run_id) is None
        press(cancel, "Để chạy tiếp")
        assert labels(cancel) == [label]
        press(cancel, label)
        press(cancel, "Dừng")
        assert labels(cancel) == []
        assert "đang dừng" in said(cancel)
        assert Runs(wb.root).stopped_by(own.run_id) == wb.actor
        last = wb.audit()[-1]
        assert (last.action, last.subject) == ("recognise.stop", own.run_id)
    cancel.refresh()
    assert not cancel.row.visible


def test_nobody_ends_somebody_elses(wb):
    with going(wb, "somebody") as other:
        cancel = CancelOwn(wb, translator("vi"))
        assert not cancel.row.visible
        with pytest.raises(Refused, match="somebody else"):
            wb.stop_runs(other.run_id)
        assert Runs(wb.root).stopped_by(other.run_id) is None
        assert wb.audit()[-1].action == "recognise.stop.refused"


def test_one_that_is_over_meanwhile_is_a_sentence(wb):
    with going(wb, wb.actor):
        cancel = CancelOwn(wb, translator("vi"))
        press(cancel, labels(cancel)[0])
    press(cancel, "Dừng")
    assert "đã kết thúc" in said(cancel)
    cancel.refresh()
    assert not cancel.row.visible
    with pytest.raises(BadInput, match="is over"):
        wb.stop_runs("0" * 32)
