"""The fault laboratory does what it says, seen by the reader that the recorder uses."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import cv2
import numpy as np
import pytest
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from make.clips import make_clip, read_number
from make.scenes import RGB

from lab.gst import gst_server
from lab.network import link
from lab.rtp import read_clip
from lab.rtsp import LabCamera, RtspLab, RtspProcess
from lab.scenes import SceneKind, make_scenes

N, FPS, GOP, STEP = 50, 50, 25, 1800
OPTIONS = {"rtsp_transport": "tcp", "probesize": "32768", "analyzeduration": "0"}
QUICK = OPTIONS | {"fpsprobesize": "0"}
if TYPE_CHECKING:  # the class takes no parameter when it runs
    Packets = Iterator[Packet[VideoStream]]
PLAIN, BFRAMES, HEVC, LARGER = "plain", "bframes", "hevc", "larger"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    made = {name: folder / f"{name}.mp4" for name in (PLAIN, BFRAMES, HEVC, LARGER)}
    make_clip(made[PLAIN], N, gop=GOP, rate=FPS)
    make_clip(made[BFRAMES], N, gop=GOP, rate=FPS, bframes=2)
    make_clip(made[HEVC], N, gop=GOP, rate=FPS, codec="libx265")
    make_clip(made[LARGER], N, gop=GOP, rate=FPS, size=(640, 480), first_number=1000)
    return made


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[SceneKind, Path]:
    return make_scenes(tmp_path_factory.mktemp("scenes"), size=(320, 192), seconds=2)


@pytest.fixture(scope="module")
def lab() -> Iterator[RtspLab]:
    av.logging.set_level(av.logging.PANIC)
    with RtspLab() as made:
        yield made


@pytest.fixture
def camera(
    lab: RtspLab, clips: dict[str, Path], request: pytest.FixtureRequest
) -> Iterator[LabCamera]:
    made = lab.add(request.node.name, clips[PLAIN])
    yield made
    made.remove()


@contextmanager
def opened(
    url: str, options: dict[str, str] = QUICK, read_s: float = 2.0
) -> Iterator[InputContainer]:
    with av.open(url, options=options, timeout=(2.0, read_s)) as container:
        yield container


def demux(container: InputContainer) -> Packets:
    return (packet for packet in container.demux(video=0) if packet.size)


def ticks(packet: Packet[VideoStream]) -> int:
    assert packet.pts is not None
    return packet.pts


def numbers(packets: Packets) -> list[int]:
    """Return the numbers painted into the frames of packets; unreadable ones are -1."""
    read = []
    for packet in packets:
        try:
            for frame in packet.decode():
                read += [read_number(cast(RGB, frame.to_ndarray(format="rgb24")))]
        except (av.FFmpegError, ValueError):
            read.append(-1)
    return read


def act_after(container: InputContainer, act: Callable[[], None], n: int) -> Packets:
    """Do something once the stream plays; yield its packets from then on."""
    packets = demux(container)
    for packet in islice(packets, n):
        packet.decode()
    act()
    return packets


def looks(packets: Packets, wanted: Callable[[int], bool], n: int = 100) -> bool:
    """Tell whether a frame whose number is `wanted` comes within `n` packets."""
    return any(
        wanted(number) for packet in islice(packets, n) for number in numbers(iter([packet]))
    )


# --- streams without a fault


@pytest.mark.parametrize(
    ("clip", "wraps_after_s"), [(PLAIN, 3600), (PLAIN, 0.7), (BFRAMES, 3600), (HEVC, 3600)]
)
def test_every_frame_comes_once_in_order(
    lab: RtspLab, clips: dict[str, Path], clip: str, wraps_after_s: float
) -> None:
    camera = lab.add(f"{clip}/{wraps_after_s}", clips[clip], wraps_after_s=wraps_after_s)
    with opened(camera.url, OPTIONS) as container:
        packets = list(islice(demux(container), N + 20))
        seen = numbers(iter(packets))
    assert seen == [n % N for n in range(len(seen))], "the clip goes round without a seam"
    assert len(seen) >= N + 16
    times = sorted(p.pts for p in packets if p.pts is not None)
    assert len(times) >= len(packets) - 1, "FFmpeg leaves at most the first without a time"
    # FFmpeg estimates nothing here: these are the RTP times
    steps = {b - a for a, b in pairwise(times[2:-3])}
    assert steps == {STEP}


def test_a_clip_is_cut_as_the_standard_wants(clips: dict[str, Path]) -> None:
    clip = read_clip(clips[BFRAMES])
    assert clip.reorders
    assert clip.fps == FPS
    assert all(frame.sent >= frame.shown for frame in clip.frames), "encoded after it was taken"
    frame = clip.frames[0]
    wire = frame.stamped(0xFFFF, 2**32 + 7, 5).tobytes()
    heads = [struct.unpack(">BBHBBHII", wire[s : s + 16]) for s in frame.starts[:-1]]
    assert [h[5] for h in heads] == [(0xFFFF + n) & 0xFFFF for n in range(frame.packets)]
    assert {h[6:] for h in heads} == {(7, 5)}
    assert [h[4] >> 7 for h in heads] == [0] * (len(heads) - 1) + [1], "the marker ends a frame"


def sender_s(packet: Packet[VideoStream]) -> float:
    """Return the camera's own time of a packet, seconds since 1970."""
    (wall_us,) = struct.unpack_from("=q", bytes(packet.get_sidedata("prft")))
    return float(wall_us / 1e6)


