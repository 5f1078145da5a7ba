"""Passes kept, best shots, identities: the engine against known truth and against looking always.

"Dense" is the same engine with the same models that looks at every frame and drops no quiet
stretch. Neither reads plates here: which passes there are does not depend on it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.bench import recognition_drawn as drawn
from workbench.bench import recognition_mixtures as mixtures
from workbench.bench import recognition_mot as mot
from workbench.bench.recognition_match import (
    Identity,
    Trail,
    box_at,
    filled,
    identity,
    overlaps,
    paired,
    share,
    touches_some,
)
from workbench.bench.recognition_rig import (
    Clip,
    Figures,
    Rig,
    Row,
    Swept,
    dense_settings,
    run,
    sweep_of,
    trails_of,
    without_second_look,
)

STREETS, STREET_S = 8, 60.0
QUICK_STREETS, QUICK_STREET_S = 2, 14.0
HARD_S, QUICK_HARD_S = 40.0, 8.0
BEST_LEAST = 0.8
SIZES_PX = (16, 32, 64, 128, 10_000)
_BEST_HALF, _CUT = 60.0, 0.35


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """What was found on one clip by the product, by the dense run, and by the sweep if any."""

    clip: Clip
    truth: list[Trail]
    found: list[Trail]
    dense: list[Trail]
    best: list[float]
    """For each pass both runs have: the product's best shot over the dense run's."""
    best_true: list[float]
    """For each true pass found: the product's best shot over the best there is, by true boxes."""
    box_ious: list[float]
    """For each true pass found: how its row's box overlaps the true one on the row's frame."""
    swept: int
    """True passes that the sweep saw on some key frame."""
    cpu_s: tuple[float, float]


def known_clips(rig: Rig) -> Iterator[Clip]:
    """Yield the clips with known truth: drawn streets, then mixtures where there is footage."""
    count, seconds = (QUICK_STREETS, QUICK_STREET_S) if rig.quick else (STREETS, STREET_S)
    for street in drawn.pass_streets(count, seconds):
        yield rig.draw(street)
    if rig.footage is None:
        return
    for number, name in enumerate(list(mixtures.SOURCES)[: 1 if rig.quick else None]):
        clip = mixture_clip(rig, name, number)
        if clip is not None:
            yield clip


def mixture_clip(rig: Rig, name: str, number: int) -> Clip | None:
    """Return the mixture of one real clip's movers; made once in a run. None: nobody is alone."""

    def make() -> Clip | None:
        assert rig.footage is not None
        source = mixtures.SOURCES[name]
        scene = mixtures.empty_scene(rig.footage / source.file)
        movers = mixtures.known_movers(rig.footage / source.file, scene, source)[:12]
        if not movers:
            return None
        out = rig.folder / f"mixture-{name}.mp4"
        truth = mixtures.mixture(
            movers, scene, out, rate=source.rate, passes=6 if rig.quick else 40, every_s=2.5,
            seed=drawn.SEEDS["mixtures"] + number, apart=source.of == "cars",
        )  # fmt: skip
        return rig.take(out, f"mixture of {len(movers)} movers of {name}", truth)

    return rig.once(f"mixture {name}", make)


def counted(rig: Rig, clip: Clip) -> Counted:
    """Run the engine both ways over a clip of known truth."""

    def make() -> Counted:
        models = without_second_look(rig.models)
        rows, product_s = run(clip, rig.settings, models)
        dense_rows, dense_s = run(clip, dense_settings(rig.settings, clip.fps), models)
        truth = drawn.passes_of(list(clip.truth or ()), clip.fps)
        found, dense = trails_of(rows, clip.index), trails_of(dense_rows, clip.index)
        moving = [row for row in rows if row["moving"]]
        sweep = sweep_of(clip, rig.settings)
        swept = sum(swept_over(true, sweep[0]) for true in truth)
        best = best_shots(clip, moving, found, dense)
        best_true = best_shots(clip, moving, found, truth, known=True)
        fits = box_fits(clip.index.pts, moving, found, truth)
        sys.stderr.write(f"{clip.name}: {product_s:.0f} CPU s, dense {dense_s:.0f}\n")
        cost = product_s, dense_s
        return Counted(clip, truth, found, dense, best, best_true, fits, swept, cost)

    return rig.once(f"counted {clip.segment.sha256}", make)


