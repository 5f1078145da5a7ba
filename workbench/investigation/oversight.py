"""The log for those who watch over its use: figures on a page and as PDF, no face, no plate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from workbench import cases
from workbench.cases.oversight import SORTS, Count, Oversight, oversee
from workbench.errors import N_, BadInput
from workbench.investigation.public_notices import LACKS, notices_of
from workbench.paper import pdf_of
from workbench.records import AuditEntry
from workbench.store import files
from workbench.timeline import Span, local_text

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

LISTED = 200
"""Refusals and exports that are listed; the count of all is said."""
_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True, slots=True)
class Inspected:
    """What an auditor is shown: how the house was used, whether the log is whole, and its head."""

    use: Oversight
    faults: tuple[str, ...]
    head_seq: int
    head_sha256: str


def inspect(house: Workbench, period: Span | None = None) -> Inspected:
    """Return how the house was used, and whether its log is whole; kept in the log itself.

    Raises
    ------
    Refused
        To somebody who has signed in and is no auditor.
    """
    house.allow("audit")
    entries, heads = house._store.audit_with_head()
    last = entries[-1].at_ns + 1 if entries else house.now()
    span = period or Span(entries[0].at_ns if entries else 0, last)
    found = oversee(entries, span)
    faults = tuple(cases.check_chain(entries, heads))
    house._log("audit", "log", details={"entries": found.entries, "faults": len(faults)})
    head = entries[-1] if entries else None
    return Inspected(found, faults, head.seq if head else 0, head.sha256 if head else "")


def write_inspected(
    house: Workbench, found: Inspected, out: Path, translate: Callable[[str], str]
) -> None:
    """Write it as a page: ``.html`` or ``.pdf`` by the path's name."""
    if out.suffix.lower() not in (".html", ".pdf") or not out.absolute().parent.is_dir():
        raise BadInput(
            N_("the report needs a file in a folder that is there, .html or .pdf"),
            N_("give another path"),
            where=str(out),
        )
    html = page_of(house, found, translate)
    data = pdf_of(html) if out.suffix.lower() == ".pdf" else html.encode()
    files.write_bytes(out, data)


def page_of(
    house: Workbench, found: Inspected, translate: Callable[[str], str], *, alone: bool = True
) -> str:
    """Return it as HTML in the reader's language: a page that stands `alone`, or its inside."""
    tr, use = translate, found.use
    sorts = [sort for sort in SORTS if sort in use.by_sort]

    def rows(counts: tuple[Count, ...], nobody: str) -> list[list[object]]:
        return [
            [
                one.name or nobody, one.acts, *(one.by_sort.get(sort, 0) for sort in sorts),
                one.refused,
                local_text(one.first_ns), local_text(one.last_ns),
            ]
            for one in counts
        ]  # fmt: skip

    page = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(_ASSETS))
    return page.get_template("oversight.html" if alone else "use.html").render(
        title=tr(N_("Use of the workbench")),
        period=f"{local_text(use.period.start_ns)} – {local_text(use.period.stop_ns)}",
        made=local_text(house.now()),
        facts=[
            (use.entries, tr(N_("acts in the log"))),
            (use.by_sort.get("search", 0), tr(N_("searches"))),
            (use.without_answer, tr(N_("of them without an answer"))),
            (use.by_sort.get("view", 0), tr(N_("views"))),
            (use.by_sort.get("export", 0), tr(N_("exports"))),
            (len(use.refused), tr(N_("refused"))),
            (use.at_night, tr(N_("between midnight and five"))),
        ],
        whole=not found.faults,
        chain=tr(N_("The log is whole up to entry {seq}")).format(seq=found.head_seq)
        if not found.faults
        else tr(N_("The log is not whole: {count} faults")).format(count=len(found.faults)),
        faults=found.faults[:LISTED],
        head=found.head_sha256,
        columns=[
            tr(N_("acts")), *(tr(SORTS[sort]) for sort in sorts), tr(N_("refused")),
            tr(N_("first")), tr(N_("last")),
        ],
        people=(tr(N_("Person")), rows(use.by_actor, "?")),
        in_cases=(tr(N_("Case")), rows(use.by_case, tr(N_("no case")))),
        listed=[
            (tr(N_("Refused")), [_told(one) for one in use.refused[-LISTED:]], len(use.refused)),
            (tr(N_("Exports")), [_told(one) for one in use.exports[-LISTED:]], len(use.exports)),
        ],
        lacking=[
            [one.site_id, one.name, tr(LACKS[one.lack]), one.last.seen_on if one.last else ""]
            for one in notices_of(house) if one.lack
        ],
        lacking_head=tr(N_("Sites without a notice to the public that is known to stand")),
        lacking_words=[tr(N_("Site")), "", tr(N_("State")), tr(N_("last seen"))],
        words=[tr(N_("Time")), tr(N_("Person")), tr(N_("Act")), tr(N_("Case")), tr(N_("Reason"))],
        nothing=tr(N_("none")),
        lead=tr(N_("Figures of use alone: no picture, no plate, no face.")),
    )  # fmt: skip


def _told(one: AuditEntry) -> list[str]:
    return [local_text(one.at_ns), one.actor, one.action, one.case_id, one.reason]
