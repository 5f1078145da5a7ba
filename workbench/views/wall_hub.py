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
from dataclasses import dataclass, field

from workbench.investigation import Grant
from workbench.views.footage import TILE_QUALITY, jpeg, shrink
from workbench.views.sources import Picture, Silence, Source

BATCHES_UNDER_WAY = 2
TICK_S = 0.1
WIDTHS_PX = (320, 960)
"""Tile pictures are made this wide: one for the grid, one for an enlarged tile."""


def width_for(asked_px: float) -> int:
    """Return the picture width for a tile drawn `asked_px` wide.

    >>> width_for(250), width_for(900)
    (320, 960)
    """
    return next((width for width in WIDTHS_PX if asked_px <= width), WIDTHS_PX[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What is known of a camera now: JPEGs by width, or silence."""

    seq: int
    made_ns: int
    shown: Picture | Silence
    jpegs: dict[int, bytes]


@dataclass(eq=False)
class Viewer:
    """One open wall: its grant, what it can see, and what it has been sent."""

    grant: Grant
    send: Callable[[bytes], object]
    wanted: dict[str, int] = field(default_factory=dict)
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)
    under_way: int = 0
    batches: int = 0

    def hear(self, message: str) -> None:
        """Take a message of the page: ``{"visible": {camera: width}}`` or ``{"ack": batch}``."""
        try:
            said = json.loads(message)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if "ack" in said:
            self.under_way = max(0, self.under_way - 1)
        visible = said.get("visible")
        if isinstance(visible, dict):
            self.wanted = {
                str(camera): width_for(width)
                for camera, width in visible.items()
                if camera in self.grant.cameras and isinstance(width, int | float)
            }
            self.sent = {camera: seq for camera, seq in self.sent.items() if camera in self.wanted}

    def batch(self, tiles: dict[str, Tile], now_ns: int) -> bytes | None:
        """Return the next message to this viewer, None while it is busy or nothing is new."""
        if self.under_way >= BATCHES_UNDER_WAY:
            return None
        facts: list[dict[str, object]] = []
        pictures: list[bytes] = []
        for camera, width in self.wanted.items():
            tile = tiles.get(camera)
            if tile is None or self.sent.get(camera) == (tile.seq, width):
                continue
            if isinstance(tile.shown, Silence):
                facts.append(_silent(camera, tile.shown, "silent"))
            elif not self.grant.covers(camera, tile.shown.at_ns):
                facts.append(_silent(camera, tile.shown, "outside"))
            elif width in tile.jpegs:
                facts.append(_drawn(camera, tile, tile.shown, len(tile.jpegs[width])))
                pictures.append(tile.jpegs[width])
            else:
                continue
            self.sent[camera] = (tile.seq, width)
        if not facts:
            return None
        self.batches += 1
        self.under_way += 1
        head = {"n": self.batches, "now_ms": now_ns // 1_000_000, "tiles": facts}
        encoded = json.dumps(head, separators=(",", ":")).encode()
        return b"".join([struct.pack(">I", len(encoded)), encoded, *pictures])


def _silent(camera: str, shown: Picture | Silence, state: str) -> dict[str, object]:
    since_ns = shown.since_ns if isinstance(shown, Silence) else None
    since_ms = None if since_ns is None else since_ns // 1_000_000
    return {"camera": camera, "state": state, "since_ms": since_ms, "size": 0}


def _drawn(camera: str, tile: Tile, shown: Picture, size: int) -> dict[str, object]:
    return {
        "camera": camera,
        "state": shown.state,
        "at_ms": shown.at_ns // 1_000_000,
        "made_ms": tile.made_ns // 1_000_000,
        "size": size,
    }


class Hub:
    """Keeps the latest tile of every camera that somebody watches and passes it on.

    Parameters
    ----------
    source_of
        Opens the source of a camera; called once, when it is first watched.
    pool
        Where pictures are decoded; the event loop never does it.
    """

    def __init__(
        self, source_of: Callable[[str], Source], pool: Executor, now: Callable[[], int]
    ) -> None:
        self._source_of = source_of
        self._pool = pool
        self._now = now
        self._sources: dict[str, Source] = {}
        self._busy: set[str] = set()
        self._seq = 0
        self.tiles: dict[str, Tile] = {}
        self.viewers: set[Viewer] = set()

    async def run(self) -> None:
        """Make and send tiles until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """Start what is not being made, and send what is ready."""
        wanted: dict[str, set[int]] = {}
        for viewer in self.viewers:
            for camera, width in viewer.wanted.items():
                wanted.setdefault(camera, set()).add(width)
        for camera, widths in wanted.items():
            if camera not in self._busy:
                self._busy.add(camera)
                task = asyncio.get_running_loop().run_in_executor(
                    self._pool, self._make, camera, tuple(sorted(widths))
                )
                task.add_done_callback(lambda done, camera=camera: self._keep(camera, done))  # type: ignore[misc]
        for camera in set(self._sources) - set(wanted) - self._busy:
            self._close(camera)
        self._send()

    def close(self) -> None:
        """Stop every source."""
        for camera in list(self._sources):
            self._close(camera)

    def _close(self, camera: str) -> None:
        source = self._sources.pop(camera)
        self.tiles.pop(camera, None)
        stop = getattr(source, "close", None)
        if stop is not None:
            stop()

    def _make(self, camera: str, widths: Iterable[int]) -> Tile | None:
        source = self._sources.get(camera)
        if source is None:
            source = self._sources[camera] = self._source_of(camera)
        made_ns = self._now()
        shown = source(made_ns)
        last = self.tiles.get(camera)
        if isinstance(shown, Silence):
            if last is not None and last.shown == shown:
                return None
            return Tile(0, made_ns, shown, {})
        fresh = last is None or not isinstance(last.shown, Picture) or last.shown.key != shown.key
        if not fresh and last is not None and set(widths) <= set(last.jpegs):
            return None
        jpegs = {width: jpeg(shrink(shown.rgb, width), TILE_QUALITY) for width in widths}
        return Tile(0, made_ns, shown, jpegs)

    def _keep(self, camera: str, done: asyncio.Future[Tile | None]) -> None:
        self._busy.discard(camera)
        if done.cancelled():
            return
        if done.exception() is not None:
            # an unreadable file is a camera without a picture, and the wall goes on
            last = self.tiles.get(camera)
            since = last.shown.at_ns if last and isinstance(last.shown, Picture) else None
            tile: Tile | None = Tile(0, self._now(), Silence(since), {})
            if last is not None and isinstance(last.shown, Silence):
                tile = None
        else:
            tile = done.result()
        if tile is not None:
            self._seq += 1
            self.tiles[camera] = Tile(self._seq, tile.made_ns, tile.shown, tile.jpegs)
            self._send()

    def _send(self) -> None:
        now_ns = self._now()
        for viewer in list(self.viewers):
            message = viewer.batch(self.tiles, now_ns)
            if message is not None:
                viewer.send(message)
