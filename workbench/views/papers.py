"""Drafts of an accident's papers on *Tai nạn*: of tracks kept in the case, to be downloaded.

The same verbs as ``workbench papers --kept``, and the same entries in the log.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import partial
from html import escape
from io import BytesIO
from typing import Any

import panel as pn

from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation import could, kept_track, kept_tracks, measure, papers_bytes
from workbench.records import Purpose
from workbench.timeline import Span
from workbench.views.page import ASSETS, COMPONENTS_CSS, Visit, html
from workbench.views.text import DEFAULT_LANGUAGE, clock, translator

_CSS = COMPONENTS_CSS + (ASSETS / "fields.css").read_text(encoding="utf-8")
_CSS += """
:host { width: auto; }
.bk-input-group label { font-size: 12.5px; color: var(--ink); padding: 0 0 3px; }
"""
LONGEST_PLACE = 90
"""Signs of a place that the form has room for."""


class Papers:
    """The kept tracks of a case on some cameras in a period, and drafts of those chosen."""

    def __init__(self, visit: Visit, cameras: Sequence[str], period: Span) -> None:
        self.visit, self.tr = visit, visit.tr
        self._cameras, self._period = cameras, period
        tr, wide = visit.tr, {"width": 262, "stylesheets": [_CSS], "margin": (0, 12, 6, 12)}
        self.told = html("")
        self.tracks = pn.widgets.CheckBoxGroup(options={}, **wide)
        self.place = pn.widgets.TextInput(
            placeholder=tr("Where it happened, as the form says"), max_length=LONGEST_PLACE, **wide
        )
        self.why = pn.widgets.TextInput(
            placeholder=tr("Why papers are drawn up"), max_length=200, **wide
        )
        self.make = pn.widgets.Button(label=tr("Draw up the drafts"), button_type="primary", **wide)
        self.make.on_click(lambda _event: self._safely())
        self.files = pn.FlexBox(margin=(0, 12))
        self.said = html("", visible=False)
        self.form = pn.Column(self.tracks, self.place, self.why, self.make, margin=0, visible=False)
        self.view = pn.Column(self.told, self.said, self.form, self.files, margin=0)
        self._made: dict[str, bytes] = {}
        self.list()

    def list(self) -> None:
        """List the kept tracks, which a step on this page may have changed."""
        wb, tr = self.visit.wb, self.tr
        found = []
        if could(wb, "case.file"):  # whoever may not is told so beside the passes
            found = kept_tracks(wb, self._cameras, self._period, self.visit.selection.purpose)
        options = {}
        for one in found:
            start_ns = wb.utc(one.segment, int(one.pts[0]))[0]
            named = (one.kept, one.segment.camera_id, clock(start_ns, date=True))
            options[" · ".join(named)] = one.kept
        chosen = [one for one in self.tracks.value if one in options.values()]
        self.tracks.param.update(options=options, value=chosen)
        self.form.visible = bool(options)
        said = (
            tr("Forms 06 and 07 of Circular 72/2024: an officer checks, completes and signs them.")
            if options
            else tr("No track is kept in the case yet: choose a pass and correct it, or keep it "
                    "with workbench speed --keep.")
        )  # fmt: skip
        self.told.object = f'<div class="papers"><p class="muted small">{escape(said)}</p></div>'

    def _safely(self) -> None:
        self.said.visible = False
        self._made, self.files.objects = {}, []
        try:
            self._made = self._drawn_up()
        except WorkbenchError as error:
            sentence = error.sentence(self.tr)
            told = f'<p class="stop" role="alert">{escape(sentence[:1].upper() + sentence[1:])}</p>'
            self.said.param.update(object=f'<div class="papers">{told}</div>', visible=True)
            return
        self.why.value = ""
        self._offer()

    def _drawn_up(self) -> dict[str, bytes]:
        wb, why = self.visit.wb, " ".join(self.why.value.split())
        if not self.tracks.value:
            raise BadInput(N_("no track is chosen"), N_("choose one or more of the tracks kept"))
        if not any(sign.isalnum() for sign in why):
            raise BadInput(
                N_("papers are not drawn up without a reason"), N_("write why they are drawn up")
            )
        purpose = Purpose(self.visit.selection.case_id, why)
        found = [kept_track(wb, one, purpose) for one in self.tracks.value]
        done = [measure(wb, one, purpose) for one in found]
        place = " ".join(self.place.value.split())
        return papers_bytes(wb, done, translator(DEFAULT_LANGUAGE), place=place)

    def _offer(self) -> None:
        tr = self.tr
        case = "".join(
            c if c.isalnum() and c.isascii() else "-" for c in self.visit.selection.case_id
        )
        pdfs = [name for name in self._made if name.endswith(".pdf")]
        words = {"so-do-hien-truong.pdf": tr("Diagram (PDF)"),
                 "ban-anh-hien-truong.pdf": tr("Photos (PDF)")}  # fmt: skip
        rows = [
            self._download(f"{case}-{one}", words[one], partial(self._file, one)) for one in pdfs
        ]
        rows.append(self._download(f"{case}-svg.zip", tr("All as SVG (ZIP)"), self._drawings))
        self.files.objects = rows

    def _download(self, name: str, label: str, callback: Any) -> Any:
        return pn.widgets.FileDownload(
            callback=callback, filename=name, label=label, button_type="default", auto=True,
            embed=False, stylesheets=[_CSS], margin=(0, 6, 6, 0), icon=None,
        )  # fmt: skip

    def _file(self, name: str) -> BytesIO:
        return BytesIO(self._made[name])

    def _drawings(self) -> BytesIO:
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as all_of_them:
            for name, data in self._made.items():
                if name.endswith(".svg"):
                    all_of_them.writestr(name, data)
        packed.seek(0)
        return packed
