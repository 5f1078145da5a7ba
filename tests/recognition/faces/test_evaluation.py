"""The figures on labelled photographs, and that few people are never called a calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.recognition.faces.evaluation import Labelled, evaluate_faces, known_pairs
from workbench.recognition.types import Face
from workbench.records import Box

FACE = Face(Box(0, 0, 9, 9), 1.0, np.zeros((5, 2), np.float32))


class _Score:
    def score(self, other: object) -> float:
        return 0.5


def test_two_faces_of_different_groups_are_no_pair() -> None:
    picture = np.zeros((9, 9, 3), np.uint8)
    faces = [
        Labelled(photograph, person, picture, FACE)
        for photograph, person in
        [("1", "A"), ("2", "A"), ("3", "B"), ("g1", ""), ("g1", ""), ("g2", "")]
    ]  # fmt: skip
    pairs = known_pairs(faces, [_Score()] * 6)  # type: ignore[list-item]
    assert sum(pair.same for pair in pairs) == 1
    assert sum(not pair.same for pair in pairs) == 3  # A-B twice, and g1's two faces
    group = next(pair for pair in pairs if pair.one.startswith("g1"))
    assert group.one != group.other


@pytest.mark.footage
def test_who_is_photographed_twice_is_found_first_from_40_px(footage: Path) -> None:
    figures = evaluate_faces(footage, quick=True)
    assert figures["rank-1"]["searches"] == 40
    assert figures["rank-1"]["share"] == 1.0
    scores = figures["scores"]
    assert scores["same person"]["least"] > scores["different people with labels"]["most"]
    calibration = figures["calibration"]
    low, high = calibration["interval 95 %, over people"]
    assert low <= calibration["Cllr, people left out"] <= high
    assert calibration["calibrated"] is False
    assert figures["people with two or more photographs"] == 4
    assert figures["embeddings destroyed"] == 51
