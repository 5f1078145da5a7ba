"""Sign-in through a real provider on loopback: only what it signed, only people on the list."""

import json
import socket
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from make.attacks import FORM, ask, enter, running
from make.provider import Provider
from make.small_root import CASE, PASSWORDS, with_people

from workbench.cases.people import FREE_TRIES
from workbench.errors import BadInput
from workbench.investigation import change_person
from workbench.views.serve import _free_port, serve
from workbench.views.single_sign_on import read_sign_in

IN_CASE = urlencode({"case": CASE.case_id, "reason": CASE.reason})


@pytest.fixture(scope="module")
def provider():
    with Provider() as one:
        yield one


@pytest.fixture(scope="module")
def house(small_root, tmp_path_factory):
    return with_people(small_root, tmp_path_factory.mktemp("single") / "root")


def is_free(port):
    """Tell whether pictures could be served there: they take the port after that of the pages."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="module")
def port(house, provider):
    port = next(port for port in iter(lambda: _free_port("127.0.0.1"), 0) if is_free(port + 1))
    path = house.root / "sign-in.toml"
    path.write_text(
        f'[oidc]\nissuer = "{provider.issuer}"\nclient_id = "workbench"\n'
        f'client_secret = "geheim"\nredirect = "http://127.0.0.1:{port}/login/oidc"\n'
        '[proxies]\ntrusted = ["127.0.0.1"]\n'
    )
    path.chmod(0o600)
    with running(house.root, f"port={port}") as served:
        assert served.port == port
        assert "/login/oidc$" in served.patterns
        yield port


@pytest.fixture(autouse=True)
def honest(provider):
    provider.name, provider.lie = "lan", ""


def cookies(headers, jar):
    for cookie in headers.get_all("Set-Cookie") or ():
        found = SimpleCookie(cookie)
        for key, part in found.items():
            jar[key] = part.value
    return jar


def header(jar):
    return {"Cookie": "; ".join(f"{key}={value}" for key, value in jar.items() if value)}


def go(port, after="", change=lambda query: query, keep_cookie=True):
    """Walk to the provider and back as a browser does; returns the last answer, and its cookies."""
    path = "/login/oidc" + (f"?{urlencode({'next': after})}" if after else "")
    status, headers, text = ask(port, path)
    if status != 302:
        return status, headers, text, {}
    jar = cookies(headers, {})
    parts = urlsplit(headers["Location"])
    status, headers, _ = ask(parts.port, f"{parts.path}?{parts.query}")
    back = urlsplit(headers["Location"])
    query = change({key: value[0] for key, value in parse_qs(back.query).items()})
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    sent = {**link, **(header(jar) if keep_cookie else {})}
    status, headers, text = ask(port, f"{back.path}?{urlencode(query)}", sent)
    return status, headers, text, cookies(headers, jar)


def test_somebody_on_the_list_is_signed_in_with_the_roles_of_the_list(port, house, provider):
    form = ask(port, "/login?next=/truy-vet")[2]
    assert "/login/oidc?next=%2Ftruy-vet" in form
    status, headers, _, jar = go(port, f"/truc-tiep?{IN_CASE}")
    assert (status, headers["Location"]) == (302, f"/truc-tiep?{IN_CASE}")
    assert provider.secrets[-1] == "geheim"
    entry = house.audit()[-1]
    assert (entry.actor, entry.action) == ("lan", "sign-in")
    assert json.loads(entry.details)["by"] == provider.issuer
    assert ask(port, f"/truc-tiep?{IN_CASE}", header(jar))[0] == 200
    # the token says auditor; the list does not
    before = len(house.audit())
    ask(port, "/giam-sat", header(jar))
    assert any(one.action == "audit.refused" for one in house.audit()[before:])
    # signing out ends it, for a copy of the cookie too
    assert ask(port, "/logout", header(jar))[0] == 200
    assert ask(port, f"/truc-tiep?{IN_CASE}", header(jar))[0] == 302
    assert enter(port, "minh", PASSWORDS["minh"])[0] == 302  # and passwords go on


@pytest.mark.parametrize("name", ["nobody", "", "../people", "LAN ", "admin"])
def test_no_account_is_made_by_a_sign_in(port, house, provider, name):
    provider.name = name
    people = (house.root / "people.json").read_bytes()
    status, _, text, jar = go(port)
    assert (status, jar.get("user", "")) == (401, "")
    assert "không có trong danh sách" in text
    assert house.audit()[-1].action == "sign-in.refused"
    assert (house.root / "people.json").read_bytes() == people


def test_a_locked_account_stays_out_whoever_vouches_for_it(port, house, provider):
    change_person(house, "lan", locked=True)
    try:
        assert go(port)[0] == 401
        assert "locked" in house.audit()[-1].subject
    finally:
        change_person(house, "lan", locked=False)


@pytest.mark.parametrize(
    "lie",
    ["unsigned", "another key", "altered", "over", "to come", "for another", "another try",
     "of another"],
)  # fmt: skip
def test_what_the_provider_did_not_sign_for_this_sign_in_is_refused(port, house, provider, lie):
    provider.lie = lie
    status, _, _, jar = go(port)
    assert (status, jar.get("user", "")) == (401, "")
    entry = house.audit()[-1]
    assert (entry.actor, entry.action) == ("?", "sign-in.refused")


@pytest.mark.parametrize("lie", ["another issuer", "in the clear", "broken"])
def test_a_provider_that_does_not_answer_as_it_should_is_a_sentence(port, house, provider, lie):
    provider.lie = lie
    status, _, text, _ = go(port)
    assert status == 502
    assert "không trả lời đúng" in text
    assert "Traceback" not in text


def test_an_answer_that_this_browser_did_not_ask_for_signs_nobody_in(port, house, provider):
    assert go(port, keep_cookie=False)[0] == 401
    assert go(port, change=lambda query: {**query, "state": "x"})[0] == 401
    assert go(port, change=lambda query: {**query, "code": ""})[0] == 401
    assert ask(port, "/login/oidc?state=&code=x", {"Cookie": "oidc=x"})[0] == 401
    assert ask(port, "/login/oidc", FORM, method="POST", body="a=b")[0] == 405


@pytest.mark.parametrize("after", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_it_leads_to_no_other_site(port, after):
    status, headers, _, _ = go(port, after)
    assert (status, headers["Location"]) == (302, "/truc-tiep")


def test_whom_a_trusted_proxy_names_waits_and_the_others_do_not(port, house):
    def tried(address, name):
        return enter(port, name, "wrong", {"X-Forwarded-For": f"9.9.9.9, {address}"})[0]

    for number in range(FREE_TRIES["from"]):
        assert tried("10.0.0.9", f"nobody{number}") == 401
    assert tried("10.0.0.9", "another") == 429
    assert tried("10.0.0.8", "another") == 401
    assert json.loads(house.audit()[-1].details)["from"] == "10.0.0.8"


@pytest.mark.parametrize(
    "text",
    [
        "[oidc]\n", "[oidc]\nissuer = 3\n", "x = 1\n", "[", "oidc = 7\n",
        '[oidc]\nissuer = "http://id.ward"\nclient_id = "a"\nredirect = "https://w/login/oidc"\n',
        '[oidc]\nissuer = "https://id.ward"\nclient_id = "a"\nredirect = "https://w/x"\n',
        '[oidc]\nissuer = "https://id.ward"\nclient_id = "a"\nredirect = "http://w/login/oidc"\n',
        '[proxies]\ntrusted = ["everybody"]\n', '[proxies]\nx = 1\n',
    ],
)  # fmt: skip
def test_settings_that_cannot_be_used_are_a_sentence(tmp_path, text):
    path = tmp_path / "sign-in.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadInput, match=r"sign-in\.toml"):
        read_sign_in(path)
    path.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        read_sign_in(path)


def test_a_provider_without_people_is_refused_before_anything_is_served(small_root, tmp_path):
    path = small_root.root / "sign-in.toml"
    path.write_text(
        '[oidc]\nissuer = "https://id.ward"\nclient_id = "a"\nredirect = "https://w/login/oidc"\n'
    )
    path.chmod(0o600)
    try:
        with pytest.raises(BadInput, match="people add"):
            serve(small_root.root, port=0)
    finally:
        path.unlink()
