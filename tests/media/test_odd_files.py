"""Odd, broken and foreign files: taken or refused with one sentence, never a crash."""

from __future__ import annotations

import random
from pathlib import Path

import av
import numpy as np
import pytest
from make.clips import make_clip, read_number

from workbench import media
from workbench.errors import BadInput

REFUSED = {
    "dash-608-captions-init.mp4", "dash-608-captions-seg.m4s", "malformed-sei-init.mp4",
    "malformed-sei.m4s", "test-stuffed-pes.ts", "test-webvtt-init.mp4", "test-webvtt.m4s",
}  # fmt: skip
"""Of media_odd: initialisation segments, pieces without one, and captions without a picture."""
BROKEN_FRAMES = {"corrupted.mp4": 1}
"""Frames that are in the packets and do not decode (FFmpeg's own tool drops them as well)."""
CLIPS = (
    "otvision/Testvideo_Cars-Cyclist_FR20_2020-01-01_00-00-00.h264",
    "otvision/Testvideo_Cars-Cyclist_FR20_2020-01-01_00-00-00.mp4",
    "otvision/rotated-Testvideo_Cars-Cyclist_FR20_2020-01-01_00-00-00.mp4",
    "opencv_vtest/vtest.avi",
    "faces_us_gov/short_hamilton_clip.mp4",
    "intel_video/car-detection.mp4",
    "intel_video/one-by-one-person-detection.mp4",
)


