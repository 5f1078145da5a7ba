from __future__ import annotations

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make.clips import make_clip, read_number

from workbench import media
from workbench.streams.fragments import FRAGMENT_S, FragmentWriter, atoms, cut_to_whole

RATE = 12


def copied(source, target, remark=""):
    """Copy a clip's packets through the writer as a recorder does."""
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        writer = FragmentWriter(target, stream, remark)
        base = None
        for packet in container.demux(stream):
            if packet.dts is None:
                continue
            base = packet.dts if base is None else base
            writer.write(packet, packet.pts - base, packet.dts - base)
        writer.close()
    return target


def numbers(path):
    _, index = media.index_packets(path)
    return [read_number(media.to_rgb(f)) for _, f in media.decode(path, index, 0, len(index))]


@pytest.fixture(scope="module", params=[0, 2], ids=["no_b_frames", "b_frames"])
def whole(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fragments")
    make_clip(folder / "clip.mp4", 10 * RATE, rate=RATE, gop=2 * RATE, bframes=request.param)
    return copied(folder / "clip.mp4", folder / "recorded.mp4")


def test_nothing_is_transcoded_and_no_frame_is_lost(whole):
    assert numbers(whole) == list(range(10 * RATE))
    source = whole.with_name("clip.mp4")
    packets = []
    for path in (source, whole):
        with av.open(str(path)) as container:
            packets.append([bytes(p) for p in container.demux(video=0) if p.size])
    assert packets[0] == packets[1]


def test_fragments_are_short_and_the_header_comes_first(whole):
    with whole.open("rb") as file:
        kinds = [atom.kind for atom in atoms(file)]
    assert kinds[:2] == ["ftyp", "moov"]
    pairs = kinds.count("moof")
    assert kinds.count("mdat") == pairs
    assert pairs >= 10 / (FRAGMENT_S + 1 / RATE) - 1


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1))
def test_a_file_cut_off_anywhere_is_good_to_its_last_whole_fragment(whole, tmp_path, share):
    cut = tmp_path / "cut.mp4"
    kept = round(whole.stat().st_size * share)
    cut.write_bytes(whole.read_bytes()[:kept])
    with cut.open("rb") as file:
        pairs = [atom for atom in atoms(file) if atom.kind == "mdat"]
    went = cut_to_whole(cut)
    assert cut.stat().st_size == kept - went
    assert cut_to_whole(cut) == 0
    if not pairs:
        assert cut.stat().st_size == 0
        return
    found = numbers(cut)
    # in the order of display; B-frames that lean on a frame cut off are cut off with it
    assert found == sorted(found)
    assert found[:-3] == list(range(len(found) - 3))
    # what is gone is at most the fragment that was open
    fragment = RATE * (FRAGMENT_S + 2 / RATE)
    assert len(found) >= len(pairs) * (FRAGMENT_S - 1 / RATE) - fragment


def test_two_cameras_of_one_picture_have_files_of_their_own(whole, tmp_path):
    clip = whole.with_name("clip.mp4")
    one = copied(clip, tmp_path / "1.mp4", "S01-P1 17").read_bytes()
    other = copied(clip, tmp_path / "2.mp4", "S01-P2 17").read_bytes()
    assert one != other
    with av.open(str(tmp_path / "1.mp4")) as container:
        assert container.metadata["comment"] == "S01-P1 17"
