"""ONVIF devices, asked over real sockets; the device is a scripted one with faults on command."""

from __future__ import annotations

import logging

import pytest
from lab.onvif import Announcer, OnvifCamera

from workbench.errors import BadInput
from workbench.streams import discovery, onvif

HOSTILE = ("garbage", "huge", "bomb", "html", "redirect")


def target(camera, password=None):
    word = camera.password if password is None else password
    return onvif.Target(camera.service, camera.user if word else "", word)


@pytest.fixture(scope="module", autouse=True)
def described():
    """Have the descriptions read before anything has a time limit."""
    onvif.survey([onvif.Target("http://127.0.0.1:1/")], within_s=5)


def test_a_device_is_listed_with_its_streams_and_clock():
    with OnvifCamera(clock_offset_s=-37.0) as camera:
        device = onvif.ask(target(camera))
    assert device.trouble is None
    assert (device.maker, device.model, device.firmware) == ("Lab", "Cam 7", "1.2.3")
    # sign-in went by the device's own clock, which is far beyond what it allows
    assert device.clock_offset_s == pytest.approx(-37, abs=1.5)
    main, sub, bare = device.profiles
    assert (main.codec, main.width_px, main.height_px, main.fps) == ("H264", 1920, 1080, 15)
    assert (main.url, main.kbit_s) == ("rtsp://127.0.0.1:554/main", 2048)
    assert (sub.codec, sub.width_px, sub.url) == ("JPEG", 640, "rtsp://127.0.0.1:554/main/sub")
    assert (bare.codec, bare.width_px, bare.fps) == ("", 0, 0)


def test_a_device_that_does_not_tell_its_time_is_signed_in_to_by_ours():
    with OnvifCamera(fault="old") as camera:
        device = onvif.ask(target(camera))
    assert device.clock_offset_s is None
    assert len(device.profiles) == 3


def test_a_wrong_password_is_tried_once_and_said_in_a_sentence():
    with OnvifCamera() as camera:
        device = onvif.ask(target(camera, "wrong one"))
        assert camera.asked == ["GetSystemDateAndTime", "GetDeviceInformation"]
        assert not any("wrong one" in body for body in camera.seen)
    sentence = device.trouble.sentence()
    assert "refuses the user name or the password" in sentence
    assert "credentials.toml" in sentence


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("rtsp://198.51.100.9:8554/main", "rtsp://127.0.0.1:8554/main"),
        ("rtsp://127.0.0.1@198.51.100.9/main", "rtsp://127.0.0.1/main"),
        ("https://thief.example/live?ch=1", "https://127.0.0.1/live?ch=1"),
        ("ftp://127.0.0.1/main", ""),
        ("file:///etc/passwd", ""),
        ("/etc/passwd", ""),
        ("=WEBSERVICE(&quot;http://thief.example&quot;)", ""),
        ("rtsp://127.0.0.1:99999/main", ""),
    ],
)
def test_a_stream_is_at_the_host_that_answered_or_nowhere(given, kept):
    with OnvifCamera(rtsp=given) as camera:
        device = onvif.ask(target(camera))
    assert device.trouble is None
    assert device.profiles[0].url == kept


def test_without_a_user_no_digest_is_sent():
    with OnvifCamera() as camera:
        device = onvif.ask(target(camera, ""))
        assert camera.asked == ["GetSystemDateAndTime"]
        assert not any("Password" in body for body in camera.seen)
    assert "was not signed in to" in device.trouble.sentence()
    assert device.clock_offset_s is not None


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_answers_end_in_a_sentence(fault):
    with OnvifCamera(fault=fault) as camera:
        device = onvif.ask(target(camera), within_s=8)
        assert set(camera.asked) == {"GetSystemDateAndTime"}
    assert "not as ONVIF says" in device.trouble.sentence()