def check_exact(path: Path, broken: int = 0) -> media.VideoFacts:
    """Index, decode everything once as reference, then a few frames each by itself."""
    facts, index = media.index_packets(path)
    whole = {
        pts: int(media.to_luma(frame).astype(np.int64).sum())
        for pts, frame in media.decode(path, index, 0, len(index))
    }
    assert set(whole) <= set(index.pts.tolist())
    assert len(index) - len(whole) == broken
    picks = {0, len(index) // 3, len(index) // 2, len(index) - 1}
    for i in sorted(picks):
        alone = [
            (pts, int(media.to_luma(frame).astype(np.int64).sum()))
            for pts, frame in media.decode(path, index, i, i + 1)
        ]
        pts = int(index.pts[i])
        assert alone == ([(pts, whole[pts])] if pts in whole else [])
    return facts


@pytest.mark.footage
def test_every_odd_file_is_taken_or_refused_in_one_sentence(footage: Path) -> None:
    refused: dict[str, BadInput] = {}
    for path in sorted((footage / "media_odd").glob("*/*")):
        if path.name == "LICENSE":
            with pytest.raises(BadInput):
                media.index_packets(path)
            continue
        try:
            check_exact(path, BROKEN_FRAMES.get(path.name, 0))
        except BadInput as error:
            refused[path.name] = error
    assert set(refused) == REFUSED
    for name, error in refused.items():
        assert name in error.sentence()
        assert "\n" not in error.sentence()
        assert error.remedy


@pytest.mark.footage
@pytest.mark.parametrize("name", CLIPS, ids=lambda n: Path(n).name[:24])
def test_real_clips_are_exact(footage: Path, name: str) -> None:
    check_exact(footage / name)


@pytest.mark.footage
def test_what_the_footage_is_known_to_be(footage: Path) -> None:
    clips = [media.index_packets(footage / name) for name in CLIPS]
    assert [len(index) for _, index in clips] == [60, 60, 60, 795, 275, 377, 1394]
    assert [int(index.pts[0]) for _, index in clips] == [0, 0, 0, 0, 10_214, 0, 0]
    assert [facts.rotation_deg for facts, _ in clips] == [0, 0, 180, 0, 0, 0, 0]
    odd = {p.stem: media.index_packets(p)[0] for p in (footage / "media_odd").glob("*/video*.mov")}
    assert {name: (f.rotation_deg, f.width_px, f.height_px) for name, f in odd.items()} == {
        "video_0": (0, 568, 320),
        "video_90": (90, 320, 568),
        "video_180": (180, 568, 320),
        "video_270": (270, 320, 568),
    }


@pytest.mark.footage
def test_a_raw_stream_and_its_mp4_hold_the_same_pictures(footage: Path) -> None:
    """The .h264 has no times, the .mp4 was made from it: frame n must be the same picture."""
    raw, mp4 = footage / CLIPS[0], footage / CLIPS[1]
    (_, a), (_, b) = media.index_packets(raw), media.index_packets(mp4)
    assert len(a) == len(b)
    for i in (0, 7, 31, 59):
        (_, one), (_, other) = (
            next(media.decode(raw, a, i, i + 1)),
            next(media.decode(mp4, b, i, i + 1)),
        )
        near, far = (
            np.abs(media.to_luma(one).astype(int) - media.to_luma(frame)).mean()
            for frame in (other, next(media.decode(mp4, b, (i + 20) % 60, len(b)))[1])
        )
        assert near < far


@pytest.mark.footage
@pytest.mark.parametrize("stem", ["dash-608-captions", "malformed-sei"])
def test_a_piece_joined_to_its_head_is_taken_as_the_refusal_says(
    footage: Path, tmp_path: Path, stem: str
) -> None:
    folder, ending = footage / "media_odd/muxjs", "-seg" if "dash" in stem else ""
    head, piece = folder / f"{stem}-init.mp4", folder / f"{stem}{ending}.m4s"
    (tmp_path / "joined.mp4").write_bytes(head.read_bytes() + piece.read_bytes())
    check_exact(tmp_path / "joined.mp4")


@pytest.mark.footage
def test_fast_decoding_is_not_the_evidence_frame(footage: Path) -> None:
    path = footage / CLIPS[1]
    _, index = media.index_packets(path)
    exact, fast = (
        [media.to_luma(f).copy() for _, f in media.decode(path, index, 0, 20, fast=fast)]
        for fast in (False, True)
    )
    apart = [float(np.abs(a.astype(int) - b).mean()) for a, b in zip(exact, fast, strict=True)]
    assert 0 < max(apart) < 5


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("notes.txt", b"nothing to see\n" * 99, "no recording"),
        ("empty.mp4", b"", "empty"),
        ("noise.mp4", bytes(range(256)) * 40, "cannot read"),
        (
            "list.m3u8",
            b"#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/a.ts\n",
            "cannot read",
        ),
        ("list.ffconcat", b"ffconcat version 1.0\nfile other.mp4\n", "cannot read|no recording"),
        ("tone.wav", b"", "no video"),
    ],
)
def test_what_is_no_footage_is_refused(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    make_clip(tmp_path / "other.mp4", 3)
    path = tmp_path / name
    path.write_bytes(content)
    if name == "tone.wav":
        import wave

        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes(bytes(16_000))
    for attempt in (media.index_packets, media.check_readable):
        with pytest.raises(BadInput, match=says) as refusal:
            attempt(path)
        assert str(path) in refusal.value.sentence()


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        media.index_packets(tmp_path / "none.mp4")
    with pytest.raises(BadInput, match="folder"):
        media.index_packets(tmp_path)


@pytest.mark.parametrize("name", ["2026-11-20T07:15:00.mp4", "sân%03d đình.mp4", "a b#c?.mp4"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / name, 5)
    _, index = media.index_packets(tmp_path / name)
    assert len(list(media.decode(tmp_path / name, index, 0, 5))) == 5


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "a.h264", "a.avi"])
def test_a_file_that_breaks_off_keeps_what_it_has(tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / name, 60)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / f"cut_{name}").write_bytes(whole[: len(whole) * 2 // 3])
    _, index = media.index_packets(tmp_path / f"cut_{name}")
    assert 20 < len(index) < 60
    found = [
        read_number(media.to_rgb(frame))
        for _, frame in media.decode(tmp_path / f"cut_{name}", index, 0, len(index) - 1)
    ]
    assert found == list(range(len(index) - 1))


def test_an_mp4_without_its_table_is_refused(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", 60)
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput):
        media.index_packets(tmp_path / "cut.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv", "a.h264", "a.avi"])
def test_random_damage_never_crashes(tmp_path: Path, name: str) -> None:
    make_clip(tmp_path / name, 40, bframes=2)
    whole = (tmp_path / name).read_bytes()
    dice = random.Random(7)
    for attempt in range(12):
        broken = bytearray(whole)
        for _ in range(dice.randrange(1, 40)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        path = tmp_path / f"{attempt}_{name}"
        path.write_bytes(broken)
        try:
            _, index = media.index_packets(path)
        except BadInput:
            continue
        assert (np.diff(index.pts) > 0).all()
        shown = [pts for pts, _ in media.decode(path, index, 0, len(index))]
        assert shown == sorted(set(shown))
        assert set(shown) <= set(index.pts.tolist())
        list(media.decode(path, index, len(index) // 2, len(index) // 2 + 1))


def test_the_remark_in_a_header_is_read(tmp_path: Path) -> None:
    make_clip(tmp_path / "plain.mp4", 3)
    assert media.remark_of(tmp_path / "plain.mp4") == ""
    with (
        av.open(str(tmp_path / "plain.mp4")) as plain,
        av.open(str(tmp_path / "a.mp4"), "w") as out,
    ):
        out.metadata["comment"] = "S01-P1 1764"
        stream = out.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux(plain.streams.video[0]):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    assert media.remark_of(tmp_path / "a.mp4") == "S01-P1 1764"
    (tmp_path / "none.mp4").write_bytes(b"film")
    with pytest.raises(BadInput):
        media.remark_of(tmp_path / "none.mp4")
