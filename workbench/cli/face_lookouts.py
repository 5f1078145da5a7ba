"""Commands of lookouts for a face: ask, refuse, read, and whether the root allows any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cases.face_lookouts import LOOKOUT_WORDS
from workbench.cli.options import CaseId, Reason, Root, camera_list, instant_of
from workbench.errors import N_, BadInput, Refused
from workbench.investigation import (
    AskedLookout,
    LookoutResult,
    LookoutSheet,
    Workbench,
    allow_face_lookouts,
    approve_face_lookout,
    ask_face_lookout,
    could,
    end_face_lookout,
    face_calibration,
    face_lookouts_on,
    list_face_lookouts,
    lookout_candidates,
    lookout_photographs,
    lookout_results,
    open_workbench,
    read_lookout_candidate,
    refuse_face_lookout,
    subject_photographs,
)
from workbench.recognition.faces.calibration import ratio_text
from workbench.recognition.faces.watching import operating_score
from workbench.records import Purpose
from workbench.store.face_lookouts import FaceLookoutBook
from workbench.store.faces import FaceVerdict
from workbench.timeline import format_utc
from workbench.views.account import account


def is_face(lookout_id: str) -> bool:
    """Return whether an id is that of a lookout for a face."""
    return lookout_id.startswith(f"{FaceLookoutBook.prefix}-")


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of lookouts."""
    app.command("face")(ask)
    app.command("refuse")(refuse)
    app.command("read")(read)
    app.command("faces")(faces)


def ask(
    root: Root,
    cameras: Annotated[str, typer.Option("--cameras", help="Its cameras, comma-separated.")],
    until: Annotated[str, typer.Option("--until", help="Its end, like 2026-11-20T19:00+07:00.")],
    photographs: Annotated[
        list[Path] | None, typer.Argument(help="Photographs of the one person.")
    ] = None,
    case: CaseId = "",
    reason: Reason = "",
    subject: Annotated[
        str, typer.Option("--subject", help="Those of this subject of the case, like DT-1.")
    ] = "",
    urgent: Annotated[
        str, typer.Option("--urgent", help="Why it cannot wait: 48 hours, then deleted.")
    ] = "",
    despite: Annotated[
        str, typer.Option("--despite", help="Why photographs below the gate must do.")
    ] = "",
) -> None:
    """Ask that a face be looked out for; it finds nothing before somebody else approves it."""
    wb, purpose = open_workbench(root, actor=account()), Purpose(case, reason)
    given = subject_photographs(wb, purpose, subject) if subject else []
    for path in photographs or ():
        if not path.is_file():
            raise BadInput(N_("there is no such file"), N_("check its name"), where=str(path))
        given.append((path.name, path.read_bytes()))
    one = ask_face_lookout(
        wb, purpose, given, cameras=camera_list(cameras) or [],
        until_ns=instant_of(until, "--until"), urgent=urgent, despite=despite,
    )  # fmt: skip
    for each in one.photographs:
        typer.echo("  ".join([each.name, each.quality, *each.remarks]))
    typer.echo(_operating(wb))
    begins = "runs for 48 hours at most unless" if one.urgent else "finds nothing before"
    typer.echo(f"{one.lookout_id}: asked for; it {begins} somebody else approves it")


def refuse(
    root: Root,
    lookout: Annotated[str, typer.Argument(help="Id of a lookout for a face.")],
    case: CaseId = "",
    reason: Reason = "",
) -> None:
    """Refuse a lookout for a face: its photographs go, and all that an urgent one has found."""
    house = open_workbench(root, actor=account())
    typer.echo(_line(refuse_face_lookout(house, lookout, Purpose(case, reason))))


def read(
    root: Root,
    candidate: Annotated[str, typer.Argument(help="Id of the candidate.")],
    verdict: Annotated[str, typer.Argument(help=f"One of: {', '.join(FaceVerdict)}.")],
    case: CaseId = "",
    reason: Reason = "",
    note: Annotated[str, typer.Option("--note", help="What speaks for it, in words.")] = "",
) -> None:
    """Say what you see of a candidate for a face; it is kept as it is. Two people read each."""
    house = open_workbench(root, actor=account())
    count = read_lookout_candidate(house, candidate, verdict, Purpose(case, reason), note=note)
    typer.echo(f"{candidate}: read by {count} of 2")


def faces(
    root: Root,
    state: Annotated[str, typer.Argument(help="on or off; left out: say which it is.")] = "",
    reason: Reason = "",
) -> None:
    """Allow lookouts for faces on this root, or stop all of them at once. Off by default."""
    house = open_workbench(root, actor=account())
    if state not in ("", "on", "off"):
        raise BadInput(
            N_("lookouts for faces are switched on or off"), N_("say which"), where=state[:20]
        )
    said = allow_face_lookouts(house, state == "on", reason) if state else face_lookouts_on(house)
    by = f": {said.by} {format_utc(said.at_ns)} {said.reason}" if said.by else ""
    typer.echo(f"lookouts for faces are {'on' if said.on else 'off'} on this root{by}")


