"""Measure: each figure under a name, with its data named; nothing here is used by the product."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from workbench.bench.accidents import bench_accidents
from workbench.bench.blur import bench_blur
from workbench.bench.clips import HOUSE, Figures, bench_footage, bench_ward, footage_folder
from workbench.bench.fuzz import bench_fuzz
from workbench.bench.live import bench_live
from workbench.bench.recognition import bench_recognition
from workbench.bench.rendered import bench_rendered
from workbench.bench.trajectories import SEEDS, bench_trajectories
from workbench.errors import N_, BadInput

__all__ = ["run"]


def run(
    name: str,
    *,
    quick: bool = False,
    root: Path | None = None,
    only: str = "",
    clips: Path | None = None,
    seeds: Sequence[int] = SEEDS,
    minutes: float = 10.0,
) -> Figures:
    """Run one benchmark and return its figures by name.

    Parameters
    ----------
    root
        A demonstration built already, for ``ward``; a folder of simulated hours by seed, for
        ``trajectories``; one simulated stretch, for ``rendered``.
    only
        A part of ``live`` or of ``fuzz``; parts of ``recognition``, ``trajectories`` or
        ``accidents``, divided by commas.
    clips
        A folder of clips for ``recognition``.
    seeds
        Of the simulated wards of ``trajectories``.
    minutes
        How long ``fuzz`` tries.

    Raises
    ------
    BadInput
        When there is no benchmark of that name.
    """
    known: Mapping[str, Callable[[bool, Path | None], Figures]] = {
        "footage": lambda quick, _root: bench_footage(footage_folder(), quick=quick),
        "rendered": lambda quick, root: bench_rendered(root, quick=quick),
        "ward": lambda quick, root: bench_ward(root, quick=quick),
        "recognition": lambda quick, _root: bench_recognition(quick=quick, clips=clips, only=only),
        "trajectories": lambda quick, root: bench_trajectories(
            seeds=seeds, quick=quick, folder=root, only=only
        ),
        "blur": lambda quick, _root: bench_blur(footage_folder(), quick=quick),
        "accidents": lambda quick, _root: bench_accidents(quick=quick, only=only),
        "fuzz": lambda quick, _root: bench_fuzz(
            HOUSE / "tests", quick=quick, minutes=minutes, only=only
        ),
        "live": lambda quick, _root: bench_live(HOUSE / "tests", quick=quick, only=only),
    }
    if name not in known:
        raise BadInput(
            N_("there is no benchmark '{name}'"),
            N_("choose one of: {known}"),
            name=name,
            known=", ".join(known),
        )
    return known[name](quick, root)
