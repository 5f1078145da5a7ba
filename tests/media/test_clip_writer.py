"""Clips we write: the PTS given are the PTS in the file; half a clip is never seen."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from make.clips import paint_number, read_number

from workbench import media


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("tick", [Fraction(1, 90_000), Fraction(1, 1000), Fraction(1, 10)])
def test_frames_and_times_come_back(tmp_path: Path, bframes: int, tick: Fraction) -> None:
    step = max(1, int(Fraction(1, 10) / tick))
    pts = [step * (i + i // 7) for i in range(30)]
    path = tmp_path / "clip.mp4"
    with media.ClipWriter(path, 160, 96, time_base=tick, gop=10, bframes=bframes) as clip:
        for number, at in enumerate(pts):
            clip.write(paint_number(number), at)
        assert not path.exists()
    facts, index = media.index_packets(path)
    since_start_s = [(p - int(index.pts[0])) * facts.time_base for p in index.pts.tolist()]
    assert since_start_s == [p * tick for p in pts]
    assert facts.notes == ()
    assert np.flatnonzero(index.is_key).tolist() == [0, 10, 20]
    found = [read_number(media.to_rgb(f)) for _, f in media.decode(path, index, 0, 30)]
    assert found == list(range(30))
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_failed_clip_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"before")
    clip = media.ClipWriter(path, 160, 96, time_base=Fraction(1, 10))
    clip.write(paint_number(0), 0)
    clip.__exit__(RuntimeError, RuntimeError("stop"), None)
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_times_must_increase_and_sizes_be_even(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="even"):
        media.ClipWriter(tmp_path / "a.mp4", 161, 96, time_base=Fraction(1, 10))
    with media.ClipWriter(tmp_path / "a.mp4", 160, 96, time_base=Fraction(1, 10)) as clip:
        clip.write(paint_number(0), 3)
        with pytest.raises(ValueError, match="PTS 3 after 3"):
            clip.write(paint_number(1), 3)
