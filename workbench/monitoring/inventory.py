"""The inventory of cameras: what the ward's table has, what the network has, what a table adds."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from workbench import streams, ward
from workbench.errors import N_, BadInput, Refused
from workbench.monitoring import roles
from workbench.monitoring.facade import Monitoring
from workbench.store import files
from workbench.streams import discovery, onvif
from workbench.timeline import format_utc
from workbench.ward.checks import CAMERA_COLUMNS, CAMERA_EXTRAS

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Found:
    """A device on the network, and which of its streams the ward's table has already.

    ``cameras`` are by stream, as ``device.profiles``; empty where none has it. ``at_host`` are the
    cameras of the table at the same host, by any address.
    """

    device: onvif.Device
    cameras: tuple[str, ...]
    at_host: tuple[str, ...]


def _place(url: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # no address that a device could have
        return "", 0, ""
    where = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname or "", port or PORTS.get(parts.scheme, 0), where


def discover(
    house: Monitoring,
    addresses: Sequence[str] = (),
    interfaces: Sequence[str] = (),
    *,
    wait_s: float = 4.0,
    probe: bool = True,
    port: int = discovery.DISCOVERY_PORT,
    tell: Callable[[onvif.Device], None] = lambda _device: None,
) -> list[Found]:
    """Return the ONVIF devices of the network, with their streams.

    Credentials go to the hosts of the ward's own cameras and to the `addresses` given, nowhere
    else: a password's digest is not handed to a stranger that answers.

    Parameters
    ----------
    addresses
        Hosts, ``host:port`` or service addresses to ask directly.
    interfaces
        Our own addresses on the networks to probe.
    wait_s
        For the probes, and again for each device, s.
    probe
        Whether to ask everybody on the networks.

    Raises
    ------
    BadInput
        When an address, an interface or the credentials cannot be used.
    """
    roles.allow(house)
    known = streams.read_credentials(house._store.root / "credentials.toml")
    owners: dict[str, list[str]] = {}
    streams_of: dict[tuple[str, int, str], str] = {}
    for camera in house.ward.cameras.values():
        for url in (camera.stream_url, camera.substream_url):
            place = _place(url)
            if place[0]:
                owners.setdefault(place[0], []).append(camera.camera_id)
                streams_of.setdefault(place, camera.camera_id)
    given = [onvif.target_of(text, where="--address") for text in addresses]
    plain = [one.host for one, text in zip(given, addresses, strict=True) if _is_bare(text)]
    heard = discovery.probe(plain, interfaces, wait_s=wait_s, group=probe, port=port)
    # A bare host that told its own address is asked there; whatever was written out stays.
    told = {one.host for one in heard}
    targets = [
        *(one for one in given if one.host not in plain or one.host not in told),
        *(one for one in heard if one.host in plain or one.host not in {x.host for x in given}),
    ]
    asked_for = {one.host for one in given}
    signed = []
    for one in dict.fromkeys(targets):
        user, password = "", ""
        if one.host in asked_for or one.host in owners:
            names = [name for name in owners.get(one.host, []) if name in known]
            user, password = known.get(names[0] if names else "default", ("", ""))
        signed.append(onvif.Target(one.service_url, user, password, one.name))
    return [
        Found(
            device,
            tuple(streams_of.get(_place(one.url), "") for one in device.profiles),
            tuple(dict.fromkeys(owners.get(device.host, ()))),
        )
        for device in onvif.survey(signed, within_s=max(wait_s, 2.0), now=house.now, tell=tell)
    ]


def _is_bare(text: str) -> bool:
    return "://" not in text and ":" not in text


def found_csv(found: Sequence[Found]) -> str:
    """Return devices as a table to complete and import: a row a device, its best stream first.

    Devices whose main stream the ward has are rows with the id they have there.
    """
    text = io.StringIO()
    extras = ("maker", "model", "firmware", "profiles", "remark")
    writer = csv.DictWriter(text, (*CAMERA_COLUMNS, *CAMERA_EXTRAS, *extras), restval="")
    writer.writeheader()
    for one in found:
        coded = sorted(
            (each for each in one.device.profiles if each.width_px),
            key=lambda each: -each.width_px * each.height_px,
        )
        usable = [each for each in coded if each.url]
        unusable = [f"no usable address of {each.name}" for each in coded if not each.url]
        trouble = [one.device.trouble.sentence()] if one.device.trouble else []
        ours = next((name for name in one.cameras if name), "")
        writer.writerow(
            {
                key: _no_formula(cell)
                for key, cell in {
                    "camera_id": ours,
                    "name": "" if ours else one.device.name,
                    "stream_url": usable[0].url if usable else "",
                    "substream_url": usable[-1].url if len(usable) > 1 else "",
                    "maker": one.device.maker,
                    "model": one.device.model,
                    "firmware": one.device.firmware,
                    "profiles": "; ".join(
                        f"{each.name} {each.codec} {each.width_px}x{each.height_px}"
                        for each in coded
                    ),
                    "remark": "; ".join(trouble + unusable),
                }.items()
            }
        )
    return text.getvalue()


def _no_formula(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula.

    >>> print(_no_formula("=1+1"), _no_formula("rtsp://10.0.0.7/main"))
    '=1+1 rtsp://10.0.0.7/main
    """
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def plan_import(house: Monitoring, source: Path) -> ward.ImportPlan:
    """Return what a CSV file of cameras would change; see ``ward.plan_import``.

    Raises
    ------
    BadInput
        When there is no such file.
    """
    if source.is_dir():
        raise BadInput(N_("this is a folder"), N_("give one table, as CSV"), where=str(source))
    if not source.exists():
        raise BadInput(N_("there is no such file"), N_("check the path"), where=str(source))
    plan = ward.plan_import(house._store.ward_folder, source)
    for change in plan.changed:
        if change.column.endswith("_url") and change.after:
            _try_address(plan, source, change.camera_id, change.after)
    for row in csv.DictReader(io.StringIO(plan.text)):
        if row["camera_id"] in plan.added:
            for column in row:
                if column.endswith("_url") and row[column]:
                    _try_address(plan, source, row["camera_id"], row[column])
    return plan


