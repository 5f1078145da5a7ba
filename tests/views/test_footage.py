"""Pictures are the frames asked for: numbers painted into the pixels say so."""

import av
import cv2
import numpy as np
import pytest
from make.clips import read_number

from workbench.errors import BadInput
from workbench.records import Box
from workbench.views.footage import OPEN_RUNS, Footage, jpeg, shrink


def number(picture: bytes) -> int:
    return read_number(cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1])


@pytest.fixture
def clip(small_root):
    return next(s for s in small_root.segments() if s.camera_id.startswith("S01"))


def test_a_still_is_the_frame_of_its_pts(small_root, clip):
    footage, index = Footage(small_root), small_root.frame_index(clip)
    assert clip.first_pts != 0
    for at in (0, 1, 29, 30, 31, 299):
        assert number(footage.still(clip, int(index.pts[at]))) == at


def test_runs_in_any_order_are_the_frames_of_their_labels(small_root, clip):
    footage, pts = Footage(small_root), small_root.frame_index(clip).pts.tolist()
    for first in (0, 20, 40, 200, 100, 20, 290):
        got = footage.run(clip, pts[first], 20)
        assert [label for label, _ in got] == pts[first : first + 20]
        assert [number(picture) for _, picture in got] == list(range(300))[first : first + 20]


@pytest.fixture
def opened(monkeypatch):
    """The first frame of each decoder that was opened."""
    opened = []
    decode = __import__("workbench.media", fromlist=["decode"]).decode
    monkeypatch.setattr(
        "workbench.views.footage.media.decode",
        lambda *args, **more: opened.append(args[2]) or decode(*args, **more),
    )
    return opened


def test_steps_forwards_go_on_with_one_decoder(small_root, clip, opened):
    footage, pts = Footage(small_root), small_root.frame_index(clip).pts.tolist()
    seen = [number(footage.still(clip, pts[at])) for at in range(25, 65)]
    assert seen == list(range(25, 65))
    assert opened == [25]
    assert number(footage.still(clip, pts[40])) == 40
    for at in range(0, 299, 9):
        footage.still(clip, pts[at])
    assert len(footage._steps) <= OPEN_RUNS
    assert number(footage.still(clip, pts[299])) == 299


def test_a_run_goes_on_with_the_decoder_it_left_open(small_root, clip, opened):
    footage, pts = Footage(small_root), small_root.frame_index(clip).pts.tolist()
    for first in range(0, 100, 20):
        footage.run(clip, pts[first], 20)
    assert opened == [0]
    for first in range(1, 100, 7):
        footage.run(clip, pts[first], 2)
    assert len(footage._runs) <= OPEN_RUNS


def test_a_pts_between_frames_is_refused(small_root, clip):
    footage, pts = Footage(small_root), small_root.frame_index(clip).pts.tolist()
    for wrong in (pts[3] + 1, pts[0] - 1, pts[-1] + 10**6):
        with pytest.raises(BadInput):
            footage.run(clip, wrong, 5)
        with pytest.raises(BadInput):
            footage.still(clip, wrong)


def test_a_crop_stays_inside_the_picture(small_root, clip):
    picture = Footage(small_root).crop(clip, clip.first_pts, Box(300, 170, 900, 900), 240)
    shown = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert 0 < shown.shape[0] <= 180
    assert 0 < shown.shape[1] <= 240


def test_shrinking_keeps_proportions_and_never_enlarges():
    wide = np.zeros((360, 640, 3), np.uint8)
    assert shrink(wide, 320).shape == (180, 320, 3)
    assert shrink(wide, 2000) is wide
    with av.open(__import__("io").BytesIO(jpeg(wide, 80)), format="jpeg_pipe") as read:
        assert next(read.decode(video=0)).width == 640
