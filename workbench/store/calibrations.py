"""Calibrations of cameras: each a file of its own, never changed, named by its hash.

``calibrations/CAMERA/`` holds a record for each calibration ever made, and the grey pictures they
were made in. A report names the record it used; a later one changes nothing about it. Nothing of
them is in the catalogue, so that a lost catalogue loses nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import N_, BadInput, Damaged
from workbench.store import files


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """A record as it lies on the disk: ``view_ns`` is the instant of its picture, both UTC."""

    sha256: str
    view_ns: int
    made_ns: int
    text: str


class Calibrations:
    """The calibrations of a root. Holds paths only."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "calibrations"

    def add(
        self, camera_id: str, text: str, picture: bytes, *, view_ns: int, made_ns: int
    ) -> CalibrationFile:
        """Write a record and the PNG it names; what is there already stays as it is."""
        folder = self._folder / camera_id
        _once(folder / f"{hashlib.sha256(picture).hexdigest()}.png", picture)
        data = text.encode()
        one = CalibrationFile(hashlib.sha256(data).hexdigest(), view_ns, made_ns, text)
        _once(folder / f"{view_ns:019d}-{made_ns:019d}-{one.sha256}.json", data)
        return one

    def all(self, camera_id: str) -> list[CalibrationFile]:
        """Return a camera's calibrations by the instant of their picture, then by their making.

        Raises
        ------
        Damaged
            When a record is not what was written.
        """
        return [_read(path) for path in sorted((self._folder / camera_id).glob("[!.]*.json"))]

    def in_force(self, camera_id: str, at_ns: int) -> CalibrationFile | None:
        """Return the newest whose picture is not later than an instant; else the first after it."""
        found = self.all(camera_id)
        before = [one for one in found if one.view_ns <= at_ns]
        if before:
            return before[-1]
        after = [one for one in found if one.view_ns == found[0].view_ns] if found else []
        return after[-1] if after else None

    def named(self, camera_id: str, beginning: str) -> CalibrationFile:
        """Return the one whose hash begins so."""
        found = [one for one in self.all(camera_id) if one.sha256.startswith(beginning.lower())]
        if len(found) != 1:
            raise BadInput(
                N_("{count} calibrations of {camera} begin with {id}"),
                N_("list them: workbench calibrate ROOT {camera}"),
                count=len(found), camera=camera_id, id=beginning[:12],
            )  # fmt: skip
        return found[0]

    def picture(self, camera_id: str, sha256: str) -> bytes:
        """Return the PNG a calibration was made in.

        Raises
        ------
        Damaged
            When it is gone or not what was written.
        """
        path = self._folder / camera_id / f"{sha256}.png"
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _damaged(path)
        return data

    def check(self) -> Iterator[Damaged]:
        """Yield a finding for each record or picture that is not what was written."""
        for path in sorted(self._folder.glob("*/[!.]*.json")):
            try:
                text = _read(path).text
                self.picture(path.parent.name, json.loads(text)["reference_sha256"])
            except Damaged as damage:
                yield damage
            except (ValueError, KeyError, TypeError):
                yield _damaged(path)


def _once(path: Path, data: bytes) -> None:
    if not path.exists():
        files.write_bytes(path, data, mode=0o444)


def _read(path: Path) -> CalibrationFile:
    try:
        view, made, sha256 = path.stem.split("-")
        data = path.read_bytes()
        sound = hashlib.sha256(data).hexdigest() == sha256
        one = CalibrationFile(sha256, int(view), int(made), data.decode())
    except (OSError, ValueError):
        sound = False
    if not sound:
        raise _damaged(path)
    return one


def _damaged(path: Path) -> Damaged:
    return Damaged(
        N_("this calibration, or its picture, is not what was written"),
        N_("restore it from a backup, or calibrate the camera again"),
        where=str(path),
    )
