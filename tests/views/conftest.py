"""One small archive for the tests of the pages, built once."""

import pytest
from make.small_root import CASE, build, with_people

from workbench.records import Purpose
from workbench.views.page import visit
from workbench.views.trace import trace_page


@pytest.fixture(scope="session")
def small_root(tmp_path_factory, ward_folder):
    return build(tmp_path_factory.mktemp("small") / "root", ward_folder)


@pytest.fixture(scope="session")
def manned_root(small_root, tmp_path_factory):
    """A root whose pages ask for a sign-in."""
    return with_people(small_root, tmp_path_factory.mktemp("manned") / "root")


@pytest.fixture
def purpose():
    return Purpose(CASE.case_id, CASE.reason)


@pytest.fixture
def on_page(small_root):
    """Return a function that makes a visit; without a case unless one is asked for."""

    def make(**asked):
        return visit(small_root, asked, host_url="http://127.0.0.1:5006", media_port=5007)

    return make


@pytest.fixture
def searched():
    """Return a function that opens the trace page and presses its search button."""

    def press(visit):
        page = trace_page(visit)
        page.roots["form"][0][1].clicks += 1
        return page

    return press


@pytest.fixture
def in_case(on_page):
    return lambda **more: on_page(case=CASE.case_id, reason=CASE.reason, **more)
