"""The house keeps its own rules: layout, sizes, environment files, no trace of a machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent


def tracked(*patterns: str) -> list[Path]:
    """Return the files git tracks or would track."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(words, cwd=HOUSE, capture_output=True, text=True, check=True)
    return [HOUSE / line for line in done.stdout.splitlines() if (HOUSE / line).is_file()]


def requirements() -> list[str]:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def test_environment_yml_equals_pyproject() -> None:
    lines = (HOUSE / "environment.yml").read_text().splitlines()
    listed = [line.strip()[2:] for line in lines if line.startswith("      - ")]
    assert [line for line in listed if not line.startswith("--")] == requirements()


def test_lock_of_notebooks_holds_what_they_need_and_no_address() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lock = (HOUSE / "requirements-notebooks.lock").read_text()
    for requirement in (*extras["notebooks"], *extras["twin"]):
        assert f"\n{re.split(r'[<>=]', requirement)[0]}==" in lock, "run make lock"
    assert "://" not in lock


def test_lock_holds_every_requirement_and_no_address() -> None:
    lock = (HOUSE / "requirements.lock").read_text()
    names = {line.split("==")[0].lower() for line in lock.splitlines() if "==" in line}
    for requirement in requirements():
        name = re.split(r"[\[<>=]", requirement)[0].lower()
        assert name in names, f"{name} is not in requirements.lock: run make lock"
    assert "://" not in lock
    assert "opencv-python-headless" not in lock


@pytest.mark.parametrize("name", ["workbench", "apps", "notebooks", "data", "models", "tests"])
def test_top_level_folder_has_work_in_it(name: str) -> None:
    assert [path for path in tracked(name) if path.suffix != ".md"]


def test_no_python_file_over_600_lines() -> None:
    long = {
        str(path.relative_to(HOUSE)): count
        for path in tracked("*.py")
        if (count := len(path.read_text().splitlines())) > 600
    }
    assert not long


def test_apps_are_thin() -> None:
    for path in tracked("apps/*.py"):
        assert len(path.read_text().splitlines()) <= 30, path.name


def test_nothing_names_a_machine_or_an_index_host() -> None:
    # Written in pieces so that this file does not find itself.
    words = [
        "/wo" + "rk/",
        "/ro" + "ot/",
        "pypi" + ".org",
        "registry" + ".npmjs",
        "/o" + "pt/wheels",
    ]
    for path in tracked():
        if path.suffix in {".png", ".jpg", ".onnx", ".npz"}:
            continue
        text = path.read_text(errors="ignore")
        for word in words:
            assert word not in text, f"{path.relative_to(HOUSE)} names {word}"
