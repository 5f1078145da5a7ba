from __future__ import annotations

import pytest

from workbench.errors import Unavailable
from workbench.recognition.faces import finding
from workbench.recognition.models import doctor, samples, weights
from workbench.recognition.types import ModelSettings


def test_every_model_is_loaded_and_passes_its_self_test():
    seen = []
    reports = doctor.examine(clock=False, environment={}, on_report=seen.append)
    assert seen == reports
    assert {r.name: r.state for r in reports} == {
        "ssd-mobilenet-v2-coco-int8": "ready",
        "centerface": "ready",
        "faceplugin-fr": "ready",
        "pp-ocrv6-det-small-int8": "ready",
        "pp-ocrv6-rec-small": "ready",
        doctor.FACE_PACK: "not used",
    }
    assert all(r.ok and r.remedy is None for r in reports)
    assert all(r.licence and r.training_data and r.card for r in reports)


def test_a_missing_model_is_a_report_with_its_remedy(monkeypatch):
    def missing(card, key):
        if card.name == "pp-ocrv6-rec-small":
            raise weights._missing(card, weights._place(card, card.files[key]))
        return real(card, key)

    real = weights.locate
    monkeypatch.setattr(weights, "locate", missing)
    by_name = {r.name: r for r in doctor.examine(clock=False, environment={})}
    lost, partner = by_name["pp-ocrv6-rec-small"], by_name["pp-ocrv6-det-small-int8"]
    assert (lost.state, partner.state) == ("missing", "failed")
    assert "rapidocr==3.10.0" in str(lost.remedy)
    assert by_name["centerface"].ok


def test_a_model_that_says_something_else_fails(monkeypatch):
    other = samples.drawn_plate(("11-A1", "111.11"))
    monkeypatch.setattr(samples, "drawn_plate", lambda lines: other)
    by_name = {r.name: r for r in doctor.examine(clock=False, environment={})}
    assert by_name["pp-ocrv6-rec-small"].state == "failed"
    assert "11A1-111.11" in by_name["pp-ocrv6-rec-small"].said
    assert isinstance(by_name["pp-ocrv6-rec-small"].remedy, Unavailable)


def test_a_model_that_raises_is_a_report(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no such operator\nand a long tale")

    monkeypatch.setattr(finding, "open_face_finder", broken)
    by_name = {r.name: r for r in doctor.examine(clock=False, environment={})}
    assert by_name["centerface"].state == "failed"
    assert "no such operator" in str(by_name["centerface"].remedy)
    assert "long tale" not in str(by_name["centerface"].remedy)


def test_a_face_pack_shows_its_licence_and_a_bad_one_its_remedy(tmp_path):
    pack = doctor.examine(ModelSettings(face_pack=str(tmp_path)), clock=False, environment={})[-1]
    assert (pack.state, pack.ok) == ("missing", False)
    (tmp_path / "det.onnx").write_bytes(b"not a network")
    pack = doctor.examine(ModelSettings(face_pack=str(tmp_path)), clock=False, environment={})[-1]
    assert (pack.state, pack.licence) == ("failed", "not recorded")
    assert "cannot be loaded" in str(pack.remedy)


def test_a_pack_named_the_old_way_is_said_to_be_unused(tmp_path):
    (tmp_path / "det.onnx").write_bytes(b"not a network")
    named = {weights.FACE_PACK_VARIABLE: str(tmp_path)}
    pack = doctor.examine(clock=False, environment=named)[-1]
    assert (pack.state, pack.ok) == ("not used", True)
    assert "is not read any more. Put the pack into ROOT/models" in str(pack.remedy)


def test_system_facts_name_what_is_missing():
    facts = {fact.name: fact for fact in doctor.system_facts(run=lambda command: "")}
    assert not facts["fonts with Vietnamese letters"].ok
    assert "apt-get" in facts["fonts with Vietnamese letters"].remedy
    assert facts["opencv"].ok
    shown = {f.name: f for f in doctor.system_facts(run=lambda command: "DejaVu Sans\n")}
    assert shown["fonts with Vietnamese letters"].value == "DejaVu Sans"


def test_a_reader_that_sees_plates_everywhere_fails(monkeypatch):
    plate = samples.drawn_plate()
    monkeypatch.setattr(samples, "grey_field", lambda: plate)
    monkeypatch.setattr(samples, "drawn_plate", lambda lines: plate)
    by_name = {r.name: r for r in doctor.examine(clock=False, environment={})}
    assert by_name["pp-ocrv6-rec-small"].state == "failed"
    assert by_name["pp-ocrv6-rec-small"].said.startswith('grey-field: {"plates": ["99B1-123.45"]}')


@pytest.mark.slow
def test_what_easyocr_loads_passes_its_self_test():
    reports = {r.name: r for r in doctor.examine(environment={})}
    for name in (*doctor.CLOCK_SELF_TEST, "vn-plates-easyocr"):
        assert reports[name].ok, reports[name]
