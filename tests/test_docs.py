"""Words and code part company only over this test's failure."""

from __future__ import annotations

import importlib
import re
from functools import cache, reduce
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from workbench import records
from workbench.cli import app

HOUSE = Path(__file__).resolve().parent.parent
PAGES = [HOUSE / "README.md", HOUSE / "README.vi.md", *sorted((HOUSE / "docs").rglob("*.md"))]


def resolve(dotted: str) -> object:
    """Import the longest module prefix of a dotted name and walk the rest."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        return reduce(getattr, parts[cut:], module)
    raise AssertionError(f"no module in {dotted}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_every_dotted_name_exists(page: Path) -> None:
    for name in set(re.findall(r"`(workbench(?:\.\w+)+)`", page.read_text())):
        resolve(name)


def test_one_frame_names_enough() -> None:
    text = (HOUSE / "docs" / "README.md").read_text()
    assert len(set(re.findall(r"`(workbench(?:\.\w+)+)`", text))) >= 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(HOUSE)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def commands() -> dict[str, list[str]]:
    """Return every command of the CLI with the words that call it."""
    root = typer.main.get_command(app)
    found: dict[str, list[str]] = {}
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            for inner in command.commands:
                found[f"{name} {inner}"] = [name, inner]
        else:
            found[name] = [name]
    return found


@pytest.mark.parametrize("page", [HOUSE / "README.md", HOUSE / "README.vi.md"], ids=["en", "vi"])
def test_readme_names_every_command_and_no_other(page: Path) -> None:
    text = page.read_text()
    # In code only: between backticks, or at the start of a line of a code block.
    groups = (
        "ward|case|clock|cameras|faces|incident|lookout|models|notice|notify|people|plates|protect"
        "|sightings|twin"
    )
    code = rf"(?:`|^(?:\.venv/bin/)?)workbench ((?:{groups}) [\w-]+|\w+)"
    found = re.findall(code, text, re.MULTILINE)
    named = set(found)
    for command in commands():
        if command.startswith("case "):
            command = "case open"
        assert command in named, f"{page.name} does not name: workbench {command}"
    assert named <= set(commands()), f"unknown: {named - set(commands())}"


@pytest.mark.parametrize("page", [HOUSE / "README.md", HOUSE / "README.vi.md"], ids=["en", "vi"])
def test_readme_names_what_make_does_for_a_user_and_no_other(page: Path) -> None:
    rules = re.findall(r"^([a-z-]+):(?!=)", (HOUSE / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert {"demo", "notebooks", "test"} <= named
    assert named <= set(rules)


@pytest.mark.parametrize("words", commands().values(), ids=" ".join)
def test_command_explains_itself(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 3


def test_readme_options_exist() -> None:
    known = commands()

    @cache
    def help_of(name: str) -> str:
        words = [*known[name], "--help"]
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, words).output

    for page in (HOUSE / "README.md", HOUSE / "docs" / "operations.md"):
        for line in re.findall(r"^(?:\.venv/bin/)?workbench .*$", page.read_text(), re.MULTILINE):
            line = line.removeprefix(".venv/bin/")
            name = next(name for name in known if line.startswith(f"workbench {name} "))
            for option in re.findall(r" (--[a-z-]+)", line):
                assert option in help_of(name), f"{option} in {line}"


def test_glossary_knows_every_record_and_only_real_names() -> None:
    text = (HOUSE / "docs" / "glossary.md").read_text()
    for name in re.findall(
        r"`((?:records|timeline|ward|archive|trajectories|investigation)\.\w+)`", text
    ):
        resolve(f"workbench.{name}")
    public = [
        name
        for name, thing in vars(records).items()
        if isinstance(thing, type) and thing.__module__ == records.__name__
    ]
    for name in public:
        assert f"records.{name}" in text, f"{name} is not in the glossary"
    columns = {*records.SIGHTINGS.names, *records.LEGS.names}
    for name in re.findall(r"\| `([a-z_]+)`(?:, `([a-z_]+)`)? \|", text):
        for column in filter(None, name):
            assert column in columns or column in {"pts", "stamped_ns"}, column
