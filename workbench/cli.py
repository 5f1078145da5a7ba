"""The command line: each command is one verb of the facade, printed.

Exit status: 0 done; 1 something was found (damage, a failed span, a fault in the ward's tables);
2 the input cannot be used; 3 refused. A user's mistake gets one sentence on standard error.
"""

from __future__ import annotations

import json
import math
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench import demonstration
from workbench.errors import N_, BadInput, Refused, WorkbenchError
from workbench.investigation import Workbench, open_workbench
from workbench.monitoring import CameraStatus, open_monitoring
from workbench.records import Case, Progress, Purpose
from workbench.timeline import SECOND_NS, ClockFix, Span, format_utc, parse_instant
from workbench.views.account import account
from workbench.views.text import DEFAULT_LANGUAGE, translator

FASTEST = 1000
"""Frames a second that no camera of a street exceeds."""
LATEST_NS = 2**63 - 1
MOST_SECONDS = 100 * 366 * 86_400.0

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
app.add_typer(clock_app, name="clock")

Root = Annotated[Path, typer.Argument(help="Folder the workbench keeps everything in.")]
CaseId = Annotated[str, typer.Option("--case", help="Number of the open case this belongs to.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in words; kept in the audit log.")]
Cameras = Annotated[
    str, typer.Option("--cameras", help="Camera ids, comma-separated; all if empty.")
]
From = Annotated[str, typer.Option("--from", help="Start, like 2026-11-20T07:15:00+07:00.")]
To = Annotated[str, typer.Option("--to", help="End, written like the start.")]


def _open(root: Path) -> Workbench:
    return open_workbench(root, actor=account())


def _cameras(text: str) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] or None


def _span(start: str, stop: str) -> Span | None:
    if not start and not stop:
        return None
    return Span(
        _instant(start, "--from") if start else 0,
        _instant(stop, "--to") if stop else LATEST_NS,
    )


def _instant(text: str, option: str) -> int:
    instant = parse_instant(text, where=option)
    if not 0 <= instant < LATEST_NS:
        raise BadInput(
            N_("'{text}' is not a time that can be kept"),
            N_("give one from 1970 to 2261"),
            where=option,
            text=text,
        )
    return instant


def _seconds(value: float, option: str) -> float:
    if not math.isfinite(value) or abs(value) > MOST_SECONDS:
        raise BadInput(
            N_("{value} is no number of seconds for a clock"),
            N_("give one up to {most:.0f}, for example 1.5"),
            where=option,
            value=value,
            most=MOST_SECONDS,
        )
    return value


def _rate(text: str) -> Fraction | None:
    if not text:
        return None
    try:
        # no exponents: a few signs could stand for a number that fills the memory
        rate = Fraction(text if len(text) <= 20 and "e" not in text.lower() else "0")
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= FASTEST:
        raise BadInput(
            N_("'{text}' is no frame rate"),
            N_("write frames a second, for example 12.5 or 30000/1001"),
            where="--rate",
            text=text,
        )
    return rate


def _show(progress: Progress) -> None:
    """Show progress on standard error: one line rewritten on a terminal, a line each elsewhere."""
    share = f"{progress.done:.2f} of {progress.total:.2f} {progress.unit}  {progress.text}"
    sys.stderr.write(f"\r{share:<78}" if sys.stderr.isatty() else share.rstrip() + "\n")
    sys.stderr.flush()


