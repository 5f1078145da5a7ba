"""Commands of the archive, the cases and the pages."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from workbench import demonstration
from workbench.cases.particulars import with_particulars
from workbench.cli import case_files
from workbench.cli.bundles import is_bundle, notebook_app, verify_bundle
from workbench.cli.options import (
    LATEST_NS,
    Cameras,
    CaseId,
    From,
    Reason,
    Root,
    To,
    camera_list,
    instant_of,
    rate_of,
    seconds_of,
    show,
    span_of,
)
from workbench.errors import N_, BadInput
from workbench.exchange import trace_format
from workbench.investigation import (
    Workbench,
    basis_of,
    believe,
    export_trace,
    open_workbench,
    origin,
    searched_elsewhere,
    with_belief,
)
from workbench.records import Case, Purpose, Segment
from workbench.timeline import SECOND_NS, UNFIXED_SIGMA_NS, ClockFix, Span, format_utc, in_force
from workbench.trajectories import explain
from workbench.views.account import account

app = typer.Typer(
    help="Investigation workbench for a ward's camera network: from camera to map.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
ward_app = typer.Typer(help="The ward's tables: sites, cameras, roads, areas.")
case_app = typer.Typer(help="Cases: every search and every view of footage belongs to one.")
clock_app = typer.Typer(help="What is known of a camera's clock.")
app.add_typer(ward_app, name="ward")
app.add_typer(case_app, name="case")
case_app.registered_commands.extend(notebook_app.registered_commands)
case_app.registered_commands.extend(case_files.app.registered_commands)
app.add_typer(clock_app, name="clock")


def _open(root: Path) -> Workbench:
    return open_workbench(root, actor=account())


@app.command()
def init(
    root: Root,
    ward: Annotated[
        Path, typer.Option(help="Folder of ward tables to start from.")
    ] = demonstration.WARD,
) -> None:
    """Make an empty archive root with a copy of a ward's tables to edit."""
    wb = open_workbench(root, actor=account(), create_from=ward)
    typer.echo(f"{root}: {len(wb.ward.sites)} sites, {len(wb.ward.cameras)} cameras")
    typer.echo(f"edit the ward's tables in {root / 'ward'}, then run: workbench ward check {root}")


@ward_app.command("check")
def ward_check(
    folder: Annotated[
        Path, typer.Argument(help="A folder of ward tables, or an archive root.")
    ] = demonstration.WARD,
) -> None:
    """Check the ward's tables; one sentence a finding: file, row, remedy."""
    from workbench import ward
    from workbench.monitoring import address_faults

    folder = folder / "ward" if (folder / "ward").is_dir() else folder
    findings = ward.check(folder)
    for finding in findings:
        mark = "advice: " if isinstance(finding, ward.Advice) else ""
        typer.echo(mark + finding.sentence(), err=True)
    if any(not isinstance(finding, ward.Advice) for finding in findings):
        raise typer.Exit(1)
    checked = ward.load(folder)
    unusable = [one for camera in checked.cameras.values() for one in address_faults(camera)]
    for fault in unusable:
        typer.echo(fault.sentence(), err=True)
    if unusable:
        raise typer.Exit(1)
    typer.echo(
        f"{folder}: {len(checked.sites)} sites, {len(checked.cameras)} cameras, "
        f"{len(checked.roads)} road edges, no fault found"
    )
    typer.echo(checked.notice)


