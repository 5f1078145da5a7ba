"""The one Dask fan-out: jobs out to workers, rows back; what fails is listed, the rest goes on.

Workers open files and models themselves; only rows cross between processes. A few jobs a worker
are in flight at a time, so that a week of footage does not sit in the scheduler at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import pyarrow as pa

from workbench.errors import N_, Unavailable, WorkbenchError
from workbench.later import later
from workbench.recognition.models import own
from workbench.recognition.models.loading import load_models, models_ref
from workbench.recognition.passes.candidates import sweep_job
from workbench.recognition.runs.engine import Job, row_ref, run_job
from workbench.recognition.runs.planning import left_text
from workbench.recognition.settings import Settings
from workbench.recognition.types import Models, ModelSettings
from workbench.records import Progress

if TYPE_CHECKING:
    import dask
    import distributed
else:
    dask, distributed = later("dask"), later("distributed")

Work = Callable[[Job], pa.Table]
"""One job's rows; must be importable by name on a worker."""

_IN_FLIGHT = 3  # jobs a worker: one running, the others waiting beside it
_POLL_S = 0.5
_ALLOWED_FAILURES = 2
"""Worker deaths a job may be near before it is given up: it may be what kills them."""
_LOST_AGAIN = 3
"""Times a job that was lost with its scheduler is handed out anew."""
URGENT = 5
"""Dask's priority of a run that somebody waits for; one of everything has none."""
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
_ROWS_S = 10.0
"""Rows that do not arrive for so long went with their worker."""
_REPLACED_S = 20.0
"""A cluster of our own without a worker for so long gets a new one."""
_DESERTED_S = 180.0
"""A run ends when its scheduler has had no worker for so long. On a busy machine a worker takes ten
seconds to come back, and a job that kills each takes three of them before it is given up."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one job: a table, or the sentence why there is none."""

    job: Job
    table: pa.Table | None
    first_pts: int
    stop_pts: int
    model_ref: str
    failure: str = ""
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """How a whole run ended; ``failed`` holds one sentence a span that was not searched.

    ``skipped`` jobs had been searched before, or were by another run meanwhile; ``cpu_s`` is what
    the others took on all workers together.
    """

    jobs: int
    done: int
    sightings: int
    failed: tuple[str, ...]
    cancelled: bool
    model_ref: str
    skipped: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back from a worker: rows, CPU seconds, and the models that are there."""

    table: pa.Table
    cpu_s: float
    model_ref: str


def recognise_job(job: Job) -> pa.Table:
    """Run a job with this thread's models, loaded at its first job."""
    return run_job(job, _models(job.settings.models))


def sweep_for_candidates(job: Job) -> pa.Table:
    """Look at a job's key frames alone with this thread's models, see :func:`sweep_job`."""
    return sweep_job(job, _models(job.settings.models))


_LOADED = threading.local()


def _models(settings: ModelSettings) -> Models:
    # One set must not be used from two threads at a time, and a worker may have several.
    if getattr(_LOADED, "settings", None) != settings:
        cv2.setNumThreads(1)
        _LOADED.models = load_models(settings)
        _LOADED.settings = settings
    models: Models = _LOADED.models
    return models


def answer(work: Work, job: Job) -> Answer:
    """Do a job where it is called, with what it took."""
    began_s = time.thread_time()
    table = work(job)
    return Answer(table, time.thread_time() - began_s, model_ref(job.settings))


@lru_cache(maxsize=8)
def model_ref(settings: Settings) -> str:
    """Return what ``model_ref`` of rows made under `settings` reads, without loading a model."""
    models = settings.models
    ref = models_ref(own.cards_in_use(models), models, own.pack_in_use(models))
    return row_ref(ref, settings)


