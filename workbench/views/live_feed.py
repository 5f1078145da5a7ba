"""An enlarged tile's own video: the recording's bytes as they grow, at the pace of one viewer.

The browser is sent each file's header and then every whole fragment, as they lie on disk; nothing
is transcoded. It acknowledges what it took. A few fragments are under way to it, no more; a viewer
that falls behind is taken to the newest fragment with a key frame, and is told what it missed.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass

from workbench.investigation import Grant
from workbench.streams.growing import Fragment, RecordedFile, Tail
from workbench.timeline import SECOND_NS

UNDER_WAY = 4
HISTORY_S = 60.0
"""A viewer begins so far back, so that what made it enlarge the tile can be seen again."""
HISTORY_BYTES = 24 << 20
LATE_S = 4.0
"""A viewer farther behind than this is skipped ahead."""
CATCH_UP_S = 6.0
"""Time a viewer has for the history it is given at first."""
LOOK_S = 0.04


def message(head: dict[str, object], body: bytes = b"") -> bytes:
    """Return a message to the browser: length of its JSON head, the head, the bytes.

    >>> message({"kind": "none"})[4:]
    b'{"kind":"none"}'
    """
    encoded = json.dumps(head, separators=(",", ":")).encode()
    return b"".join([struct.pack(">I", len(encoded)), encoded, body])


@dataclass(eq=False)
class FeedViewer:
    """What one enlarged tile has been sent; ``since_ns`` is what it has from before, 0 if nothing.

    Call :meth:`take` with the tail's lock held.
    """

    camera_id: str
    grant: Grant
    tail: Tail
    since_ns: int = 0
    under_way: int = 0
    sent: int = 0
    _seq: int | None = None
    _of: RecordedFile | None = None
    _opened_ns: int | None = None
    _caught_up: bool = False
    _nothing: bool = False

    def hear(self, said: str) -> None:
        """Take an acknowledgement, ``{"ack": number}``; nonsense is ignored."""
        try:
            known = json.loads(said)
        except (ValueError, RecursionError):
            return
        if isinstance(known, dict) and isinstance(known.get("ack"), int):
            self.under_way = max(0, self.under_way - 1)

    def take(self, now_ns: int) -> list[bytes]:
        """Return the messages that may be sent now."""
        self.tail.look(now_ns)
        out: list[bytes] = []
        if self._opened_ns is None:
            self._opened_ns = now_ns
        if self._seq is None and not self._begin(now_ns):
            if not self._nothing:
                self._nothing = True
                out.append(message({"kind": "none"}))
            return out
        while self.under_way < UNDER_WAY and (fragment := self._next(now_ns, out)) is not None:
            out += self._messages(fragment, now_ns)
        return out

    def _begin(self, now_ns: int) -> bool:
        """Choose where to begin: some history, from a key frame on; False where nothing is."""
        from_ns = max(self.since_ns, now_ns - round(HISTORY_S * SECOND_NS))
        first: Fragment | None = None
        size = 0
        for fragment in reversed(self.tail.fragments):
            size += fragment.size
            too_much = size > HISTORY_BYTES or fragment.times.stop_ns <= from_ns
            if too_much and first is not None:
                break
            if fragment.times.key:
                first = fragment
        if first is None:
            return False
        self._seq = first.seq - 1
        return True

    def _next(self, now_ns: int, out: list[bytes]) -> Fragment | None:
        """Return the fragment to send, past what the viewer is too late for."""
        assert self._seq is not None
        assert self._opened_ns is not None
        waiting = self.tail.after(self._seq)
        if not waiting:
            self._caught_up = True
            return None
        first, newest = waiting[0], waiting[-1]
        lost = first.seq != self._seq + 1 and not first.times.key
        late = newest.times.stop_ns - first.times.start_ns > LATE_S * SECOND_NS
        patient = not self._caught_up and now_ns - self._opened_ns < CATCH_UP_S * SECOND_NS
        if lost or (late and not patient):
            key = next((one for one in reversed(waiting) if one.times.key), None)
            if key is None:
                return None if lost else first
            if key is not first:
                out.append(
                    message(
                        {
                            "kind": "skip",
                            "from_ms": first.times.start_ns / 1e6,
                            "to_ms": key.times.start_ns / 1e6,
                        }
                    )
                )
                return key
        return first

    def _messages(self, fragment: Fragment, now_ns: int) -> list[bytes]:
        self._seq = fragment.seq
        times, of, out = fragment.times, fragment.of, []
        last_ns = max(times.start_ns, times.stop_ns - 1)
        covers = self.grant.covers
        if not (covers(self.camera_id, times.start_ns) and covers(self.camera_id, last_ns)):
            return [message({"kind": "outside"})]
        if of is not self._of:
            self._of = of
            head = {
                "kind": "init",
                "mime": of.codec.mime,
                "zero_ms": of.start_ns / 1e6,
                "width": of.codec.width_px,
                "height": of.codec.height_px,
            }
            out.append(message(head, of.header))
        self.sent += 1
        self.under_way += 1
        head = {
            "kind": "fragment",
            "n": self.sent,
            "start_ms": times.start_ns / 1e6,
            "stop_ms": times.stop_ns / 1e6,
            "now_ms": now_ns / 1e6,
            "edge": fragment is self.tail.fragments[-1],
        }
        return [*out, message(head, fragment.read())]


async def run_feed(
    viewer: FeedViewer,
    send: Callable[[bytes], object],
    now: Callable[[], int],
) -> None:
    """Send a viewer what its camera records until cancelled; files are read off the event loop."""
    loop = asyncio.get_running_loop()

    def work() -> list[bytes]:
        with viewer.tail.lock:
            return viewer.take(now())

    beat_s = loop.time()
    while True:
        messages = await loop.run_in_executor(None, work)
        for one in messages:
            send(one)
        if messages:
            beat_s = loop.time()
        elif loop.time() - beat_s > 1.0:
            beat_s = loop.time()
            send(message({"kind": "beat", "now_ms": now() / 1e6}))
        await asyncio.sleep(LOOK_S)
