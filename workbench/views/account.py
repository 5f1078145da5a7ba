"""Who acts where nobody has to sign in: the account this process runs under."""

from __future__ import annotations

import getpass
import os


def account() -> str:
    """Return the name of this process's account: the system's word, not the environment's.

    ``getpass.getuser`` believes ``LOGNAME`` and ``USER``, so that anyone could act, in the log,
    under any name.
    """
    if not hasattr(os, "getuid"):
        return getpass.getuser()
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
