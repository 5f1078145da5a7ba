"""One run of recognition on recordings that grow, inside one open case.

Fragments are fed to the workers as soon as they are whole; rows of passes that have closed can be
read at once, provisionally, and move into the lake when their file is sealed. What there was no
time for is left out whole, the least important cameras first, and said.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import av
import pyarrow as pa

from workbench import recognition
from workbench.errors import N_, Refused, WorkbenchError
from workbench.investigation.answers import span_text
from workbench.investigation.face_guard import FaceGuard
from workbench.investigation.lookouts import Watch
from workbench.investigation.models import with_models_in_use
from workbench.investigation.sealing import Log, settle
from workbench.records import SIGHTINGS, Camera, Purpose
from workbench.store import LiveRows, Store, provisional_name
from workbench.streams.growing import Fragment, RecordedFile, Tail
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench
    from workbench.recognition import Crew, Growing, Outcome
    from workbench.recognition.runs.following import Fed

POLL_S = 0.1
STATUS_S = 1.0
SETTLE_S = 1.0
END_S = 60.0
"""At the end, how long to wait for what the workers have."""
BACK_S = 3.0
"""What was recorded longer than this before the following began is the archive's to search."""
_RECENT = 500


@dataclass(frozen=True, slots=True)
class Followed:
    """How a following ended: seconds of footage by camera, rows, and delays of rows in seconds.

    ``arrived_s`` is ``searched_s`` plus ``left_out_s``. ``failures`` is a sentence a camera.
    """

    ended: str
    rows: int
    arrived_s: Mapping[str, float]
    searched_s: Mapping[str, float]
    left_out_s: Mapping[str, float]
    latency_p50_s: float | None
    latency_p95_s: float | None
    failures: tuple[str, ...]


@dataclass(slots=True)
class _Item:
    """A fragment that waits, or (None) the end of its file, or a ``cut`` in the middle of it."""

    recording: _Recording
    fragment: Fragment | None
    seconds: float = 0.0
    cut: bool = False


@dataclass(slots=True, eq=False)
class _Recording:
    """One growing file and what has been found in it."""

    name: str
    file: RecordedFile
    of: Growing
    table: pa.Table
    shown_ns: list[int] = field(default_factory=list)
    before: list[tuple[int, int]] = field(default_factory=list)
    """Searched by a session that is no more."""
    looked: list[tuple[int, int]] = field(default_factory=list)
    open_pts: int | None = None
    model_ref: str = ""
    ended: bool = False
    closing: bool = False
    """Its end has been sent to its worker."""

    @property
    def searched(self) -> list[tuple[int, int]]:
        """Return the spans whose passes are all given out, whatever becomes of the session."""
        safe = [
            (first, stop if self.open_pts is None else min(stop, self.open_pts))
            for first, stop in self.looked
        ]
        return self.before + [(first, stop) for first, stop in safe if first < stop]


@dataclass(slots=True)
class _Camera:
    """One camera that is followed."""

    tail: Tail
    seq: int = 0
    queue: deque[_Item] = field(default_factory=deque)
    recordings: dict[str, _Recording] = field(default_factory=dict)
    broken: bool = True
    """What comes next does not follow on what was searched: it must begin with a key frame."""
    fed: _Recording | None = None
    arrived_s: float = 0.0
    searched_s: float = 0.0
    left_out_s: float = 0.0
    flying_s: float = 0.0
    rows: int = 0
    left_out: list[Span] = field(default_factory=list)
    latency_s: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    after_s: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    failure: str = ""
    failed: int = 0
    """Pieces that workers failed at; a sentence for each would grow without end."""
    last_failure: str = ""

    @property
    def waiting_s(self) -> float:
        """Return the footage that no worker has taken yet."""
        return sum(item.seconds for item in self.queue)


