"""Where the pages may listen, and what a browser is allowed to load."""

import asyncio
import gc
import subprocess
import sys
import threading
import time

import pytest
from tornado.websocket import WebSocketClosedError

from workbench.errors import BadInput, Damaged, Refused
from workbench.investigation import ask_lookout, open_workbench
from workbench.records import Case, Purpose
from workbench.timeline import SECOND_NS, Span
from workbench.views import serve as serve_module
from workbench.views.serve import (
    check_address,
    check_tls,
    content_policy,
    tell_what_nobody_awaits,
)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_loopback_needs_no_sign_in_and_no_tls(address):
    check_address(address, people=False, tls=False)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.10", "::", "ward.example"])
def test_beyond_loopback_sign_in_and_tls_are_needed(address):
    for tls in (False, True):
        with pytest.raises(Refused, match="sign-in"):
            check_address(address, people=False, tls=tls, plain=True)
    with pytest.raises(Refused, match="in the clear"):
        check_address(address, people=True, tls=False)
    check_address(address, people=True, tls=True)
    check_address(address, people=True, tls=False, plain=True)


def test_half_a_certificate_and_one_that_is_none_are_refused(tmp_path):
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    check_tls(None, None)
    for pair in ((text, None), (None, text), (text, text), (text, tmp_path / "nowhere")):
        with pytest.raises(BadInput, match=r"tls|PEM"):
            check_tls(*pair)


def test_the_policy_names_this_host_only():
    policy = content_policy(5007, "10.0.0.5")
    hosts = [word for word in policy.replace(";", " ").split() if "://" in word]
    assert hosts
    assert all(word.split("://")[1] == "10.0.0.5:5007" for word in hosts)
    assert "default-src 'self'" in policy


def test_a_server_deletes_what_is_over_by_the_clock(tmp_path, ward_folder):
    root = tmp_path / "root"
    wb = open_workbench(root, actor="an", create_from=ward_folder)
    now = wb.now()
    wb.open_case(Case("1", "Xe", "QĐ 1", "tìm xe", Span(now, now + 3600 * SECOND_NS)))
    ask_lookout(wb, "99B1-123.45", ["S01-P1"], now + SECOND_NS, Purpose("1", "tìm xe"))
    program = (
        "import sys, pathlib; from workbench.views import serve; serve.OVER_S = 0.2; "
        "serve.serve(pathlib.Path(sys.argv[1]), port=0)"
    )
    server = subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.DEVNULL)
    try:
        end = (
            time.monotonic() + 300
        )  # a server alone takes over a minute to start on a busy machine
        while any((root / "lookouts").glob("*.lookout")):
            assert time.monotonic() < end, "it was never deleted"
            threading.Event().wait(0.1)
    finally:
        server.terminate()
        server.wait(20)
    assert [entry.action for entry in wb.audit()][-1] == "lookout.end"


def test_a_lookout_that_cannot_be_read_does_not_keep_face_searches_from_ending(
    tmp_path, ward_folder, monkeypatch
):
    wb = open_workbench(tmp_path / "root", actor="an", create_from=ward_folder)
    (wb.root / "lookouts").mkdir()
    (wb.root / "lookouts" / "x.lookout").write_text("{")
    settled = []
    monkeypatch.setattr(serve_module, "settle_faces", settled.append)
    monkeypatch.setattr(serve_module, "settle_face_lookouts", settled.append)
    with pytest.raises(Damaged, match="a lookout cannot be read"):
        serve_module.end_what_is_over(wb)
    assert settled == [wb, wb]


@pytest.mark.parametrize(
    ("error", "told"), [(WebSocketClosedError(), False), (ValueError("a fault"), True)]
)
def test_a_page_closed_while_it_is_written_to_is_no_fault(error, told, caplog):
    async def write():
        raise error

    async def unawaited():
        asyncio.get_running_loop().set_exception_handler(tell_what_nobody_awaits)
        task = asyncio.ensure_future(write())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(unawaited())
    assert ("never retrieved" in caplog.text) is told
