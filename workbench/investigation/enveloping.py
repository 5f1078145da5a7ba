"""A bundle that only its recipients can open: made as ever, then encrypted by the program ``age``.

Encryption is not made here: the program of the people who wrote the format does it, so that theirs
opens it. Where it is not installed, a sentence says so before anything is packed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import N_, BadInput, Unavailable
from workbench.investigation.bundling import Bundled, bundle
from workbench.records import Purpose
from workbench.store import files

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_BEGINNING = b"age-encryption.org/v1\n"


def bundle_for(
    house: Workbench, purpose: Purpose, out: Path, *, recipients: Sequence[str], **options: Any
) -> Bundled:
    """Write a bundle encrypted for some recipients; each opens it with ``age -d -i KEY``.

    Parameters
    ----------
    out
        A path that ends in ``.zip.age`` and is not there yet.
    recipients
        Public keys of age, ``age1...``.
    options
        As of :func:`~workbench.investigation.bundle`.

    Raises
    ------
    BadInput
        When a recipient is none, or the path cannot be used.
    Unavailable
        When the program ``age`` is not there, or fails.
    """
    for one in recipients:
        if not _RECIPIENT.fullmatch(one):
            raise BadInput(
                N_("'{text}' is no public key of age"),
                N_("give what age-keygen prints after 'Public key:', it begins with age1"),
                where="--recipient",
                text=one[:70],
            )
    if not out.name.lower().endswith(".zip.age") or not out.absolute().parent.is_dir():
        raise BadInput(
            N_(
                "an encrypted bundle needs a new file in a folder that is there, ending in .zip.age"
            ),
            N_("give another path"),
            where=str(out),
        )
    if out.exists():
        raise BadInput(
            N_("there is a file already"), N_("a bundle is never written over"), where=str(out)
        )
    program = shutil.which("age")
    if program is None:
        raise Unavailable(
            N_("the program age, which encrypts bundles, is not installed"),
            N_("install it (Debian: apt install age), or hand the bundle out without --recipient"),
            where="age",
        )
    # beside the target: another disk may be too small, or read by others
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=files.TEMPORARY) as folder:
        made = bundle(house, purpose, Path(folder) / out.stem, **options)
        with files.replacing(out, mode=0o444) as temporary:
            _encrypt(program, made.path, temporary, recipients)
            size = temporary.stat().st_size
    details = {"to": out.name, "manifest": made.manifest_sha256, "recipients": list(recipients)}
    house._log("export.encrypted", out.name, purpose, details=details)
    return replace(made, path=out, bytes=size)


def _encrypt(program: str, plain: Path, target: Path, recipients: Sequence[str]) -> None:
    words = [program, "--output", str(target)]
    for one in recipients:
        words += ["--recipient", one]
    done = subprocess.run([*words, str(plain)], capture_output=True, text=True, check=False)
    whole = done.returncode == 0 and target.is_file()
    if whole:
        with target.open("rb") as made:
            whole = made.read(len(_BEGINNING)) == _BEGINNING
        whole = whole and target.stat().st_size > plain.stat().st_size
    if not whole:
        raise Unavailable(
            N_("age did not encrypt the bundle: {said}"),
            N_("see what it says, and make the bundle again"),
            where="age",
            said=" ".join(done.stderr.split())[:300] or done.returncode,
        )
