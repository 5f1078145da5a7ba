"""The workers that follow growing recordings: each camera has one, which keeps that camera's state.

A camera's pieces go to the same process one after another; rows come back, and no picture but that
of a face which a lookout with leave found worth a person's look.
Where a worker dies, its cameras begin anew on another one and what was on its way in them is not
called searched.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from workbench.recognition.models.loading import load_models
from workbench.recognition.runs.fanout import dask_client
from workbench.recognition.runs.following import Fed, Following, Piece
from workbench.recognition.settings import Settings
from workbench.recognition.types import Models, ModelSettings
from workbench.records import Camera
from workbench.timeline import ClockFix

_AT_ONCE = 2
"""Pieces with a worker: one that it works on, one that waits beside it."""
_FIRST = 10
"""Dask's priority: before jobs of the archive that share the workers."""

GiveModels = Callable[[ModelSettings], Models]


@lru_cache(maxsize=1)
def own_models(settings: ModelSettings) -> Models:
    """Return this process's models for following, loaded once.

    Not those of archived jobs: a worker may run one of those in another thread meanwhile.
    """
    return load_models(settings)


FORGOTTEN_S = 60.0
"""A run that fed this process nothing for so long is forgotten once another one feeds it."""
_FOLLOWED: dict[tuple[str, str], Following] = {}
"""On a worker: the state of each camera, by run and camera."""
_FED_S: dict[str, float] = {}
"""On a worker: when each run fed it last, by a clock that nobody sets."""
_TURN = Lock()


def feed_here(run: str, fresh: Following, camera_id: str, piece: Piece) -> Fed:
    """Search a piece with the state of its camera in this process, `fresh` where it has none."""
    with _TURN:  # a worker with several threads has one set of models all the same
        _FED_S[run] = now_s = time.monotonic()
        # one that was killed cannot say that it is over, and its footage would stay here
        for other in [one for one, fed_s in _FED_S.items() if now_s - fed_s > FORGOTTEN_S]:
            _forget(other)
        return _FOLLOWED.setdefault((run, camera_id), fresh).feed(piece)


def ready_here(models: GiveModels, settings: ModelSettings) -> None:
    """Load this process's models before footage waits for them."""
    with _TURN:
        models(settings)


def forget_here(run: str) -> None:
    """Let the states of a run go."""
    with _TURN:
        _forget(run)


def _forget(run: str) -> None:
    _FED_S.pop(run, None)
    for key in [key for key in _FOLLOWED if key[0] == run]:
        del _FOLLOWED[key]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one piece; ``failure`` says in a sentence why nothing did."""

    camera_id: str
    piece: Piece
    fed: Fed | None
    failure: str = ""


class _Worker:
    """One worker process: its cameras in order of priority, and the pieces it has."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.cameras: list[str] = []
        self.flying: deque[tuple[str, Piece, Any]] = deque()


class Crew:
    """Workers and the cameras each of them follows. Make it with :func:`crew`."""

    def __init__(
        self,
        client: Any,
        cameras: Mapping[str, tuple[Camera, tuple[ClockFix, ...]]],
        priority: Sequence[str],
        settings: Settings,
        models: GiveModels,
    ) -> None:
        self._client, self._cameras = client, dict(cameras)
        self._settings, self._models = settings, models
        addresses = sorted(client.nthreads())
        self._workers = [_Worker(address) for address in addresses[: len(priority)]]
        for place, camera_id in enumerate(priority):
            self._workers[place % len(self._workers)].cameras.append(camera_id)
        self._run = uuid.uuid4().hex
        loading = [
            client.submit(ready_here, models, settings.models, pure=False, workers=[one.address])
            for one in self._workers
        ]
        for future in loading:
            future.result()

    @property
    def groups(self) -> list[list[str]]:
        """Return the cameras of each worker, the most important first."""
        return [list(worker.cameras) for worker in self._workers]

    def free(self) -> Iterator[list[str]]:
        """Yield the cameras of each worker that can take another piece, one camera one piece."""
        for worker in self._workers:
            if len(worker.flying) < _AT_ONCE:
                busy = {camera_id for camera_id, _, _ in worker.flying}
                yield [camera_id for camera_id in worker.cameras if camera_id not in busy]

    def feed(self, camera_id: str, piece: Piece) -> None:
        """Send a piece to its camera's worker."""
        worker = next(one for one in self._workers if camera_id in one.cameras)
        camera, fixes = self._cameras[camera_id]
        fresh = Following(camera, self._settings, self._models, fixes)
        future = self._client.submit(
            feed_here, self._run, fresh, camera_id, piece,
            pure=False, workers=[worker.address], allow_other_workers=False, priority=_FIRST,
        )  # fmt: skip
        worker.flying.append((camera_id, piece, future))

    def busy(self) -> bool:
        """Return whether some piece is not answered yet."""
        return any(worker.flying for worker in self._workers)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what has come of pieces since, in order for each camera."""
        present: set[str] | None = None
        for worker in self._workers:
            while worker.flying:
                camera_id, piece, future = worker.flying[0]
                if not future.done():
                    if present is None:
                        present = self._present()
                    if worker.address in present:
                        break
                    yield from self._replace(worker)
                    break
                worker.flying.popleft()
                try:
                    yield Outcome(camera_id, piece, future.result())
                except Exception as error:  # noqa: BLE001 - one bad recording must not end the rest
                    yield Outcome(camera_id, piece, None, _sentence(error))

    def _present(self) -> set[str]:
        """Return the workers there are; while nobody can say, those there were.

        Asked of the scheduler itself: ``scheduler_info()`` answers with what the client has noted,
        and what it notes for itself every two seconds names no worker at all.
        """
        try:
            return set(self._client.nthreads())
        except OSError:
            return {worker.address for worker in self._workers}

    def _replace(self, worker: _Worker) -> Iterator[Outcome]:
        """Give up what a dead worker had and start its cameras on one that lives."""
        self._client.wait_for_workers(1, timeout=60)
        alive = sorted(self._client.nthreads())
        lost, worker.flying = worker.flying, deque()
        used = {other.address for other in self._workers if other is not worker}
        worker.address = next((a for a in alive if a not in used), alive[0])
        self._client.cancel([future for _, _, future in lost], force=True)
        for camera_id, piece, _ in lost:
            yield Outcome(camera_id, piece, None, "the worker process died")

    def close(self) -> None:
        """Let the cameras' states on the workers go."""
        self._client.run(forget_here, self._run)


def _sentence(error: Exception) -> str:
    told = getattr(error, "sentence", None)
    return told() if callable(told) else f"{type(error).__name__}: {error}"


@contextmanager
def crew(
    cameras: Mapping[str, tuple[Camera, tuple[ClockFix, ...]]],
    priority: Sequence[str],
    settings: Settings,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    models: GiveModels = own_models,
) -> Iterator[Crew]:
    """Start a session a camera on the workers of a scheduler, or on processes of this machine.

    Parameters
    ----------
    priority
        Camera ids, the most important first; they are dealt to the workers in turn.
    models
        Gives a worker its models; must be importable by name there.

    Raises
    ------
    Unavailable
        When the scheduler does not answer or has no workers.
    """
    with dask_client(scheduler, workers, most=len(priority)) as client:
        opened = Crew(client, cameras, priority, settings, models)
        try:
            yield opened
        finally:
            with suppress(OSError, TimeoutError):
                opened.close()
