"""Every handler of the running pages and of the media process, taken from their own tables.

A handler that is added has no case here, and the first test of each table fails until it has one.
"""

import shutil
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from make.attacks import FORM, ask, connect, enter, join, running, signed_in, token_of
from make.small_root import CASE, PASSWORDS

from workbench.investigation import add_person, change_person, open_workbench
from workbench.records import Purpose
from workbench.store.people import People
from workbench.views import media_server
from workbench.views.serve import PAGES

SECRET = "sông Ngũ Huyện Khê"
IN_CASE = urlencode({"case": CASE.case_id, "reason": CASE.reason})
TABLE = {
    r"/PAGE/?$": "/PAGE",
    r"/PAGE/ws$": "/PAGE/ws",
    r"/PAGE/metadata$": "/PAGE/metadata",
    r"/PAGE/autoload.js$": "/PAGE/autoload.js",
    r"/PAGE/static/(.*)$": "/PAGE/static/js/bokeh.min.js",
    r"/$": "/",
    r"/?$": "/",
    r"/assets/(.*)$": "/assets/shell.js",
    r"/components/(.*)$": "/components/panel.widgets/Button/_stylesheets/x",
    r"/static/extensions/(.*)$": "/static/extensions/panel/panel.min.js",
    r"/static/(.*)$": "/static/js/bokeh.min.js",
    r"/login$": "/login",
    r"/logout$": "/logout",
    r"/favicon.ico$": "/favicon.ico",
}
"""Each handler of the pages with an address it answers; ``PAGE`` stands for each page."""
OPEN = {"/login", "/logout", "/favicon.ico"}
PICTURES = {
    r"/still/([0-9a-f]{64})/(-?\d{1,18})\.jpg$": "/still/{sha}/{pts}.jpg",
    r"/crop/([0-9a-f]{64})/(-?\d{1,18})/(-?\d{1,6}(?:\.\d{1,3})?(?:,-?\d{1,6}(?:\.\d{1,3})?){3})"
    r"\.jpg$": "/crop/{sha}/{pts}/0,0,9,9.jpg",
    r"/run/([0-9a-f]{64})/(-?\d{1,18})\.bin$": "/run/{sha}/{pts}.bin",
    r"/wall$": "/wall",
    r"/feed/(?P<camera_id>[A-Za-z0-9_-]{1,32})$": "/feed/{camera}",
    r"/alive$": "/alive",
}
"""Each handler of the media process."""
OUT = (
    "../serve.py", "..%2fserve.py", "%2e%2e/serve.py", "%2e%2e%2fserve.py", "..%5cserve.py",
    "....//serve.py", "%252e%252e%252fserve.py", "/etc/passwd", "%2fetc%2fpasswd",
    "C:%5cWindows%5cwin.ini", "..;/serve.py", "%c0%ae%c0%ae/serve.py", "x%00.js", "%00", "%0a",
    "..%2f" * 12 + "etc%2fpasswd", "../" * 12 + "etc/passwd", "a" * 5000, "%ff%fe", ".", "..",
)  # fmt: skip


@pytest.fixture(scope="module")
def house(small_root, tmp_path_factory):
    """A root of its own whose people have different roles and bounds."""
    root = tmp_path_factory.mktemp("many") / "root"
    shutil.copytree(small_root.root, root)
    made = open_workbench(root, actor=small_root.actor)
    made.open_case(replace(CASE, case_id="HL-02"))
    cameras = sorted({one.camera_id for one in made.segments()})
    for name, role, bounds in (
        ("lan", "investigator", {}),
        ("minh", "investigator", {}),
        ("hoa", "auditor", {}),
        ("nam", "approver", {}),
        ("tu", "operator", {}),
        ("bo", "investigator", {"cameras": cameras[:1], "case_ids": ["HL-02"]}),
    ):
        add_person(made, name, [role], PASSWORDS.get(name, SECRET), **bounds)
    return made


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return tmp_path_factory.mktemp("told") / "errors"


@pytest.fixture(scope="module")
def served(house, told):
    with told.open("w") as errors, running(house.root, errors=errors) as one:
        yield one


@pytest.fixture(scope="module")
def lan(served):
    return {"Cookie": signed_in(served.port, "lan")}


@pytest.fixture(scope="module")
def clips(house):
    return sorted(house.segments(), key=lambda one: one.camera_id)


def shape(pattern):
    slug = pattern.removeprefix("/").split("/")[0]
    return pattern.replace(f"/{slug}/", "/PAGE/") if slug in PAGES else pattern


