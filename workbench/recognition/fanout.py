"""The one Dask fan-out: jobs out to workers, rows back; what fails is listed, the rest goes on.

Workers open files and models themselves; only rows cross between processes. A few jobs a worker
are in flight at a time, so that a week of footage does not sit in the scheduler at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import dask
import pyarrow as pa
from dask.distributed import Client, LocalCluster, wait
from distributed.scheduler import KilledWorker

from workbench.errors import N_, Unavailable, WorkbenchError
from workbench.recognition import weights
from workbench.recognition.engine import Job, row_ref, run_job
from workbench.recognition.models import load_models, models_ref
from workbench.recognition.settings import Settings
from workbench.recognition.types import Models, ModelSettings
from workbench.records import Progress

Work = Callable[[Job], pa.Table]
"""One job's rows; must be importable by name on a worker."""

_IN_FLIGHT = 3  # jobs a worker: one running, the others waiting beside it
_POLL_S = 0.5
_ALLOWED_FAILURES = 2
"""Worker deaths a job may be near before it is given up: it may be what kills them."""
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": 1,
    "OPENBLAS_NUM_THREADS": 1,
    "MKL_NUM_THREADS": 1,
    # Dask's own 64 KiB makes glibc give every picture's memory back and fetch it anew: measured
    # a quarter of a worker's time. These keep it; 32 MiB is the most glibc takes for the second.
    "MALLOC_TRIM_THRESHOLD_": 256 << 20,
    "MALLOC_MMAP_THRESHOLD_": 32 << 20,
}
_START_S = 15


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one job: a table, or the sentence why there is none."""

    job: Job
    table: pa.Table | None
    first_pts: int
    stop_pts: int
    model_ref: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """How a whole run ended; ``failed`` holds one sentence a span that was not searched."""

    jobs: int
    done: int
    sightings: int
    failed: tuple[str, ...]
    cancelled: bool
    model_ref: str


def recognise_job(job: Job) -> pa.Table:
    """Run a job with this process's models, loaded at its first job."""
    return run_job(job, _models(job.settings.models))


@lru_cache(maxsize=1)
def _models(settings: ModelSettings) -> Models:
    cv2.setNumThreads(1)
    return load_models(settings)


@lru_cache(maxsize=8)
def model_ref(settings: Settings) -> str:
    """Return what ``model_ref`` of rows made under `settings` reads, without loading a model."""
    cards, models = weights.read_manifest(), settings.models
    return row_ref(models_ref(cards, models, weights.face_pack(models.face_pack)), settings)


def recognise(
    jobs: Sequence[Job],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    on_result: Callable[[Result], None] = lambda _result: None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    work: Work = recognise_job,
) -> Summary:
    """Run jobs and hand each one's rows to `on_result` as it ends, in this thread.

    Parameters
    ----------
    scheduler
        Address of a Dask scheduler; its workers need this package and must reach the files.
    workers
        Processes of the local cluster where there is no `scheduler`; default one a core. 0 runs
        the jobs here, one after another, without a cluster.
    on_progress
        Told hours of footage done after every job.
    cancelled
        Asked between jobs and twice a second; what has ended by then is kept.

    Raises
    ------
    Unavailable
        When the scheduler does not answer or has no workers.
    """
    tally = _Tally(jobs, on_result, on_progress)
    tally.show()
    if jobs and workers == 0 and scheduler is None:
        for job in jobs:
            if cancelled():
                return tally.summary(cancelled=True)
            tally.take(_ran(job, work))
        return tally.summary()
    if not jobs:
        return tally.summary()
    with dask_client(scheduler, workers, most=len(jobs)) as client:
        stopped = _spread(client, jobs, work, tally, cancelled)
    return tally.summary(cancelled=stopped)


