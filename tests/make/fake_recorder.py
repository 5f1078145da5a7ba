"""A recorder for tests of the wall: writes growing files from a numbered clip as time goes.

Run as a process: ``python fake_recorder.py FOLDER CLIP FILE_S CAMERA...``. Commands come as JSON
lines on standard input: ``{"do": "stall" | "go" | "lose" | "back", "camera": ..., ...}`` and
``{"do": "health", "camera": ..., "faults": [...], "why": ...}``. Each file that is begun is told as
a JSON line: ``{"camera", "start_ns", "zero_pts"}``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from threading import Thread

import av

from workbench.streams.fragments import FragmentWriter


class Camera:
    """One camera's loop through the clip; ``start_ns`` is when its first packet came."""

    def __init__(self, folder: Path, camera: str, clip: Path, file_s: float) -> None:
        self.camera, self.clip, self.file_s = camera, clip, file_s
        self.folder = folder / camera
        self.folder.mkdir(parents=True, exist_ok=True)
        self.taken = folder.parent / "taken" / camera
        self.taken.mkdir(parents=True, exist_ok=True)
        self.stalled = self.gone = False
        self.faults: list[str] = []
        self.why = self.cause = ""
        self.since_ns = time.time_ns()

    def status(self) -> dict[str, object]:
        return {
            "state": "lost" if self.gone else "recording", "since_ns": self.since_ns,
            "cause": self.cause, "detail": "", "fps": 25.0, "kbit_s": 100.0, "growing": "",
            "faults": self.faults, "why": self.why,
        }  # fmt: skip

    def run(self) -> None:
        while True:
            self._once()
            while self.gone:
                time.sleep(0.02)

    def _once(self) -> None:
        """Record until the camera is lost or the clip ends; then it begins anew."""
        writer: FragmentWriter | None = None
        path = Path()
        with av.open(f"file:{self.clip}") as source:
            stream = source.streams.video[0]
            start_s = time.monotonic()
            first_dts: int | None = None
            base = opened_ns = 0
            for packet in source.demux(stream):
                if packet.dts is None:
                    continue
                first_dts = packet.dts if first_dts is None else first_dts
                due_s = float((packet.dts - first_dts) * packet.time_base)
                while not self.gone and (self.stalled or time.monotonic() < start_s + due_s):
                    if self.stalled:
                        start_s = time.monotonic() - due_s
                    time.sleep(0.002)
                if self.gone:
                    break
                now_ns = time.time_ns()
                full = writer is not None and now_ns - opened_ns > self.file_s * 1e9
                if packet.is_keyframe and (writer is None or full):
                    self._finish(writer, path)
                    base, opened_ns = packet.dts, now_ns
                    path = self.folder / f"{now_ns}.growing.mp4"
                    writer = FragmentWriter(path, stream)
                    told = {"camera": self.camera, "start_ns": now_ns, "zero_pts": base}
                    sys.stdout.write(json.dumps(told) + "\n")
                    sys.stdout.flush()
                assert writer is not None
                writer.write(packet, packet.pts - base, packet.dts - base)
        self._finish(writer, path)

    def _finish(self, writer: FragmentWriter | None, path: Path) -> None:
        """End a file, give it its name and let the archive take it."""
        if writer is None:
            return
        writer.close()
        closed = path.rename(path.with_name(path.name.replace(".growing", "")))
        closed.rename(self.taken / closed.name)


def main(folder: Path, clip: Path, file_s: float, cameras: list[str]) -> None:
    known = {name: Camera(folder, name, clip, file_s) for name in cameras}
    for camera in known.values():
        Thread(target=camera.run, daemon=True).start()

    def tell() -> None:
        while True:
            told = {"at_ns": time.time_ns(), "cameras": {n: c.status() for n, c in known.items()}}
            part = folder / "status.json.part"
            part.write_text(json.dumps(told))
            part.replace(folder / "status.json")
            time.sleep(0.5)

    Thread(target=tell, daemon=True).start()
    for line in sys.stdin:
        said = json.loads(line)
        camera = known[said["camera"]]
        if said["do"] in ("stall", "go"):
            camera.stalled = said["do"] == "stall"
        elif said["do"] in ("lose", "back"):
            camera.cause, camera.why = said.get("cause", ""), said.get("why", "")
            camera.since_ns, camera.gone = time.time_ns(), said["do"] == "lose"
        else:
            camera.faults, camera.why = said["faults"], said.get("why", "")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
