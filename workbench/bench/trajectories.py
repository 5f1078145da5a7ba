"""Linking measured on the simulated ward: who follows whom, and whether the claims hold.

Every scenario is linked by belief and by three simpler means in the same run. The linker is given
sightings, roads and nothing of the scenario. Each scenario is a part by its name, reach and clone
alerts are two more; any of them can be run alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench import trajectories, ward
from workbench.bench import trajectories_score as score
from workbench.bench.clips import Figures, parts_asked
from workbench.bench.trajectories_clones import cloned, told, totals
from workbench.bench.trajectories_reach import reached
from workbench.demonstration import WARD
from workbench.errors import N_, BadInput
from workbench.roads import RoadGraph
from workbench.trajectories import beliefs
from workbench.twin import traffic

SEEDS = (9001, 9002)
GRID = tuple(f"miss{miss}-sign{sign}" for miss in (0, 10, 30) for sign in (0, 3, 8))
COMBINED = ("realistic", "hard")
CLONED = ("miss10-sign3", "miss30-sign8", *COMBINED)
PARTS = (*GRID, *COMBINED, "reach", "clones")
"""What is measured, by name: linking in a scenario, and two questions asked of some of them."""
JOINED_AT = 0.1
"""From this probability on an unread sighting counts as the vehicle's, for IDF1 over all: low, for
that figure never punishes a wrong guess about a sighting that nobody else claims."""

ANOTHER_DRAW = 1000
"""So far apart are the seeds of two draws of what is made worse of one simulated hour."""
_LEAST_DRAWN = 20
_LEAST_UNREAD = 0.25
"""Where fewer stay unread they are vehicles without a plate: such claims teach no curve."""

Floats = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Claims:
    """What was claimed and whether it held, over several runs."""

    claimed: list[Floats] = field(default_factory=list)
    right: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(self, claimed: Floats, right: NDArray[np.bool_]) -> None:
        """Add claims of one run."""
        self.claimed.append(claimed)
        self.right.append(right)

    def all(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Return every claim and whether it held."""
        if not self.claimed:
            return np.zeros(0), np.zeros(0, bool)
        return np.concatenate(self.claimed), np.concatenate(self.right)


@dataclass(slots=True, eq=False)
class Run:
    """One scenario of one seed, linked: the figures, and its claims for curves and pictures."""

    figures: dict[str, Any]
    raw: tuple[Floats, NDArray[np.bool_]]
    links: tuple[Floats, NDArray[np.bool_]]
    raw_unread: tuple[Floats, NDArray[np.bool_]]
    share_unread: float


def bench_trajectories(
    *,
    seeds: Sequence[int] = SEEDS,
    quick: bool = False,
    folder: Path | None = None,
    only: str = "",
) -> Figures:
    """Return figures by scenario, means over seeds.

    Parameters
    ----------
    quick
        One seed of a quarter of an hour, four scenarios unless others are named.
    folder
        Where simulated hours lie by seed (``FOLDER/9001``), or are to be left; None: nowhere.
    only
        Parts of :data:`PARTS`, divided by commas; all where it is empty.

    Raises
    ------
    BadInput
        When there is no such part.
    """
    asked = parts_asked(only, (*CLONED, "reach", "clones") if quick and not only else PARTS)
    graph = RoadGraph(ward.load(WARD))
    by_name: dict[str, list[Run]] = defaultdict(list)
    reaches: dict[str, list[dict[str, Any]]] = defaultdict(list)
    clones: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as made:
        for seed in seeds[:1] if quick else seeds:
            one = simulated(folder or Path(made), seed, hours=0.25 if quick else 1.0)
            for part in asked:
                began = time.process_time()
                if part == "reach":
                    for name in COMBINED:
                        reaches[name].append(reached(one, name, seed, graph))
                elif part == "clones":
                    for name in CLONED:
                        clones[name].append(cloned(one, name, seed, graph))
                else:
                    by_name[part].append(linked(one, part, seed, graph))
                sys.stderr.write(f"{seed}, {part}: {time.process_time() - began:.0f} CPU s\n")
    figures: Figures = {
        "data": f"simulated ward, one hour, seeds {', '.join(map(str, seeds))}"
        if not quick
        else f"simulated ward, a quarter of an hour, seed {seeds[0]}",
        "calibration": trajectories.default_calibration().origin,
    }
    for name, runs in by_name.items():
        figures[name] = _mean([run.figures for run in runs])
    if reaches:
        figures["reach"] = {name: _mean(rows) for name, rows in reaches.items()}
    if clones:
        figures["clones"] = {name: totals(rows) for name, rows in clones.items()}
    if by_name:
        figures["reliability"] = {
            name: score.reliability(*_joined([run.links for run in runs]))
            for name, runs in by_name.items()
        }
    return figures


