"""What the tests of the store run in processes of their own (spawned ones import it by name)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from make.rows import sighting_row, sightings_table
from workbench.store import Store, files
from workbench.timeline import SECOND_NS


def append_entries(root: Path, actor: str, count: int) -> None:
    """Append `count` audit entries."""
    store = Store.open(root)
    for number in range(count):
        store.append_audit(at_ns=number, actor=actor, action="view", subject=str(number))


def append_rows(root: Path, first: int, stop: int, batch: int) -> int:
    """Append rows `first` to `stop` in batches; the numbers of several callers may overlap."""
    store = Store.open(root)
    added = 0
    for start in range(first, stop, batch):
        numbers = range(start, min(start + batch, stop))
        rows = (sighting_row(n, f"C{n % 3:02d}") for n in numbers)
        added += store.append_sightings(sightings_table(rows))
    return added


def spread_rows(count: int) -> list[dict[str, object]]:
    """Return rows of two cameras over three days."""
    step = 3 * 86_400 * SECOND_NS // count
    base = sighting_row()["utc"]
    return [sighting_row(n, f"C{n % 2:02d}", utc_ns=base + n * step) for n in range(count)]


def stop_at_flush(turn: int) -> None:
    """Make the `turn`-th flush of this process say "here" and wait for ever: to be killed there."""
    flushed = 0
    real = files._flush

    def flush(path: Path) -> None:
        nonlocal flushed
        flushed += 1
        if flushed == turn:
            print("here", flush=True)
            sys.stdin.read()
        real(path)

    files._flush = flush


@contextmanager
def paused_at_flush(root: Path, what: str, turn: int) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that writes to the store of `root` and waits inside its `turn`-th flush."""
    with subprocess.Popen(
        [sys.executable, __file__, what, str(root), str(turn)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "here\n"
        yield writer


if __name__ == "__main__":
    what, where, turn = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    opened = Store.open(where)
    stop_at_flush(turn)
    if what == "sightings":
        opened.append_sightings(sightings_table(sighting_row(n) for n in range(50)))
    elif what == "retime":
        opened.retime("C01")
    elif what == "audit":
        append_entries(where, "killed", 1)
    os._exit(3)  # it was to be killed before it came here
