"""Chromium against a running workbench: what people wrote is never run, other sites do nothing."""

import csv
import json
import shutil
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import urlencode

import pytest
from make.small_root import CASE, PASSWORDS, with_people
from playwright.sync_api import expect

from workbench.investigation import ask_lookout, open_workbench
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, Span
from workbench.views.serve import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EVIL = '"><script>window.run=1</script><img src=x onerror="window.run=1">'
HURT = "() => window.run === 1 || document.querySelectorAll('img[src=x]').length > 0"


@pytest.fixture(scope="module")
def evil(small_root, tmp_path_factory, start_server):
    """A root in which case, cameras, sites, reasons, notes and jobs are called after a script."""
    root = tmp_path_factory.mktemp("evil") / "root"
    shutil.copytree(small_root.root, root)
    table = root / "ward" / "cameras.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "name": EVIL} for row in rows)
    sites = root / "ward" / "sites.geojson"
    told = json.loads(sites.read_text("utf-8"))
    for one in told["features"]:
        one["properties"]["name"] = EVIL
    sites.write_text(json.dumps(told), "utf-8")
    house = open_workbench(root, actor=small_root.actor)
    now = house.now()
    period = Span(CASE.period.start_ns, now + 86_400 * SECOND_NS)
    case = house.open_case(
        replace(
            CASE,
            case_id="EVIL",
            title=EVIL,
            reason=EVIL,
            legal_basis=EVIL,
            offence=EVIL,
            period=period,
        )
    )
    cameras = sorted({one.camera_id for one in house.segments()})
    purpose = Purpose(case.case_id, EVIL)
    ask_lookout(house, "99B1-123.45", cameras[:2], now + 3600 * SECOND_NS, purpose)
    return start_server(root)


@pytest.mark.parametrize("slug", [slug for slug in PAGES if slug != "giam-sat"])
def test_what_people_wrote_is_text_on_every_page(page, evil, slug):
    page.goto(f"{evil.url}/{slug}?{urlencode({'case': 'EVIL', 'reason': EVIL, 'plate': EVIL})}")
    page.wait_for_selector("footer.notice")
    page.locator("#case option", has_text="window.run=1").wait_for(state="attached")
    assert page.input_value("#reason") == EVIL
    # until what the server draws is there: a canvas, a table, a form or a map of this page
    page.locator("main :is(canvas, table, button, iframe, input, .wall)").first.wait_for(
        state="attached"
    )
    if slug in ("truc-tiep", "truy-vet"):
        page.frame_locator("iframe").first.locator("body[data-ready]").wait_for()
    if slug == "truc-tiep":
        page.locator(".tile").first.wait_for()
        page.locator(".tile").first.click()
        page.wait_for_selector(".tile.large")
    if slug == "truy-vet":
        page.get_by_role("button", name="Tìm biển số").click()
        page.locator(".refusal").first.wait_for()
    for frame in page.frames:
        assert frame.evaluate(HURT) is False, f"{slug}: {frame.url}"


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><body>a page of another site</body>")

    def log_message(self, *_words):
        pass


@pytest.fixture(scope="module")
def elsewhere():
    """A page of another site on this machine: for a browser, localhost is not 127.0.0.1."""
    server = HTTPServer(("127.0.0.1", 0), _Elsewhere)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


TRY = """async (home) => {
  const said = {};
  const answer = (name, made) => made.then(one => said[name] = one, one => said[name] = "refused");
  const all = {credentials: "include", mode: "no-cors"};
  await answer("read", fetch(home + "/giam-sat").then(one => one.text()));
  await answer("read with cookie", fetch(home + "/truc-tiep", {credentials: "include"})
    .then(one => one.text()));
  await answer("blind", fetch(home + "/logout", all).then(() => "sent"));
  await answer("post", fetch(home + "/login", {...all, method: "POST",
    body: new URLSearchParams({username: "lan", password: "x"})}).then(() => "sent"));
  await answer("image", new Promise((good, bad) => { const one = new Image();
    one.onload = () => good("shown"); one.onerror = bad; one.src = home + "/assets/mark.svg"; }));
  const socket = (name, address, protocols) => answer(name, new Promise((good, bad) => {
    const one = new WebSocket(address, protocols);
    one.onopen = () => good("open"); one.onerror = bad; }));
  const ws = home.replace("http", "ws");
  await socket("page socket", ws + "/truc-tiep/ws", ["bokeh", "x.y"]);
  await socket("wall socket", ws.replace(/\\d+$/, port => Number(port) + 1) + "/wall?grant=x", []);
  return said;
}"""


def test_a_page_of_another_site_reads_sends_and_opens_nothing(
    chromium, small_root, tmp_path, start_server, elsewhere
):
    house = with_people(small_root, tmp_path / "root")
    running = start_server(house.root)
    context = chromium.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{running.url}/truc-tiep")
    page.fill("#username", "lan")
    page.fill("#password", PASSWORDS["lan"])
    page.click("button")
    page.wait_for_selector(".bar")
    before = len(house.audit())

    def stranger(body: str):
        # a tab of its own for each try: a tab goes nowhere while its last answer is being drawn
        tab = context.new_page()
        tab.goto(elsewhere)
        tab.set_content(body)
        return tab

    said = stranger("").evaluate(TRY, running.url)
    assert {said[name] for name in said if name not in ("blind", "post")} == {"refused"}, said
    assert len(house.audit()) == before, "it stands in the log under the officer's name"
    # a form, a link and a frame of that page lead to nothing either
    tab = stranger(
        f"<form method=post action='{running.url}/login'><input name=username value=lan></form>"
    )
    with tab.expect_response(lambda one: "/login" in one.url) as answered:
        tab.evaluate("document.forms[0].submit()")
    assert answered.value.status == 403
    tab = stranger(f"<a id=out href='{running.url}/logout'>x</a>")
    with tab.expect_response(lambda one: "/logout" in one.url) as answered:
        tab.click("#out")
    assert answered.value.status == 403
    tab = stranger("<iframe></iframe>")
    with tab.expect_response(lambda one: "/truc-tiep" in one.url) as answered:
        tab.evaluate(
            "to => { document.querySelector('iframe').src = to; }", f"{running.url}/truc-tiep"
        )
    assert answered.value.status == 403
    assert len(house.audit()) == before
    page.goto(f"{running.url}/truc-tiep")
    page.wait_for_selector(".bar")
    expect(page.locator(".bar .end")).to_contain_text("lan", use_inner_text=True)
    context.close()
