"""Odd input for every parser and every handler: what is not answered in a sentence is a finding.

Wanted: a parser takes what it is given or refuses it with one of the house's own errors; a handler
answers below 500 and within seconds, and shows no traceback. Whatever else happens stands under the
name of the parser or handler, with the shortest input that does it.

Inputs are valid ones with bytes and pieces changed, and whatever `hypothesis` makes up; each round
is another seed, until the time given is over.
"""

from __future__ import annotations

import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.bench.fuzz_parsers import Parser, parsers
from workbench.bench.fuzz_server import fuzz_server
from workbench.errors import N_, BadInput, Unavailable, WorkbenchError

Figures = dict[str, Any]
LONGEST_S = 5.0
"""No input may keep a parser busy longer, s of this process: it would hold up everybody."""
WAITING = 12
"""So many times longer by the clock: the machine may be busy with others."""
EXAMPLES, QUICK_MINUTES = 60, 0.5


class TooSlowError(Exception):
    """A parser did not come back in time."""


@dataclass
class Found:
    """What one parser or handler was given, and how it failed: by kind and place, once each."""

    inputs: int = 0
    faults: dict[str, str] = field(default_factory=dict)


def bench_fuzz(
    tests: Path, *, quick: bool = False, minutes: float = 10.0, only: str = ""
) -> Figures:
    """Give odd input to parsers and to a running server, half of the time each.

    Parameters
    ----------
    tests
        The folder of tests, which builds the root that is served.
    minutes
        How long in all; ``quick`` takes half a minute.
    only
        "parsers" or "server": all of the time for one of them.

    Raises
    ------
    Unavailable
        Where hypothesis is not installed.
    BadInput
        Where there is no time at all.
    """
    try:
        import hypothesis  # noqa: F401
    except ImportError as error:
        raise Unavailable(
            N_("hypothesis is not installed"), N_("install the development packages: make setup")
        ) from error
    if only not in ("", "parsers", "server"):
        raise BadInput(
            N_("there is no part '{only}' of this benchmark"), N_("choose parsers or server"),
            where="--only", only=only,
        )  # fmt: skip
    if not 0 < minutes <= 24 * 60:
        raise BadInput(
            N_("{minutes} is no number of minutes"), N_("give one, for example 10"),
            where="--minutes", minutes=minutes,
        )  # fmt: skip
    whole_s = 60 * (QUICK_MINUTES if quick else minutes)
    began = time.monotonic()
    share_s = whole_s if only else whole_s / 2
    parsed, served = dict[str, Found](), Figures(findings={})
    with tempfile.TemporaryDirectory() as folder:
        if only != "server":
            parsed = fuzz_parsers(parsers(Path(folder)), share_s)
        took_s = time.monotonic() - began
        if only != "parsers":
            served = fuzz_server(tests, Path(folder), share_s)
    return {
        "minutes": round((time.monotonic() - began) / 60, 1),
        "parsers_s": round(took_s, 1),
        "parsers": {name: one.inputs for name, one in parsed.items()},
        "parser_inputs": sum(one.inputs for one in parsed.values()),
        **served,
        "findings": {
            **{name: one.faults for name, one in parsed.items() if one.faults},
            **served["findings"],
        },
    }


def fuzz_parsers(
    asked: Mapping[str, Parser], seconds: float, longest_s: float = LONGEST_S
) -> dict[str, Found]:
    """Give each parser its share of inputs, round after round, until the time is over."""
    found = {name: Found() for name in asked}
    until, number = time.monotonic() + seconds, 0
    while number == 0 or time.monotonic() < until:
        number += 1
        for name, parser in asked.items():
            if number > 1 and time.monotonic() >= until:
                break
            _round(name, parser, found[name], number, longest_s)
    return found


def _round(name: str, parser: Parser, found: Found, number: int, longest_s: float) -> None:
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.errors import Flaky

    def attempt(data: Any) -> None:
        found.inputs += 1
        fault = fault_of(parser.parse, data, longest_s)
        if fault and fault not in found.faults:
            raise AssertionError(fault)

    exploring = settings(
        max_examples=EXAMPLES, deadline=None, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
    )  # fmt: skip
    shortest: list[Any] = []

    def kept(data: Any) -> None:
        try:
            attempt(data)
        except AssertionError:
            shortest[:] = [data]
            raise

    # hypothesis gives back the shortest input it found by calling with it last
    try:
        made: Any = given(parser.inputs)
        search: Any = exploring(seed(number)(made(kept)))
        search()
    except AssertionError as error:
        found.faults[str(error)] = repr(shortest[0])[:300]
    except Flaky:  # it failed once, and not again on the same input
        found.faults["failed once, and not again"] = repr(shortest[0])[:300]


def fault_of(parse: Callable[[Any], object], data: Any, longest_s: float) -> str:
    """Return how a parser failed on an input: kind and place; empty where it did as it should."""
    try:
        with _limited(longest_s):
            parse(data)
    except WorkbenchError as error:
        sentence = error.sentence()
        return "" if sentence and "Traceback" not in sentence else "an error without a sentence"
    except TooSlowError:
        return f"more than {longest_s:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        place = traceback.extract_tb(error.__traceback__)
        house = str(Path(__file__).resolve().parents[1])
        ours = [one for one in place if one.filename.startswith(house)]
        ours = [one for one in ours if "/bench/" not in one.filename] or list(place)
        return f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return ""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def late(_number: int, _frame: object) -> None:
        raise TooSlowError

    # its own work, and a longer while in which it may be waiting for others on this machine
    timers = (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, WAITING * seconds),
    )
    before = [signal.signal(number, late) for number, _, _ in timers]
    for _, timer, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(timers, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
