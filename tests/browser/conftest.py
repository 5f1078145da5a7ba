"""The real server as a subprocess, Debian's Chromium, and no request to any other host."""

import subprocess
import sys
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from make.small_root import build
from playwright.sync_api import expect

CHROMIUM = Path("/usr/bin/chromium")
OURS = ("127.0.0.1", "localhost", "")
START_S = 300
PAGE_MS = 60_000
expect.set_options(timeout=PAGE_MS)
SERVE = "import sys; from pathlib import Path; from workbench.views.serve import serve; {call}"


FLED = [
    r"^(Error|TimeoutError): (Page|Frame|Locator|Browser|BrowserContext|ElementHandle)\.",
    r"^AssertionError: (Locator|Page) expected",
]
"""What a browser says that was too busy, or lost a navigation to another; no word of ours."""


def pytest_collection_modifyitems(items):
    """Give each browser test a second try where the browser failed, named in the summary as R.

    On a loaded machine one wait of thousands comes too late. A finding of our own, a wrong number
    or text that was read, fails at once.
    """
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun=FLED))


class Server:
    """A running workbench; ``url`` is its origin."""

    def __init__(self, root, *, tls=None):
        given = f"tls=(Path({str(tls[0])!r}), Path({str(tls[1])!r}))" if tls else ""
        call = f"serve(Path({str(root)!r}), port=0, {given})"
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE.format(call=call)], stdout=subprocess.PIPE, text=True
        )
        said = []
        reader = Thread(target=lambda: said.append(self.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(START_S)
        if not said or not said[0].startswith("http"):
            self.stop()
            raise RuntimeError(f"the server did not start: {said}")
        parts = urlsplit(said[0].strip())
        self.url = f"{parts.scheme}://{parts.netloc}"

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="session")
def small_root(tmp_path_factory, ward_folder):
    return build(tmp_path_factory.mktemp("browser") / "root", ward_folder)


@pytest.fixture(scope="session")
def start_server():
    """Return a function that starts a server; all are stopped at the end."""
    running = []

    def start(root, **more):
        running.append(Server(root, **more))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def server(small_root, start_server):
    return start_server(small_root.root)


@pytest.fixture(scope="module")
def chromium():
    # closed with the module: while it is open, an event loop runs in this thread
    api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed (apt-get install chromium)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page that reaches this host only; a request to another one fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    foreign, errors = [], []

    def only_ours(route):
        address = route.request.url
        if urlsplit(address).hostname in OURS or address.startswith(("data:", "blob:")):
            route.continue_()
        else:
            foreign.append(address)
            route.abort()

    context.route("**/*", only_ours)
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "console",
        lambda said: (
            errors.append(said.text)
            if said.type == "error" and "Content Security Policy" in said.text
            else None
        ),
    )
    opened.set_default_timeout(PAGE_MS)
    opened.foreign = foreign
    yield opened
    context.close()
    assert foreign == [], "requests to other hosts"
    assert errors == [], "errors on the page"
