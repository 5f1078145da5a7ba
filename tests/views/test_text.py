"""The catalogues are complete, keep every field, and times are Viet Nam's."""

import ast
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.timeline import SECOND_NS
from workbench.views import text


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_every_text_that_a_page_can_show_is_translated():
    assert text.missing("vi") == []


def test_a_missing_text_is_found(tmp_path, monkeypatch):
    # the check above would pass on an empty list: plant a fault in a copy
    locales = tmp_path / "locale"
    for language in text.LANGUAGES:
        target = locales / language / "LC_MESSAGES" / "workbench.po"
        target.parent.mkdir(parents=True)
        source = (text.LOCALES / language / "LC_MESSAGES" / "workbench.po").read_text("utf-8")
        target.write_text(source.replace('msgstr "Truy vết"', 'msgstr ""'), "utf-8")
    monkeypatch.setattr(text, "LOCALES", locales)
    assert text.missing("vi") == ["Trace"]


def test_translations_keep_the_fields_of_their_templates():
    for message in text.read_catalogue("vi"):
        if message.id and message.string:
            assert fields(message.string) == fields(message.id), message.id


def test_texts_inside_f_strings_are_found():
    found = {message for message, _file in text.messages()}
    source = Path(text.__file__).with_name("detail.py").read_text("utf-8")
    inside = [
        call.args[0].value
        for joined in ast.walk(ast.parse(source))
        if isinstance(joined, ast.JoinedStr)
        for call in ast.walk(joined)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "tr"
    ]
    assert inside
    assert set(inside) <= found


def test_english_is_the_identity_and_an_unknown_language_is_vietnamese():
    assert text.translator("en")("Trace") == "Trace"
    assert text.translator("vi")("Trace") == "Truy vết"
    assert text.translator("xx")("Trace") == "Truy vết"


def test_compiling_writes_what_gettext_reads(tmp_path, monkeypatch):
    for language in text.LANGUAGES:
        target = tmp_path / language / "LC_MESSAGES" / "workbench.po"
        target.parent.mkdir(parents=True)
        target.write_bytes((text.LOCALES / language / "LC_MESSAGES/workbench.po").read_bytes())
    monkeypatch.setattr(text, "LOCALES", tmp_path)
    written = text.compile_catalogues()
    assert all(path.suffix == ".mo" and path.stat().st_size > 100 for path in written)
    assert text.translator.__wrapped__("vi")("Live") == "Trực tiếp"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.6, "1 min 00 s"), (3671, "61 min 11 s")]
)
def test_durations_are_rounded_once(seconds, said):
    assert text.duration(seconds, str) == said


@given(st.integers(400_000_000 * SECOND_NS, 4_000_000_000 * SECOND_NS))
def test_local_time_is_seven_hours_on_and_never_later_than_the_instant(ns):
    at = text.local(ns)
    assert at.utcoffset().total_seconds() == 7 * 3600
    assert 0 <= ns - int(at.timestamp()) * SECOND_NS - at.microsecond * 1_000 < 1_000


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        (" 20/11/2026 7:15 ", 0),
        ("20/11/2026 07:15:00,5", SECOND_NS // 2),
        ("2026-11-20 07:15", 0),
        ("2026-11-20T07:15:00.250+07:00", SECOND_NS // 4),
        ("2026-11-20T00:15:00Z", 0),
        ("20261120T071500", 0),
        ("20/11/2026 00:00", -26_100 * SECOND_NS),
    ],
)
def test_a_time_is_taken_as_people_write_it_on_every_page(written, ns):
    assert text.written_instant(written) == 1_795_133_700 * SECOND_NS + ns


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "20/13/2026 07:15:00",
        "20/11/2026",
        "2026-11-20",
        "+07:00",
        "9" * 30,
        "x" * 99,
        "2026-11-20+07:00",
        "2026-11-20-07:15",
        "2026-11-20x07:15:00",
        "2026-11-20T+07:00",
    ],
)
def test_what_is_no_time_is_named_with_its_field_as_it_was_written(wrong):
    with pytest.raises(BadInput, match="not a date") as refused:
        text.written_instant(wrong, where="From")
    assert refused.value.sentence().startswith(f"From: '{wrong}' ")
