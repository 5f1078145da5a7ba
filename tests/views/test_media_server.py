"""The media process: who may fetch which picture, and that it is the right one."""

import asyncio
import gc
import json
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import cv2
import numpy as np
import pytest
from make.clips import read_number
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import create_signed_value
from tornado.websocket import websocket_connect

from workbench.investigation import GRANT_S
from workbench.investigation.people import SignIn
from workbench.timeline import SECOND_NS, Span
from workbench.views import media_server
from workbench.views.footage import Footage
from workbench.views.media_server import Settings, _House, application, same_house
from workbench.views.serve import media_process
from workbench.views.wall_hub import Hub

SECRET = "a secret of the house"


@asynccontextmanager
async def running(wb, secret="", hub=None):
    """Serve the application in this loop; yields its origin and port."""
    with ThreadPoolExecutor(2) as pool:
        footage = Footage(wb)
        house = _House(
            wb,
            Settings(str(wb.root), "127.0.0.1", 0, 5006, secret),
            footage,
            hub or Hub(lambda _camera: lambda _now: None, pool, wb.now),
            pool,
        )
        sockets = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(application(house))
        server.add_sockets(sockets)
        port = sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}", port
        finally:
            server.stop()


async def get(url, cookie="", origin=""):
    headers = {"Cookie": f"user={cookie}"} if cookie else {}
    if origin:
        headers["Origin"] = origin
    return await AsyncHTTPClient().fetch(HTTPRequest(url, headers=headers), raise_error=False)


@pytest.fixture
def clip(small_root):
    return next(s for s in small_root.segments() if s.camera_id.startswith("S01"))


@pytest.fixture
def token(small_root, clip, purpose):
    return small_root.grant([clip.camera_id], purpose)


def fetch(wb, path, *, secret="", **more):
    async def go():
        async with running(wb, secret) as (url, _port):
            return await get(url + path, **more)

    return asyncio.run(go())


def number(body):
    picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    return read_number(picture[:, :, ::-1])


def test_a_still_is_the_frame_of_its_address_and_says_so(small_root, clip, token):
    pts = int(small_root.frame_index(clip).pts[41])
    answer = fetch(small_root, f"/still/{clip.sha256}/{pts}.jpg?grant={token}")
    assert answer.code == 200
    assert number(answer.body) == 41
    assert (answer.headers["X-Pts"], answer.headers["X-Segment"]) == (str(pts), clip.sha256)
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_run_labels_every_frame(small_root, clip, token):
    pts = small_root.frame_index(clip).pts.tolist()
    answer = fetch(small_root, f"/run/{clip.sha256}/{pts[10]}.bin?count=3&grant={token}")
    body, seen = answer.body, []
    while body:
        label, size = (
            int.from_bytes(body[:8], "big", signed=True),
            int.from_bytes(body[8:12], "big"),
        )
        seen.append((label, number(body[12 : 12 + size])))
        body = body[12 + size :]
    assert seen == [(pts[10], 10), (pts[11], 11), (pts[12], 12)]


@pytest.mark.parametrize(
    "kind", ["still/{sha}/{pts}.jpg", "run/{sha}/{pts}.bin", "crop/{sha}/{pts}/0,0,9,9.jpg"]
)
def test_no_grant_no_picture(small_root, clip, kind):
    path = "/" + kind.format(sha=clip.sha256, pts=clip.first_pts)
    assert fetch(small_root, path).code == 403
    assert fetch(small_root, path + "?grant=forged").code == 403


def test_a_grant_for_another_camera_or_period_shows_nothing(small_root, clip, purpose):
    path = f"/still/{clip.sha256}/{clip.first_pts}.jpg?grant="
    other = next(s.camera_id for s in small_root.segments() if s.camera_id != clip.camera_id)
    assert fetch(small_root, path + small_root.grant([other], purpose)).code == 403
    span = small_root.utc_span(clip)
    early = small_root.grant([clip.camera_id], purpose, span=Span(span.start_ns - 9, span.start_ns))
    assert fetch(small_root, path + early).code == 403


def test_an_expired_grant_shows_nothing(small_root, clip, purpose):
    token = small_root.grant([clip.camera_id], purpose)
    later = small_root.as_actor("officer")
    later.now = lambda: small_root.now() + (GRANT_S + 1) * SECOND_NS
    assert fetch(later, f"/still/{clip.sha256}/{clip.first_pts}.jpg?grant={token}").code == 403


def test_a_run_stops_where_the_grant_does(small_root, clip, purpose):
    pts = small_root.frame_index(clip).pts.tolist()
    stop_ns, _ = small_root.utc(clip, pts[4])
    span = Span(small_root.utc_span(clip).start_ns, stop_ns)
    token = small_root.grant([clip.camera_id], purpose, span=span)
    answer = fetch(small_root, f"/run/{clip.sha256}/{pts[0]}.bin?count=20&grant={token}")
    sizes, body = [], answer.body
    while body:
        size = int.from_bytes(body[8:12], "big")
        sizes.append(size)
        body = body[12 + size :]
    assert len(sizes) == 4


