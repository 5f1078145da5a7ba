"""Growing recordings: what is whole of them, the feed of one viewer, tiles decoded from them."""

import asyncio
import json
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import av
import numpy as np
import pytest
from make.clips import make_clip, read_number
from make.small_root import CASE
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import websocket_connect

from workbench.errors import BadInput
from workbench.investigation import Grant
from workbench.records import Purpose
from workbench.streams.fragments import FragmentWriter
from workbench.streams.growing import Tail, Tails
from workbench.timeline import SECOND_NS, Span
from workbench.views.footage import Footage
from workbench.views.live_feed import UNDER_WAY, FeedViewer
from workbench.views.live_sources import DELAY_S, Growing, LiveCamera, openable
from workbench.views.media_server import Settings, _House, application
from workbench.views.recorder_status import FRESH_S, RecorderStatus
from workbench.views.sources import HOLD_S, Picture, Silence
from workbench.views.wall_hub import Hub

RATE, GOP, FRAMES = 25, 50, 500
T0 = 1_800_000_000 * SECOND_NS
GRANT = Grant("officer", "HL-01", ("A",), Span(0, 2**63 - 1), 2**62)


class Writing:
    """Writes a camera's growing file from a numbered clip, so many packets at a time."""

    def __init__(self, folder, clip, start_ns=T0):
        folder.mkdir(parents=True, exist_ok=True)
        self.source = av.open(str(clip))
        self.packets = [p for p in self.source.demux(video=0) if p.dts is not None]
        self.folder, self.base, self.at = folder, self.packets[0].dts, 0
        self.path = folder / f"{start_ns}.growing.mp4"
        self.writer = FragmentWriter(self.path, self.source.streams.video[0])
        self.pts = sorted(p.pts for p in self.packets)
        self.start_ns = start_ns

    def write(self, count):
        for packet in self.packets[self.at : self.at + count]:
            self.writer.write(packet, packet.pts - self.base, packet.dts - self.base)
        self.at += count
        return self

    def end(self):
        self.writer.close()
        self.path.rename(self.path.with_name(self.path.name.replace(".growing", "")))

    def filmed_ns(self, number):
        return self.start_ns + (self.pts[number] - self.base) * SECOND_NS // 90_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "numbers.mp4"
    make_clip(path, FRAMES, rate=RATE, gop=GOP, bframes=2)
    return path


@pytest.fixture
def writing(tmp_path, clip):
    return Writing(tmp_path / "A", clip)


def tail_of(writing):
    return Tail(writing.folder)


def read(messages):
    heads = []
    for message in messages:
        length = struct.unpack(">I", message[:4])[0]
        heads.append((json.loads(message[4 : 4 + length]), message[4 + length :]))
    return heads


def fragments(messages):
    return [head for head, _ in read(messages) if head["kind"] == "fragment"]


def drain(viewer, now_ns):
    """Acknowledge until nothing more comes; return every message."""
    out = []
    while messages := viewer.take(now_ns):
        out += messages
        for head in fragments(messages):
            viewer.hear(json.dumps({"ack": head["n"]}))
    return out


def test_a_tail_takes_whole_fragments_only_and_goes_on_into_the_next_file(writing, clip):
    tail = tail_of(writing)
    writing.write(60)
    tail.look(T0)
    assert 2 <= len(tail.fragments) <= 3
    assert [f.times.key for f in tail.fragments][:2] == [True, False]
    assert tail.fragments[0].times.start_ns == writing.filmed_ns(0)
    writing.end()
    after = Writing(writing.folder, clip, T0 + 3 * SECOND_NS).write(60)
    tail.look(T0)
    seqs = [f.seq for f in tail.fragments]
    assert seqs == list(range(1, len(seqs) + 1))
    assert {f.of.start_ns for f in tail.fragments} == {T0, T0 + 3 * SECOND_NS}
    assert tail.fragments[-1].of.path == after.path
    # every frame of the finished file was taken in, the last fragment too
    assert sum(len(f.packets()) for f in tail.fragments if f.of.start_ns == T0) == 60