def simulated(folder: Path, seed: int, *, hours: float) -> traffic.Simulated:
    """Return the simulated scenario of a seed, made where it is not in the folder."""
    at = folder / str(seed)
    if not (at / "scenario.json").is_file():
        traffic.simulate(ward.load(WARD), at, seed=seed, hours=hours)
    return traffic.open_simulated(at)


def linked(one: traffic.Simulated, name: str, seed: int, graph: RoadGraph) -> Run:
    """Degrade a scenario by a preset, link it, and return how well that went."""
    made = traffic.degrade(one.passes, one.cameras, one.span, traffic.preset(name), seed)
    table = made.sightings.to_pandas()
    truth = made.truth.to_pandas().set_index("sighting_id")
    vehicle: dict[str, str] = truth["vehicle_id"].to_dict()
    at_ns: dict[str, int] = truth["true_time_ns"].to_dict()
    began = time.process_time()
    believed = trajectories.link_by_belief(table, graph.between)
    possible = trajectories.join_unread(believed, believed.unread)
    spent = time.process_time() - began
    read = table.loc[table["plate"].notna(), "sighting_id"].tolist()
    ids = [str(name) for name in believed.reads.ids]
    edges = believed.edges
    links = {
        (ids[a], ids[b])
        for a, b in zip(edges.i[believed.links], edges.j[believed.links], strict=True)
    }
    true, true_all = (score.true_links(some, vehicle, at_ns) for some in (read, ids))
    found = score.among(ids, links, set(read))
    precision, recall, f1 = score.f1(found, true)
    names = np.array(ids, object)
    first, then, raw = trajectories.either_way(believed)
    right = np.array([pair in true_all for pair in zip(names[first], names[then], strict=True)])
    near = trajectories.rivals(believed)
    next_of = dict(true_all)
    top = near.row[:, 0] >= 0
    top_right = np.array(
        [top[k] and next_of.get(ids[k]) == ids[near.row[k, 0]] for k in range(len(ids))], bool
    )
    shown = [
        any(row >= 0 and ids[row] == next_of[ids[k]] for row in near.row[k])
        for k in range(len(ids))
        if ids[k] in next_of
    ]
    sure = near.probability[:, 0] >= 0.99
    identity = score.identities(ids, links)
    everyone, raw_unread = _with_unread(identity, possible, believed, vehicle)
    calibrated = trajectories.default_calibration().of_unread(raw_unread[0], possible.share)
    simple = _simpler(table, believed, graph, true, vehicle)
    figures = {
        "passes": one.passes.num_rows,
        "sightings": len(table),
        "read": len(read),
        "precision": precision,
        "recall": recall,
        "F1": f1,
        **simple,
        "IDF1, read": score.idf1([vehicle[k] for k in read], [identity[k] for k in read]),
        "IDF1, all": score.idf1([vehicle[k] for k in everyone], list(everyone.values())),
        "ECE": score.ece(near.probability[top, 0], top_right[top]),
        "ECE, uncalibrated": score.ece(raw, right),
        "claims >= .99 right": float(top_right[sure].mean()) if sure.any() else None,
        "links claimed >= .99": float(sure.sum() / max(len(links), 1)),
        "true one among 3": float(np.mean(shown)) if shown else None,
        "ECE, unread": score.ece(calibrated, raw_unread[1]),
        "unread given to their vehicle": float(raw_unread[1].mean())
        if len(raw_unread[1])
        else None,
        "wrong signs, learned": believed.sign_model.error_rate,
        **_clocks(believed, made.clocks.to_pandas(), table),
        "CPU s": spent,
        **told(believed, made.truth.to_pandas()),
    }
    return Run(
        figures,
        (raw, right),
        (near.probability[top, 0], top_right[top]),
        raw_unread,
        possible.share,
    )