def swept_over(true: Trail, sweep: Sequence[Swept], least_iou: float = 0.1) -> bool:
    """Tell whether a sweep's box lies on a true pass on any key frame on which it can be asked for.

    Boxes of key frames may hold two things, so that little overlap is asked.
    """
    for number, boxes in sweep:
        k = int(np.searchsorted(true.frames, number))
        there = k < len(true.frames) and true.frames[k] == number and true.scored[k]
        if there and len(boxes) and overlaps(true.boxes[k : k + 1], boxes).max() >= least_iou:
            return True
    return False


def best_shots(
    clip: Clip,
    rows: Sequence[Row],
    found: Sequence[Trail],
    by: Sequence[Trail],
    *,
    known: bool = False,
) -> list[float]:
    """Return, for each pass of both, what the product's best frame is worth of the best there is.

    Worth is area times sharpness of a box, less where the frame's border cuts it; the best there
    is, of all frames of the pass. Boxes and passes are those of `by`: of the dense run, whose boxes
    may hold two things as the product's may, or the true ones (`known`): where these have none on
    the product's frame, it shows nothing; where the dense run has none, the product's box counts.
    """
    pairs = [(i, j) for i, j in enumerate(paired(by, found)) if j is not None]
    chosen = {j: int(np.searchsorted(clip.index.pts, rows[j]["pts"])) for _, j in pairs}
    wanted: dict[int, list[tuple[int, NDArray[np.float64], bool]]] = {}
    for i, j in pairs:
        for frame, box in zip(by[i].frames.tolist(), by[i].boxes, strict=True):
            wanted.setdefault(frame, []).append((i, box, False))
        box = box_at(by[i], chosen[j])
        if box is None and known:
            continue
        if box is None:
            box = np.array([rows[j][key] for key in ("box_x", "box_y", "box_w", "box_h")])
        wanted.setdefault(chosen[j], []).append((i, box, True))
    most: dict[int, float] = {}
    ours: dict[int, float] = {}
    for pts, frame in media.decode(clip.path, clip.index, 0, len(clip.index)):
        here = wanted.get(int(np.searchsorted(clip.index.pts, pts)))
        if not here:
            continue
        luma = media.to_luma(frame, clip.segment.rotation_deg)
        for i, box, is_chosen in here:
            value = worth(luma, box)
            most[i] = max(most.get(i, 0.0), value)
            if is_chosen:
                ours[i] = value
    return [ours.get(i, 0.0) / most[i] for i, _ in pairs if most.get(i)]


def box_fits(
    pts: NDArray[np.int64], rows: Sequence[Row], found: Sequence[Trail], truth: Sequence[Trail]
) -> list[float]:
    """Return, for each true pass found, the IoU of its row's box with the true one there.

    ``pts`` are the ticks of the clip's frames. 0 where the true thing is not in sight on the frame.
    """
    fits = []
    for true, j in zip(truth, paired(truth, found), strict=True):
        if j is None:
            continue
        own = np.array([[rows[j][key] for key in ("box_x", "box_y", "box_w", "box_h")]])
        box = box_at(true, int(np.searchsorted(pts, rows[j]["pts"])))
        fits.append(0.0 if box is None else float(overlaps(box[None], own)[0, 0]))
    return fits


