"""Order passes by what their vehicles look like: a hint for whom to look at first, never a proof.

Nothing is stored: each best frame is shown to the question inside the case, as if a person opened
it, and each such view is in the log. Nothing is left out of the answer, only moved down.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench import recognition
from workbench.errors import N_, BadInput
from workbench.investigation.facade import Workbench
from workbench.investigation.models import likeness_in_use
from workbench.records import Box, Purpose
from workbench.store import is_imported

MOST = 200
"""Passes looked at unless told otherwise: each costs the decoding of part of a GOP."""


def by_colour(
    bench: Workbench, sightings: pd.DataFrame, colour: str, purpose: Purpose, *, most: int = MOST
) -> pd.DataFrame:
    """Return passes with those of a colour first, then those of unknown colour, then the others.

    Two columns are added: ``colour``, missing where kind, size or light do not allow one, and
    ``colour_confidence``. Motorcycles have none: most of what is seen of them is a person.

    Parameters
    ----------
    sightings
        As :meth:`~workbench.investigation.Workbench.sightings` returns them.
    most
        Passes looked at, the first ones; narrow the search where there are more.

    Raises
    ------
    BadInput
        For a colour that is never named.
    """
    if colour not in recognition.COLOURS:
        raise BadInput(
            N_("no vehicle is ever called {colour}"),
            N_("use one of {colours}"),
            colour=colour,
            colours=", ".join(recognition.COLOURS),
        )
    ranked = sightings.head(most).copy()
    here = [not is_imported(str(ref)) for ref in ranked["model_ref"]]
    pictures = _best_frames(bench, ranked[here], purpose)
    named = (recognition.colour_of(picture, box, kind) for picture, box, kind in pictures)
    # of what another system saw there is no picture: its colour is unknown
    seen = [next(named) if ours else None for ours in here]
    ranked["colour"] = [one.name if one else None for one in seen]
    ranked["colour_confidence"] = [one.confidence if one else 0.0 for one in seen]
    sure = [
        0.0 if one is None else one.confidence if one.name == colour else -one.confidence
        for one in seen
    ]
    return _ordered(ranked, np.array(sure))


def by_likeness(
    bench: Workbench, sightings: pd.DataFrame, example: pd.Series, network: Path | None,
    purpose: Purpose, *, most: int = MOST,
) -> pd.DataFrame:  # fmt: skip
    """Return vehicles by how much they look like that of one pass, to a network of the operator's.

    Two columns are added: ``likeness`` (a cosine, comparable within one answer only) and
    ``likeness_ref``, which names the network by its SHA-256. People are left out, and what was
    imported: there is no picture of it.

    Parameters
    ----------
    example
        A row of sightings, for example from ``Workbench.sighting``.
    network
        See :func:`workbench.recognition.open_likeness`; None: the one that is switched on.

    Raises
    ------
    BadInput
        Where none is given and none is switched on.
    """
    like = recognition.open_likeness(network or likeness_in_use(bench))
    ranked = sightings[sightings["kind"] != "person"]
    ranked = ranked[[not is_imported(str(ref)) for ref in ranked["model_ref"]]].head(most).copy()
    ((picture, box, kind),) = _best_frames(bench, pd.DataFrame([example]), purpose)
    wanted = like(picture, box, kind)
    values: list[float] = [
        float(like(picture, box, kind) @ wanted)
        for picture, box, kind in _best_frames(bench, ranked, purpose)
    ]
    ranked["likeness"] = values
    ranked["likeness_ref"] = like.ref
    return _ordered(ranked, np.array(values))


def _best_frames(
    bench: Workbench, sightings: pd.DataFrame, purpose: Purpose
) -> Iterator[tuple[NDArray[np.uint8], Box, str]]:
    for row in sightings.to_dict("records"):
        box = Box(row["box_x"], row["box_y"], row["box_w"], row["box_h"])
        yield bench.still(row["segment_sha256"], int(row["pts"]), purpose), box, row["kind"]


def _ordered(sightings: pd.DataFrame, worth: NDArray[np.float64]) -> pd.DataFrame:
    order = np.argsort(-worth, kind="stable")
    return sightings.iloc[order].reset_index(drop=True)
