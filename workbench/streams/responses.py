"""Which address of a camera to record from: a state that hears what happens, and one decision.

Pure: the clock is an argument, and nothing is done here. It is a steady one: the machine's may be
set, and a camera would wait for an hour that never comes. The order is main, sub-stream, local
fallback. A camera leaves an address that fails for a while, and goes back only to one that was
seen to deliver beside it. Every return that does not last makes the wait before the next one twice
as long, so that a stream that comes and goes is not followed at each turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.records import LossCause, Source
from workbench.timeline import SECOND_NS


@dataclass(frozen=True, slots=True)
class ResponseSettings:
    """Every threshold of the decision."""

    failures: int = 3
    """An address is left after so many failures in a row ..."""
    lost_s: float = 8.0
    """... or when nothing was recorded from it for so long."""
    probe_s: float = 5.0
    """A better address is first tried after so long; after each failure twice as long."""
    most_wait_s: float = 600.0
    trial_s: float = 20.0
    """An attempt of which nothing was heard for so long has failed."""
    steady_s: float = 60.0
    """A return that lasted so long was a good one."""
    forget_s: float = 600.0
    """After so long without trouble, earlier trouble is forgotten."""
    denied_s: float = 60.0
    """The account of a refused password rests so long: cameras lock accounts."""
    boost_hold_s: float = 60.0
    """A raised rate is kept for so long at least."""


SETTINGS = ResponseSettings()


@dataclass(frozen=True, slots=True)
class Standing:
    """How one camera stands with its addresses.

    Parameters
    ----------
    sources
        Those it has, best first, without the raised rate.
    start_ns
        Now, by a clock that nobody sets, as every time here.
    boost
        Whether it has an address with a raised rate.
    own_account
        Those that are not reached under the account of the main address.
    source, since_ns
        What it is recorded from, or tried on, and since when.
    recording_ns
        Since when that is recorded; None while it is not.
    lost_ns
        Since when nothing is recorded from it.
    failures
        Of this address in a row.
    returned
        Whether it has just left what was recorded for a better address, and nothing came of it yet.
    trial, trial_ns
        What is being tried, and since when.
    waited_ns, setbacks
        When a better address was last left or tried in vain, and how often in a row.
    denied_ns
        When a password was refused last.
    """

    sources: tuple[Source, ...]
    start_ns: int
    boost: bool = False
    own_account: frozenset[Source] = frozenset()
    source: Source = "main"
    since_ns: int = 0
    recording_ns: int | None = None
    lost_ns: int = 0
    failures: int = 0
    returned: bool = False
    trial: Source | None = None
    trial_ns: int = 0
    waited_ns: int = 0
    setbacks: int = 0
    denied_ns: int | None = None

    @classmethod
    def at(
        cls,
        sources: tuple[Source, ...],
        now_ns: int,
        *,
        boost: bool = False,
        own_account: frozenset[Source] = frozenset(),
    ) -> Standing:
        """Return how a camera stands that has not been opened yet."""
        return cls(
            sources,
            now_ns,
            boost,
            own_account,
            source=sources[0],
            since_ns=now_ns,
            lost_ns=now_ns,
            waited_ns=now_ns,
        )

    @property
    def stands_in(self) -> bool:
        """Whether what it is recorded from only stands in for its main stream."""
        return self.source not in (self.sources[0], "boost")

    def recorded(self, now_ns: int, settings: ResponseSettings = SETTINGS) -> Standing:
        """Return it after a word that footage is being written."""
        if self.recording_ns is None:
            return replace(self, recording_ns=now_ns, failures=0, returned=False)
        if self.setbacks and not self.stands_in and self._quiet(now_ns, settings):
            return replace(self, setbacks=0)
        return self

    def _quiet(self, now_ns: int, settings: ResponseSettings) -> bool:
        return self.recording_ns is not None and (
            now_ns - max(self.recording_ns, self.waited_ns) > settings.forget_s * SECOND_NS
        )

    def failed(
        self, cause: LossCause, now_ns: int, settings: ResponseSettings = SETTINGS
    ) -> Standing:
        """Return it after the loss of its stream, or a failed attempt to open it."""
        # a return, or a raised rate, that did not last
        short = (
            self.recording_ns is not None
            and not self.stands_in
            and self.since_ns != self.start_ns
            and now_ns - self.since_ns < settings.steady_s * SECOND_NS
        )
        lost_ns = self.lost_ns if self.recording_ns is None else now_ns
        denied_ns = now_ns if cause == "denied" else self.denied_ns
        return replace(
            self,
            recording_ns=None,
            lost_ns=lost_ns,
            failures=self.failures + 1,
            # whoever was killed tells no more of what was tried
            trial=None if cause == "killed" else self.trial,
            setbacks=self.setbacks + (short or self.returned),
            returned=False,
            denied_ns=denied_ns,
        )

    def asked(self, source: Source, now_ns: int) -> Standing:
        """Return it after the recorder was asked to try an address."""
        return replace(self, trial=source, trial_ns=now_ns)

    def switched(self, source: Source, now_ns: int) -> Standing:
        """Return it after the recorder took another address."""
        return replace(
            self,
            source=source,
            since_ns=now_ns,
            recording_ns=None,
            lost_ns=now_ns,
            failures=0,
            returned=self.recording_ns is not None and self._is_better(source),
            trial=None,
            waited_ns=now_ns,
        )

    def _is_better(self, source: Source) -> bool:
        known = self.sources
        return (
            source in known
            and self.source in known
            and known.index(source) < known.index(self.source)
        )

    def refused(self, cause: LossCause, now_ns: int) -> Standing:
        """Return it after an address that was tried beside did not deliver."""
        denied_ns = now_ns if cause == "denied" else self.denied_ns
        return replace(
            self, trial=None, waited_ns=now_ns, setbacks=self.setbacks + 1, denied_ns=denied_ns
        )

    def overdue(self, now_ns: int, settings: ResponseSettings = SETTINGS) -> Standing:
        """Return it as it is now: a trial that nobody ended has failed after a while.

        Whoever asks :func:`decide` keeps it, or the wait for the next trial never begins.
        """
        if self.trial is None or now_ns - self.trial_ns < settings.trial_s * SECOND_NS:
            return self
        return self.refused("unreachable", now_ns)

    def wait_s(self, settings: ResponseSettings = SETTINGS) -> float:
        """Return how long it waits before it tries a better address."""
        return float(min(settings.probe_s * 2 ** min(self.setbacks, 20), settings.most_wait_s))

    def barred(self, source: Source, now_ns: int, settings: ResponseSettings = SETTINGS) -> bool:
        """Return whether an address must rest because its account was refused."""
        return (
            self.denied_ns is not None
            and source not in self.own_account
            and now_ns - self.denied_ns < settings.denied_s * SECOND_NS
        )


def decide(
    standing: Standing,
    now_ns: int,
    *,
    boost_wanted: bool = False,
    settings: ResponseSettings = SETTINGS,
) -> Source | None:
    """Return the address to try now, None to leave all as it is.

    While the camera is recorded, the recorder tries it beside and changes over only when it
    delivers; while it is not, the recorder changes over at once.

    Parameters
    ----------
    boost_wanted
        Whether a neighbour that sees the same ground is lost.

    >>> lost = Standing.at(("main", "sub"), 0)
    >>> for _ in range(3):
    ...     lost = lost.failed("unreachable", 10**9)
    >>> decide(lost, 10**9)
    'sub'
    >>> decide(Standing.at(("main", "sub"), 0).recorded(10**9), 60 * 10**9) is None
    True
    """
    standing = standing.overdue(now_ns, settings)
    if standing.trial is not None:
        return None
    if standing.recording_ns is None:
        return _instead(standing, now_ns, settings)
    waited = now_ns - standing.waited_ns >= standing.wait_s(settings) * SECOND_NS
    if standing.source == "boost":
        held = now_ns - standing.since_ns >= settings.boost_hold_s * SECOND_NS
        return standing.sources[0] if held and waited and not boost_wanted else None
    if not waited:
        return None
    if not standing.stands_in:
        return "boost" if boost_wanted and standing.boost else None
    # those better than now, the best first, the others at every second try
    better = standing.sources[: standing.sources.index(standing.source)]
    turn = standing.setbacks % len(better)
    for source in (*better[turn:], *better[:turn]):
        if not standing.barred(source, now_ns, settings):
            return source
    return None


def _instead(standing: Standing, now_ns: int, settings: ResponseSettings) -> Source | None:
    """Return what to record from in place of an address that fails."""
    if standing.source == "boost":
        return standing.sources[0]
    # a better address that fails soon after its return is not waited for again
    again = standing.setbacks > 0 and not standing.stands_in
    enough = 1 if again else settings.failures
    if standing.failures < enough and now_ns - standing.lost_ns < settings.lost_s * SECOND_NS:
        return None
    at = standing.sources.index(standing.source)
    for source in (*standing.sources[at + 1 :], *standing.sources[:at]):
        if not standing.barred(source, now_ns, settings):
            return source
    return None
