"""What the live benchmarks stand on: the laboratory of cameras, a recorder, what processes cost."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from workbench import demonstration
from workbench.errors import N_, Unavailable
from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring
from workbench.records import Gap
from workbench.timeline import SECOND_NS

Figures = dict[str, Any]

SEGMENT_S = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE_S = 60.0


def make_root(root: Path) -> Path:
    """Return a new root with the illustrative ward's tables."""
    open_workbench(root, actor="bench", create_from=demonstration.WARD)
    return root


def write_addresses(root: Path, addresses: Mapping[str, str], column: str = "stream_url") -> None:
    """Write stream addresses into a root's table of cameras; others lose theirs."""
    table = root / "ward" / "cameras.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row[column] = addresses.get(row["camera_id"], "")
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


class RunningRecorder:
    """``workbench record`` on a root, in a session of its own so that all of it can be killed.

    On leaving its context it is stopped, or killed after an error: nothing of it stays behind.
    """

    def __init__(self, root: Path, segment_s: float = SEGMENT_S) -> None:
        self.house = open_monitoring(root, actor="bench")
        began_ns = time.time_ns()
        words = [sys.executable, "-m", "workbench.cli", "record", str(root)]
        self.process = subprocess.Popen(
            [*words, "--segment", str(segment_s)],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: self.house.status()[0] > began_ns, "the recorder to start")
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_rest: object) -> None:
        if self.process.poll() is None:
            if error is None:
                self.stop()
            else:
                self.kill()

    def wait_for_all(self) -> list[str]:
        """Wait until every camera it knows is recorded; return them."""
        names = list(self.house.status()[1])
        wait_for(lambda: len(self.recording()) == len(names), "all cameras to be recorded")
        return names

    def recording(self) -> set[str]:
        """Return the cameras that are being recorded now."""
        return {
            camera for camera, one in self.house.status()[1].items() if one.state == "recording"
        }

    def kill(self) -> None:
        """End every process of it at once, as a loss of power does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does and wait until all is in the archive."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(_PATIENCE_S)


def wait_for(condition: Callable[[], object], what: str, seconds: float = _PATIENCE_S) -> None:
    """Wait until a condition holds.

    Raises
    ------
    Unavailable
        When it does not within `seconds`.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Unavailable(N_("waited in vain for {event}"), event=what)
        time.sleep(0.05)


def longest(found: Sequence[Gap]) -> float:
    """Return the longest gap in seconds, 0 without one."""
    return round(max((gap.span.duration_ns / SECOND_NS for gap in found), default=0.0), 2)


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started, directly or not (Linux)."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def tree_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process tree, those of its ended children included."""
    total = 0
    for one in descendants(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(fields[n]) for n in (11, 12, 13, 14))
    return total / _TICKS


def tree_facts(pid: int) -> dict[str, int]:
    """Return memory (proportional share, MiB), file handles and threads of a process tree."""
    memory_kib = handles = threads = 0
    for one in descendants(pid):
        with suppress(OSError):
            folder = Path(f"/proc/{one}")
            for line in (folder / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    memory_kib += int(line.split()[1])
            handles += len(list((folder / "fd").iterdir()))
            threads += len(list((folder / "task").iterdir()))
    return {"rss_mib": memory_kib // 1024, "handles": handles, "threads": threads}