@app.command()
def ingest(
    root: Root,
    footage: Annotated[Path, typer.Argument(help="A video file, or a folder of them.")],
    camera: Annotated[str, typer.Option(help="Id of the camera it comes from.")],
    start: Annotated[
        str, typer.Option(help="Claimed time of the first frame, like 2026-11-20T07:15:00+07:00.")
    ],
    rate: Annotated[
        str, typer.Option(help="Frames a second, where the file is known to lie.")
    ] = "",
    clock_offset: Annotated[
        float | None,
        typer.Option(help="Seconds to add to the camera's time; without it, what is known holds."),
    ] = None,
    clock_sigma: Annotated[
        float | None,
        typer.Option(help="How sure that offset is, one sigma in seconds; without it 1."),
    ] = None,
    read_clock: Annotated[
        bool, typer.Option("--read-clock", help="Measure the clock from the burnt-in time.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Take footage into the archive: hashed, indexed, untouched, read-only."""
    start_ns = instant_of(start, "--start")
    override = rate_of(rate)
    if clock_offset is not None:
        clock_offset = seconds_of(clock_offset, "--clock-offset")
    if clock_sigma is not None:
        clock_sigma = seconds_of(clock_sigma, "--clock-sigma")
    if not footage.exists():
        raise BadInput(N_("there is no such file or folder"), where=str(footage))
    wb = open_workbench(root, actor=account(), create_from=demonstration.WARD)
    done = wb.ingest(
        footage,
        camera,
        start_ns,
        rate=override,
        clock_offset_s=clock_offset,
        clock_sigma_s=clock_sigma,
        reason=reason,
    )
    for segment in done.segments:
        seconds = segment.stamped.duration_ns / SECOND_NS
        typer.echo(
            f"{segment.sha256[:12]}  {segment.camera_id}  {segment.frame_count} frames  "
            f"{seconds:.2f} s  {segment.width_px}x{segment.height_px} {segment.codec}  "
            f"tick {segment.tick_s} s"
        )
        for note in _notes(wb, segment, again=segment.sha256 in done.again):
            typer.echo(f"  note: {note}")
        if read_clock:
            fix = wb.read_clock(segment.sha256)
            typer.echo(
                f"  burnt-in clock: offset {fix.offset_ns / SECOND_NS:+.2f} s, "
                f"sigma {fix.sigma_ns / SECOND_NS:.2f} s"
                if fix
                else "  burnt-in clock: none could be read"
            )
        for sentence in _clock_changes(wb, segment):
            typer.echo(f"  note: {sentence}")
    for sentence in done.refused:
        typer.echo(sentence, err=True)
    if not done.segments:
        raise BadInput(N_("nothing in it could be taken in"), where=str(footage))
    if done.refused:
        raise typer.Exit(1)


def _notes(wb: Workbench, segment: Segment, *, again: bool) -> list[str]:
    """Return what is to be said of a file that was taken in, its clock aside."""
    found = []
    if again:
        found.append("the archive had this file already; it stays as it was")
    if segment.stamped.start_ns > wb.now():
        # kept all the same: a camera's clock may run ahead, and ours may be behind
        found.append(
            "it starts in the future, by this machine's clock. If the camera's clock is wrong, "
            "state that with: workbench clock set"
        )
    return [*found, *segment.notes]


def _clock_changes(wb: Workbench, segment: Segment) -> list[str]:
    """Return a sentence for each instant inside a file at which another clock fix takes over."""
    found = []
    parts = in_force(segment.stamped, wb.clock_fixes(segment.camera_id, segment.stamped))
    for (_, before), (part, after) in pairwise(parts):
        at = part.start_ns
        was, now = (
            (fix.to_utc(at), fix.sigma_ns) if fix else (at, UNFIXED_SIGMA_NS)
            for fix in (before, after)
        )
        if was != now:
            told = " becomes ".join(
                f"{(utc_ns - at) / SECOND_NS:+.2f} s ± {sigma_ns / SECOND_NS:.2f}"
                for utc_ns, sigma_ns in (was, now)
            )
            found.append(
                f"what is known of its clock changes inside it, at {format_utc(at)} as stamped: "
                f"{told}. If that is wrong, state one clock with: workbench clock set"
            )
    return found


@clock_app.command("set")
def clock_set(
    root: Root,
    camera: Annotated[str, typer.Argument(help="Id of the camera.")],
    offset: Annotated[float, typer.Option(help="Seconds to add to the camera's time.")],
    sigma: Annotated[float, typer.Option(help="How sure that is, one sigma in seconds.")],
    start: From = "",
    stop: To = "",
    note: Annotated[str, typer.Option(help="How it became known.")] = "",
) -> None:
    """State what a camera's clock was off by; the history keeps older statements."""
    wb = _open(root)
    valid = span_of(start, stop) or Span(0, LATEST_NS)
    offset, sigma = seconds_of(offset, "--offset"), seconds_of(sigma, "--sigma")
    if not sigma >= 0:
        raise BadInput(N_("the clock's sigma is negative"), N_("give seconds, for example 1"))
    offset_ns, sigma_ns = round(offset * SECOND_NS), round(sigma * SECOND_NS)
    wb.fix_clock(ClockFix(camera, valid, offset_ns, sigma_ns, "operator", note=note))
    typer.echo("recorded; the sightings of this camera now carry it")


@app.command()
def coverage(root: Root, cameras: Cameras = "") -> None:
    """Print what is recorded, camera by camera, and what other systems say they looked at."""
    wb = _open(root)
    wanted = camera_list(cameras)
    for found, said in (
        (wb.coverage(wanted), ""),
        (searched_elsewhere(wb, wanted), "  searched elsewhere"),
    ):
        for camera_id, spans in found.items():
            for span in spans:
                seconds = span.duration_ns / SECOND_NS
                typer.echo(
                    f"{camera_id}  {format_utc(span.start_ns)}  {format_utc(span.stop_ns)}  "
                    f"{seconds:.1f} s{said}"
                )


@app.command()
def verify(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT_OR_BUNDLE", help="An archive root, or a bundle.")
    ],
    key: Annotated[
        str, typer.Option(help="Of a bundle: the key it must be signed with, as the receipt says.")
    ] = "",
) -> None:
    """Re-hash and re-index every original and check the audit chain; name each finding.

    Of a bundle: compare every file with the signed manifest, and walk its log.
    """
    if is_bundle(root):
        verify_bundle(root, key)
        return
    wb = _open(root)
    findings = wb.verify()
    for sentence in findings:
        typer.echo(sentence, err=True)
    if findings:
        raise typer.Exit(1)
    typer.echo(
        f"{root}: {len(wb.segments())} files and {len(wb.audit())} log entries, all as written"
    )


@case_app.command("open")
def case_open(
    root: Root,
    case_id: Annotated[str, typer.Argument(metavar="NUMBER", help="The case's number.")],
    title: Annotated[str, typer.Option(help="What it is about.")],
    legal_basis: Annotated[str, typer.Option(help="The decision or article it rests on.")],
    reason: Reason,
    start: From,
    stop: To,
    cameras: Cameras = "",
    offence: case_files.Offence = "",
    category: case_files.CategoryKey = "",
    people: case_files.PeopleOn = "",
) -> None:
    """Record a case: the bounds of every search and view made under it, what it is about."""
    span = span_of(start, stop)
    if span is None:
        raise BadInput(N_("a case needs a period"), N_("give --from and --to"))
    listed = tuple(camera_list(cameras) or ())
    case = Case(case_id, title, legal_basis, reason, span, listed)
    named = camera_list(people) or ()
    _open(root).open_case(with_particulars(case, offence=offence, category=category, people=named))
    typer.echo(f"case {case_id} is open")


@case_app.command("list")
def case_list(root: Root) -> None:
    """Print the cases."""
    for case in _open(root).cases():
        state = "closed" if case.closed else "open"
        typer.echo(
            f"{case.case_id}  {state}  {format_utc(case.period.start_ns)}  "
            f"{format_utc(case.period.stop_ns)}  {case.category or '-'}  {case.title}"
        )


@case_app.command("close")
def case_close(
    root: Root,
    case_id: Annotated[str, typer.Argument(metavar="NUMBER", help="The case's number.")],
    reason: Reason,
) -> None:
    """Close a case: nothing more is searched or seen under it."""
    _open(root).close_case(case_id, reason)
    typer.echo(f"case {case_id} is closed")


@app.command()
def search(
    root: Root,
    plate: Annotated[str, typer.Argument(help="A plate; ? is one sign, * any, a part is enough.")],
    case: CaseId = "",
    reason: Reason = "",
) -> None:
    """Search plate reads inside a case; approximate hits are marked and show what differs."""
    hits = _open(root).search_plate(plate, Purpose(case, reason))
    if not hits:
        typer.echo("no read inside the case answers; absence of a read is not absence of a vehicle")
    for hit in hits:
        mark = "≈" if hit.approximate else "="
        differs = ", ".join(str(difference) for difference in hit.differences)
        typer.echo(f"{mark} {hit.plate:<12} {hit.sightings:>4} sightings  {differs}".rstrip())


@app.command()
def trace(
    root: Root,
    plate: Annotated[str, typer.Argument(help="A plate as it was read.")],
    case: CaseId = "",
    reason: Reason = "",
    also: Annotated[str, typer.Option(help="Other reads taken for it, comma-separated.")] = "",
    out: Annotated[Path | None, typer.Option("--json", help="Write the legs to this file.")] = None,
    chart: Annotated[
        Path | None, typer.Option("--out", help="Write the trace as .geojson, .gpkg or .kml.")
    ] = None,
) -> None:
    """Print where a plate was read and what way by road that allows. A lead, not an identity."""
    if chart is not None:
        trace_format(chart)
    wb = _open(root)
    found = wb.trace(plate, Purpose(case, reason), also=camera_list(also) or ())
    for row in found.legs.to_dict("records"):
        leg = {str(name): value for name, value in row.items()}
        start, stop = (
            format_utc(pd.Timestamp(leg[end]).as_unit("ns").value) for end in ("from_utc", "to_utc")
        )
        typer.echo(
            f"{start} {leg['from_camera']} -> {stop} {leg['to_camera']}  "
            f"{leg['elapsed_s']:.1f} s ± {leg['elapsed_sigma_s']:.1f}  "
            f"{leg['plausible']}: {explain(leg)}"
        )
    if found.sightings.empty:
        typer.echo(
            "no read inside the case is of this very plate; absence of a read is not absence of a "
            "vehicle. Parts and near reads are found with: workbench search"
        )
    typer.echo(f"{len(found.sightings)} sightings, {len(found.legs)} legs")
    for ref, count in found.sightings["model_ref"].value_counts().items():
        if one := origin(wb, str(ref)):
            typer.echo(f"{count} of them are of {one.source}, imported: {one.sha256[:12]}")
    if chart is not None:
        purpose = Purpose(case, reason)
        sure = with_belief(wb, found, believe(wb, purpose), purpose)
        count = export_trace(wb, sure, chart, purpose)
        typer.echo(f"{count} features written to {chart}")
    if out is not None:
        partial = out.with_name(out.name + ".part")
        legs = json.loads(found.legs.to_json(orient="records", date_format="iso"))
        told = basis_of(root, case, reason).facts | {"plate": plate, "legs": legs}
        partial.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
        partial.replace(out)


@app.command()
def serve(
    root: Root,
    port: Annotated[
        int, typer.Option(help="Port of the pages; the next one serves pictures.")
    ] = 5006,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate with its chain, PEM: serve over HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="No TLS beyond this machine: something in front adds it."),
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Another host name or address that others open; may be repeated."),
    ] = None,
) -> None:
    """Serve the pages: live wall, tracing, review. People sign in once the list names any."""
    from workbench.views import serve as pages

    _open(root)
    pages.check_tls(tls_cert, tls_key)
    tls = (tls_cert, tls_key) if tls_cert and tls_key else None
    pages.serve(root, port=port, address=address, tls=tls, plain=plain, names=name or ())


