"""Pieces of one pass put together, as soon as nothing that may still come can change the answer.

A thing hidden behind a lamp post comes out as another track. In order of their first frames, each
track joins the ended one that was heading to where it begins; an archived file and a recording
that grows go through the same steps, so both tell the same passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.recognition.passes.track import Track, affinity
from workbench.recognition.settings import Settings

_LEAST_FIT = 0.3


class Stitcher:
    """Takes ended tracks and gives back passes whose last piece has been found."""

    def __init__(self, settings: Settings) -> None:
        self._s = settings
        self._ended: list[Track] = []
        self._passes: list[Track] = []

    @property
    def kept(self) -> list[Track]:
        """Return what has ended and is not given back yet."""
        return [*self._passes, *self._ended]

    def settle(self, t_s: float, ended: Sequence[Track], live: Sequence[Track]) -> list[Track]:
        """Return the passes that no later piece can join, by first frame.

        Parameters
        ----------
        t_s
            The present of the footage: a track not seen yet begins after it.
        ended
            Tracks that ended since the last call.
        live
            Those still followed.
        """
        self._ended += [track for track in ended if len(track.seen) > 1]
        if not self._ended and not self._passes:
            return []
        still_open = list(live)
        for track in sorted(self._ended, key=_order):
            if self._undecided(track, still_open):
                still_open.append(track)
            else:
                self._place(track)
        self._ended = still_open[len(live) :]
        done: list[Track] = []
        kept: list[Track] = []
        for one in self._passes:
            late = t_s > one.last.t_s + self._s.stitch_s
            closed = late and not any(self._may_join(track, one) for track in still_open)
            (done if closed else kept).append(one)
        self._passes = kept
        return sorted(done, key=_order)

    def finish(self, ended: Sequence[Track]) -> list[Track]:
        """Return all that is left, `ended` included, by first frame: nothing follows."""
        return self.settle(float("inf"), ended, [])

    def _place(self, track: Track) -> None:
        best, most = None, _LEAST_FIT
        for one in sorted(self._passes, key=_order):
            if self._in_reach(track, one) and (fit := _fit(track, one)) > most:
                best, most = one, fit
        if best is None:
            self._passes.append(track)
        else:
            best.take(track)

    def _in_reach(self, track: Track, one: Track) -> bool:
        gap_s = track.seen[0].t_s - one.last.t_s
        return 0 < gap_s <= self._s.stitch_s and len(one.seen) >= self._s.pass_least_looks

    def _may_join(self, track: Track, one: Track) -> bool:
        # one look may still be moved by the detector, or turn out to be nothing
        return self._in_reach(track, one) and (
            len(track.seen) == 1 or _fit(track, one) > _LEAST_FIT
        )

    def _undecided(self, track: Track, still_open: Sequence[Track]) -> bool:
        """Tell whether an earlier track, not decided itself, bears on what this one joins."""
        earlier = [one for one in still_open if _order(one) < _order(track)]
        start_s = track.seen[0].t_s
        if any(one.known.t_s < start_s <= one.last.t_s + self._s.stitch_s for one in earlier):
            return True  # it may be what this one joins, if its last looks are guesses, too
        wanted = [one for one in self._passes if self._may_join(track, one)]
        return any(self._may_join(rival, one) for one in wanted for rival in earlier)


def _order(track: Track) -> tuple[int, float]:
    return track.seen[0].number, track.seen[0].box.x


def _fit(track: Track, one: Track) -> float:
    return affinity(one.motion.at(track.seen[0].t_s), track.seen[0].box)