def _with_unread(
    identity: Mapping[str, str],
    possible: trajectories.Possible,
    believed: trajectories.Believed,
    vehicle: Mapping[str, str],
) -> tuple[dict[str, str], tuple[Floats, NDArray[np.bool_]]]:
    """Return identities of all sightings, and what was claimed of the unread ones."""
    host, probability = possible.best()
    held = trajectories.default_calibration().of_unread(probability, possible.share)
    everyone = dict(identity)
    right = np.zeros(len(host), bool)
    for row, name in enumerate(map(str, possible.unread.ids)):
        everyone[name] = name
        if host[row] < 0:
            continue
        end = max(possible.hosts.before[host[row]], possible.hosts.after[host[row]])
        owner = str(believed.reads.ids[end])
        right[row] = vehicle[owner] == vehicle[name]
        if held[row] >= JOINED_AT:
            everyone[name] = identity[owner]
    return everyone, (probability, right)


def _simpler(
    table: pd.DataFrame,
    believed: trajectories.Believed,
    graph: RoadGraph,
    true: score.Links,
    vehicle: Mapping[str, str],
) -> dict[str, float]:
    """Return how three simpler means do on the same sightings."""
    exact = score.exact_join(table)
    near = score.near_join(table)
    fastest = beliefs.roads_between(believed.cameras, graph.between).fastest_s
    read = table[table["plate"].notna()]
    timed = score.nearest_in_time(read, believed.cameras, fastest)
    every = table["sighting_id"].tolist()
    owner = score.identities(every, exact)
    return {
        "F1, exact": score.f1(exact, true)[2],
        "F1, edit <= 1": score.f1(near, true)[2],
        "F1, nearest in time": score.f1(timed, true)[2],
        "IDF1, all, exact": score.idf1([vehicle[k] for k in every], [owner[k] for k in every]),
    }


def _clocks(
    believed: trajectories.Believed, clocks: pd.DataFrame, table: pd.DataFrame
) -> dict[str, Any]:
    """Return how far the clocks are off after linking; one shift of all of them is nobody's."""
    half_s = (table["utc"].max() - table["utc"].min()).total_seconds() / 2
    clocks = clocks.set_index("camera_id").reindex(list(believed.cameras))
    true = clocks["offset_s"] + clocks["drift_ppm"] * 1e-6 * half_s
    if not float(true.abs().max()):
        return {}
    known = believed.clocks.known
    off = (believed.clocks.offset_s - true.to_numpy())[known]
    off = off - np.median(off) if len(off) else off
    before = true.to_numpy() - np.median(true)
    return {
        "clock rms before, s": float(np.sqrt((before**2).mean())),
        "clock rms of known, s": float(np.sqrt((off**2).mean())) if len(off) else None,
        "cameras known": int(known.sum()),
        "cameras within 2 s": int((np.abs(off) < 2).sum()),
        "cameras within 1 s": int((np.abs(off) < 1).sum()),
    }


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows if row.get(name) is not None]
        found[name] = round(float(np.mean(values)), 4) if values else None
        if len(values) > 1 and name in ("F1", "IDF1, all", "IDF1, read", "ECE"):
            found[f"{name}, worst"] = round(max(values) if name == "ECE" else min(values), 4)
    return found


