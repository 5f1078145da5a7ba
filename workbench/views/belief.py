"""How sure a leg is, on the trace page: computed beside the page, told with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from html import escape
from typing import Any

import pandas as pd

from workbench.errors import N_
from workbench.investigation import Belief, Linked, Passed, Workbench, believe
from workbench.records import Purpose
from workbench.trajectories import evidence, explain
from workbench.views.text import Translate, clock

SURE_MOST, SURE_LEAST = 0.99, 0.01
"""What is claimed is never shown as certain, either way."""
AT_ONCE_S = 0.3
"""A page waits so long for links: few reads need no second drawing."""
ON_WAY = {
    "not recorded": N_("no recording {gaps}: that it was not seen there says nothing"),
    "partly recorded": N_("no recording {gaps}: that it was not seen there says little"),
    "not searched": N_("recorded, and never searched: that it was not seen there says nothing"),
    "not seen": N_("recorded and searched, without such a read"),
}
_pool = ThreadPoolExecutor(1, thread_name_prefix="links")


class Linking:
    """Asks for the links of a case beside the page, and hands them over when they are there."""

    def __init__(self, wb: Workbench, purpose: Purpose) -> None:
        self._wb, self._purpose = wb, purpose
        self._asked: Future[Belief] | None = None

    @property
    def goes_on(self) -> bool:
        """Whether an answer is still to come."""
        return self._asked is not None

    def ask(self) -> Belief | None:
        """Begin; return the links where they are there at once."""
        self._asked = _pool.submit(believe, self._wb, self._purpose)
        return self.answer(AT_ONCE_S)

    def answer(self, wait_s: float = 0.0) -> Belief | None:
        """Return the links once they are there; None before, and after they were handed over.

        Raises
        ------
        WorkbenchError
            When they cannot be had.
        """
        if self._asked is None:
            return None
        try:
            found = self._asked.result(wait_s)
        except TimeoutError:
            return None
        except BaseException:
            self._asked = None
            raise
        self._asked = None
        return found


def share(probability: float | None) -> str:
    """Return a probability for people, two digits, never certain; empty where there is none.

    >>> share(0.9999), share(0.5), share(0.0), share(None)
    ('> 0.99', '0.50', '< 0.01', '')
    """
    if probability is None or pd.isna(probability):
        return ""
    if probability > SURE_MOST:
        return f"> {SURE_MOST}"
    return f"< {SURE_LEAST}" if probability < SURE_LEAST else f"{probability:.2f}"


def how_sure(linked: Linked | None, probability: float | None, tr: Translate) -> str:
    """Return what stands beside a leg: its probability, or why there is none."""
    if linked is None:
        return ""
    if not linked.calibrated:
        return tr("not calibrated: too little traffic")
    said = share(probability)
    return tr("probability {share}").format(share=said) if said else tr("not linked")


def summary(linked: Linked | None, waits: bool, tr: Translate) -> str:
    """Return a line on the links of the whole case, as HTML; empty where none were asked for."""
    if waits:
        text = tr("Linking every read of the case to say how sure each leg is…")
    elif linked is None:
        return ""
    elif linked.calibrated:
        text = tr("Probabilities from {links} links of {reads} reads in this case").format(
            links=linked.links, reads=linked.reads
        )
    else:
        text = tr(
            "Not calibrated: {links} links of {reads} reads are too few to learn from; "
            "the evidence stands without a probability"
        ).format(links=linked.links, reads=linked.reads)
    return f'<p class="note linked" role="status">{escape(text)}</p>'


def leg_html(
    leg: Mapping[str, Any], linked: Linked, passed: Mapping[str, Passed], tr: Translate
) -> str:
    """Return what speaks for a leg and against it, its rivals, and the cameras it went past."""
    found = evidence(leg)
    parts = [
        f"<h3>{escape(leg['from_camera'])} → {escape(leg['to_camera'])}</h3>",
        f"<p>{escape(explain(leg, tr))}</p>",
        f'<p class="sure"><b>{escape(how_sure(linked, leg.get("probability"), tr))}</b></p>',
        _list(tr("Speaks for it"), [one.sentence(tr) for one in found.speaks_for]),
        _list(tr("Speaks against it"), [one.sentence(tr) for one in found.speaks_against]),
        _list(tr("Read between the two, as another plate"), _via(leg, linked, tr)),
        _list(
            tr("Other sightings that may be next"),
            [_line(row, p, tr) for row, p in rivals(leg, linked)],
        ),
        _list(tr("Sightings without a plate, possibly on this leg"), _possible(leg, linked, tr)),
        _list(tr("Cameras between"), [silence(name, one, tr) for name, one in passed.items()]),
    ]
    lead = tr("A lead for a person to check, no finding.")
    return f'<div class="leg-reasons">{"".join(parts)}<p class="muted">{escape(lead)}</p></div>'


def _list(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h4>{escape(title)}</h4><ul>{items}</ul>"


def _line(row: Mapping[str, Any], probability: float | None, tr: Translate) -> str:
    at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
    read = row["plate"] if isinstance(row["plate"], str) else tr(row["kind"])
    said = share(probability)
    return " · ".join(filter(None, [clock(at_ns), row["camera_id"], read, said]))


def rivals(leg: Mapping[str, Any], linked: Linked) -> list[tuple[Mapping[str, Any], float | None]]:
    """Return the sightings that may be the next one instead, with their probabilities if any."""
    rows = {row["sighting_id"]: row for row in linked.rivals.to_dict("records")}
    names = [] if leg.get("others") is None else list(leg["others"])
    shares = [] if leg.get("others_p") is None else list(leg["others_p"])
    shares += [None] * (len(names) - len(shares))
    known = [(name, p) for name, p in zip(names, shares, strict=True) if name in rows]
    return [({str(k): v for k, v in rows[name].items()}, p) for name, p in known]


def _via(leg: Mapping[str, Any], linked: Linked, tr: Translate) -> list[str]:
    rows = linked.via
    mine = rows[(rows["from_id"] == leg["from_id"]) & (rows["to_id"] == leg["to_id"])]
    return [_line(row, None, tr) for row in mine.to_dict("records")]


def _possible(leg: Mapping[str, Any], linked: Linked, tr: Translate) -> list[str]:
    rows = linked.possible
    mine = rows[(rows["from_id"] == leg["from_id"]) & (rows["to_id"] == leg["to_id"])]
    return [_line(row, row["probability"], tr) for row in mine.to_dict("records")]


def silence(camera_id: str, passed: Passed, tr: Translate) -> str:
    """Return what it is worth that a camera on the way has no such read, in words."""
    spans = ", ".join(f"{clock(one.start_ns)} – {clock(one.stop_ns)}" for one in passed.gaps)
    return f"{camera_id}: {tr(ON_WAY[passed.state]).format(gaps=spans)}"


def leg_of(legs: pd.DataFrame, key: str) -> dict[str, Any] | None:
    """Return the row of the leg that a key of :func:`key_of` names; None where it names none."""
    for leg in legs.to_dict("records"):
        if key_of(leg["from_id"], leg["to_id"]) == key:
            return {str(name): value for name, value in leg.items()}
    return None


def key_of(from_id: str, to_id: str) -> str:
    """Return what names a leg among rows."""
    return f"{from_id} {to_id}"
