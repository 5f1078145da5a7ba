"""The fan-out: same rows with and without a cluster, failures listed, workers that die, cancel."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from dask.distributed import LocalCluster
from distributed.scheduler import KilledWorker
from make.scenes import Mover, blind, camera, draw, film, segment_of

from workbench.errors import Unavailable
from workbench.recognition.runs import fanout
from workbench.recognition.runs.engine import Job, plan_jobs, run_job
from workbench.recognition.runs.fanout import Result, recognise
from workbench.recognition.settings import Settings
from workbench.recognition.types import ModelSettings
from workbench.records import SIGHTINGS, Progress

CAR = Mover(4, 26, (30, 120), (290, 120))


def motion_only(job: Job) -> pa.Table:
    """Work without models, importable on a worker."""
    return run_job(job, blind())


def killed_once(job: Job) -> pa.Table:
    """Die like a process killed from outside at the first try of the second job."""
    flag = job.path.with_suffix(".killed")
    if job.first > 0 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return motion_only(job)


def deadly(job: Job) -> pa.Table:
    """Kill every worker that touches the second job."""
    if 0 < job.first <= 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return SIGHTINGS.empty_table()


def nothing(_job: Job) -> pa.Table:
    """Find nothing, at once."""
    return SIGHTINGS.empty_table()


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> list[Job]:
    path = tmp_path_factory.mktemp("fanout") / "cars.mp4"
    later = [Mover(m + 4, m + 26, (30, 120), (290, 120)) for m in (40, 80)]
    film(path, [draw(n, [CAR, *later]) for n in range(120)])
    segment, index = segment_of(path)
    return plan_jobs(segment, path, index, camera(), (), Settings(span_s=4.0, lead_s=2.0))


def gather(jobs: list[Job], **kwargs: object) -> tuple[fanout.Summary, list[Result]]:
    results: list[Result] = []
    summary = recognise(jobs, on_result=results.append, **kwargs)  # type: ignore[arg-type]
    return summary, sorted(results, key=lambda r: r.first_pts)


@pytest.fixture(scope="module")
def alone(jobs: list[Job]) -> tuple[fanout.Summary, list[Result]]:
    return gather(jobs, workers=0, work=motion_only)


def test_every_job_gives_its_rows(alone: tuple[fanout.Summary, list[Result]]) -> None:
    summary, results = alone
    assert (summary.jobs, summary.done, summary.sightings) == (3, 3, 3)
    assert summary.failed == ()
    assert not summary.cancelled
    assert [r.table.num_rows for r in results if r.table is not None] == [1, 1, 1]
    assert results[0].stop_pts == results[1].first_pts


def test_a_killed_worker_costs_nothing_and_rows_are_the_same(
    jobs: list[Job], alone: tuple[fanout.Summary, list[Result]]
) -> None:
    summary, results = gather(jobs, workers=2, work=killed_once)
    assert summary.failed == ()
    assert [r.table.to_pylist() for r in results] == [r.table.to_pylist() for r in alone[1]]  # type: ignore[union-attr]


def test_a_job_that_kills_is_given_up_and_the_rest_goes_on(jobs: list[Job]) -> None:
    summary, results = gather(jobs, workers=1, work=deadly)
    assert summary.done == 3
    assert len(summary.failed) == 1
    assert "died" in summary.failed[0]
    assert jobs[1].subject in summary.failed[0]
    assert [bool(r.failure) for r in results] == [False, True, False]


def test_rows_that_went_with_their_worker_are_waited_for_and_never_for_ever(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies between its last job and the gathering of its rows once hung a run."""
    asked, real = [], fanout._answer_of

    def gone_at_first(future: object) -> object:
        asked.append(future)
        return None if len(asked) == 1 else real(future)

    monkeypatch.setattr(fanout, "_answer_of", gone_at_first)
    summary, results = gather(jobs, workers=1, work=motion_only)
    assert (summary.done, summary.failed, len(results)) == (3, (), 3)
    assert len(asked) == 4
    assert asked[0] in asked[1:]


def test_a_future_whose_rows_do_not_come_has_no_answer_yet() -> None:
    class Gone:
        status, key = "finished", "one"

        def result(self, timeout: float) -> None:
            assert timeout < 60
            raise TimeoutError

    assert fanout._answer_of(Gone()) is None