def _joined(
    claims: Sequence[tuple[Floats, NDArray[np.bool_]]],
) -> tuple[Floats, NDArray[np.bool_]]:
    return np.concatenate([c for c, _ in claims]), np.concatenate([r for _, r in claims])


def fit_calibration(
    seeds: Sequence[int], folders: Sequence[Path], out: Path, *, draws: int = 3
) -> None:
    """Fit the curves of the claims on some seeds and write them with where they come from.

    ``folders`` hold simulated scenarios by seed, one folder for each length: hours alone would
    trust what little was learned from a quarter of one too much. The combined scenarios are drawn
    ``draws`` times: which cameras are out and whose clock is how far off matters more to their
    claims than which vehicles drive.
    """
    graph = RoadGraph(ward.load(WARD))
    runs = []
    names = ("miss10-sign3", "miss30-sign8", *COMBINED)
    for folder in folders:
        for seed in seeds:
            one = simulated(folder, seed, hours=1.0)
            runs += [
                linked(one, name, seed + ANOTHER_DRAW * draw, graph)
                for name in names
                for draw in range(draws if name in COMBINED else 1)
            ]
    origin = (
        f"isotonic, simulated ward, seeds {', '.join(map(str, seeds))}: {', '.join(names)}, "
        f"{draws} draws of the last two, {len(folders)} lengths"
    )
    text = json.dumps(curves_of(runs, origin), indent=1) + "\n"
    partial = out.with_name(out.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out)


def curves_of(runs: Sequence[Run], origin: str) -> dict[str, Any]:
    """Return the curves fitted on the claims of runs, as ``calibration.json`` holds them.

    There are two for links and two for unread sightings: for runs where few and where many stayed
    unread.
    """
    from sklearn.isotonic import IsotonicRegression

    claims = {f"{of}, {share}": Claims() for of in ("links", "unread") for share in ("few", "many")}
    shares = [run.share_unread for run in runs if run.share_unread > _LEAST_UNREAD]
    middle = 0.5 * (min(shares) + max(shares))
    for run in runs:
        share = "many" if run.share_unread > middle else "few"
        claims[f"links, {share}"].add(*run.raw)
        if run.share_unread > _LEAST_UNREAD:
            claims[f"unread, {share}"].add(*run.raw_unread)
    low, high = (
        float(np.mean([share for share in shares if (share > middle) == above]))
        for above in (False, True)
    )
    # Most claims lie near 0 and 1: the knots lie there, too.
    tails = 10.0 ** -np.arange(2, 8.5, 0.5)
    grid = np.unique(np.concatenate([[0.0, 1.0], tails, np.linspace(0.02, 0.98, 49), 1 - tails]))
    curves: dict[str, Any] = {"origin": origin, "shares unread": [round(low, 4), round(high, 4)]}
    for name, some in claims.items():
        claimed, right = some.all()
        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(claimed, right)
        curves[name] = [grid.tolist(), np.round(fitted.predict(grid), 5).tolist()]
    return curves


def draw(figures: Figures, out: Path) -> None:
    """Draw the reliability diagram of a run's claims."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6, 6), layout="constrained")
    axes = picture.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    curves = figures.get("reliability")
    if not isinstance(curves, dict):
        raise BadInput(N_("these figures hold no reliability"), N_("run the benchmark anew"))
    for name, rows in curves.items():
        total = sum(n for _, _, n in rows)
        # A handful of claims in a bin says nothing; it only draws spikes.
        claimed, held = zip(*((c, h) for c, h, n in rows if n >= _LEAST_DRAWN), strict=True)
        strong = name in (*COMBINED, "miss30-sign8")
        axes.plot(claimed, held, marker="o", markersize=3, linewidth=1.5 if strong else 0.6,
                  alpha=1.0 if strong else 0.4, label=f"{name} ({total})")  # fmt: skip
    axes.set(xlabel="claimed probability of the likeliest next sighting", ylabel="share right",
             xlim=(0, 1), ylim=(0, 1))  # fmt: skip
    axes.legend(fontsize=7)
    picture.savefig(out, dpi=110)