def _stop(stopped: list[int], number: int) -> None:
    if stopped:
        raise KeyboardInterrupt
    stopped.append(number)


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

    folder = folder / "ward" if (folder / "ward").is_dir() else folder
    findings = ward.check(folder)
    for finding in findings:
        mark = "advice: " if isinstance(finding, ward.Advice) else ""
        typer.echo(mark + finding.sentence(), err=True)
    if any(not isinstance(finding, ward.Advice) for finding in findings):
        raise typer.Exit(1)
    checked = ward.load(folder)
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
    clock_offset: Annotated[float, typer.Option(help="Seconds to add to the camera's time.")] = 0.0,
    clock_sigma: Annotated[
        float, typer.Option(help="How sure that is, one sigma in seconds.")
    ] = 1.0,
    read_clock: Annotated[
        bool, typer.Option("--read-clock", help="Measure the clock from the burnt-in time.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Take footage into the archive: hashed, indexed, untouched, read-only."""
    start_ns = _instant(start, "--start")
    override = _rate(rate)
    clock_offset = _seconds(clock_offset, "--clock-offset")
    clock_sigma = _seconds(clock_sigma, "--clock-sigma")
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
        for note in segment.notes:
            typer.echo(f"  note: {note}")
        if read_clock:
            fix = wb.read_clock(segment.sha256)
            typer.echo(
                f"  burnt-in clock: offset {fix.offset_ns / SECOND_NS:+.2f} s, "
                f"sigma {fix.sigma_ns / SECOND_NS:.2f} s"
                if fix
                else "  burnt-in clock: none could be read"
            )
    for sentence in done.refused:
        typer.echo(sentence, err=True)
    if not done.segments:
        raise BadInput(N_("nothing in it could be taken in"), where=str(footage))
    if done.refused:
        raise typer.Exit(1)


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
    valid = _span(start, stop) or Span(0, LATEST_NS)
    offset, sigma = _seconds(offset, "--offset"), _seconds(sigma, "--sigma")
    if not sigma >= 0:
        raise BadInput(N_("the clock's sigma is negative"), N_("give seconds, for example 1"))
    offset_ns, sigma_ns = round(offset * SECOND_NS), round(sigma * SECOND_NS)
    wb.fix_clock(ClockFix(camera, valid, offset_ns, sigma_ns, "operator", note=note))
    typer.echo("recorded; the sightings of this camera now carry it")


@app.command()
def coverage(root: Root, cameras: Cameras = "") -> None:
    """Print what is recorded, camera by camera."""
    wb = _open(root)
    for camera_id, spans in wb.coverage(_cameras(cameras)).items():
        for span in spans:
            seconds = span.duration_ns / SECOND_NS
            typer.echo(
                f"{camera_id}  {format_utc(span.start_ns)}  {format_utc(span.stop_ns)}  "
                f"{seconds:.1f} s"
            )


@app.command()
def verify(root: Root) -> None:
    """Re-hash and re-index every original and check the audit chain; name each finding."""
    wb = _open(root)
    findings = wb.verify()
    for sentence in findings:
        typer.echo(sentence, err=True)
    if findings:
        raise typer.Exit(1)
    typer.echo(
        f"{root}: {len(wb.segments())} files and {len(wb.audit())} log entries, all as written"
    )


@app.command()
def recognise(
    root: Root,
    cameras: Cameras = "",
    start: From = "",
    stop: To = "",
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler; a local cluster if empty.")
    ] = "",
    workers: Annotated[
        int, typer.Option(help="Local worker processes; 0 runs in this one, -1 one a core.")
    ] = -1,
) -> None:
    """Find the passes in archived footage; running it again writes the same rows."""
    wb = _open(root)
    stopped: list[int] = []
    # The first Ctrl-C ends the run after storing what is done; a second one ends the process.
    before = signal.signal(signal.SIGINT, lambda number, _frame: _stop(stopped, number))
    try:
        summary = wb.recognise(
            _cameras(cameras),
            _span(start, stop),
            scheduler=scheduler or None,
            workers=None if workers < 0 else workers,
            on_progress=_show,
            cancelled=lambda: bool(stopped),
        )
    finally:
        signal.signal(signal.SIGINT, before)
    for sentence in summary.failed:
        typer.echo(sentence, err=True)
    typer.echo(
        f"{summary.done} of {summary.jobs} spans searched, {summary.sightings} sightings, "
        f"{len(summary.failed)} failed"
    )
    if summary.cancelled:
        typer.echo("stopped before the end; run it again to go on", err=True)
    if summary.failed or summary.cancelled:
        raise typer.Exit(1)


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
) -> None:
    """Record a case: the bounds of every search and view made under it."""
    span = _span(start, stop)
    if span is None:
        raise BadInput(N_("a case needs a period"), N_("give --from and --to"))
    listed = tuple(_cameras(cameras) or ())
    _open(root).open_case(Case(case_id, title, legal_basis, reason, span, listed))
    typer.echo(f"case {case_id} is open")


@case_app.command("list")
def case_list(root: Root) -> None:
    """Print the cases."""
    for case in _open(root).cases():
        state = "closed" if case.closed else "open"
        typer.echo(
            f"{case.case_id}  {state}  {format_utc(case.period.start_ns)}  "
            f"{format_utc(case.period.stop_ns)}  {case.title}"
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
) -> None:
    """Print where a plate was read and what way by road that allows. A lead, not an identity."""
    found = _open(root).trace(plate, Purpose(case, reason), also=_cameras(also) or ())
    for leg in found.legs.itertuples():
        typer.echo(
            f"{leg.from_utc:%H:%M:%S} {leg.from_camera} -> {leg.to_utc:%H:%M:%S} {leg.to_camera}  "
            f"{leg.elapsed_s:.1f} s ± {leg.elapsed_sigma_s:.1f}  {leg.plausible}: {leg.reason}"
        )
    typer.echo(f"{len(found.sightings)} sightings, {len(found.legs)} legs")
    if out is not None:
        partial = out.with_name(out.name + ".part")
        partial.write_text(found.legs.to_json(orient="records", date_format="iso", indent=1))
        partial.replace(out)


@app.command()
def serve(
    root: Root,
    port: Annotated[
        int, typer.Option(help="Port of the pages; the next one serves pictures.")
    ] = 5006,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    users: Annotated[
        Path | None, typer.Option(help="JSON file of names and passwords; needed beyond loopback.")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Another host name or address that others open; may be repeated."),
    ] = None,
) -> None:
    """Serve the pages: live wall, tracing, review."""
    from workbench.views import serve as pages

    _open(root)
    pages.serve(root, port=port, address=address, users=users, names=name or ())


