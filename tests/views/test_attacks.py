"""What an attacker or a careless officer tries against the running pages, and what comes of it."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html import escape
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from bokeh.util.token import generate_jwt_token, get_session_id
from make.attacks import EVIL, ask, enter, join, running, signed_in, token_of
from make.small_root import CASE, PASSWORDS, PLATE, with_people
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.websocket import websocket_connect

from workbench.cases.people import FIRST_WAIT_S, FREE_TRIES
from workbench.errors import BadInput, Refused, Unavailable
from workbench.investigation import change_person
from workbench.records import Purpose
from workbench.views import media_server
from workbench.views.footage import Footage
from workbench.views.gate import names_of
from workbench.views.map import ward_map
from workbench.views.media_server import Settings
from workbench.views.page import build, visit
from workbench.views.player import Player, review_page
from workbench.views.serve import _free_port, media_process, serve
from workbench.views.trace import trace_page
from workbench.views.wall_hub import Hub, Viewer

SAID = 3
"""Place of what a search says, in the form of the trace page."""
IN_CASE = urlencode({"case": CASE.case_id, "reason": CASE.reason})


@pytest.fixture(scope="module")
def evil_case(small_root):
    case = replace(CASE, case_id='X"><b>', title=EVIL, reason=EVIL, legal_basis=EVIL)
    return small_root.open_case(case)


@pytest.fixture(scope="module")
def open_port(small_root, evil_case):
    with running(small_root.root) as served:
        yield served.port


@pytest.fixture(scope="module")
def closed_port(manned_root):
    with running(manned_root.root) as served:
        yield served.port


# -- the running pages -----------------------------------------------------------------------


def test_what_users_wrote_is_text_on_the_page(open_port, evil_case):
    asked = {"case": evil_case.case_id, "reason": EVIL, "lang": EVIL, "plate": EVIL, "x": EVIL}
    status, _headers, page = ask(open_port, f"/truy-vet?{urlencode(asked)}")
    assert status == 200
    assert escape(EVIL) in page.replace("&#34;", "&quot;")
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "X&#34;&gt;&lt;b&gt;" in page


def test_every_answer_carries_the_policy_and_says_little_of_the_server(open_port):
    for path in (f"/truc-tiep?{IN_CASE}", "/nothing", "/", "/assets/shell.js"):
        _status, headers, _page = ask(open_port, path)
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Server"] is None
    assert ask(open_port, f"/truc-tiep?{IN_CASE}")[1]["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/assets/../serve.py", "/assets/%2e%2e/serve.py", "/assets//etc"])
def test_no_path_leads_out_of_the_assets(open_port, path):
    assert ask(open_port, path)[0] in (403, 404)


def test_another_host_name_pointed_at_this_machine_is_shown_nothing(open_port):
    status, _headers, page = ask(open_port, f"/truc-tiep?{IN_CASE}", {"Host": "evil.example"})
    assert status == 403
    assert CASE.case_id not in page
    assert ask(open_port, f"/truc-tiep?{IN_CASE}", {"Host": f"localhost:{open_port}"})[0] == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/truc-tiep/autoload.js?bokeh-autoload-element=1&{IN_CASE}", {}),
        (f"/truc-tiep?{IN_CASE}", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}),
        (f"/truc-tiep?{IN_CASE}", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}),
    ],
)
def test_a_page_of_another_site_can_make_nobody_look(small_root, open_port, path, headers):
    before = len(small_root.audit())
    assert ask(open_port, path, headers)[0] == 403
    assert len(small_root.audit()) == before, "it stands in the log under the officer's name"


LINK = f"/truy-vet?{IN_CASE}&plate={PLATE}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "document"},
        {"Referer": "http://evil.example/"},  # a browser that says nothing of sites
        {"Referer": "http://127.0.0.1:1/"},
    ],
)
def test_a_link_on_another_site_leads_to_the_bare_page(small_root, open_port, headers):
    before = len(small_root.audit())
    status, answered, page = ask(open_port, LINK, headers)
    assert (status, answered["Location"]) == (302, "/truy-vet")
    assert CASE.case_id not in page
    assert len(small_root.audit()) == before
    # where it leads is no leap to another host, and no circle
    assert ask(open_port, f"//evil.example/?{IN_CASE}", headers)[1]["Location"] == "/evil.example/"
    assert ask(open_port, "/truy-vet", headers)[0] == 200


def test_an_address_fills_in_a_plate_and_a_person_searches(small_root, open_port, in_case):
    before = len(small_root.audit())
    own = {"Sec-Fetch-Site": "same-origin", "Referer": f"http://127.0.0.1:{open_port}/truc-tiep"}
    assert ask(open_port, LINK, own)[0] == 200
    assert ask(open_port, LINK, {"Sec-Fetch-Site": "none"})[0] == 200
    page = trace_page(in_case(plate=PLATE))
    assert page.roots["form"][0][0].value == PLATE
    assert page.roots["candidates"].rows == []
    assert {entry.action for entry in small_root.audit()[before:]} == {"view"}
    page.roots["form"][0][1].clicks += 1
    assert [row["key"] for row in page.roots["candidates"].rows][:1] == [PLATE]
    assert "search.plate" in {entry.action for entry in small_root.audit()[before:]}


def test_an_address_cannot_choose_the_session_it_joins(open_port):
    for asked in ("bokeh-session-id=mine", "bokeh-token=a.b"):
        assert ask(open_port, f"/truy-vet?{IN_CASE}&{asked}")[0] == 403
    assert ask(open_port, f"/truy-vet?{IN_CASE}", {"Bokeh-Session-Id": "mine"})[0] == 403


def test_a_session_token_made_elsewhere_opens_no_websocket(open_port):
    _status, _headers, page = ask(open_port, f"/truy-vet?{IN_CASE}")
    token = token_of(page)
    arguments = {"case": [CASE.case_id.encode().decode()], "reason": ["forged"]}
    forged = generate_jwt_token(
        get_session_id(token), signed=False, extra_payload={"arguments": arguments, "cookies": {}}
    )
    assert join(open_port, forged) == 403
    assert join(open_port, "nonsense") == 403
    assert join(open_port, token, origin="http://evil.example") == 403
    assert b"ACK" in join(open_port, token).encode()


def test_no_parameter_or_cookie_changes_who_acts(manned_root, closed_port):
    cookie = signed_in(closed_port, "lan")
    before = len(manned_root.audit())
    path = f"/truc-tiep?{IN_CASE}&actor=minh&user=minh&is_guest=1"
    status, _headers, page = ask(closed_port, path, {"Cookie": f"{cookie}; is_guest=1"})
    assert status == 200
    assert "<b>lan</b>" in page
    assert {entry.actor for entry in manned_root.audit()[before:]} == {"lan"}


def test_nobody_joins_the_session_of_somebody_else(closed_port):
    lan, minh = signed_in(closed_port, "lan"), signed_in(closed_port, "minh")
    token = token_of(ask(closed_port, f"/truy-vet?{IN_CASE}", {"Cookie": lan})[2])
    assert join(closed_port, token, cookie=minh) == 403
    assert join(closed_port, token) == 403
    assert b"ACK" in join(closed_port, token, cookie=lan).encode()


def test_without_signing_in_every_page_and_file_leads_to_the_sign_in(manned_root, closed_port):
    before = len(manned_root.audit())
    for path in (f"/truc-tiep?{IN_CASE}", "/truy-vet", "/xem-lai", "/truc-tiep/metadata"):
        status, headers, page = ask(closed_port, path, {"Cookie": "user=lan; is_guest=1"})
        assert status == 302
        assert "login" in headers["Location"]
        assert page == ""
    assert len(manned_root.audit()) == before


def test_the_sign_in_leads_to_no_other_site(closed_port):
    for after in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        form = urlencode({"username": "lan", "password": PASSWORDS["lan"]})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        path = f"/login?{urlencode({'next': after})}"
        status, headers, _ = ask(closed_port, path, kind, method="POST", body=form)
        assert (status, headers["Location"]) == (302, "/truc-tiep")


def test_another_site_cannot_send_the_form_of_the_sign_in(closed_port):
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert enter(closed_port, "lan", PASSWORDS["lan"], elsewhere)[0] == 403


def test_the_cookie_of_a_sign_in_is_kept_from_scripts_and_other_sites(closed_port):
    _status, headers, _ = enter(closed_port, "lan", PASSWORDS["lan"])
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert PASSWORDS["lan"] not in cookie


def test_a_locked_person_is_out_at_once_and_a_guesser_waits(small_root, tmp_path):
    house = with_people(small_root, tmp_path / "root")
    with running(house.root) as served:
        port = served.port
        cookie = {"Cookie": signed_in(port, "lan")}
        assert ask(port, f"/truc-tiep?{IN_CASE}", cookie)[0] == 200
        token = token_of(ask(port, f"/truy-vet?{IN_CASE}", cookie)[2])
        change_person(house, "lan", locked=True)
        assert ask(port, f"/truc-tiep?{IN_CASE}", cookie)[0] == 302
        assert join(port, token, cookie=cookie["Cookie"]) in (403, 302)
        assert enter(port, "lan", PASSWORDS["lan"])[0] == 401
        change_person(house, "lan", locked=False)
        assert ask(port, f"/truc-tiep?{IN_CASE}", cookie)[0] == 302  # it must be made anew
        for _ in range(FREE_TRIES["name"]):
            assert enter(port, "minh", "wrong")[0] == 401
        status, headers, page = enter(port, "minh", PASSWORDS["minh"])
        assert status == 429
        assert 0 < int(headers["Retry-After"]) <= FIRST_WAIT_S
        assert "giây" in page
        assert enter(port, "lan", PASSWORDS["lan"])[0] == 302
    said = [entry.action for entry in house.audit()]
    assert said.count("sign-in.refused") >= 1 + FREE_TRIES["name"]


def test_signing_out_ends_it_in_this_browser_and_is_logged(manned_root, closed_port):
    cookie = {"Cookie": signed_in(closed_port, "minh")}
    status, headers, _ = ask(closed_port, "/logout", cookie)
    assert status == 200
    assert 'user="";' in headers["Set-Cookie"].replace("user=;", 'user="";')
    assert manned_root.audit()[-1].action == "sign-out"


def test_an_endless_form_is_refused_and_the_next_person_comes_in(closed_port):
    assert enter(closed_port, "x" * 10_000, "y" * 10_000)[0] == 401
    assert enter(closed_port, EVIL, EVIL)[0] == 401
    assert enter(closed_port, "lan", PASSWORDS["lan"])[0] == 302


# -- where it listens ------------------------------------------------------------------------


@pytest.mark.parametrize("port", [-1, 65_535, 70_000])
def test_a_port_that_is_none_is_one_sentence(small_root, port):
    with pytest.raises(BadInput, match="port"):
        serve(small_root.root, port=port)


def test_listening_everywhere_needs_a_name_and_listening_nowhere_is_a_sentence(
    small_root, manned_root
):
    with pytest.raises(BadInput, match="--name"):
        serve(manned_root.root, address="0.0.0.0", plain=True)
    with pytest.raises(Refused, match="--tls-cert"):
        serve(manned_root.root, address="0.0.0.0", names=["ward.local"])
    with pytest.raises(BadInput, match="IPv6"):
        serve(small_root.root, address="::1")
    with pytest.raises(Unavailable, match="cannot listen"):
        _free_port("203.0.113.7")
    with pytest.raises(Refused):
        serve(small_root.root, address="0.0.0.0", names=["ward.local"])
    assert "0.0.0.0" not in names_of("0.0.0.0", ["ward.local"])


def test_a_taken_port_of_the_pictures_is_one_sentence(small_root, capfd):
    with media_process(Settings(str(small_root.root), "127.0.0.1", 0, 5006)) as port:
        again = Settings(str(small_root.root), "127.0.0.1", port, 5006)
        with pytest.raises(Unavailable, match=str(port)), media_process(again):
            pass
    assert "Traceback" not in capfd.readouterr().err


# -- the media process -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def media_port(small_root):
    with media_process(Settings(str(small_root.root), "127.0.0.1", 0, 5006)) as port:
        yield port


@pytest.fixture(scope="module")
def segments(small_root):
    return small_root.segments()


@pytest.fixture
def leave(small_root, segments, purpose):
    return f"?grant={small_root.grant([segments[0].camera_id], purpose)}"


def test_odd_addresses_of_pictures_are_client_errors_never_ours(media_port, segments, leave):
    sha, pts = segments[0].sha256, segments[0].first_pts
    for path, code in {
        f"/run/{sha}/{pts}.bin{leave}&count=abc": 400,
        f"/run/{sha}/{pts}.bin{leave}&count={'9' * 5000}": 400,
        f"/still/{sha}/{pts}.jpg?grant=%ff%fe": 400,
        f"/still/{sha}/{pts}.jpg?grant={'a' * 10_000}": 403,
        f"/still/{sha}/{'9' * 18}.jpg{leave}": 403,
        f"/still/{sha}/-{'9' * 18}.jpg{leave}": 403,
        f"/still/{sha}/{'9' * 19}.jpg{leave}": 404,
        f"/still/{sha.upper()}/{pts}.jpg{leave}": 404,
        f"/still/{sha[:63]}/{pts}.jpg{leave}": 404,
        f"/still/{sha}%0a/{pts}.jpg{leave}": 404,
        f"/still/../../{sha}/{pts}.jpg{leave}": 404,
        f"/still/%2e%2e%2f%2e%2e%2fcatalogue.sqlite/0.jpg{leave}": 404,
        f"/crop/{sha}/{pts}/0,0,1e9,1.jpg{leave}": 404,
        f"/crop/{sha}/{pts}/-9,-9,999999,999999.jpg{leave}": 200,
        f"/still/{segments[1].sha256}/{segments[1].first_pts}.jpg{leave}": 403,
    }.items():
        assert ask(media_port, path)[0] == code, path


def test_pictures_are_not_served_under_a_foreign_host_name(media_port, segments, leave):
    path = f"/still/{segments[0].sha256}/{segments[0].first_pts}.jpg{leave}"
    assert ask(media_port, path)[0] == 200
    evil = {"Host": f"evil.example:{media_port}", "Origin": "http://evil.example:5006"}
    assert ask(media_port, path, evil)[0] == 403


def test_a_lost_original_is_said_and_is_no_fault_of_the_server(small_root, media_port, purpose):
    segment = small_root.segments()[-1]
    path = small_root.file(segment)
    leave = f"?grant={small_root.grant([segment.camera_id], purpose)}"
    aside = path.with_suffix(".aside")
    path.rename(aside)
    try:
        for kind in ("still/{}/{}.jpg", "run/{}/{}.bin", "crop/{}/{}/0,0,9,9.jpg"):
            address = f"/{kind.format(segment.sha256, segment.first_pts)}{leave}"
            assert ask(media_port, address)[0] in (404, 410)
    finally:
        aside.rename(path)


@pytest.mark.parametrize(
    "message",
    ['{"visible": {"CAMERA": %s}}' % ("9" * 400), "[" * 100_000, "9" * 5000, "null", '{"ack": []}'],
    ids=["huge width", "deep", "long number", "null", "odd ack"],
)
def test_a_wall_survives_odd_messages(small_root, segments, purpose, message):
    camera = segments[0].camera_id
    grant = small_root.honour(small_root.grant([camera], purpose))
    viewer = Viewer(grant, lambda _message: None)
    viewer.hear(message.replace("CAMERA", camera))
    viewer.hear(json.dumps({"visible": {camera: 300, segments[1].camera_id: 300}}))
    assert list(viewer.wanted) == [camera]


def test_a_wall_ends_soon_after_its_case_is_closed(small_root, segments, monkeypatch):
    monkeypatch.setattr(media_server, "CHECK_GRANT_S", 0.05)
    small_root.open_case(replace(CASE, case_id="ENDS"))
    token = small_root.grant([segments[0].camera_id], Purpose("ENDS", "watch"))

    async def go():
        with ThreadPoolExecutor(1) as pool:
            footage = Footage(small_root)
            hub = Hub(lambda _camera: lambda _now: None, pool, small_root.now)
            told = Settings(str(small_root.root), "127.0.0.1", 0, 5006)
            sockets = bind_sockets(0, "127.0.0.1")
            house = media_server._House(small_root, told, footage, hub, pool)
            server = HTTPServer(media_server.application(house))
            server.add_sockets(sockets)
            port = sockets[0].getsockname()[1]
            wall = await websocket_connect(f"ws://127.0.0.1:{port}/wall?grant={token}")
            small_root.close_case("ENDS", "done")
            async with asyncio.timeout(30):
                while await wall.read_message() is not None:
                    pass
            server.stop()
            return wall.close_code

    assert asyncio.run(go()) == 4403


# -- pages in one process --------------------------------------------------------------------


def searched(page, pattern):
    field, button = page.roots["form"][0]
    field.value = pattern
    field.value_input = pattern
    button.clicks += 1
    return page.roots["form"][SAID].object


def test_closing_a_case_ends_what_an_open_page_can_do(small_root, on_page):
    small_root.open_case(replace(CASE, case_id="SHUT"))
    opened = on_page(case="SHUT", reason="watch", plate=PLATE, lang="en")
    page, review = trace_page(opened), review_page(on_page(case="SHUT", reason="watch"))
    searched(page, PLATE)
    assert page.roots["candidates"].rows
    token = page.roots["candidates"].rows[0]["cells"][0]["src"].split("grant=")[1]
    small_root.close_case("SHUT", "done")
    assert "closed" in searched(page, PLATE)
    page.roots["candidates"]._handle_msg({"chosen": PLATE})
    assert "closed" in page.roots["form"][SAID].object
    assert page.roots["legs"].rows == []
    review.roots["recordings"]._handle_msg({"chosen": review.roots["recordings"].rows[0]["key"]})
    assert "đã đóng" in review.roots["said"].object
    with pytest.raises(Refused, match="ended"):
        small_root.honour(token)


def test_two_tabs_with_two_cases_stay_apart(small_root, on_page, segments):
    camera = segments[0].camera_id
    small_root.open_case(replace(CASE, case_id="NARROW", cameras=(camera,)))
    wide = trace_page(on_page(case=CASE.case_id, reason="wide", plate=PLATE))
    narrow = trace_page(on_page(case="NARROW", reason="narrow", plate=PLATE))
    before = len(small_root.audit())
    searched(wide, PLATE)
    searched(narrow, PLATE)
    seen = {(entry.case_id, entry.reason) for entry in small_root.audit()[before:]}
    assert seen == {(CASE.case_id, "wide"), ("NARROW", "narrow")}
    counts = [page.roots["candidates"].rows[0]["cells"][2]["text"] for page in (wide, narrow)]
    assert int(counts[0]) > int(counts[1])


def test_a_site_outside_the_case_lists_nothing(small_root, on_page, segments):
    if "NARROW" not in {case.case_id for case in small_root.cases()}:
        small_root.open_case(replace(CASE, case_id="NARROW", cameras=(segments[0].camera_id,)))
    page = trace_page(on_page(case="NARROW", reason="narrow"))
    site, _kind, button = page.roots["form"][1]
    site.value = small_root.camera(segments[1].camera_id).site_id
    button.clicks += 1
    assert page.roots["candidates"].rows == []
    assert "refusal" in page.roots["form"][SAID].object


def test_long_and_hostile_input_is_a_short_sentence(small_root, in_case):
    page = trace_page(in_case(lang="en"))
    for pattern in ("9" * 10_000, "*" * 10_000, EVIL, EVIL * 500, "\ud800", "{0.__class__}"):
        before = len(small_root.audit())
        said = searched(page, pattern)
        assert "refusal" in said
        assert len(said) < 700
        assert "<script" not in said
        (entry,) = small_root.audit()[before:]
        assert entry.action == "search.plate.refused"
    long = visit(
        small_root,
        {"case": CASE.case_id, "reason": "why " * 2500},
        host_url="http://h",
        media_port=1,
    )
    assert "refusal" in build(long, "truy-vet", trace_page)._render_items
    assert len(small_root.audit()[-1].reason) <= 500


@pytest.mark.parametrize(
    "said",
    [None, [], {"segment": 1}, {"segment": "x", "at_ms": "y"}, {"segment": "x", "at_ms": 10**40}],
)
def test_odd_messages_to_the_player_do_nothing(said):
    sought = []
    Player(lambda *where: sought.append(where))._handle_msg(said)
    assert sought == []


def test_names_of_the_ward_are_text_on_the_map(small_root):
    ward = small_root.ward
    roads, areas = ward.roads.copy(), ward.areas.copy()
    roads["name"] = EVIL
    areas["name"] = EVIL
    chart = ward_map(
        SimpleNamespace(
            sites={key: replace(site, name=EVIL, site_id=EVIL) for key, site in ward.sites.items()},
            cameras={key: replace(camera, name=EVIL) for key, camera in ward.cameras.items()},
            roads=roads,
            areas=areas,
        )
    )
    drawn = chart.get_root().render()
    assert "alert(1)" in drawn
    assert "<script>alert" not in drawn
    assert "<img src=x" not in drawn.replace("\\u003cimg", "")
