"""The shell around every page: case and reason, language, progress, and what a refusal looks like.

A page is a function from a :class:`Visit` to a :class:`Body`. Case, reason and language travel in
the address, so that a page can be reloaded or linked within the house and every view names its
case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import panel as pn

from workbench.errors import N_, Refused, WorkbenchError
from workbench.investigation import Workbench, cases_of, could
from workbench.records import Case, Progress
from workbench.timeline import SECOND_NS
from workbench.views.cancelling import CancelOwn
from workbench.views.selection import Selection
from workbench.views.text import LANGUAGES, Translate, clock, local, translator

ASSETS = Path(__file__).parent / "assets"
COMPONENTS_CSS = (ASSETS / "components.css").read_text(encoding="utf-8")

PAGES: Mapping[str, str] = {
    "truc-tiep": N_("Live"),
    "ho-so": N_("Case file"),
    "truy-vet": N_("Trace"),
    "canh-bien-so": N_("Lookouts"),
    "khuon-mat": N_("Faces"),
    "xem-lai": N_("Review"),
    "tai-nan": N_("Accident"),
    "hieu-chuan": N_("Calibration"),
    "giam-sat": N_("Oversight"),
}
_ACTS = {"ho-so": "case.file", "khuon-mat": "faces.list"}
"""Pages that stand in the menu of those alone whose roles could do this."""
_HOUSE = ":host *:not(.mono) { font-family: var(--font); }"
PROGRESS_MS = 2_000
FRESH_S = 30.0
"""Finished work leaves the progress strip after this many seconds; unfinished work stays."""


@dataclass(frozen=True)
class Visit:
    """One person on one page: what it may use and where its pictures come from.

    ``media_url`` is the origin of the media process, e.g. ``http://127.0.0.1:5007``.
    """

    wb: Workbench
    selection: Selection
    lang: str
    tr: Translate
    media_url: str
    asked: Mapping[str, str]
    signed_in: bool = False

    def link(self, page: str, **more: str | int) -> str:
        """Return the address of a page for the same case, reason and language."""
        chosen = {"case": self.selection.case_id, "reason": self.selection.reason}
        query = {"lang": self.lang, **chosen, **{key: str(value) for key, value in more.items()}}
        return f"/{page}?{urlencode({key: value for key, value in query.items() if value})}"


@dataclass(frozen=True)
class Body:
    """What a page puts between header and footer.

    ``layout`` names a file of ``assets`` with ``embed(roots.name)`` for each of `roots` and
    ``heads.name`` for each heading.
    """

    layout: str
    heads: Mapping[str, str]
    roots: Mapping[str, object]


PageFunction = Callable[[Visit], Body]


def html(text: str, **params: object) -> pn.pane.HTML:
    """Return a pane of HTML in the house style; the caller escapes what users wrote."""
    params.setdefault("sizing_mode", "stretch_width")
    params.setdefault("margin", 0)
    return pn.pane.HTML(text, css_classes=["house"], stylesheets=[COMPONENTS_CSS, _HOUSE], **params)


def refusal(error: WorkbenchError, tr: Translate) -> str:
    """Return the HTML of an error's sentence in the reader's language."""
    title = tr("Not shown") if isinstance(error, Refused) else tr("This did not work")
    kind = "" if isinstance(error, Refused) else " error"
    sentence = error.sentence(tr)
    return (
        f'<div class="refusal{kind}" role="alert"><h3>{escape(title)}</h3>'
        f"<p>{escape(sentence[:1].upper() + sentence[1:])}</p></div>"
    )


def visit(
    wb: Workbench,
    asked: Mapping[str, str],
    *,
    host_url: str,
    media_port: int,
    signed_in: bool = False,
) -> Visit:
    """Parse what the address asks for into a visit.

    Parameters
    ----------
    host_url
        The origin the browser used; the media process is on the same host, so that the sign-in
        cookie reaches it.
    """
    lang = asked.get("lang", "")
    lang = lang if lang in LANGUAGES else next(iter(LANGUAGES))
    selection = Selection(case_id=asked.get("case", ""), reason=asked.get("reason", "").strip())
    parts = urlsplit(host_url)
    media_url = f"{parts.scheme}://{bracketed(parts.hostname or '127.0.0.1')}:{media_port}"
    return Visit(wb, selection, lang, translator(lang), media_url, asked, signed_in)


def bracketed(host: str) -> str:
    """Return a host name or address as an address of a page writes it."""
    return f"[{host}]" if ":" in host else host


def build(visit: Visit, slug: str, page: PageFunction) -> pn.Template:
    """Return a whole page; a refusal or a user's mistake becomes a sentence in its place."""
    try:
        body = page(visit)
    except WorkbenchError as error:
        body = Body(
            "refused.html",
            {},
            {"refusal": html(refusal(error, visit.tr), sizing_mode=None)},
        )
    shell, layout = ((ASSETS / name).read_text("utf-8") for name in ("shell.html", body.layout))
    layout = layout.replace("[[too_large]]", (ASSETS / "too_large.html").read_text("utf-8"))
    template = pn.Template(shell.replace("{{ body }}", layout))
    template.add_variable("heads", dict(body.heads))
    template.add_panel("progress", _progress_strip(visit))
    for name, root in body.roots.items():
        template.add_panel(name, root)
    for name, value in _words(visit, slug).items():
        template.add_variable(name, value)
    return template


