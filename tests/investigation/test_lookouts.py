"""Lookouts: bounded, approved by somebody else, off by one switch, gone at their end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from make.rows import sighting_row, sightings_table
from typer.testing import CliRunner

from workbench.cases.lookouts import evidence, hits_among
from workbench.cli import app
from workbench.errors import BadInput, Damaged, Refused
from workbench.investigation import (
    Workbench,
    add_person,
    approve_lookout,
    ask_lookout,
    decide_hit,
    end_lookout,
    list_lookouts,
    open_workbench,
    switch_lookouts,
)
from workbench.investigation.lookouts import Watch
from workbench.records import Case, Purpose
from workbench.store.lookouts import Lookout, Lookouts
from workbench.timeline import SECOND_NS, Span

NOW = 1_800_000_000 * SECOND_NS
HOUR = 3600 * SECOND_NS
CAMERAS = ("S01-P1", "S01-P2", "S02-P1")
PURPOSE = Purpose("VA-1", "tìm xe bỏ chạy")
PLATE = "99B1-123.45"


class Clock:
    def __init__(self) -> None:
        self.ns = NOW

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(tmp_path: Path, ward_folder: Path, clock: Clock) -> Workbench:
    wb = open_workbench(tmp_path / "root", actor="an", now=clock, create_from=ward_folder)
    period = Span(NOW - HOUR, NOW + 48 * HOUR)
    wb.open_case(Case("VA-1", "Xe bỏ chạy", "QĐ 12", "tìm xe", period, CAMERAS))
    return wb


def approved(
    house: Workbench, plate: str = PLATE, cameras: tuple[str, ...] = CAMERAS[:1]
) -> Lookout:
    asked = ask_lookout(house, plate, cameras, NOW + 8 * HOUR, PURPOSE)
    return approve_lookout(house.as_actor("binh"), asked.lookout_id, PURPOSE)


def seen(*rows: tuple[str, str | None, float]) -> pa.Table:
    return sightings_table(
        [
            sighting_row(n, camera, plate=plate, utc_ns=NOW + round(at_s * SECOND_NS))
            for n, (camera, plate, at_s) in enumerate(rows)
        ]
    )


def queue(house: Workbench) -> list[str]:
    return [hit.read for one in list_lookouts(house, PURPOSE) for hit in one.hits]


def test_only_approved_reads_of_its_cameras_and_time_come_into_the_queue(house: Workbench) -> None:
    asked = ask_lookout(house, PLATE, CAMERAS[:1], NOW + HOUR, PURPOSE)
    watch = Watch(house, "VA-1")
    assert watch(seen(("S01-P1", PLATE, 1))) == 0  # nobody has approved it
    approve_lookout(house.as_actor("binh"), asked.lookout_id, PURPOSE)
    rows = seen(
        ("S01-P1", PLATE, 10), ("S01-P2", PLATE, 11), ("S01-P1", None, 12),
        ("S01-P1", "99B1-777.77", 13), ("S01-P1", PLATE, -5), ("S01-P1", PLATE, 7200),
    )  # fmt: skip
    assert watch(rows) == 1
    assert watch(rows) == 0  # told again, it is the same hit
    (one,) = list_lookouts(house, PURPOSE)
    assert [(hit.read, hit.camera_id, hit.how) for hit in one.hits] == [(PLATE, "S01-P1", "exact")]
    assert Watch(house, "VA-2")(rows) == 0


def test_a_near_read_says_what_speaks_against_it(house: Workbench) -> None:
    approved(house)
    Watch(house, "VA-1")(seen(("S01-P1", "99B1-128.45", 10)))
    (one,) = list_lookouts(house, PURPOSE)
    (hit,) = one.hits
    said = [text.format(**values) for text, values in evidence(hit)]
    assert said == [
        "for: read nearly as asked",
        "probability that every sign is read right: 0.90",
        "against: sign 7 is read as 8, asked is 3",
    ]


@pytest.mark.parametrize("probability", [1.0, 0.999])
def test_no_probability_is_shown_as_certain(house: Workbench, probability: float) -> None:
    one = approved(house)
    rows = [
        {
            "camera_id": "S01-P1", "plate": PLATE, "plate_score": probability,
            "utc_ns": NOW + SECOND_NS, "sigma_s": 1.0, "kind": "motorcycle",
        }
    ]  # fmt: skip
    (hit,) = hits_among(one, rows, found_ns=NOW)
    assert "0.99" in " ".join(text.format(**values) for text, values in evidence(hit))


@pytest.mark.parametrize(
    ("ask", "kind", "says"),
    [
        ({"plate": "99"}, BadInput, "too little"),
        ({"plate": "99B1*"}, BadInput, "too little"),
        ({"plate": "99B1-12_45"}, BadInput, "has no '_'"),
        ({"cameras": ()}, Refused, "names its cameras"),
        ({"cameras": ("S03-P1",)}, Refused, "does not allow camera"),
        ({"until_ns": NOW}, Refused, "an end that is still to come"),
        ({"until_ns": NOW + 49 * HOUR}, Refused, "is outside"),
        ({"purpose": Purpose("VA-1", " ")}, Refused, "a reason is missing"),
        ({"purpose": Purpose("", "x")}, Refused, "belong to a case"),
    ],
)
def test_an_unbounded_lookout_is_refused_and_nothing_is_kept(
    house: Workbench, ask: dict[str, Any], kind: type[Exception], says: str
) -> None:
    facts: dict[str, Any] = {
        "plate": PLATE,
        "cameras": CAMERAS[:1],
        "until_ns": NOW + HOUR,
        "purpose": PURPOSE,
    }
    facts |= ask
    with pytest.raises(kind, match=says):
        ask_lookout(house, **facts)
    assert Lookouts(house.root).all() == []
    assert any(entry.action.startswith("lookout.ask.refused") for entry in house.audit())


def test_nobody_approves_what_they_asked_for(house: Workbench) -> None:
    asked = ask_lookout(house, PLATE, CAMERAS[:1], NOW + HOUR, PURPOSE)
    with pytest.raises(Refused, match="asks for a lookout and approves it"):
        approve_lookout(house.as_actor(" AN "), asked.lookout_id, PURPOSE)
    approve_lookout(house.as_actor("binh"), asked.lookout_id, PURPOSE)
    with pytest.raises(Refused, match="is approved, by binh"):
        approve_lookout(house.as_actor("chi"), asked.lookout_id, PURPOSE)


def test_of_people_on_the_list_only_an_approver_approves(house: Workbench) -> None:
    for name, role in (("an", "investigator"), ("binh", "investigator"), ("chi", "approver")):
        add_person(house.as_actor("root"), name, [role], "mật khẩu đủ dài 12")
    asked = ask_lookout(house, PLATE, CAMERAS[:1], NOW + HOUR, PURPOSE)
    with pytest.raises(Refused, match="none of the roles"):
        approve_lookout(house.as_actor("binh"), asked.lookout_id, PURPOSE)
    with pytest.raises(Refused, match="not on the list of people"):
        approve_lookout(house.as_actor("root"), asked.lookout_id, PURPOSE)
    with pytest.raises(Refused, match="none of the roles"):
        switch_lookouts(house.as_actor("binh"), False, "thử")
    with pytest.raises(Refused, match="none of the roles"):
        ask_lookout(house.as_actor("chi"), PLATE, CAMERAS[:1], NOW + HOUR, PURPOSE)
    assert approve_lookout(house.as_actor("chi"), asked.lookout_id, PURPOSE).approved_by == "chi"


def test_the_switch_stops_all_at_once_and_is_logged(house: Workbench) -> None:
    approved(house)
    with pytest.raises(BadInput, match="a reason is missing"):
        switch_lookouts(house, False, " ")
    switch_lookouts(house, False, "lệnh của tòa")
    assert Watch(house, "VA-1")(seen(("S01-P1", PLATE, 10))) == 0
    switch_lookouts(house, True, "được phép lại")
    assert Watch(house, "VA-1")(seen(("S01-P1", PLATE, 20))) == 1
    assert [e.action for e in house.audit() if e.subject == "lookouts"] == [
        "lookout.off", "lookout.on",
    ]  # fmt: skip


def test_a_switch_that_cannot_be_read_is_off(house: Workbench) -> None:
    approved(house)
    (house.root / "lookouts" / "switch.json").write_text("{")
    assert Watch(house, "VA-1")(seen(("S01-P1", PLATE, 10))) == 0


def _time(house: Workbench, clock: Clock) -> None:
    clock.ns = NOW + 8 * HOUR


def _closing(house: Workbench, clock: Clock) -> None:
    house.close_case("VA-1", "xong")


def _ending(house: Workbench, clock: Clock) -> None:
    (one,) = list_lookouts(house, PURPOSE)
    end_lookout(house, one.lookout_id, PURPOSE)


@pytest.mark.parametrize("over", [_time, _closing, _ending])
def test_at_its_end_nothing_of_it_is_left_but_counts_in_the_log(
    house: Workbench, clock: Clock, over: Callable[[Workbench, Clock], None]
) -> None:
    approved(house)
    Watch(house, "VA-1")(seen(("S01-P1", PLATE, 10), ("S01-P1", PLATE, 20)))
    (one,) = list_lookouts(house, PURPOSE)
    decide_hit(house, one.hits[0].hit_id, "does not", PURPOSE, note="xe khác màu")
    over(house, clock)
    assert Watch(house, "VA-1")(seen(("S01-P1", PLATE, 30))) == 0
    assert list((house.root / "lookouts").iterdir()) == []
    (end,) = [entry for entry in house.audit() if entry.action == "lookout.end"]
    told = json.loads(end.details)
    assert (told["hits"], told["not looked at"], told["does not"]) == (2, 1, 1)


def test_a_decision_names_who_decided_and_can_be_changed(house: Workbench) -> None:
    approved(house)
    Watch(house, "VA-1")(seen(("S01-P1", PLATE, 10)))
    ((hit,),) = [one.hits for one in list_lookouts(house, PURPOSE)]
    decide_hit(house.as_actor("chi"), hit.hit_id, "cannot tell", PURPOSE)
    decided = decide_hit(house, hit.hit_id, "concerns the case", PURPOSE, note="đúng xe")
    assert (decided.verdict, decided.decided_by) == ("concerns the case", "an")
    before = [
        json.loads(e.details)["before"] for e in house.audit() if e.action == "lookout.decide"
    ]
    assert before == ["", "cannot tell"]
    with pytest.raises(BadInput, match="is no verdict"):
        decide_hit(house, hit.hit_id, "khớp", PURPOSE)
    with pytest.raises(BadInput, match="has no hit"):
        decide_hit(house, "nothing", "does not", PURPOSE)


def test_another_case_reaches_neither_lookout_nor_hits(house: Workbench) -> None:
    one = approved(house)
    Watch(house, "VA-1")(seen(("S01-P1", PLATE, 10)))
    ((hit,),) = [found.hits for found in list_lookouts(house, PURPOSE)]
    house.open_case(Case("VA-2", "Khác", "QĐ 9", "khác", Span(NOW, NOW + HOUR), CAMERAS))
    other = Purpose("VA-2", "xem")
    assert list_lookouts(house, other) == []
    with pytest.raises(Refused, match="belongs to another case"):
        end_lookout(house, one.lookout_id, other)
    with pytest.raises(BadInput, match="has no hit"):
        decide_hit(house, hit.hit_id, "does not", other)


def test_a_damaged_lookout_is_named_and_finds_nothing(house: Workbench) -> None:
    one = approved(house)
    path = house.root / "lookouts" / f"{one.lookout_id}.lookout"
    path.write_text(path.read_text().replace('"plate"', '"name"'))
    with pytest.raises(Damaged, match="a lookout cannot be read"):
        list_lookouts(house, PURPOSE)


def test_the_commands_say_what_is_there_and_refuse_in_one_sentence(
    tmp_path: Path, ward_folder: Path
) -> None:
    wb = open_workbench(tmp_path / "root", actor="an", create_from=ward_folder)
    now = wb.now()
    wb.open_case(Case("VA-1", "Xe", "QĐ 12", "tìm xe", Span(now - HOUR, now + HOUR), CAMERAS))
    under = ["--case", "VA-1", "--reason", "tìm xe"]
    asked = ask_lookout(wb, PLATE, ["S01-P1"], now + HOUR, PURPOSE)
    run = CliRunner()

    def say(*words: str) -> str:
        done = run.invoke(app, ["lookout", words[0], str(wb.root), *words[1:]])
        return done.output if done.exception is None else str(done.exception)

    assert "not approved; 0 hits" in say("list", *under)
    assert "approved by" in say("approve", asked.lookout_id, *under)
    Watch(wb, "VA-1")(sightings_table([sighting_row(0, "S01-P1", plate=PLATE, utc_ns=wb.now())]))
    told = say("hits", *under)
    assert f"{PLATE} -> {PLATE}  S01-P1" in told
    assert "for: read sign for sign as asked" in told
    assert "không" not in told
    hit = told.split()[0]
    assert "does not" in say("decide", hit, "does not", *under)
    assert "switched off" in say("off", "--reason", "thử")
    assert "switched off: " in say("list", *under)
    assert "1 hits deleted" in say("end", asked.lookout_id, *under)
    assert "\nnone\ncase VA-1: Xe; legal basis: QĐ 12; reason: tìm xe\n" in say("list", *under)
