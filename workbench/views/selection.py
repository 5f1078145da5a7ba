"""What the officer has chosen on a page; state without a toolkit, so that any view can watch it."""

from __future__ import annotations

import param

from workbench.records import Purpose


class Selection(param.Parameterized):  # type: ignore[misc]  # param is untyped
    """One person's choices on one page. Views read and set it; none of them talks to another."""

    case_id = param.String(default="", doc="The case that searches and views belong to.")
    reason = param.String(default="", doc="Why, in the officer's words.")
    plate = param.String(default="", doc="The plate whose journey is shown.")
    sighting_id = param.String(default="", doc="The sighting whose frame is shown.")
    camera_id = param.String(default="", doc="The camera looked at.")
    site_id = param.String(default="", doc="The site looked at.")
    segment_sha256 = param.String(default="", doc="The archived file looked at.")
    pts = param.Integer(default=0, doc="The frame looked at, in ticks of that file.")

    @property
    def purpose(self) -> Purpose:
        """The case and reason as verbs take them; empty where nothing was chosen yet."""
        return Purpose(self.case_id, self.reason)
