"""The demonstration ward: drawn by the twin, then taken through the same verbs as any footage.

Nothing here knows what is in the pictures: sightings and legs come from ingest, recognise and link.
The twin's truth is written beside the archive and read by the bench alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import recognition
from workbench.errors import N_, Refused
from workbench.investigation import Workbench, open_workbench
from workbench.later import later
from workbench.records import Case, Progress
from workbench.timeline import SECOND_NS, Span, parse_instant

if TYPE_CHECKING:
    import distributed

    from workbench import twin
else:
    distributed, twin = later("distributed"), later("workbench.twin")

WARD = Path(__file__).resolve().parent.parent / "data"
"""The illustrative ward's tables, kept in the checkout for officers to edit."""

JOB = "demonstration"
SEED = 20261120
HELD_OUT_SEED = 20261127
"""Another ward's worth of journeys, looked at by the benchmark alone: nothing is tuned on it."""

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
TRAINING_CASE = Case(
    case_id="HL-2026-001",
    title="Hồ sơ huấn luyện: theo dấu một xe trong phường mô phỏng",
    legal_basis="Kế hoạch huấn luyện (dữ liệu mô phỏng, không có người thật)",
    reason="Huấn luyện sử dụng hệ thống",
    period=Span(START_NS - 3600 * SECOND_NS, START_NS + 3600 * SECOND_NS),
    training=True,
    category="training",
)
DURATION_S = 75.0
OVERVIEWS = 3
_BATCH = 6  # cameras recorded and recognised together: pages fill early, both cores stay busy
_DRAW_AFTER = -10  # Dask's priority of drawing: below recognition's, which has none


def prepare(root: Path) -> None:
    """Make the root and its training case where absent; quick, so that pages can open at once."""
    wb = open_workbench(root, actor=JOB, create_from=WARD)
    known = {case.case_id for case in wb.cases()}
    foreign = [segment for segment in wb.segments() if JOB not in wb.progress()]
    if foreign:
        raise Refused(
            N_("{root} holds footage that is not the demonstration's"),
            N_("choose another folder for the demonstration"),
            root=str(root),
        )
    if TRAINING_CASE.case_id not in known:
        wb.open_case(TRAINING_CASE)
    if JOB not in wb.progress():
        wb.report(JOB, Progress(0, 1, "cameras", "waiting"))


def complete(wb: Workbench) -> bool:
    """Return whether the demonstration ward has been built to its end."""
    progress = wb.progress().get(JOB)
    return progress is not None and progress[0].done >= progress[0].total


def build(
    root: Path,
    *,
    small: bool = False,
    workers: int | None = None,
    seed: int = SEED,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> None:
    """Draw, ingest and recognise the ward, a few cameras at a time; goes on where it stopped.

    Parameters
    ----------
    small
        A few cameras and half a minute, for tests and a quick look.
    workers
        Processes; one a core by default.
    seed
        Of journeys, vehicles and streets.
    """
    wb = open_workbench(root, actor=JOB, create_from=WARD)
    if complete(wb):
        return
    scenario = twin.plan(
        wb.ward,
        wb.graph,
        seed=seed,
        start_ns=START_NS,
        duration_s=None if small else DURATION_S,
        overviews=None if small else OVERVIEWS,
        small=small,
    )
    twin.write_truth(scenario, root / "truth")
    cameras = list(scenario.cameras)
    present = {segment.camera_id for segment in wb.segments()}
    clips = root / "drawn"
    clips.mkdir(exist_ok=True)

    steps = {"done": 0.0}

    def step(share: float, text: str) -> None:
        steps["done"] += share
        total = float(len(cameras))
        # The last step alone may reach the total: it is what `complete` looks for.
        done = min(steps["done"], total - 0.01)
        progress = Progress(round(done, 2), total, "cameras", text)
        wb.report(JOB, progress)
        on_progress(progress)

    batches = [cameras[i : i + _BATCH] for i in range(0, len(cameras), _BATCH)]
    with (
        recognition.local_cluster(workers or os.cpu_count() or 1) as cluster,
        distributed.Client(cluster) as client,
        ThreadPoolExecutor(1, "recorder") as recorder,
    ):
        # Drawing fills what recognition leaves of the workers.
        drawn = {
            camera_id: client.submit(
                twin.render_camera, scenario, camera_id, clips / f"{camera_id}.mp4",
                pure=False, priority=_DRAW_AFTER - number,
            )
            for number, batch in enumerate(batches)
            for camera_id in batch
            if camera_id not in present
        }  # fmt: skip
        archive = open_workbench(root, actor=JOB)  # the recorder's own, for its thread

        def record(camera_id: str) -> None:
            if camera_id in drawn:
                clip = drawn[camera_id].result()
                start_ns = scenario.clip_start_ns(camera_id)
                taken = archive.ingest(clip, camera_id, start_ns, reason="demonstration ward")
                clip.unlink()
                # Some recorders state a wrong start: the pictures tell.
                for segment in taken.segments:
                    archive.read_clock(segment.sha256)

        def recorded(batch: list[str]) -> list[tuple[str, Future[None]]]:
            return [(camera_id, recorder.submit(record, camera_id)) for camera_id in batch]

        # The next cameras' clocks are read while the workers search these.
        following = recorded(batches[0])
        for number, batch in enumerate(batches):
            step(0, f"drawing {', '.join(batch)}")
            for camera_id, camera in following:
                camera.result()
                step(0.5, f"recorded {camera_id}")
            following = recorded(batches[number + 1]) if number + 1 < len(batches) else []
            wb.recognise(batch, scheduler=cluster.scheduler_address)
            step(0.5 * len(batch), f"recognised {', '.join(batch)}")
    clips.rmdir()
    finished = Progress(len(cameras), len(cameras), "cameras", "ready")
    wb.report(JOB, finished)
    on_progress(finished)


@contextmanager
def builder(root: Path, *, small: bool = False) -> Iterator[None]:
    """Build in a process of its own, with lower priority than the pages, while the block runs."""
    if complete(open_workbench(root, actor=JOB)):
        yield
        return
    words = ["nice", "-n", "10", sys.executable, "-m", "workbench.cli", "demo", str(root)]
    log = (root / "build.log").open("ab")
    process = subprocess.Popen(
        [*words, "--build-only", *(["--small"] if small else [])],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        log.close()
