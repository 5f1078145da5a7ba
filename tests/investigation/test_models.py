"""The register of models: listed, compared, switched on, and every way that must not go."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from make.face_pack import put_pack
from make.own_models import (
    DETECTOR_TESTS,
    entry_of,
    mean_colours,
    put_float_detector,
    put_model,
    put_shipped_detector,
    write_manifest,
)
from make.scenes import Mover, draw, film
from typer.testing import CliRunner

from workbench import recognition
from workbench.cli import app
from workbench.errors import BadInput, Damaged, Refused, WorkbenchError
from workbench.investigation import (
    Workbench,
    by_likeness,
    compare_model,
    list_models,
    models,
    open_workbench,
    running,
    use_model,
    use_shipped,
)
from workbench.investigation.models import likeness_in_use, models_in_use
from workbench.recognition.faces.encoder import open_face_encoder
from workbench.recognition.models import weights
from workbench.records import Case, FaceAuthority, Purpose
from workbench.store import Store
from workbench.store.choices import ModelChoices
from workbench.timeline import SECOND_NS, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START_NS, START_NS + 3600 * SECOND_NS)
LIKENESS = [
    {"input": "car:red+car:red~mirrored", "expected": 1.0, "tolerance": 0.001},
    {"input": "car:red+car:blue", "expected": 0.7, "tolerance": 0.29},
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    movers = [Mover(first, first + 22, (30, 120), (290, 120)) for first in (4, 40, 80)]
    path = tmp_path_factory.mktemp("clips") / "one.mp4"
    return film(path, [draw(k, movers) for k in range(120)])


@pytest.fixture
def wb(tmp_path: Path, ward_folder: Path, clip: Path) -> Workbench:
    """A root with one searched file of one camera, and no model of its own."""
    made = open_workbench(tmp_path / "root", actor="thu", create_from=ward_folder)
    made.ingest(clip, next(iter(made.ward.cameras)), START_NS)
    return made


@pytest.fixture
def searched(wb: Workbench) -> Workbench:
    wb.recognise(workers=0)
    return wb


def models_of(wb: Workbench) -> Path:
    return ModelChoices(wb.root).folder


def rows(wb: Workbench) -> list[dict[str, Any]]:
    return Store.open(wb.root).sightings().to_pylist()  # type: ignore[no-any-return]


def in_use(wb: Workbench) -> set[str]:
    return {one.name for one in list_models(wb.root) if one.in_use}


def test_what_is_shipped_is_listed_with_what_is_in_use() -> None:
    found = {one.name: one for one in list_models()}
    assert {one.state for one in found.values()} == {"ready"}
    assert all(one.shipped and one.licence and one.source and one.card for one in found.values())
    idle = {name for name, one in found.items() if not one.in_use}
    assert idle == {"vn-plates-easyocr"}


def test_a_model_is_compared_then_used_then_named_by_rows(searched: Workbench) -> None:
    wb, before = searched, rows(searched)
    put_shipped_detector(models_of(wb))
    assert "ssd-again" not in in_use(wb)
    found = compare_model(wb, "ssd-again")
    assert (found.task, found.replaces) == ("objects", "ssd-mobilenet-v2-coco-int8")
    assert not any(one.changed for one in found.drawn)
    assert [one.input for one in found.drawn][:2] == ["grey-field", "portrait"]
    footage = found.footage
    assert (footage.stretches, footage.changes) == (1, ())
    assert footage.passes_before == footage.passes_after == len(before)
    assert footage.cpu_before_s > 0
    use_model(wb, "ssd-again")
    assert "ssd-again" in in_use(wb)
    assert "ssd-mobilenet-v2-coco-int8" not in in_use(wb)
    assert [entry.action for entry in wb.audit()][-2:] == ["models.compare", "models.use"]
    assert wb.recognise(workers=0).done == 1
    after = rows(wb)
    assert {row["model_ref"].split("@")[0] for row in after} == {"ssd-again"}
    assert len(after) == len(before)
    # the last search counts; going back needs no search and no comparison
    assert use_shipped(wb) == ["ssd-again"]
    assert wb.recognise(workers=0).skipped == 1
    assert rows(wb) == before
    assert wb.verify() == []


def test_what_changes_is_shown_before_it_is_switched_on(searched: Workbench) -> None:
    put_float_detector(models_of(searched))
    found = compare_model(searched, "ssd-float", jobs=0)
    said = {one.input: one for one in found.drawn}
    assert (said["grey-field"].before, said["grey-field"].after) == ("[]", "[]")
    assert json.loads(said["portrait"].after)[0][0] == "person"
    assert said["portrait"].before != said["portrait"].after
    assert found.after_ms > found.before_ms  # sums of 32 bits against sums of 8
    assert found.footage.stretches == 0
    use_model(searched, "ssd-float")
    assert "ssd-float@" in recognition.model_ref(
        running.with_models_in_use(searched)  # what a run takes
    )


def test_worker_processes_use_it_too(searched: Workbench) -> None:
    put_shipped_detector(models_of(searched))
    compare_model(searched, "ssd-again", jobs=0)
    use_model(searched, "ssd-again")
    summary = searched.recognise(workers=1)
    assert summary.failed == ()
    assert {row["model_ref"].split("@")[0] for row in rows(searched)} == {"ssd-again"}


def test_nothing_is_switched_on_that_was_not_compared(wb: Workbench) -> None:
    put_shipped_detector(models_of(wb))
    with pytest.raises(Refused, match="was not compared"):
        use_model(wb, "ssd-again")
    assert models_in_use(wb) == ()


def test_other_weights_under_the_same_name_were_not_compared(wb: Workbench) -> None:
    folder = put_shipped_detector(models_of(wb))
    compare_model(wb, "ssd-again")
    graph = folder / "ssd-mobilenet-v2-coco-int8.onnx"
    good = graph.read_bytes()
    graph.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(Damaged, match="not the one in the list"):
        use_model(wb, "ssd-again")
    put_model(models_of(wb), "ssd-again", "objects", {"graph": graph_of(wb, good)}, DETECTOR_TESTS)
    with pytest.raises(Refused, match="was not compared"):
        use_model(wb, "ssd-again")
    assert in_use(wb) == in_use(open_workbench(wb.root, actor="minh"))
    assert models_in_use(wb) == ()


def graph_of(wb: Workbench, data: bytes) -> Path:
    """Return a network that works as well and is another file: it says something of itself."""
    path = wb.root.parent / "other.onnx"
    network = onnx.load_from_string(data)
    network.doc_string = "another"
    onnx.save(network, path)
    return path


def test_a_comparison_with_what_is_no_longer_in_use_does_not_count(wb: Workbench) -> None:
    put_shipped_detector(models_of(wb))
    put_shipped_detector(models_of(wb), "ssd-more")
    for name in ("ssd-again", "ssd-more"):
        compare_model(wb, name)
    use_model(wb, "ssd-again")
    with pytest.raises(Refused, match="was not compared"):
        use_model(wb, "ssd-more")
    assert compare_model(wb, "ssd-more").replaces == "ssd-again"
    use_model(wb, "ssd-more")
    assert {"ssd-more"} == {one.name for one in models_in_use(wb)}


def test_a_switch_by_somebody_else_meanwhile_is_not_undone(
    wb: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ssd-again", "ssd-more"):
        put_shipped_detector(models_of(wb), name)
        compare_model(wb, name)
    real = models._compared

    def slow(*args: Any) -> bool:
        monkeypatch.setattr(models, "_compared", real)
        use_model(wb.as_actor("minh"), "ssd-more")
        return real(*args)

    monkeypatch.setattr(models, "_compared", slow)
    with pytest.raises(Refused, match="somebody else has switched"):
        use_model(wb, "ssd-again")
    assert [one.name for one in models_in_use(wb)] == ["ssd-more"]
    assert [e.subject for e in wb.audit() if e.action == "models.use"] == ["ssd-more"]


def test_a_switch_that_cannot_be_logged_does_not_happen(
    wb: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_shipped_detector(models_of(wb))
    compare_model(wb, "ssd-again")

    def full(*_args: Any, **_more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Workbench, "_log", full)
    with pytest.raises(OSError, match="No space"):
        use_model(wb, "ssd-again")
    assert models_in_use(wb) == ()


@pytest.mark.parametrize("licence", ["not stated", "", "Unknown", " - "])
def test_no_model_without_a_named_licence_is_switched_on(wb: Workbench, licence: str) -> None:
    put_shipped_detector(models_of(wb), licence=licence)
    compare_model(wb, "ssd-again")
    with pytest.raises(Refused, match="names no licence"):
        use_model(wb, "ssd-again")


def test_a_model_that_fails_its_self_test_is_neither_compared_nor_used(wb: Workbench) -> None:
    folder = put_shipped_detector(models_of(wb))
    wrong = [DETECTOR_TESTS[0], DETECTOR_TESTS[1] | {"expected": [["car", 0.7]]}]
    write_manifest(folder, entry_of(folder) | {"self_tests": wrong})
    for verb in (compare_model, use_model):
        with pytest.raises(Refused, match="does not pass its self-test"):
            verb(wb, "ssd-again")


@pytest.mark.parametrize("name", ["../ward", "ssd-mobilenet-v2-coco-int8", "easyocr-craft", "x"])
def test_what_cannot_be_compared_is_one_sentence(wb: Workbench, name: str) -> None:
    for verb in (compare_model, use_model):
        with pytest.raises(BadInput):
            verb(wb, name)


def test_a_model_gone_or_altered_after_its_switch_stops_runs_with_a_sentence(
    wb: Workbench,
) -> None:
    folder = put_shipped_detector(models_of(wb))
    compare_model(wb, "ssd-again")
    use_model(wb, "ssd-again")
    entry = entry_of(folder)
    write_manifest(folder, entry | {"files": {"graph": entry["files"]["graph"] | {
        "sha256": "0" * 64}}})  # fmt: skip
    with pytest.raises(Damaged, match="not the one that was switched on"):
        wb.recognise(workers=0)
    (listed,) = [one for one in list_models(wb.root) if one.name == "ssd-again"]
    assert (listed.state, listed.in_use) == ("altered", False)
    write_manifest(folder, entry)
    graph = folder / "ssd-mobilenet-v2-coco-int8.onnx"
    graph.write_bytes(b"\0" + graph.read_bytes()[1:])
    with pytest.raises(Damaged, match="not the one in the list"):
        wb.estimate()
    use_shipped(wb)
    assert wb.recognise(workers=0).failed == ()


def test_an_unreadable_choice_is_said_and_shipped_mends_it(wb: Workbench) -> None:
    models_of(wb).mkdir()
    for text in ("", "{", "[]", '{"form": 2, "use": {}}', '{"form": 1, "use": {"objects": 3}}'):
        (models_of(wb) / "in-use.json").write_text(text)
        with pytest.raises(Damaged, match="cannot be read"):
            wb.estimate()
    with pytest.raises(Damaged):
        use_shipped(wb, "objects")
    with pytest.raises(BadInput, match="cannot be exchanged"):
        use_shipped(wb, "pictures")
    use_shipped(wb)
    assert wb.estimate().jobs == 1


def test_a_likeness_network_is_taken_from_the_register(searched: Workbench) -> None:
    wb = searched
    graph = mean_colours(wb.root.parent / "like.onnx")
    put_model(models_of(wb), "paint", "vehicle likeness", {"graph": graph}, LIKENESS)
    wb.open_case(Case("HS-1", "x", "x", "x", PERIOD))
    purpose = Purpose("HS-1", "which looks alike")
    passes = wb.sightings(purpose)
    with pytest.raises(BadInput, match="switched on"):
        by_likeness(wb, passes, passes.iloc[0], None, purpose)
    ref = recognition.model_ref(running.with_models_in_use(wb))
    found = compare_model(wb, "paint")
    assert (found.replaces, found.footage.stretches) == ("", 0)
    use_model(wb, "paint")
    assert likeness_in_use(wb).name == "like.onnx"
    ranked = by_likeness(wb, passes, passes.iloc[0], None, purpose)
    assert ranked["likeness"].iloc[0] == pytest.approx(1, abs=1e-5)
    # rows hold nothing of it, and nothing is searched again
    assert recognition.model_ref(running.with_models_in_use(wb)) == ref
    assert wb.recognise(workers=0).skipped == 1


def test_a_licensed_face_pack_is_switched_on_as_a_whole(wb: Workbench, tmp_path: Path) -> None:
    put_pack(models_of(wb), "bought", tmp_path / "made")
    found = compare_model(wb, "bought", jobs=0)
    assert found.replaces == "centerface"
    said = {one.input: one for one in found.drawn}
    assert said["portrait"].changed is False
    assert said["portrait+portrait~mirrored"].changed
    use_model(wb, "bought")
    settings = running.with_models_in_use(wb)
    assert "bought@" in recognition.model_ref(settings)
    leave = FaceAuthority(
        "01/2026", "thu", "minh", "the one who left the van", ("C01",),
        PERIOD, START_NS, START_NS + 3600 * SECOND_NS,
    )  # fmt: skip
    encoder = open_face_encoder(leave, now_ns=START_NS, settings=settings.models)
    assert encoder.ref.startswith("bought@")
    assert encoder.destroy() == 0
    # a network slipped into the folder afterwards is loaded by nobody
    (models_of(wb) / "bought" / "more.onnx").write_bytes((tmp_path / "made/rec.onnx").read_bytes())
    with pytest.raises(BadInput, match="not in the manifest"):
        wb.estimate()


def test_another_reader_of_lines_takes_the_place_of_the_shipped_one(wb: Workbench) -> None:
    card = weights.read_manifest()["pp-ocrv6-rec-small"]
    tests = [
        {"input": "grey-field", "expected": {"plates": []}, "tolerance": 0},
        {"input": "plate:51F-678.90", "expected": {"plates": ["51F-678.90"]}, "tolerance": 0},
    ]
    graph = {"graph": weights.locate(card, "graph")}
    put_model(models_of(wb), "lines", "text reading", graph, tests)
    found = compare_model(wb, "lines", jobs=0)
    assert not any(one.changed for one in found.drawn)
    assert any("99B1-123.45" in one.after for one in found.drawn)
    use_model(wb, "lines")
    assert "lines@" in running.plan(wb, None, None, purpose=None).model_ref
    assert wb.recognise(workers=0).failed == ()


@pytest.mark.slow
def test_our_own_reader_can_take_the_place_of_the_shipped_one(wb: Workbench) -> None:
    found = compare_model(wb, "vn-plates-easyocr", jobs=0)
    said = {one.input: json.loads(one.after) for one in found.drawn}
    assert said["grey-field"] == {"plates": []}
    assert said["plate:99-B1/123.45"] == {"plates": ["99B1-123.45"]}
    use_model(wb, "vn-plates-easyocr")
    assert "pp-ocrv6-rec-small" not in in_use(wb)
    assert wb.recognise(workers=0).failed == ()
    assert "vn-plates-easyocr@" in running.plan(wb, None, None, purpose=None).model_ref


def test_the_command_line_says_each_of_it(
    searched: Workbench, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    root = searched.root
    put_shipped_detector(models_of(searched))
    listed = cli("models", "list", str(root))
    assert listed.exit_code == 0
    assert "+ ssd-mobilenet-v2-coco-int8  objects  shipped, ready" in listed.output
    assert "  ssd-again  objects  own, ready" in listed.output
    out = tmp_path / "compared.json"
    compared = cli("models", "compare", str(root), "ssd-again", "--json", str(out))
    assert compared.exit_code == 0, compared.output
    assert "nothing changes" in compared.output
    assert json.loads(out.read_text())["footage"]["stretches"] == 1
    used = cli("models", "use", str(root), "ssd-again")
    assert "ssd-again is in use for objects" in used.output
    assert "+ ssd-again" in cli("models", "list", str(root)).output
    back = cli("models", "use", str(root), "--shipped")
    assert "switched off: ssd-again" in back.output
    for words in (("use", str(root)), ("use", str(root), "ssd-again", "--shipped"),
                  ("use", str(root), "x", "--task", "objects")):  # fmt: skip
        assert isinstance(cli("models", *words).exception, WorkbenchError)


@pytest.fixture
def cli() -> Callable[..., Any]:
    return lambda *words: CliRunner().invoke(app, list(words))
