"""Which failures of a browser test earn a second try, and that a finding of ours does not."""

import subprocess
import sys

import pytest
from browser.conftest import FLED

PLANTED = """
import pytest
tries = []

class Error(Exception):
    pass

@pytest.mark.flaky(reruns=1, only_rerun={fled!r})
def test_planted():
    tries.append(1)
    if len(tries) == 1:
        {fault}
"""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ('raise Error("Page.goto: interrupted by another navigation")', 0),
        ('raise AssertionError("Locator expected to be visible")', 0),
        ('assert 1 == 2, "a number that is wrong"', 1),
        ('raise RuntimeError("the server did not start")', 1),
    ],
)
def test_only_what_the_browser_lost_is_tried_again(tmp_path, fault, code):
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED.format(fled=FLED, fault=fault))
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-rR", "-p", "no:cacheprovider", str(planted)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code, ran.stdout
    assert ("1 rerun" in ran.stdout) == (code == 0)
