"""Files of secrets: passwords of cameras, keys of mail and of signing in.

Apart from the store, whose libraries each process of a camera would have to load with it.
"""

from __future__ import annotations

import stat
from pathlib import Path

from workbench.errors import N_, BadInput


def read_secret(path: Path) -> str | None:
    """Return the text of a file that its owner alone may read; None where there is none.

    Raises
    ------
    BadInput
        When others may read it, too.
    """
    if not path.exists():
        return None
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise BadInput(
            N_("others can read the secrets in this file"),
            N_("run: chmod 600 {path}"),
            where=str(path),
            path=path,
        )
    return path.read_text(encoding="utf-8")