def _words(visit: Visit, slug: str) -> dict[str, object]:
    tr, selection = visit.tr, visit.selection
    cases = cases_of(visit.wb)
    chosen = next((case for case in cases if case.case_id == selection.case_id), None)
    other = next(code for code in LANGUAGES if code != visit.lang)
    here = {key: value for key, value in visit.asked.items() if key != "lang"}
    return {
        "slug": slug,
        "lang": visit.lang,
        "page_title": tr(PAGES[slug]),
        "actor": visit.wb.actor,
        "reason": selection.reason,
        "signed_in": visit.signed_in,
        "training": bool(chosen and chosen.training),
        "bounds": _bounds(chosen, tr) if chosen else "",
        "links": [
            {"href": visit.link(page), "name": tr(name), "current": page == slug}
            for page, name in PAGES.items()
            if page not in _ACTS or could(visit.wb, _ACTS[page])
        ],
        "other_language": {
            "href": f"/{slug}?{urlencode({'lang': other, **here})}",
            "code": other,
            "name": LANGUAGES[other],
        },
        "cases": [
            {
                "id": case.case_id,
                "label": f"{case.case_id} · {case.title}",
                "reason": case.reason,
                "chosen": case is chosen,
            }
            for case in cases
            if not case.closed
        ],
        "words": {
            "product": tr("Investigation workbench"),
            "ward": _ward_name(visit),
            "pages": tr("Pages"),
            "sign_out": tr("Sign out"),
            "actor": tr("Officer"),
            "case": tr("Case"),
            "choose_case": tr("Choose a case…"),
            "reason": tr("Reason"),
            "reason_hint": tr("Why you look: it is written into the log"),
            "open": tr("Open"),
            "training": tr("Training: simulated footage"),
            "illustrative": visit.wb.ward.notice_in(visit.lang),
            "lead": tr("A search result is a lead, to be checked by a person."),
            "times": tr("Times: Viet Nam (UTC+7)"),
        },
    }


def _ward_name(visit: Visit) -> str:
    """Return the ward's name today; an area without dates of today goes by none."""
    try:
        return visit.wb.ward.area_name(local(visit.wb.now()).date())
    except WorkbenchError:
        return ""


def _bounds(case: Case, tr: Translate) -> str:
    cameras = (
        tr("{count} cameras").format(count=len(case.cameras)) if case.cameras else tr("all cameras")
    )
    start, stop = (clock(ns, date=True)[:16] for ns in (case.period.start_ns, case.period.stop_ns))
    return f"{start} – {stop} · {cameras}"


def _progress_strip(visit: Visit) -> pn.Row:
    pane, cancel = html(""), CancelOwn(visit.wb, visit.tr)

    def refresh() -> None:
        text = progress_html(visit.wb.progress(), visit.wb.now(), visit.tr)
        if text != pane.object:
            pane.object = text
        cancel.refresh()

    refresh()
    if pn.state.curdoc is not None:
        pn.state.add_periodic_callback(refresh, period=PROGRESS_MS)
    strip = {"background": "var(--accent-soft)"}
    return pn.Row(pane, cancel.row, margin=0, sizing_mode="stretch_width", styles=strip)


def progress_html(jobs: Mapping[str, tuple[Progress, int]], now_ns: int, tr: Translate) -> str:
    """Return the strip that says how far long work is; nothing where all of it is done."""
    rows = []
    for name, (progress, at_ns) in jobs.items():
        stopped = progress.text == "stopped"
        finished = stopped or (progress.total > 0 and progress.done >= progress.total)
        if finished and not progress.failed and (now_ns - at_ns) > FRESH_S * SECOND_NS:
            continue
        text = job_text(progress.text, tr)
        failed = (
            f'<span class="failed" title="{escape("; ".join(progress.failed))}">'
            + escape(tr("{count} failed").format(count=len(progress.failed)))
            + "</span>"
            if progress.failed
            else ""
        )
        digits = 2 if progress.unit == "h" and progress.total < 10 else 0  # minutes are not 0/0 h
        rows.append(
            f'<span class="job"><b>{escape(tr(name))}</b>'
            f'<meter min="0" max="{progress.total or 1:g}" value="{progress.done:g}"></meter>'
            f"{progress.done:.{digits}f}/{progress.total:.{digits}f} {escape(tr(progress.unit))}"
            f'<span class="muted what">{escape(text)}</span>{failed}</span>'
        )
    return f'<div class="progress" role="status">{"".join(rows)}</div>' if rows else ""


_LEFT = re.compile(r",? *(\d+:\d\d:\d\d) left$")


def job_text(said: str, tr: Translate) -> str:
    """Return what a job said of itself in the reader's language: verb, what it is at, time left.

    >>> job_text("recognised S01-P1, 0:00:42 left", translator("vi"))
    'đã nhận dạng S01-P1, còn 0:00:42'
    """
    left = _LEFT.search(said)
    said = said[: left.start()] if left else said
    verb, _, subject = said.partition(" ")
    text = tr(said) if said else ""
    if text == said:
        text = f"{tr(verb) if verb else ''} {subject}".strip()
    parts = [text, tr("{time} left").format(time=left[1]) if left else ""]
    return ", ".join(part for part in parts if part)
