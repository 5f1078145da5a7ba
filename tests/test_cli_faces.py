"""`workbench faces` from request to verdict, and each wrong input in one sentence."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import cv2
import pytest

from workbench.cli import main
from workbench.investigation import open_workbench
from workbench.recognition.models import samples
from workbench.records import Case
from workbench.timeline import Span, parse_instant

FROM, TO = "2026-11-20T07:15:00+07:00", "2026-11-20T08:15:00+07:00"
OF_CASE = ("--case", "HS-1", "--reason", "the one who left the van")


@pytest.fixture
def root(tmp_path: Path, ward_folder: Path) -> Path:
    made = open_workbench(tmp_path / "root", actor="thu", create_from=ward_folder)
    period = Span(parse_instant(FROM), parse_instant(TO))
    made.open_case(Case("HS-1", "The grey van", "Decision 12", "find who left it", period))
    return tmp_path / "root"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def call(actor: str, *words: object) -> tuple[int, str]:
        monkeypatch.setattr("workbench.cli.faces.account", lambda: actor)
        monkeypatch.setattr(sys, "argv", ["workbench", "faces", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out + told.err

    return call


def test_faces_from_request_to_results(root: Path, tmp_path: Path, said) -> None:
    photograph = tmp_path / "portrait.png"
    cv2.imwrite(str(photograph), samples.portrait()[:, :, ::-1])
    camera = next(iter(open_workbench(root, actor="thu").ward.cameras))
    bounds = ("--cameras", camera, "--from", FROM, "--to", TO)
    code, text = said("thu", "ask", root, photograph, *OF_CASE, *bounds)
    assert code == 0
    assert "0 passes in 0.00 h of footage" in text
    assert "not calibrated here" in text
    request = re.search(r"KM-[0-9a-f]{10}", text)[0]
    assert said("thu", "approve", root, request, "--reason", "needed")[0] == 3
    assert said("thu", "run", root, request)[0] == 3
    assert said("minh", "approve", root, request, "--reason", "needed")[0] == 0
    code, text = said("thu", "run", root, request, "--workers", "0")
    assert code == 0
    assert "0 candidates of 0 passes" in text
    out = tmp_path / "pictures"
    code, text = said("thu", "candidates", root, request, *OF_CASE, "--out", out)
    assert code == 0
    assert "read by 0 of 2" in text
    assert [one.name for one in out.iterdir()] == ["asked-1.jpg"]
    for words in (
        ("read", root, request, *OF_CASE, "--verdict", "one=excludes"),
        ("read", root, request, *OF_CASE, "--verdict", "1=excludes"),
        ("read", root, request, *OF_CASE, "--verdict", "1=excludes", "--verdict", "1=supports"),
        ("run", root, "KM-../../x"),
        ("switch", root, "half", "--reason", "why"),
        ("ask", root, tmp_path / "none.png", *OF_CASE, *bounds),
    ):
        code, text = said("thu", *words)
        assert code == 2, words
        assert len(text.strip().splitlines()) <= 3
        assert "Traceback" not in text
    assert said("minh", "switch", root, "off", "--reason", "a complaint")[0] == 0
    assert said("thu", "candidates", root, request, *OF_CASE)[0] == 3
    assert "read by 0 of 2" in said("thu", "requests", root)[1]
    assert not re.search(r"match|khớp", text, re.IGNORECASE)
    assert open_workbench(root, actor="thu").verify() == []


def test_calibrating_says_what_is_known_and_what_is_no_set(
    root: Path, tmp_path: Path, said
) -> None:
    code, text = said("thu", "calibrate", root)
    assert code == 1
    assert re.search(r"scores of \S+@\w+ are not calibrated here", text)
    few = tmp_path / "few"
    for whose in ("a", "b"):
        (few / whose).mkdir(parents=True)
        cv2.imwrite(str(few / whose / "1.png"), samples.portrait()[:, :, ::-1])
    for words in ((root, few), (root, tmp_path / "none", "--basis", "consent"),
                  (root, few, "--basis", "consent")):  # fmt: skip
        code, text = said("thu", "calibrate", *words)
        assert code == 2, text
        assert "Traceback" not in text
    assert "0 people seen twice and 1 pairs of different people, of 2 of 2 photographs" in text
