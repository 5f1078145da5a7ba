"""Keeping of the archive: retention, protected spans, room on the disk, rebuilding."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import archive, media
from workbench.errors import N_, BadInput, Refused, Unavailable, WorkbenchError
from workbench.monitoring import roles
from workbench.monitoring.overdue import (
    Dropping,
    Overdue,
    of_health,
    overdue_imports,
    statement_of,
    summed,
)  # fmt: skip
from workbench.monitoring.retention import (
    DAY_NS,
    DROPPED_DAYS,
    Candidate,
    Policy,
    cutoff_ns,
    day_of,
    oldest_days,
    overdue,
    read_policy,
    said_of,
)
from workbench.records import Progress, Protection, Segment
from workbench.store import LiveRows, Store, files
from workbench.store.keeping import MARGIN_NS, Why, is_kept
from workbench.store.upkeep import HealthFile
from workbench.timeline import ClockFix, Span, format_utc

if TYPE_CHECKING:
    from workbench.monitoring.facade import Monitoring

APPLY_S = 3600.0
LOOK_S = 30.0
RETRY_S = 600.0
"""What hindered it is tried again so often."""
JOIN_S = 30.0
"""So long the end of a recorder waits for a batch; the next start carries out what is left."""
BATCH = 1000
"""Segments dropped in one transaction, about two seconds; between two it can be stopped."""
MOST_DAYS = 3
"""The recorder drops no more days at once by itself: a leap of the clock must not empty it."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the archive; ``hours_left`` at the present rate, None where nothing comes in."""

    total_bytes: int
    free_bytes: int
    hours_left: float | None

    @property
    def free_percent(self) -> float:
        """Share of the disk that is free."""
        return 100 * self.free_bytes / max(1, self.total_bytes)