def approve(house: Workbench, lookout_id: str, purpose: Purpose) -> None:
    """Approve one and say where it stands."""
    typer.echo(_operating(house))
    typer.echo(_line(approve_face_lookout(house, lookout_id, purpose)))


def end(house: Workbench, lookout_id: str, purpose: Purpose) -> None:
    """End one and say what went."""
    now = end_face_lookout(house, lookout_id, purpose).standing
    kept = len(now.candidates) - len(now.gone)
    typer.echo(
        f"{lookout_id}: ended; its photographs and {len(now.gone)} candidates deleted, "
        f"{kept} that were read stay with the case"
    )


def say_all(house: Workbench, purpose: Purpose) -> int:
    """Say which lookouts for a face a case has; return how many."""
    found = list_face_lookouts(house, purpose)
    for one in found:
        typer.echo(_line(one))
    return len(found)


def say_candidates(house: Workbench, purpose: Purpose, out: Path | None) -> int:
    """Say what they found, scores of what two people have read alone; return how many."""
    if out is not None and out.exists():
        raise BadInput(N_("that folder is there already"), N_("name a new one"), where=str(out))
    if not could(house, "lookout.face.view") or not list_face_lookouts(house, purpose):
        return 0
    try:
        sheets = lookout_candidates(house, purpose)
    except Refused as refusal:  # what plates' lookouts found is told all the same
        typer.echo(refusal.sentence())
        return 1
    results = lookout_results(house, purpose) if any(one.readings for one in sheets) else {}
    for one in sheets:
        typer.echo(_candidate_line(one))
        for remark in against(one):
            typer.echo(f"    {remark}")
        if one.candidate_id in results:
            typer.echo(f"    {_result_line(results[one.candidate_id])}")
    if out is not None:
        out.mkdir(parents=True)
        for lookout_id in sorted({one.lookout_id for one in sheets}):
            photographs = lookout_photographs(house, lookout_id, purpose)
            for number, data in enumerate(photographs, 1):
                (out / f"{lookout_id}-asked-{number}.jpg").write_bytes(data)
        for one in sheets:
            (out / f"{one.lookout_id}-{one.candidate_id}.jpg").write_bytes(one.picture)
        typer.echo(f"pictures in {out}", err=True)
    return len(sheets)


def against(one: LookoutSheet) -> list[str]:
    """Return what speaks for and against the picture of a candidate, before any score."""
    kind = "for" if one.quality == "usable" else "against"
    said = [f"{kind}: {one.quality}, {one.size_px:.0f} px, {one.frames} pictures of the pass"]
    said += [f"against: {reason.sentence()}" for reason in one.reasons]
    if one.mixed:
        said.append("against: its pictures differ among themselves: it may show two people")
    return said


def _candidate_line(one: LookoutSheet) -> str:
    at = f"{format_utc(one.utc_ns)} +- {one.sigma_ns / 1e9:.1f} s"
    state = f"read by {one.readings} of 2" + ("" if one.open or one.readings >= 2 else ", over")
    if one.mine and one.readings < 2:
        state = f"read by you, {one.readings} of 2"
    return f"{one.candidate_id}  {one.lookout_id}  {one.camera_id}  {at}  {state}"


def _result_line(one: LookoutResult) -> str:
    ratio = "not calibrated here"
    if one.strength is not None:
        texts = [
            ratio_text(v) for v in (one.strength.log10_lr, one.strength.low, one.strength.high)
        ]
        ratio = f"{texts[0]} ({texts[1]} to {texts[2]}, 95 %)"
    verdicts = "; ".join(f"{each.reader}: {each.verdict}" for each in one.readings)
    apart = "  READERS DISAGREE" if one.disagree else ""
    return (
        f"score {min(one.score, 0.99):.2f} (operating {one.operating:.2f})  likelihood ratio: "
        f"{ratio}  {verdicts}{apart}"
    )


def _operating(house: Workbench) -> str:
    made = face_calibration(house)
    score = operating_score(None if made is None else made.fit)
    said = f"candidates from score {score:.2f}; of 1000 other people as high: "
    if made is None:
        return f"{said}not calibrated here"
    expected, most = made.fit.false_positives(score, 1000)
    return f"{said}{expected:.1f}, at most {most:.1f} (95 %)"


def _line(one: AskedLookout) -> str:
    lookout, now = one.lookout, one.standing
    open_ones = sum(
        len(readings) < 2 for name, readings in now.candidates.items() if name not in now.gone
    )
    parts = [
        lookout.lookout_id, "face", ",".join(lookout.cameras), f"until {format_utc(now.until_ns)}",
        f"asked by {lookout.requester}", LOOKOUT_WORDS[now.state],
        f"({now.approver})" if now.approver else "",
        f"URGENT: {lookout.urgent}" if lookout.urgent else "",
        f"{len(now.candidates) - len(now.gone)} candidates kept",
        "" if now.over else f"{open_ones} not read by two",
    ]  # fmt: skip
    return "  ".join(filter(None, parts))
