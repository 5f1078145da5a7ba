"""Runs over the archive: cost first, order, what is skipped, and every way of being interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from make.scenes import Mover, draw, film
from typer.testing import CliRunner

from workbench import recognition
from workbench.cli import app
from workbench.errors import Refused
from workbench.investigation import Workbench, first_candidates, open_workbench, running
from workbench.records import Case, Progress, Purpose
from workbench.store import Store
from workbench.store.runs import Runs
from workbench.timeline import SECOND_NS, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
COUNT = 6


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for n in range(COUNT):
        movers = [Mover(first, first + 22, (30, 120), (290, 120 + n)) for first in (4, 40, 80)]
        made.append(film(folder / f"{n}.mp4", [draw(k, movers) for k in range(120)]))
    return made


@pytest.fixture
def make(tmp_path: Path, ward_folder: Path, clips: list[Path]) -> Callable[[str], Workbench]:
    """Return a maker of roots with the same footage: two files each of three cameras."""

    return lambda name: filled(tmp_path / name, ward_folder, clips)


def filled(root: Path, ward_folder: Path, clips: list[Path]) -> Workbench:
    """Make a root with two files each of three cameras."""
    wb = open_workbench(root, actor="thu", create_from=ward_folder)
    cameras = list(wb.ward.cameras)[: COUNT // 2]
    for n, clip in enumerate(clips):
        wb.ingest(clip, cameras[n % len(cameras)], START_NS + n * 60 * SECOND_NS)
    return wb


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, ward_folder: Path, clips: list[Path]
) -> list[dict[str, Any]]:
    """The rows of a run over all of that footage that nothing interrupts."""
    wb = filled(tmp_path_factory.mktemp("whole") / "root", ward_folder, clips)
    wb.recognise(workers=0)
    return rows(wb)


def rows(wb: Workbench) -> list[dict[str, Any]]:
    return Store.open(wb.root).sightings().to_pylist()  # type: ignore[no-any-return]


def done(wb: Workbench) -> int:
    return sum(not one.failure for one in Store.open(wb.root).searched())


@contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[str]]:
    """Run a program of the workbench or of Dask; it is ended on leaving, whatever happens."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()


