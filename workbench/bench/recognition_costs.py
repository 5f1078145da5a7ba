"""What recognition costs beside decoding: CPU seconds of one thread, taken side by side.

Every ratio is between numbers of the same clip, the same process and the same minutes: decoding and
the engine take turns, and which begins changes from round to round.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from workbench import recognition
from workbench.bench.recognition_drawn import in_sight, passes_of
from workbench.bench.recognition_match import paired, reliability, share
from workbench.bench.recognition_rig import Clip, Figures, Rig, Row, run, sweep_of, trails_of
from workbench.errors import WorkbenchError
from workbench.recognition.clock.overlay import TextReader, open_clock_reader
from workbench.recognition.types import RGB, Detection
from workbench.recognition.types import clip as corners_of

ROUNDS, QUICK_ROUNDS = 3, 1
FRAMES_DETECTED, QUICK_FRAMES_DETECTED = 40, 8
CROPS_READ, QUICK_CROPS_READ = 12, 3
CAMERAS, HOURS, CORES = 10, 2.0, 2


def cost(rig: Rig) -> Figures:
    """Return, for each clip, decoding, the naive loop, the engine and its sweep, in CPU seconds."""
    clips = [
        ("mixed street, drawn", rig.mixed_street),
        ("mixed street, with a camera's noise and bit rate", rig.sensor_street),
        ("busy scene, drawn", rig.busy),
        ("busy scene, with a camera's noise and bit rate", rig.sensor_busy),
    ]
    clips += [(f"{one.name}, real", one) for one in real_clips(rig)]
    figures: Figures = {
        "data": "drawn clips: H.264, key frames every 2 s, seeds in bench/recognition_drawn.py; "
        "real clips: --clips, else the footage beside the checkout",
        "measured": "CPU (user and system) of this process, one thread; medians of rounds that "
        "take turns; plates read and faces found, embeddings left to a case",
    }
    reader = _reader()
    for name, clip in clips:
        figures[name] = cost_of(rig, clip, reader)
    return figures


def real_clips(rig: Rig) -> list[Clip]:
    """Return the videos of ``--clips``, else those of the footage; in --quick the shortest one."""
    paths: list[Path] = []
    if rig.clips is not None:
        paths = sorted(p for p in rig.clips.iterdir() if p.suffix.lower() in _VIDEOS)
    elif rig.footage is not None:
        wanted = ("opencv_vtest/vtest.avi", "intel_video/car-detection.mp4",
                  "intel_video/one-by-one-person-detection.mp4")  # fmt: skip
        paths = [rig.footage / name for name in wanted]
    if rig.quick:
        paths = sorted(paths, key=lambda p: p.stat().st_size)[:1]
    return [rig.take_once(path) for path in paths]


_VIDEOS = {".mp4", ".avi", ".mkv", ".mov", ".h264", ".ts", ".m4v", ".webm"}


def cost_of(rig: Rig, clip: Clip, reader: Callable[[RGB], object] | None) -> Figures:
    """Return the costs of one clip."""
    rounds = QUICK_ROUNDS if rig.quick else ROUNDS
    ways: dict[str, Callable[[], float]] = {
        "pure decode": lambda: decode_s(clip.path),
        "product": lambda: run(clip, rig.settings, rig.models)[1],
        "sweep": lambda: sweep_of(clip, rig.settings)[1],
    }
    decode_s(clip.path)  # the file is in memory, as it is for all that follow
    taken = in_turns(ways, rounds)
    ratios = {
        name: median(s / d for s, d in zip(taken[name], taken["pure decode"], strict=True))
        for name in ways
    }
    rows, _ = run(clip, rig.settings, rig.models)
    naive = naive_loop(rig, clip, reader)
    decoded = median(taken["pure decode"])
    figures: Figures = {
        "footage s": round(clip.footage_s, 1),
        "picture": f"{clip.segment.width_px}x{clip.segment.height_px} {clip.segment.codec}, "
        f"{clip.fps:.1f} fps, {clip.segment.size_bytes * 8e-6 / clip.footage_s:.1f} Mbit/s",
        "pure decode CPU s": round(decoded, 2),
        "pure decode ms a frame": round(1000 * decoded / len(clip.index), 2),
        "product CPU s": round(median(taken["product"]), 2),
        "product over decode": round(ratios["product"], 2),
        "product over decode, each round": [
            round(s / d, 2) for s, d in zip(taken["product"], taken["pure decode"], strict=True)
        ],
        "sweep over decode": round(ratios["sweep"], 3),
        "product CPU s an hour": round(3600 * median(taken["product"]) / clip.footage_s, 1),
        "rows, moving / standing": [
            sum(row["moving"] for row in rows), sum(not row["moving"] for row in rows),
        ],
        "naive": {name: _over(value, decoded) for name, value in naive.items()},
    }  # fmt: skip
    figures["sweep CPU s an hour"] = round(3600 * median(taken["sweep"]) / clip.footage_s, 1)
    if clip.truth is not None:
        active, movers = in_sight(list(clip.truth), len(clip.index))
        figures["share of frames with something in sight"] = round(active, 2)
        figures["things in sight, mean"] = round(movers, 1)
        figures["things on the move, hidden ones too, mean"] = round(
            sum(len(one.frames) for one in clip.truth) / len(clip.index), 1
        )
        figures["plates by track"] = plates_by_track(clip, rows)
    return figures


def _over(value: object, decoded: float) -> object:
    return round(value / decoded, 1) if isinstance(value, float) else value


def in_turns(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run each way once a round, the order reversed from round to round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for n in range(rounds):
        for name in list(ways)[:: -1 if n % 2 else 1]:
            taken[name].append(ways[name]())
    return taken


def decode_s(path: Path) -> float:
    """Return the CPU seconds of decoding every frame with one thread, nothing converted."""
    began = time.process_time()
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        for _ in container.decode(stream):
            pass
    return time.process_time() - began


def naive_loop(rig: Rig, clip: Clip, reader: Callable[[RGB], object] | None) -> Figures:
    """Return CPU seconds of the loop everybody writes first; detector and OCR are sampled.

    Reading the whole clip with OpenCV is measured in full. Detection is measured on frames evenly
    over the clip and OCR on some of what was detected there; both are extrapolated.
    """
    frames_wanted = QUICK_FRAMES_DETECTED if rig.quick else FRAMES_DETECTED
    crops_wanted = QUICK_CROPS_READ if rig.quick else CROPS_READ
    count = len(clip.index)
    wanted = set(np.linspace(0, count - 1, min(frames_wanted, count)).round().astype(int).tolist())
    capture = cv2.VideoCapture(str(clip.path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    kept: list[RGB] = []
    reading, number = 0.0, 0
    try:
        while True:
            began = time.process_time()
            ok, frame = capture.read()
            reading += time.process_time() - began
            if not ok:
                break
            if number in wanted:
                kept.append(np.ascontiguousarray(frame[:, :, ::-1]))
            number += 1
    finally:
        capture.release()
    if not kept:
        return {"failed": "OpenCV reads no frame of it"}
    rig.models.detect(kept[0])
    began = time.process_time()
    seen: list[list[Detection]] = [rig.models.detect(picture) for picture in kept]
    detecting = (time.process_time() - began) / len(kept) * number
    crops = [
        picture[top:bottom, left:right]
        for picture, found in zip(kept, seen, strict=True)
        for one in found
        if one.kind != "person"
        for left, top, right, bottom in [corners_of(one.box, picture)]
    ]
    chosen = crops[:: max(1, len(crops) // crops_wanted)][:crops_wanted]
    figures: Figures = {
        "reading": reading,
        "reading and detecting": reading + detecting,
        "frames detected of": [len(kept), number],
        "vehicles a frame": round(len(crops) / len(kept), 2),
        "crops read": len(chosen),
    }
    if reader is not None and chosen:
        reader(chosen[0])
        began = time.process_time()
        for crop in chosen:
            reader(np.ascontiguousarray(crop))
        each = (time.process_time() - began) / len(chosen)
        figures["reading, detecting and OCR of each vehicle, extrapolated"] = (
            reading + detecting + each * len(crops) / len(kept) * number
        )
    return figures


def _reader() -> TextReader | None:
    """Return stock EasyOCR, or None where it is not installed."""
    try:
        return open_clock_reader()
    except WorkbenchError:
        return None


def plates_by_track(clip: Clip, rows: list[Row]) -> Figures:
    """Return how the plates of the true passes were read; all plates count that a pass carries.

    A plate seen from its far side, too small or cut is a plate nobody reads: the share read of all
    is low by nature; what counts is that reads are right and that near ones are read.
    """
    truth = passes_of(list(clip.truth or ()), clip.fps)
    moving = [row for row in rows if row["moving"]]
    pairs = paired(truth, trails_of(rows, clip.index))
    claims: list[tuple[float, bool]] = []
    for true, j in zip(truth, pairs, strict=True):
        if j is not None and moving[j]["plate"]:
            right = moving[j]["plate"] == clip.plates.get(true.name, "")
            claims.append((moving[j]["plate_score"], right))
    sure = [right for claim, right in claims if claim >= 0.95]
    return {
        "true passes": len(truth),
        "found": sum(j is not None for j in pairs),
        "with a plate read": len(claims),
        "read exactly": share(sum(right for _, right in claims), len(claims)),
        "claimed >= .95 and right": share(sum(sure), len(sure)),
        "reliability": reliability([c for c, _ in claims], [r for _, r in claims]),
    }


def two_workers(rig: Rig) -> Figures:
    """Return the wall time of one Dask worker over that of two, on the same jobs."""
    clip = rig.mixed_street
    short = 5.0 if rig.quick else 10.0
    jobs = clip.jobs(_with_span(rig.settings, short))
    jobs = jobs * (1 if rig.quick else max(1, round(24 / len(jobs))))
    load = os.getloadavg()[0]
    walls: dict[int, list[float]] = {1: [], 2: []}
    steady: dict[int, list[float]] = {1: [], 2: []}
    for n in range(1 if rig.quick else 2):
        for workers in (1, 2)[:: -1 if n % 2 else 1]:
            ends: list[float] = []
            began = time.perf_counter()
            recognition.recognise(
                jobs,
                workers=workers,
                on_result=lambda _result, e=ends: e.append(time.perf_counter()),  # type: ignore[misc]
            )
            walls[workers].append(time.perf_counter() - began)
            rate = (len(ends) - workers) / max(1e-9, ends[-1] - ends[workers - 1])
            steady[workers].append(rate)
    return {
        "data": f"{clip.name}, drawn, {len(jobs)} jobs of {short:g} s",
        "load of the machine before, of cores": [round(load, 1), os.cpu_count()],
        "wall s with one": [round(v, 1) for v in walls[1]],
        "wall s with two": [round(v, 1) for v in walls[2]],
        "speed-up, start of the cluster included": round(median(walls[1]) / median(walls[2]), 2),
        "speed-up once started": round(median(steady[2]) / median(steady[1]), 2),
    }


def _with_span(settings: recognition.Settings, span_s: float) -> recognition.Settings:
    return replace(settings, span_s=span_s)


def ten_cameras(figures: Figures) -> Figures:
    """Return, by arithmetic, how long ten cameras of two hours take on two cores.

    From the cost of the drawn mixed street in this run, and the speed-up of two workers where that
    was measured in it (else 1.93, measured before on an idle machine).
    """
    street = figures.get("cost", {}).get("mixed street, drawn")
    if street is None:
        return {"skipped": "it rests on the cost of the mixed street: run that part too"}
    measured = figures.get("two workers", {}).get("speed-up once started")
    speedup = float(measured) if measured else 1.93
    hours = CAMERAS * HOURS

    def minutes(cpu_s_an_hour: float) -> float:
        return float(round(hours * cpu_s_an_hour / speedup / 60, 1))

    return {
        "by arithmetic": f"{CAMERAS} cameras x {HOURS:g} h, 1080p25, {CORES} cores, "
        f"two workers = {speedup} of one",
        "minutes to the first candidates": minutes(street["sweep CPU s an hour"]),
        "minutes to the end": minutes(street["product CPU s an hour"]),
    }
