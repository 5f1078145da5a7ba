from __future__ import annotations

import pickle
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.streams import StreamAddress, parse_address, read_credentials, with_credentials
from workbench.streams.address import local_path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rtsp://ward:secret@10.0.0.7/main", "carries a name or a password"),
        ("gopher://10.0.0.7", "no address of a stream"),
        ("10.0.0.7/main", "no address of a stream"),
        ("ftp://ward:secret@10.0.0.7", "no address of a stream"),
        ("rtsp://ward:se/secret@10.0.0.7/main", "cannot be read"),
        ("rtsp://ward:a@secret@10.0.0.7/main", "carries a name or a password"),
        ("http://10.0.0.7/video.cgi?user=w&Password=secret", "carries a name or a password"),
        ("http://10.0.0.7/?pwd=secret", "write {user} {password} there"),
        ("rtsp://[fd00::7/main?password=secret", "cannot be read"),
        ("rtsp://10.0.0.7:99999/main", "cannot be read"),
        ("rtsp://10.0.0.7:port/main", "cannot be read"),
        ("rtsp:///main", "no address of a stream"),
        ("http:", "no address of a stream"),
    ],
)
def test_what_is_no_address_gets_a_sentence_without_the_secret(text, problem):
    with pytest.raises(BadInput, match=re.escape(problem)) as caught:
        parse_address(text, where="cameras.csv: row 3")
    assert "secret" not in str(caught.value)
    assert str(caught.value).startswith("cameras.csv: row 3")


def test_credentials_are_used_and_never_printed(tmp_path):
    path = tmp_path / "credentials.toml"
    path.write_text(
        '[default]\nuser = "w"\npassword = "a:b/c@d"\n[C2]\nuser = "x"\npassword = ""\n'
    )
    path.chmod(0o600)
    known = read_credentials(path)
    plain = parse_address("rtsp://10.0.0.7:554/main?x=1")
    address = with_credentials(plain, "C1", known)
    assert address.with_credentials() == "rtsp://w:a%3Ab%2Fc%40d@10.0.0.7:554/main?x=1"
    assert "a:b/c@d" not in f"{address} {address!r} {address.url}"
    assert with_credentials(plain, "C2", known).user == "x"
    assert pickle.loads(pickle.dumps(address)) == address
    error = f"[rtsp @ 0x1] {address.with_credentials()}: 401 (a:b/c@d, a%3Ab%2Fc%40d)"
    assert "a" not in address.without_secrets(error).split("rtsp://")[1].split(":")[0]
    assert "c@d" not in address.without_secrets(error)
    assert "c%40d" not in address.without_secrets(error)


def test_credentials_stand_where_the_camera_wants_them():
    plain = parse_address("rtsp://10.0.0.7/user={user}&password={password}&channel=1")
    address = with_credentials(plain, "C1", {"C1": ("w", "a&b%")})
    assert address.with_credentials() == "rtsp://10.0.0.7/user=w&password=a%26b%25&channel=1"
    assert "a%26" not in address.without_secrets(f"{address.with_credentials()}: 404")
    assert plain.with_credentials() == "rtsp://10.0.0.7/user=&password=&channel=1"


@given(
    password=st.text("abCé@:/%+&€ .*?[", min_size=4, max_size=9).filter(lambda p: p.strip() == p),
    data=st.data(),
)
def test_a_password_is_blotted_out_however_it_is_escaped(password, data):
    ways = [
        str,
        lambda one: "".join(f"%{byte:02x}" for byte in one.encode()),
        lambda one: "".join(f"%{byte:02X}" for byte in one.encode()),
        lambda one: quote(one, safe=""),
    ]
    written = "".join(data.draw(st.sampled_from(ways))(one) for one in password)
    address = StreamAddress("rtsp://10.0.0.7/main", "w", password)
    told = address.without_secrets(f"cannot open <{written}>: 401")
    assert told == "cannot open <***>: 401"


def test_readable_credentials_and_broken_ones_are_refused_without_quoting_them(tmp_path):
    path = tmp_path / "credentials.toml"
    assert read_credentials(path) == {}
    path.write_text('[default]\nuser = "w"\npassword = "hush"\n')
    path.chmod(0o640)
    with pytest.raises(BadInput, match="chmod 600"):
        read_credentials(path)
    path.chmod(0o600)
    texts = ('password = "hush"\n', '[default]\npassword = "hush"\n', "[default\nhush")
    for text in (*texts, "hush = " + "[" * 100_000):
        path.write_text(text)
        with pytest.raises(BadInput) as caught:
            read_credentials(path)
        assert "hush" not in str(caught.value)


def test_files_and_devices_are_on_this_machine_and_take_no_credentials():
    known = {"default": ("w", "hush")}
    for text in ("/data/a b.mp4", "/dev/video2"):
        address = with_credentials(parse_address(text), "C1", known)
        assert str(local_path(address)) == text
        assert address.user == ""
    assert local_path(StreamAddress("rtsp://10.0.0.7/main")) is None
