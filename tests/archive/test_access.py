"""Frames and stills are exact, lazy, and honest about what is missing."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from make.clips import make_clip, read_number

from workbench import archive, media
from workbench.archive import access
from workbench.errors import BadInput, Damaged
from workbench.records import Segment
from workbench.store import Store
from workbench.timeline import SECOND_NS, UNFIXED_SIGMA_NS, ClockFix, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
ALWAYS = Span(0, 2**62)
KINDS = {
    "constant.mp4": {},
    "variable.mp4": {"vfr": True},
    "bframes.mp4": {"bframes": 3},
    "open.mp4": {"bframes": 3, "open_gop": True},
    "open.ts": {"bframes": 3, "open_gop": True},
    "late.mp4": {"start_pts": 123_456, "bframes": 2},
    "raw.h264": {"bframes": 3, "open_gop": True},
    "old.avi": {"codec": "msmpeg4"},
    "turned.mp4": {"rotation_deg": 180},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "tables").mkdir()
    return Store.create(tmp_path / "root", tmp_path / "tables")


def take(
    store: Store, tmp_path: Path, n: int = 30, start_ns: int = START, name: str = "a.mp4", **kw
) -> Segment:
    make_clip(tmp_path / name, n, **kw)
    return archive.import_file(store, tmp_path / name, camera_id="C1", stamped_start_ns=start_ns)


def upright(picture: np.ndarray, segment: Segment) -> np.ndarray:
    return np.rot90(picture, segment.rotation_deg // 90)


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_and_still_is_exact(store: Store, tmp_path: Path, name: str) -> None:
    segment = take(store, tmp_path, name=name, **KINDS[name])
    index = store.frame_index(segment.sha256)
    cube = archive.frames(store, "C1", ALWAYS)
    assert cube.dims == ("time", "y", "x", "channel")
    assert cube.dtype == np.uint8
    assert cube.shape == (30, 96, 160, 3)
    assert cube.pts.values.tolist() == index.pts.tolist()
    pixels = cube.compute()
    for i, pts in enumerate(index.pts.tolist()):
        assert read_number(upright(pixels.values[i], segment)) == i
        assert int(cube.time.values[i].astype(np.int64)) == segment.stamped_ns(pts)
        picture = archive.still(store, segment, pts)
        assert np.array_equal(picture, pixels.values[i])
    assert set(cube.segment.values) == {segment.sha256}


def test_nothing_is_decoded_or_opened_before_it_is_computed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, tmp_path, n=48, gop=12)
    monkeypatch.setattr(access, "_RUN_BYTES", 12 * 96 * 160 * 3)
    opened: list[tuple[int, int]] = []
    real = media.decode

    def spy(path, index, first, stop, **keywords):
        opened.append((first, stop))
        return real(path, index, first, stop, **keywords)

    monkeypatch.setattr(media, "decode", spy)
    cube = archive.frames(store, "C1", ALWAYS)
    later = cube.sel(time=slice(np.datetime64(START + SECOND_NS, "ns"), None)).mean("channel")
    assert isinstance(cube, xr.DataArray)
    assert repr(later)
    assert opened == []
    assert cube.chunksizes["time"] == (12, 12, 12, 12)
    assert read_number(cube[30].compute().values) == 30
    assert opened == [(24, 36)]


def test_a_long_gop_is_split_rather_than_held_in_memory(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, tmp_path, n=40, gop=100)
    monkeypatch.setattr(access, "_MOST_BYTES", 16 * 96 * 160 * 3)
    cube = archive.frames(store, "C1", ALWAYS)
    assert cube.chunksizes["time"] == (14, 13, 13)
    assert [read_number(p) for p in cube.values] == list(range(40))


def test_across_segment_borders_and_gaps(store: Store, tmp_path: Path) -> None:
    one = take(store, tmp_path, name="1.mp4")
    two = take(store, tmp_path, name="2.ts", start_ns=one.stamped.stop_ns, first_number=100)
    later = START + 3600 * SECOND_NS
    three = take(store, tmp_path, name="3.mp4", start_ns=later, first_number=200, bframes=2)
    span = Span(START + 10 * SECOND_NS // 25, later + SECOND_NS // 2)
    cube = archive.frames(store, "C1", span)
    assert [read_number(p) for p in cube.values] == [
        *range(10, 30), *range(100, 130), *range(200, 213),
    ]  # fmt: skip
    times = cube.time.values.astype(np.int64)
    assert (np.diff(times) > 0).all()
    assert times[0] >= span.start_ns
    assert times[-1] < span.stop_ns
    order = list(dict.fromkeys(cube.segment.values))
    assert order == [one.sha256, two.sha256, three.sha256]
    assert cube.attrs["camera"] == "C1"


def test_clock_fixes_shift_the_times_and_give_the_sigma(store: Store, tmp_path: Path) -> None:
    segment = take(store, tmp_path)
    assert archive.frames(store, "C1", ALWAYS).attrs["sigma_s"] == UNFIXED_SIGMA_NS / SECOND_NS
    store.add_clock_fix(ClockFix("C1", segment.stamped, -5 * SECOND_NS, SECOND_NS // 2, "operator"))
    cube = archive.frames(store, "C1", Span(START - 5 * SECOND_NS, START - 4 * SECOND_NS))
    assert cube.sizes["time"] == 25
    assert cube.attrs["sigma_s"] == 0.5
    fixes = store.clock_fixes("C1")
    expected = [segment.utc(pts, fixes)[0] for pts in cube.pts.values.tolist()]
    assert cube.time.values.astype(np.int64).tolist() == expected


def test_overlapping_files_keep_times_increasing_and_say_so(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, name="1.mp4")
    take(store, tmp_path, name="2.mp4", start_ns=START + SECOND_NS, first_number=100)
    cube = archive.frames(store, "C1", ALWAYS)
    assert [read_number(p) for p in cube.values] == [*range(30), *range(105, 130)]
    assert cube.attrs["overlapping_frames"] == 5


def test_mixed_sizes_are_refused(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, name="1.mp4")
    take(store, tmp_path, name="2.mp4", start_ns=START + 9 * SECOND_NS, size=(320, 192))
    with pytest.raises(BadInput, match=r"160x96 .* 320x192|320x192 .* 160x96"):
        archive.frames(store, "C1", ALWAYS)
    assert archive.frames(store, "C1", Span(START, START + SECOND_NS)).shape[1:3] == (96, 160)


def test_nothing_recorded_is_said(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path)
    for camera_id, span in (("C2", ALWAYS), ("C1", Span(0, 5))):
        with pytest.raises(BadInput, match=f"{camera_id} has no frames"):
            archive.frames(store, camera_id, span)


def test_a_pts_between_frames_names_the_nearest(store: Store, tmp_path: Path) -> None:
    segment = take(store, tmp_path)
    index = store.frame_index(segment.sha256)
    a, b = int(index.pts[3]), int(index.pts[4])
    with pytest.raises(BadInput, match=f"nearest frames are at {a}, {b}"):
        archive.still(store, segment, a + 1)
    for pts, near in ((-5, index.pts[0]), (10**9, index.pts[-1])):
        with pytest.raises(BadInput, match=f"at {near}"):
            archive.still(store, segment, pts)


def test_the_cube_travels_to_other_processes(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path)
    cube = pickle.loads(pickle.dumps(archive.frames(store, "C1", ALWAYS)))
    assert read_number(cube[7].values) == 7


def test_the_same_frames_have_the_same_names(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path)
    one, two = (archive.frames(store, "C1", ALWAYS).data for _ in range(2))
    assert one.name == two.name


@pytest.mark.footage
def test_a_frame_that_is_broken_in_its_file_is_never_replaced(store: Store, footage: Path) -> None:
    path = footage / "media_odd/decord/corrupted.mp4"
    segment = archive.import_file(store, path, camera_id="C1", stamped_start_ns=START)
    index = store.frame_index(segment.sha256)
    whole = {pts for pts, _ in media.decode(path, index, 0, len(index))}
    (broken,) = set(index.pts.tolist()) - whole
    with pytest.raises(Damaged, match=str(broken)):
        archive.still(store, segment, broken)
    with pytest.raises(Damaged, match=str(broken)):
        archive.frames(store, "C1", ALWAYS).compute()
    assert archive.still(store, segment, max(whole)).shape == (720, 1280, 3)