def recognise(
    jobs: Sequence[Job],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    on_result: Callable[[Result], None] = lambda _result: None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    held: Callable[[], bool] = lambda: False,
    skip: Callable[[Job], bool] = lambda _job: False,
    cost_s: Callable[[Job], float] = lambda job: job.modelled_s,
    urgent: bool = False,
    work: Work = recognise_job,
    clock: Callable[[], float] = time.monotonic,
) -> Summary:
    """Run jobs, first one first, and hand each one's rows to `on_result` in this thread.

    Parameters
    ----------
    scheduler
        Address of a Dask scheduler; its workers need this package and must reach the files.
    workers
        Processes of the local cluster where there is no `scheduler`; default one a core. 0 runs
        the jobs here, one after another, without a cluster.
    on_progress
        Told hours of footage done, and the time left, after every job.
    cancelled
        Asked between jobs and twice a second; what has ended by then is kept.
    held
        Asked likewise: while it says so no job is begun.
    skip
        Asked of each job just before its turn: whether somebody has done it meanwhile.
    cost_s
        What a job is expected to take, for the time left.
    urgent
        Goes before other runs on the same workers.
    clock
        Seconds by a steady clock.

    Raises
    ------
    Unavailable
        When the scheduler does not answer, has no workers, or is lost on the way.
    """
    tally = _Tally(jobs, on_result, on_progress, cost_s, clock)
    tally.show()
    if jobs and workers == 0 and scheduler is None:
        stopped = _one_by_one(jobs, work, tally, cancelled, held, skip)
        return tally.summary(cancelled=stopped)
    if not jobs:
        return tally.summary()
    with dask_client(scheduler, workers, most=len(jobs)) as client:
        spread = _Spread(client, jobs, work, tally, URGENT if urgent else 0, clock)
        stopped = spread.run(cancelled, held, skip)
    return tally.summary(cancelled=stopped)


def _one_by_one(
    jobs: Sequence[Job],
    work: Work,
    tally: _Tally,
    cancelled: Callable[[], bool],
    held: Callable[[], bool],
    skip: Callable[[Job], bool],
) -> bool:
    for job in jobs:
        while not cancelled() and held():
            tally.wait()
        if cancelled():
            return True
        if skip(job):
            tally.pass_over(job)
        else:
            tally.take(_ran(job, work))
    return False


class _Tally:
    """Counts and reports while results come in."""

    def __init__(
        self,
        jobs: Sequence[Job],
        on_result: Callable[[Result], None],
        on_progress: Callable[[Progress], None],
        cost_s: Callable[[Job], float],
        clock: Callable[[], float],
    ) -> None:
        self._jobs, self._on_result, self._on_progress = jobs, on_result, on_progress
        self._cost_s, self._clock, self._began_s = cost_s, clock, clock()
        self._total_h = sum(job.footage_s for job in jobs) / 3600
        self._left_s = sum(map(cost_s, jobs))
        self._worked_s = 0.0
        self._done_h = 0.0
        self._done = self._sightings = self._skipped = 0
        self._cpu_s = 0.0
        self._failed: list[str] = []
        self._model_ref = ""

    def wait(self) -> None:
        """Let a while go by that counts for nothing: another run is to go first."""
        before_s = self._clock()
        time.sleep(_POLL_S)
        self._began_s += self._clock() - before_s

    def pass_over(self, job: Job) -> None:
        self._skipped += 1
        self._done_h += job.footage_s / 3600
        self._left_s -= self._cost_s(job)
        self.show(job.camera.camera_id)

    def take(self, result: Result) -> None:
        self._done += 1
        self._done_h += result.job.footage_s / 3600
        cost_s = self._cost_s(result.job)
        self._left_s, self._worked_s = self._left_s - cost_s, self._worked_s + cost_s
        self._cpu_s += result.cpu_s
        if result.table is not None:
            self._sightings += result.table.num_rows
        if result.failure:
            self._failed.append(f"{result.job.subject}: {result.failure}")
        elif not self._model_ref:
            self._model_ref = result.model_ref
        self._on_result(result)
        self.show(result.job.camera.camera_id)

    def show(self, text: str = "") -> None:
        if self._worked_s and self._left_s > 0:
            pace = (self._clock() - self._began_s) / self._worked_s
            text += f", {left_text(pace * self._left_s)} left"
        # sums of hours in another order differ in their last digit: the end is where all jobs are
        over = self._done + self._skipped == len(self._jobs)
        done_h = self._total_h if over else self._done_h
        self._on_progress(Progress(done_h, self._total_h, "h", text, failed=tuple(self._failed)))

    def summary(self, *, cancelled: bool = False) -> Summary:
        return Summary(
            len(self._jobs), self._done, self._sightings, tuple(self._failed), cancelled,
            self._model_ref, self._skipped, self._cpu_s,
        )  # fmt: skip