def _try_address(plan: ward.ImportPlan, source: Path, camera_id: str, url: str) -> None:
    try:
        streams.parse_address(url, where=f"{source.name}: {camera_id}")
    except BadInput as error:
        plan.findings.insert(0, error)


def apply_import(house: Monitoring, source: Path) -> tuple[ward.ImportPlan, Path | None]:
    """Take a CSV file's cameras into the ward's table; the earlier table stays beside it.

    Returns
    -------
    tuple[ImportPlan, Path | None]
        What was done, and where the earlier table lies; None where nothing was to change.

    Raises
    ------
    BadInput
        With the first fault; nothing is changed then.
    Refused
        While another import runs.
    """
    roles.allow(house)
    table = house._store.ward_folder / "cameras.csv"
    with files.held(house._store.root / ".import") as ours:
        if not ours:
            raise Refused(
                N_("another import runs on this folder"), N_("wait for it"), where=str(table)
            )
        plan = plan_import(house, source)
        if plan.faults:
            raise plan.faults[0]
        if plan.idle:
            return plan, None
        stamp = format_utc(house.now()).replace(":", "-")
        earlier = table.with_name(f"cameras.{stamp}.csv")
        before = table.read_bytes()
        files.write_bytes(earlier, before)
        # Said before it is done: what is in the log and not in the table is the lesser harm.
        house.log(
            "cameras.import",
            details={
                "file": source.name,
                "added": plan.added,
                "changed": [[one.camera_id, one.column] for one in plan.changed],
                "before_sha256": files.sha256_of(earlier),
                "earlier": earlier.name,
            },
        )
        mark = b"\xef\xbb\xbf" if before.startswith(b"\xef\xbb\xbf") else b""
        files.write_bytes(table, mark + plan.text.encode())
    return plan, earlier
