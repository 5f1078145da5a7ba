from __future__ import annotations

import itertools

import numpy as np
import pytest

from workbench import media, twin
from workbench.errors import BadInput
from workbench.twin import truth_of


def busy(scenario):
    """A plate camera and the frame on which a plate is read best there."""
    passes = truth_of(scenario).passes
    best = passes[passes["plate_visible"]].iloc[0]
    start = (best["best_utc"].value - scenario.start_ns) / 1e9
    return best, round(start * scenario.fps)


def test_same_seed_same_pixels(tables, small):
    row, number = busy(small)
    again = twin.plan(*tables, seed=5, small=True)
    one, two = (
        list(twin.frames(s, row["camera_id"], range(number, number + 2))) for s in (small, again)
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one[0] != one[1]).any()


def test_a_frame_does_not_depend_on_where_drawing_began_but_for_sprite_reuse(small):
    row, number = busy(small)
    direct = next(twin.frames(small, row["camera_id"], range(number, number + 1)))
    through = list(twin.frames(small, row["camera_id"], range(number - 2, number + 1)))[-1]
    assert np.abs(direct.astype(int) - through).mean() < 2.0


def test_a_pass_changes_the_picture_and_its_absence_does_not(small):
    row, number = busy(small)
    camera = row["camera_id"]
    first = small.passes_of(camera)[0]
    quiet = [
        n for n in range(small.frame_count)
        if all(not -8 < p.y_m(n / small.fps) < 80 for p in small.passes_of(camera))
        and all(w.at(n / small.fps) is None for w in small.walks_of(camera))
    ]  # fmt: skip
    assert first.camera_id == camera
    drawn = next(twin.frames(small, camera, range(number, number + 1)))
    if not quiet:
        pytest.skip("this camera is never quiet in the small scenario")
    still = next(twin.frames(small, camera, range(quiet[0], quiet[0] + 1)))
    also = next(twin.frames(small, camera, range(quiet[-1], quiet[-1] + 1)))
    rows = slice(60, 680)
    assert (np.abs(drawn[rows].astype(int) - still[rows]) > 25).mean() > 0.03
    assert (np.abs(also[rows].astype(int) - still[rows]) > 25).mean() < 1e-4


def test_the_clip_is_what_was_asked_for(small, tmp_path):
    camera = next(c for c, v in small.views.items() if v.kind == "overview")
    path = twin.render_camera(small, camera, tmp_path / "clip.mp4")
    facts, index = media.index_packets(path)
    view = small.views[camera]
    assert (facts.codec, facts.width_px, facts.height_px) == ("h264", view.width_px, view.height_px)
    assert len(index) == small.frame_count
    assert set(np.diff(index.pts).tolist()) == {int(1 / 10 / facts.time_base)}
    pts, frame = next(iter(media.decode(path, index, 20, 21)))
    assert pts == index.pts[20]
    drawn = next(itertools.islice(twin.frames(small, camera), 20, None))
    assert np.abs(media.to_rgb(frame).astype(int) - drawn).mean() < 8


def test_an_unknown_camera_gets_a_sentence(small, tmp_path):
    with pytest.raises(BadInput, match="draws no camera"):
        twin.render_camera(small, "nowhere", tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()
