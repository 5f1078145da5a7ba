"""A network of its own for a camera: a namespace at the end of a cable that can be pulled."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Link:
    """A cable (veth pair) between this network and the namespace `namespace`.

    ``far_ip`` is an address in the namespace, ``near_ip`` ours on the cable.
    """

    namespace: str
    near: str
    far: str
    near_ip: str
    far_ip: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return the words before a command that shall run in the namespace."""
        return ("ip", "netns", "exec", self.namespace)

    def link_down(self) -> None:
        """Pull the cable: nothing comes through, nobody is told."""
        _run("ip", "link", "set", self.near, "down")

    def link_up(self) -> None:
        """Plug it in again."""
        _run("ip", "link", "set", self.near, "up")

    def netem(self, spec: str) -> None:
        """Spoil what comes from the namespace, with words of tc-netem: ``loss 5% delay 80ms``.

        Skips the test where the kernel has no netem.
        """
        import pytest

        try:
            _run(
                *self.prefix,
                "tc",
                "qdisc",
                "replace",
                "dev",
                self.far,
                "root",
                "netem",
                *spec.split(),
            )
        except OSError as error:
            if "qdisc kind is unknown" in str(error) or "not found" in str(error):
                pytest.skip(f"this kernel has no netem: {error}")
            raise

    def clear(self) -> None:
        """End what :meth:`netem` began."""
        _run(*self.prefix, "tc", "qdisc", "del", "dev", self.far, "root")


@contextlib.contextmanager
def link() -> Iterator[Link]:
    """Make a namespace behind a cable and take it away afterwards; skips where it may not."""
    import pytest

    if shutil.which("ip") is None or shutil.which("tc") is None:
        pytest.skip("no ip or tc here (Debian package iproute2)")
    if os.geteuid() != 0:
        pytest.skip("network namespaces want root")
    number = next(_numbers)
    name = f"lab{os.getpid()}-{number}"
    near, far = f"ln{os.getpid()}-{number}", f"lf{os.getpid()}-{number}"
    # four addresses a cable out of 10.203.0.0/16, apart for tests that run side by side
    block = (os.getpid() * 8 + number) % 2**14 * 4
    near_ip, far_ip = (f"10.203.{(block + n) >> 8}.{(block + n) & 255}" for n in (1, 2))
    made = Link(name, near, far, near_ip, far_ip)
    try:
        _run("ip", "netns", "add", name)
        _run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _run("ip", "addr", "add", f"{near_ip}/30", "dev", near)
        _run("ip", "link", "set", near, "up")
        _run(*made.prefix, "ip", "addr", "add", f"{far_ip}/30", "dev", far)
        for device in ("lo", far):
            _run(*made.prefix, "ip", "link", "set", device, "up")
    except OSError as error:
        _remove(made)
        pytest.skip(f"no network namespaces here: {error}")
    try:
        yield made
    finally:
        _remove(made)


def _remove(made: Link) -> None:
    for command in (("ip", "link", "del", made.near), ("ip", "netns", "del", made.namespace)):
        subprocess.run(command, check=False, capture_output=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
