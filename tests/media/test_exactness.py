"""Every frame is the frame asked for: one contract, every kind of clip."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from make.clips import make_clip, read_number

from workbench import media
from workbench.errors import Damaged
from workbench.records import FrameIndex

N = 40
KINDS: dict[str, tuple[str, dict]] = {
    "constant rate": ("a.mp4", {}),
    "variable rate": ("a.mp4", {"vfr": True}),
    "B-frames": ("a.mp4", {"bframes": 3}),
    "B-frames at a variable rate": ("a.mkv", {"bframes": 3, "vfr": True}),
    "open GOP": ("a.mp4", {"bframes": 3, "open_gop": True}),
    "open GOP in MPEG-TS": ("a.ts", {"bframes": 3, "open_gop": True}),
    "open GOP in H.265": ("a.ts", {"bframes": 3, "open_gop": True, "codec": "libx265"}),
    "start_time not 0": ("a.mp4", {"start_pts": 123_456, "bframes": 2}),
    "start_time of 30 h": ("a.mp4", {"start_pts": 90_000 * 110_000}),
    "MPEG-TS from 16 h on": ("a.ts", {"start_pts": 90_000 * 60_000, "bframes": 2}),
    "raw H.264": ("a.h264", {}),
    "raw H.264 with B-frames, open GOP": ("a.h264", {"bframes": 3, "open_gop": True}),
    "raw H.265 with B-frames, open GOP": (
        "a.hevc",
        {"bframes": 3, "open_gop": True, "codec": "libx265"},
    ),
    "MS-MPEG-4 in AVI": ("a.avi", {"codec": "msmpeg4"}),
    "MPEG-4 with B-frames in AVI": ("a.avi", {"codec": "mpeg4", "bframes": 2}),
    "H.264 with B-frames in AVI": ("a.avi", {"bframes": 3}),
    "MPEG-2 programme stream": (
        "a.mpg",
        {"codec": "mpeg2video", "bframes": 2, "container": "mpeg"},
    ),
    "gradual refresh, no true key frames": (
        "a.ts",
        {"options": {"x264-params": "keyint=12:intra-refresh=1:bframes=0:scenecut=0"}},
    ),
    "one GOP only": ("a.mp4", {"gop": 500}),
    "every frame a key frame": ("a.mp4", {"gop": 1}),
}


@pytest.fixture(params=KINDS, ids=list(KINDS))
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[int]]:
    name, keywords = KINDS[request.param]
    return tmp_path / name, make_clip(tmp_path / name, N, **keywords)


def numbers(path: Path, index: FrameIndex, first: int, stop: int, **keywords: bool) -> list[int]:
    """Decode frames, check their PTS against the index, return the numbers painted on them."""
    run = list(media.decode(path, index, first, stop, **keywords))
    assert [pts for pts, _ in run] == index.pts[first:stop].tolist()
    return [read_number(media.to_rgb(frame)) for _, frame in run]


def test_every_frame_is_the_one_asked_for(clip: tuple[Path, list[int]]) -> None:
    path, painted_pts = clip
    facts, index = media.index_packets(path)
    assert len(index) == N
    assert numbers(path, index, 0, N) == list(range(N))
    for i in range(N):
        assert numbers(path, index, i, i + 1) == [i]
    assert numbers(path, index, 7, 31, fast=True) == list(range(7, 31))
    assert numbers(path, index, 5, 5) == []
    since_ticks = (np.array(painted_pts) - painted_pts[0]) * Fraction(1, 90_000) / facts.tick_s
    assert (index.pts - index.pts[0]).tolist() == pytest.approx(since_ticks.tolist(), abs=0.51)
    assert facts.stop_pts > index.pts[-1]


def test_frames_left_out_are_near_others_and_what_comes_is_exact(
    clip: tuple[Path, list[int]],
) -> None:
    path, _ = clip
    index = media.index_packets(path)[1]
    ticks = int(2.01 * np.median(np.diff(index.pts)))
    for first, stop in ((0, len(index)), (len(index) // 3, len(index) - 3)):
        run = dict(media.decode(path, index, first, stop))
        thin = list(media.decode(path, index, first, stop, apart_ticks=ticks))
        times = np.array([pts for pts, _ in thin])
        assert (np.diff(times) > 0).all()
        assert set(times) <= set(run)
        wide = np.diff(times) > ticks
        # no hole is wider than asked but those of the file itself
        for a, b in zip(times[:-1][wide], times[1:][wide], strict=True):
            assert not any(a < pts < b for pts in run)
        for pts, frame in thin:
            assert (frame.to_ndarray() == run[pts].to_ndarray()).all()


@pytest.mark.parametrize("name", ["B-frames", "MPEG-4 with B-frames in AVI", "open GOP in H.265"])
def test_frames_that_nothing_is_made_from_are_left_out(tmp_path: Path, name: str) -> None:
    file, keywords = KINDS[name]
    make_clip(tmp_path / file, N, **keywords)
    index = media.index_packets(tmp_path / file)[1]
    ticks = int(2.01 * np.median(np.diff(index.pts)))
    thin = list(media.decode(tmp_path / file, index, 0, len(index), apart_ticks=ticks))
    assert len(thin) < 0.8 * len(index)
    few = int(1.01 * np.median(np.diff(index.pts)))
    assert len(list(media.decode(tmp_path / file, index, 0, len(index), apart_ticks=few))) == N


def test_the_index_is_the_same_each_time_and_gop_runs_start_on_keys(
    clip: tuple[Path, list[int]],
) -> None:
    path, _ = clip
    _, index = media.index_packets(path)
    _, again = media.index_packets(path)
    assert np.array_equal(index.pts, again.pts)
    assert np.array_equal(index.is_key, again.is_key)
    assert index.ordinal == again.ordinal
    assert (np.diff(index.pts) > 0).all()
    runs = media.gop_runs(index, 24)
    assert runs[0][0] == 0
    assert runs[-1][1] == N
    assert all(index.is_key[first] for first, _ in runs)


@pytest.mark.parametrize(("first", "stop"), [(-1, 3), (3, 2), (0, N + 1)])
def test_frames_outside_the_index_are_a_programming_error(
    tmp_path: Path, first: int, stop: int
) -> None:
    make_clip(tmp_path / "a.mp4", N)
    _, index = media.index_packets(tmp_path / "a.mp4")
    with pytest.raises(ValueError):
        list(media.decode(tmp_path / "a.mp4", index, first, stop))


def test_an_operators_rate_scales_the_ticks_and_is_noted(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", N, rate=25)
    plain, index = media.index_packets(tmp_path / "a.mp4")
    facts, same = media.index_packets(tmp_path / "a.mp4", rate=Fraction(20))
    assert np.array_equal(index.pts, same.pts)
    assert facts.time_base == plain.time_base == plain.tick_s
    assert facts.tick_s == facts.time_base * Fraction(25, 20)
    assert any("20 frames per second" in note for note in facts.notes)
    assert not plain.notes


def test_a_raw_stream_takes_the_operators_rate_or_says_it_guessed(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.h264", N, rate=20)
    guessed, _ = media.index_packets(tmp_path / "a.h264")
    told, index = media.index_packets(tmp_path / "a.h264", rate=Fraction(20))
    assert index.ordinal
    assert index.pts.tolist() == list(range(N))
    assert told.tick_s == Fraction(1, 20)
    assert (told.stop_pts - index.pts[0]) * told.tick_s == N * Fraction(1, 20)
    assert any("guess" in note for note in guessed.notes)
    assert not any("guess" in note for note in told.notes)


def _joined(tmp_path: Path, *clips: dict) -> Path:
    """Join MPEG-TS clips as a recorder that restarted does: bytes behind bytes."""
    path = tmp_path / "joined.ts"
    with path.open("wb") as out:
        for number, keywords in enumerate(clips):
            make_clip(tmp_path / f"{number}.ts", 30, first_number=30 * number, **keywords)
            out.write((tmp_path / f"{number}.ts").read_bytes())
    return path


@pytest.mark.parametrize("bframes", [0, 2])
def test_a_clock_that_jumps_back_is_joined_on(tmp_path: Path, bframes: int) -> None:
    """The second half repeats PTS of the first: a seek by PTS alone would mix them up."""
    path = _joined(
        tmp_path,
        {"start_pts": 900_000, "bframes": bframes},
        {"start_pts": 900_000 + 3600 * 12, "bframes": bframes},
        {"start_pts": 90_000, "bframes": bframes},
    )
    facts, index = media.index_packets(path)
    assert numbers(path, index, 0, 90) == list(range(90))
    for i in (0, 13, 29, 30, 31, 45, 59, 60, 75, 89):
        assert numbers(path, index, i, i + 1) == [i]
    assert set(np.diff(index.pts)) == {3600}
    assert any("jumps back 2 time(s)" in note for note in facts.notes)


def test_a_clock_that_jumps_ahead_leaves_a_hole(tmp_path: Path) -> None:
    path = _joined(tmp_path, {"start_pts": 90_000}, {"start_pts": 90_000 * 60})
    facts, index = media.index_packets(path)
    assert numbers(path, index, 0, 60) == list(range(60))
    assert numbers(path, index, 40, 41) == [40]
    assert media.missing_after(index, facts.tick_s).tolist() == [29]
    assert any("1 hole(s)" in note for note in facts.notes)


def test_the_33_bit_wrap_of_mpeg_ts(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.ts", N, start_pts=2**33 - 20 * 3600, bframes=2)
    _, index = media.index_packets(tmp_path / "a.ts")
    assert numbers(tmp_path / "a.ts", index, 0, N) == list(range(N))
    for i in range(N):
        assert numbers(tmp_path / "a.ts", index, i, i + 1) == [i]
    assert set(np.diff(index.pts)) == {3600}


def test_times_written_twice_are_parted(tmp_path: Path) -> None:
    pts = [3600 * i for i in range(N)]
    pts[11] = pts[10] + 1  # one tick of 1/90000 s: the same millisecond
    make_clip(tmp_path / "a.mkv", N, pts=pts)
    facts, index = media.index_packets(tmp_path / "a.mkv")
    assert numbers(tmp_path / "a.mkv", index, 0, N) == list(range(N))
    for i in (10, 11, 12):
        assert numbers(tmp_path / "a.mkv", index, i, i + 1) == [i]
    assert any("time of another" in note for note in facts.notes)


@pytest.mark.parametrize("bframes", [0, 3])
def test_a_stream_cut_before_its_first_key_frame(tmp_path: Path, bframes: int) -> None:
    make_clip(tmp_path / "a.ts", N, bframes=bframes, open_gop=bool(bframes))
    whole = (tmp_path / "a.ts").read_bytes()
    packets = [whole[i : i + 188] for i in range(0, len(whole), 188)]
    # Packet id 256 is the video; the flag opens a frame. Drop the first three frames.
    opens = [i for i, p in enumerate(packets) if p[1] & 0x40 and ((p[1] & 0x1F) << 8 | p[2]) == 256]
    tables = packets[: opens[0]]
    (tmp_path / "cut.ts").write_bytes(b"".join(tables + packets[opens[3] :]))
    facts, index = media.index_packets(tmp_path / "cut.ts")
    first = N - len(index)
    assert 9 <= first <= 12
    assert numbers(tmp_path / "cut.ts", index, 0, len(index)) == list(range(first, N))
    assert any("cut off from their key frame" in note for note in facts.notes)


def test_an_edit_list_that_hides_the_key_frame(tmp_path: Path) -> None:
    """Playback starts at frame 5; decoding must start at frame 0, which no index entry names."""
    make_clip(tmp_path / "a.mp4", N, start_pts=0)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    at = data.index(b"elst")
    assert int.from_bytes(data[at + 8 : at + 12], "big") == 1, "one edit in a plain file"
    data[at + 16 : at + 20] = (5 * 3600).to_bytes(4, "big")
    (tmp_path / "edited.mp4").write_bytes(data)
    facts, index = media.index_packets(tmp_path / "edited.mp4")
    assert len(index) == N - 5
    assert not index.is_key[0]
    assert numbers(tmp_path / "edited.mp4", index, 0, N - 5) == list(range(5, N))
    for i in range(N - 5):
        assert numbers(tmp_path / "edited.mp4", index, i, i + 1) == [i + 5]
    assert any("edit list" in note for note in facts.notes)


def test_an_index_of_another_file_is_noticed(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.h264", N)
    make_clip(tmp_path / "b.h264", N - 5)
    _, index = media.index_packets(tmp_path / "a.h264")
    with pytest.raises(Damaged, match="does not belong"):
        list(media.decode(tmp_path / "b.h264", index, 0, 1))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_frames_are_turned_as_displayed(tmp_path: Path, turn: int) -> None:
    make_clip(tmp_path / "a.mp4", 3, rotation_deg=turn)
    facts, index = media.index_packets(tmp_path / "a.mp4")
    assert facts.rotation_deg == turn
    assert (facts.width_px, facts.height_px) == ((96, 160) if turn % 180 else (160, 96))
    for number, (_, frame) in enumerate(media.decode(tmp_path / "a.mp4", index, 0, 3)):
        rgb = media.to_rgb(frame, facts.rotation_deg)
        assert rgb.shape == (facts.height_px, facts.width_px, 3)
        assert rgb.flags.c_contiguous
        # Painted upright and stored as it is: turning back must give the number again.
        assert read_number(np.rot90(rgb, turn // 90)) == number
        luma = media.to_luma(frame, facts.rotation_deg)
        assert luma.shape == rgb.shape[:2]
        assert np.corrcoef(luma.ravel(), rgb[..., 1].ravel())[0, 1] > 0.99


def test_decoding_uses_one_thread_and_no_loop_filter_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.media import frames

    seen: list[tuple[int, dict]] = []
    real: Callable = frames.decoded

    def spy(stream, packets):
        context = stream.codec_context
        seen.append((context.thread_count, dict(context.options)))
        return real(stream, packets)

    monkeypatch.setattr(frames, "decoded", spy)
    make_clip(tmp_path / "a.mp4", N)
    _, index = media.index_packets(tmp_path / "a.mp4")
    assert len(list(media.decode(tmp_path / "a.mp4", index, 0, 2))) == 2
    assert len(list(media.decode(tmp_path / "a.mp4", index, 0, 2, fast=True))) == 2
    assert seen == [(1, {}), (1, {"skip_loop_filter": "all"})]


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_key_frames_of_open_gops_come_out_each_by_itself(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    make_clip(path, 200, gop=25, bframes=3, open_gop=True)
    index = media.index_packets(path)[1]
    keys = np.flatnonzero(index.is_key).tolist()
    found = {n: media.to_rgb(frame) for n, frame in media.key_frames(path, index, keys)}
    assert [*map(read_number, found.values())] == keys == list(found)


def test_of_gradual_refresh_no_half_refreshed_picture_passes_for_a_key_frame(
    tmp_path: Path,
) -> None:
    name, keywords = KINDS["gradual refresh, no true key frames"]
    make_clip(tmp_path / name, N, **keywords)
    index = media.index_packets(tmp_path / name)[1]
    keys = np.flatnonzero(index.is_key).tolist()
    assert [n for n, _ in media.key_frames(tmp_path / name, index, keys)] == [0]