class Keeping:
    """The keeping of one root. Reach it as ``Monitoring.keeping``."""

    def __init__(self, house: Monitoring, store: Store) -> None:
        self._house, self._store = house, store
        self._stuck: Mapping[str, str] = {}
        self._unseen: dict[str, str] = {}

    # -- protections -------------------------------------------------------------------------

    def protect(
        self, cameras: Sequence[str], span: Span, *, number: str, reason: str
    ) -> tuple[Protection, int]:
        """Keep footage of cameras (none: all) in `span` until it is lifted.

        Returns
        -------
        tuple[Protection, int]
            The protection, and how many files of it were dropped already.
        """
        roles.allow(self._house, "protect")
        recorded = self._store.cameras()
        for camera_id in cameras:
            if camera_id not in recorded:  # footage of one the ward has no more can be kept too
                self._house.ward.camera(camera_id)
        if not number.strip() or not reason.strip():
            raise BadInput(
                N_("a protection needs the number of a case or accident, and a reason"),
                N_("give --case and --reason"),
            )
        made = self._store.keeping.protect(
            cameras, span, number=number, reason=reason,
            made_by=self._house.actor, at_ns=self._house.now(),
        )  # fmt: skip
        every = list(cameras) or sorted({*self._house.ward.cameras, *recorded})
        gone = sum(one.files_in(span) for one in self._store.keeping.dropped(every, span))
        self._log(
            "protect",
            {
                "id": made.protection_id, "cameras": list(cameras), "number": number,
                "start": format_utc(span.start_ns), "stop": format_utc(span.stop_ns),
                "dropped before": gone,
            },
            reason,
        )  # fmt: skip
        return made, gone

    def lift(self, protection_id: int, *, reason: str) -> None:
        """End a protection: its footage goes when its days are over."""
        roles.allow(self._house, "protect.lift")
        if not reason.strip():
            raise BadInput(N_("nobody says why"), N_("give --reason"))
        self._store.keeping.lift(
            protection_id, reason=reason, lifted_by=self._house.actor, at_ns=self._house.now()
        )
        self._log("protect.lift", {"id": protection_id}, reason)

    def protections(self) -> list[Protection]:
        """Return every protection, lifted ones too, then the cases, which protect as well."""
        made = self._store.keeping.protections()
        return made + [one for one in self._holds() if not one.protection_id]

    # -- retention ---------------------------------------------------------------------------

    def policy(self) -> Policy | None:
        """Return what ``retention.toml`` says; None where there is none.

        Raises
        ------
        BadInput
            When it cannot be used.
        """
        return read_policy(self._store.root / "retention.toml", self._house.ward.sites)

    def disk(self, kbit_s: float = 0.0) -> Disk:
        """Return how full the archive's disk is; `kbit_s` is what the cameras send together."""
        usage = shutil.disk_usage(self._store.root)
        hours = usage.free / (kbit_s * 125) / 3600 if kbit_s > 0 else None
        return Disk(usage.total, usage.free, hours)

    def plan(self, policy: Policy, *, by_age: bool = True) -> dict[Why, list[Candidate]]:
        """Return what would be dropped now, and why; nothing is. Without `by_age`: for room."""
        now_ns = self._house.now()
        going: dict[Why, list[Candidate]] = {
            "age": overdue(self._overdue(policy, now_ns), policy, now_ns) if by_age else []
        }
        needed = self._needed(policy) - sum(one.size_bytes for one in going["age"])
        if policy.when_full == "oldest" and needed > 0:
            aged = {one.sha256 for one in going["age"]}
            others: dict[str, Candidate] = {}  # a file over midnight is of two days
            for day in self._days(now_ns):
                others |= {one.sha256: one for one in day if one.sha256 not in aged}
                if sum(one.size_bytes for one in others.values() if not one.kept) >= needed:
                    break
            going["disk"] = oldest_days(others.values(), needed, now_ns)
        return {why: found for why, found in going.items() if found}

    def retention(
        self,
        *,
        apply: bool = False,
        most_days: int | None = None,
        by_itself: bool = False,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[Dropping]:
        """Return what goes by site and day; `apply` drops it, in batches until `stopped`.

        Parameters
        ----------
        most_days
            Refuse to drop more local days than this at once because of their age, of footage as of
            checks of health; what a full disk asks for goes all the same.
        by_itself
            The recorder applies it: who started it was allowed to.

        Raises
        ------
        BadInput
            When no retention is set, or it cannot be used.
        Refused
            When more than `most_days` would go.
        Unavailable
            When files cannot be looked at or removed; the others have gone all the same.
        """
        if apply and not by_itself:
            roles.allow(self._house)
        policy = self.policy()
        if policy is None:
            raise BadInput(
                N_("no retention is set: nothing is ever dropped"),
                N_("write the days into it, for example: [default] days = 30"),
                where=str(self._store.root / "retention.toml"),
            )
        self._unseen.clear()
        if apply:
            self._stuck = self._store.keeping.finish(self._tell)
        going = self.plan(policy)
        days = {day_of(one.since_ns - 1) for one in going.get("age", [])}
        if most_days is not None and len(days) > most_days:
            if apply:  # or the cameras would have no room while nobody looks
                for why, found in self.plan(policy, by_age=False).items():
                    self._drop(found, why, stopped)
            raise Refused(
                N_("footage of {count} days is overdue, too much to drop without a person"),
                N_("see it with: workbench retention ROOT, then add --apply"),
                count=len(days),
            )
        if apply:
            for why, found in going.items():
                self._drop(found, why, stopped)
            self._drop_provisional(policy)
        taken_in = self._overdue_imports(policy)
        checks = self._overdue_health(policy)
        if apply:
            self._drop_imports(policy, taken_in, most_days, stopped)
            self._drop_health(checks, most_days)
            self._compact(stopped)
            self._refuse_stuck({**self._stuck, **self._unseen})
        return summed(going) + list(taken_in.listed) + of_health(checks)

    def _overdue_imports(self, policy: Policy) -> Overdue:
        records, bad = self._store.imports.readable()
        self._unseen |= bad
        return overdue_imports(
            self._store.imports, records, self._site_of, policy, self._holds(), self._house.now()
        )

    def _drop_imports(
        self, policy: Policy, found: Overdue, most_days: int | None, stopped: Callable[[], bool]
    ) -> None:
        """Drop sightings of other systems whose days are over, and what these had looked at."""
        days = {one.day for one in found.listed}
        if most_days is not None and len(days) > most_days:
            raise Refused(
                N_("imported sightings of {count} days are overdue, too much without a person"),
                N_("see it with: workbench retention ROOT, then add --apply"),
                count=len(days),
            )
        if days:
            holds = self._holds()
            self._store.imports.drop(
                lambda: self._overdue_imports(policy).leaving,
                lambda going: self._tell(statement_of(going)),
                lambda: self._holds() == holds,
                stopped,
            )

    def _overdue_health(self, policy: Policy) -> list[HealthFile]:
        """Return the files of checks whose days are over; what was checked in a kept span stays."""
        holds = [
            Span(one.span.start_ns - MARGIN_NS, one.span.stop_ns + MARGIN_NS)
            for one in self._holds()
        ]
        before_ns = cutoff_ns(policy.health_days, self._house.now())
        return [
            one
            for one in self._store.upkeep.health_before(before_ns)
            if not any(one.span.overlap(held) for held in holds)
        ]

    def _drop_health(self, found: Sequence[HealthFile], most_days: int | None) -> None:
        days = sorted({day_of(one.since_ns) for one in found})
        if not days:
            return
        if most_days is not None and len(days) > most_days:
            raise Refused(
                N_("checks of health of {count} days are overdue, too much without a person"),
                N_("see it with: workbench retention ROOT, then add --apply"),
                count=len(days),
            )
        size = sum(one.size_bytes for one in found)
        told = {"first": days[0], "last": days[-1], "files": len(found), "bytes": size}
        self._tell({"why": "age", "files": 0, "bytes": 0, "health": told})
        self._store.upkeep.drop_health(found)

    def _refuse_stuck(self, stuck: Mapping[str, str]) -> None:
        if stuck:
            path, reason = next(iter(stuck.items()))
            raise Unavailable(
                N_("retention can do nothing with {count} files ({reason})"),
                N_("see to the disk and its rights; the others went, these are tried again"),
                where=path, count=len(stuck), reason=reason,
            )  # fmt: skip

    def _drop_provisional(self, policy: Policy) -> None:
        """Drop rows of recordings that never came into the archive, once their days are over."""
        holds, going = self._holds(), []
        for rows in self._store.live.all():
            days = policy.kept_days(self._site_of(rows.camera_id))
            span = Span(rows.span.start_ns - MARGIN_NS, rows.span.stop_ns + MARGIN_NS)
            kept = any(hold.covers(rows.camera_id, span) for hold in holds)
            if days is not None and not kept and span.stop_ns < cutoff_ns(days, self._house.now()):
                going.append(rows)
        if not going:
            return
        recordings = [[one.camera_id, one.recording, one.table.num_rows] for one in going]
        self._tell({"why": "age", "files": 0, "bytes": 0, "provisional": recordings})
        with self._store.live.still(changing=True):
            for one in going:
                self._store.live.drop(one)

    def _drop(self, found: Sequence[Candidate], why: Why, stopped: Callable[[], bool]) -> None:
        for first in range(0, len(found), BATCH):
            if stopped():
                return
            segments = [self._store.segment(one.sha256) for one in found[first : first + BATCH]]
            done = self._store.keeping.drop(
                segments, why=why, at_ns=self._house.now(), tell=self._tell,
                provisional=self._provisional_of(segments), case_days=self._case_days(),
            )  # fmt: skip
            self._stuck = done.stuck

    def _compact(self, stopped: Callable[[], bool]) -> None:
        """Put the drops of long ago together, and say so in the log."""
        now_ns = self._house.now()
        before_ns = now_ns - DROPPED_DAYS * DAY_NS
        count = self._store.keeping.compact(before_ns, now_ns, stopped)
        if count:
            self._log("drop.compact", {"rows": count, "before": day_of(before_ns)}, "retention")

    def _provisional_of(self, segments: Sequence[Segment]) -> dict[str, LiveRows]:
        """Return the provisional rows of archived recordings that nobody has settled, by hash."""
        cameras = sorted({one.camera_id for one in segments})
        waiting = {f"{one.camera_id} {one.recording}": one for one in self._store.live.all(cameras)}
        found: dict[str, LiveRows] = {}
        if not waiting:
            return found
        for segment in segments:
            with suppress(WorkbenchError):  # it has no header that could say it
                rows = waiting.get(media.remark_of(self._store.file(segment)))
                if rows is not None:
                    found[segment.sha256] = rows
        return found

    def _overdue(self, policy: Policy, now_ns: int) -> Iterator[Candidate]:
        """Yield what may be overdue: footage of days that are over."""
        by_site: dict[str, list[str]] = {}
        for camera_id in self._store.cameras():
            by_site.setdefault(self._site_of(camera_id), []).append(camera_id)
        for site_id, cameras in by_site.items():
            days = policy.kept_days(site_id)
            if days is not None:
                span = Span(-(2**62), cutoff_ns(days, now_ns))
                yield from self._candidates(self._store.segments(cameras, span))

    def _site_of(self, camera_id: str) -> str:
        """Return a camera's site; "" where the ward has it no more: the default days count."""
        known = self._house.ward.cameras.get(camera_id)
        return known.site_id if known is not None else ""

    def _days(self, now_ns: int) -> Iterator[list[Candidate]]:
        """Yield the candidates of every camera, a local day at a time from the oldest."""
        start_ns = self._store.oldest_ns()
        while start_ns is not None and start_ns < now_ns:
            midnight_ns = cutoff_ns(0, start_ns)
            span = Span(midnight_ns, midnight_ns + DAY_NS)
            yield list(self._candidates(self._store.segments(None, span)))
            start_ns = self._store.oldest_ns(span.stop_ns)

    def _candidates(self, segments: Iterable[Segment]) -> Iterator[Candidate]:
        holds = self._holds()
        fixes: dict[str, list[ClockFix]] = {}
        for one in segments:
            if one.camera_id not in fixes:
                fixes[one.camera_id] = self._store.clock_fixes(one.camera_id)
            known = fixes[one.camera_id]
            since_ns = max(one.stamped.stop_ns, one.utc_span(known).stop_ns, self._taken_ns(one))
            site_id = self._site_of(one.camera_id)
            yield Candidate(
                one.sha256, site_id, since_ns, one.size_bytes, is_kept(one, known, holds)
            )

    def _taken_ns(self, segment: Segment) -> int:
        """Return when the archive's file was written: brought in by hand, it counts from then."""
        path = self._store.file(segment)
        try:
            return path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        except OSError as error:  # nobody knows since when it counts: it stays, and that is said
            self._unseen[str(path)] = error.strerror or type(error).__name__
            return self._house.now()

    def _holds(self) -> list[Protection]:
        return self._store.keeping.holds(self._house.now(), self._case_days())

    def _case_days(self) -> Mapping[str, int]:
        return (self.policy() or Policy()).case_days

    def _needed(self, policy: Policy) -> int:
        disk = self.disk()
        return round(disk.total_bytes * policy.spare_percent / 100) - disk.free_bytes

    def settle(self, after: int) -> int | None:
        """Write down on the disk some of what only the catalogue holds; see ``Store.settle``."""
        return self._store.settle(after)

    # -- in words ----------------------------------------------------------------------------

    def trouble(self, kbit_s: float = 0.0) -> str:
        """Return what an operator must know of retention and disk; empty where all is well."""
        torn = [
            f"{path} was the list of what was being dropped and cannot be read: run workbench "
            "verify for files left over, then remove it"
            for path in self._store.keeping.unreadable()
        ]
        spoilt = self._store.upkeep.spoilt_health()
        told = (
            f"{len(spoilt)} files with checks of health cannot be read and are left out, the first "
            f"is {spoilt[0]}: remove them when you have seen them"
            if spoilt
            else ""
        )
        return "; ".join(filter(None, (*torn, told, self._short(kbit_s))))

    def _short(self, kbit_s: float) -> str:
        try:
            policy = self.policy()
        except BadInput as error:
            return str(error)
        disk = self.disk(kbit_s)
        spare = (policy or Policy()).spare_percent
        if disk.free_percent >= spare:
            return ""
        left = f", full in {disk.hours_left:.1f} h" if disk.hours_left is not None else ""
        text = f"the disk is short of room: {disk.free_percent:.1f} % free{left}"
        if policy is None:
            return f"{text}; no retention is set, nothing is dropped"
        if policy.when_full == "stop":
            return f"{text}; nothing is dropped before its days are over (when_full = stop)"
        return f"{text}; the oldest days are being dropped"

    def note(self) -> str:
        """Return how long footage is kept, in a line, or why nobody can say."""
        try:
            policy = self.policy()
        except BadInput as error:
            return str(error)
        return said_of(policy)

    def rebuilt_differs(self) -> list[str]:
        """Return where a catalogue made from the disk alone is not the one in force."""
        return archive.differs(self._store)

    def _tell(self, statement: Mapping[str, object]) -> None:
        self._log("drop", statement, f"retention: {statement['why']}")

    def _log(self, action: str, details: Mapping[str, object], reason: str) -> None:
        self._store.append_audit(
            at_ns=self._house.now(), actor=self._house.actor, action=action,
            subject=str(self._store.archive_folder), reason=reason, details=dict(details),
        )  # fmt: skip


class Caretaker:
    """Applies retention beside a running recorder, in a thread of its own.

    What an archive of an earlier version does not have on the disk yet is written down there too:
    it takes minutes a day of footage, and no camera waits for it.
    """

    def __init__(self, keeping: Keeping, kbit_s: Callable[[], float]) -> None:
        self._keeping, self._kbit_s = keeping, kbit_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)
        self._short = self._unseen = self._failed = self._unsettled = ""
        self._due = False
        self._applied_s = -APPLY_S
        self._after: int | None = 0

    @property
    def trouble(self) -> str:
        """What hinders the keeping, or will soon."""
        said = (self._short, self._unseen, self._failed, self._unsettled)
        return "; ".join(filter(None, said))

    def __enter__(self) -> Caretaker:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Have it end after what it does just now."""
        self._stopped.set()

    def __exit__(self, *_what: object) -> None:
        self.stop()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while True:
            self._due = False
            self._unseen = _hindered(self._look)
            if self._due:
                self._applied_s = time.monotonic()
                self._failed = _hindered(self._retain)
            self._unsettled = _hindered(self._settle)
            busy = self._after is not None and not self._unsettled
            if self._stopped.wait(0 if busy else LOOK_S):
                return

    def _look(self) -> None:
        self._short = self._keeping.trouble(self._kbit_s())
        try:
            policy = self._keeping.policy()
        except BadInput:  # said already
            policy = None
        if policy is None:
            self._failed = ""
            return
        since_s = time.monotonic() - self._applied_s
        self._due = since_s >= (RETRY_S if self._failed else APPLY_S) or (
            policy.when_full == "oldest"
            and self._keeping.disk().free_percent < policy.spare_percent
        )

    def _retain(self) -> None:
        self._keeping.retention(
            apply=True, most_days=MOST_DAYS, by_itself=True, stopped=self._stopped.is_set
        )

    def _settle(self) -> None:
        until_s = time.monotonic() + LOOK_S
        while self._after is not None and time.monotonic() < until_s:
            if self._stopped.is_set():
                return
            self._after = self._keeping.settle(self._after)


def _hindered(act: Callable[[], None]) -> str:
    """Do something; return what hindered it, empty where nothing did."""
    try:
        act()
    except (WorkbenchError, OSError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - its thread must live on, and say so
        return f"{type(error).__name__}: {error}"
    return ""


def rebuild(
    root: Path | str,
    *,
    actor: str,
    now: Callable[[], int] = time.time_ns,
    backup: Path | None = None,
    hashed: bool = True,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> archive.Rebuilt:
    """Make a root's catalogue again from its disk; see ``archive.rebuild``.

    Raises
    ------
    BadInput
        Where `root` is none, or there is no such backup.
    Refused
        While a recorder runs.
    """
    if backup is not None and not backup.is_file():
        raise BadInput(N_("there is no such file"), N_("check the path"), where=str(backup))
    store = Store.lost(Path(root))
    roles.must(store.root, actor, now())  # the log may be what is lost
    recording = store.root / "recording"
    recording.mkdir(exist_ok=True)
    with files.held(recording / ".recorder") as ours:
        if not ours:
            raise Refused(
                N_("a recorder runs on this folder"),
                N_("stop it first: it writes into the catalogue"),
                where=str(recording),
            )
        made = archive.rebuild(
            store, at_ns=now(), backup=backup, hashed=hashed, on_progress=on_progress
        )

    def tell(action: str, details: Mapping[str, object]) -> None:
        store.append_audit(
            at_ns=now(), actor=actor, action=action, subject=str(store.root), details=details
        )

    tell(
        "rebuild",
        {
            "segments": made.segments, "findings": made.findings, "copied": made.copied,
            "set aside": made.aside.name if made.aside else "", "hashed": hashed,
        },
    )  # fmt: skip
    store.keeping.finish(lambda statement: tell("drop", statement))
    return made