def _ran(job: Job, work: Work) -> Result:
    try:
        return _good(job, answer(work, job))
    except Exception as error:  # noqa: BLE001 - one bad file must not end the run
        return _bad(job, error)


def _good(job: Job, found: Answer) -> Result:
    ours = model_ref(job.settings)
    if found.model_ref != ours:
        return _bad(
            job,
            Unavailable(
                N_("a worker has other models than this machine"),
                N_("install the same release there and run workbench doctor on both"),
            ),
        )
    return Result(job, found.table, job.first_pts, job.stop_pts, ours, cpu_s=found.cpu_s)


def _bad(job: Job, error: BaseException) -> Result:
    if isinstance(error, WorkbenchError):
        sentence = error.sentence()
    elif isinstance(error, distributed.KilledWorker):
        sentence = (
            "the worker process died repeatedly on this span; see its log for memory, "
            "then run the search again."
        )
    else:
        sentence = f"{type(error).__name__}: {error}"
    return Result(job, None, job.first_pts, job.stop_pts, model_ref(job.settings), failure=sentence)


class _Spread:
    """Keeps every worker of a cluster fed until all jobs have ended or the run is cancelled."""

    def __init__(
        self,
        client: distributed.Client,
        jobs: Sequence[Job],
        work: Work,
        tally: _Tally,
        priority: int,
        clock: Callable[[], float],
    ) -> None:
        self._client, self._work, self._tally, self._priority = client, work, tally, priority
        self._waiting = deque(enumerate(jobs))
        self._flying: dict[Any, tuple[int, Job]] = {}
        self._suspects: deque[tuple[int, Job]] = deque()
        self._alone: set[int] = set()
        self._lost: dict[int, int] = {}
        self._room = _IN_FLIGHT
        self._clock = clock
        self._deserted_s: float | None = None
        self._replaced_s: float | None = None

    def run(
        self,
        cancelled: Callable[[], bool],
        held: Callable[[], bool],
        skip: Callable[[Job], bool],
    ) -> bool:
        """Return whether the run was cancelled before its end."""
        while self._waiting or self._flying or self._suspects:
            if cancelled():
                self._client.cancel(list(self._flying), force=True)
                return True
            if not self._reached():
                self._tally.wait()
                continue
            if not self._waiting and not self._flying:
                # Dask blames each job a dead worker held: each gets a try with no other near.
                self._waiting.append(self._suspects.popleft())
                self._alone.add(self._waiting[0][0])
            if held():
                if not self._flying:
                    self._tally.wait()
                    continue
            else:
                self._send(skip)
            for future in self._ended():
                self._take(future)
        return False

    def _reached(self) -> bool:
        """Count the workers; False while the scheduler is being found again.

        Raises
        ------
        Unavailable
            When it is not found, or has had no workers for long.
        """
        if self._client.status in ("closing", "closed"):
            raise Unavailable(
                N_("the Dask scheduler is lost"),
                N_("start it again and repeat the command: what has ended is kept"),
            )
        if self._client.status != "running":
            # Only what the scheduler had is lost with it, and it has let go of that already.
            for future in [one for one in self._flying if one.done()]:
                self._take(future)
            return False
        with suppress(OSError, TimeoutError):
            count = len(self._client.nthreads())  # not scheduler_info(): see runs.crew
            self._room = _IN_FLIGHT * max(1, count)
            self._deserted_s = None if count else self._deserted_s or self._clock()
        self._replace_workers()
        if self._deserted_s is not None and self._clock() - self._deserted_s > _DESERTED_S:
            raise Unavailable(
                N_("the Dask scheduler has lost all its workers"),
                N_("start workers again and repeat the command: what has ended is kept"),
            )
        return True

    def _replace_workers(self) -> None:
        """Have a cluster of our own start another worker where none has come back for a while.

        Its nannies bring dead workers back, as a rule: on a busy machine one whose worker dies in
        the instant it is there does not always.
        """
        cluster, since_s = self._client.cluster, self._deserted_s
        if cluster is None or since_s is None:
            self._replaced_s = None
        elif self._clock() - max(since_s, self._replaced_s or since_s) > _REPLACED_S:
            self._replaced_s = self._clock()
            cluster.scale(len(cluster.worker_spec) + 1)

    def _send(self, skip: Callable[[Job], bool]) -> None:
        while self._waiting and len(self._flying) < self._room:
            number, job = self._waiting.popleft()
            if skip(job):
                self._tally.pass_over(job)
                continue
            # Rows are equal wherever a job runs, yet a future must not answer for an earlier run.
            future = self._client.submit(
                answer, self._work, job, pure=False, priority=self._priority
            )
            self._flying[future] = (number, job)

    def _ended(self) -> list[Any]:
        if not self._flying:
            return []
        with (
            suppress(TimeoutError, distributed.client.FuturesCancelledError),
            self._client.as_current(),
        ):
            distributed.wait(list(self._flying), timeout=_POLL_S, return_when="FIRST_COMPLETED")
        done = [future for future in self._flying if future.done()]
        return sorted(done, key=lambda future: self._flying[future][0])

    def _take(self, future: Any) -> None:
        number, job = self._flying.pop(future)
        found = _answer_of(future)
        if found is None:
            # Its worker died with the rows. The scheduler has the job done again, or has nobody
            # left to do it: the run must not wait here for what may never come.
            self._flying[future] = (number, job)
            return
        self._deserted_s = None  # a job that kills each worker ends by workers that came and went
        if isinstance(found, distributed.client.FuturesCancelledError):
            # Nobody here cancels but a run that ends: the scheduler went, with all it knew.
            self._lost[number] = self._lost.get(number, 0) + 1
            if self._lost[number] <= _LOST_AGAIN:
                self._waiting.appendleft((number, job))
                return
            found = Unavailable(N_("the job was lost"), N_("run the search again"))
        if isinstance(found, distributed.KilledWorker) and number not in self._alone:
            self._suspects.append((number, job))
            return
        failed = isinstance(found, BaseException)
        self._tally.take(_bad(job, found) if failed else _good(job, found))
        future.release()


