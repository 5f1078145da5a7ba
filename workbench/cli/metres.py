"""Commands of metres and speeds: calibrate a camera, measure a track."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from workbench import investigation
from workbench.cli.options import CaseId, Reason, Root, instant_of, rate_of
from workbench.collisions import steps as hand
from workbench.collisions.sheets import read_lengths
from workbench.errors import N_, BadInput
from workbench.investigation import Calibrated, Measured, Track, Workbench, open_workbench
from workbench.investigation.measured_paper import refuse_taken
from workbench.records import Purpose
from workbench.timeline import local_text
from workbench.views.account import account
from workbench.views.text import DEFAULT_LANGUAGE, translator

app = typer.Typer()
_MOST_BYTES = 4_000_000

CameraId = Annotated[str, typer.Option("--camera", help="Camera id, with --at or --segment.")]
At = Annotated[str, typer.Option("--at", help="An instant, like 2026-11-20T07:15:00+07:00.")]
SegmentId = Annotated[
    str, typer.Option("--segment", help="Hash of the archived file, or its start.")
]
Fps = Annotated[
    str, typer.Option("--fps", help="Frames a second, where you know better than the file.")
]
Named = Annotated[
    str, typer.Option("--calibration", help="Which one, by its name; else the one in force then.")
]
Compared = Annotated[
    str,
    typer.Option("--compared", help="Who compared the view by eye, and how, if no computer can."),
]


Kept = Annotated[
    str, typer.Option("--kept", help="A track kept with the case, by its id, like DD-1.")
]


@app.command()
def calibrate(
    root: Root,
    camera: Annotated[str, typer.Argument(help="Camera id.")],
    points: Annotated[
        Path | None,
        typer.Argument(help="CSV of points; without points and lengths: list what is kept."),
    ] = None,
    lengths: Annotated[
        Path | None,
        typer.Option("--lengths", help="CSV of known lengths, with the points or alone."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Still they were picked in, PNG or JPEG.")
    ] = None,
    at: Annotated[
        str,
        typer.Option("--at", help="Instant of that still; without --picture it is taken from the "
                     "archive, for a case."),
    ] = "",
    case: CaseId = "",
    reason: Reason = "",
    crs: Annotated[
        str, typer.Option("--crs", help="Projected system of east_m, north_m, like EPSG:32648.")
    ] = "",
    pick: Annotated[float, typer.Option("--pick", help="One sigma of a pick, in pixels.")] = 1.0,
    note: Annotated[str, typer.Option("--note", help="How the points were got, in words.")] = "",
) -> None:  # fmt: skip
    """Fit pixels to metres by points, print how well they agree, and keep them with the camera.

    Columns: x_px, y_px; lon_deg, lat_deg or east_m, north_m; optional kind (surveyed or map; map
    where left out) and sigma_m. At least 6 points; the reason stands where they are refused.
    --lengths: x1_px, y1_px, x2_px, y2_px, length_m; optional sigma_m and use (fit or check; fit
    where left out). Alone at least 8, along and across the road: then no place and no north.
    """
    wb = open_workbench(root, actor=account())
    if points is None and lengths is None:
        found = investigation.calibrations(wb, camera)
        for one in found:
            typer.echo(_line(one))
        typer.echo(f"{len(found)} calibrations of {camera}", err=True)
        return
    if not math.isfinite(pick) or not 0 < pick <= 50:
        raise BadInput(N_("{value} is no error of a pick"), N_("give pixels, for example 1"),
                       where="--pick", value=pick)  # fmt: skip
    pairs, system = (
        investigation.check_points(wb, camera, _text(points), where=points.name, crs=crs)
        if points is not None
        else ([], "")
    )
    known = read_lengths(_text(lengths), where=lengths.name) if lengths is not None else []
    done = investigation.calibrate(
        wb, camera, pairs, crs=system, lengths=known, picture=picture,
        at_ns=instant_of(at, "--at") if at else None, purpose=Purpose(case, reason),
        pick_sigma_px=pick, note=note,
    )  # fmt: skip
    if pairs:
        typer.echo("point  kind      sigma m  off px   off m  left out m")
    for number, (pair, px, m, left) in enumerate(
        zip(
            pairs, done.model.residual_px, done.model.residual_m, done.model.left_out_m, strict=True
        ),
        start=1,
    ):
        out = "  cannot be" if math.isnan(left) else f"{left:11.2f}"
        typer.echo(f"{number:>5}  {pair.kind:<8} {pair.error_m:8.2f} {px:7.1f} {m:7.2f} {out}")
    if known:
        typer.echo("length  use    metres  sigma m   off m   off %  left out m  left out %")
    for number, (each, off, left) in enumerate(
        zip(known, done.model.length_off_m, done.model.length_left_out_m, strict=True), start=1
    ):
        out = "  cannot be" if math.isnan(left) else f"{left:+11.2f} {left / each.length_m:+11.1%}"
        typer.echo(
            f"{number:>6}  {each.use:<5} {each.length_m:7.2f} {each.sigma_m:8.2f} {off:+7.2f} "
            f"{off / each.length_m:+7.1%} {out}"
        )
    if done.model.inflation > 1:
        typer.echo(
            f"points disagree by more than stated: errors raised x {done.model.inflation:.1f}"
        )
    if done.model.lens:
        typer.echo(f"lens distortion fitted: corners move by {done.model.lens:+.1%}")
    typer.echo(_line(done))


@app.command()
def speed(
    root: Root,
    case: CaseId = "",
    reason: Reason = "",
    sighting: Annotated[
        str, typer.Option("--sighting", help="Id of a sighting: its boxes, or the file of --track.")
    ] = "",
    camera: CameraId = "",
    at: At = "",
    segment: SegmentId = "",
    track: Annotated[
        Path | None, typer.Option("--track", help="CSV of pts, x_px, y_px: wheels on the road.")
    ] = None,
    steps: Annotated[
        Path | None, typer.Option("--steps", help="JSON of corrections by hand (accidents.md).")
    ] = None,
    omit: Annotated[
        list[int] | None,
        typer.Option("--omit", help="PTS of a frame whose point is not to be used; repeatable."),
    ] = None,
    kept: Kept = "",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the track and its corrections with the case.")
    ] = False,
    undo: Annotated[
        int,
        typer.Option("--undo", help="Take this step of the --kept track back; --reason says why."),
    ] = 0,
    fps: Fps = "",
    calibration: Named = "",
    compared: Compared = "",
    sigma_px: Annotated[
        float, typer.Option("--sigma-px", help="One sigma of a contact point, in pixels.")
    ] = 2.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it here: .pdf, .html or .csv.")
    ] = None,
) -> None:
    """Say how fast a vehicle was, with 95 % intervals: to clarify what happened, not for a fine.

    Refused without a calibration, and where the camera has moved since.
    """
    wb = open_workbench(root, actor=account())
    purpose = Purpose(case, reason)
    if out is not None:
        refuse_taken(out, (".csv", ".html", ".pdf"))
    if not math.isfinite(sigma_px) or not 0.1 <= sigma_px <= 50:
        raise BadInput(N_("{value} is no error of a contact point"), N_("give pixels, 0.1 to 50"),
                       where="--sigma-px", value=sigma_px)  # fmt: skip
    if undo and not kept:
        raise BadInput(N_("only a step of a kept track can be taken back"), N_("give --kept DD-1"),
                       where="--undo")  # fmt: skip
    if undo:
        one = investigation.undo_step(wb, kept, undo, reason, purpose)
    elif kept:
        one = investigation.kept_track(wb, kept, purpose)
    else:
        one = track_of(
            wb, purpose, sighting=sighting, camera=camera, at=at, segment=segment, file=track
        )
    if steps is not None:
        one = investigation.corrected(one, hand.from_json(_text(steps)))
    if omit:
        done_now = [hand.Omit(pts, wb.actor, wb.now(), reason) for pts in omit]
        one = investigation.corrected(one, done_now)
    if keep:
        one = investigation.keep_track(wb, one, purpose)
        typer.echo(f"kept in case {case} as {one.kept}", err=True)
    done = investigation.measure(
        wb, one, purpose, fps=rate_at(fps), calibration=calibration, compared=compared,
        sigma_px=sigma_px,
    )  # fmt: skip
    for line in lines_of(done):
        typer.echo(line)
    if out is not None:
        investigation.write_measured(wb, done, out, translator(DEFAULT_LANGUAGE))
        typer.echo(f"written to {out}", err=True)


@app.command()
def papers(
    root: Root,
    out: Annotated[Path, typer.Argument(help="Folder to write the drafts into; made if missing.")],
    case: CaseId = "",
    reason: Reason = "",
    tracks: Annotated[
        list[Path] | None,
        typer.Option("--track", help="CSV of pts, x_px, y_px, one a vehicle, named by its file."),
    ] = None,
    sightings: Annotated[
        list[str] | None, typer.Option("--sighting", help="Id of a sighting; may be repeated.")
    ] = None,
    kept: Annotated[
        list[str] | None,
        typer.Option("--kept", help="A track kept with the case, like DD-1; may be repeated."),
    ] = None,
    camera: CameraId = "",
    at: At = "",
    segment: SegmentId = "",
    place: Annotated[
        str, typer.Option("--place", help="Where it happened, as the form says.")
    ] = "",
    fps: Fps = "",
    calibration: Named = "",
    compared: Compared = "",
) -> None:
    """Draft the scene diagram (to scale) and the photo sheet of an accident, as SVG and PDF.

    After forms 06 and 07 of Circular 72/2024/TT-BCA; an officer checks, completes and signs them.
    """
    wb = open_workbench(root, actor=account())
    purpose = Purpose(case, reason)
    found = [
        track_of(wb, purpose, sighting=one, camera="", at="", segment="", file=None)
        for one in sightings or ()
    ]
    found += [
        track_of(wb, purpose, sighting="", camera=camera, at=at, segment=segment, file=one)
        for one in tracks or ()
    ]
    found += [investigation.kept_track(wb, one, purpose) for one in kept or ()]
    done = [
        investigation.measure(
            wb, one, purpose, fps=rate_at(fps), calibration=calibration, compared=compared
        )
        for one in found
    ]
    translate = translator(DEFAULT_LANGUAGE)
    for path in investigation.write_papers(wb, done, out, translate, place=place):
        typer.echo(str(path))


def track_of(
    wb: Workbench, purpose: Purpose, *, sighting: str, camera: str, at: str, segment: str,
    file: Path | None,
) -> Track:  # fmt: skip
    """Return the track that a command's options name."""
    if sighting:
        found = investigation.track_of_sighting(wb, sighting, purpose)
        if file is None:
            return found
        return investigation.track_of_sheet(
            found.segment, _text(file), where=file.name, name=file.stem
        )
    if file is None or not (segment or (camera and at)):
        raise BadInput(
            N_("it is not said what to measure"),
            N_("give --sighting ID, or --track FILE with --segment, or with --camera and --at"),
        )
    if segment:
        known = wb.segment(segment)
    else:
        known, _ = investigation.frame_at(wb, camera, instant_of(at, "--at"))
    if camera and known.camera_id != camera:
        raise BadInput(
            N_("this file is of camera {other}"), N_("leave --camera out, or name that one"),
            where=segment, other=known.camera_id,
        )  # fmt: skip
    return investigation.track_of_sheet(known, _text(file), where=file.name, name=file.stem)


