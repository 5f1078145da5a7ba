"""Why a leg is judged as it is: templates for the catalogue, over the columns of LEGS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite

from workbench.errors import N_

ON_THE_WAY = N_("{road_m} m by road in {elapsed_s} s; at the speed limit it takes {fastest_s} s")
TOO_FAST = N_(
    "{road_m} m by road in {elapsed_s} s (clocks ± {elapsed_sigma_s} s) cannot be done: "
    "at the speed limit it takes {fastest_s} s"
)
CLOCKS_ONLY = N_(
    "{road_m} m by road in {elapsed_s} s is possible only because the clocks are unsure "
    "(± {elapsed_sigma_s} s)"
)
FASTER = N_("{road_m} m by road in {elapsed_s} s is faster than the limit ({fastest_s} s)")
EITHER_FIRST = N_(
    "the clocks (± {elapsed_sigma_s} s) do not tell which of the two cameras saw it first"
)
LEFT_OTHERWISE = N_("at {from_camera} it was heading away from the way to {to_camera}")
CAME_OTHERWISE = N_("at {to_camera} it was coming from another side than {from_camera}")
STOPPED = N_(
    "{elapsed_s} s for a way of {fastest_s} s: it stopped, or took another way, or this is "
    "another trip"
)
NO_WAY = N_("no way by road is known from {from_camera} to {to_camera}")
SAME_PASS = N_("{from_camera} saw the same pass twice, {elapsed_s} s apart")
SAME_PLACE = N_("two cameras of one place saw the same pass, {elapsed_s} s apart")
SEEN_AGAIN = N_("seen again at the same place after {elapsed_s} s: it stood there or came back")


def explain(leg: Mapping[str, object], translate: Callable[[str], str] = str) -> str:
    """Return the reason of a row of LEGS in words, its template passed through `translate`.

    >>> explain({"reason": NO_WAY, "from_camera": "C1", "to_camera": "C2"})
    'no way by road is known from C1 to C2'
    """
    shown = {
        name: _rounded(value) if isinstance(value, float) else value for name, value in leg.items()
    }
    return translate(str(leg["reason"])).format_map(shown)


def _rounded(value: float) -> str:
    if not isfinite(value):
        return "?"
    return f"{value:.1f}" if abs(value) < 10 and value != round(value) else f"{value:.0f}"
