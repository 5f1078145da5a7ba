"""The live wall's hub: one decoder a watched camera, latest picture wins, viewers set the pace.

A viewer says which cameras it can see and how large, and acknowledges what it drew; at most two
batches are under way to it, so a slow browser gets fewer pictures and never older ones.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import astuple, dataclass, field, replace

from workbench.investigation import Grant
from workbench.timeline import SECOND_NS
from workbench.views.footage import TILE_QUALITY, shrink
from workbench.views.recorder_status import Health
from workbench.views.sheets import join, sheet_jpeg
from workbench.views.sources import WIDEST_PX, Picture, Silence, Source

BATCHES_UNDER_WAY = 2
TICK_S = 0.05
POLL_S = 0.1
"""Sources that must be asked for their picture are asked so often."""
SLOW_S = 0.3
"""A viewer that takes longer for a batch gets smaller ones: fewer pictures, none of them old."""
FEWEST, MOST = 6, 1000
FEWER, OFTENER = 1.1, 0.8
"""What the time between a camera's pictures is multiplied by, at each that a viewer takes."""
LINGER_S = 20.0
"""A camera scrolled out of sight stays open so long: it may come back."""
BEAT_S = 1.0
"""A viewer hears from the hub at least so often, pictures or not: silence means a lost link."""
WIDTHS_PX = (160, 208, 256, 320, 480, 640, WIDEST_PX)
"""Tile pictures are made this wide: hardly wider than they are drawn."""


