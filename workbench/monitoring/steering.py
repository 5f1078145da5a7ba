"""Which address each camera of a run is recorded from, and what is said of it when that changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from workbench import streams
from workbench.errors import N_
from workbench.records import Loss, Source, Wording
from workbench.streams.messages import Beat, Lost, Switched, Told, TrialFailed

_FROM: Mapping[Source, str] = {
    "main": N_("recorded from its main stream again"),
    "sub": N_("recorded from its sub-stream, because the main one fails"),
    "fallback": N_("recorded from the local fallback, because its own streams fail"),
    "boost": N_("recorded at a raised rate, because {lost} sees the same ground and is lost"),
}
_USUAL = N_("recorded at its usual rate again")


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done about one camera; ``about`` are the lost cameras it makes up for."""

    camera_id: str
    at_ns: int
    what: Wording
    about: tuple[str, ...]
    loss: Loss


class Steering:
    """The addresses of the cameras of one run; no input or output of its own.

    Parameters
    ----------
    jobs
        By camera and source; each camera has a "main".
    near
        Which cameras see the ground of each: see `streams.neighbours`.
    now_ns
        Now, by a clock that nobody sets; UTC is only what is written.
    """

    def __init__(
        self,
        jobs: Mapping[str, Mapping[Source, streams.CaptureJob]],
        near: Mapping[str, Collection[str]],
        now_ns: int,
    ) -> None:
        self._jobs, self._near = jobs, near
        self._standing = {camera: _standing(known, now_ns) for camera, known in jobs.items()}
        self._lost_ns: dict[str, int] = {}
        self._recorded: dict[str, Source] = {}
        self._switched_ns: dict[str, int] = {}
        self._raised: Mapping[str, tuple[str, ...]] = {}
        self._for: dict[str, tuple[str, ...]] = {}

    def source(self, camera_id: str) -> Source:
        """Return what a camera is recorded from, or tried on."""
        return self._standing[camera_id].source

    def stands_in(self, camera_id: str) -> bool:
        """Return whether a camera's footage comes from a substitute of its main stream."""
        return self._standing[camera_id].stands_in

    def hear(self, camera_id: str, told: Told, now_ns: int) -> Deed | None:
        """Take in what the recorder told; return what was done where that shows now.

        `now_ns` is by the clock that nobody sets.
        """
        before = self._standing[camera_id]
        after = before
        if isinstance(told, Switched):
            after = before.switched(told.source, now_ns)
            self._switched_ns[camera_id] = told.at_ns
        elif isinstance(told, TrialFailed):
            after = before.refused(told.cause, now_ns)
        elif isinstance(told, Lost) and told.cause != "stopped":
            after = before.failed(told.cause, now_ns)
            self._lost_ns.setdefault(camera_id, now_ns)
        elif isinstance(told, Beat) and (told.growing or not told.live):
            after = before.recorded(now_ns)
            self._lost_ns.pop(camera_id, None)
        self._standing[camera_id] = after
        if before.recording_ns is None and after.recording_ns is not None:
            return self._recording(camera_id, after.source)
        return None

    def _recording(self, camera_id: str, source: Source) -> Deed | None:
        before = self._recorded.get(camera_id, "main")
        self._recorded[camera_id] = source
        if source == before:
            return None
        at_ns = self._switched_ns[camera_id]
        about: tuple[str, ...] = ()
        if source == "boost":
            about = self._for[camera_id] = self._raised.get(camera_id, ())
            what = Wording(_FROM[source], (("lost", ", ".join(about)),))
        elif before == "boost" and source == "main":
            about = self._for.pop(camera_id, ())
            what = Wording(_USUAL)
        else:
            what = Wording(_FROM[source])
        loss = Loss(camera_id, at_ns, "switched", f"{before} -> {source}")
        return Deed(camera_id, at_ns, what, about, loss)

    def turn(self, now_ns: int) -> list[streams.CaptureJob]:
        """Return the cameras to record from elsewhere, as jobs for the recorder."""
        self._raised = streams.raised(self._lost_ns, self._near, now_ns)
        asked = []
        for camera, before in self._standing.items():
            standing = self._standing[camera] = before.overdue(now_ns)
            found = streams.decide(standing, now_ns, boost_wanted=camera in self._raised)
            if found is not None:
                self._standing[camera] = standing.asked(found, now_ns)
                asked.append(self._jobs[camera][found])
        return asked


def _standing(jobs: Mapping[Source, streams.CaptureJob], now_ns: int) -> streams.Standing:
    order: tuple[Source, ...] = ("main", "sub", "fallback")
    main = jobs["main"].address
    own = frozenset(
        source
        for source, job in jobs.items()
        if (job.address.user, job.address.password) != (main.user, main.password)
    )
    return streams.Standing.at(
        tuple(source for source in order if source in jobs),
        now_ns,
        boost="boost" in jobs,
        own_account=own,
    )
