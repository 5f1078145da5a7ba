"""JupyterLab on copies of the notebooks: python notebooks/jupyter/open.py ROOT [PORT] [FOLDER].

The notebooks themselves are never opened: what a run leaves in them are pictures of footage and
paths of this machine, and git would see them as changed.
"""

import hashlib
import importlib.util
import itertools
import json
import os
import socket
import sys
from pathlib import Path

CONFIG = Path(__file__).resolve().parent
NOTEBOOKS = CONFIG.parent
MARK = "workbench_copied_from"
"""Where a copy's metadata say the SHA-256 of the notebook that it was copied from."""


def free(port: int) -> int:
    """Return the port, or any for 0, if nothing listens there; exits with a sentence otherwise."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            sys.exit(
                f"port {port} of 127.0.0.1 cannot be used ({error}): close the JupyterLab that is "
                "open there, or choose another: make notebooks PORT=8899"
            )
        return int(tried.getsockname()[1])


def copy(source: Path, folder: Path) -> None:
    """Copy a notebook unless its copy is there; one of an older notebook steps aside, unchanged."""
    known = hashlib.sha256(source.read_bytes()).hexdigest()
    target = folder / source.name
    if target.exists():
        try:
            of = json.loads(target.read_text("utf-8"))["metadata"][MARK]
        except (ValueError, KeyError, TypeError):
            of = None
        if of == known:
            return
        numbered = (folder / f"{source.stem}.old-{n}.ipynb" for n in itertools.count(1))
        aside = next(path for path in numbered if not path.exists())
        target.rename(aside)
        sys.stdout.write(f"{source.name} is newer than your copy, which is now {aside.name}\n")
    notebook = json.loads(source.read_text("utf-8"))
    notebook["metadata"][MARK] = known
    fresh = target.with_suffix(".part")
    fresh.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    fresh.replace(target)


def main(root: str, port: str = "8888", folder: str = "my-notebooks") -> None:
    """Prepare the folder and become JupyterLab."""
    if importlib.util.find_spec("jupyterlab") is None:
        sys.exit("JupyterLab is not in this environment: run make notebooks, which installs it")
    if not Path(root).is_dir():
        sys.exit(f"{root} is no archive root: run make notebooks, which builds one")
    if not port.isdecimal():
        sys.exit(f"'{port}' is no port: give a number, as in make notebooks PORT=8899")
    chosen = free(int(port))
    home = Path(folder).resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
        for source in sorted(NOTEBOOKS.glob("*.ipynb")):
            copy(source, home)
    except OSError as error:
        sys.exit(f"{folder} cannot take the notebooks ({error}): give a folder you may write to")
    # All that Jupyter and IPython keep lies in the folder, nothing in the user's home.
    own = home / ".jupyter"
    environment = {
        **os.environ,
        "WORKBENCH_ROOT": str(Path(root).resolve()),
        "JUPYTER_CONFIG_PATH": str(CONFIG),
        "JUPYTER_CONFIG_DIR": str(own / "config"),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(own / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(own / "ipython"),
    }
    sys.stdout.flush()
    words = ["-m", "jupyterlab", f"--ServerApp.root_dir={home}", f"--ServerApp.port={chosen}"]
    os.execve(sys.executable, [sys.executable, *words], environment)


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
