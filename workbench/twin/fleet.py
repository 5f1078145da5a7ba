"""The vehicles of the demonstration: kinds, looks and unique Vietnamese plates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

LETTERS = "ABCDEFGHKLMNPSTUVXYZ"
Ground = Literal["white", "yellow", "blue"]

_CODES = (
    ("99", 58),
    ("98", 14),
    ("29", 5),
    ("30", 7),
    ("31", 2),
    ("33", 2),
    ("15", 5),
    ("14", 4),
    ("34", 3),
)
_CONFUSED = {
    "8": "3",
    "3": "8",
    "5": "6",
    "6": "5",
    "1": "7",
    "7": "1",
    "0": "8",
    "9": "8",
    "2": "7",
    "4": "1",
}
_MODELS = (
    # kind, model, share of 1000
    ("motorcycle", "scooter", 380),
    ("motorcycle", "underbone", 330),
    ("car", "sedan", 80),
    ("car", "hatchback", 55),
    ("car", "suv", 45),
    ("car", "van", 25),
    ("bus", "bus", 15),
    ("truck", "box truck", 40),
    ("bicycle", "bicycle", 30),
)
_PAINTS = {
    "motorcycle": (
        (28, 28, 32),
        (150, 16, 22),
        (235, 235, 232),
        (24, 52, 120),
        (95, 98, 104),
        (60, 20, 24),
        (16, 84, 96),
    ),
    "car": (
        (236, 236, 236),
        (24, 24, 27),
        (150, 153, 158),
        (120, 16, 20),
        (44, 58, 92),
        (92, 84, 74),
        (200, 200, 204),
    ),
    "bus": ((214, 184, 40), (228, 228, 226), (40, 110, 84)),
    "truck": ((226, 228, 230), (40, 84, 150), (196, 170, 52), (60, 110, 70)),
    "bicycle": ((40, 70, 120), (130, 30, 34), (48, 96, 70)),
}


PAINTS_BY_NAME = {
    "white": (232, 232, 230), "silver": (186, 189, 193), "grey": (112, 115, 120),
    "black": (28, 28, 32), "red": (150, 18, 24), "orange": (206, 98, 30),
    "yellow": (214, 178, 44), "green": (40, 104, 70), "blue": (34, 64, 132),
    "brown": (94, 64, 44),
}  # fmt: skip
"""RGB of the colours that the simulation names."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle: ``plate`` as PLATES are written (``99B1-123.45``), empty where it has none."""

    vehicle_id: str
    kind: str
    model: str
    plate: str
    ground: Ground
    paint: tuple[int, int, int]
    looks: int

    @property
    def plated_ends(self) -> tuple[str, ...]:
        """The ends that carry the plate: a motorcycle has none at its front."""
        if not self.plate:
            return ()
        return ("rear",) if self.kind == "motorcycle" else ("front", "rear")


def make_fleet(count: int, rng: np.random.Generator) -> list[Vehicle]:
    """Return `count` vehicles with unique plates, about one in twelve a near-twin of another."""
    weights = np.array([m[2] for m in _MODELS], dtype=float)
    # Fixed shares with a shuffled order: a small fleet, too, has its cars and lorries.
    order = np.floor(
        np.linspace(0, weights.sum() - 1e-6, count + 1)[:-1] + weights.sum() / count / 2
    )
    kinds = [int(np.searchsorted(weights.cumsum(), at, side="right")) for at in order]
    fleet: list[Vehicle] = []
    taken: set[str] = set()
    for number, which in enumerate(rng.permutation(kinds), start=1):
        kind, model, _ = _MODELS[int(which)]
        plate = ""
        if kind != "bicycle":
            alike = [v.plate for v in fleet if v.kind == kind]
            plate = _unique_plate(kind, rng, taken, alike)
        paints = _PAINTS[kind]
        fleet.append(
            Vehicle(
                f"V{number:03d}",
                kind,
                model,
                plate,
                plate_ground(kind, rng),
                paints[int(rng.integers(len(paints)))],
                int(rng.integers(1 << 30)),
            )
        )
    return fleet


def plate_ground(kind: str, rng: np.random.Generator) -> Ground:
    """Return the colour of a plate's ground: yellow is hired, blue the state's."""
    draw = rng.random()
    if kind in ("bus", "truck"):
        return "yellow" if draw < 0.6 else "white"
    if kind == "car":
        return "blue" if draw < 0.05 else "yellow" if draw < 0.15 else "white"
    return "white"


def _unique_plate(kind: str, rng: np.random.Generator, taken: set[str], alike: list[str]) -> str:
    while True:
        if alike and rng.random() < 0.08:
            plate = _near_twin(alike[int(rng.integers(len(alike)))], rng)
        else:
            plate = new_plate(kind, rng)
        if plate not in taken:
            taken.add(plate)
            return plate


def new_plate(kind: str, rng: np.random.Generator) -> str:
    """Return a plate of a kind of vehicle, as PLATES are written; not unique."""
    shares = np.array([share for _, share in _CODES], dtype=float)
    code = _CODES[int(rng.choice(len(_CODES), p=shares / shares.sum()))][0]
    letter = LETTERS[int(rng.integers(len(LETTERS)))]
    if kind == "motorcycle":
        if rng.random() < 0.15:
            series = letter + LETTERS[int(rng.integers(len(LETTERS)))]
        else:
            series = letter + str(rng.integers(1, 10))
    else:
        series = {"truck": "C", "bus": "B"}.get(kind, "AFGHKL"[int(rng.integers(6))])
    digits = "".join(str(d) for d in rng.integers(0, 10, 5))
    if rng.random() < 0.07:
        return f"{code}{series}-{digits[:4]}"
    return f"{code}{series}-{digits[:3]}.{digits[3:]}"


def _near_twin(plate: str, rng: np.random.Generator) -> str:
    """Return a plate that differs in one often-confused digit after the dash."""
    dash = plate.index("-")
    places = [k for k in range(dash + 1, len(plate)) if plate[k].isdigit()]
    k = places[int(rng.integers(len(places)))]
    return plate[:k] + _CONFUSED[plate[k]] + plate[k + 1 :]