def worth(luma: NDArray[np.uint8], box: NDArray[np.float64]) -> float:
    """Return a box's area times how sharp it is (0..1), less where the border cuts it."""
    x, y, w, h = (float(v) for v in box)
    left, top, right, bottom = max(0, int(x)), max(0, int(y)), int(x + w), int(y + h)
    crop = luma[top : max(top + 1, bottom), left : max(left + 1, right)]
    if min(crop.shape) < 4:
        return 0.0
    step = max(1, min(crop.shape) // 96)
    sharp = float(cv2.Laplacian(np.ascontiguousarray(crop[::step, ::step]), cv2.CV_16S).var())
    cut = x < 3 or y < 3 or x + w > luma.shape[1] - 3 or y + h > luma.shape[0] - 3
    return w * h * sharp / (sharp + _BEST_HALF) * (_CUT if cut else 1.0)


def recall(rig: Rig) -> Figures:
    """Return passes kept of the dense run, best shots, recall and precision against the truth."""
    groups: dict[str, list[Counted]] = {}
    skipped = {}
    for clip in known_clips(rig):
        group = "mixtures" if clip.name.startswith("mixture") else "drawn streets"
        groups.setdefault(group, []).append(counted(rig, clip))
    if rig.footage is None:
        skipped = {"mixtures": "skipped: the folder of real footage is not there"}
    all_ = [one for group in groups.values() for one in group]
    return {
        "data": "drawn streets of the simulated ward and mixtures of real movers; seeds in "
        "bench/recognition_drawn.py",
        "all": recall_of(all_),
        **{name: recall_of(ones) for name, ones in groups.items()},
        **skipped,
        "by largest height in px": by_size(all_),
        "each clip": {one.clip.name: brief(one) for one in all_},
    }


def recall_of(all_: Sequence[Counted]) -> Figures:
    """Return the sums over clips, each share with its 95 % interval."""
    true = dense_hits = hits = both = kept_all = dense_all = swept = 0
    rows = on_truth = 0
    best: list[float] = []
    best_true: list[float] = []
    fits: list[float] = []
    for one in all_:
        by_dense, by_product = paired(one.truth, one.dense), paired(one.truth, one.found)
        true += len(one.truth)
        dense_hits += sum(j is not None for j in by_dense)
        hits += sum(j is not None for j in by_product)
        both += sum(
            a is not None and b is not None for a, b in zip(by_dense, by_product, strict=True)
        )
        dense_all += len(one.dense)
        kept_all += sum(j is not None for j in paired(one.dense, one.found))
        rows += len(one.found)
        on_truth += beyond(one.clip, one.found, by_product)[0]
        best += one.best
        best_true += one.best_true
        fits += one.box_ious
        swept += one.swept
    nothing = rows - hits - on_truth
    return {
        "true moving passes": true,
        "kept of the true passes that the dense run finds": share(both, dense_hits),
        "kept of all moving rows of the dense run": share(kept_all, dense_all),
        "best shot >= .8 of the best": share(sum(v >= BEST_LEAST for v in best), len(best)),
        "the same by true boxes, of all frames": share(
            sum(v >= BEST_LEAST for v in best_true), len(best_true)
        ),
        "box of the row on the true one there, IoU >= .5": share(
            sum(v >= 0.5 for v in fits), len(fits)
        ),
        "the same, mean IoU": round(float(np.mean(fits)), 3) if fits else None,
        "recall against the truth": share(hits, true),
        "recall of the dense run": share(dense_hits, true),
        "recall of the sweep": share(swept, true),
        "precision: rows that are a pass": share(hits, rows),
        "rows beyond, pieces of true things / of nothing": [on_truth, nothing],
    }


def beyond(clip: Clip, found: Sequence[Trail], pairs: Sequence[int | None]) -> list[int]:
    """Return how many found rows that are no pass are pieces of true things, and of nothing."""
    hit = {j for j in pairs if j is not None}
    lost = [one for j, one in enumerate(found) if j not in hit]
    pieces = sum(touches_some(list(clip.truth or ()), one) for one in lost)
    return [pieces, len(lost) - pieces]


def by_size(all_: Sequence[Counted]) -> Figures:
    """Return recall by how tall a pass gets in the picture."""
    tally = {(low, high): [0, 0] for low, high in pairwise(SIZES_PX)}
    for one in all_:
        for true, j in zip(one.truth, paired(one.truth, one.found), strict=True):
            tallest = float(true.boxes[true.scored, 3].max())
            for (low, high), cell in tally.items():
                if low <= tallest < high:
                    cell[0] += j is not None
                    cell[1] += 1
    return {
        f"{low}-{high}" if high < SIZES_PX[-1] else f"{low} and more": share(*cell)
        for (low, high), cell in tally.items()
        if cell[1]
    }


def brief(one: Counted) -> Figures:
    """Return one clip's counts."""
    pairs = paired(one.truth, one.found)
    return {
        "passes": len(one.truth),
        "found": sum(j is not None for j in pairs),
        "found by the dense run": sum(j is not None for j in paired(one.truth, one.dense)),
        "moving rows": len(one.found),
        "CPU s, product / dense": [round(v, 1) for v in one.cpu_s],
    }


# -- tracking --------------------------------------------------------------------------------


def tracking(rig: Rig) -> Figures:
    """Return IDF1 on clips whose boxes are known on every frame."""
    figures: Figures = {
        "measured": "moving rows against the boxes of all that moves, IoU .5; the engine looks 5 "
        "to 10 times a second: between its looks boxes lie on straight lines (gaps up to 1 s)",
        "data": "the clips of recall, and folders in MOTChallenge's layout under --clips",
    }
    drawn_sum: list[dict[float, Identity]] = []
    mixed_sum: list[dict[float, Identity]] = []
    for clip in known_clips(rig):
        one = counted(rig, clip)
        (mixed_sum if clip.name.startswith("mixture") else drawn_sum).append(
            identities(clip, one.found)
        )
    figures["drawn streets"] = summed(drawn_sum)
    if rig.footage is None:
        figures["mixtures"] = "skipped: the folder of real footage is not there"
    else:
        figures["mixtures"] = summed(mixed_sum)
    found = mot.sequences(rig.clips) if rig.clips is not None else []
    if not found:
        figures["MOTChallenge folders"] = "skipped: none under --clips"
        return figures
    held = []
    for sequence in found:
        clip = rig.once(
            f"mot {sequence}",
            lambda path=sequence: rig.take(  # type: ignore[misc]
                mot.video_of(path, rig.folder), path.name, mot.read_truth(path)
            ),
        )
        rows, _ = run(clip, rig.settings, without_second_look(rig.models))
        held.append(identities(clip, trails_of(rows, clip.index)))
        figures[sequence.name] = {
            **summed(held[-1:]),
            "standing rows too": summed(
                [identities(clip, trails_of(rows, clip.index, moving=False), still_too=True)]
            ),
        }
    figures["MOTChallenge folders"] = summed(held)
    return figures


def identities(
    clip: Clip, found: Sequence[Trail], *, still_too: bool = False
) -> dict[float, Identity]:
    """Return identity counts at IoU .5 and .3; what never moves half its size is not scored."""
    gap = max(1, round(clip.fps))
    truth = [
        one
        if still_too or one.shift_sizes() >= 0.5
        else Trail(one.name, one.frames, one.boxes, np.zeros(len(one.frames), bool), one.kind)
        for one in clip.truth or ()
    ]
    whole = [filled(one, gap) for one in found]
    return {least: identity(truth, whole, least_iou=least) for least in (0.5, 0.3)}


def summed(parts: Sequence[dict[float, Identity]]) -> Figures:
    """Return IDF1 over all boxes of several clips."""
    total = {least: Identity(0, 0, 0) for least in (0.5, 0.3)}
    for part in parts:
        for least, one in part.items():
            total[least] = total[least] + one
    at = total[0.5]
    return {
        "clips": len(parts),
        "IDF1": round(at.idf1, 3),
        "ID precision / recall": [round(at.precision, 3), round(at.recall, 3)],
        "true boxes": at.idtp + at.idfn,
        "IDF1 at IoU .3": round(total[0.3].idf1, 3),
    }


# -- scenes that defeat it -------------------------------------------------------------------


WEATHERS: tuple[drawn.Weather, ...] = ("day", "rain", "night")


def hard(rig: Rig) -> Figures:
    """Return recall and precision on one tight and one wide street by day, in rain, at night."""
    figures: Figures = {"data": "the same drawn traffic in three weathers, plates read"}
    for name, clip in hard_scenes(rig):
        rows, truth, found, pairs, cpu_s = hard_run(rig, clip)
        hits = sum(j is not None for j in pairs)
        read = [
            rows[j]["plate"] == clip.plates.get(true.name, "")
            for true, j in zip(truth, pairs, strict=True)
            if j is not None and rows[j]["plate"]
        ]
        figures[name] = {
            "recall": share(hits, len(truth)),
            "precision": share(hits, len(found)),
            "rows beyond, pieces of true things / of nothing": beyond(clip, found, pairs),
            "plates read / exactly": [len(read), sum(read)],
            "CPU s": round(cpu_s, 1),
        }
    return figures


def hard_scenes(rig: Rig) -> Iterator[tuple[str, Clip]]:
    """Yield the two streets in each weather, with their names."""
    seconds = QUICK_HARD_S if rig.quick else HARD_S
    for view, number in (("tight", 20), ("wide", 21)):
        for weather in WEATHERS:
            yield (
                f"{view}, {weather}",
                rig.draw(drawn.pass_street(number, seconds, weather=weather)),
            )


def hard_run(
    rig: Rig, clip: Clip
) -> tuple[list[Row], list[Trail], list[Trail], list[int | None], float]:
    """Return moving rows, true passes, found ones, which is which, and CPU seconds; run once."""

    def make() -> tuple[list[Row], list[Trail], list[Trail], list[int | None], float]:
        rows, cpu_s = run(clip, rig.settings, rig.models)
        truth = drawn.passes_of(list(clip.truth or ()), clip.fps)
        found = trails_of(rows, clip.index)
        return [row for row in rows if row["moving"]], truth, found, paired(truth, found), cpu_s

    return rig.once(f"hard {clip.segment.sha256}", make)


def draw_hard_scenes(rig: Rig, out: Path, *, across_px: int = 480) -> None:
    """Draw a sheet of the hard scenes: what is found, what is missed, and which rows are no pass.

    Of each scene the frame with most that went wrong: true passes found in green and missed in red,
    rows that are no pass in yellow.
    """
    sheet = []
    for name, clip in hard_scenes(rig):
        _, truth, found, pairs, _ = hard_run(rig, clip)
        hit = {j for j in pairs if j is not None}
        lost = [one for j, one in enumerate(found) if j not in hit]
        missed = [one for one, j in zip(truth, pairs, strict=True) if j is None]
        met = [one for one, j in zip(truth, pairs, strict=True) if j is not None]
        wrong = np.zeros(len(clip.index), int)
        for one in (*lost, *missed):
            wrong[one.frames[0] : one.frames[-1] + 1] += 1
        number = int(wrong.argmax())
        ((_, frame),) = media.decode(clip.path, clip.index, number, number + 1)
        picture = media.to_rgb(frame, clip.segment.rotation_deg).copy()
        for trails, colour in (
            (met, (60, 220, 60)), (lost, (255, 220, 0)), (missed, (255, 60, 60)),
        ):  # fmt: skip
            for box in (box_at(one, number) for one in trails):
                if box is not None:
                    x, y, w, h = (round(v) for v in box.tolist())
                    cv2.rectangle(picture, (x, y), (x + w, y + h), colour, 4)
        high = round(across_px * picture.shape[0] / picture.shape[1])
        small = cv2.resize(picture, (across_px, high), interpolation=cv2.INTER_AREA)
        cv2.putText(small, name, (8, high - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 2)
        sheet.append(small)
    rows = [np.hstack(sheet[at : at + len(WEATHERS)]) for at in range(0, len(sheet), len(WEATHERS))]
    _, data = cv2.imencode(".jpg", np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    partial = out.with_name(out.name + ".part")
    partial.write_bytes(data.tobytes())
    partial.replace(out)
