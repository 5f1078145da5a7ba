"""A catalogue of a great many segments, and how long a question about one day of it takes.

``python tests/make/many_segments.py ROOT [COUNT]`` prints the figures of docs/benchmarks/live.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path

from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span

LENGTH_S = 30
START_NS = 1_790_000_000 * SECOND_NS
HOUSE = Path(__file__).resolve().parents[2]


def fill(root: Path, count: int) -> list[str]:
    """Make a root with `count` segments of 30 s, one after another, over the ward's cameras."""
    cameras = list(open_workbench(root, actor="t", create_from=HOUSE / "data").ward.cameras)
    each = count // len(cameras)

    def rows():
        for n in range(each):
            for camera in cameras:
                sha = hashlib.sha256(f"{camera} {n}".encode()).hexdigest()
                at_ns = START_NS + n * LENGTH_S * SECOND_NS
                yield (
                    sha, camera, f"archive/{camera}/{sha}.mp4", at_ns, 0, LENGTH_S * 12_800,
                    1, 12_800, 1, 12_800, 360, 1920, 1080, "h264", 0, 7_500_000, "[]",
                )  # fmt: skip

    with Store.open(root)._catalogue.write() as db:
        db.executemany(f"INSERT INTO segments VALUES ({', '.join('?' * 17)})", rows())
    return cameras


def timed(call) -> tuple[float, object]:
    """Return the seconds of the second of two calls, and what it gave."""
    call()
    began = time.monotonic()
    found = call()
    return round(time.monotonic() - began, 3), found


def main() -> None:
    """Build and measure."""
    root, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    cameras = fill(root, count)
    house = open_monitoring(root, actor="t")
    day_ns = 86_400 * SECOND_NS
    figures = {"segments": count, "cameras": len(cameras)}
    for name, length_ns in (("day", day_ns), ("hour", day_ns // 24)):
        span = Span(START_NS + 2 * day_ns, START_NS + 2 * day_ns + length_ns)
        took_s, found = timed(lambda span=span: house.gaps(span, cameras))
        figures |= {f"gaps of a {name}, s": took_s, f"gaps found in the {name}": len(found)}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