def until(process: subprocess.Popen[str], words: str) -> str:
    """Read a program's lines up to one that holds the words."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"'{words}' was never said: {said}")


def recognise(wb: Workbench, *words: object) -> tuple[object, ...]:
    return ("workbench.cli", "recognise", wb.root, *words)


def test_cost_is_said_first_by_default_then_by_what_was_learned(
    make: Callable[[str], Workbench],
) -> None:
    wb = make("one")
    before = wb.estimate(workers=2)
    assert (before.jobs, before.workers, before.learned_h, before.searched_h) == (COUNT, 2, 0, 0)
    assert before.footage_h == pytest.approx(COUNT * 12 / 3600)
    assert "a default" in str(before)
    said: list[recognition.Estimate] = []
    camera = next(iter(before.s_per_footage_h))
    summary = wb.recognise([camera], workers=0, on_estimate=said.append)
    assert (summary.done, summary.skipped, said[0].jobs) == (2, 0, 2)
    assert summary.cpu_s > 0
    after = wb.estimate(workers=2)
    assert (after.jobs, after.learned_h) == (COUNT - 2, pytest.approx(24 / 3600))
    assert after.searched_h == pytest.approx(24 / 3600)
    assert "learned from" in str(after)
    assert after.cpu_h / after.footage_h == pytest.approx(summary.cpu_s / 24, rel=0.01)
    # a damaged memory of costs is a default again, never an error
    (wb.root / "runs" / "costs.json").write_text('{"x": [1]}')
    assert wb.estimate().learned_h == 0
    wb.recognise([camera], workers=0, again=True)
    assert len(rows(wb)) == summary.sightings


def test_what_other_models_hid_counts_again_without_a_search(
    make: Callable[[str], Workbench],
) -> None:
    wb = make("two")
    camera = next(iter(wb.ward.cameras))
    ours, other = recognition.Settings(), recognition.Settings(name_score=0.51)
    wb.recognise([camera], workers=0, settings=ours)
    mine = rows(wb)
    wb.recognise([camera], workers=0, settings=other)
    assert {row["model_ref"] for row in rows(wb)} != {row["model_ref"] for row in mine}
    summary = wb.recognise([camera], workers=0, settings=ours)
    assert (summary.done, summary.skipped) == (0, 2)
    assert rows(wb) == mine


def test_job_grids_of_one_model_that_alternate_hide_nothing(
    make: Callable[[str], Workbench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release may cut files elsewhere under the same settings: rows of either grid count."""
    wb = make("grids")
    camera = next(iter(wb.ward.cameras))
    ours, other = recognition.Settings(), recognition.Settings(name_score=0.51)
    wb.recognise([camera], workers=0, settings=ours)
    mine = rows(wb)
    wb.recognise([camera], workers=0, settings=other)
    real = running._jobs

    def halved(*args: Any) -> Iterator[recognition.Job]:
        for job in real(*args):
            keys = Store.open(wb.root).frame_index(job.segment.sha256)
            cut = int(keys.is_key.nonzero()[0][keys.is_key.sum() // 2])
            middle = int(keys.pts[cut])
            yield replace(job, stop=cut, stop_pts=middle)
            yield replace(job, first=cut, first_pts=middle)

    monkeypatch.setattr(running, "_jobs", halved)
    summary = wb.recognise([camera], workers=0, settings=ours)
    assert (summary.done, summary.skipped) == (4, 0)
    assert {row["model_ref"] for row in rows(wb)} == {mine[0]["model_ref"]}
    assert {row["sighting_id"] for row in mine} <= {row["sighting_id"] for row in rows(wb)}
    # searched and in sight: nothing is marked or searched once more
    assert running.plan(wb, [camera], None, purpose=None, settings=ours).overtaken == ()
    monkeypatch.undo()
    assert running.plan(wb, [camera], None, purpose=None, settings=ours).jobs == ()
    assert running.plan(wb, [camera], None, purpose=None, settings=ours).overtaken == ()


def test_wishes_go_first_then_open_cases_then_the_dearest(
    make: Callable[[str], Workbench],
) -> None:
    wb = make("three")
    a, b, c = list(wb.ward.cameras)[:3]
    period = Span(START_NS, START_NS + 3600 * SECOND_NS)
    wb.open_case(Case("HS-1", "t", "l", "r", period, (b,)))
    plan = running.plan(wb, None, None, purpose=None, first=[c])
    assert [job.camera.camera_id for job in plan.jobs] == [c, c, b, b, a, a]
    Runs(wb.root).add_cost(plan.model_ref, a, (600.0, 10.0, 90.0, 5.0))
    wb.close_case("HS-1", "xong")
    plan = running.plan(wb, None, None, purpose=None)
    assert [job.camera.camera_id for job in plan.jobs][:2] == [a, a]


def test_a_case_bounds_its_run(make: Callable[[str], Workbench]) -> None:
    wb = make("four")
    a, b = list(wb.ward.cameras)[:2]
    wb.open_case(Case("HS-1", "t", "l", "r", Span(START_NS, START_NS + 30 * SECOND_NS), (a,)))
    assert wb.estimate(purpose=Purpose("HS-1", "xem")).jobs == 1
    with pytest.raises(Refused):
        wb.estimate([b], purpose=Purpose("HS-1", "xem"))


def test_a_search_of_everything_waits_for_one_of_a_case(make: Callable[[str], Workbench]) -> None:
    wb = make("five")
    runs = Runs(wb.root)
    camera = next(iter(wb.ward.cameras))
    case = runs.begin(actor="dtv", started_ns=1, case_id="HS-1", footage_h=1.0)
    case.__enter__()
    asked = []

    def cancelled() -> bool:
        asked.append(done(wb))
        if len(asked) == 3:
            case.__exit__(None, None, None)
        return False

    summary = wb.recognise([camera], workers=0, cancelled=cancelled)
    assert asked[:3] == [0, 0, 0]
    assert summary.done == 2


def test_a_dead_run_is_forgotten_and_stands_in_nobodys_way(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.begin(actor="a", started_ns=1, case_id="", footage_h=1.0) as mine:
        (runs.folder / "dead.run").write_text(
            '{"run_id": "dead", "actor": "b", "started_ns": 0, "case_id": "H", "footage_h": 1}'
        )
        assert [one.run_id for one in runs.all()] == [mine.run_id]
        assert not (runs.folder / "dead.run").exists()
    assert runs.all() == []


def test_a_request_to_end_a_run_that_was_over_is_taken_away(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.begin(actor="a", started_ns=1, case_id="", footage_h=1.0) as over:
        pass
    runs.stop(over.run_id, "b")
    with runs.begin(actor="a", started_ns=1, case_id="", footage_h=1.0) as living:
        assert [one.name for one in runs.folder.glob("*.stop")] == []
        runs.stop(living.run_id, "b")
        with runs.begin(actor="c", started_ns=2, case_id="", footage_h=1.0):
            assert runs.stopped_by(living.run_id) == "b"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_run_that_dies_says_so_at_its_end(
    make: Callable[[str], Workbench], error: type[BaseException]
) -> None:
    wb = make("dying")
    camera = next(iter(wb.ward.cameras))

    def told(progress: Progress) -> None:
        if progress.done:
            raise error("the disk went, with a password in its sentence")

    with pytest.raises(error):
        wb.recognise([camera], workers=0, on_progress=told)
    last = wb.audit()[-1]
    assert (last.action, last.subject) == ("recognise.failed", camera)
    assert json.loads(last.details) == {"error": error.__name__, "jobs": 2, "done": 1}
    assert wb.runs() == []
    assert wb.recognise([camera], workers=0).skipped == 1
    wb.open_case(Case("HS-1", "x", "x", "x", Span(START_NS, START_NS + 3600 * SECOND_NS)))
    with pytest.raises(error):
        first_candidates(wb, Purpose("HS-1", "where"), workers=0, on_progress=told)
    assert wb.audit()[-1].action == "sweep.failed"
    assert wb.verify() == []


def test_another_process_ends_a_run_and_what_was_found_is_kept(
    make: Callable[[str], Workbench], whole: list[dict[str, Any]]
) -> None:
    wb = make("six")
    with started(*recognise(wb, "--workers", "0")) as process:
        until(process, "left")
        assert wb.stop_runs() == 1
        assert process.stdout is not None
        rest = process.stdout.read()
        assert process.wait() == 1
    assert "stopped before the end" in rest
    assert 0 < done(wb) < COUNT
    summary = wb.recognise(workers=0)
    assert summary.skipped + summary.done == COUNT
    assert rows(wb) == whole
    actions = [entry.action for entry in wb.audit()]
    assert "recognise.stop" in actions


def test_a_killed_run_goes_on_with_the_same_command(
    make: Callable[[str], Workbench], whole: list[dict[str, Any]]
) -> None:
    wb = make("seven")
    with started(*recognise(wb, "--workers", "1")) as process:
        until(process, "left")
        process.kill()
        process.wait()
    kept = done(wb)
    assert kept > 0
    assert not any(entry.action.startswith("recognise") for entry in wb.audit())
    assert wb.runs() == wb.runs() == []
    (entry,) = (entry for entry in wb.audit() if entry.action == "recognise.failed")
    assert '"error": "killed"' in entry.details  # it could not say so itself
    summary = wb.recognise(workers=0)
    assert (summary.skipped, summary.done) == (kept, COUNT - kept)
    assert rows(wb) == whole


def test_a_cluster_by_address_with_threads_a_killed_worker_and_a_killed_scheduler(
    make: Callable[[str], Workbench], whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    wb = make("eight")
    a, b, c = list(wb.ward.cameras)[:3]
    contact = tmp_path / "scheduler.json"
    serve = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
             "--no-dashboard", "--scheduler-file", contact)  # fmt: skip
    work = ("distributed.cli.dask_worker", "--scheduler-file", contact, "--nthreads", "2",
            "--no-nanny", "--no-dashboard", "--memory-limit", "0")  # fmt: skip
    with started(*serve) as scheduler:
        said = until(scheduler, "Scheduler at")
        address = said.split("Scheduler at:")[1].split()[0]
        with started(*work) as first:
            until(first, "Registered to")
            assert wb.estimate(scheduler=address).workers == 2
            summary = wb.recognise([a], scheduler=address)
            assert (summary.done, summary.failed) == (2, ())
            with started(*recognise(wb, "--cameras", b, "--scheduler", address)) as process:
                until(process, "footage in 2 jobs")
                os.killpg(first.pid, signal.SIGKILL)
                with started(*work) as second:
                    until(second, "Registered to")
                    assert process.wait() == 0
                    with started(*recognise(wb, "--cameras", c, "--scheduler", address)) as last:
                        until(last, "footage in 2 jobs")
                        os.killpg(scheduler.pid, signal.SIGKILL)
                        assert last.stdout is not None
                        assert "scheduler" in last.stdout.read().splitlines()[-1]
                        assert last.wait() == 2
    assert wb.recognise(workers=0).failed == ()
    assert rows(wb) == whole


def test_first_candidates_stay_inside_their_case_and_are_not_kept(
    make: Callable[[str], Workbench],
) -> None:
    wb = make("swept")
    one, other, _ = list(wb.ward.cameras)[:3]
    start_ns, stop_ns = START_NS, START_NS + 30 * SECOND_NS
    wb.open_case(Case("HS-1", "x", "x", "x", Span(start_ns, stop_ns), (one,)))
    purpose = Purpose("HS-1", "where to look first")
    settings = recognition.Settings(warm_least_keys=3)
    found = first_candidates(wb, purpose, workers=0, settings=settings)
    moving = found.table[found.table["moving"]]
    assert len(moving) >= 2
    assert set(moving["camera_id"]) == {one}
    assert moving["utc"].between(*(pd.Timestamp(at, tz="UTC") for at in (start_ns, stop_ns))).all()
    assert moving["plate"].isna().all()
    assert rows(wb) == []
    assert done(wb) == 0
    assert wb.audit()[-1].action == "sweep"
    with pytest.raises(Refused):
        first_candidates(wb, purpose, [other], workers=0)
    with pytest.raises(Refused):
        first_candidates(wb, Purpose("", ""), workers=0)


def test_what_was_searched_is_not_swept_again(make: Callable[[str], Workbench]) -> None:
    wb = make("searched")
    wb.open_case(Case("HS-1", "x", "x", "x", Span(START_NS, START_NS + 3600 * SECOND_NS)))
    purpose = Purpose("HS-1", "where to look first")
    settings = recognition.Settings(warm_least_keys=3)
    wb.recognise(list(wb.ward.cameras)[:1], workers=0, settings=settings)
    found = first_candidates(wb, purpose, workers=0, settings=settings)
    assert found.searched_before == 2
    assert found.summary.jobs == COUNT - 2


def test_after_a_sweep_the_search_begins_where_it_saw_most(
    make: Callable[[str], Workbench], tmp_path: Path
) -> None:
    wb = make("two stages")
    a = next(iter(wb.ward.cameras))
    still = film(tmp_path / "still.mp4", [draw(k, []) for k in range(240)])
    wb.ingest(still, a, START_NS + 600 * SECOND_NS)  # the dearest of all, and nobody in it
    wb.open_case(Case("HS-1", "x", "x", "x", Span(START_NS, START_NS + 3600 * SECOND_NS)))
    purpose = Purpose("HS-1", "where to look first")
    settings = recognition.Settings(warm_least_keys=3)
    before = running.plan(wb, None, None, purpose=purpose, settings=settings)
    assert before.jobs[0].segment.frame_count == 240
    found = first_candidates(wb, purpose, workers=0, settings=settings)
    after = running.plan(wb, None, None, purpose=purpose, settings=settings, swept=found)
    assert after.jobs[-1].segment.frame_count == 240
    assert {job.subject for job in after.jobs} == {job.subject for job in before.jobs}
    moving = found.table[found.table["moving"]]
    counts = [int((moving["segment_sha256"] == job.segment.sha256).sum()) for job in after.jobs]
    assert counts == sorted(counts, reverse=True)
    # what was wished for still goes before what a sweep saw
    wished = running.plan(
        wb, None, None, purpose=purpose, settings=settings, swept=found, first=[a]
    )
    assert [job.camera.camera_id for job in wished.jobs][:3] == [a, a, a]
    assert wished.jobs[2].segment.frame_count == 240


def test_both_stages_go_in_one_command(make: Callable[[str], Workbench]) -> None:
    wb = make("one command")
    camera = next(iter(wb.ward.cameras))
    wb.open_case(
        Case("HS-1", "x", "x", "x", Span(START_NS, START_NS + 3600 * SECOND_NS), (camera,))
    )
    words = ["recognise", str(wb.root), "--sweep", "--workers", "0"]
    refused = CliRunner().invoke(app, words)
    assert isinstance(refused.exception, Refused)
    assert rows(wb) == []
    ran = CliRunner().invoke(app, [*words, "--case", "HS-1", "--reason", "xem"])
    assert ran.exit_code == 0, ran.output
    assert ran.output.index("footage in 2 jobs") < ran.output.index("2 of 2 spans searched")
    assert {"sweep", "recognise"} <= {entry.action for entry in wb.audit()}
    assert len(rows(wb)) > 0