@app.command()
def demo(
    root: Root,
    port: Annotated[
        int, typer.Option(help="Port of the pages; the next one serves pictures.")
    ] = 5006,
    build_only: Annotated[
        bool, typer.Option("--build-only", help="Build the ward and stop, without pages.")
    ] = False,
    small: Annotated[
        bool, typer.Option("--small", help="A few cameras and half a minute, for a quick look.")
    ] = False,
) -> None:
    """Build the demonstration ward if absent, and serve it while it fills."""
    demonstration.prepare(root)
    if build_only:
        demonstration.build(root, small=small, on_progress=show)
        return
    from workbench.views import serve as pages

    with demonstration.builder(root, small=small):
        pages.serve(root, port=port, address="127.0.0.1")


@app.command()
def doctor(
    own: Annotated[
        Path | None,
        typer.Option("--models", help="A folder of your own: ROOT/models, or networks to list."),
    ] = None,
) -> None:
    """Load every model, run its self-test, show its licence, say what is missing (exit 1)."""
    from workbench import recognition

    dropped = recognition.dropped_in(own) if own is not None else []

    def told(report: recognition.ModelReport) -> None:
        typer.echo(f"{report.state:<9} {report.name}  {report.said}".rstrip())
        typer.echo(f"          {report.package} {report.installed_version}; {report.licence}")
        if report.remedy is not None:
            typer.echo(f"          {report.remedy.sentence()}", err=True)

    reports = recognition.examine(on_report=told, operators=own)
    for one in dropped:
        typer.echo(f"not used  {one.path}  sha256 {one.sha256}")
        typer.echo(f"          {one.licence}")
    facts = recognition.system_facts()
    for fact in facts:
        typer.echo(f"{'ready' if fact.ok else 'missing':<9} {fact.name}  {fact.value}")
        if fact.remedy:
            typer.echo(f"          {fact.remedy}", err=True)
    if not all(report.ok for report in reports) or any(f.needed and not f.ok for f in facts):
        raise typer.Exit(1)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(
            N_("'{text}' is no list of seeds"), N_("write it like 9001,9002"), text=text
        ) from None


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="recognition, trajectories, rendered (drawn traffic), accidents, blur, "
            "footage, ward, live or fuzz (odd input)."
        ),
    ],
    quick: Annotated[bool, typer.Option("--quick", help="A smaller run for a first look.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Score this demonstration, built already.")
    ] = None,
    only: Annotated[
        str,
        typer.Option(
            "--only",
            help="A part of live or fuzz, or parts of recognition, trajectories or accidents "
            "divided by commas.",
        ),
    ] = "",
    clips: Annotated[
        Path | None, typer.Option("--clips", help="Folder of clips for recognition.")
    ] = None,
    seeds: Annotated[
        str, typer.Option("--seeds", help="Simulated wards of trajectories, by seed.")
    ] = "9001,9002",
    minutes: Annotated[
        float, typer.Option("--minutes", help="How long fuzz tries, in all.")
    ] = 10.0,
) -> None:
    """Measure: each figure under its name, with its data named."""
    from workbench import bench as benches

    figures = benches.run(
        name,
        quick=quick,
        root=root,
        only=only,
        clips=clips,
        seeds=_numbers(seeds),
        minutes=minutes,
    )
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    typer.echo(text)
    if out is not None:
        partial = out.with_name(out.name + ".part")
        partial.write_text(text)
        partial.replace(out)
