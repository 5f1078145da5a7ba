"""WS-Discovery: which ONVIF devices answer on our networks, or at hosts asked directly.

A probe is one datagram, written here: the libraries for it join every network, listen to everybody
and trust what comes back. An answer counts if it names one of our probes, and stands for the host
it came from alone.
"""

from __future__ import annotations

import selectors
import socket
import time
import uuid
from collections.abc import Sequence
from urllib.parse import unquote

from lxml import etree

from workbench.errors import N_, BadInput, Unavailable
from workbench.streams.onvif import Target, at_host, plain

DISCOVERY_GROUP, DISCOVERY_PORT = "239.255.255.250", 3702
DATAGRAM_BYTES = 65_535
MOST_ANSWERS = 2000

_TYPES = (
    ("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter"),
    ("http://www.onvif.org/ver10/device/wsdl", "Device"),
)
_PROBE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:t="{namespace}">'
    "<e:Header><a:MessageID>{message_id}</a:MessageID>"
    "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
    "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></e:Header>"
    "<e:Body><d:Probe><d:Types>t:{name}</d:Types></d:Probe></e:Body></e:Envelope>"
)
# No entities, no documents of types, no network: what a stranger sends is read as plain elements.
_PARSER = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def probe(
    hosts: Sequence[str] = (),
    interfaces: Sequence[str] = (),
    *,
    wait_s: float = 3.0,
    group: bool = True,
    port: int = DISCOVERY_PORT,
) -> list[Target]:
    """Return the devices that answer a WS-Discovery probe, by host.

    Parameters
    ----------
    hosts
        Asked directly, also across subnets, where multicast does not reach.
    interfaces
        Our own addresses on the networks to probe; the system's choice when none is given.
    wait_s
        How long answers are taken, s.
    group
        Whether to ask everybody on the networks; otherwise `hosts` alone.

    Raises
    ------
    BadInput
        When an interface is not one of this machine.
    Unavailable
        When no probe can be sent.
    """
    ids: set[str] = set()
    found: dict[str, Target] = {}
    with selectors.DefaultSelector() as ready:
        try:
            doors = [_door(address) for address in (interfaces or ("",))]
            for door in doors:
                ready.register(door, selectors.EVENT_READ)
            to = [(DISCOVERY_GROUP, port)] if group else []
            began = time.monotonic()
            # Datagrams get lost, and not every device answers to both of its types.
            for part, (namespace, name) in enumerate(_TYPES, start=1):
                message_id = f"urn:uuid:{uuid.uuid4()}"
                ids.add(message_id)
                text = _PROBE.format(message_id=message_id, namespace=namespace, name=name)
                _send(doors, to, [(host, port) for host in hosts], text.encode())
                until = began + wait_s * part / len(_TYPES)
                _hear(ready, ids, found, until)
        finally:
            for key in list(ready.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]
    return [found[host] for host in sorted(found)]


def _door(interface: str) -> socket.socket:
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        door.setblocking(False)
        door.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        if interface:
            door.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
            door.bind((interface, 0))
    except OSError as error:
        door.close()
        raise BadInput(
            N_("{interface} is no address of this machine"),
            N_("give one that 'ip address' lists"),
            interface=interface,
        ) from error
    return door


def _send(
    doors: Sequence[socket.socket],
    group: Sequence[tuple[str, int]],
    hosts: Sequence[tuple[str, int]],
    data: bytes,
) -> None:
    sent, why = 0, ""
    for to in (*group, *hosts):
        for door in doors:
            try:
                sent += door.sendto(data, to)
            # a network that is down, a name nobody knows, or none that a name can be
            except (OSError, TypeError, UnicodeError) as error:
                why = getattr(error, "strerror", None) or str(error)
    if not sent and group:
        raise Unavailable(
            N_("no probe could be sent ({reason})"),
            N_("check the network, or name its --interface"),
            reason=why,
        )


def _hear(
    ready: selectors.BaseSelector, ids: set[str], found: dict[str, Target], until: float
) -> None:
    while (left := until - time.monotonic()) > 0 and len(found) < MOST_ANSWERS:
        for key, _ in ready.select(left):
            try:
                data, (host, *_) = key.fileobj.recvfrom(DATAGRAM_BYTES)  # type: ignore[union-attr]
            except OSError:  # refused by a host that was asked directly
                continue
            target = read_answer(data, host, ids)
            if target is not None:
                found.setdefault(host, target)


def read_answer(data: bytes, host: str, ids: set[str]) -> Target | None:
    """Return the device an answer to one of our probes announces, None for anything else.

    Whatever address it gives, the host is the one it answered from.
    """
    try:
        tree = etree.fromstring(data, etree.XMLParser(**_PARSER))
    except (etree.XMLSyntaxError, ValueError):
        return None
    if tree.getroottree().docinfo.doctype or not ids & {
        (one.text or "").strip() for one in tree.iter("{*}RelatesTo")
    }:
        return None
    for match in tree.iter("{*}ProbeMatch"):
        addresses = " ".join(one.text or "" for one in match.iter("{*}XAddrs")).split()
        scopes = " ".join(one.text or "" for one in match.iter("{*}Scopes")).split()
        # of several, its own; then one of the same kind as we talk to it by
        for address in sorted(addresses, key=lambda one: (host not in one, "[" in one)):
            if (url := at_host(address, host)) is not None:
                return Target(url, name=_named(scopes))
    return None


def _named(scopes: Sequence[str]) -> str:
    words = [
        unquote(scope.rsplit("/", 1)[1])
        for kind in ("/name/", "/hardware/")
        for scope in scopes
        if scope.startswith("onvif://www.onvif.org" + kind)
    ]
    return plain(" ".join(dict.fromkeys(words)))