def test_sender_reports_tell_the_cameras_clock(lab: RtspLab, clips: dict[str, Path]) -> None:
    camera = lab.add("clock", clips[PLAIN], offset_s=-3600, report_s=0.4, first_report_s=0.3)

    def ahead_s(packet: Packet[VideoStream]) -> float:
        return sender_s(packet) - time.time()

    with opened(camera.url) as container:
        packets = demux(container)
        first = list(islice(packets, 30))
        told = [packet.has_sidedata("prft") for packet in first]
        assert told == sorted(told), "from the first report on every packet has a time"
        assert not told[0]
        assert told[-1]
        assert any(packet.has_sidedata("rtcp_sr") for packet in first)
        assert ahead_s(next(packets)) == pytest.approx(-3600, abs=0.1)
        camera.step_clock(7)
        assert any(abs(ahead_s(packet) + 3593) < 0.1 for packet in islice(packets, 60))


def test_digest_sign_in(lab: RtspLab, clips: dict[str, Path]) -> None:
    camera = lab.add("signed in", clips[PLAIN], user="w@rd", password="p:/ss")
    assert "ss" not in repr(camera).replace("class", "")
    for url in (camera.address, camera.url.replace("ss@", "s@")):
        with pytest.raises(av.HTTPUnauthorizedError), opened(url):
            pass
    assert camera.state().denials == 1, "only the wrong password was refused"
    with opened(camera.url) as container:
        assert numbers(islice(demux(container), 3)) == [0, 1, 2]


# --- faults


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("hang", av.FFmpegError),
        ("refuse", av.ConnectionRefusedError),
        ("missing", av.HTTPNotFoundError),
        ("denied", av.HTTPUnauthorizedError),
        ("busy", av.HTTPServerError),
    ],
)
def test_no_session_is_to_be_had(camera: LabCamera, fault: str, error: type[Exception]) -> None:
    camera.fault(fault)  # type: ignore[arg-type]
    begun_s = time.monotonic()
    with pytest.raises(error), av.open(camera.url, options=QUICK, timeout=(0.5, 0.5)):
        pass
    assert (time.monotonic() - begun_s > 0.4) == (fault == "hang")
    camera.recover()
    with opened(camera.url) as container:
        assert numbers(islice(demux(container), 3)) == [0, 1, 2]


def test_a_stall_keeps_the_connection(camera: LabCamera) -> None:
    with opened(camera.url, read_s=0.3) as container:
        packets = act_after(container, lambda: camera.fault("stall"), 20)
        with pytest.raises(av.ExitError):
            list(packets)
        assert camera.state().playing == 1


