"""Load every model a worker needs, once, from intact files."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from workbench.recognition.models import weights
from workbench.recognition.passes.detect import CocoDetector
from workbench.recognition.plates.calibration import table_file
from workbench.recognition.plates.easy_reader import CARD as OUR_LINES
from workbench.recognition.plates.lines import open_text_plate_reader
from workbench.recognition.plates.reader import TextPlateReader
from workbench.recognition.types import Models, ModelSettings

_USED = ("ssd-mobilenet-v2-coco-int8", "centerface", "pp-ocrv6-det-small")
_LINES = {
    "pp-ocr": ("pp-ocrv6-rec-small",),
    "easyocr": (OUR_LINES,),
    "both": (OUR_LINES, "pp-ocrv6-rec-small"),
}
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
    cards = weights.read_manifest()
    ssd = cards["ssd-mobilenet-v2-coco-int8"]
    pack = weights.face_pack(settings.face_pack)
    graph = None if pack else weights.locate(cards["centerface"], "graph")
    return Models(
        detect=CocoDetector(
            weights.locate(ssd, "graph"),
            min_score=settings.detect_min_score,
            max_overlap=settings.detect_max_overlap,
        ),
        read_plates=open_text_plate_reader(cards, settings),
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
    return open_text_plate_reader(weights.read_manifest(), settings or ModelSettings())


def models_ref(
    cards: dict[str, weights.WeightCard],
    settings: ModelSettings,
    pack: weights.FacePack | None = None,
) -> str:
    """Return a short name of weights and settings, equal where and only where results would be.

    Each model reads ``name@first signs of its SHA-256``; at the end are the hashes of the table
    that makes probabilities of plate readings, and of the settings.
    """
    parts = []
    for name in (*_USED, *_LINES[settings.plate_reader]):
        if pack is not None and name == "centerface":
            parts.append(f"{pack.folder.name}@{pack_hash(pack)}")
            continue
        joined = "".join(file.sha256 for file in cards[name].files.values())
        parts.append(f"{name}@{_short(joined)}")
    parts.append(f"plate-table@{_short(table_file().read_text(encoding='utf-8'))}")
    parts.append(f"settings@{_short(repr(sorted(asdict(settings).items())))}")
    return "+".join(parts)


def pack_hash(pack: weights.FacePack) -> str:
    """Return a short name of what a pack's networks are."""
    digest = hashlib.sha256()
    for path in sorted(pack.folder.glob("*.onnx")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:_REF_SIGNS]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_REF_SIGNS]
