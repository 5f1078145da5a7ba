"""The rule of conftest.py that a run fails where footage tests skip beside the footage."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = """
def test_needs_it(footage):
    pass

def test_skips_although_it_is_there():
    import pytest
    pytest.skip("no real footage at /nowhere")
"""


@pytest.mark.parametrize("processes", [["-p", "no:xdist"], ["-n", "1"]], ids=["one", "xdist"])
@pytest.mark.parametrize(("there", "code"), [(True, 1), (False, 0)])
def test_a_skip_beside_the_footage_fails_the_run(tmp_path, processes, there, code):
    tests, footage = tmp_path / "tests", tmp_path / "footage"
    tests.mkdir()
    footage.mkdir()
    if there:
        (footage / "README.md").write_text("what lies here")
    shutil.copy(Path(__file__).with_name("conftest.py"), tests)
    (tests / "test_planted.py").write_text(PLANTED)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *processes, "-p", "no:cacheprovider", str(tests)],
        cwd=tmp_path,
        env=os.environ | {"WORKBENCH_FOOTAGE": str(footage)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stdout
    assert ("1 footage tests skipped though it is there" in ran.stdout) == there