def test_after_a_stall_it_goes_on_with_a_key_frame(camera: LabCamera) -> None:
    with opened(camera.url) as container:
        packets = act_after(container, lambda: None, 20)
        last = next(packets)
        camera.fault("stall")
        ending = threading.Timer(0.4, camera.recover)
        ending.start()
        for packet in islice(packets, 40):
            if ticks(packet) - ticks(last) > 5 * STEP:
                break
            last = packet
        assert packet.is_keyframe
        assert ticks(packet) - ticks(last) >= 0.3 * FPS * STEP, "the camera's time went on"
        ending.join()


@pytest.mark.parametrize("how", ["close", "reset", "refuse"])
def test_a_cut_connection_ends_the_stream(camera: LabCamera, how: str) -> None:
    acts = {
        "close": camera.drop,
        "reset": lambda: camera.drop(reset=True),
        "refuse": lambda: camera.fault("refuse"),
    }
    with opened(camera.url) as container:
        packets = act_after(container, acts[how], 5)
        assert len(list(packets)) < 25
    camera.recover()
    with opened(camera.url) as container:
        assert numbers(islice(demux(container), 2)) == [0, 1]


@pytest.mark.parametrize("whole", [False, True])
def test_garbage_spoils_pictures_and_no_neighbour(
    lab: RtspLab, clips: dict[str, Path], camera: LabCamera, whole: bool
) -> None:
    neighbour = lab.add(f"beside garbage {whole}", clips[PLAIN])
    with opened(neighbour.url) as beside, opened(camera.url) as container:
        camera.fault("garbage", whole=whole)
        packets = demux(container)
        assert looks(packets, lambda number: number < 0)
        camera.recover()
        assert looks(packets, lambda number: number > 0)
        assert numbers(islice(demux(beside), 40)) == list(range(40))


def test_lost_packets_leave_holes(camera: LabCamera) -> None:
    with opened(camera.url) as container:
        packets = act_after(container, lambda: camera.fault("loss", share=0.3), 20)
        seen = [n for n in numbers(islice(packets, 40)) if n >= 0]
    assert camera.state().packets_lost > 5
    assert any(b - a not in (1, 1 - N) for a, b in pairwise(seen))


def test_a_frozen_picture_has_running_times(camera: LabCamera) -> None:
    with opened(camera.url) as container:
        packets = act_after(container, lambda: camera.fault("frozen"), 20)
        taken = list(islice(packets, 20))
        assert len(set(numbers(iter(taken[-5:])))) == 1
        assert {ticks(b) - ticks(a) for a, b in pairwise(taken[-5:])} == {STEP}
        camera.recover()
        assert looks(packets, lambda number: number not in (0, 25))


def test_another_size_in_the_same_session(camera: LabCamera, clips: dict[str, Path]) -> None:
    with opened(camera.url) as container:
        packets = act_after(container, lambda: camera.switch(clips[LARGER]), 5)
        sizes = [(f.width, f.height) for p in islice(packets, 40) for f in p.decode()]
    assert sizes[-1] == (640, 480)
    assert sizes == sorted(sizes), "no frame of either clip is spoilt"


def test_another_codec_ends_the_session(camera: LabCamera, clips: dict[str, Path]) -> None:
    with opened(camera.url) as container:
        assert len(list(act_after(container, lambda: camera.switch(clips[HEVC]), 5))) < 25
    with opened(camera.url) as container:
        assert container.streams.video[0].codec_context.name == "hevc"


@pytest.mark.parametrize("seconds", [3600.0, -5.0])
def test_timestamps_leap(camera: LabCamera, seconds: float) -> None:
    with opened(camera.url) as container:
        packets = list(islice(act_after(container, lambda: camera.jump(seconds), 20), 20))
    steps = {ticks(b) - ticks(a) for a, b in pairwise(packets)}
    assert steps == {STEP, STEP + round(seconds * FPS * STEP)}


# --- the laboratory itself


def test_closing_closes_sockets(clips: dict[str, Path]) -> None:
    with RtspLab() as own:
        camera = own.add("one", clips[PLAIN])
        with opened(camera.url) as container:
            own.close()
            assert len(list(demux(container))) < 25
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((camera.host, camera.port))
    assert "rtsp-lab" not in {t.name for t in threading.enumerate() if t is own._thread}
    with RtspLab() as other:
        assert other.add("two", clips[PLAIN], port=camera.port).port == camera.port


