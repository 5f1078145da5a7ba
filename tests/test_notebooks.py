"""Every notebook runs from its first cell to its last on a small demonstration ward."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from importlib import util
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

HOUSE = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((HOUSE / "notebooks").glob("*.ipynb"))
OPEN = HOUSE / "notebooks" / "jupyter" / "open.py"


@pytest.mark.notebook
@pytest.mark.xdist_group("demonstration")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(
    path: Path, demonstration_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_ROOT", str(demonstration_root))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    for script in re.findall(r"<(?:script|link)[^>]+(?:src|href)=.(https?://[^\"' >]+)", shown):
        pytest.fail(f"{path.name} asks another host: {script}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_output(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs"), "clear the outputs: they hold pictures and machine paths"


def refused(*words: object, flags: tuple[str, ...] = ()) -> str:
    """Return the one sentence that the opening of notebooks ends with."""
    done = subprocess.run(
        [sys.executable, *flags, str(OPEN), *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_what_keeps_notebooks_from_opening_is_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path, port, tmp_path / "mine")
    assert f"port {port} of 127.0.0.1 cannot be used" in said
    assert "make notebooks PORT=" in said
    assert not (tmp_path / "mine").exists()
    assert "'eight' is no port" in refused(tmp_path, "eight")
    assert "port 99999 of 127.0.0.1" in refused(tmp_path, 99999)
    assert "run make notebooks, which builds one" in refused(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "may write to" in refused(tmp_path, 0, tmp_path / "file")
    # -S: a Python without the environment's packages
    said = refused(tmp_path, flags=("-I", "-S"))
    assert "run make notebooks, which installs it" in said


def test_a_copy_is_kept_until_the_notebook_changes_and_then_steps_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = util.spec_from_file_location("opening", OPEN)
    assert spec is not None
    assert spec.loader is not None
    opening = util.module_from_spec(spec)
    spec.loader.exec_module(opening)
    (tmp_path / "mine").mkdir()
    source, mine = tmp_path / "01.ipynb", tmp_path / "mine" / "01.ipynb"
    source.write_text(NOTEBOOKS[0].read_text("utf-8"), "utf-8")

    opening.copy(source, mine.parent)
    assert nbformat.read(mine, as_version=4).cells == nbformat.read(source, as_version=4).cells
    worked = json.loads(mine.read_text("utf-8"))
    worked["cells"] = worked["cells"][:1]
    mine.write_text(json.dumps(worked), "utf-8")
    opening.copy(source, mine.parent)
    assert json.loads(mine.read_text("utf-8")) == worked

    source.write_text(source.read_text("utf-8") + "\n", "utf-8")
    opening.copy(source, mine.parent)
    assert json.loads((mine.parent / "01.old-1.ipynb").read_text("utf-8")) == worked
    assert len(json.loads(mine.read_text("utf-8"))["cells"]) > 1
    assert "01.old-1.ipynb" in capsys.readouterr().out

    mine.write_text("no notebook", "utf-8")
    opening.copy(source, mine.parent)
    assert (mine.parent / "01.old-2.ipynb").read_text("utf-8") == "no notebook"
    assert sorted(path.name for path in mine.parent.iterdir()) == [
        "01.ipynb", "01.old-1.ipynb", "01.old-2.ipynb",
    ]  # fmt: skip
