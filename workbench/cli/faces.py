"""Commands of an authorised face search: ask, decide, run, read. Leads, no identities."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import cv2
import typer

from workbench.cases.asking import STATE_WORDS
from workbench.cli.options import CaseId, Reason, Root, instant_of, show
from workbench.cli.stating import say_basis
from workbench.errors import N_, BadInput
from workbench.investigation import (
    Asked,
    FaceCalibration,
    FaceCost,
    FaceStrength,
    Workbench,
    approve_faces,
    ask_faces,
    calibrate_faces,
    encoder_in_use,
    face_calibration,
    face_candidates,
    face_cost,
    face_crop,
    face_photographs,
    face_requests,
    face_results,
    open_workbench,
    read_faces,
    refuse_faces,
    run_calibration,
    run_faces,
    subject_photographs,
    switch_faces,
)
from workbench.recognition.faces.calibration import ratio_text
from workbench.records import Progress, Purpose
from workbench.store.faces import FaceBook, FaceVerdict
from workbench.timeline import Span, format_utc
from workbench.views.account import account

app = typer.Typer()
faces_app = typer.Typer(
    help="Face search under leave: one asks, another approves, two read. Leads, no identities.",
    no_args_is_help=True,
)
app.add_typer(faces_app, name="faces")

Request = Annotated[str, typer.Argument(help="Number of the request, like KM-0123456789.")]


@faces_app.command()
def ask(
    root: Root,
    case: CaseId,
    reason: Reason,
    cameras: Annotated[str, typer.Option("--cameras", help="Camera ids, comma-separated.")],
    start: Annotated[str, typer.Option("--from", help="Start, like 2026-11-20T07:15:00+07:00.")],
    stop: Annotated[str, typer.Option("--to", help="End, written like the start.")],
    photographs: Annotated[
        list[Path] | None, typer.Argument(help="Photographs of the one person.")
    ] = None,
    subject: Annotated[
        str, typer.Option("--subject", help="Those of this subject of the case, like DT-1.")
    ] = "",
    days: Annotated[int, typer.Option("--days", help="How long leave is to hold.")] = 7,
    urgent: Annotated[
        str, typer.Option("--urgent", help="Why it cannot wait: 48 hours, then deleted.")
    ] = "",
    despite: Annotated[
        str, typer.Option("--despite", help="Why photographs below the gate must do.")
    ] = "",
) -> None:
    """Ask for leave to look for a person; prints what the search will come to."""
    wb = _house(root)
    span = Span(instant_of(start, "--from"), instant_of(stop, "--to"))
    given = subject_photographs(wb, Purpose(case, reason), subject) if subject else []
    for path in photographs or ():
        if not path.is_file():
            raise BadInput(N_("there is no such file"), N_("check its name"), where=str(path))
        given.append((path.name, path.read_bytes()))
    named = [one.strip() for one in cameras.split(",") if one.strip()]
    request = ask_faces(
        wb, Purpose(case, reason), given, cameras=named, span=span, days=days, urgent=urgent,
        despite=despite,
    )  # fmt: skip
    for one in request.photographs:
        typer.echo("  ".join([one.name, one.quality, *one.remarks]))
    typer.echo(request.request_id)
    _tell(face_cost(wb, request.request_id))


@faces_app.command()
def requests(
    root: Root, case: Annotated[str, typer.Option("--case", help="Of this case only.")] = ""
) -> None:
    """List requests and where each stands; what nobody approved in time is deleted by this."""
    found = face_requests(_house(root), case)
    for one in found:
        typer.echo(_line(one))
        asked, period = one.request, one.request.period
        typer.echo(
            f"  {asked.purpose}; cameras {','.join(asked.cameras)}; "
            f"{format_utc(period.start_ns)} to {format_utc(period.stop_ns)}; {asked.days} days"
        )
    if not found:
        typer.echo("no requests")


@faces_app.command()
def approve(root: Root, request: Request, reason: Reason) -> None:
    """Give leave; never the one who asked. Where there is a list of people: an approver on it."""
    wb = _house(root)
    _tell(face_cost(wb, request))
    typer.echo(_line(approve_faces(wb, request, reason)))
    _say_request(wb, request)


@faces_app.command()
def refuse(root: Root, request: Request, reason: Reason) -> None:
    """Refuse; what an urgent search has found is deleted."""
    wb = _house(root)
    typer.echo(_line(refuse_faces(wb, request, reason)))
    _say_request(wb, request)


@faces_app.command()
def run(
    root: Root,
    request: Request,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Processes; 0: in this one.")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Say what it will come to, no more.")] = False,
) -> None:
    """Search, once, by the one who asked; only candidates are kept. Exit 1 where a span failed."""
    wb = _house(root)
    _tell(face_cost(wb, request))
    if dry:
        _say_request(wb, request)
        return
    found = run_faces(wb, request, workers=workers, on_progress=show)
    typer.echo(
        f"{len(found.run.candidates)} candidates of {found.run.compared} passes with a face; "
        f"{found.run.without} passes without; {found.run.destroyed} embeddings destroyed. "
        + _false(found.run.compared, run_calibration(wb, request))
    )
    for reason, count in sorted(found.run.refused.items()):
        typer.echo(f"not compared: {count} faces: {reason}")
    for failure in found.summary.failed:
        typer.echo(failure, err=True)
    _say_request(wb, request)
    if found.summary.failed:
        raise typer.Exit(1)


@faces_app.command()
def candidates(
    root: Root,
    request: Request,
    case: CaseId,
    reason: Reason,
    out: Annotated[
        Path | None, typer.Option("--out", help="A new folder for the pictures side by side.")
    ] = None,
) -> None:
    """Show the candidates: to readers in no order of rank and without scores, afterwards with."""
    wb, purpose = _house(root), Purpose(case, reason)
    sheets = face_candidates(wb, request, purpose)
    for one in sheets:
        at = f"{format_utc(one.utc_ns)} +-{one.sigma_ns / 1e9:.1f} s"
        typer.echo(f"{one.number}  {one.camera_id}  {at}  {one.quality}")
    if out is not None:
        if out.exists():
            raise BadInput(N_("that folder is there already"), N_("name a new one"), where=str(out))
        out.mkdir(parents=True)
        for number, data in enumerate(face_photographs(wb, request, purpose), 1):
            (out / f"asked-{number}.jpg").write_bytes(data)
        for one in sheets:
            crop = face_crop(wb, one, purpose)
            cv2.imwrite(str(out / f"candidate-{one.number}.png"), crop[:, :, ::-1])
        typer.echo(f"pictures in {out}", err=True)
    standing = next(
        one.standing for one in face_requests(wb, case) if one.request.request_id == request
    )
    if not standing.read:
        typer.echo(f"read by {len(standing.readings)} of 2; scores are shown when both have read")
        return
    typer.echo(_of_calibration(wb, run_calibration(wb, request)))
    for each in face_results(wb, request, purpose):
        first, second = each.verdicts
        apart = "  READERS DISAGREE" if each.disagree else ""
        score = min(each.candidate.score, 0.99)
        typer.echo(
            f"{each.number}  rank {each.rank}  score {score:.2f}  first: {first}  "
            f"second: {second}{apart}  likelihood ratio: {_ratio(each.strength)}"
        )


@faces_app.command()
def read(
    root: Root,
    request: Request,
    case: CaseId,
    reason: Reason,
    verdicts: Annotated[
        list[str],
        typer.Option("--verdict", help=f"NUMBER=VERDICT, each once: {', '.join(FaceVerdict)}."),
    ],
    note: Annotated[str, typer.Option("--note", help="What speaks for it, in words.")] = "",
) -> None:
    """Say of every candidate what you see; it is kept as it is. The second reader is another."""
    given: list[tuple[int, str]] = []
    for text in verdicts:
        number, _, word = text.partition("=")
        if not (number.isascii() and number.isdecimal() and len(number) < 4 and word):
            raise BadInput(
                N_("'{text}' is no verdict"), N_("write 1=excludes"), where="--verdict",
                text=text[:40],
            )  # fmt: skip
        given.append((int(number), word.strip()))
    twice = [number for number, count in Counter(n for n, _ in given).items() if count > 1]
    if twice:
        raise BadInput(
            N_("candidate {number} has two verdicts"), N_("give one"), where="--verdict",
            number=twice[0],
        )  # fmt: skip
    wb = _house(root)
    one = read_faces(wb, request, Purpose(case, reason), dict(given), note=note)
    typer.echo(_line(one))


@faces_app.command()
def calibrate(
    root: Root,
    labelled: Annotated[
        Path | None,
        typer.Argument(
            metavar="SET",
            help="A folder with a folder a person, or a CSV of pairs; left out: say what is known.",
        ),
    ] = None,
    basis: Annotated[
        str, typer.Option("--basis", help="By what right these photographs are compared.")
    ] = "",
) -> None:
    """Calibrate scores on photographs of known people: only scores are kept. Exit 1 without any.

    The photographs stay where they are. Under 30 people seen twice nothing is said.
    """
    wb = _house(root)
    if labelled is None:
        made = face_calibration(wb)
    else:
        made = calibrate_faces(
            wb, labelled, basis=basis,
            on_picture=lambda done, total: show(Progress(done, total, "photographs")),
        )  # fmt: skip
    typer.echo(_of_calibration(wb, made))
    for why, count in sorted(made.kept.left_out.items() if made else ()):
        typer.echo(f"left out: {count} photographs: {why}", err=True)
    if made is None:
        raise typer.Exit(1)


@faces_app.command()
def switch(
    root: Root,
    state: Annotated[str, typer.Argument(help="on or off.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, in words; kept in the log.")],
) -> None:
    """Switch face search off for the whole root, or on again; a run under way ends with nothing."""
    if state not in ("on", "off"):
        raise BadInput(N_("face search is switched on or off"), N_("say which"), where=state[:20])
    switch_faces(_house(root), on=state == "on", reason=reason)
    typer.echo(f"face search is {state}")


def _house(root: Path) -> Workbench:
    return open_workbench(root, actor=account())


def _say_request(wb: Workbench, request_id: str) -> None:
    """Say under which case and legal basis a request was answered."""
    request = FaceBook(wb.root).request(request_id)
    say_basis(wb.root, request.case_id, request.purpose)


def _line(one: Asked) -> str:
    request, now = one.request, one.standing
    parts = [
        request.request_id, request.case_id, f"by {request.requester}", STATE_WORDS[now.state],
        f"until {format_utc(now.until_ns)}" if now.state in ("asked", "approved") else "",
        f"({now.approver})" if now.approver else "",
        f"URGENT: {request.urgent}" if request.urgent else "",
        "results deleted" if now.deleted else "run" if now.ran else "not run",
        f"read by {len(now.readings)} of 2",
    ]  # fmt: skip
    return "  ".join(filter(None, parts))


def _ratio(strength: FaceStrength | None) -> str:
    if strength is None:
        return "not calibrated here"
    value, low, high = (ratio_text(one) for one in (strength.log10_lr, strength.low, strength.high))
    return f"{value} ({low} to {high}, 95 %)"


def _expected(others: int, found: tuple[float, float] | None) -> str:
    begins = f"false candidates among {others} other people"
    if found is None:
        return f"{begins}: not calibrated here"
    return f"{begins}, likelihood ratio over 1: {found[0]:.1f}, at most {found[1]:.1f} (95 %)"


def _false(others: int, made: FaceCalibration | None) -> str:
    return _expected(others, None if made is None else made.false_candidates(others))


def _of_calibration(wb: Workbench, made: FaceCalibration | None) -> str:
    if made is None:
        return f"scores of {encoder_in_use(wb)} are not calibrated here"
    fit, kept = made.fit, made.kept
    low, high = fit.cllr_interval
    return (
        f"scores of {kept.encoder} calibrated {format_utc(kept.made_at_ns)} by {kept.made_by} on "
        f"{fit.people} people, {fit.same_pairs} pairs of one and {len(fit.different)} of "
        f"different people: Cllr {fit.cllr:.2f} ({low:.2f} to {high:.2f}, 95 % over people); "
        f"ratios from {ratio_text(fit.bounds[0])} to {ratio_text(fit.bounds[1])}"
    )


def _tell(cost: FaceCost) -> None:
    time = (
        f"about {cost.cpu_s:.0f} CPU s, measured on {cost.measured_passes} passes here"
        if cost.cpu_s is not None
        else "time not measured here yet"
    )
    typer.echo(
        f"{cost.passes} passes in {cost.footage_h:.2f} h of footage; {time}; "
        + _expected(cost.passes, cost.false_candidates)
    )
    if cost.not_searched_h:
        typer.echo(
            f"{cost.not_searched_h:.2f} h in these bounds were never searched for passes and are "
            "not looked at: run workbench recognise first"
        )