def test_a_laboratory_of_its_own_process(clips: dict[str, Path]) -> None:
    with RtspProcess() as own:
        camera = own.add("S01-P1/main", clips[PLAIN], user="u", password="p")
        with opened(camera.url) as container:
            assert numbers(islice(demux(container), 3)) == [0, 1, 2]
            camera.wait(lambda state: state.frames_sent >= 20)
        camera.wait(lambda state: state.connections == 0)
        with pytest.raises(RuntimeError, match="no fault is called"):
            camera.fault("toothache")  # type: ignore[arg-type]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((camera.host, camera.port))


# --- scenes


def test_scenes_look_like_their_names(scenes: dict[SceneKind, Path]) -> None:
    def grey(kind: SceneKind) -> list[np.ndarray]:
        with av.open(str(scenes[kind])) as container:
            return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]

    shown = {kind: grey(kind) for kind in scenes}
    level = {kind: pictures[5].mean() for kind, pictures in shown.items()}
    detail = {k: cv2.Laplacian(p[5], cv2.CV_64F).var() for k, p in shown.items()}
    change = {k: cv2.absdiff(p[5], p[6]).mean() for k, p in shown.items()}
    # 16 is black and 235 white in the signal itself
    assert level["dark"] < 35 < level["night"] < 90 < level["normal"] < 160
    assert level["overexposed"] > 210
    assert detail["blurred"] < detail["normal"] / 4
    assert detail["covered"] < detail["normal"] / 4
    assert change["frozen"] < change["normal"] / 2
    assert cv2.absdiff(*shown["frozen"][-2:]).mean() < 0.05, "once the encoder has settled"
    shift, _ = cv2.phaseCorrelate(
        shown["normal"][0].astype(np.float64), shown["moved"][0].astype(np.float64)
    )
    assert abs(shift[0]) > 20
    assert len({read_clip(path).parameter_sets for path in scenes.values()}) == 1


def test_a_scene_goes_over_into_another(lab: RtspLab, scenes: dict[SceneKind, Path]) -> None:
    camera = lab.add("scene", scenes["normal"])

    def levels(packets: Packets) -> list[float]:
        return [f.to_ndarray(format="gray").mean() for p in packets for f in p.decode()]

    with opened(camera.url) as container:
        packets = act_after(container, lambda: camera.switch(scenes["dark"]), 5)
        assert levels(islice(packets, 20))[-1] < 35
        camera.recover()
        assert levels(islice(packets, 12))[-1] > 90


# --- servers and networks of others


def test_gstreamers_server(clips: dict[str, Path]) -> None:
    with gst_server(clips[PLAIN], user="u", password="p") as address:
        with pytest.raises(av.HTTPUnauthorizedError), opened(address):
            pass
        with opened(address.replace("://", "://u:p@")) as container:
            packets = demux(container)
            assert numbers(islice(packets, 5)) == list(range(5))
            # its first report comes after some seconds
            with_time = (p for p in islice(packets, 200) if p.has_sidedata("prft"))
            packet = next(with_time)
            assert sender_s(packet) == pytest.approx(time.time(), abs=0.5)


def test_a_pulled_cable(clips: dict[str, Path]) -> None:
    with link() as cable, RtspProcess(cable.far_ip, prefix=cable.prefix) as own:
        camera = own.add("far", clips[PLAIN])
        with opened(camera.url, read_s=0.4) as container:
            packets = act_after(container, cable.link_down, 20)
            with pytest.raises(av.ExitError):
                list(packets)
        with pytest.raises(av.FFmpegError), av.open(camera.url, options=QUICK, timeout=(0.5, 0.5)):
            pass
        cable.link_up()
        with opened(camera.url) as container:
            assert numbers(islice(demux(container), 3)) == [0, 1, 2]


def test_a_bad_cable(clips: dict[str, Path]) -> None:
    with link() as cable, RtspProcess(cable.far_ip, prefix=cable.prefix) as own:
        camera = own.add("far", clips[PLAIN])
        cable.netem("delay 150ms")
        begun_s = time.monotonic()
        with socket.create_connection((camera.host, camera.port), timeout=5):
            assert time.monotonic() - begun_s > 0.14
        cable.clear()