def addresses():
    """Return every address of :data:`TABLE`, page by page."""
    found = {one.replace("PAGE", slug) for one in TABLE.values() for slug in PAGES}
    return sorted(found)


def test_every_handler_of_the_pages_has_its_case(served):
    assert {shape(one) for one in served.patterns} == set(TABLE)
    assert {one.split("/")[1] for one in served.patterns if shape(one) != one} == set(PAGES)


def test_every_handler_of_the_media_process_has_its_case():
    rules = media_server.application(None, object()).default_router.rules
    patterns = {one.matcher.regex.pattern for rule in rules for one in rule.target.rules}
    assert patterns == set(PICTURES)


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "user=lan",
        "user=lan; is_guest=1",
        'user="2|1:0|10:9999999999|4:user|8:bGFu|' + "0" * 64 + '"',
        "user=" + "2|" * 3000,
    ],
    ids=["none", "plain", "guest", "forged", "endless"],
)
def test_without_a_sign_in_that_stands_no_handler_answers(served, house, cookie):
    before = len(house.audit())
    for path in addresses():
        status, headers, page = ask(served.port, path, {"Cookie": cookie})
        if path in OPEN:
            assert status == 200, path
            assert CASE.case_id not in page
        elif path.endswith(("/ws", "/autoload.js")) or path.startswith("/components"):
            assert status == 403, path
        else:
            assert (status, page) == (302, ""), path
            assert headers["Location"].startswith("/login?next=")
        assert ask(served.port, path, {"Cookie": cookie}, method="HEAD")[0] in (401, 403, 405)
    assert len(house.audit()) == before


def test_no_websocket_opens_without_a_sign_in_of_its_own(served, lan):
    token = token_of(ask(served.port, f"/truy-vet?{IN_CASE}", lan)[2])
    minh = signed_in(served.port, "minh")
    for slug in PAGES:
        for cookie in ("", "user=lan", "user=lan; is_guest=1", minh):
            status = join(served.port, token, cookie=cookie, path=f"/{slug}/ws")
            assert status == 403, (slug, cookie)
    assert b"ACK" in join(served.port, token, cookie=lan["Cookie"]).encode()


def test_no_page_of_another_site_opens_a_websocket_or_sends_anything(served, house, lan):
    token = token_of(ask(served.port, f"/truy-vet?{IN_CASE}", lan)[2])
    before = len(house.audit())
    for origin in ("http://evil.example", f"http://127.0.0.1:{served.port + 7}", "null"):
        assert join(served.port, token, cookie=lan["Cookie"], origin=origin) == 403
        for path in addresses():
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                headers = {**lan, **FORM, "Origin": origin}
                status = ask(served.port, path, headers, method=method, body="a=b")[0]
                assert status == 403, (method, path)
    # of the house itself, too, nothing but the sign-in takes what is sent
    own = {**lan, **FORM, "Origin": f"http://127.0.0.1:{served.port}"}
    for path in set(addresses()) - {"/login"}:
        assert ask(served.port, path, own, method="POST", body="a=b")[0] in (403, 405), path
    assert len(house.audit()) == before
    # a form of another site on a browser that says nothing of sites signs nobody in
    elsewhere = {"Origin": "http://evil.example"}
    assert enter(served.port, "lan", PASSWORDS["lan"], elsewhere)[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
        {"Referer": "http://evil.example/"},
    ],
)
def test_nobody_is_signed_out_by_a_link_on_another_site(served, lan, headers):
    assert ask(served.port, "/logout", {**lan, **headers})[0] == 403
    assert ask(served.port, f"/truc-tiep?{IN_CASE}", lan)[0] == 200


def test_no_path_leads_out_of_any_handler_of_files(served, lan, told):
    folders = [
        one.replace("PAGE", slug) for one in TABLE if "(.*)" in one for slug in ("truc-tiep",)
    ]
    assert len(folders) == 5
    for folder in folders:
        for out in OUT:
            path = folder.replace("(.*)$", "").rstrip("/") + "/" + out
            for headers in ({}, lan):
                status, answered, page = ask(served.port, path, headers)
                assert status in (301, 302, 400, 403, 404), path
                led = answered.get("Location", "/")
                assert led.startswith("/"), path
                assert not led.startswith(("//", "/\\")), path
                assert not any(one in page for one in ("import ", "root:", "Traceback")), path
    assert "Traceback" not in told.read_text()


