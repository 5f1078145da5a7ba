"""Writing that is seen whole or not at all, and locks between processes.

Every file of ours is written to a temporary name in its own folder, flushed, then renamed over its
final name: a reader, a power cut or a killed writer never meets half a file.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import N_, Damaged

TEMPORARY = ".workbench-tmp-"
"""What every unfinished file's name begins with; whatever reads the root passes over such names."""

_CHUNK_BYTES = 1 << 20
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def replacing(path: Path, *, durable: bool = True, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without error it becomes `path`.

    Parameters
    ----------
    path
        The final name; its folder is made when missing.
    durable
        Flush the bytes to the disk before the rename and the folder after it.
    mode
        Permission bits of the final file, e.g. ``0o444`` for evidence.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    try:
        yield temporary
        if durable:
            _flush(temporary)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)
        if durable:
            _flush(path.parent)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def write_bytes(path: Path, data: bytes, *, durable: bool = True, mode: int | None = None) -> None:
    """Write `data` as `path`, whole or not at all."""
    with replacing(path, durable=durable, mode=mode) as temporary:
        temporary.write_bytes(data)


def append_text(path: Path, text: str) -> None:
    """Add lines to a file and flush them; a line that was cut short before is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                text = "\n" + text
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        _flush(path.parent)


def copy_hashed(
    source: Path,
    name: Callable[[str], Path],
    *,
    on_bytes: Callable[[int], None] | None = None,
) -> tuple[str, Path]:
    """Copy a file, untouched and read-only, to the path that `name` gives for its SHA-256.

    The bytes are read once: what was hashed is what was copied. A file that is already there under
    that name stays as it is.

    Parameters
    ----------
    source
        The file to copy.
    name
        From the hexadecimal SHA-256 to the final path. All its paths lie in one folder.
    on_bytes
        Called with the number of bytes copied so far.

    Returns
    -------
    tuple[str, Path]
        The SHA-256 and the final path.
    """
    folder = name("0" * 64).parent
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{TEMPORARY}{uuid.uuid4().hex}"
    digest, copied = hashlib.sha256(), 0
    try:
        with source.open("rb") as reading, temporary.open("xb") as writing:
            while chunk := reading.read(_CHUNK_BYTES):
                digest.update(chunk)
                writing.write(chunk)
                copied += len(chunk)
                if on_bytes is not None:
                    on_bytes(copied)
        target = name(digest.hexdigest())
        if not target.exists():
            _flush(temporary)
            temporary.chmod(0o444)
            temporary.replace(target)
            _flush(folder)
        return digest.hexdigest(), target
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def link_read_only(source: Path, target: Path, sha256: str) -> None:
    """Make a finished file read-only and give it a second name; done already, it changes nothing.

    Both names are of one file until the caller removes the first: a process killed in between
    loses nothing, and finds the first one again. Where `target` lies on another disk, or on one
    without second names, it is a copy that was read back from there.

    Raises
    ------
    Damaged
        When the copy does not have the hash `sha256`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    source.chmod(0o444)
    try:
        with suppress(FileExistsError):
            target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        with replacing(target, mode=0o444) as temporary:
            shutil.copyfile(source, temporary)
            _flush(temporary)
            if sha256_of(temporary) != sha256:
                raise Damaged(
                    N_("a copy into the archive is not what was recorded"),
                    N_("look at the disk of the archive; the recording is kept and tried again"),
                    where=str(source),
                ) from None
    _flush(target.parent)


def rename_durable(source: Path, target: Path) -> None:
    """Put a finished file in the place of another; it is on the disk when this returns."""
    _flush(source)
    source.replace(target)
    _flush(target.parent)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock between processes and threads while inside.

    Parameters
    ----------
    path
        The lock file; it is made when missing and stays, empty.
    shared
        Let other shared holders in; only an exclusive one waits.

    Notes
    -----
    The lock belongs to this call's own open file, so two threads exclude each other as two
    processes do, and a killed process lets go by dying. It is released in words, not by closing,
    because a child forked meanwhile holds the same open file.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold a lock while inside, or learn at once that another process has it (False)."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
