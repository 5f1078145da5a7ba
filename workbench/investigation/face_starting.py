"""A face search begun from a page: a process of its own, so that the pages go on meanwhile.

Whoever began it ends it, as does the switch of the root; with the server that began it, it ends,
too. However it ends early, nothing of it is kept and it can be run again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import errors
from workbench.errors import N_, BadInput, Refused, Unavailable, WorkbenchError
from workbench.investigation import people
from workbench.investigation.face_requests import asked, refusals
from workbench.investigation.face_runs import JOB, check_run, run_faces
from workbench.records import Progress, Purpose
from workbench.store.faces import FaceBook

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

_END = "end"
_PROGRAM = "import sys; from workbench.investigation.face_starting import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class FaceRunning:
    """What is known of the run of a request: whether it goes on, how far it is, how it failed."""

    running: bool
    progress: Progress | None = None
    error: WorkbenchError | None = None


_begun: dict[tuple[Path, str], subprocess.Popen[str]] = {}
_failed: dict[tuple[Path, str], WorkbenchError] = {}
_lock = threading.Lock()


def start_faces(house: Workbench, request_id: str, *, workers: int | None = None) -> None:
    """Begin the run of a face request beside this process; :func:`face_running` tells of it.

    Raises
    ------
    Refused
        As :func:`~workbench.investigation.face_runs.run_faces` would, and while it runs already.
    """
    check_run(house, request_id)
    key = (house.root.resolve(), request_id)
    with _lock:
        before = _begun.get(key)
        if before is not None and before.poll() is None:
            raise Refused(
                N_("face request {request} is being run now"),
                N_("wait for its end"),
                request=request_id,
            )
        _failed.pop(key, None)
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        _begun[key] = process
    sign_in = house.sign_in.text() if house.sign_in else ""
    asked_for = [str(key[0]), request_id, house.actor, sign_in, workers]
    assert process.stdin is not None
    with suppress(OSError):  # it died at once: that is told by how it ended
        process.stdin.write(json.dumps(asked_for) + "\n")
        process.stdin.flush()


def face_running(house: Workbench, request_id: str) -> FaceRunning:
    """Return whether a request is being run now, how far it is, and how its last run failed."""
    key = (house.root.resolve(), request_id)
    with _lock:
        process = _begun.get(key)
        if process is not None and process.poll() is not None:
            del _begun[key]
            error = _said(process)
            if error is not None:
                _failed[key] = error
            process = None
        failed = _failed.get(key)
    if process is None and not FaceBook(house.root).runs_now(request_id):
        return FaceRunning(False, error=failed)
    told, _ = house.progress().get(JOB, (None, 0))
    mine = told is not None and told.text.startswith(request_id)
    if told is None or not mine:
        return FaceRunning(True)
    return FaceRunning(True, replace(told, text=told.text.removeprefix(request_id).strip()))


def end_faces(house: Workbench, request_id: str) -> None:
    """End a run that this process began, for whoever asked for it; nothing of it is kept."""
    request = asked(house, request_id).request
    purpose = Purpose(request.case_id, request.purpose)
    with refusals(house, "faces.end", purpose):
        people.may(house, "faces.run", house._store.case(request.case_id), request.cameras)
        if house.actor != request.requester:
            raise Refused(
                N_("face request {request} was asked for by somebody else, who alone can end it"),
                N_("an approver or operator can switch face search off"),
                request=request_id,
            )
    with _lock:
        process = _begun.get((house.root.resolve(), request_id))
    if process is None or process.stdin is None:
        raise BadInput(
            N_("face request {request} is not run from here"),
            N_("end it where it was begun"),
            request=request_id,
        )
    house._log("faces.end", request_id, purpose)
    with suppress(OSError):
        process.stdin.write(f"{_END}\n")
        process.stdin.close()


def _said(process: subprocess.Popen[str]) -> WorkbenchError | None:
    """Return the error with which a run ended; None where it ended well."""
    assert process.stdout is not None
    text = process.stdout.read()
    process.stdout.close()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    if process.returncode == 0:
        return None
    try:
        kind, what, remedy, where, fields = json.loads(text)
        return getattr(errors, kind)(what, remedy, where=where, **fields)  # type: ignore[no-any-return]
    except (ValueError, TypeError, AttributeError):
        return Unavailable(
            N_("the face search died and nothing was kept"),
            N_("see the log of the server, and run it again"),
        )


def main() -> int:
    """Run the request that standard input names; its end, or a line, ends the run."""
    from workbench.investigation.facade import open_workbench

    root, request_id, actor, sign_in, workers = json.loads(sys.stdin.readline())
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.readline()
        ended.set()

    threading.Thread(target=wait, daemon=True, name="end").start()
    try:
        house = open_workbench(root, actor=actor)
        if sign_in:
            house = house.as_actor(actor, people.SignIn.read(sign_in))
        found = run_faces(house, request_id, workers=workers, cancelled=ended.is_set)
        for failure in found.summary.failed:
            sys.stderr.write(f"{failure}\n")
    except WorkbenchError as error:
        fields = {name: str(value) for name, value in error.fields.items()}
        said = [type(error).__name__, error.what, error.remedy, error.where, fields]
        sys.stdout.write(json.dumps(said))
        return 1
    except Exception:  # noqa: BLE001 - the server's log is where it can be read
        traceback.print_exc()
        return 2
    return 0