class _Tally:
    """Counts and reports while results come in."""

    def __init__(
        self,
        jobs: Sequence[Job],
        on_result: Callable[[Result], None],
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._jobs, self._on_result, self._on_progress = jobs, on_result, on_progress
        self._total_h = sum(job.footage_s for job in jobs) / 3600
        self._done_h = 0.0
        self._done = self._sightings = 0
        self._failed: list[str] = []
        self._model_ref = ""

    def take(self, result: Result) -> None:
        self._done += 1
        self._done_h += result.job.footage_s / 3600
        if result.table is not None:
            self._sightings += result.table.num_rows
        if result.failure:
            self._failed.append(f"{result.job.subject}: {result.failure}")
        elif not self._model_ref:
            self._model_ref = result.model_ref
        self._on_result(result)
        self.show(result.job.camera.camera_id)

    def show(self, text: str = "") -> None:
        self._on_progress(
            Progress(self._done_h, self._total_h, "h", text, failed=tuple(self._failed))
        )

    def summary(self, *, cancelled: bool = False) -> Summary:
        return Summary(
            len(self._jobs), self._done, self._sightings, tuple(self._failed), cancelled,
            self._model_ref,
        )  # fmt: skip


def _ran(job: Job, work: Work) -> Result:
    try:
        return _good(job, work(job))
    except Exception as error:  # noqa: BLE001 - one bad file must not end the run
        return _bad(job, error)


def _good(job: Job, table: pa.Table) -> Result:
    return Result(job, table, job.first_pts, job.stop_pts, model_ref(job.settings))


def _bad(job: Job, error: BaseException) -> Result:
    if isinstance(error, WorkbenchError):
        sentence = error.sentence()
    elif isinstance(error, KilledWorker):
        sentence = (
            "the worker process died repeatedly on this span; see its log for memory, "
            "then run the search again."
        )
    else:
        sentence = f"{type(error).__name__}: {error}"
    return Result(job, None, job.first_pts, job.stop_pts, model_ref(job.settings), failure=sentence)


def _spread(
    client: Client,
    jobs: Sequence[Job],
    work: Work,
    tally: _Tally,
    cancelled: Callable[[], bool],
) -> bool:
    """Keep every worker fed until all jobs ended (False) or the run was cancelled (True)."""
    waiting = deque(enumerate(jobs))
    flying: dict[Any, tuple[int, Job]] = {}
    suspects: deque[tuple[int, Job]] = deque()
    alone: set[int] = set()
    while waiting or flying or suspects:
        if cancelled():
            client.cancel(list(flying), force=True)
            return True
        room = _IN_FLIGHT * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        if not waiting and not flying:
            # Dask blames every job a dead worker held: each gets one more try with no other near.
            waiting.append(suspects.popleft())
            alone.add(waiting[0][0])
        while waiting and len(flying) < room:
            number, job = waiting.popleft()
            # Rows are equal wherever a job runs, yet a future must not answer for an earlier run.
            flying[client.submit(work, job, pure=False)] = (number, job)
        try:
            with client.as_current():
                ended = wait(list(flying), timeout=_POLL_S, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            continue
        for future in sorted(ended, key=lambda f: flying[f][0]):
            number, job = flying.pop(future)
            killed = future.status == "error" and isinstance(future.exception(), KilledWorker)
            if killed and number not in alone:
                suspects.append((number, job))
                continue
            tally.take(_outcome(future, job))
            future.release()
    return False


def _outcome(future: Any, job: Job) -> Result:
    if future.status == "finished":
        return _good(job, future.result())
    error = future.exception() if future.status == "error" else None
    return _bad(job, error or Unavailable(N_("the job was lost"), N_("run the search again")))


@contextmanager
def dask_client(scheduler: str | None, workers: int | None, *, most: int) -> Iterator[Client]:
    """Open a scheduler's client, or one of `workers` processes here (one a core, `most` at most).

    Raises
    ------
    Unavailable
        When the scheduler does not answer or has no workers.
    """
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=f"{_START_S}s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise Unavailable(
                N_("the Dask scheduler does not answer ({error})"),
                N_("start it, or leave the address out to work on this machine"),
                where=scheduler,
                error=error,
            ) from None
        with client:
            try:
                client.wait_for_workers(1, timeout=_START_S)
            except TimeoutError:
                raise Unavailable(
                    N_("the Dask scheduler has no workers"),
                    N_("start workers that have this package and reach the archive"),
                    where=scheduler,
                ) from None
            yield client
        return
    count = min(workers or os.cpu_count() or 1, most)
    with local_cluster(count) as cluster, Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def local_cluster(workers: int) -> Iterator[LocalCluster]:
    """Run worker processes on this machine, of one thread each, with memory kept for pictures."""
    environment = {
        f"distributed.nanny.pre-spawn-environ.{name}": value
        for name, value in _WORKER_ENVIRONMENT.items()
    }
    with (
        dask.config.set(
            {
                **environment,
                "distributed.scheduler.allowed-failures": _ALLOWED_FAILURES,
            }
        ),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster
