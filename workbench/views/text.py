"""Words on the screen: gettext catalogues, Vietnamese first, and times in Viet Nam.

Message ids are English, so the English catalogue is the identity; every template marked ``N_`` or
passed to ``tr`` anywhere in the package is in ``locale/vi`` (a test keeps the two together).
"""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from workbench.errors import N_, BadInput
from workbench.timeline import SECOND_NS, VIET_NAM, UtcNs, parse_instant

Translate = Callable[[str], str]

_WRITTEN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
)

_ISO = re.compile(r"(?:\d{4}-\d{2}-\d{2}|\d{8})[T ]\d{2}.*")
"""A day and then a time: without the latter, `fromisoformat` takes an offset for one."""

LOCALES = Path(__file__).parent / "locale"
LANGUAGES = {"vi": "Tiếng Việt", "en": "English"}
DEFAULT_LANGUAGE = "vi"
KEYWORDS = ("N_", "tr")

VOCABULARY = (
    # values of tables that are shown as words: kinds of passes, judgements of legs, units of work
    N_("car"), N_("motorcycle"), N_("bus"), N_("truck"), N_("bicycle"), N_("person"),
    N_("unknown"), N_("plausible"), N_("stop"), N_("doubtful"), N_("impossible"),
    N_("cameras"), N_("h"), N_("demonstration"), N_("recognition"), N_("waiting"), N_("drawing"),
    N_("stopped"),
    N_("recorded"), N_("recognised"), N_("ready"), N_("found what was there"),
)  # fmt: skip

SHOWN_ON_PAGES = (
    "streams/tasks.py", "monitoring/notices.py", "monitoring/steering.py",
    "views/", "investigation/", "timeline.py", "cases/authority.py", "plates/search.py",
    "trajectories/hops.py", "trajectories/claims.py", "trajectories/reach.py",
    "trajectories/whereto.py", "trajectories/contradictions.py", "trajectories/convoys.py",
    "collisions/", "optics.py", "paper.py",
    "archive/access.py", "cases/people.py", "cases/oversight.py", "store/people.py",
    "ward/loading.py", "media/", "store/catalogue.py",
    "store/root.py", "store/lake.py", "roads.py", "streams/faults.py", "streams/causes.py",
    "monitoring/report.py", "monitoring/facade.py", "monitoring/references.py",
    "monitoring/incidents.py", "cases/faces.py", "records.py", "recognition/faces/quality.py",
    "cases/asking.py", "cases/lookouts.py", "store/lookouts.py", "store/faces.py",
    "cases/face_lookouts.py", "store/face_lookouts.py",
    "recognition/faces/search.py", "recognition/faces/scoring.py", "store/face_scores.py",
    "store/public_notices.py", "store/case_files.py", "cases/files.py", "store/categories.py",
    "cases/particulars.py", "monitoring/deletions.py", "store/files.py", "secret_files.py",
)  # fmt: skip
"""Modules whose messages reach a page; those of the command line alone stay English."""

_HEADER = """msgid ""
msgstr ""
"Project-Id-Version: phuchan-workbench\\n"
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def _catalogue(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "workbench.po"


def read_catalogue(language: str) -> Catalog:
    """Return the catalogue of a language as it stands in the source tree."""
    with _catalogue(language).open("rb") as source:
        return read_po(source, locale=language)


def compile_catalogues() -> list[Path]:
    """Write each ``.po`` as the ``.mo`` that gettext reads, and return the files written."""
    written = []
    for language in LANGUAGES:
        target = _catalogue(language).with_suffix(".mo")
        temporary = target.with_suffix(".mo.part")
        with temporary.open("wb") as sink:
            write_mo(sink, read_catalogue(language))
        temporary.replace(target)
        written.append(target)
    return written


def update_catalogues() -> list[str]:
    """Add what pages can show and the catalogues lack; return what Vietnamese still wants.

    Run it after changing a text: ``python -c "from workbench.views.text import update_catalogues;
    print(update_catalogues())"``, then fill in the empty ``msgstr`` of ``locale/vi``.
    """
    wanted = list(
        dict.fromkeys(text for text, file in messages() if file.startswith(SHOWN_ON_PAGES))
    )
    for language in LANGUAGES:
        old = read_catalogue(language)
        new = Catalog(locale=language)
        for text in wanted:
            known = old.get(text)
            new.add(text, known.string if known is not None else "")
        memory = BytesIO()
        memory.write(_HEADER.format(language=language).encode())
        write_po(memory, new, width=100, omit_header=True)
        target = _catalogue(language)
        temporary = target.with_suffix(".po.part")
        temporary.write_bytes(memory.getvalue())
        temporary.replace(target)
    return missing("vi")


def missing(language: str) -> list[str]:
    """Return the texts of pages that a language's catalogue does not translate."""
    known = {str(message.id): message.string for message in read_catalogue(language) if message.id}
    wanted = {text for text, file in messages() if file.startswith(SHOWN_ON_PAGES)}
    return sorted(text for text in wanted if not known.get(text))


