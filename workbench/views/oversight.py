"""*Giám sát*: how the workbench is used, for those who watch over it; no picture, no plate."""

from __future__ import annotations

import re

import panel as pn

from workbench.errors import WorkbenchError
from workbench.investigation import Inspected, inspect, page_of
from workbench.timeline import SECOND_NS, Span
from workbench.views.page import Body, Visit, html, refusal

PERIODS_DAYS = (1, 7, 30, 366)


def oversight_page(visit: Visit) -> Body:
    """Return the page of an auditor; it needs no case, and shows none's content."""
    tr = visit.tr
    shown = html("")
    choice = pn.widgets.RadioButtonGroup(
        options={tr("last {days} days").format(days=days): days for days in PERIODS_DAYS},
        value=30, margin=(0, 0, 8, 0), width=520, sizing_mode="fixed",
    )  # fmt: skip

    def look(days: int) -> None:
        now_ns = visit.wb.now()
        try:
            found = inspect(visit.wb, Span(max(0, now_ns - days * 86_400 * SECOND_NS), now_ns + 1))
        except WorkbenchError as error:
            shown.object = refusal(error, tr)
            return
        shown.object = inner(visit, found)

    # asked for at once: whoever may not see it is refused the page
    first = inspect(visit.wb, Span(max(0, visit.wb.now() - 30 * 86_400 * SECOND_NS),
                                   visit.wb.now() + 1))  # fmt: skip
    shown.object = inner(visit, first)
    choice.param.watch(lambda event: look(event.new), "value")
    return Body(
        "oversight.html",
        {"oversight": tr("Use of the workbench")},
        {"choice": choice, "report": shown},
    )


def inner(visit: Visit, found: Inspected) -> str:
    """Return the report without the frame of a page of its own."""
    whole = page_of(visit.wb, found, visit.tr)
    style = re.search(r"<style>.*?</style>", whole, re.DOTALL)
    body = re.search(r"<body>(.*)</body>", whole, re.DOTALL)
    assert style is not None
    assert body is not None
    return style[0] + body[1]
