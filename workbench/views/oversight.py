"""*Giám sát*: how the workbench is used, for those who watch over it; no picture, no plate."""

from __future__ import annotations

import panel as pn

from workbench.errors import WorkbenchError
from workbench.investigation import inspect, page_of
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

    def told(days: int) -> str:
        now_ns = visit.wb.now()
        span = Span(max(0, now_ns - days * 86_400 * SECOND_NS), now_ns + 1)
        return page_of(visit.wb, inspect(visit.wb, span), tr, alone=False)

    def look(days: int) -> None:
        try:
            shown.object = told(days)
        except WorkbenchError as error:
            shown.object = refusal(error, tr)

    # asked for at once: whoever may not see it is refused the page
    shown.object = told(choice.value)
    choice.param.watch(lambda event: look(event.new), "value")
    return Body(
        "oversight.html",
        {"oversight": tr("Use of the workbench")},
        {"choice": choice, "report": shown},
    )