def _answer_of(future: Any) -> Any:
    """Return the answer of a future that has ended, or its exception; None: not to be had now."""
    if future.status in ("cancelled", "lost"):
        return distributed.client.FuturesCancelledError(future.key)
    try:
        return future.result(timeout=_ROWS_S)
    except TimeoutError:
        return None
    except (Exception, distributed.client.FuturesCancelledError) as error:  # noqa: BLE001 - its outcome
        return error


def count_workers(scheduler: str | None, workers: int | None) -> int:
    """Return how many jobs go at once there: the threads of a cluster, or processes of this one."""
    if scheduler is None:
        return (os.cpu_count() or 1) if workers is None else max(1, workers)
    with dask_client(scheduler, workers, most=1) as client:
        return max(1, sum(int(threads) for threads in client.nthreads().values()))


@contextmanager
def dask_client(
    scheduler: str | None, workers: int | None, *, most: int
) -> Iterator[distributed.Client]:
    """Open a scheduler's client, or one of `workers` processes here (one a core, `most` at most).

    Raises
    ------
    Unavailable
        When the scheduler does not answer or has no workers.
    """
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout=f"{_START_S}s", set_as_default=False)
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
    with (
        local_cluster(count) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def local_cluster(workers: int) -> Iterator[distributed.LocalCluster]:
    """Run worker processes on this machine, of one thread each, with memory kept for pictures."""
    # imported before the setting: its own defaults would else be lost with ours
    cluster_of = distributed.LocalCluster
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
        cluster_of(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster
