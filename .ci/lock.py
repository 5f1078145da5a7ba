"""Resolve pyproject.toml into requirements.lock and what notebooks and tests add to it.

No index, folder or hash is written: the lists name versions only, so that they mean the same on
every machine. torch keeps no local version label: the installer picks the build for the hardware.
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
_WORDS = (
    "pip compile pyproject.toml --universal --python-version 3.11 --no-header --no-annotate --quiet"
)


def resolve(*extra: str) -> list[str]:
    """Return the lines ``name==version ; marker`` of a universal resolution."""
    done = subprocess.run(
        [str(UV), *_WORDS.split(), *extra],
        cwd=HERE,
        check=True,
        capture_output=True,
        text=True,
    )
    # torch: one line without a build label; markers differ only in the label.
    lines = [re.sub(r"^(torch==[\d.]+).*", r"\1", line) for line in done.stdout.splitlines()]
    lines = list(dict.fromkeys(lines))
    # GPU runtimes: torch is installed as a CPU build; only EasyOCR uses it.
    skip = ("nvidia-", "triton", "cuda-", "opencv-python-headless")
    return [line for line in lines if line and not line.startswith(skip)]


def main() -> None:
    """Write the lists; each holds what it adds to those before it."""
    extras = {
        "requirements.lock": "",
        "requirements-notebooks.lock": "--extra notebooks --extra twin",
        "requirements-dev.lock": "--extra notebooks --extra twin --extra dev",
    }
    known: set[str] = set()
    head = "# Made by `make lock` from pyproject.toml: the versions that were tested together.\n"
    for name, words in extras.items():
        lines = [line for line in resolve(*words.split()) if line not in known]
        known.update(lines)
        (HERE / name).write_text(head + "\n".join(lines) + "\n")
        sys.stdout.write(f"{name}: {len(lines)} packages\n")


if __name__ == "__main__":
    main()
