"""What each camera should look like: set by a person, from what was just recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import av
import numpy as np

from workbench import media, streams
from workbench.errors import N_, BadInput, Damaged, Unavailable, WorkbenchError
from workbench.monitoring import roles
from workbench.records import Purpose, Segment
from workbench.store import Store, files
from workbench.store.upkeep import LAST_NS
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    from workbench.monitoring.facade import Monitoring

REFERENCE_FILES, REFERENCE_PICTURES = 4, 30
REFERENCE_OLDEST_S = 600.0


class References:
    """The reference pictures of one root. Reach it as ``Monitoring.references``."""

    def __init__(self, house: Monitoring, store: Store) -> None:
        self._house, self._store = house, store

    def set(
        self,
        camera_id: str,
        light: streams.Light,
        *,
        purpose: Purpose | None = None,
        allow: Callable[[Span], object] = lambda _span: None,
    ) -> None:
        """Take the last recorded minute of a camera as what it should look like from now on.

        References are set by a person and never learned: a camera that was turned slowly would
        teach itself that all is well. The recorder uses them from its next start on. An earlier one
        is kept beside it, named after when it was made.

        Parameters
        ----------
        purpose
            The case and the reason, for the log; None where it is upkeep under no case.
        allow
            Asked before any footage is looked at, with the span it is of; raises to refuse.

        Raises
        ------
        BadInput
            When nothing of the camera was recorded lately.
        Unavailable
            When what was recorded cannot be read.
        """
        roles.allow(self._house)
        self._house.ward.camera(camera_id)
        lately = Span(self._house.now() - round(2 * REFERENCE_OLDEST_S * SECOND_NS), LAST_NS)
        recent = self._store.segments([camera_id], lately)[-REFERENCE_FILES:]
        now_ns = self._house.now()
        first_ns = min([now_ns, *(one.stamped.start_ns for one in recent)])
        allow(Span(first_ns, now_ns + 1))
        if (
            not recent
            or self._house.now() - recent[-1].stamped.stop_ns > REFERENCE_OLDEST_S * SECOND_NS
        ):
            raise BadInput(
                N_("nothing of camera {camera} was recorded in the last minutes"),
                N_("record it first, and set the reference while its picture is good"),
                camera=camera_id,
            )
        try:
            lumas = [
                streams.small_luma(frame)
                for segment in recent
                for frame in self.key_frames(segment)
            ][-REFERENCE_PICTURES:]
        except (av.FFmpegError, OSError) as error:
            raise Unavailable(
                N_("the last recorded minute of camera {camera} cannot be read ({reason})"),
                N_("try again when its next file is written"),
                camera=camera_id,
                reason=str(error),
            ) from error
        seconds = sum(one.stamped.duration_ns for one in recent) / SECOND_NS
        rate = sum(one.frame_count for one in recent) / seconds
        kbit_s = sum(one.size_bytes for one in recent) * 8 / 1000 / seconds
        streams.make_reference(light, lumas, self._house.now(), fps=rate, kbit_s=kbit_s)
        target = self._store.root / "references" / f"{camera_id}-{light}.npz"
        target.parent.mkdir(exist_ok=True)
        earlier = self._keep_earlier(target)
        with files.replacing(target) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, lumas=np.stack(lumas), at_ns=self._house.now(), fps=rate, kbit_s=kbit_s
            )
        details = {
            "camera": camera_id, "light": light, "pictures": len(lumas), "earlier": earlier,
        }  # fmt: skip
        self._house.log("reference", purpose, details=details)

    def _keep_earlier(self, target: Path) -> str:
        """Keep a reference beside the one that takes its place; return its name, empty if none."""
        if not target.exists():
            return ""
        try:
            with np.load(target, allow_pickle=False) as kept:
                at_ns = int(kept["at_ns"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            at_ns = target.stat().st_mtime_ns
        beside = target.with_name(f"{target.stem}.{at_ns}.npz")
        with suppress(FileExistsError):
            beside.hardlink_to(target)
        return beside.name

    def key_frames(self, segment: Segment) -> Iterator[av.VideoFrame]:
        """Yield the key frames of a file."""
        path, index = self._store.file(segment), self._store.frame_index(segment.sha256)
        for number in np.flatnonzero(index.is_key).tolist():
            # as the recorder looks at key frames: without the deblocking filter
            run = media.decode(path, index, number, number + 1, fast=True)
            yield from (frame for _, frame in run)

    def of(self, camera_id: str) -> list[streams.Reference]:
        """Return the reference pictures in force for a camera.

        Raises
        ------
        Damaged
            When one of them cannot be read.
        """
        found = []
        for light in streams.LIGHTS:
            path = self._store.root / "references" / f"{camera_id}-{light}.npz"
            with suppress(FileNotFoundError):
                found.append(_read(path, light))
        return found


def _read(path: Path, light: streams.Light) -> streams.Reference:
    try:
        with np.load(path, allow_pickle=False) as kept:
            return streams.make_reference(
                light,
                list(kept["lumas"]),
                int(kept["at_ns"]),
                fps=float(kept["fps"]),
                kbit_s=float(kept["kbit_s"]),
            )
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, WorkbenchError) as error:
        raise Damaged(
            N_("this reference picture cannot be read ({reason})"),
            N_("set it anew; until then nothing is held against it"),
            where=str(path),
            reason=getattr(error, "strerror", None) or error,
        ) from error
