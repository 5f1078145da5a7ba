"""Fixtures every test may use."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # how long an example takes is no property
settings.load_profile("house")

REPOSITORY = Path(__file__).resolve().parent.parent


def footage_folder() -> Path:
    """Return where the real footage lies beside the checkout, present or not."""
    return Path(os.environ.get("WORKBENCH_FOOTAGE", REPOSITORY.parent / "shared" / "footage"))


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real, labelled footage; tests that need it skip where it is absent."""
    folder = footage_folder()
    if not (folder / "README.md").exists():
        pytest.skip(f"no real footage at {folder} (set WORKBENCH_FOOTAGE)")
    return folder


@pytest.fixture(scope="session")
def ward_folder() -> Path:
    """The illustrative ward's tables."""
    return REPOSITORY / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that share something prepared to one worker, so that it is prepared once.

    What a ``conftest.py`` further down prepares for a session keeps its folder together, what a
    file prepares for itself keeps the file together; other tests go wherever there is room.
    """
    for item in items:
        if not any(item.iter_markers("xdist_group")) and (name := _shared(item)):
            item.add_marker(pytest.mark.xdist_group(name))


def _shared(item: pytest.Item) -> str:
    known = getattr(item, "_fixtureinfo", None)
    if known is None:
        return ""
    used = [found[-1] for found in known.name2fixturedefs.values()]
    homes = {one.baseid for one in used if one.scope == "session" and one.baseid.count("/")}
    if homes:
        return min(homes, key=len)
    shares = any(one.scope == "module" for one in used)
    return item.nodeid.partition("::")[0] if shares else ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Fail the run when footage tests skipped although the footage is there."""
    if not (footage_folder() / "README.md").exists():
        return
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if "footage" in str(r.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} footage tests skipped though it is there")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """See :func:`pytest_terminal_summary`."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not (footage_folder() / "README.md").exists():
        return
    if any("no real footage" in str(r.longrepr) for r in reporter.stats.get("skipped", [])):
        session.exitstatus = 1


@pytest.fixture(scope="session")
def demonstration_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demonstration ward, drawn, ingested and recognised by the real code, once a run."""
    from workbench import demonstration

    root = tmp_path_factory.mktemp("demonstration") / "root"
    demonstration.prepare(root)
    demonstration.build(root, small=True)
    return root


@pytest.fixture
def bad_stat(monkeypatch: pytest.MonkeyPatch):
    """Return a function: all at and below a path is on a disk that tells nothing of its files."""
    plain, bad = Path.stat, {}

    def stat(path, **options):
        for one in (path, *path.parents):
            if one in bad:
                raise OSError(bad[one], os.strerror(bad[one]), str(path))
        return plain(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    return lambda path, number=errno.EIO: bad.__setitem__(path, number)
