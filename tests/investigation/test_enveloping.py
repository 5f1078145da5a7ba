"""A bundle for recipients: refused in a sentence without age, and nothing plain is left behind."""

import os
import re
import shutil
import subprocess

import pytest
from make.small_root import CASE, PLATE, build

from workbench.cases import verifier
from workbench.errors import BadInput, Unavailable
from workbench.investigation import bundle_for
from workbench.records import Purpose

PURPOSE = Purpose(CASE.case_id, "gửi viện kiểm sát")
KEY = "age1" + "q" * 58
# age itself may not be installed where this is tested: a program that takes its words stands in
STANDS_IN = """#!/bin/sh
for last; do :; done
{ printf 'age-encryption.org/v1\\n'; cat "$last"; } > "$2"
"""


@pytest.fixture(scope="module")
def wb(tmp_path_factory, ward_folder):
    return build(tmp_path_factory.mktemp("envelope") / "root", ward_folder, cameras=2)


def program(folder, text, monkeypatch):
    folder.mkdir(exist_ok=True)
    path = folder / "age"
    path.write_text(text)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def made(wb, out, keys=(KEY,)):
    return bundle_for(
        wb, PURPOSE, out, recipients=keys, plates=[PLATE], originals=False, clips=False
    )


def test_without_age_a_sentence_says_so_before_anything_is_packed(wb, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    before = len(wb.audit())
    with pytest.raises(Unavailable, match="not installed"):
        made(wb, tmp_path / "a.zip.age")
    assert len(wb.audit()) == before
    assert list(tmp_path.iterdir()) == []


def test_no_key_of_age_and_no_path_of_an_encrypted_bundle_are_refused(wb, tmp_path):
    for key in ("", "age1", "--help", KEY + "q", KEY.upper(), "ssh-ed25519 AAAA", KEY + chr(10)):
        with pytest.raises(BadInput, match="public key"):
            made(wb, tmp_path / "a.zip.age", (KEY, key))
    (tmp_path / "there.zip.age").write_text("mine")
    for name in ("a.zip", "a.age", "none/a.zip.age", "there.zip.age"):
        with pytest.raises(BadInput):
            made(wb, tmp_path / name)
    assert (tmp_path / "there.zip.age").read_text() == "mine"


def test_it_goes_through_age_and_nothing_plain_is_left(wb, tmp_path, monkeypatch):
    program(tmp_path / "bin", STANDS_IN, monkeypatch)
    out = tmp_path / "out" / "a.zip.age"
    out.parent.mkdir()
    found = made(wb, out, (KEY, KEY))
    assert found.path == out
    assert out.read_bytes().startswith(b"age-encryption.org/v1")
    assert found.bytes == out.stat().st_size
    assert list(out.parent.iterdir()) == [out]
    assert [one.action for one in wb.audit()][-2:] == ["export.done", "export.encrypted"]


@pytest.mark.parametrize("text", ["exit 3", 'echo broken >&2; : > "$2"', 'cp "$5" "$2"'])
def test_where_age_fails_or_leaves_it_plain_nothing_is_handed_out(wb, tmp_path, monkeypatch, text):
    program(tmp_path / "bin", f"#!/bin/sh\n{text}\n", monkeypatch)
    out = tmp_path / "out" / "a.zip.age"
    out.parent.mkdir()
    with pytest.raises(Unavailable, match="did not encrypt"):
        made(wb, out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.skipif(not shutil.which("age-keygen"), reason="age is not installed")
def test_its_recipients_open_it_with_age_itself_and_nobody_else_does(wb, tmp_path):
    keys = []
    for name in ("one", "two", "stranger"):
        words = ["age-keygen", "-o", str(tmp_path / name)]
        said = subprocess.run(words, capture_output=True, text=True, check=True)
        keys.append(re.search(r"age1\w+", said.stderr)[0])
    out = tmp_path / "out" / "a.zip.age"
    out.parent.mkdir()
    found = made(wb, out, keys[:2])
    assert b"manifest.json" not in out.read_bytes()

    def opened(name):
        words = [
            "age",
            "-d",
            "-i",
            str(tmp_path / name),
            "-o",
            str(tmp_path / f"{name}.zip"),
            str(out),
        ]
        return subprocess.run(words, capture_output=True, check=False).returncode

    assert [opened(name) for name in ("one", "two")] == [0, 0]
    assert opened("stranger") != 0
    for name in ("one", "two"):
        findings, _ = verifier.check(str(tmp_path / f"{name}.zip"), found.key)
        assert findings == []
    # a byte that was flipped on the way does not open
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.chmod(0o600)
    out.write_bytes(data)
    assert opened("one") != 0