def test_an_unreadable_file_is_listed_and_the_rest_goes_on(jobs: list[Job], tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all" * 100)
    mixed = [jobs[0], replace(jobs[1], path=broken), jobs[2]]
    summary, results = gather(mixed, workers=0, work=motion_only)
    assert summary.done == 3
    assert summary.sightings == 2
    assert len(summary.failed) == 1
    assert "broken.mp4" in summary.failed[0]
    assert "Traceback" not in summary.failed[0]
    assert results[1].table is None


def test_progress_ends_at_its_total_in_hours(jobs: list[Job]) -> None:
    told: list[Progress] = []
    recognise(jobs, workers=0, work=motion_only, on_progress=told.append)
    assert [p.unit for p in told] == ["h"] * 4
    assert told[0].done == 0
    assert told[-1].done == told[-1].total == pytest.approx(12 / 3600)


def test_progress_of_a_run_that_ended_is_its_total_to_the_last_digit(jobs: list[Job]) -> None:
    """Hours summed one by one differ from their sum in the last digit: "stopped" was said."""
    lengths = (0.7, 0.3, 0.2, 0.1)
    odd = [replace(jobs[0], stop_pts=jobs[0].first_pts + round(1000 * s)) for s in lengths]
    assert sum(job.footage_s / 3600 for job in odd) != sum(job.footage_s for job in odd) / 3600
    told: list[Progress] = []
    recognise(odd, workers=0, work=nothing, on_progress=told.append)
    assert told[-1].done == told[-1].total


def test_cancel_keeps_what_has_ended(jobs: list[Job]) -> None:
    results: list[Result] = []
    summary = recognise(
        jobs,
        workers=0,
        work=motion_only,
        on_result=results.append,
        cancelled=lambda: len(results) >= 1,
    )
    assert summary.cancelled
    assert (summary.done, len(results)) == (1, 1)


def test_no_jobs_need_no_cluster() -> None:
    assert recognise([]).done == 0


def test_an_absent_scheduler_is_one_sentence(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "_START_S", 1)
    with pytest.raises(Unavailable, match="does not answer"):
        recognise(jobs, scheduler="tcp://127.0.0.1:1", work=motion_only)


def test_a_cluster_by_address_works_and_one_without_workers_is_one_sentence(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "_START_S", 2)
    with LocalCluster(
        n_workers=0, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        with pytest.raises(Unavailable, match="no workers"):
            recognise(jobs, scheduler=cluster.scheduler_address, work=motion_only)
        cluster.scale(1)
        monkeypatch.setattr(fanout, "_START_S", 60)
        summary, results = gather(jobs, scheduler=cluster.scheduler_address, work=motion_only)
    assert (summary.done, summary.sightings) == (3, 3)
    assert not any(r.failure for r in results)


def test_cancel_on_a_cluster_stops_and_keeps(jobs: list[Job]) -> None:
    results: list[Result] = []
    summary = recognise(
        jobs * 6,
        workers=1,
        work=motion_only,
        on_result=results.append,
        cancelled=lambda: len(results) >= 1,
    )
    assert summary.cancelled
    assert 1 <= len(results) < 18


def test_the_reason_of_a_failure_is_a_sentence(jobs: list[Job]) -> None:
    result = fanout._bad(jobs[0], KilledWorker("task", None, 3))
    assert result.table is None
    assert "died" in result.failure


def test_a_worker_with_other_models_gives_a_failure_and_no_rows(jobs: list[Job]) -> None:
    foreign = fanout.Answer(SIGHTINGS.empty_table(), 1.0, "older+settings")
    result = fanout._good(jobs[0], foreign)
    assert result.table is None
    assert "other models" in result.failure


def test_each_thread_of_a_worker_has_models_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "load_models", lambda _settings: object())
    monkeypatch.setattr(fanout, "_LOADED", threading.local())
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        mine = [pool.submit(fanout._models, ModelSettings()).result() for pool in (one, one, two)]
        other = one.submit(fanout._models, ModelSettings(face_min_score=0.1)).result()
    assert mine[0] is mine[1]
    assert mine[0] is not mine[2]
    assert other is not mine[0]


def test_the_time_left_follows_the_pace_so_far(jobs: list[Job]) -> None:
    told: list[Progress] = []
    seconds = iter(range(0, 1000, 10))
    recognise(
        jobs, workers=0, work=motion_only, on_progress=told.append,
        cost_s=lambda _job: 1.0, clock=lambda: float(next(seconds)),
    )  # fmt: skip
    assert [p.text for p in told] == ["", "C1, 0:00:20 left", "C1, 0:00:10 left", "C1"]


def test_dear_footage_is_cut_finer(tmp_path: Path) -> None:
    path = film(tmp_path / "long.mp4", [draw(n, [CAR]) for n in range(120)])
    segment, index = segment_of(path)
    whole = plan_jobs(segment, path, index, camera(), (), Settings())
    finer = plan_jobs(segment, path, index, camera(), (), Settings(job_s=0.5))
    assert (len(whole), len(finer)) == (1, 3)
    assert whole[0].modelled_s < sum(job.modelled_s for job in finer)
    assert [job.stop for job in finer[:-1]] == [job.first for job in finer[1:]]
