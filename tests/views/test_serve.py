"""Where the pages may listen, and what a browser is allowed to load."""

import pytest

from workbench.errors import BadInput, Refused
from workbench.views.serve import check_address, check_tls, content_policy


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