def test_a_file_that_was_taken_away_can_still_be_wound_back_and_is_let_go_in_time(writing, clip):
    tail = tail_of(writing)
    writing.write(60)
    tail.look(T0)
    writing.end()
    for taken in writing.folder.glob("*.mp4"):
        taken.unlink()
    Writing(writing.folder, clip, T0 + 3 * SECOND_NS).write(60)
    tail.look(T0 + 3 * SECOND_NS)
    old = tail.fragments[0].of
    assert old.start_ns == T0
    assert len(tail.fragments[0].read()) == tail.fragments[0].size
    tail.look(T0 + 73 * SECOND_NS + 1)
    assert tail.fragments[0].of is not old
    assert old.file.closed


def test_a_feed_is_header_and_fragments_byte_for_byte(writing):
    writing.write(120)
    viewer = FeedViewer("A", GRANT, tail_of(writing))
    told = read(drain(viewer, T0 + 5 * SECOND_NS))
    assert [head["kind"] for head, _ in told[:2]] == ["init", "fragment"]
    assert told[0][0]["mime"].startswith('video/mp4; codecs="avc1.')
    sent = b"".join(body for _, body in told)
    assert sent == writing.path.read_bytes()[: len(sent)]
    assert len(sent) > 0.8 * writing.path.stat().st_size
    first = told[1][0]
    assert first["start_ms"] == pytest.approx(writing.filmed_ns(0) / 1e6, abs=0.01)


def test_a_new_file_is_announced_by_its_header(writing, clip):
    writing.write(60)
    viewer = FeedViewer("A", GRANT, tail_of(writing))
    drain(viewer, T0 + 3 * SECOND_NS)
    writing.end()
    Writing(writing.folder, clip, T0 + 3 * SECOND_NS).write(60)
    told = read(drain(viewer, T0 + 6 * SECOND_NS))
    inits = [head for head, _ in told if head["kind"] == "init"]
    assert [head["zero_ms"] for head in inits] == [(T0 + 3 * SECOND_NS) / 1e6]


def test_a_viewer_that_does_not_acknowledge_gets_no_more(writing):
    writing.write(400)
    viewer = FeedViewer("A", GRANT, tail_of(writing))
    assert len(fragments(viewer.take(T0))) == UNDER_WAY
    assert viewer.take(T0) == []
    viewer.hear('{"ack": 1}')
    assert len(fragments(viewer.take(T0))) == 1
    for nonsense in ("", "[]", "{", '{"ack": "x"}', "null"):
        viewer.hear(nonsense)
    assert viewer.take(T0) == []


def test_a_slow_viewer_is_skipped_ahead_to_a_key_frame_and_told_so(writing):
    writing.write(60)
    viewer = FeedViewer("A", GRANT, tail_of(writing))
    drain(viewer, T0 + 3 * SECOND_NS)
    writing.write(400)
    told = read(viewer.take(T0 + 19 * SECOND_NS))
    skip, fragment = told[0][0], told[1][0]
    assert skip["kind"] == "skip"
    assert fragment["start_ms"] == skip["to_ms"]
    key = (FRAMES - 100) // GOP * GOP
    assert fragment["start_ms"] >= writing.filmed_ns(key) / 1e6 - 1
    newest = viewer.tail.newest_key()
    assert fragment["start_ms"] == pytest.approx(newest.times.start_ns / 1e6, abs=0.01)


def test_history_starts_at_a_key_frame_and_not_before_what_the_page_has(writing):
    writing.write(400)
    now_ns = T0 + 16 * SECOND_NS
    whole = fragments(drain(FeedViewer("A", GRANT, tail_of(writing)), now_ns))
    assert whole[0]["start_ms"] == pytest.approx(writing.filmed_ns(0) / 1e6, abs=0.01)
    again = FeedViewer("A", GRANT, tail_of(writing), since_ns=writing.filmed_ns(220))
    rest = fragments(drain(again, now_ns))
    assert rest[0]["start_ms"] == pytest.approx(writing.filmed_ns(200) / 1e6, abs=0.01)


