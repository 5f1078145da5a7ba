"""An operator's own models: a folder each, a manifest like ours, in the place of a shipped one.

Nothing here trusts a folder: what a manifest names must lie inside it, be of a kind that brings no
code with it, and have the hash that is written down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from workbench.errors import N_, BadInput, Damaged
from workbench.recognition.models import weights
from workbench.recognition.types import Chosen, ModelSettings

MANIFEST = "manifest.json"
_PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class Slot:
    """A task whose model can be exchanged.

    ``shipped`` does it by default, empty where nothing does. ``files`` an own model may have, with
    their endings, and ``needed`` those it must.
    """

    shipped: str
    files: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]


SLOTS: Mapping[str, Slot] = MappingProxyType({
    "objects": Slot(
        "ssd-mobilenet-v2-coco-int8",
        {"graph": (".onnx", ".pb"), "text_graph": (".pbtxt",)}, ("graph",),
    ),
    "text reading": Slot("pp-ocrv6-rec-small", {"graph": (".onnx",)}, ("graph",)),
    "faces": Slot(
        "centerface", {"detector": (".onnx",), "encoder": (".onnx",)}, ("detector",)
    ),
    "vehicle likeness": Slot("", {"graph": (".onnx",)}, ("graph",)),
})  # fmt: skip
"""No ending that brings code: a .pth is a pickle, and EasyOCR's networks are programs."""

OTHER_TASKS: Mapping[str, str] = MappingProxyType({"plate lines": "text reading"})
"""Tasks of shipped models that can take another task's slot."""


def slot_of(card: weights.WeightCard) -> str:
    """Return the slot a model can take.

    Raises
    ------
    BadInput
        Where its task has none.
    """
    slot = OTHER_TASKS.get(card.task, card.task)
    if slot not in SLOTS:
        raise BadInput(
            N_("the model for '{task}' cannot be exchanged"),
            N_("exchangeable are: {tasks}"),
            where=card.name,
            task=card.task,
            tasks=", ".join(SLOTS),
        )
    return slot


def own_names(folder: Path) -> list[str]:
    """Return the names of the models in an operator's folder, sorted."""
    return sorted(one.parent.name for one in folder.glob(f"[!.]*/{MANIFEST}"))


def read_own(folder: Path, name: str) -> weights.WeightCard:
    """Return the card of the model ``folder/name``; its files are not opened yet.

    Raises
    ------
    BadInput
        Where there is none, or its manifest is not one of one exchangeable model in this folder.
    """
    place = folder / name
    # one plain part: a path here would be a path anywhere
    if not name or name.startswith(".") or len(Path(name).parts) != 1 or Path(name).name != name:
        raise _not_there(folder, name)
    if not (place / MANIFEST).is_file() or not _inside(place, folder):
        raise _not_there(folder, name)
    where = str(place / MANIFEST)
    try:
        entries = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["weights"]
        (entry,) = entries
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(
            N_("this is no manifest of one model"),
            N_('write it like models/manifest.json, with one entry under "weights"'),
            where=where,
        ) from None
    card = weights.card_of(entry, where, place)
    if card.name != name or card.name in weights.read_manifest() or card.package:
        raise BadInput(
            N_("the model is called '{name}' and lies in the folder '{folder}'"),
            N_("give both the same name, one that no shipped model has, and leave package empty"),
            where=where,
            name=card.name,
            folder=name,
        )
    _check_files(card, where, place)
    return card


def _not_there(folder: Path, name: str) -> BadInput:
    return BadInput(
        N_("there is no model '{name}'"),
        N_("put it into {folder}/NAME with its manifest.json, or see: workbench models list"),
        name=name,
        folder=folder,
    )


def _check_files(card: weights.WeightCard, where: str, place: Path) -> None:
    slot = SLOTS[slot_of(card)]
    allowed = {key: slot.files.get(key, _PICTURES) for key in card.files}
    for key, file in card.files.items():
        if Path(file.path).suffix.lower() not in allowed[key]:
            raise BadInput(
                N_("a model for '{task}' takes no file '{path}'"),
                N_(
                    "it may have: {files}; and pictures for its self-test. If it is switched on, "
                    "go back first: workbench models use ROOT --shipped"
                ),
                where=where,
                task=card.task,
                path=file.path,
                files=", ".join(f"{k} ({', '.join(e)})" for k, e in slot.files.items()),
            )
        if not _inside(place / file.path, place):
            raise BadInput(
                N_("'{path}' is not inside the model's folder"),
                N_("put every file of the model beside its manifest"),
                where=where,
                path=file.path,
            )
    lacking = [key for key in slot.needed if key not in card.files]
    if card.files.keys() & {"graph"} and card.files["graph"].path.lower().endswith(".pb"):
        lacking += [] if "text_graph" in card.files else ["text_graph"]
    if lacking:
        raise BadInput(
            N_("the model lacks {files}"), N_("name it under files"),
            where=where, files=", ".join(lacking),
        )  # fmt: skip
    if card.task == "faces":
        # insightface loads every network of a folder, listed or not
        listed = {(place / file.path).resolve() for file in card.files.values()}
        for extra in sorted(place.glob("*.onnx")):
            if extra.resolve() not in listed:
                raise BadInput(
                    N_("'{path}' is in the folder and not in the manifest"),
                    N_("list it with its SHA-256, or take it away"),
                    where=where,
                    path=extra.name,
                )


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve()) and path.resolve() != folder.resolve()


def card_of_choice(one: Chosen) -> weights.WeightCard:
    """Return the card of a model that was switched on.

    Raises
    ------
    BadInput
        Where it is not there any more.
    Damaged
        Where its manifest names other files than when it was switched on.
    """
    if one.folder:
        card = read_own(Path(one.folder).parent, one.name)
    else:
        shipped = weights.read_manifest()
        if one.name not in shipped:
            raise _not_there(weights.models_folder(), one.name)
        card = shipped[one.name]
    if card.sha256 != one.sha256 or slot_of(card) != one.slot:
        raise Damaged(
            N_("model {name} is not the one that was switched on"),
            N_("compare it and switch it on again, or go back to the shipped models"),
            where=one.folder,
            name=one.name,
        )
    return card


def choice_of(card: weights.WeightCard) -> Chosen:
    """Return what stands for a model in the settings."""
    folder = str(card.folder.absolute()) if card.folder else ""
    return Chosen(slot_of(card), card.name, folder, card.sha256)


def cards_in_use(settings: ModelSettings) -> dict[str, weights.WeightCard]:
    """Return the shipped models by name, and under such a name the one that is in its place.

    A model for a task that no shipped one does stands under its task.
    """
    cards = weights.read_manifest()
    chosen = {one.slot: card_of_choice(one) for one in settings.own}
    for slot, card in chosen.items():
        cards[SLOTS[slot].shipped or slot] = card
    return cards


def pack_in_use(settings: ModelSettings) -> weights.FacePack | None:
    """Return the face pack switched on, or else the one of the settings."""
    for one in settings.own:
        if one.slot == "faces":
            card = card_of_choice(one)
            for key in card.files:
                weights.locate(card, key)
            return weights.FacePack(Path(one.folder), card.licence)
    return weights.face_pack(settings.face_pack)
