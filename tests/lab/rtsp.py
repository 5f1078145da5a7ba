"""A scripted RTSP server: many cameras from clips, with faults on command.

Every camera has a port of its own, as a camera has an address of its own. In the process of a test
use :class:`RtspLab`; where its load must not mix with what is measured, or inside a network
namespace, :class:`RtspProcess`, which runs ``python -m lab.rtsp`` and speaks JSON lines with it.

A session begins with the first frame of the clip at the moment of PLAY and goes round it without
end; RTP time goes on. Only RTP over the RTSP connection is spoken, other transports are refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, get_args
from urllib.parse import quote

from lab.device import CameraState, Device, Fault
from lab.rtp import CLOCK_HZ, read_clip

_PATIENCE_S = 20.0


class _Server:
    """The cameras by name and what can be told to them."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._devices: dict[str, Device] = {}

    async def obey(self, do: str, name: str, arguments: dict[str, Any]) -> Any:
        if do == "close":
            for device in self._devices.values():
                device.close()
            self._devices.clear()
            await asyncio.sleep(0)  # lets the transports close their sockets
            return None
        if do == "add":
            return await self._add(name, **arguments)
        return await getattr(self, f"_{do}")(self._devices[name], **arguments)

    async def _add(
        self, name: str, clip: str, user: str, password: str, port: int, **options: float
    ) -> list[Any]:
        if name in self._devices:
            raise ValueError(f"camera {name!r} is there already")
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self._host, port))
        cut = await asyncio.to_thread(read_clip, clip)
        device = self._devices[name] = Device(name, cut, sock, user, password, options)
        await device.listen()
        return [device.host, device.port]

    async def _remove(self, device: Device) -> None:
        device.close()
        self._devices = {n: one for n, one in self._devices.items() if one is not device}

    async def _fault(self, device: Device, kind: Fault, **how: float) -> None:
        if kind not in get_args(Fault):
            raise ValueError(f"no fault is called {kind!r}; there are {get_args(Fault)}")
        device.faults[kind] = how
        if kind == "refuse":
            device.stop_listening()
            device.drop(reset=True)

    async def _recover(self, device: Device) -> None:
        device.faults.clear()
        device.clip, device.offset_ns = device.normal, device.normal_offset_ns
        await device.listen()

    async def _switch(self, device: Device, clip: str) -> None:
        device.clip = await asyncio.to_thread(read_clip, clip)

    async def _drop(self, device: Device, reset: bool) -> None:
        device.drop(reset=reset)

    async def _jump(self, device: Device, seconds: float) -> None:
        for one in device.connections:
            one.jump(round(seconds * CLOCK_HZ))

    async def _step_clock(self, device: Device, seconds: float) -> None:
        device.offset_ns += round(seconds * 1e9)

    async def _state(self, device: Device) -> dict[str, Any]:
        return asdict(device.state())


@dataclass(frozen=True, slots=True)
class LabCamera:
    """A handle to one camera of a laboratory; may be used from any thread."""

    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    _lab: Lab = field(repr=False)

    @property
    def address(self) -> str:
        """Return its address without credentials."""
        return f"rtsp://{self.host}:{self.port}/{quote(self.name)}"

    @property
    def url(self) -> str:
        """Return its address with credentials where it wants some."""
        if not self.user:
            return self.address
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return self.address.replace("://", f"://{who}@", 1)

    def fault(self, kind: Fault, **how: float) -> None:
        """Let it be faulty until :meth:`recover`."""
        self._lab.tell("fault", self.name, kind=kind, **how)

    def recover(self) -> None:
        """End its faults, go back to its own clip and its first clock offset."""
        self._lab.tell("recover", self.name)

    def switch(self, clip: str | Path) -> None:
        """Show another clip from the next frame on (with B-frames: the next key frame).

        One of another codec ends the sessions: readers have to open anew.
        """
        self._lab.tell("switch", self.name, clip=str(clip))

    def drop(self, *, reset: bool = False) -> None:
        """Close the connections there are, `reset` without a farewell; new ones are welcome."""
        self._lab.tell("drop", self.name, reset=reset)

    def jump(self, seconds: float) -> None:
        """Let the RTP timestamps of its sessions leap."""
        self._lab.tell("jump", self.name, seconds=seconds)

    def step_clock(self, seconds: float) -> None:
        """Set the camera's clock forward; sender reports say so from the next one on."""
        self._lab.tell("step_clock", self.name, seconds=seconds)

    def remove(self) -> None:
        """Take it off the laboratory and free its port."""
        self._lab.tell("remove", self.name)

    def state(self) -> CameraState:
        """Return what it has done so far."""
        return CameraState(**self._lab.tell("state", self.name))

    def wait(self, condition: Callable[[CameraState], bool], within_s: float = 5.0) -> CameraState:
        """Return its state once `condition` holds; TimeoutError when it does not in time."""
        until_s = time.monotonic() + within_s
        while not condition(state := self.state()):
            if time.monotonic() > until_s:
                raise TimeoutError(f"camera {self.name} after {within_s} s: {state}")
            time.sleep(0.01)
        return state