def test_nothing_outside_the_grant_is_sent(writing):
    writing.write(400)
    until = replace(GRANT, span=Span(0, writing.filmed_ns(100)))
    told = read(drain(FeedViewer("A", until, tail_of(writing)), T0 + 16 * SECOND_NS))
    last = max(head["stop_ms"] for head, _ in told if head["kind"] == "fragment")
    assert last <= writing.filmed_ns(100) / 1e6 + 1
    assert told[-1][0]["kind"] == "outside"


def test_without_a_recording_a_viewer_is_told_once(tmp_path):
    viewer = FeedViewer("A", GRANT, Tail(tmp_path / "A"))
    assert [head["kind"] for head, _ in read(viewer.take(T0))] == ["none"]
    assert viewer.take(T0) == []


def test_a_tile_shows_the_frame_whose_turn_it_is_with_its_own_time(writing):
    source = Growing(tail_of(writing))
    seen = []
    for tenth in range(60):
        writing.write(round((tenth + 1) * RATE / 10) - writing.at)
        shown = source(T0 + tenth * SECOND_NS // 10)
        if isinstance(shown, Picture):
            number = read_number(shown.rgb)
            assert shown.at_ns == writing.filmed_ns(number)
            assert T0 + tenth * SECOND_NS // 10 - shown.at_ns <= (DELAY_S + 0.2) * SECOND_NS
            seen.append(number)
    assert seen == sorted(seen)
    # ten a second from the first one on: nothing is left out
    assert len(set(seen)) > 35


def test_a_tile_that_is_rarely_asked_goes_from_key_frame_to_key_frame(writing):
    source = Growing(tail_of(writing))
    writing.write(60)
    assert isinstance(source(T0 + 2 * SECOND_NS), Picture)
    writing.write(340)
    shown = source(T0 + 14 * SECOND_NS)
    # twelve seconds on in one step, at the cost of eight frames
    assert read_number(shown.rgb) - 12 * RATE < GOP
    assert read_number(shown.rgb) >= 300
    assert shown.at_ns == writing.filmed_ns(read_number(shown.rgb))


def test_a_tile_whose_recording_stalls_grows_silent_since_its_last_frame(writing):
    source = Growing(tail_of(writing))
    writing.write(75)
    for tenth in range(50):
        last = source(T0 + tenth * SECOND_NS // 10)
    quiet = source(last.at_ns + round((HOLD_S + 0.1) * SECOND_NS))
    assert quiet == Silence(last.at_ns)


def test_after_the_clock_was_set_back_a_tile_is_silent_until_its_recording_goes_on(writing, clip):
    back_ns = 3600 * SECOND_NS
    tail = tail_of(writing)
    source = Growing(tail)
    writing.write(75)
    shown = [source(T0 + tenth * SECOND_NS // 10) for tenth in range(50)][-1]
    assert isinstance(shown, Picture)
    # nothing is written any more, and the clock leaps: the picture is none of now, however long
    for second in range(3):
        now_ns = T0 + (2 + second) * SECOND_NS - back_ns
        assert isinstance(source(now_ns), Silence)
    writing.end()
    after = Writing(writing.folder, clip, start_ns=T0 + 5 * SECOND_NS - back_ns).write(75)
    now_ns = after.start_ns + 2 * SECOND_NS
    shown = [source(now_ns + tenth * SECOND_NS // 10) for tenth in range(20)][-1]
    assert isinstance(shown, Picture)
    assert shown.at_ns == after.filmed_ns(read_number(shown.rgb))
    assert shown.at_ns < now_ns + 2 * SECOND_NS
    tail.close()


def test_broken_bytes_in_a_recording_cost_frames_and_not_the_tile(writing):
    writing.write(200)
    data = bytearray(writing.path.read_bytes())
    at = data.index(b"mdat", len(data) // 3)
    data[at + 8 : at + 400] = bytes(392)
    writing.path.write_bytes(data)
    source = Growing(tail_of(writing))
    source._seq = -1  # from the first fragment on, as if it had been watched from the beginning
    pictures = [source(T0 + tenth * SECOND_NS // 10) for tenth in range(90)]
    assert sum(isinstance(shown, Picture) for shown in pictures) > 30


def status_file(folder, at_ns, camera="A", **facts):
    folder.mkdir(exist_ok=True)
    told = {"state": "recording", "since_ns": 5, "cause": "", "faults": [], "why": ""} | facts
    (folder / "status.json").write_text(json.dumps({"at_ns": at_ns, "cameras": {camera: told}}))


def test_a_recorders_status_is_believed_while_it_is_fresh(tmp_path):
    status = RecorderStatus(tmp_path)
    assert status("A", T0) is None
    status_file(tmp_path, T0, faults=["frozen"], why="w")
    known = status("A", T0 + SECOND_NS)
    assert (known.state, known.faults, known.why) == ("recording", ("frozen",), "w")
    assert status("B", T0 + SECOND_NS) is None
    (tmp_path / "status.json").write_text("{")
    assert status("A", T0 + 2 * SECOND_NS) == known
    assert status("A", T0 + round((FRESH_S + 1) * SECOND_NS)) is None
    # written before the clock was set back: nobody knows how old it is
    assert status("A", T0 - 3600 * SECOND_NS) is None


@pytest.fixture
def camera(small_root, tmp_path):
    """A camera with an address where somebody listens; yields its workbench and that socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        port = listening.getsockname()[1]
        wb = small_root.as_actor("kiem-thu")
        known = dict(wb.ward.cameras)
        known["S01-P1"] = replace(
            known["S01-P1"], stream_url=f"rtsp://127.0.0.1:{port}/main", substream_url=""
        )
        wb.ward = replace(wb.ward, cameras=known)
        yield wb, listening


def connected(listening, timeout_s):
    listening.settimeout(timeout_s)
    try:
        listening.accept()[0].close()
    except TimeoutError:
        return False
    return True


def test_a_camera_being_recorded_is_not_opened_a_second_time(camera, clip, tmp_path):
    wb, listening = camera
    Writing(tmp_path / "S01-P1", clip).write(75)
    tails, status = Tails(tmp_path), RecorderStatus(tmp_path)
    status_file(tmp_path, T0, "S01-P1")
    source = LiveCamera("S01-P1", wb, tails, status, lambda: pytest.fail("no replay"))
    shown = [source(T0 + tenth * SECOND_NS // 10) for tenth in range(45)]
    assert isinstance(shown[-1], Picture)
    assert not connected(listening, 0.3)
    source.close()
    assert tails._held == {}


def test_a_camera_that_nobody_records_is_opened_itself(camera, tmp_path):
    wb, listening = camera
    recorder = RecorderStatus(tmp_path)
    source = LiveCamera("S01-P1", wb, Tails(tmp_path), recorder, lambda: pytest.fail("no replay"))
    source(T0)
    try:
        assert connected(listening, 10)
    finally:
        source.close()


def test_a_substream_that_shows_nothing_gives_way_to_the_recording(camera, clip, tmp_path):
    wb, listening = camera
    known = dict(wb.ward.cameras)
    port = listening.getsockname()[1]
    known["S01-P1"] = replace(known["S01-P1"], substream_url=f"rtsp://127.0.0.1:{port}/sub")
    wb.ward = replace(wb.ward, cameras=known)
    writing = Writing(tmp_path / "S01-P1", clip).write(120)
    status_file(tmp_path, T0, "S01-P1")
    tails, status = Tails(tmp_path), RecorderStatus(tmp_path)
    source = LiveCamera("S01-P1", wb, tails, status, lambda: pytest.fail("no replay"))
    try:
        # while it is being opened nobody can know: that is not silence
        assert source(T0) == Silence(None, opening=True)
        for tenth in range(45, 90):
            writing.write(max(0, round((tenth + 1) * RATE / 10) - writing.at))
            shown = source(T0 + tenth * SECOND_NS // 10)
        assert isinstance(shown, Picture)
        assert shown.key[0] == "growing"
        assert source.ready(T0 + 9 * SECOND_NS, frozenset({256})) is None
        source.rest()
        assert tails._held == {}
    finally:
        source.close()


def test_a_substream_is_preferred_and_gets_its_credentials(small_root, tmp_path):
    secrets = tmp_path / "credentials.toml"
    secrets.write_text('[S01-P1]\nuser = "ward"\npassword = "p@ss"\n')
    with pytest.raises(BadInput):
        openable("rtsp://10.0.0.7/sub", "S01-P1", tmp_path)  # others may read the file
    secrets.chmod(0o600)
    name, container = openable("rtsp://10.0.0.7/sub", "S01-P1", tmp_path)
    assert (name, container) == ("rtsp://ward:p%40ss@10.0.0.7/sub", None)
    assert openable("/dev/video0", "S01-P1", tmp_path) == ("/dev/video0", "v4l2")


def test_addresses_with_credentials_reach_no_log(tmp_path):
    code = (
        "import time; from workbench.views.camera_stream import Stream; "
        "s = Stream('rtsp://ward:geheim@127.0.0.1:9/x', time.time_ns); "
        "s._thread.join(1); print(s(time.time_ns()), s)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "geheim" not in done.stdout + done.stderr


def serve(wb, tails, go, secret=""):
    async def run():
        with ThreadPoolExecutor(1) as pool:
            hub = Hub(lambda _camera: lambda _now: Silence(None), pool, wb.now)
            told = Settings(str(wb.root), "127.0.0.1", 0, 5006, secret)
            sockets = bind_sockets(0, "127.0.0.1")
            server = HTTPServer(application(_House(wb, told, Footage(wb), hub, pool), tails))
            server.add_sockets(sockets)
            try:
                async with asyncio.timeout(20):
                    return await go(f"ws://127.0.0.1:{sockets[0].getsockname()[1]}")
            finally:
                server.stop()

    return asyncio.run(run())


def test_a_feed_needs_a_grant_for_its_camera_and_a_sign_in(small_root, purpose, tmp_path):
    token = small_root.as_actor("lan").grant(["S01-P1"], purpose)

    def refused(path, secret=""):
        async def go(url):
            with pytest.raises(Exception, match=r"40[134]") as caught:
                await websocket_connect(url + path)
            return caught.value.code

        return serve(small_root, Tails(tmp_path), go, secret)

    assert refused("/feed/S01-P1") == 403
    assert refused(f"/feed/S02-P1?grant={token}") == 403
    assert refused(f"/feed/..%2F..?grant={token}") == 404
    assert refused(f"/feed/S01-P1?grant={token}", "secret") == 401


def test_a_feed_over_the_network_plays_and_lets_the_file_go(small_root, clip, tmp_path):
    wb = small_root.as_actor("lan")
    start_ns = wb.now() - 4 * SECOND_NS
    around = Span(start_ns - 3600 * SECOND_NS, start_ns + 3600 * SECOND_NS)
    wb.open_case(replace(CASE, case_id="TT-02", period=around))
    token = wb.grant(["S01-P1"], Purpose("TT-02", "kiểm thử"))
    writing = Writing(tmp_path / "S01-P1", clip, start_ns).write(75)
    tails = Tails(tmp_path)

    async def go(url):
        feed = await websocket_connect(f"{url}/feed/S01-P1?grant={token}")
        got = []
        while sum(head["kind"] == "fragment" for head, _ in read(got)) < 2:
            got.append(await feed.read_message())
        feed.close()
        while tails._held:
            await asyncio.sleep(0.02)
        return got

    told = read(serve(wb, tails, go))
    assert [head["kind"] for head, _ in told[:3]] == ["init", "fragment", "fragment"]
    header = b"".join(body for _, body in told[:2])
    played = tmp_path / "played.mp4"
    played.write_bytes(header)
    with av.open(str(played)) as container:
        first = next(container.decode(video=0))
    assert read_number(np.asarray(first.to_ndarray(format="rgb24"))) == 0
    assert writing.path.read_bytes().startswith(header)
