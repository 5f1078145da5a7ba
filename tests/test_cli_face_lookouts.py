"""`workbench lookout` for a face from request to verdicts, and each wrong input in one sentence."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from make.face_hits import find
from make.walkers import portrait

from workbench.cli import main
from workbench.investigation import open_workbench
from workbench.records import Case
from workbench.timeline import SECOND_NS, Span, format_utc

OF_CASE = ("--case", "HS-1", "--reason", "the one who left the van")
HOUR = 3600 * SECOND_NS
Said = Callable[..., tuple[int, str]]


@pytest.fixture
def root(tmp_path: Path, ward_folder: Path) -> Path:
    made = open_workbench(tmp_path / "root", actor="thu", create_from=ward_folder)
    period = Span(made.now() - HOUR, made.now() + 9 * HOUR)
    made.open_case(Case("HS-1", "The grey van", "Decision 12", "find who left it", period))
    return tmp_path / "root"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    def call(actor: str, *words: object) -> tuple[int, str]:
        for module in ("lookouts", "face_lookouts"):
            monkeypatch.setattr(f"workbench.cli.{module}.account", lambda: actor)
        monkeypatch.setattr(sys, "argv", ["workbench", "lookout", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    return call


def test_a_face_from_request_to_verdicts_and_its_end(
    root: Path, tmp_path: Path, said: Said
) -> None:
    photograph = tmp_path / "portrait.png"
    cv2.imwrite(str(photograph), portrait()[:, :, ::-1])
    wb = open_workbench(root, actor="thu")
    until = format_utc(wb.now() + 2 * HOUR)
    asked = ("face", root, photograph, "--cameras", "S01-P1", "--until", until, *OF_CASE)
    code, text = said("thu", *asked)
    assert code == 3
    assert "lookouts for faces are off on this root" in text
    assert "off on this root" in said("thu", "faces", root)[1]
    assert said("minh", "faces", root, "on", "--reason", "order 7")[0] == 0
    code, text = said("thu", *asked)
    assert code == 0
    assert "portrait.png  usable" in text
    assert "candidates from score 0.60; of 1000 other people as high: not calibrated here" in text
    assert text.endswith("legal basis: Decision 12; reason: the one who left the van\n")
    (lookout,) = set(re.findall(r"CM-[0-9a-f]{10}", text))
    assert said("thu", "approve", root, lookout, *OF_CASE)[0] == 3
    assert "waits for approval" in said("thu", "list", root, *OF_CASE)[1]
    assert said("minh", "approve", root, lookout, *OF_CASE)[0] == 0
    assert find(wb, lookout, 1, 2) == 2
    out = tmp_path / "pictures"
    code, text = said("thu", "hits", root, *OF_CASE, "--out", out)
    assert code == 0
    assert "against: weak, 50 px, 2 pictures of the pass" in text
    assert "against: it is 30 px across; 40 are wanted" in text
    assert "score" not in text.replace("scores", "")
    assert len(list(out.iterdir())) == 3
    candidate, other = (line.split()[0] for line in text.splitlines() if "  S01-P1  " in line)
    assert "read by 1 of 2" in said("thu", "read", root, candidate, "excludes", *OF_CASE)[1]
    assert "read by you, 1 of 2" in said("thu", "hits", root, *OF_CASE)[1]
    assert said("minh", "read", root, candidate, "supports", *OF_CASE)[0] == 0
    code, text = said("thu", "hits", root, *OF_CASE)
    assert "score 0.70 (operating 0.60)  likelihood ratio: not calibrated here" in text
    assert "thu: excludes; minh: supports  READERS DISAGREE" in text
    for words in (
        ("read", root, other, "same", *OF_CASE),
        ("read", root, "nothing", "excludes", *OF_CASE),
        ("approve", root, "CM-../../x", *OF_CASE),
        ("end", root, "CM-0000000000", *OF_CASE),
        ("faces", root, "half", "--reason", "why"),
        ("faces", root, "off", "--reason", " "),
        ("hits", root, *OF_CASE, "--out", out),
        ("face", root, tmp_path / "none.png", *asked[3:]),
        ("face", root, __file__, *asked[3:]),
        ("face", root, *asked[3:]),
        ("face", root, photograph, "--cameras", "XX", *asked[5:]),
        ("face", root, photograph, "--cameras", "S01-P1", "--until", "tomorrow", *OF_CASE),
    ):
        code, told = said("thu", *words)
        assert code == 2, (words, told)
        assert len(told.strip().splitlines()) <= 3, told
        assert "Traceback" not in told
    assert said("minh", "off", root, "--reason", "a complaint")[0] == 0
    assert "lookouts were switched off by minh" in said("thu", *asked)[1]
    code, told = said("thu", "end", root, lookout, *OF_CASE)
    assert "its photographs and 1 candidates deleted, 1 that were read stay" in told
    assert "ended" in said("thu", "list", root, *OF_CASE)[1]
    assert not re.search(r"match|khớp", text + told, re.IGNORECASE)
    assert wb.verify() == []
