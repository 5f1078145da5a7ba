"""What a score of a face search is worth here: a labelled set in, likelihood ratios out.

The set is the operator's and stays outside; of it only scores are kept, with what was fitted to
them and the network they were made with. With another network nothing is calibrated any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import N_, BadInput, Damaged
from workbench.investigation.face_requests import must_be_on
from workbench.investigation.models import face_models
from workbench.recognition.faces.calibration import (
    LEAST_DIFFERENT,
    LEAST_PEOPLE,
    Calibration,
    calibrate,
)
from workbench.recognition.faces.encoder import encoder_ref
from workbench.recognition.faces.scoring import Scored, read_set, score_set
from workbench.recognition.models import own
from workbench.records import FaceAuthority
from workbench.store import files
from workbench.store.face_scores import FaceScoreBook, FaceScores
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

ACT = "faces.calibrate"
_HOLDS_NS = 24 * 3600 * SECOND_NS


@dataclass(frozen=True, slots=True)
class FaceStrength:
    """A likelihood ratio as its decimal logarithm, with its interval of 95 % over people."""

    log10_lr: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class FaceCalibration:
    """A calibration of a root, and what is kept of it."""

    kept: FaceScores
    fit: Calibration

    def strength(self, score: float) -> FaceStrength:
        """Return what a score of this network is worth."""
        return FaceStrength(self.fit.log10_lr(score), *self.fit.interval(score))

    def false_candidates(self, others: int) -> tuple[float, float]:
        """Return how many of so many other people have a ratio over 1: expected, and at most."""
        return self.fit.false_positives(self.fit.even_score, others)

    @property
    def facts(self) -> dict[str, Any]:
        """What a bundle and a notebook say of it; no score."""
        return {
            "made_at_ns": self.kept.made_at_ns, "made_by": self.kept.made_by,
            "basis": self.kept.basis, "encoder": self.kept.encoder,
            "set_sha256": self.kept.set_sha256, "sha256": self.kept.sha256,
            "people": self.fit.people, "photographs": self.kept.photographs,
            "same_pairs": self.fit.same_pairs, "different_pairs": len(self.fit.different),
            "bounds_log10": list(self.fit.bounds), "cllr": self.fit.cllr,
            "cllr_interval": list(self.fit.cllr_interval),
        }  # fmt: skip


def calibrate_faces(
    house: Workbench,
    labelled: Path,
    *,
    basis: str,
    on_picture: Callable[[int, int], None] = lambda _done, _total: None,
) -> FaceCalibration:
    """Calibrate the scores of face search on a labelled set; only scores are kept of it.

    Parameters
    ----------
    labelled
        A folder with a folder a person, or a CSV of pairs: see `recognition.faces.scoring`. Its
        pictures should be as those that searches compare: faces from the cameras among them.
    basis
        By what right these photographs are compared, in words; kept and logged.

    Raises
    ------
    Refused
        For somebody on the list of people who is no operator, and while face search is off.
    BadInput
        Where it is no set, or too small to say anything: nothing is kept then.
    """
    house.allow("upkeep")
    must_be_on(house)
    if not any(sign.isalnum() for sign in basis) or len(basis) > 500:
        raise BadInput(
            N_("nothing says by what right these photographs are compared"),
            N_("say it with --basis, in 500 signs"),
            where="--basis",
        )
    given = read_set(labelled)
    known = hashlib.sha256("".join(sorted(map(files.sha256_of, given.labels))).encode())
    told: dict[str, Any] = {
        "set_sha256": known.hexdigest(), "photographs": len(given.labels), "basis": basis,
    }  # fmt: skip
    house._log(f"{ACT}.start", labelled.name[:120], details=told)
    scored = score_set(
        given, _leave(house, basis), now_ns=house.now(), settings=face_models(house),
        on_picture=on_picture,
    )  # fmt: skip
    told |= {"encoder": scored.encoder, "destroyed": scored.destroyed}
    made = _fitted(house, scored, labelled.name[:120], told)
    kept = FaceScores(
        house.now(), house.actor, basis, scored.encoder, known.hexdigest(), scored.photographs,
        made.people, scored.left_out,
        tuple(sorted(round(pair.score, 4) for pair in scored.pairs if pair.same)),
        tuple(round(score, 4) for score in made.different),
        _fit_of(made),
    )  # fmt: skip
    book = FaceScoreBook(house.root)
    with book.changing():
        book.all()  # nothing is added to what is damaged
        details = {**told, "people": made.people, "cllr": made.cllr, "calibration": kept.sha256}
        house._log(ACT, labelled.name[:120], details=details)
        book.add(kept)
    return FaceCalibration(kept, _fit(kept))


def face_calibration(house: Workbench, encoder: str = "") -> FaceCalibration | None:
    """Return the newest calibration of a network's scores, of the one in use unless named.

    None where there is none: with another network, scores are not calibrated.
    """
    wanted = encoder or encoder_in_use(house)
    found = [one for one in FaceScoreBook(house.root).all() if one.encoder == wanted]
    return FaceCalibration(found[-1], _fit(found[-1])) if found else None


def encoder_in_use(house: Workbench) -> str:
    """Return the short name of the network that a face search would use now: file and hash."""
    return encoder_ref(own.pack_in_use(face_models(house)))


def check_face_scores(house: Workbench) -> list[str]:
    """Return one sentence where the calibrations are not those of the log."""
    book = FaceScoreBook(house.root)
    logged = [
        json.loads(entry.details)["calibration"]
        for entry in house._store.audit()
        if entry.action == ACT
    ]
    try:
        kept = [one.sha256 for one in book.all()]
    except Damaged as damage:
        return [damage.sentence()]
    if kept == logged:
        return []
    return [
        Damaged(
            N_("the calibrations of face scores are not those of the log"),
            N_("bring them back from a backup, or calibrate anew"),
            where=str(book.folder),
        ).sentence()
    ]


def _fitted(house: Workbench, scored: Scored, name: str, told: dict[str, Any]) -> Calibration:
    """Return what the scores come to; BadInput, logged, where they are too few to say anything."""
    pictures: dict[str, int] = {}
    for pair in scored.pairs:
        if pair.same:
            pictures[pair.one] = pictures.get(pair.one, 0) + 1
    people, different = len(pictures), sum(not pair.same for pair in scored.pairs)
    if people >= LEAST_PEOPLE and different >= LEAST_DIFFERENT:
        return calibrate(scored.pairs)
    house._log(f"{ACT}.few", name, details={**told, "people": people, "different": different})
    raise BadInput(
        N_(
            "{people} people seen twice and {different} pairs of different people, of {used} of "
            "{given} photographs, are too few to say anything"
        ),
        N_("give at least {least} people, with two usable photographs each, and {pairs} pairs"),
        people=people,
        different=different,
        used=scored.photographs,
        given=told["photographs"],
        least=LEAST_PEOPLE,
        pairs=LEAST_DIFFERENT,
    )


def _leave(house: Workbench, basis: str) -> FaceAuthority:
    # the encoder has one door; what is compared is the set's own pictures, never footage, and no
    # score of a pair is shown to anybody: the right to the set stands where an approver does
    now_ns = house.now()
    return FaceAuthority(
        "calibration", house.actor, f"basis: {basis}", "calibrate scores on a labelled set",
        ("labelled set",), Span(0, 1), now_ns, now_ns + _HOLDS_NS,
    )  # fmt: skip


def _fit_of(made: Calibration) -> dict[str, Any]:
    facts = asdict(made)
    del facts["different"]
    return json.loads(json.dumps(facts))  # type: ignore[no-any-return]  # as it is read again


def _fit(kept: FaceScores) -> Calibration:
    facts: dict[str, Any] = dict(kept.fit)
    for name in ("bounds", "cllr_interval"):
        facts[name] = tuple(facts[name])
    facts["drawn"] = tuple(tuple(one) for one in facts["drawn"])
    return Calibration(**facts, different=kept.different)
