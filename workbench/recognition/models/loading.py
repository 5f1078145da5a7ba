"""Load every model a worker needs, once, from intact files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from workbench.recognition.models import own, weights
from workbench.recognition.passes.detect import CocoDetector, FrozenDetector
from workbench.recognition.plates.calibration import table_file
from workbench.recognition.plates.easy_reader import CARD as OUR_LINES
from workbench.recognition.plates.lines import open_text_plate_reader
from workbench.recognition.plates.reader import TextPlateReader
from workbench.recognition.types import Detector, LineReaderName, Models, ModelSettings

_DETECTOR, GENERAL_LINES = own.SLOTS["objects"].shipped, own.SLOTS["text reading"].shipped
_USED = (_DETECTOR, "centerface", "pp-ocrv6-det-small-int8")
LINES = {
    "pp-ocr": (GENERAL_LINES,),
    "easyocr": (OUR_LINES,),
    "both": (OUR_LINES, GENERAL_LINES),
}
"""Models that each of :data:`~workbench.recognition.types.LINE_READERS` takes."""
_REF_SIGNS = 8


def load_models(settings: ModelSettings | None = None) -> Models:
    """Return the models, their files checked against the manifest.

    Costs about a second and 400 MB; call it once a process. The models hold network buffers, so
    one set must not be used from two threads at a time.

    Raises
    ------
    Unavailable
        When a package or a file is not there; the sentence says how to put it there.
    Damaged
        When a file is not the one the manifest names.
    """
    # insightface costs more than a second to import; programs that only search need none of it.
    from workbench.recognition.faces.finding import open_face_finder

    settings = settings or ModelSettings()
    cards = own.cards_in_use(settings)
    pack = own.pack_in_use(settings)
    graph = None if pack else weights.locate(cards["centerface"], "graph")
    return Models(
        detect=open_detector(cards[_DETECTOR], settings),
        read_plates=plate_reader(cards, settings),
        find_faces=open_face_finder(
            graph,
            pack=pack.folder if pack else None,
            min_score=settings.face_min_score,
            max_side_px=settings.face_max_side_px,
        ),
        ref=models_ref(cards, settings, pack),
    )


def open_plate_reader(settings: ModelSettings | None = None) -> TextPlateReader:
    """Return the plate reader alone, its files checked, for stills and crops.

    Raises
    ------
    Unavailable, Damaged
        As for :func:`load_models`.
    """
    settings = settings or ModelSettings()
    return plate_reader(own.cards_in_use(settings), settings)


def check_line_reader(name: LineReaderName) -> None:
    """See that the files of a reader of lines are there and intact, without loading it.

    Raises
    ------
    Unavailable, Damaged
        As for :func:`load_models`.
    """
    cards = own.cards_in_use(ModelSettings(plate_reader=name))
    for card in (cards[line] for line in LINES[name]):
        for key in card.files:
            weights.locate(card, key)


def open_detector(card: weights.WeightCard, settings: ModelSettings) -> Detector:
    """Return the detector of a card, its files checked: ONNX, or a frozen graph."""
    paths = {key: weights.locate(card, key) for key in card.files}
    scores = {"min_score": settings.detect_min_score, "max_overlap": settings.detect_max_overlap}
    if "text_graph" in paths:
        return FrozenDetector(paths["graph"], paths["text_graph"], **scores)
    return CocoDetector(paths["graph"], **scores)


def plate_reader(
    cards: Mapping[str, weights.WeightCard], settings: ModelSettings
) -> TextPlateReader:
    """Return the plate reader on the networks in use.

    Where our own reader of lines has taken the place of the general one, it reads alone.
    """
    if cards[GENERAL_LINES].task == "plate lines":
        settings = replace(settings, plate_reader="easyocr")
    return open_text_plate_reader(cards, settings)


def models_ref(
    cards: Mapping[str, weights.WeightCard],
    settings: ModelSettings,
    pack: weights.FacePack | None = None,
) -> str:
    """Return a short name of weights and settings, equal where and only where results would be.

    Each model reads ``name@first signs of its SHA-256``; at the end are the hashes of the table
    that makes probabilities of plate readings, and of the settings.
    """
    parts = []
    for name in (*_USED, *LINES[settings.plate_reader]):
        if pack is not None and name == "centerface":
            parts.append(f"{pack.folder.name}@{pack_hash(pack)}")
            continue
        joined = "".join(file.sha256 for file in cards[name].files.values())
        parts.append(f"{cards[name].name}@{_short(joined)}")
    parts.append(f"plate-table@{_short(table_file().read_text(encoding='utf-8'))}")
    parts.append(f"settings@{_short(repr(sorted(settings.values().items())))}")
    return "+".join(parts)


def pack_hash(pack: weights.FacePack) -> str:
    """Return a short name of what a pack's networks are."""
    digest = hashlib.sha256()
    for path in sorted(pack.folder.glob("*.onnx")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:_REF_SIGNS]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_REF_SIGNS]