def test_no_path_leads_out_of_the_pictures(served, house, clips, lan, told):
    sha, pts = clips[0].sha256, clips[0].first_pts
    token = house.as_actor("lan").grant([clips[0].camera_id], Purpose(CASE.case_id, "xem"))
    camera = clips[0].camera_id
    for address in PICTURES.values():
        for out in OUT:
            for part in ("{sha}", "{pts}", "{camera}", "0,0,9,9"):
                if part not in address:
                    continue
                path = address.replace(part, out).format(sha=sha, pts=pts, camera=camera)
                status, _, page = ask(served.media_port, f"{path}?grant={quote(token)}", lan)
                assert status in (400, 403, 404), path
                assert not any(one in page for one in ("import ", "root:", "Traceback")), path
    assert "Traceback" not in told.read_text()


def test_no_picture_and_no_socket_of_the_media_process_without_sign_in_and_leave(
    served, house, clips, lan
):
    one = clips[0]
    where = {"sha": one.sha256, "pts": one.first_pts, "camera": one.camera_id}
    token = quote(house.as_actor("lan").grant([one.camera_id], Purpose(CASE.case_id, "xem")))
    minh = signed_in(served.port, "minh")
    page = f"http://127.0.0.1:{served.port}"
    for address in PICTURES.values():
        path = address.format(**where)
        socket = path.startswith(("/wall", "/feed"))
        if path == "/alive":
            continue

        def status(query, cookie, origin=page, path=path, socket=socket):
            if socket:
                return connect(served.media_port, path + query, cookie=cookie, origin=origin)
            headers = {"Cookie": cookie, "Origin": origin}
            return ask(served.media_port, path + query, headers)[0]

        leave = f"?grant={token}"
        for cookie in ("", "user=lan", "user=lan; is_guest=1"):
            assert status(leave, cookie) == 401, path
        for query in ("", "?grant=", "?grant=forged", leave[:-3] + "xyz"):
            assert status(query, lan["Cookie"]) == 403, path
        assert status(leave, minh) == 403, "leave is its holder's"
        assert status(leave, lan["Cookie"], "http://evil.example") == 403, path
        if not socket:
            assert status(leave, lan["Cookie"]) == 200, path


def test_another_cameras_and_another_cases_footage_stay_shut_whatever_id_is_asked(
    served, house, clips, lan
):
    mine, other = clips[0], clips[-1]
    narrow = house.as_actor("lan").grant([mine.camera_id], Purpose(CASE.case_id, "xem"))
    for address in PICTURES.values():
        if "{sha}" in address:
            path = address.format(sha=other.sha256, pts=other.first_pts)
            assert ask(served.media_port, f"{path}?grant={quote(narrow)}", lan)[0] == 403
    feed = f"/feed/{other.camera_id}?grant={quote(narrow)}"
    assert (
        connect(
            served.media_port,
            feed,
            cookie=lan["Cookie"],
            origin=f"http://127.0.0.1:{served.port}",
        )
        == 403
    )
    # somebody of another case is shown neither this case nor a camera beyond his own
    bo = {"Cookie": signed_in(served.port, "bo", SECRET)}
    asked = f"segment={other.sha256}&pts={other.first_pts}"
    before = len(house.audit())
    for query in (f"{IN_CASE}&{asked}", f"{IN_CASE.replace('HL-01', 'HL-02')}&{asked}"):
        status, _, page = ask(served.port, f"/xem-lai?{query}", bo)
        assert status == 200
        assert "HL-01 · " not in page, "the title of a case that is not his"
    said = [(entry.case_id, entry.action, entry.subject) for entry in house.audit()[before:]]
    assert any(case == "HL-01" and action.endswith(".refused") for case, action, _ in said)
    seen = {subject for _, action, subject in said if not action.endswith(".refused")}
    assert seen <= {mine.camera_id}, said


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("hoa", "truc-tiep"), ("hoa", "truy-vet"), ("hoa", "xem-lai"), ("hoa", "tai-nan"),
        ("hoa", "canh-bien-so"), ("nam", "truy-vet"), ("nam", "xem-lai"), ("bo", "truc-tiep"),
        ("lan", "giam-sat"), ("nam", "giam-sat"), ("tu", "giam-sat"),
    ],
)  # fmt: skip
def test_no_role_opens_the_page_of_another(served, house, name, slug):
    password = PASSWORDS.get(name, SECRET)
    cookie = signed_in(served.port, name, password) + "; roles=auditor,investigator"
    before = len(house.audit())
    more = "&roles=auditor&role=auditor&actor=root&user=root"
    headers = {"Cookie": cookie, "X-Remote-User": "root", "X-Forwarded-User": "root"}
    status, _, page = ask(served.port, f"/{slug}?{IN_CASE}{more}", headers)
    assert status == 200
    assert "grant=" not in page
    said = house.audit()[before:]
    assert {entry.actor for entry in said} <= {name}
    assert any(entry.action.endswith(".refused") for entry in said), [one.action for one in said]