def test_unknown_files_frames_and_paths_are_not_found(small_root, clip, token):
    asked = f"?grant={token}"
    assert fetch(small_root, f"/still/{'0' * 64}/0.jpg{asked}").code == 404
    assert fetch(small_root, f"/still/{clip.sha256}/{clip.first_pts + 1}.jpg{asked}").code == 404
    assert fetch(small_root, f"/still/{clip.sha256[:12]}/{clip.first_pts}.jpg{asked}").code == 404
    assert fetch(small_root, f"/still/..%2F..%2Fetc%2Fpasswd/0.jpg{asked}").code == 404


def test_with_sign_in_a_picture_needs_the_signed_cookie_of_the_grants_holder(
    manned_root, clip, purpose
):
    token = manned_root.as_actor("lan").grant([clip.camera_id], purpose)
    path = f"/still/{clip.sha256}/{clip.first_pts}.jpg?grant={token}"
    until_ns = manned_root.now() + 3600 * SECOND_NS

    def status(name, serial=1, until_ns=until_ns, secret=SECRET):
        one = SignIn(name, serial, until_ns)
        cookie = create_signed_value(secret, "user", one.text()).decode()
        return fetch(manned_root, path, secret=SECRET, cookie=cookie).code

    assert fetch(manned_root, path, secret=SECRET).code == 401
    plain = create_signed_value(SECRET, "user", "lan").decode()
    assert fetch(manned_root, path, secret=SECRET, cookie=plain).code == 401
    assert status("lan", secret="another") == 401
    assert status("lan", until_ns=manned_root.now()) == 401
    assert status("lan", serial=2) == 401  # of before a change of lan's, or after
    assert status("nobody") == 401
    assert status("minh") == 403
    assert status("lan") == 200


def test_pages_of_other_origins_get_nothing(small_root, clip, token):
    path = f"/still/{clip.sha256}/{clip.first_pts}.jpg?grant={token}"
    ours = fetch(small_root, path, origin="http://127.0.0.1:5006")
    assert ours.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:5006"
    for origin in ("http://elsewhere.example", "http://127.0.0.1:9999", "null"):
        assert fetch(small_root, path, origin=origin).code == 403
    assert not same_house("http://127.0.0.1:port", "127.0.0.1:5007", 5006)


def test_a_refusal_can_be_told_from_a_broken_file_by_our_page_and_by_no_other(
    small_root, clip, token
):
    """Without the header a browser hides the status, and the page said: cannot be decoded."""
    still = f"/still/{clip.sha256}/{clip.first_pts}.jpg"
    for path, code in (
        (still, 403),
        (f"{still}?grant=no", 403),
        (f"/still/{'0' * 64}/0.jpg?grant={token}", 404),
    ):
        ours = fetch(small_root, path, origin="http://127.0.0.1:5006")
        assert ours.code == code
        assert ours.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:5006"
        other = fetch(small_root, path, origin="http://elsewhere.example")
        assert "Access-Control-Allow-Origin" not in other.headers


def test_the_wall_refuses_before_it_opens(small_root, token):
    async def go():
        async with running(small_root, SECRET) as (_url, port):
            for query, code in ((f"?grant={token}", 401),):
                with pytest.raises(Exception, match=str(code)):
                    await websocket_connect(f"ws://127.0.0.1:{port}/wall{query}")
        async with running(small_root) as (_url, port):
            with pytest.raises(Exception, match="403"):
                await websocket_connect(f"ws://127.0.0.1:{port}/wall")

    asyncio.run(go())


def test_a_page_that_closes_while_messages_are_on_their_way_leaves_no_error(small_root, token):
    said = []

    async def go():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, told: said.append(told))
        hub = Hub(lambda _camera: lambda _now: None, None, small_root.now)
        async with asyncio.timeout(60), running(small_root, hub=hub) as (_url, port):
            wall = await websocket_connect(f"ws://127.0.0.1:{port}/wall?grant={token}")
            while not hub.viewers:
                await asyncio.sleep(0)
            (viewer,) = hub.viewers
            for _ in range(48):
                viewer.send(bytes(1 << 20))  # more than the sockets take
            page = wall.protocol.stream
            page.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            page.close()
            while hub.viewers:
                await asyncio.sleep(0.01)
            viewer.send(b"after the end")
            await asyncio.sleep(0)
            gc.collect()  # an error that nobody looked at is told when its task is collected
            assert said == []
            failed = loop.create_future()
            failed.add_done_callback(media_server._sent)
            failed.set_exception(ValueError("a fault of ours"))
            await asyncio.sleep(0)

    asyncio.run(go())
    assert [str(told["exception"]) for told in said] == ["a fault of ours"]


def test_the_process_serves_tiles_and_ends_with_its_parent(small_root, clip, token):
    settings = Settings(str(small_root.root), "127.0.0.1", 0, 5006)

    async def go(port):
        wall = await websocket_connect(f"ws://127.0.0.1:{port}/wall?grant={token}")
        await wall.write_message(json.dumps({"visible": {clip.camera_id: 300}}))
        async with asyncio.timeout(30):
            message = await wall.read_message()
        wall.close()
        length = int.from_bytes(message[:4], "big")
        return json.loads(message[4 : 4 + length])

    with media_process(settings) as port:
        head = asyncio.run(go(port))
    assert head["tiles"][0]["camera"] == clip.camera_id
    assert head["tiles"][0]["state"] in ("replay", "silent")
    with pytest.raises(OSError, match=r"refused|reset|timed out"):
        asyncio.run(websocket_once(port))


async def websocket_once(port):
    await websocket_connect(f"ws://127.0.0.1:{port}/wall")
