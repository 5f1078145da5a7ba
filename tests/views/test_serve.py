"""Where the pages may listen, and what a browser is allowed to load."""

import json

import pytest

from workbench.errors import BadInput, Refused
from workbench.views.serve import check_address, content_policy


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users.json"
    path.write_text(json.dumps({"lan": "a long pass phrase"}))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_loopback_needs_no_sign_in(address):
    check_address(address, None)


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.10", "::", "ward.example"])
def test_beyond_loopback_sign_in_is_needed(address, users):
    with pytest.raises(Refused, match="sign-in"):
        check_address(address, None)
    check_address(address, users)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"lan": ""}', "no json"])
def test_a_file_of_users_that_lets_anyone_in_is_refused(users, content):
    users.write_text(content)
    with pytest.raises(BadInput):
        check_address("0.0.0.0", users)


def test_a_file_of_users_that_others_can_read_is_refused(users):
    users.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        check_address("127.0.0.1", users)


def test_the_policy_names_this_host_only():
    policy = content_policy(5007, "10.0.0.5")
    hosts = [word for word in policy.replace(";", " ").split() if "://" in word]
    assert hosts
    assert all(word.split("://")[1] == "10.0.0.5:5007" for word in hosts)
    assert "default-src 'self'" in policy
