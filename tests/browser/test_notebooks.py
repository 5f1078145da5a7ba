"""A trainer opens and runs a notebook: nothing asks another host, nothing of the house changes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

HOUSE = Path(__file__).resolve().parents[2]
OPEN = HOUSE / "notebooks" / "jupyter" / "open.py"
NAME = "03_read_plates.ipynb"
WATCH = """
import os, sys
def told(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        where = given[0] if event == "socket.getaddrinfo" else given[1]
        with open(os.environ["ASKED"], "a") as file:
            print(repr(where), file=file)
sys.addaudithook(told)
"""
"""Read by each Python that starts below here: writes down whom it asks, server and kernel alike."""


@pytest.fixture
def lab(tmp_path):
    """JupyterLab as `make notebooks` starts it: where it listens, its folder, whom it asked."""
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    (tmp_path / "root").mkdir()
    (tmp_path / "home").mkdir()
    paths = [str(tmp_path / "watch"), str(HOUSE), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "ASKED": str(tmp_path / "asked"),
        "HOME": str(tmp_path / "home"),
    }
    process = subprocess.Popen(
        [sys.executable, str(OPEN), str(tmp_path / "root"), "0", str(tmp_path / "mine")],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        said = iter(process.stderr.readline, "")
        told = (re.search(r"http://\S+token=\S+", line) for line in said)
        yield next(found[0] for found in told if found), tmp_path / "mine", tmp_path / "asked"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert not list((tmp_path / "home").glob(".j*"))
    assert not list((tmp_path / "home").glob(".ipython"))


def test_a_notebook_opens_and_runs_and_asks_no_other_host(page, lab):
    address, mine, asked = lab
    sockets = []
    page.on("websocket", lambda opened: sockets.append(opened.url))
    before = (HOUSE / "notebooks" / NAME).read_bytes()
    assert address.startswith("http://127.0.0.1:")
    got = page.goto(address.replace("/lab?", f"/lab/tree/{NAME}?"))
    # what another notebook shows, of Panel above all, may name a CDN: the browser refuses it
    assert (
        "default-src 'self' data: blob: 'unsafe-inline'" in got.headers["content-security-policy"]
    )
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    prompt = page.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-InputPrompt").first
    expect(prompt).to_have_text(re.compile(r"\[\d+\]:"))
    with page.expect_response(lambda got: got.request.method == "PUT" and NAME in got.url) as saved:
        page.locator(".jp-NotebookPanel [data-jp-item-name=save]").click()
    assert saved.value.ok
    cells = json.loads((mine / NAME).read_text("utf-8"))["cells"]
    outputs = [one for cell in cells for one in cell.get("outputs", [])]
    assert "99B1-123.45" in str(outputs)
    assert [one for one in outputs if one["output_type"] == "error"] == []
    assert (HOUSE / "notebooks" / NAME).read_bytes() == before
    # no offer of news, of extensions, of a shell
    expect(page.locator(".jp-toast-message, .Toastify__toast")).to_have_count(0)
    expect(page.locator("[data-id='extensionmanager.main-view']")).to_have_count(0)
    # nor does the server ask for them, whatever a page may send
    for wanted in ("news", "update", "extensions"):
        page.request.get(address.replace("/lab?", f"/lab/api/{wanted}?"))
    assert sockets
    assert [one for one in sockets if not one.startswith("ws://127.0.0.1:")] == []
    told = set(asked.read_text().splitlines())
    assert told
    assert {one for one in told if "127.0.0.1" not in one and "localhost" not in one} == set()
