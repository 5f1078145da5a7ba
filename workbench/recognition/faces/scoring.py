"""A labelled set of photographs scored pair by pair: numbers come out, no face and no embedding.

For the calibration of an archive's scores. A score says of no pair who its people are: what leaves
is how the scores of one person's pictures lie, and those of different people's.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from workbench.errors import N_, BadInput
from workbench.recognition.evaluate import read_picture
from workbench.recognition.faces.calibration import Pair
from workbench.recognition.faces.encoder import Shot, Template, open_face_encoder
from workbench.recognition.faces.quality import FaceGate, judge_photograph
from workbench.recognition.types import ModelSettings
from workbench.records import FaceAuthority

MOST_PICTURES = 400
PICTURES = (".jpg", ".jpeg", ".png")
COLUMNS = ("one", "one_person", "other", "other_person")


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Photographs with a label of whose each is, and the pairs that are to be scored.

    A label tells people of the set apart and is no name; it is not kept.
    """

    labels: Mapping[Path, str]
    pairs: tuple[tuple[Path, Path], ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a set came to: pairs with scores, why photographs were left out, and the network."""

    pairs: tuple[Pair, ...]
    photographs: int
    left_out: Mapping[str, int]
    destroyed: int
    encoder: str


def read_set(path: Path) -> LabelledSet:
    """Return a set: a folder with a folder a person, or a CSV of pairs beside its photographs.

    A folder gives every pair of its photographs. A CSV has the columns of :data:`COLUMNS`: two
    photographs, by their path from the CSV, and a label for whose each is.

    Raises
    ------
    BadInput
        Where it is none, names a photograph that is not there, or holds too many.
    """
    pairs = tuple(_of_folder(path) if path.is_dir() else _of_table(path))
    labels: dict[Path, str] = {}
    for one, whose in (end for pair in pairs for end in pair):
        if labels.setdefault(one, whose) != whose:
            raise BadInput(
                N_("photograph {name} is said to be of two people"),
                N_("correct the set"),
                where=str(path),
                name=one.name,
            )
    if not pairs or len(labels) > MOST_PICTURES:
        raise BadInput(
            N_("a calibration set holds 2 to {most} photographs; this one holds {count}"),
            N_("give a folder with a folder a person, or a CSV: {columns}"),
            where=str(path),
            most=MOST_PICTURES,
            count=len(labels),
            columns=",".join(COLUMNS),
        )
    return LabelledSet(labels, tuple((one, other) for (one, _), (other, _) in pairs))


def score_set(
    labelled: LabelledSet,
    authority: FaceAuthority,
    *,
    now_ns: int,
    settings: ModelSettings | None = None,
    on_picture: Callable[[int, int], None] = lambda _done, _total: None,
) -> Scored:
    """Score the pairs of a set; photographs that the gate refuses are left out and counted.

    All that was encoded is overwritten before this returns or fails.
    """
    encoder = open_face_encoder(authority, now_ns=now_ns, settings=settings)
    made: dict[Path, Template] = {}
    left_out: Counter[str] = Counter()
    found: list[Pair] = []
    try:
        for number, path in enumerate(labelled.labels):
            on_picture(number, len(labelled.labels))
            picture = read_picture(path)
            face, quality = judge_photograph(picture, encoder.find(picture, None), FaceGate())
            if face is None or quality.verdict == "refused":
                left_out[quality.reasons[0].template] += 1
                continue
            made[path] = encoder.template([Shot(picture, face, 1.0, "")])
        for one, other in labelled.pairs:
            if one in made and other in made:
                whose = labelled.labels[one], labelled.labels[other]
                found.append(Pair(made[one].score(made[other]), *whose))
    finally:
        count, made = len(made), {}
        destroyed = encoder.destroy()
    return Scored(tuple(found), count, dict(left_out), destroyed, encoder.ref)


_End = tuple[Path, str]


def _of_folder(folder: Path) -> Sequence[tuple[_End, _End]]:
    every = [
        (path, path.parent.name)
        for path in sorted(folder.glob("*/*"))
        if path.suffix.lower() in PICTURES
    ]
    # said before pairs are made of them: they would be very many
    return list(combinations(every[: MOST_PICTURES + 1], 2))


def _of_table(path: Path) -> Iterator[tuple[_End, _End]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = list(csv.DictReader(text))
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput(
            N_("this is no calibration set: {why}"),
            N_("give a folder with a folder a person, or a CSV of pairs"),
            where=str(path),
            why=getattr(error, "strerror", None) or "no table",
        ) from error
    for number, row in enumerate(rows, 2):
        one, whose, other, of_other = (str(row.get(name) or "").strip() for name in COLUMNS)
        ends = path.parent / one, path.parent / other
        if not (whose and of_other and one != other and all(end.is_file() for end in ends)):
            raise BadInput(
                N_("line {line} names no two photographs that are there, with a label each"),
                N_("give the columns {columns}, paths as seen from the table"),
                where=str(path),
                line=number,
                columns=",".join(COLUMNS),
            )
        yield (ends[0], whose), (ends[1], of_other)