def width_for(asked_px: float) -> int:
    """Return the picture width for a tile drawn `asked_px` wide.

    >>> width_for(250), width_for(900)
    (256, 960)
    """
    return next((width for width in WIDTHS_PX if asked_px <= width), WIDTHS_PX[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What is known of a camera now: JPEGs by width, or silence, and what its recorder says."""

    seq: int
    made_ns: int
    shown: Picture | Silence
    jpegs: dict[int, bytes]
    health: Health | None = None


@dataclass(eq=False)
class Viewer:
    """One open wall: its grant, what it can see, and what it has been sent."""

    grant: Grant
    send: Callable[[bytes], object]
    wanted: dict[str, int] = field(default_factory=dict)
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)
    under_way: int = 0
    batches: int = 0
    heard_ns: int | None = None
    most: int = MOST
    slow: bool = False
    took: list[str] = field(default_factory=list)
    _sent_ns: dict[int, tuple[int, int]] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)

    def hear(self, message: str, now_ns: int | None = None) -> None:
        """Take a message of the page: ``{"visible": {camera: width}}`` or ``{"ack": batch}``."""
        try:
            said = json.loads(message)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if "ack" in said:
            self.under_way = max(0, self.under_way - 1)
            if now_ns is not None and isinstance(said["ack"], int):
                self._pace(said["ack"], now_ns)
        visible = said.get("visible")
        if isinstance(visible, dict):
            self.wanted = {
                str(camera): width_for(width)
                for camera, width in visible.items()
                if camera in self.grant.cameras and isinstance(width, int | float)
            }
            self.sent = {camera: seq for camera, seq in self.sent.items() if camera in self.wanted}

    def _pace(self, number: int, now_ns: int) -> None:
        """Make batches as large as this viewer draws in time."""
        sent_ns, count = self._sent_ns.pop(number, (now_ns, 0))
        took_s = (now_ns - sent_ns) / SECOND_NS
        self.slow = took_s > SLOW_S
        if count and self.slow:
            self.most = max(FEWEST, round(min(self.most, count) * max(0.5, SLOW_S / took_s)))
        elif took_s < SLOW_S / 2:
            self.most = min(MOST, self.most + self.most // 8 + 1)

    def batch(self, tiles: dict[str, Tile], now_ns: int) -> bytes | None:
        """Return the next message to this viewer, None while it is busy or nothing is new.

        The cameras whose pictures are in it are in ``took``.
        It is the length of its JSON head, the head, and the sheets that the pictures lie in; a
        tile that has a picture tells its place (see :class:`workbench.views.sheets.Place`).
        """
        if self.under_way >= (1 if self.slow else BATCHES_UNDER_WAY):
            return None
        facts: list[dict[str, object]] = []
        pictures: list[bytes] = []
        drawn: list[int] = []
        # those that waited longest first: a small batch leaves none out for ever
        for camera in sorted(self.wanted, key=lambda one: self._turns.get(one, 0)):
            tile, width = tiles.get(camera), self.wanted[camera]
            if tile is None or self.sent.get(camera) == (tile.seq, width):
                continue
            if len(pictures) >= self.most:
                break
            if isinstance(tile.shown, Silence):
                state = "opening" if tile.shown.opening else "silent"
                facts.append(_silent(camera, tile, state))
            elif not self.grant.covers(camera, tile.shown.at_ns):
                facts.append(_silent(camera, tile, "outside"))
            elif width in tile.jpegs:
                drawn.append(len(facts))
                facts.append(_drawn(camera, tile, tile.shown))
                pictures.append(tile.jpegs[width])
            else:
                continue
            self.sent[camera] = (tile.seq, width)
            self._turns[camera] = self.batches
        if self.heard_ns is None:
            self.heard_ns = now_ns
        if not facts and 0 <= now_ns - self.heard_ns < BEAT_S * SECOND_NS:
            return None
        self.heard_ns = now_ns
        self.took = [str(facts[number]["camera"]) for number in drawn]
        self.batches += 1
        self.under_way += 1
        self._sent_ns[self.batches] = (now_ns, len(pictures))
        sheets, places = join(pictures)
        for number, place in zip(drawn, places, strict=True):
            facts[number]["place"] = astuple(place)
        head = {
            "n": self.batches,
            "now_ms": now_ns // 1_000_000,
            "tiles": facts,
            "sheets": [len(sheet) for sheet in sheets],
        }
        encoded = json.dumps(head, separators=(",", ":")).encode()
        return b"".join([struct.pack(">I", len(encoded)), encoded, *sheets])


def _silent(camera: str, tile: Tile, state: str) -> dict[str, object]:
    since_ns = tile.shown.since_ns if isinstance(tile.shown, Silence) else None
    since_ms = None if since_ns is None else since_ns // 1_000_000
    return {"camera": camera, "state": state, "since_ms": since_ms} | _health(tile)


def _health(tile: Tile) -> dict[str, object]:
    return {} if tile.health is None else {"health": tile.health.facts()}


def _drawn(camera: str, tile: Tile, shown: Picture) -> dict[str, object]:
    return {
        "camera": camera,
        "state": shown.state,
        "at_ms": shown.at_ns // 1_000_000,
        "made_ms": tile.made_ns // 1_000_000,
    } | _health(tile)


class Hub:
    """Keeps the latest tile of every camera that somebody watches and passes it on.

    Parameters
    ----------
    source_of
        Opens the source of a camera; called once, when it is first watched.
    pool
        Where pictures are decoded; the event loop never does it.
    health_of
        What the recorder says of a camera at a time, None where it says nothing.
    """

    def __init__(
        self,
        source_of: Callable[[str], Source],
        pool: Executor,
        now: Callable[[], int],
        health_of: Callable[[str, int], Health | None] = lambda _camera, _now: None,
        linger_s: float = LINGER_S,
    ) -> None:
        self._source_of = source_of
        self._health_of = health_of
        self._pool = pool
        self._now = now
        self._linger_ns = round(linger_s * SECOND_NS)
        self._sources: dict[str, Source] = {}
        self._wanted_ns: dict[str, int] = {}
        self._asked_s: dict[str, float] = {}
        self._busy: set[str] = set()
        self._unseen: dict[str, int] = {}
        self._seq = 0
        self.tiles: dict[str, Tile] = {}
        self.viewers: set[Viewer] = set()

    async def run(self) -> None:
        """Make and send tiles until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """Take what is ready, ask for what is not, and send."""
        loop, now_ns = asyncio.get_running_loop(), self._now()
        wanted: dict[str, set[int]] = {}
        for viewer in self.viewers:
            for camera, width in viewer.wanted.items():
                wanted.setdefault(camera, set()).add(width)
        for camera, asked in wanted.items():
            widths = frozenset(asked)
            self._wanted_ns[camera] = now_ns
            if camera in self._busy or self._take_ready(camera, widths, now_ns):
                continue
            # a little early rather than a whole tick late
            if loop.time() - self._asked_s.get(camera, 0.0) < POLL_S - TICK_S / 4:
                continue
            self._asked_s[camera] = loop.time()
            self._busy.add(camera)
            task = loop.run_in_executor(self._pool, self._make, camera, tuple(sorted(widths)))
            task.add_done_callback(lambda done, camera=camera: self._keep(camera, done))  # type: ignore[misc]
        for camera in set(self._sources) - set(wanted) - self._busy:
            self._rest(camera, now_ns)
        self._send()

    def _take_ready(self, camera: str, widths: frozenset[int], now_ns: int) -> bool:
        """Take the picture that a camera's source has ready; False where it must be asked."""
        ready = getattr(self._sources.get(camera), "ready", None)
        shown = None if ready is None else ready(now_ns, widths)
        if shown is None:
            return False
        health = self._health_of(camera, now_ns)
        self._put(camera, self._tile(shown, self.tiles.get(camera), widths, now_ns, health))
        return True

    def _rest(self, camera: str, now_ns: int) -> None:
        """Let a camera that nobody sees cost little; close it when nobody comes back to it."""
        self.tiles.pop(camera, None)
        rest = getattr(self._sources[camera], "rest", None)
        if rest is None or now_ns - self._wanted_ns.get(camera, 0) >= self._linger_ns:
            self._close(camera)
        else:
            rest()

    def close(self) -> None:
        """Stop every source."""
        for camera in list(self._sources):
            self._close(camera)

    def _close(self, camera: str) -> None:
        source = self._sources.pop(camera)
        for known in (self.tiles, self._wanted_ns, self._asked_s, self._unseen):
            known.pop(camera, None)
        stop = getattr(source, "close", None)
        if stop is not None:
            stop()

    def _make(self, camera: str, widths: Iterable[int]) -> Tile | None:
        made_ns = self._now()
        last = self.tiles.get(camera)
        health = self._health_of(camera, made_ns)
        try:
            source = self._sources.get(camera)
            if source is None:
                source = self._sources[camera] = self._source_of(camera)
            if hasattr(source, "widths"):
                source.widths = frozenset(widths)
            shown = source(made_ns)
            return self._tile(shown, last, widths, made_ns, health)
        except Exception:  # noqa: BLE001 - whatever it is, the wall goes on
            # an unreadable file is a camera without a picture
            since = None
            if last is not None:
                shown = last.shown
                since = shown.at_ns if isinstance(shown, Picture) else shown.since_ns
            return self._tile(Silence(since), last, widths, made_ns, health)

    @staticmethod
    def _tile(
        shown: Picture | Silence,
        last: Tile | None,
        widths: Iterable[int],
        made_ns: int,
        health: Health | None,
    ) -> Tile | None:
        """Return what is new since the last tile, None where nothing is."""
        told = last is not None and last.health == health
        if isinstance(shown, Silence):
            if told and last is not None and last.shown == shown:
                return None
            return Tile(0, made_ns, shown, {}, health)
        same = last is not None and isinstance(last.shown, Picture) and last.shown.key == shown.key
        jpegs = last.jpegs if same and last is not None else {}
        if same and told and set(widths) <= set(jpegs):
            return None
        jpegs = {
            width: jpegs.get(width)
            or shown.jpegs.get(width)
            or sheet_jpeg(shrink(shown.rgb, width), TILE_QUALITY)
            for width in widths
        }
        if same and last is not None:
            made_ns = last.made_ns  # the picture is no younger because more is known of it
        return Tile(0, made_ns, shown, jpegs, health)

    def _keep(self, camera: str, done: asyncio.Future[Tile | None]) -> None:
        self._busy.discard(camera)
        if done.cancelled() or done.exception() is not None:
            return
        self._put(camera, done.result())

    def _put(self, camera: str, tile: Tile | None) -> None:
        if tile is not None:
            self._seq += 1
            self._unseen[camera] = self._unseen.get(camera, 0) + 1
            self.tiles[camera] = replace(tile, seq=self._seq)

    def _pace(self, camera: str) -> None:
        """Have fewer pictures made of a camera while viewers leave some, more while they wait."""
        made = self._unseen.pop(camera, 0)
        pace = getattr(self._sources.get(camera), "pace", None)
        if made and pace is not None:
            pace(FEWER if made > 1 else OFTENER)

    def _send(self) -> None:
        now_ns = self._now()
        for viewer in list(self.viewers):
            message = viewer.batch(self.tiles, now_ns)
            if message is not None:
                viewer.send(message)
                for camera in viewer.took:
                    self._pace(camera)