class Follower:
    """Feeds workers, keeps rows, leaves out what there is no time for; in one thread.

    Parameters
    ----------
    priority
        The cameras, the most important first.
    period
        Nothing filmed outside it is looked at.
    ended
        Says why it must end, "" while it may go on; asked once a second.
    on_rows
        Told of new sightings once they can be read; what it refuses fails no sighting.
    faces
        Says which lookouts for a face go with a camera's next piece, and takes what came of them.
    """

    def __init__(
        self,
        store: Store,
        crew: Crew,
        priority: Sequence[str],
        facts: Mapping[str, tuple[Camera, object]],
        *,
        case_id: str,
        period: Span,
        now: Callable[[], int],
        ended: Callable[[], str],
        on_status: Callable[[Mapping[str, Any]], None],
        log: Log,
        on_rows: Callable[[pa.Table], object] = lambda _table: None,
        faces: FaceGuard | None = None,
    ) -> None:
        self._log, self._on_rows, self._faces = log, on_rows, faces
        self._store, self._crew, self._case_id = store, crew, case_id
        self._period, self._now, self._ended, self._on_status = period, now, ended, on_status
        self._facts = {camera_id: camera for camera_id, (camera, _) in facts.items()}
        self._began_ns = now()
        folder = store.root / "recording"
        self._cameras = {camera: _Camera(Tail(folder / camera)) for camera in priority}

    def run(self) -> Followed:
        """Follow until told to end; returns when nothing is on its way any more."""
        due_s = {"check": 0.0, "settle": 0.0}
        why = ""
        try:
            while not why:
                self._look()
                self._shed()
                self._dispatch()
                self._take()
                at_s = time.monotonic()
                if at_s >= due_s["check"]:
                    due_s["check"] = at_s + STATUS_S
                    why = self._ended()
                    self._say()
                if at_s >= due_s["settle"]:
                    due_s["settle"] = at_s + SETTLE_S
                    self._settle()
                if not why:
                    threading.Event().wait(POLL_S)
            self._drain(feed=why != "case closed")
        finally:
            for camera in self._cameras.values():
                camera.tail.close()
        self._settle()
        self._say(why)
        return self._followed(why)

    # -- what comes in -----------------------------------------------------------------------

    def _look(self) -> None:
        for camera_id, camera in self._cameras.items():
            with camera.tail.lock:
                camera.tail.look(self._now())
                for fragment in camera.tail.after(camera.seq):
                    camera.seq = fragment.seq
                    self._end_others(camera, fragment.of)
                    try:
                        self._arrive(camera_id, camera, fragment)
                    except av.FFmpegError as error:  # broken bytes cost their fragment
                        camera.broken = True
                        camera.failure = f"a fragment cannot be read: {error}"
                self._end_others(camera, camera.tail.growing)

    def _end_others(self, camera: _Camera, growing: RecordedFile | None) -> None:
        """Queue the ends of all recordings but one: a tail goes on to a file when one is over."""
        for recording in camera.recordings.values():
            if not recording.ended and recording.file is not growing:
                recording.ended = True
                camera.queue.append(_Item(recording, None))

    def _arrive(self, camera_id: str, camera: _Camera, fragment: Fragment) -> None:
        name = str(fragment.of.start_ns)
        if name not in camera.recordings:
            # the tail begins with a file's first fragment
            first_pts = min((packet.pts for packet in fragment.packets()), default=0)
            of = recognition.Growing(
                provisional_name(camera_id, name), fragment.of.start_ns, first_pts,
                fragment.of.header,
            )  # fmt: skip
            camera.recordings[name] = _Recording(name, fragment.of, of, SIGHTINGS.empty_table())
        times = fragment.times
        old = times.stop_ns < self._began_ns - round(BACK_S * SECOND_NS)
        if old or times.start_ns not in self._period or times.stop_ns > self._period.stop_ns:
            camera.broken = True
            return
        seconds = (times.stop_ns - times.start_ns) / SECOND_NS
        camera.arrived_s += seconds
        camera.queue.append(_Item(camera.recordings[name], fragment, seconds))

    # -- what goes out -----------------------------------------------------------------------

    def _shed(self) -> None:
        for group in self._crew.groups:
            waiting_s = {camera: self._cameras[camera].waiting_s for camera in group}
            for camera_id in recognition.to_shed(waiting_s, group):
                camera = self._cameras[camera_id]
                for item in camera.queue:
                    self._leave_out(camera, item)
                camera.queue = deque(item for item in camera.queue if item.fragment is None)
                if not camera.broken and camera.fed is not None and not camera.fed.ended:
                    # what was on its way ends here: its rows need not wait for the next fragment
                    camera.queue.appendleft(_Item(camera.fed, None, cut=True))
                camera.broken = True

    def _leave_out(self, camera: _Camera, item: _Item) -> None:
        if item.fragment is not None:
            camera.left_out_s += item.seconds
            times = item.fragment.times
            if camera.left_out and camera.left_out[-1].stop_ns >= times.start_ns - SECOND_NS // 2:
                start_ns = camera.left_out.pop().start_ns
                camera.left_out.append(Span(start_ns, times.stop_ns))
            else:
                camera.left_out.append(Span(times.start_ns, times.stop_ns))

    def _dispatch(self) -> None:
        for group in self._crew.free():
            for camera_id in group:
                if self._feed(camera_id):
                    break

    def _feed(self, camera_id: str) -> bool:
        """Send a camera's next fragment; False where it has none."""
        camera = self._cameras[camera_id]
        while camera.queue:
            item = camera.queue.popleft()
            piece = recognition.Piece(item.recording.of, fresh=item.cut, last=not item.cut)
            if item.fragment is None:
                item.recording.closing = not item.cut
            else:
                camera.fed = item.recording
                fresh = camera.broken
                if fresh and not item.fragment.times.key:
                    self._leave_out(camera, item)
                    continue
                camera.broken = False
                data = item.fragment.read()
                piece = recognition.Piece(item.recording.of, data, fresh, seconds=item.seconds)
            camera.flying_s += item.seconds
            if self._faces is not None:
                piece = replace(piece, faces=self._faces.of(camera_id))
                camera.failure = self._faces.failure or camera.failure
            self._crew.feed(camera_id, piece)
            return True
        return False

    # -- what comes back ---------------------------------------------------------------------

    def _take(self) -> None:
        for outcome in self._crew.outcomes():
            camera = self._cameras[outcome.camera_id]
            name = outcome.piece.of.name.rpartition(":")[2]
            recording = camera.recordings[name]
            camera.flying_s -= outcome.piece.seconds
            if outcome.fed is None:
                self._fail(camera, recording, outcome)
            else:
                camera.searched_s += outcome.piece.seconds
                fed = outcome.fed
                recording.looked, recording.open_pts = list(fed.looked), fed.open_pts
                recording.model_ref = fed.model_ref
                self._faces_seen(camera, fed)
                last = outcome.piece.last
                if fed.table.num_rows or (last and (fed.looked or recording.before)):
                    self._keep(outcome.camera_id, camera, recording, fed.table)
            if outcome.piece.last:
                del camera.recordings[name]

    def _faces_seen(self, camera: _Camera, fed: Fed) -> None:
        if self._faces is None or fed.watched is None:
            return
        try:
            self._faces.keep(fed.watched)
        except WorkbenchError as error:
            camera.failure = error.sentence()
        camera.failure = fed.watched.failure or camera.failure

    def _fail(self, camera: _Camera, recording: _Recording, outcome: Outcome) -> None:
        """What was on its way is lost with its session: it is not called searched."""
        camera.left_out_s += outcome.piece.seconds
        camera.failure = outcome.failure
        camera.failed, camera.last_failure = camera.failed + 1, outcome.failure
        recording.before, recording.looked, recording.open_pts = recording.searched, [], None
        camera.broken = True

    def _keep(
        self, camera_id: str, camera: _Camera, recording: _Recording, table: pa.Table
    ) -> None:
        recording.table = pa.concat_tables([recording.table, table])
        shown_ns = self._now()
        recording.shown_ns += [shown_ns] * table.num_rows
        self._store.live.put(
            LiveRows(
                camera_id, recording.name, recording.table, tuple(recording.shown_ns),
                tuple(recording.searched), recording.model_ref,
            )
        )  # fmt: skip
        camera.rows += table.num_rows
        try:
            self._on_rows(table)
        except WorkbenchError as error:
            camera.failure = error.sentence()
        shown_ns = self._now()
        moving = table.filter(table["moving"])
        for best, last in zip(
            moving["utc"].cast(pa.int64()).to_pylist(),
            moving["last_utc"].cast(pa.int64()).to_pylist(),
            strict=True,
        ):
            camera.latency_s.append((shown_ns - best) / SECOND_NS)
            camera.after_s.append((shown_ns - last) / SECOND_NS)

    # -- the end -----------------------------------------------------------------------------

    def _drain(self, *, feed: bool) -> None:
        """Hear what the workers have; where the case allows, let them end what they began."""
        for camera in self._cameras.values():
            for item in camera.queue:
                self._leave_out(camera, item)
            camera.queue.clear()
            if feed:
                camera.queue += [
                    _Item(one, None) for one in camera.recordings.values() if not one.closing
                ]
        until_s = time.monotonic() + END_S
        while self._waits() and time.monotonic() < until_s:
            self._dispatch()
            self._take()
            threading.Event().wait(POLL_S)
        self._take()
        for camera in self._cameras.values():
            camera.left_out_s, camera.flying_s = camera.left_out_s + camera.flying_s, 0.0

    def _waits(self) -> bool:
        return self._crew.busy() or any(camera.queue for camera in self._cameras.values())

    def _settle(self) -> None:
        """Move rows of sealed files into the lake once their recording is searched to its end."""
        busy = {(c, name) for c, camera in self._cameras.items() for name in camera.recordings}
        settled = settle(self._store, self._facts, but=busy, log=self._log)
        for camera_id, trouble in settled.troubles.items():
            self._cameras[camera_id].failure = trouble

    def _say(self, why: str = "") -> None:
        status = {
            "at_ns": self._now(),
            "case": self._case_id,
            "began_ns": self._began_ns,
            "ended": why,
            "cameras": {camera_id: self._told(one) for camera_id, one in self._cameras.items()},
        }
        self._store.live.say(status)
        self._on_status(status)

    def _told(self, camera: _Camera) -> dict[str, Any]:
        return {
            "latency_p50_s": percentile(camera.latency_s, 50),
            "latency_p95_s": percentile(camera.latency_s, 95),
            "after_end_p50_s": percentile(camera.after_s, 50),
            "after_end_p95_s": percentile(camera.after_s, 95),
            "backlog_s": round(camera.waiting_s + camera.flying_s, 1),
            "arrived_s": round(camera.arrived_s, 1),
            "searched_s": round(camera.searched_s, 1),
            "left_out_s": round(camera.left_out_s, 1),
            "share_searched": round(camera.searched_s / max(camera.arrived_s, 1e-9), 3),
            "left_out": [[span.start_ns, span.stop_ns] for span in camera.left_out[-20:]],
            "rows": camera.rows,
            "failure": camera.failure,
        }

    def _followed(self, why: str) -> Followed:
        delays = [delay for camera in self._cameras.values() for delay in camera.latency_s]
        found = self._cameras.items()
        return Followed(
            why,
            sum(camera.rows for _, camera in found),
            {camera_id: round(one.arrived_s, 1) for camera_id, one in found},
            {camera_id: round(one.searched_s, 1) for camera_id, one in found},
            {camera_id: round(one.left_out_s, 1) for camera_id, one in found},
            percentile(delays, 50),
            percentile(delays, 95),
            tuple(
                f"{camera_id}: {one.failed} pieces failed, at last: {one.last_failure}"
                for camera_id, one in found
                if one.failed
            ),
        )


