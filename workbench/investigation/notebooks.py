"""A case as a notebook: every search in its log, made again by whoever opens it, beside its answer.

The notebook calls the facade and nothing below it: whoever runs it acts under their own account,
inside the case and their rights, and the log keeps it.
"""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.errors import N_, BadInput
from workbench.investigation import again, replaying
from workbench.investigation.answers import ALWAYS
from workbench.investigation.models import list_models
from workbench.investigation.replaying import Answer, Circumstances
from workbench.records import AuditEntry, Case, Purpose
from workbench.store import files
from workbench.timeline import Span, local_text, parse_instant

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

AGAIN = (
    "search.plate", "search.sightings", "trace", "conflicts", "search.flows", "search.convoys",
    "search.contradictions", "faces.run",
)  # fmt: skip
"""Acts of the log that a notebook makes again."""

_AGAIN = "again."
_NOT_A_SEARCH = ("case.", "export", "view", "audit")


@dataclass(frozen=True, slots=True)
class Exported:
    """A notebook that was written: where, how many searches, what its record is known by."""

    path: Path
    searches: int
    not_again: int
    record_sha256: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One search of a case's log, however often it was made: how to make it again, in Python."""

    action: str
    call: str
    arguments: tuple[tuple[str, Any], ...]
    times: int
    first: AuditEntry
    last: AuditEntry

    def run(self, house: Workbench, purpose: Purpose) -> Any:
        """Make it again."""
        words = dict(self.arguments)
        first = [words.pop("")] if "" in words else []
        if self.call.startswith(_AGAIN):
            verb = getattr(again, self.call.removeprefix(_AGAIN))
            return verb(house, purpose, *first, **words)
        return getattr(house, self.call)(*first, purpose, **words)

    def source(self) -> str:
        """Return the same as a line of Python."""
        words = [f"{name}={_literal(value)}" for name, value in self.arguments if name]
        first = [_literal(value) for name, value in self.arguments if not name]
        if self.call.startswith(_AGAIN):
            return f"{self.call}({', '.join(['wb', 'muc_dich', *first, *words])})"
        return f"wb.{self.call}({', '.join([*first, 'muc_dich', *words])})"


def export_notebook(house: Workbench, purpose: Purpose, out: Path) -> Exported:
    """Write a case as a notebook: each distinct search of its log, with its answer as of now.

    Parameters
    ----------
    out
        A path that ends in ``.ipynb`` and is not there yet.

    Raises
    ------
    Refused
        Outside an open case and one's rights.
    BadInput
        When the path cannot be used.
    """
    if out.suffix.lower() != ".ipynb" or not out.absolute().parent.is_dir() or out.exists():
        raise BadInput(
            N_("a case's notebook needs a new file in a folder that is there, ending in .ipynb"),
            N_("give another path; a notebook that was made is never written over"),
            where=str(out),
        )
    case, _, _ = house._authorise(purpose, "export")
    entries = house._store.audit(purpose.case_id)
    searches = asked_of(entries)
    left = _not_again(entries)
    data, sha256 = notebook_of(
        house, case, purpose, searches, root=str(house.root.absolute()), name=out.name, left=left
    )
    files.write_bytes(out, data)
    return Exported(out, len(searches), sum(left.values()), sha256)


def notebook_of(
    house: Workbench,
    case: Case,
    purpose: Purpose,
    searches: Sequence[Asked],
    *,
    root: str,
    name: str,
    left: Mapping[str, int] | None = None,
) -> tuple[bytes, str]:
    """Return a notebook of some searches, made now, and its record's hash, which the log keeps.

    Parameters
    ----------
    root
        Where it looks for the archive, unless ``WORKBENCH_ROOT`` says otherwise.
    name
        What the log calls it.
    left
        How often each other act was done that it does not make again; None tells nothing of them.
    """
    answers = {
        f"S{number}": replaying.told(lambda one=one: one.run(house, purpose))  # type: ignore[misc]
        for number, one in enumerate(searches, 1)
    }
    now = replaying.circumstances(house, case)
    record, sha256 = replaying.pack(now, answers)
    cells = [
        *_head(house, case, purpose, record, now, root),
        *_searches(searches, answers),
        *(_tail(left) if left is not None else ()),
    ]
    text = json.dumps(_notebook(cells), indent=1, ensure_ascii=False) + "\n"
    details = {"searches": len(searches), "record": sha256}
    house._log(replaying.EXPORTED, name, purpose, details=details)
    return text.encode(), sha256


def asked_of(entries: Sequence[AuditEntry]) -> list[Asked]:
    """Return the distinct searches of a log that can be made again, in the order first made."""
    found: dict[str, Asked] = {}
    for entry in entries:
        asked = _asked(entry)
        if asked is None:
            continue
        call, arguments = asked
        key = json.dumps([call, arguments], default=str, sort_keys=True)
        if key in found:
            found[key] = replace(found[key], times=found[key].times + 1, last=entry)
        else:
            found[key] = Asked(entry.action, call, tuple(arguments.items()), 1, entry, entry)
    return list(found.values())