def test_a_sign_in_that_was_ended_is_over_for_whoever_copied_its_cookie(served, house, clips):
    cookie = {"Cookie": signed_in(served.port, "minh")}
    token = token_of(ask(served.port, f"/truy-vet?{IN_CASE}", cookie)[2])
    grant = house.as_actor("minh").grant([clips[0].camera_id], Purpose(CASE.case_id, "xem"))
    still = f"/still/{clips[0].sha256}/{clips[0].first_pts}.jpg?grant={quote(grant)}"
    assert ask(served.media_port, still, cookie)[0] == 200
    assert ask(served.port, "/logout", cookie)[0] == 200
    assert ask(served.port, f"/truc-tiep?{IN_CASE}", cookie)[0] == 302
    assert join(served.port, token, cookie=cookie["Cookie"]) in (302, 403)
    assert ask(served.media_port, still, cookie)[0] == 401
    assert (
        ask(served.port, f"/truc-tiep?{IN_CASE}", {"Cookie": signed_in(served.port, "minh")})[0]
        == 200
    )


def test_an_account_whose_end_has_come_is_out_of_pages_sockets_and_pictures(served, house, clips):
    cookie = {"Cookie": signed_in(served.port, "minh")}
    token = token_of(ask(served.port, f"/truy-vet?{IN_CASE}", cookie)[2])
    grant = house.as_actor("minh").grant([clips[0].camera_id], Purpose(CASE.case_id, "xem"))
    still = f"/still/{clips[0].sha256}/{clips[0].first_pts}.jpg?grant={quote(grant)}"
    people = People(house.root)
    before = people.get("minh")
    people.put(replace(before, until_ns=house.now()), before=before)  # its serial as it was
    try:
        assert ask(served.port, f"/truc-tiep?{IN_CASE}", cookie)[0] == 302
        assert join(served.port, token, cookie=cookie["Cookie"]) in (302, 403)
        assert ask(served.media_port, still, cookie)[0] == 401
        assert enter(served.port, "minh", PASSWORDS["minh"])[0] == 401
    finally:
        people.put(before, before=people.get("minh"))


def test_a_spoilt_list_of_ended_sign_ins_lets_nobody_in(served, house, lan):
    path = house.root / "signed-out.json"
    whole = path.read_bytes() if path.exists() else b"{}"
    path.write_bytes(b"[")
    try:
        assert ask(served.port, f"/truc-tiep?{IN_CASE}", lan)[0] == 302
    finally:
        path.write_bytes(whole)
    assert ask(served.port, f"/truc-tiep?{IN_CASE}", lan)[0] == 200


def test_a_field_of_ten_thousand_signs_is_answered_by_every_handler(served, house, lan, told):
    long = "x" * 10_000
    for slug in PAGES:
        fields = ("reason", "plate", "segment", "pts", "lang", "at", "site", "x")
        for asked in (["case"], fields[:4], fields[4:]):
            query = urlencode({"case": CASE.case_id, "reason": "xem", **dict.fromkeys(asked, long)})
            status, _, page = ask(served.port, f"/{slug}?{query}", lan)
            assert status in (200, 302), (slug, list(asked))
            assert "Traceback" not in page
    for path in ("/login?next=", "/logout?x=", "/assets/x?v=", "/static/js/bokeh.min.js?v="):
        assert ask(served.port, path + long, lan)[0] < 500
    assert "Traceback" not in told.read_text()
    assert all(len(entry.reason) <= 500 for entry in house.audit())


def test_people_give_themselves_no_role(house):
    for name in ("lan", "hoa", "nam", "tu"):
        acting = house.as_actor(name)
        for change in ({"roles": ["auditor", "approver"]}, {"cameras": []}, {"until_ns": 0}):
            with pytest.raises(Exception, match=r"roles|cannot change|nothing"):
                change_person(acting, name, **change)
    with pytest.raises(Exception, match="roles"):
        add_person(house.as_actor("lan"), "moi", ["approver"], SECRET)
    assert not any(entry.action.startswith("people.change") for entry in house.audit())