def test_an_answer_without_end_is_cut_at_its_limit(monkeypatch):
    monkeypatch.setattr(onvif, "ANSWER_BYTES", 100_000)
    with OnvifCamera(fault="huge") as camera:
        device = onvif.ask(target(camera), within_s=8)
    assert "limit of size" in device.trouble.sentence()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("no media", "has no media service"),
        ("fault", "answers with a fault"),
        ("locked", "refuses"),
    ],
)
def test_other_failures_are_said_apart(fault, says):
    with OnvifCamera(fault=fault) as camera:
        device = onvif.ask(target(camera))
    assert says in device.trouble.sentence()
    assert camera.password not in device.trouble.sentence()


def test_nobody_there_is_no_answer():
    device = onvif.ask(onvif.Target("http://127.0.0.1:1/", "u", "p"))
    assert "no answer from 127.0.0.1" in device.trouble.sentence()


def test_devices_that_hang_hold_nobody_up():
    with (
        OnvifCamera(fault="hang") as hanging,
        OnvifCamera(fault="drip") as dripping,
        OnvifCamera() as good,
    ):
        order = [target(hanging), target(dripping), target(good)]
        devices = onvif.survey(order, within_s=3)
    assert [one.service_url for one in devices] == [one.service_url for one in order]
    assert devices[2].trouble is None
    for one in devices[:2]:
        assert "did not answer in time" in one.trouble.sentence()


def test_secrets_in_a_device_s_addresses_are_not_shown():
    with OnvifCamera(fault="secret url", password="s3cr3t") as camera:
        device = onvif.ask(target(camera))
    for one in device.profiles:
        assert "s3cr3t" not in one.url
        assert "@" not in one.url
    assert "s3cr3t" not in repr(target(camera))


def test_what_a_device_says_is_one_plain_line():
    with OnvifCamera(fault="strange") as camera:
        device = onvif.ask(target(camera))
    assert device.model == "cmd|' /C calc'!A0"


def test_probe_finds_devices_of_the_network_at_the_host_that_answered():
    with OnvifCamera() as camera, Announcer(camera.service) as announcer:
        (found,) = discovery.probe(interfaces=["127.0.0.1"], wait_s=1, port=announcer.port)
        assert found.name == "Lab Cam L7"
        # it announces another host, as behind an address translation, and IPv6 beside it
        assert found.host == "127.0.0.1"
        assert [kind in text for kind, text in zip(
            ("NetworkVideoTransmitter", "t:Device"), announcer.probes, strict=True
        )] == [True, True]  # fmt: skip
        device = onvif.ask(onvif.Target(camera.service, camera.user, camera.password))
    assert device.trouble is None


def test_probe_asks_given_hosts_directly():
    with Announcer("http://127.0.0.1:8000/onvif/other") as announcer:
        (found,) = discovery.probe(["127.0.0.1"], wait_s=1, group=False, port=announcer.port)
    assert found.service_url == "http://127.0.0.1:8000/onvif/other"


@pytest.mark.parametrize("mode", ["bomb", "garbage", "unasked"])
def test_other_datagrams_are_passed_over(mode):
    with Announcer("http://127.0.0.1:8000/x", mode=mode) as announcer:
        assert discovery.probe(["127.0.0.1"], wait_s=0.4, group=False, port=announcer.port) == []
        assert announcer.probes


@pytest.mark.parametrize("text", ["", "http://u:p@10.0.0.1/", "ftp://x", "a b", "h:99999", "[x"])
def test_what_is_no_address_is_said_without_its_secret(text):
    with pytest.raises(BadInput, match="no address of a device") as caught:
        onvif.target_of(text)
    assert "u:p@" not in caught.value.sentence()


def test_an_interface_of_another_machine_is_refused():
    with pytest.raises(BadInput, match="no address of this machine"):
        discovery.probe(interfaces=["192.0.2.1"], wait_s=0.1)


def test_the_library_changes_no_logging_and_loads_nothing_from_elsewhere():
    assert not [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler]
    with pytest.raises(OSError, match="not on this machine"):
        onvif._Transport().load("http://www.onvif.org/ver10/schema/onvif.xsd")


def test_what_a_stranger_sends_shows_no_traceback(capfd):
    logger = logging.getLogger("zeep.xsd.types.simple")
    try:
        int("20=1")
    except ValueError:
        logger.exception("Error during xml -> python translation")
    assert capfd.readouterr().err == ""