def messages() -> Iterator[tuple[str, str]]:
    """Yield ``(message id, file)`` of every translatable text in the package."""
    package = Path(__file__).parents[1]
    for source in sorted(package.rglob("*.py")):
        # the syntax tree, not babel's reader: that one misses texts inside f-strings
        for node in ast.walk(ast.parse(source.read_bytes())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            text = node.args[0]
            if name in KEYWORDS and isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value, source.relative_to(package).as_posix()


@lru_cache(maxsize=len(LANGUAGES))
def translator(language: str) -> Translate:
    """Return the function that translates a message id.

    A language that is not served falls back to Vietnamese. An uncompiled or outdated catalogue is
    compiled in memory, so that a checkout without its set-up step still speaks Vietnamese.

    >>> translator("en")("Search")
    'Search'
    """
    if language not in LANGUAGES:
        language = DEFAULT_LANGUAGE
    source = _catalogue(language)
    compiled = source.with_suffix(".mo")
    if compiled.exists() and compiled.stat().st_mtime >= source.stat().st_mtime:
        with compiled.open("rb") as stored:
            return gettext.GNUTranslations(stored).gettext
    memory = BytesIO()
    write_mo(memory, read_catalogue(language))
    memory.seek(0)
    return gettext.GNUTranslations(memory).gettext


def local(utc_ns: int) -> datetime:
    """Return an instant as Viet Nam's date and time, rounded down to the microsecond.

    >>> str(local(1795133700000000000))
    '2026-11-20 07:15:00+07:00'
    """
    seconds, rest = divmod(utc_ns, SECOND_NS)
    return datetime.fromtimestamp(seconds, VIET_NAM).replace(microsecond=rest // 1_000)


def clock(utc_ns: int, *, millis: bool = False, date: bool = False) -> str:
    """Return the local time of an instant as an officer reads it.

    >>> clock(1795133700123000000, millis=True, date=True)
    '20/11/2026 07:15:00.123'
    """
    at = local(utc_ns)
    text = at.strftime("%d/%m/%Y %H:%M:%S" if date else "%H:%M:%S")
    return f"{text}.{at.microsecond // 1_000:03d}" if millis else text


def written_instant(text: str, *, where: str = "") -> UtcNs:
    """Return the instant of a date and time as people here write it, or as files do.

    Without an offset it is Viet Nam's time, as every time on a page is.

    Raises
    ------
    BadInput
        Where it is none; `where` is the field it stands in.

    >>> written_instant("20/11/2026 07:15:00.25"), written_instant("2026-11-20 07:15")
    (1795133700250000000, 1795133700000000000)
    """
    found = _WRITTEN.fullmatch(text.strip())
    try:
        if found:
            day, month, year, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
            at = datetime(year, month, day, hour, minute, second, tzinfo=VIET_NAM)
            return UtcNs(int(at.timestamp()) * SECOND_NS + int((found[7] or "").ljust(9, "0")))
        if _ISO.fullmatch(text.strip()):
            at = datetime.fromisoformat(text.strip())
            at = at if at.tzinfo is not None else at.replace(tzinfo=VIET_NAM)
            return parse_instant(at.isoformat())
    except (ValueError, OverflowError):
        pass
    raise BadInput(
        N_("'{text}' is not a date and time"),
        N_("write it like 20/11/2026 07:15:00"),
        where=where,
        text=text,
    )


def duration(seconds: float, tr: Translate) -> str:
    """Return a length of time in minutes and seconds.

    >>> duration(83.2, translator("en"))
    '1 min 23 s'
    """
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return tr("{seconds} s").format(seconds=rest)
    return tr("{minutes} min {seconds:02d} s").format(minutes=minutes, seconds=rest)


if __name__ == "__main__":
    compile_catalogues()