class Lab(ABC):
    """A server of cameras; ends them when its context ends."""

    @abstractmethod
    def tell(self, do: str, name: str, **arguments: Any) -> Any:
        """Let the server do something and return what it answers."""

    @abstractmethod
    def close(self) -> None:
        """Cut all connections and free all ports."""

    def add(
        self,
        name: str,
        clip: str | Path,
        *,
        user: str = "",
        password: str = "",
        port: int = 0,
        **options: float,
    ) -> LabCamera:
        """Add a camera that shows `clip` (H.264 or H.265, begins with a key frame).

        Parameters
        ----------
        name
            Its path on the server; slashes are allowed.
        port
            A fixed one, or 0 for any free one.
        options
            ``report_s`` (5): seconds between sender reports; ``first_report_s`` (0): from PLAY to
            the first one; ``offset_s`` (0): its clock is so much ahead; ``wraps_after_s``: seconds
            from PLAY to the wrap of the 32-bit RTP timestamp.
        """
        host, bound = self.tell(
            "add", name, clip=str(clip), user=user, password=password, port=port, **options
        )
        return LabCamera(name, host, bound, user, password, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_trouble: object) -> None:
        self.close()


class RtspLab(Lab):
    """Cameras served by a thread of this process."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._server = _Server(host)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rtsp-lab", daemon=True)
        self._thread.start()

    def tell(self, do: str, name: str, **arguments: Any) -> Any:
        """See :meth:`Lab.tell`."""
        doing = asyncio.run_coroutine_threadsafe(self._server.obey(do, name, arguments), self._loop)
        return doing.result(_PATIENCE_S)

    def close(self) -> None:
        """See :meth:`Lab.close`."""
        if self._loop.is_closed():
            return
        self.tell("close", "")
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_default_executor(), self._loop).result(
            _PATIENCE_S
        )
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)
        self._loop.close()


class RtspProcess(Lab):
    """Cameras served by a process of its own.

    Parameters
    ----------
    host
        The address to listen on.
    prefix
        Words before the command: ``ip netns exec NAME`` for a network namespace.
    """

    def __init__(self, host: str = "127.0.0.1", *, prefix: Sequence[str] = ()) -> None:
        here = str(Path(__file__).resolve().parent.parent)
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "lab.rtsp", "--host", host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": here},
            text=True,
        )

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    def tell(self, do: str, name: str, **arguments: Any) -> Any:
        """See :meth:`Lab.tell`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps([do, name, arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the laboratory has ended with code {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """See :meth:`Lab.close`."""
        self._process.communicate()  # the end of its input is the end of it


def main() -> None:
    """Serve cameras as told by lines ``[do, camera, {arguments}]`` until there are no more."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    with RtspLab(parser.parse_args().host) as lab:
        for line in sys.stdin:
            do, name, arguments = json.loads(line)
            try:
                answer = {"value": lab.tell(do, name, **arguments)}
            except Exception as error:  # noqa: BLE001 - whatever it was, who asked is told
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
