"""The hub: latest picture wins, a slow viewer gets fewer, nobody sees outside a grant."""

import asyncio
import json
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from workbench.investigation import Grant
from workbench.timeline import SECOND_NS, Span
from workbench.views.sheets import sheet_jpeg
from workbench.views.sources import Picture, Silence
from workbench.views.wall_hub import BATCHES_UNDER_WAY, FEWER, OFTENER, Hub, Tile, Viewer

GRANT = Grant("officer", "HL-01", ("A", "B"), Span(0, 100), 10**18)


def picture(at_ns=10, key=1, state="replay"):
    return Picture(np.full((90, 160, 3), 7, np.uint8), at_ns, state, ("segment", key))


def drawn(width=256, shade=7):
    return sheet_jpeg(np.full((width * 9 // 16, width, 3), shade, np.uint8), 80)


def tile(seq=1, shown=None, jpegs=None):
    return Tile(seq, 0, shown or picture(), {256: drawn()} if jpegs is None else jpegs)


def read(message):
    length = struct.unpack(">I", message[:4])[0]
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def viewer(**wanted):
    made = Viewer(GRANT, lambda _message: None)
    made.hear(json.dumps({"visible": wanted or {"A": 250}}))
    return made


def test_a_batch_says_what_each_picture_is():
    head, pictures = read(viewer().batch({"A": tile()}, 5_000_000))
    assert head["tiles"] == [
        {"camera": "A", "state": "replay", "at_ms": 0, "made_ms": 0, "place": [0, 0, 256, 144]}
    ]
    assert (head["n"], head["now_ms"], pictures) == (1, 5, drawn())


def test_pictures_of_one_size_come_in_one_sheet_and_each_tells_its_place():
    names = [f"C{n}" for n in range(12)]
    watching = Viewer(replace(GRANT, cameras=tuple(names)), lambda _message: None)
    watching.hear(json.dumps({"visible": dict.fromkeys(names, 250)}))
    shades = {name: 20 * number for number, name in enumerate(names)}
    tiles = {name: tile(1, None, {256: drawn(256, shade)}) for name, shade in shades.items()}
    tiles["C5"] = tile(1, Silence(None), {})
    head, pictures = read(watching.batch(tiles, 0))
    assert head["sheets"] == [len(pictures)]
    sheet = cv2.imdecode(np.frombuffer(pictures, np.uint8), cv2.IMREAD_COLOR)
    shown = {one["camera"]: one["place"] for one in head["tiles"] if "place" in one}
    assert set(shown) == set(names) - {"C5"}
    for name, (number, top, width, height) in shown.items():
        inner = sheet[top + 1 : top + height - 1, :width].astype(int)
        assert number == 0
        assert abs(inner - shades[name]).max() <= 2, name


def test_the_same_picture_is_sent_once():
    watching = viewer()
    assert watching.batch({"A": tile(1)}, 0) is not None
    assert watching.batch({"A": tile(1)}, 0) is None
    assert watching.batch({"A": tile(2)}, 0) is not None


def test_a_viewer_that_does_not_acknowledge_gets_no_more_and_then_only_the_latest():
    watching = viewer()
    for seq in range(BATCHES_UNDER_WAY):
        assert watching.batch({"A": tile(seq)}, 0) is not None
    assert watching.batch({"A": tile(7)}, 0) is None
    watching.hear('{"ack": 1}')
    head, _ = read(watching.batch({"A": tile(9, picture(at_ns=90))}, 0))
    assert len(head["tiles"]) == 1
    assert watching.sent["A"] == (9, 256)


def test_a_viewer_that_draws_slowly_gets_small_batches_and_each_camera_its_turn():
    names = [f"C{n}" for n in range(40)]
    watching = Viewer(replace(GRANT, cameras=tuple(names)), lambda _message: None)
    watching.hear(json.dumps({"visible": dict.fromkeys(names, 250)}))
    now_ns, seen = 0, []
    for number in range(1, 16):
        head, _ = read(watching.batch({name: tile(number) for name in names}, now_ns))
        seen.append([one["camera"] for one in head["tiles"]])
        now_ns += round(len(seen[-1]) * 0.02 * SECOND_NS)  # fifty pictures a second
        watching.hear(json.dumps({"ack": head["n"]}), now_ns)
    assert len(seen[0]) == 40
    assert all(len(batch) <= 20 for batch in seen[3:])
    assert {camera for batch in seen[3:9] for camera in batch} == set(names)
    for _ in range(40):  # and larger ones when it is quick again
        head, _ = read(watching.batch({name: tile(99 + now_ns) for name in names}, now_ns))
        now_ns += 10_000_000
        watching.hear(json.dumps({"ack": head["n"]}), now_ns)
    assert len(head["tiles"]) == 40


def test_cameras_outside_the_grant_cannot_be_wanted():
    watching = viewer(A=250, C=250)
    assert set(watching.wanted) == {"A"}


def test_a_picture_outside_the_granted_period_is_not_sent():
    head, pictures = read(viewer().batch({"A": tile(1, picture(at_ns=100))}, 0))
    assert head["tiles"][0]["state"] == "outside"
    assert pictures == b""


def test_silence_says_since_when():
    head, _ = read(viewer().batch({"A": tile(1, Silence(3_000_000), {})}, 0))
    assert head["tiles"] == [{"camera": "A", "state": "silent", "since_ms": 3}]


def test_an_enlarged_tile_waits_for_its_larger_picture():
    watching = viewer(A=900)
    assert watching.batch({"A": tile()}, 0) is None
    both = {256: drawn(), 960: drawn(960)}
    assert watching.batch({"A": tile(1, None, both)}, 0).endswith(both[960])


@pytest.mark.parametrize(
    "said", ["", "[]", "{", '{"visible": 3}', '{"visible": {"A": "x"}}', "null"]
)
def test_nonsense_from_a_page_is_ignored(said):
    watching = viewer()
    watching.hear(said)
    assert set(watching.wanted) <= {"A"}


def test_a_stream_that_is_being_opened_is_not_called_silent():
    head, _ = read(viewer().batch({"A": tile(1, Silence(None, opening=True), {})}, 0))
    assert head["tiles"][0]["state"] == "opening"


def run_hub(source, wanted, until):
    async def go():
        sent = []
        with ThreadPoolExecutor(2) as pool:
            hub = Hub(lambda _camera: source, pool, lambda: 42 * SECOND_NS)
            watching = Viewer(GRANT, sent.append)
            watching.hear(json.dumps({"visible": wanted}))
            hub.viewers.add(watching)
            async with asyncio.timeout(10):
                while not until(hub, sent):
                    hub.tick()
                    watching.hear('{"ack": 1}')
                    await asyncio.sleep(0.01)
        return hub, sent

    return asyncio.run(go())


def test_the_hub_makes_each_width_that_is_wanted():
    hub, _ = run_hub(lambda _now: picture(), {"A": 900}, lambda hub, sent: sent)
    assert set(hub.tiles["A"].jpegs) == {960}


def test_a_source_that_fails_is_a_camera_without_signal_and_the_others_go_on():
    def source(_now):
        raise OSError("the disk is gone")

    hub, sent = run_hub(source, {"A": 250}, lambda hub, sent: sent)
    assert isinstance(hub.tiles["A"].shown, Silence)
    assert read(sent[0])[0]["tiles"][0]["state"] == "silent"


def test_a_camera_that_nobody_watches_is_closed():
    closed = []

    class Source:
        def __call__(self, _now):
            return picture()

        def close(self):
            closed.append(True)

    async def go():
        with ThreadPoolExecutor(1) as pool:
            hub = Hub(lambda _camera: Source(), pool, lambda: 0)
            watching = viewer()
            hub.viewers.add(watching)
            async with asyncio.timeout(10):
                while not hub.tiles:
                    hub.tick()
                    await asyncio.sleep(0.01)
                hub.viewers.discard(watching)
                while not closed:
                    hub.tick()
                    await asyncio.sleep(0.01)
        assert hub.tiles == {}

    asyncio.run(go())


@pytest.mark.parametrize(("every", "says"), [(1, OFTENER), (3, FEWER)])
def test_fewer_pictures_are_made_of_what_viewers_leave_and_more_of_what_they_wait_for(every, says):
    said = []

    class Source:
        made = 0

        def ready(self, _now, _widths):
            self.made += 1
            shown = np.zeros((9, 16, 3), np.uint8)
            return Picture(shown, 10, "live", ("s", self.made), {256: drawn()})

        def pace(self, times):
            said.append(times)

        def __call__(self, _now):
            return Silence(None, opening=True)

    async def go():
        with ThreadPoolExecutor(1) as pool:
            hub = Hub(lambda _camera: Source(), pool, lambda: 0)
            watching = Viewer(GRANT, lambda _message: None)
            watching.hear('{"visible": {"A": 250}}')
            hub.viewers.add(watching)
            async with asyncio.timeout(10):
                while watching.batches < 2:  # opened, and its first picture
                    hub.tick()
                    watching.under_way = 0
                    await asyncio.sleep(0)
            said.clear()
            for number in range(1, 4 * every + 1):
                watching.under_way = 0 if number % every == 0 else BATCHES_UNDER_WAY
                hub.tick()
        assert said == [says] * 4

    asyncio.run(go())


def test_what_is_ready_is_taken_without_asking_and_a_camera_out_of_sight_rests_before_it_closes():
    done = []
    clock = [0]

    class Source:
        def ready(self, _now, widths):
            done.append(("ready", widths))
            return Picture(
                np.zeros((9, 16, 3), np.uint8), 10, "live", ("s", 1), {256: drawn(256, 99)}
            )

        def rest(self):
            done.append(("rest", None))

        def close(self):
            done.append(("close", None))

        def __call__(self, _now):
            return Silence(None, opening=True)

    async def go():
        with ThreadPoolExecutor(1) as pool:
            hub = Hub(lambda _camera: Source(), pool, lambda: clock[0], linger_s=5)
            sent = []
            watching = Viewer(GRANT, sent.append)
            watching.hear('{"visible": {"A": 250}}')
            hub.viewers.add(watching)
            async with asyncio.timeout(10):
                while not any(message.endswith(drawn(256, 99)) for message in sent):
                    hub.tick()
                    watching.hear('{"ack": 1}')
                    await asyncio.sleep(0.01)
            hub.viewers.discard(watching)
            hub.tick()
            assert done[-1] == ("rest", None)
            assert hub.tiles == {}
            clock[0] = 5 * SECOND_NS
            hub.tick()
            assert done[-1] == ("close", None)

    asyncio.run(go())