@app.command()
def record(
    root: Root,
    cameras: Cameras = "",
    segment: Annotated[
        float, typer.Option("--segment", help="Length of one file, in seconds; 10 to 60 is usual.")
    ] = 30.0,
) -> None:
    """Record the ward's cameras into the archive until stopped with Ctrl-C."""
    # causes are for the officers of the centre: in their language
    house = open_monitoring(root, actor=account(), translate=translator(DEFAULT_LANGUAGE))
    pressed: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: pressed.append(number))
    shown = {"line": ""}

    def tell(status: Mapping[str, CameraStatus]) -> None:
        states = Counter(camera.state for camera in status.values())
        line = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        if line != shown["line"]:
            shown["line"] = line
            sys.stderr.write(f"{format_utc(house.now())}  {line}\n")

    house.record(
        _cameras(cameras), segment_s=segment, stopped=lambda: bool(pressed), on_status=tell
    )


@app.command()
def health(root: Root) -> None:
    """Say how each camera is; exit 1 where one is lost or faulty, or no recorder runs."""
    house = open_monitoring(root, actor=account())
    at_ns, status = house.status()
    if not house.is_recording():
        since = f" since {format_utc(at_ns)}" if at_ns else ""
        typer.echo(f"no recorder runs{since}; start it with: workbench record {root}", err=True)
    waiting, trouble = house.waiting()
    if trouble:
        typer.echo(f"{waiting} wait for the archive: {trouble}", err=True)
    for camera_id, camera in status.items():
        told = f"{camera.state:<10} {camera_id:<8} since {format_utc(camera.since_ns)}"
        told += f"  {camera.fps:4.1f} fps {camera.kbit_s:7.0f} kbit/s" if camera.fps else ""
        told += f"  {camera.cause}: {camera.detail}" if camera.cause else ""
        told += f"  {', '.join(camera.faults)}" if camera.faults else ""
        told += f"  {camera.why}" if camera.why else ""
        typer.echo(told)
    sound = all(one.state == "recording" and not one.faults for one in status.values())
    if not house.is_recording() or not sound or trouble:
        raise typer.Exit(1)


@app.command()
def reference(
    root: Root,
    camera: Annotated[str, typer.Argument(help="Camera id.")],
    light: Annotated[Literal["day", "night"], typer.Option(help="A camera may have one of each.")],
) -> None:
    """Take a camera's last recorded minute as what it should look like from now on."""
    open_monitoring(root, actor=account()).set_reference(camera, light)


@app.command()
def gaps(root: Root, start: From, stop: To, cameras: Cameras = "") -> None:
    """List what was not recorded between two instants, and why; exit 1 where a cause is unknown."""
    house = open_monitoring(root, actor=account())
    span = Span(_instant(start, "--from"), _instant(stop, "--to"))
    found = house.gaps(span, _cameras(cameras))
    for gap in found:
        length = f"{gap.span.duration_ns / SECOND_NS:9.1f} s"
        why = gap.losses[0].detail if gap.losses else ""
        typer.echo(
            f"{gap.camera_id:<8} {format_utc(gap.span.start_ns)} {length}  "
            f"{gap.cause or 'unknown'}  {why}".rstrip()
        )
    typer.echo(f"{len(found)} gaps", err=True)
    if any(gap.cause is None for gap in found):
        raise typer.Exit(1)


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
        demonstration.build(root, small=small, on_progress=_show)
        return
    from workbench.views import serve as pages

    with demonstration.builder(root, small=small):
        pages.serve(root, port=port, address="127.0.0.1", users=None)


@app.command()
def doctor() -> None:
    """Load every model, run its self-test, show its licence, say what is missing."""
    from workbench import recognition

    def told(report: recognition.ModelReport) -> None:
        typer.echo(f"{report.state:<9} {report.name}  {report.said}".rstrip())
        typer.echo(f"          {report.package} {report.installed_version}; {report.licence}")
        if report.remedy is not None:
            typer.echo(f"          {report.remedy.sentence()}", err=True)

    reports = recognition.examine(on_report=told)
    facts = recognition.system_facts()
    for fact in facts:
        typer.echo(f"{'ready' if fact.ok else 'missing':<9} {fact.name}  {fact.value}")
        if fact.remedy:
            typer.echo(f"          {fact.remedy}", err=True)
    if not all(report.ok for report in reports) or any(f.needed and not f.ok for f in facts):
        raise typer.Exit(1)


@app.command()
def bench(
    name: Annotated[
        str, typer.Argument(help="footage (real clips), ward (demonstration) or live (recording).")
    ],
    quick: Annotated[bool, typer.Option("--quick", help="A smaller run for a first look.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    root: Annotated[
        Path | None, typer.Option("--root", help="Score this demonstration, built already.")
    ] = None,
) -> None:
    """Measure: each figure under its name, with its data named."""
    from workbench import bench as benches

    figures = benches.run(name, quick=quick, root=root)
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    typer.echo(text)
    if out is not None:
        partial = out.with_name(out.name + ".part")
        partial.write_text(text)
        partial.replace(out)


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence, not in a traceback."""
    try:
        app()
    except Refused as refusal:
        sys.stderr.write(f"refused: {refusal.sentence()}\n")
        sys.exit(3)
    except WorkbenchError as error:
        sys.stderr.write(f"{error.sentence()}\n")
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"{where}{error.strerror or error}.\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
