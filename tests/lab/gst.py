"""GStreamer's RTSP server with a clip: a real server that none of us wrote.

Its Python binding belongs to Debian's own interpreter, so it runs there, as a process of its own;
this file is its program too.
"""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"
_START_S = 10.0
_NEEDED = ("multifilesrc", "tsdemux", "h264parse", "rtph264pay")
# A transport stream keeps its times when it goes round; a bare H.264 file would lose them.
_LAUNCH = (
    "( multifilesrc location={path} loop=true ! tsdemux ! h264parse"
    " ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


@contextlib.contextmanager
def gst_server(clip: Path, *, user: str = "", password: str = "") -> Iterator[str]:
    """Serve an H.264 clip in a loop and yield its URL (without credentials); skips without it.

    With `user` the server wants a digest sign-in.
    """
    import pytest

    with (
        tempfile.TemporaryDirectory() as folder,
        (Path(folder) / "complaints").open("w+") as complaints,
    ):
        stream = Path(folder) / "clip.ts"
        _to_transport_stream(clip, stream)
        if not Path(SYSTEM_PYTHON).exists():
            pytest.skip(f"no {SYSTEM_PYTHON} to run GStreamer's RTSP server with")
        process = subprocess.Popen(
            [SYSTEM_PYTHON, str(Path(__file__).resolve()), str(stream)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(f"{user}\n{password}\n")  # no secrets on a command line
            process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                said = process.stdout.readline().strip() if selector.select(_START_S) else ""
            if said.startswith("missing "):
                pytest.skip(f"GStreamer's RTSP server is not installed: {said}")
            if not said.startswith("port "):
                complaints.seek(0)
                raise RuntimeError(f"GStreamer's server does not start: {complaints.read()}")
            yield f"rtsp://127.0.0.1:{said.removeprefix('port ')}/clip"
        finally:
            process.kill()
            process.communicate()


def _to_transport_stream(clip: Path, target: Path) -> None:
    import av

    with av.open(f"file:{clip}") as source, av.open(f"file:{target}", "w", format="mpegts") as out:
        stream = source.streams.video[0]
        copied = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copied
                out.mux(packet)


def main() -> None:
    """Serve a file; says ``port NUMBER``, or ``missing WHAT`` and ends."""
    try:
        import gi  # type: ignore[import-not-found]

        gi.require_version("Gst", "1.0")
        gi.require_version("GstRtspServer", "1.0")
        from gi.repository import (  # type: ignore[import-not-found]
            GLib,
            Gst,
            GstRtsp,
            GstRtspServer,
        )
    except (ImportError, ValueError) as error:
        print(f"missing {error}", flush=True)
        return
    Gst.init(None)
    absent = [name for name in _NEEDED if Gst.ElementFactory.find(name) is None]
    if absent:
        print(f"missing elements {', '.join(absent)}", flush=True)
        return
    user, password = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(_LAUNCH.format(path=sys.argv[1]))
    if user:
        access = GstRtspServer.RTSPAuth()
        access.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        access.add_digest(user, password, token)
        server.set_auth(access)
        role = Gst.Structure.new_empty("viewer")
        for right in ("media.factory.access", "media.factory.construct"):
            role.set_value(right, True)
        factory.add_role_from_structure(role)
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    print(f"port {server.get_bound_port()}", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
