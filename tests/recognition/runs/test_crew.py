"""Workers that follow: order kept, one that dies is replaced and nothing of it called searched."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dask.distributed import Client
from make.growing import pieces, record
from make.scenes import Mover, camera, draw, film, give_red_cars

from workbench.recognition.runs.crew import Crew, Outcome, crew, feed_here, forget_here
from workbench.recognition.runs.fanout import local_cluster
from workbench.recognition.runs.following import Following, Piece, live_settings
from workbench.recognition.settings import Settings

LIVE = live_settings(Settings())
FACTS = {"C1": (camera("C1"), ())}


@pytest.fixture(scope="module")
def fragments(tmp_path_factory: pytest.TempPathFactory) -> list[Piece]:
    folder = tmp_path_factory.mktemp("growing")
    movers = [Mover(60, 90, (30, 120), (290, 120)), Mover(110, 140, (30, 120), (290, 120))]
    clip = film(folder / "clip.mp4", [draw(n, movers) for n in range(180)])
    path: Path = record(clip, folder / "C1", 7)
    return pieces(folder / "C1", path)


def hear(workers: Crew, done: Callable[[list[Outcome]], object]) -> list[Outcome]:
    heard: list[Outcome] = []
    end = time.monotonic() + 60
    while not done(heard):
        assert time.monotonic() < end, "no answer"
        heard += workers.outcomes()
        threading.Event().wait(0.05)
    return heard


def feed_all(workers: Crew, given: list[Piece]) -> list[Outcome]:
    heard: list[Outcome] = []
    for piece in given:
        workers.feed("C1", piece)
        heard += hear(workers, len)
    return heard


def test_a_cameras_pieces_meet_its_state_on_one_worker(fragments: list[Piece]) -> None:
    with crew(FACTS, ["C1"], LIVE, workers=1, models=give_red_cars) as workers:
        heard = feed_all(workers, fragments)
    assert [one.piece for one in heard] == fragments
    assert all(not one.failure for one in heard)
    rows = [row for one in heard if one.fed for row in one.fed.table.to_pylist()]
    assert [row["kind"] for row in rows] == ["car", "car"]
    assert heard[-1].fed is not None
    assert len(heard[-1].fed.looked) == 1


def test_a_worker_that_dies_is_replaced_and_its_piece_told_lost(fragments: list[Piece]) -> None:
    with (
        local_cluster(1) as cluster,
        Client(cluster, set_as_default=False) as client,
        crew(
            FACTS, ["C1"], LIVE, scheduler=cluster.scheduler_address, models=give_red_cars
        ) as workers,
    ):
        feed_all(workers, fragments[:8])
        (pid,) = client.run(os.getpid).values()
        os.kill(pid, signal.SIGSTOP)  # so that the next piece is with it when it dies
        workers.feed("C1", fragments[8])
        os.kill(pid, signal.SIGKILL)
        (lost,) = hear(workers, len)
        assert lost.fed is None
        assert "died" in lost.failure
        keyed = Piece(fragments[10].of, fragments[10].data, fresh=True)
        heard = feed_all(workers, [keyed, *fragments[11:]])
        assert all(not one.failure for one in heard)
        assert heard[-1].fed is not None
        (span,) = heard[-1].fed.looked
        assert span[0] > 0


def test_what_a_client_notes_between_two_questions_declares_nobody_dead(
    fragments: list[Piece], monkeypatch: pytest.MonkeyPatch
) -> None:
    with crew(FACTS, ["C1"], LIVE, workers=1, models=give_red_cars) as workers:
        # every two seconds the client's own note names no worker: let it always do
        monkeypatch.setattr(Client, "scheduler_info", lambda *_, **__: {"workers": {}})
        heard = feed_all(workers, fragments)
    assert [one.piece for one in heard] == fragments
    assert all(not one.failure for one in heard)


def test_a_bad_fragment_is_a_sentence_and_the_camera_goes_on(fragments: list[Piece]) -> None:
    with crew(FACTS, ["C1"], LIVE, workers=1, models=give_red_cars) as workers:
        heard = feed_all(workers, [Piece(fragments[0].of, b"no video at all"), *fragments])
    assert heard[0].fed is None
    assert heard[0].failure
    assert heard[-1].fed is not None


crew_module = sys.modules[Crew.__module__]


def test_a_run_that_was_killed_is_forgotten_when_another_feeds_the_worker(
    fragments: list[Piece], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_s = [1000.0]
    monkeypatch.setattr(crew_module.time, "monotonic", lambda: at_s[0])
    fresh = Following(camera("C1"), LIVE, give_red_cars)
    for run, pause_s in (("killed", 0.0), ("lives", 59.0)):
        at_s[0] += pause_s
        feed_here(run, fresh, "C1", fragments[0])
        assert ("killed", "C1") in crew_module._FOLLOWED
    at_s[0] += 2.0
    feed_here("lives", fresh, "C1", fragments[1])
    assert set(crew_module._FOLLOWED) == {("lives", "C1")}
    forget_here("lives")
    assert not crew_module._FOLLOWED
    assert not crew_module._FED_S