def percentile(values: Sequence[float] | deque[float], percent: int) -> float | None:
    """Return a percentile, interpolated, to a hundredth; None of nothing.

    >>> percentile([1.0, 2.0, 3.0], 50), percentile([4.0], 95), percentile([], 50)
    (2.0, 4.0, None)
    """
    if len(values) < 2:
        return round(values[0], 2) if values else None
    return round(quantiles(values, n=100, method="inclusive")[percent - 1], 2)


def follow(
    house: Workbench,
    purpose: Purpose,
    cameras: Sequence[str] | None,
    *,
    priority: Sequence[str],
    scheduler: str | None,
    workers: int | None,
    settings: recognition.Settings | None,
    stopped: Callable[[], bool],
    on_status: Callable[[Mapping[str, Any]], None],
    models: recognition.GiveModels,
) -> Followed:
    """Do what ``Workbench.follow`` says."""
    store = house._store
    now_ns, period = house.now(), house._authorise(purpose, "follow")[0].period
    until = Span(now_ns, max(now_ns + 1, period.stop_ns))
    case, allowed, _ = house._authorise(purpose, "follow", cameras=cameras, span=until)
    for camera_id in (*allowed, *priority):
        house.camera(camera_id)
    order = list(dict.fromkeys([*(one for one in priority if one in allowed), *allowed]))

    def ended() -> str:
        if stopped():
            return "stopped"
        known = store.case(case.case_id)
        if known.closed:
            return "case closed"
        if house.now() >= known.period.stop_ns:
            return "period over"
        narrowed = bool(known.cameras) and not set(order) <= set(known.cameras)
        return "case narrowed" if narrowed else ""

    with store.live.alone() as ours:
        if not ours:
            raise Refused(
                N_("another following runs on this folder, for case {case}"),
                N_("stop it first; one following takes all its cameras"),
                case=store.live.said().get("case", ""),
            )
        house._log("follow.start", ",".join(order), purpose, details=span_text(until))
        _begin_anew(store, order, house.ward.cameras, house._log)
        guard = FaceGuard(house, case.case_id)
        facts = {one: (house.camera(one), tuple(house.clock_fixes(one))) for one in order}
        with recognition.crew(
            facts, order, recognition.live_settings(with_models_in_use(house, settings)),
            scheduler=scheduler, workers=workers, models=models,
        ) as crew:  # fmt: skip
            follower = Follower(
                store, crew, order, facts, case_id=case.case_id, period=case.period,
                now=house.now, ended=ended, on_status=on_status, log=house._log,
                on_rows=Watch(house, case.case_id), faces=guard,
            )  # fmt: skip
            try:
                followed = follower.run()
            except BaseException as error:
                house._log("follow.stop", ",".join(order), purpose,
                          details={"ended": type(error).__name__})  # fmt: skip
                raise
            finally:
                guard.tell()
    house._log("follow.stop", ",".join(order), purpose, details=asdict(followed))
    return followed


def _begin_anew(
    store: Store, followed: Sequence[str], cameras: Mapping[str, Camera], log: Log
) -> None:
    """Settle what an earlier following left; what is not sealed yet is searched from now on."""
    settle(store, cameras, log=log)
    for rows in store.live.all(followed):
        store.live.drop(rows)