def _asked(entry: AuditEntry) -> tuple[str, dict[str, Any]] | None:
    """Return how an act of the log is made again; None where it cannot be."""
    if entry.action not in AGAIN:
        return None
    return _READ[entry.action](entry.subject, json.loads(entry.details))


def _plate(subject: str, details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "search_plate", {"": subject, "limit": int(details.get("limit", 50))}


def _trace(subject: str, details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "trace", {"": subject, "also": [str(one) for one in details.get("also", ())]}


def _sightings(subject: str, details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "sightings", {
        "cameras": None if subject == "*" else subject.split(","),
        "span": _span(details),
        "kinds": [str(one) for one in details.get("kinds", ())] or None,
        "with_plate": bool(details.get("with_plate", False)),
    }


def _span(details: Mapping[str, Any]) -> Span | None:
    if "ns" in details:
        return Span(*map(int, details["ns"]))
    if "from" in details:  # of logs before nanoseconds were kept there: to the millisecond
        return Span(parse_instant(str(details["from"])), parse_instant(str(details["to"])))
    return ALWAYS


def _conflicts(_subject: str, details: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    if not details.get("kept calibrations") or details.get("cancelled"):
        return None  # with calibrations of the moment, which nobody kept; or of an older log
    asked = [str(one) for one in details["asked"]] or None
    return "again.conflicts", {"cameras": asked, "span": _span(details)}


def _flows(_subject: str, _details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "again.flows", {}


def _convoys(subject: str, _details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "again.convoys", {"": subject}


def _contradictions(subject: str, _details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "again.contradictions", {"plate": "" if subject == "*" else subject}


def _faces(subject: str, _details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return "again.face_search", {"": subject, "anew": False}


_READ: Mapping[str, Callable[[str, Mapping[str, Any]], tuple[str, dict[str, Any]] | None]] = {
    "search.plate": _plate,
    "search.sightings": _sightings,
    "trace": _trace,
    "conflicts": _conflicts,
    "search.flows": _flows,
    "search.convoys": _convoys,
    "search.contradictions": _contradictions,
    "faces.run": _faces,
}


def _not_again(entries: Sequence[AuditEntry]) -> Counter[str]:
    return Counter(
        entry.action
        for entry in entries
        if _asked(entry) is None and not entry.action.startswith(_NOT_A_SEARCH)
    )


def _literal(value: Any) -> str:
    return f"Span({value.start_ns}, {value.stop_ns})" if isinstance(value, Span) else repr(value)


# -- cells -------------------------------------------------------------------------------------


def _head(
    house: Workbench,
    case: Case,
    purpose: Purpose,
    record: str,
    now: Circumstances,
    root: str,
) -> list[dict[str, Any]]:
    period = f"{local_text(case.period.start_ns)} – {local_text(case.period.stop_ns)} (UTC+7)"
    facts = {
        "Hồ sơ": f"{case.case_id} {case.title}",
        "Căn cứ pháp lý": case.legal_basis,
        "Thời gian": period,
        "Camera": ", ".join(case.cameras) or "mọi camera của phường",
        "Người lập sổ": f"{house.actor}, {local_text(house.now())} (UTC+7)",
        "Lý do": purpose.reason,
        "Phiên bản": f"workbench {now['code']['workbench']}, mã nguồn {now['code']['source'][:16]}",
    }
    if case.training:
        facts["Huấn luyện"] = "dữ liệu mô phỏng, không có người thật"
    models = [
        {"mô hình": one.name, "việc": one.task, "SHA-256": one.sha256[:16], "tình trạng": one.state}
        for one in list_models(house.root)
        if one.in_use
    ]
    intro = (
        f"# Hồ sơ {_plain(case.case_id)}: các lần tìm, chạy lại được\n\n"
        + "\n".join(f"- **{name}**: {_plain(value)}" for name, value in facts.items())
        + "\n\nMỗi lần tìm trong nhật ký của hồ sơ có một ô dưới đây, với kết quả lúc lập sổ. Chạy "
        "lại sổ (*Run All*) sẽ tìm lại bằng chính các lệnh của chương trình, dưới tên tài khoản "
        "của người chạy, trong giới hạn của hồ sơ và quyền của người đó; mỗi lần tìm lại được ghi "
        "nhật ký. Kết quả trùng **từng byte** với lúc lập sổ, hoặc sổ cho thấy chỗ khác và lý do: "
        "mô hình, mã chương trình, kho lưu trữ, đồng hồ, bảng của phường, hồ sơ hay quyền đã "
        "đổi.\n\n"
        "*Kết quả là manh mối cho hai người đọc, không bao giờ là kết luận danh tính.*"
    )
    begin = (
        "import os\n"
        "from pathlib import Path\n\n"
        "from workbench.investigation import Replay, again, open_workbench\n"
        "from workbench.records import Purpose\n"
        "from workbench.timeline import Span\n"
        "from workbench.views.account import account\n"
        "from workbench.views.text import translator\n\n"
        f'goc = Path(os.environ.get("WORKBENCH_ROOT", {root!r}))\n'
        f"muc_dich = Purpose({case.case_id!r}, {f'chạy lại sổ: {purpose.reason}'!r})\n"
        "wb = open_workbench(goc, actor=account())"
    )
    written = (
        "# Bản ghi lúc lập sổ: kết quả từng lần tìm và hoàn cảnh của chúng, nén lại; không sửa.\n"
        f'BAN_GHI = """\n{record}\n"""'
    )
    return [
        _words(intro),
        _code(begin),
        _words("## Mô hình đang dùng lúc lập sổ"),
        _table(pd.DataFrame(models)),
        _code(written, hidden=True),
        _words("## Từ khi lập sổ, điều gì đã đổi?"),
        _code('so = Replay(BAN_GHI, wb, muc_dich, translate=translator("vi"))\nprint(so)'),
    ]


def _searches(searches: Sequence[Asked], answers: Mapping[str, Answer]) -> list[dict[str, Any]]:
    cells = [_words("## Các lần tìm")]
    if not searches:
        cells.append(_words("Nhật ký của hồ sơ chưa có lần tìm nào."))
    for (name, answer), one in zip(answers.items(), searches, strict=True):
        who = one.first.actor if one.times == 1 else f"{one.first.actor}, … {one.last.actor}"
        said = (
            f"### {name}. {_NAMED[one.action]}: {_plain(one.first.subject)}\n\n"
            f"Lần đầu {local_text(one.first.at_ns)}, mục {one.first.seq} của nhật ký; "
            f"{one.times} lần; người tìm: {_plain(who)}; lý do: {_plain(one.first.reason)}."
        )
        then = _found(one.last)
        if then is not None:
            said += f" Lần cuối ({local_text(one.last.at_ns)}) thấy {then}."
        if one.action == "faces.run":
            said += _FACES_SAID
        cells.append(_words(said))
        cells.append(
            _code(
                f"so.run({name!r}, lambda: {one.source()})",
                output=f"<p>Lúc lập sổ:</p>{replaying.shown_answer(answer)}",
            )
        )
    cells.append(_words("## Tổng hợp"))
    cells.append(_code("so.summary()"))
    return cells


_NAMED = {
    "search.plate": "Tìm biển số",
    "search.sightings": "Tìm lượt ghi nhận",
    "trace": "Truy vết",
    "conflicts": "Tìm xung đột giao thông",
    "search.flows": "Luồng xe giữa các điểm",
    "search.convoys": "Xe đi cùng",
    "search.contradictions": "Biển số mâu thuẫn",
    "faces.run": "Tìm khuôn mặt có phê duyệt",
}
_FACES_SAID = (
    " Ô này cho các ứng viên mà lần tìm đã giữ, kèm điểm và nhận định khi đã có hai người đọc. "
    "Đổi `anew=True` để so sánh lại từ hình: chỉ người đã yêu cầu, khi phê duyệt còn hiệu lực, và "
    "không giữ lại gì."
)


def _found(entry: AuditEntry) -> int | None:
    details = json.loads(entry.details)
    found = details.get("found", details.get("sightings"))
    return len(found) if isinstance(found, list) else found


def _tail(left: Mapping[str, int]) -> list[dict[str, Any]]:
    cells = [
        _words(
            "## Những việc khác trong hồ sơ, không chạy lại ở đây\n\n"
            "Canh biển số chỉ chạy trên camera đang hoạt động; đo đạc, nơi có thể tới và xung đột "
            "tìm bằng hiệu chuẩn không lưu lại phụ thuộc lựa chọn của từng lần. Lần bị từ chối "
            "(`.refused`) cũng được đếm. Nhật ký giữ từng lần một."
        )
    ]
    rows = [{"việc": action, "số lần": count} for action, count in sorted(left.items())]
    cells.append(_table(pd.DataFrame(rows)) if rows else _words("Không có việc nào khác."))
    return cells


def _plain(text: str) -> str:
    """Return text that Markdown and HTML show as it is, on one line."""
    text = " ".join(text.split())
    return "".join(
        f"\\{sign}" if sign in "\\`*_{}[]()#+!|$~" else html.escape(sign) for sign in text
    )


def _words(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _table(frame: pd.DataFrame) -> dict[str, Any]:
    return _words(frame.to_html(index=False, border=0) if len(frame) else "–")


def _code(source: str, *, output: str = "", hidden: bool = False) -> dict[str, Any]:
    shown = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": output, "text/plain": "…"},
    }
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"jupyter": {"source_hidden": True}} if hidden else {},
        "outputs": [shown] if output else [],
        "source": source,
    }


def _notebook(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
