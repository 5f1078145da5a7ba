"""The auditor's page: no case needed, nobody else let in, another period on a press."""

import pytest
from make.small_root import PASSWORDS, PLATE

from workbench.errors import Refused
from workbench.investigation import add_person
from workbench.investigation.people import sign_in
from workbench.views.oversight import oversight_page
from workbench.views.page import build, visit


def opened(wb, lang="vi"):
    return visit(wb, {"lang": lang}, host_url="http://127.0.0.1:5006", media_port=5007)


def test_it_shows_use_without_a_case_and_follows_the_chosen_period(small_root):
    page = oversight_page(opened(small_root))
    first = page.roots["report"].object
    assert "Nhật ký nguyên vẹn" in first
    assert PLATE not in first
    page.roots["choice"].value = 1
    assert page.roots["report"].object != first
    assert small_root.audit()[-1].action == "audit"


def test_an_investigator_is_refused_and_an_auditor_is_not(manned_root):
    lan = manned_root.as_actor("lan", sign_in(manned_root, "lan", PASSWORDS["lan"]))
    with pytest.raises(Refused, match="auditor"):
        oversight_page(opened(lan))
    shown = build(opened(lan), "giam-sat", oversight_page)
    assert "refusal" in shown._render_items
    add_person(manned_root, "hoa", ["auditor"], "sông Ngũ Huyện Khê")
    hoa = manned_root.as_actor("hoa", sign_in(manned_root, "hoa", "sông Ngũ Huyện Khê"))
    assert "lan" in oversight_page(opened(hoa)).roots["report"].object
