"""Messages: real HTTP, real SMTP, ways that fail, settings that cannot be."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from aiosmtpd.controller import Controller

from workbench import streams
from workbench.errors import BadInput
from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring
from workbench.monitoring.incidents import IncidentDesk
from workbench.monitoring.notices import Notice, Rules, is_due, notice
from workbench.monitoring.notify import (
    Mail,
    Notifier,
    Settings,
    Webhook,
    mail,
    read_settings,
    usable_settings,
)
from workbench.records import Affected, IncidentRecord, Wording
from workbench.streams import Incident, Topology, Trouble
from workbench.streams.causes import explain
from workbench.views.text import translator

S = 10**9
TOLD = Notice("test", "Mất tín hiệu", ("dòng một",), {"event": "test", "at_ns": 1})


class Inbox:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):
        self.mails.append(envelope)
        return "250 OK"


@pytest.fixture
def certificate(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
             "-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost"],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl makes the certificate of the test's mail server")
    return cert, key


@pytest.fixture
def smtp(certificate):
    import ssl

    from aiosmtpd.smtp import AuthResult

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    inbox = Inbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def sign_in(_server, _session, _envelope, _mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"ward", b"hush"))

    server = Controller(
        inbox, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True,
        authenticator=sign_in, auth_required=True,
    )  # fmt: skip
    server.start()
    yield port, inbox, str(certificate[0])
    server.stop()


def test_a_mail_goes_over_tls_with_the_password_and_reads_as_written(smtp):
    port, inbox, ca = smtp
    settings = Mail(
        "localhost", "wb@centre", ("a@centre", "b@centre"), port, True, "ward", "hush", 5, ca
    )
    mail(settings, TOLD)
    (got,) = inbox.mails
    assert got.rcpt_tos == ["a@centre", "b@centre"]
    assert "hush" not in repr(settings)
    import email
    from email import policy

    read = email.message_from_bytes(got.content, policy=policy.default)
    assert read["Subject"] == "Mất tín hiệu"
    assert read.get_content().replace("\r", "").strip() == "Mất tín hiệu\ndòng một"
    with pytest.raises(OSError):  # a certificate nobody vouches for
        mail(replace(settings, ca_file=""), TOLD)


def test_a_way_that_hangs_holds_up_nobody_and_is_given_up_in_the_log(tmp_path):
    with socket.socket() as deaf:  # it takes connections and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        log = tmp_path / "notices.jsonl"
        notifier = Notifier(
            Settings(webhook=Webhook(url, timeout_s=0.2)), log, time.time_ns, waits_s=(0.01, 0.01)
        )
        began_s = time.monotonic()
        for _ in range(100):
            notifier.tell(TOLD)
        assert time.monotonic() - began_s < 2
        until_s = time.monotonic() + 20
        while not (log.exists() and log.read_text().count('"test"') >= 100):
            assert time.monotonic() < until_s
            threading.Event().wait(0.02)
        while "not delivered" not in log.read_text():
            assert time.monotonic() < until_s
            threading.Event().wait(0.02)
        notifier.end()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(line["event"] == "test" for line in lines) == 100
    given_up = [line for line in lines if line["event"] == "not delivered"]
    assert {line["way"] for line in given_up} >= {"webhook"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[webhook]\nurl = 'ftp://x'", "webhook.url"),
        ("[email]\nhost = 'h'\nsender = 's'", "to"),
        ("[email]\nhost='h'\nsender='s'\nto='t'\nuser='u'\npassword='geheim'\nstarttls=false",
         "email.starttls"),
        ("[wehbook]\nurl = 'http://x'", "wehbook"),
        ("[rules]\nafter_s = -1", "rules.after_s"),
        ("password = 'geheim", "TOMLDecodeError"),
        ("desktop = true", "AttributeError"),
        ("geheim = " + "[" * 100_000, "RecursionError"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_one_sentence_without_secrets(tmp_path, text, said):
    path = tmp_path / "notify.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadInput) as error:
        read_settings(path)
    assert said in str(error.value)
    assert "geheim" not in str(error.value)
    path.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        read_settings(path)
    assert usable_settings(path)[0] == Settings()
    assert "chmod 600" in usable_settings(path)[1]


@pytest.mark.parametrize("text", ["[webhook]\nurl = 'http://x'", "a = '"])
def test_settings_that_cannot_be_used_are_trouble_and_cost_no_footage(
    tmp_path, ward_folder, monkeypatch, text
):
    root = tmp_path / "root"
    open_workbench(root, actor="t", create_from=ward_folder)
    (root / "notify.toml").write_text(text)
    (root / "notify.toml").chmod(0o644)
    house = open_monitoring(root, actor="t")
    address = streams.parse_address("/nowhere.mp4", where="S01-P1")
    monkeypatch.setattr(house, "addresses", lambda _cameras: {"S01-P1": {"main": address}})
    house.record(stopped=lambda: True)
    assert "chmod 600" in house.waiting()[1]
    (entry,) = [one for one in house._store.audit() if one.action == "record.start"]
    assert "chmod 600" in entry.details


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", None])
def test_a_way_outlives_what_http_cannot_read_and_quotes_no_token(tmp_path, answer):
    with socket.socket() as odd:
        odd.bind(("127.0.0.1", 0))
        odd.listen()
        url = f"http://127.0.0.1:{odd.getsockname()[1]}/{'geheim' if answer else 'geheim heim'}"

        def answers():
            with suppress(OSError):
                while True:
                    with odd.accept()[0] as line:
                        line.recv(9000)
                        line.sendall(answer)

        if answer:
            threading.Thread(target=answers, daemon=True).start()
        log = tmp_path / "notices.jsonl"
        settings = Settings(webhook=Webhook(url, timeout_s=2, authorization="Bearer geheim"))
        notifier = Notifier(settings, log, time.time_ns, waits_s=())
        for _ in range(3):
            notifier.tell(TOLD)
        until_s = time.monotonic() + 20
        while not log.exists() or log.read_text().count("not delivered") < 3:
            assert time.monotonic() < until_s
            threading.Event().wait(0.02)
        notifier.end()
        odd.shutdown(socket.SHUT_RDWR)
    said = {one["trouble"] for one in map(json.loads, log.read_text().splitlines()) if "way" in one}
    assert said == {"BadStatusLine" if answer else "InvalidURL"}
    assert "geheim" not in log.read_text()


LOST = IncidentRecord("a", "lost", 0, (Affected("S01-P1", 0, "stalled"),))


def test_rules_say_who_is_told_and_quiet_keeps_repeats_back():
    site_of = {"S01-P1": "S01"}
    assert is_due(LOST, Rules(), site_of, [], 20 * S)
    assert not is_due(LOST, Rules(kinds=frozenset({"dark"})), site_of, [], 20 * S)
    assert not is_due(LOST, Rules(sites=frozenset({"S02"})), site_of, [], 20 * S)
    topology = Topology({"S01-P1": "S01"}, {"S01-P1": "F1"}, {"S01-P1": "P1"})
    desk = IncidentDesk([], Rules(), site_of)
    told = []
    for n in range(3):  # the same camera three times in ten minutes
        at = n * 100 * S
        incident = Incident.began(Trouble("S01-P1", at, "stalled"))
        explained = [("lost", incident, explain(incident, topology, []))]
        for second in range(0, 30, 5):
            told += [c.tell for c in desk.turn(at + second * S, explained, []) if c.tell]
        over = replace(incident, back_ns=(("S01-P1", at + 30 * S),))
        told += [c.tell for c in desk.turn(at + 31 * S, [], [("lost", over)]) if c.tell]
    assert told == ["opened", "closed"]


def test_a_task_opens_after_its_time_and_names_what_to_check():
    topology = Topology({"S01-P1": "S01"}, {"S01-P1": "F1"}, {"S01-P1": "P1"})
    desk = IncidentDesk([], Rules(task_s=60), {"S01-P1": "S01"})
    incident = Incident.began(Trouble("S01-P1", 0, "covered"))
    explained = [("covered", incident, explain(incident, topology, []))]
    assert all(c.incident.task is None for c in desk.turn(30 * S, explained, []))
    (change,) = desk.turn(61 * S, explained, [])
    first = change.incident.task.checks[0]
    assert first.sentence() == "clean the lens of S01-P1, or take away what covers it"
    assert first.sentence(translator("vi")).startswith("lau ống kính")
    desk.respond("S01-P1", 62 * S, Wording("done"))
    (answered,) = desk.turn(63 * S, explained, [])
    assert [one.what.sentence() for one in answered.incident.responses] == ["done"]
    text = notice("opened", answered.incident, {}, {"S01-P1": "S01"}, 70 * S).text
    assert "S01-P1" in text
