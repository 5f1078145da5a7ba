"""What waits for a listener that is busy: little, however long it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Condition

from workbench.streams.messages import Beat, Looked, Lost, Noted, Switched, Told

MOST_NOTED = 500
"""With so much untold, no more is noted of pictures that cannot be read."""

Word = tuple[str, Told]
"""``(camera_id, told)``."""


class Mailbox:
    """Words of many cameras on their way to one listener; may be filled and emptied by two threads.

    A beat is added to the one that still waits, a picture takes the place of the one that still
    waits, and a camera that is lost again in the same way, with no packet in between, is lost once.
    Everything else is kept, in its order.
    """

    def __init__(self) -> None:
        self._words: dict[int, Word] = {}
        self._count = 0
        self._open: dict[tuple[str, type], int] = {}
        self._lost: dict[str, tuple[str, str]] = {}
        self._closed = False
        self._news = Condition()

    def __len__(self) -> int:
        return len(self._words)

    def put(self, camera_id: str, told: Told) -> None:
        """Add a word."""
        with self._news:
            self._put(camera_id, told)
            self._news.notify()

    def close(self) -> None:
        """Let :meth:`take` end once all is taken."""
        with self._news:
            self._closed = True
            self._news.notify()

    def take(self) -> Sequence[Word]:
        """Wait for words and return all there are, oldest first; none when it was closed."""
        with self._news:
            self._news.wait_for(lambda: self._words or self._closed)
            words = list(self._words.values())
            self._words, self._open, self._lost = {}, {}, {}
            return words

    def _put(self, camera_id: str, told: Told) -> None:
        place = camera_id, type(told)
        waiting = self._words.get(self._open.get(place, -1))
        if isinstance(told, Beat):
            self._lost.pop(camera_id, None)
            if waiting is not None and isinstance(waiting[1], Beat):
                told = _together(waiting[1], told)
        elif isinstance(told, Lost):
            if self._lost.get(camera_id) == (told.cause, told.detail):
                return
            self._lost[camera_id] = told.cause, told.detail
            # the beats before it and those after it are not the same footage
            self._open.pop((camera_id, Beat), None)
        elif isinstance(told, Switched):
            self._lost.pop(camera_id, None)
            self._open.pop((camera_id, Beat), None)
        elif isinstance(told, Noted) and told.cause == "broken" and len(self) >= MOST_NOTED:
            return
        if isinstance(told, Beat | Looked):
            self._count += waiting is None
            number = self._open.setdefault(place, self._count)
        else:
            self._count += 1
            number = self._count
        self._words[number] = camera_id, told


def _together(one: Beat, next_one: Beat) -> Beat:
    size = one.size_bytes + next_one.size_bytes
    shares = [(b.size_bytes, b.lost_share) for b in (one, next_one) if b.lost_share is not None]
    lost = sum(came * share / max(1e-3, 1 - share) for came, share in shares)
    offset_ns = next_one.clock_offset_ns
    return replace(
        next_one,
        packets=one.packets + next_one.packets,
        size_bytes=size,
        lost_share=lost / max(1.0, lost + size) if shares else None,
        clock_offset_ns=one.clock_offset_ns if offset_ns is None else offset_ns,
        length_s=one.length_s + next_one.length_s,
    )
