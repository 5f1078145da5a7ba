"""The bench of odd input names what fails, and a quick look at the real parsers finds nothing."""

import pytest
from hypothesis import strategies as st

from workbench.bench import fuzz, fuzz_server
from workbench.bench.fuzz_parsers import Parser, parsers
from workbench.errors import N_, BadInput


def planted(text):
    if "7" in text:
        raise KeyError(text)
    if "8" in text:
        while True:
            pass
    if "9" in text:
        raise BadInput(N_("no"), N_("write another"))
    return text


def test_a_parser_that_fails_or_hangs_is_named():
    digits = st.sampled_from(["0", "07", "1", "18", "2", "29"])
    found = fuzz.Found()
    for number in range(3):
        fuzz._round("planted", Parser(planted, digits), found, number, 0.05)
    assert sorted(name.split(":")[0] for name in found.faults) == [
        "KeyError at test_fuzz.py", "more than 0.05 s",
    ]  # fmt: skip
    assert set(found.faults.values()) == {"'07'", "'18'"}


def test_each_parser_takes_its_valid_inputs_and_some_odd_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "EXAMPLES", 3)
    found = fuzz.fuzz_parsers(parsers(tmp_path), 0.0)
    assert len(found) > 30
    assert all(one.inputs for one in found.values())
    assert {name: one.faults for name, one in found.items() if one.faults} == {}


def test_a_server_that_fails_is_named_by_its_tracebacks():
    said = (
        "Traceback (most recent call last):\n"
        '  File "/x/server.py", line 7, in get\n    boom()\n'
        "ValueError: embedded null byte\nmore\n"
    )
    assert list(fuzz_server._told(said * 3)) == [
        "traceback in its log: ValueError: embedded null byte at server.py:7"
    ]
    assert fuzz_server._told("all is well") == {}


def test_deeply_nested_json_is_refused_in_a_sentence(tmp_path):
    deep = ("[" * 100_000).encode()
    for name, parser in parsers(tmp_path).items():
        if name in DEEP:
            assert fuzz.fault_of(parser.parse, deep, 5.0) == "", name


DEEP = (
    "calibration record", "steps of a track", "list of people", "ended sign-ins",
    "switch of lookouts", "manifest of a model", "manifest of a bundle", "log of a bundle",
    "table of sites",
)  # fmt: skip


@pytest.mark.parametrize("minutes", [0, -1, 10_000, float("nan")])
def test_no_time_is_a_sentence(tmp_path, minutes):
    with pytest.raises(BadInput, match="--minutes"):
        fuzz.bench_fuzz(tmp_path, minutes=minutes)
