"""What the page of face search says, as HTML: requests, cost, the gate, candidates, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from workbench.cases.asking import STATE_WORDS, Reading
from workbench.errors import N_
from workbench.investigation import (
    Asked,
    FaceCalibration,
    FaceCost,
    FaceResult,
    FaceRunning,
    FaceSheet,
    FaceStrength,
)
from workbench.recognition.faces.calibration import ratio_text
from workbench.store.faces import VERDICT_WORDS, FacePhotograph
from workbench.timeline import SECOND_NS
from workbench.views.page import Visit
from workbench.views.text import Translate, clock, duration

GATE_WORDS = {
    "usable": N_("good enough to compare"),
    "weak": N_("weak"),
    "refused": N_("below the gate"),
}


def request_html(one: Asked, tr: Translate, *, whole: bool = False) -> str:
    """Return a request: who asked, for what, where it stands; `whole` names its bounds, too."""
    request, now = one.request, one.standing
    state = tr(STATE_WORDS[now.state]) + (f" ({now.approver})" if now.approver else "")
    ran = tr("results deleted") if now.deleted else tr("was run") if now.ran else tr("not run yet")
    read = tr("read by {count} of 2").format(count=len(now.readings))
    said = [escape(tr("asked by {name}").format(name=request.requester)), escape(state)]
    if now.state in ("asked", "approved"):
        said.append(escape(tr("until {time}").format(time=clock(now.until_ns, date=True))))
    said += [escape(ran), escape(read)]
    if request.urgent:
        said.insert(0, f'<b class="stop">{escape(tr("Urgent"))}: {escape(request.urgent)}</b>')
    lines = [" · ".join(said), escape(request.purpose)]
    if whole:
        span = " – ".join(
            clock(ns, date=True) for ns in (request.period.start_ns, request.period.stop_ns)
        )
        days = tr("{days} days of leave, {length} candidates").format(
            days=request.days, length=request.length
        )
        lines.append(" · ".join(map(escape, (", ".join(request.cameras), span, days))))
        if request.despite:
            why = tr("below the gate, because: {reason}").format(reason=request.despite)
            lines.append(escape(why))
    return (
        f'<p data-request="{escape(request.request_id)}"><b class="mono">'
        f'{escape(request.request_id)}</b><br><span class="small">{"<br>".join(lines)}</span></p>'
    )


def photograph_html(one: FacePhotograph, uri: str, tr: Translate) -> str:
    """Return a photograph with what the gate says of it."""
    reasons = [each.sentence(tr) for each in one.reasons] or list(one.remarks)
    kind = {"usable": "plausible", "weak": "doubtful", "refused": "impossible"}[one.quality]
    said = " · ".join([one.name, *reasons])
    return (
        f'<div class="frame"><img style="width:auto;max-height:160px" alt="" src="{uri}">'
        f'<p class="small"><span class="tag {kind}">{escape(tr(GATE_WORDS[one.quality]))}</span> '
        f"{escape(said)}</p></div>"
    )


def cost_html(cost: FaceCost, tr: Translate) -> str:
    """Return what a search will come to before it starts."""
    time = (
        tr("about {time} of one core, measured on {count} passes here").format(
            time=duration(cost.cpu_s, tr), count=cost.measured_passes
        )
        if cost.cpu_s is not None
        else tr("its time was not measured here yet")
    )
    lines = [
        tr("{passes} passes in {hours} hours of footage; {time}").format(
            passes=cost.passes, hours=f"{cost.footage_h:.2f}", time=time
        ),
        _false_candidates(cost, tr),
    ]
    if cost.not_searched_h:
        lines.append(
            tr(
                "{hours} hours in these bounds were never searched for passes and are not seen"
            ).format(hours=f"{cost.not_searched_h:.2f}")
        )
    return f'<p class="small cost">{"<br>".join(map(escape, lines))}</p>'


def _false_candidates(cost: FaceCost, tr: Translate) -> str:
    if cost.false_candidates is None:
        return tr(
            "False candidates expected among {count} other people: not calibrated here"
        ).format(count=cost.passes)
    expected, most = cost.false_candidates
    return tr(
        "Other people expected with a likelihood ratio over 1, among {count}: {expected}, at most "
        "{most} (95 %)"
    ).format(count=cost.passes, expected=f"{expected:.1f}", most=f"{most:.1f}")


def calibration_html(made: FaceCalibration | None, tr: Translate) -> str:
    """Return whether scores are calibrated, and by what; a badge where they are not."""
    if made is None:
        said = tr("Scores are not calibrated here: no set of known people was measured.")
        badge = f'<span class="tag doubtful">{escape(tr("not calibrated here"))}</span>'
        return f'<p class="small" data-calibrated="no">{badge} {escape(said)}</p>'
    fit = made.fit
    said = tr(
        "Scores were calibrated on {time}: {people} people, Cllr {cllr} ({low} to {high}); ratios "
        "from {least} to {most}, no more is claimed. Network {network}."
    ).format(
        time=clock(made.kept.made_at_ns, date=True), people=fit.people, cllr=f"{fit.cllr:.2f}",
        low=f"{fit.cllr_interval[0]:.2f}", high=f"{fit.cllr_interval[1]:.2f}",
        least=ratio_text(fit.bounds[0]), most=ratio_text(fit.bounds[1]),
        network=made.kept.encoder,
    )  # fmt: skip
    return f'<p class="small" data-calibrated="yes">{escape(said)}</p>'


def strength_text(strength: FaceStrength | None, tr: Translate) -> str:
    """Return a likelihood ratio with its interval, or that there is none."""
    if strength is None:
        return tr("not calibrated here")
    texts = [ratio_text(one) for one in (strength.log10_lr, strength.low, strength.high)]
    return tr("{ratio} ({low} to {high})").format(ratio=texts[0], low=texts[1], high=texts[2])


def progress_html(state: FaceRunning, tr: Translate) -> str:
    """Return how far a run is; empty where none goes on."""
    if not state.running:
        return ""
    told = state.progress
    meter = (
        f'<meter min="0" max="{told.total or 1:g}" value="{told.done:g}"></meter>' if told else ""
    )
    said = escape(tr("The search is running; this page may be left."))
    return f'<div class="progress" role="status">{said} {meter}</div>'


def sheet_html(sheet: FaceSheet, uri: str, visit: Visit) -> str:
    """Return a candidate as a reader sees it: no score, no rank."""
    tr = visit.tr
    at = f"{clock(sheet.utc_ns, date=True)} ± {sheet.sigma_ns / SECOND_NS:.1f} s"
    link = escape(visit.link("xem-lai", segment=sheet.segment_sha256, pts=sheet.pts), quote=True)
    return (
        f'<div class="frame" data-candidate="{sheet.number}">'
        f'<img style="width:220px" alt="" src="{uri}">'
        f'<p class="small"><b>{sheet.number}</b> · {escape(sheet.camera_id)} · {escape(at)} · '
        f"{escape(tr(GATE_WORDS[sheet.quality]))} · "
        f'<a href="{link}">{escape(tr("Open in Review"))}</a></p></div>'
    )


def results_html(
    results: Sequence[FaceResult],
    uris: Mapping[int, str],
    readings: Sequence[Reading],
    made: FaceCalibration | None,
    visit: Visit,
) -> str:
    """Return candidates with scores and both verdicts side by side; nothing joins the two."""
    tr = visit.tr
    heads = [tr("Rank"), tr("Candidate"), "", tr("Camera"), tr("Time"), tr("Score")]
    heads += [f"{tr('Reader')} {n}: {one.reader}" for n, one in enumerate(readings, 1)]
    heads += [tr("Readers"), tr("Likelihood ratio")]
    rows = []
    for one in results:
        found = one.candidate
        words = [escape(tr(VERDICT_WORDS[verdict])) for verdict in one.verdicts]
        if one.disagree:
            agree = f'<span class="tag impossible">{escape(tr("disagree"))}</span>'
        elif one.excluded:
            agree = f'<span class="tag">{escape(tr("both exclude"))}</span>'
        else:
            agree = escape(tr("agree"))
        cells = [
            str(one.rank), str(one.number), f'<img alt="" src="{uris.get(one.number, "")}">',
            escape(found.camera_id), clock(found.utc_ns, date=True),
            f"{min(found.score, 0.99):.2f}", *words, agree, escape(strength_text(one.strength, tr)),
        ]  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    notes = "".join(
        f'<p class="small">{escape(one.reader)}: {escape(one.note)}</p>'
        for one in readings
        if one.note
    )
    said = escape(tr("A score orders the list and is no probability; a candidate is a lead."))
    table = f'<table class="rows"><tr>{head}</tr>{"".join(rows)}</table>'
    worth = calibration_html(made, tr)
    return f'<p class="small">{said}</p>{worth}{table}{notes}'