def lines_of(done: Measured) -> list[str]:
    """Return a measured speed as lines."""
    note, *said = investigation.statements_of(done, str)
    start = local_text(int(done.utc_ns[0]))
    low, middle, high = done.motion.mean_speed_km_h.tolist()
    lines = [
        note,
        f"{done.camera_id} from {start} for {done.motion.time_s[-1]:.2f} s, {len(done.pts)} frames",
        f"mean speed {middle:.1f} km/h, 95 % interval {low:.1f} to {high:.1f}",
        "   s      km/h  (95 %)            m/s2  (95 %)",
    ]
    count = len(done.pts)
    for k in sorted({round(i * (count - 1) / 9) for i in range(10)}):
        speeds, pushes = done.motion.speed_km_h[:, k], done.motion.acceleration_m_s2[:, k]
        lines.append(
            f"{done.motion.time_s[k]:6.2f}  {speeds[1]:6.1f}  ({speeds[0]:.1f} to {speeds[2]:.1f})"
            f"  {pushes[1]:+6.1f}  ({pushes[0]:+.1f} to {pushes[2]:+.1f})"
        )
    return lines + said


def rate_at(text: str) -> Fraction | None:
    """Return what --fps says; the sentence names that option."""
    try:
        return rate_of(text)
    except BadInput as error:
        raise BadInput(error.what, error.remedy, where="--fps", **error.fields) from None


def _line(one: Calibrated) -> str:
    return "; ".join(words.sentence() for words in (one.words, *one.length_words))


def _text(path: Path) -> str:
    if path.is_file() and path.stat().st_size > _MOST_BYTES:
        raise BadInput(N_("this file is too large for a table"), N_("is it another file?"),
                       where=str(path))  # fmt: skip
    try:
        return path.read_text(encoding="utf-8-sig")
    except ValueError:
        raise BadInput(N_("this file is no text in UTF-8"), N_("save it as CSV, UTF-8"),
                       where=str(path)) from None  # fmt: skip
