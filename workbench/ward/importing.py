"""Cameras from somebody's spreadsheet: what a table would change in cameras.csv, and its faults.

Nothing is written here. A plan holds the whole new table as text; whoever applies it writes that.
"""

from __future__ import annotations

import csv
import io
import math
import re
import tempfile
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import N_, BadInput
from workbench.ward.checks import (
    CAMERA_COLUMNS,
    CAMERA_EXTRAS,
    check_cameras,
    check_places,
)
from workbench.ward.loading import check as check_ward
from workbench.ward.loading import sites_and_roads
from workbench.ward.tables import Advice, Table, read_csv

FILE = "cameras.csv"
EMPTY = "-"
"""A cell that empties what the table has; an empty cell leaves it."""

ALIASES: dict[str, tuple[str, ...]] = {
    "camera_id": ("id", "camera", "mã camera", "mã", "ký hiệu"),
    "site_id": ("site", "mã điểm", "điểm", "mã vị trí"),
    "name": ("tên", "tên camera", "mô tả"),
    "kind": ("type", "loại", "loại camera"),
    "lon_deg": ("lon", "longitude", "kinh độ"),
    "lat_deg": ("lat", "latitude", "vĩ độ"),
    "heading_deg": ("heading", "hướng", "hướng nhìn"),
    "fov_deg": ("fov", "góc nhìn", "góc mở"),
    "range_m": ("range", "tầm nhìn", "tầm xa"),
    "sees": ("nhìn thấy", "thấy"),
    "road_edge": ("road", "đường", "mã đường", "đoạn đường"),
    "stream_url": ("url", "rtsp", "stream", "luồng chính", "địa chỉ luồng"),
    "substream_url": ("substream", "luồng phụ", "địa chỉ luồng phụ"),
    "fallback_url": ("fallback", "luồng dự phòng", "địa chỉ dự phòng"),
    "boost_url": ("boost", "luồng tốc độ cao"),
    "pixel_to_ground": (),
    "pixel_sigma_px": (),
    "ground_crs": (),
}
"""Other names of the columns; accents, capitals, spaces and units in brackets do not count."""

WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "kind": {"plate": ("biển số",), "overview": ("toàn cảnh",)},
    "sees": {"front": ("trước", "đầu xe"), "rear": ("sau", "đuôi xe"), "both": ("cả hai",)},
}
"""Vietnamese for the words of two columns."""

_NUMBERS = ("lon_deg", "lat_deg", "heading_deg", "fov_deg", "range_m", "pixel_sigma_px")
_SECRET = re.compile(
    r"://[^/\s]*@|(?i:[?&](?:pass(?:word|wd)?|pwd|psw|user(?:name)?)=)(?!\{(?:user|password)\})"
)
"""A name or a password in an address; the places where credentials.toml is filled in are none."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that an import changes."""

    camera_id: str
    column: str
    before: str
    after: str


@dataclass(slots=True)
class ImportPlan:
    """What a table would do to cameras.csv. With a fault in `findings` it is not to be applied."""

    findings: list[BadInput] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    same: int = 0
    """Cameras of the file that are as the table has them."""
    text: str = ""
    """The new cameras.csv."""

    @property
    def faults(self) -> list[BadInput]:
        """Return the findings that stop it."""
        return [one for one in self.findings if not isinstance(one, Advice)]

    @property
    def idle(self) -> bool:
        """Return whether nothing would change."""
        return not self.added and not self.changed


def _folded(text: str) -> str:
    """Return a heading without what does not count: accents, capitals, signs, a unit in brackets.

    >>> _folded(" Kinh  độ (°)"), _folded("Camera_ID")
    ('kinh do', 'camera id')
    """
    text = re.sub(r"[(\[].*?[)\]]", " ", text).lower().replace("đ", "d")
    plain = unicodedata.normalize("NFD", text)
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    return " ".join(re.findall(r"[a-z0-9]+", plain))


_COLUMN = {_folded(word): name for name, words in ALIASES.items() for word in (name, *words)}
_WORD = {
    column: {_folded(word): name for name, words in known.items() for word in (name, *words)}
    for column, known in WORDS.items()
}


def column_of(heading: str) -> str:
    """Return the column a heading stands for, or the heading itself.

    >>> column_of("Mã camera"), column_of("LUỒNG CHÍNH"), column_of("Vĩ độ (độ)"), column_of("x")
    ('camera_id', 'stream_url', 'lat_deg', 'x')
    """
    return _COLUMN.get(_folded(heading), heading)


def plan_import(folder: Path, source: Path) -> ImportPlan:
    """Return what the cameras of a CSV file would change in a ward's tables.

    Parameters
    ----------
    folder
        The ward's tables.
    source
        Rows of cameras, known by ``camera_id``. A camera that is there keeps what the file has no
        column for, or an empty cell; ``-`` empties a cell. A new one needs every column.
    """
    known = (*CAMERA_COLUMNS, *CAMERA_EXTRAS)
    new = read_csv(source, ("camera_id",), known[1:], alias=column_of, whole=True)
    old = read_csv(folder / FILE, CAMERA_COLUMNS, CAMERA_EXTRAS, whole=True)
    plan = ImportPlan()
    if not old.usable:
        plan.findings = [*old.findings]
        return plan
    if not new.usable:
        plan.findings = [*new.findings]
        return plan
    new.frame = new.frame.reindex(columns=[one for one in new.frame.columns if one in known])
    _tidy(new)
    before = {str(row["camera_id"]): row for row in old.frame.to_dict("records")}
    merged, rows = _merged(new, before, list(old.frame.columns), plan)
    if rows:
        checked = Table(source.name, rows_frame(rows, known), decimal_comma=False)
        sites, roads = sites_and_roads(folder)
        check_cameras(checked)
        check_places(checked, sites, roads)
        new.findings += checked.findings
    plan.findings = sorted(new.findings, key=lambda one: isinstance(one, Advice))
    plan.text = _written(merged, old)
    if not plan.faults and not plan.idle:
        plan.findings += _faults_of_all(folder, plan.text)
    return plan


def rows_frame(rows: dict[int, dict[str, str]], columns: tuple[str, ...]) -> Any:
    """Return rows, by their number in the file, as a frame of text with the columns given."""
    import pandas as pd

    return pd.DataFrame.from_dict(rows, orient="index").reindex(
        columns=list(columns), fill_value=""
    )


def _tidy(new: Table) -> None:
    """Put words and numbers as the ward's tables write them; find secrets and double rows."""
    frame, seen = new.frame, dict[str, int]()
    for row in frame.index:
        for column in frame.columns:
            cell = str(frame.loc[row, column])
            if column in _WORD:
                cell = _WORD[column].get(_folded(cell), cell)
            if column in _NUMBERS:
                # Between degrees and metres a comma parts no thousands.
                cell = re.sub(r"^([+-]?\d+),(\d+)$", r"\1.\2", cell.removesuffix("°").strip())
            if column.endswith("_url") and _SECRET.search(cell):
                new.find(
                    N_("row {row}, column {column}: the address carries a name or a password"),
                    N_("take them out and write them into credentials.toml of the workbench"),
                    row,
                    column=column,
                )
                cell = ""
            frame.loc[row, column] = cell
        name = str(frame.loc[row, "camera_id"])
        if not name:
            new.find(
                N_("row {row}, column camera_id: the cell is empty"),
                N_("write the camera's id, like S01-P1"),
                row,
            )
        elif (first := seen.setdefault(name.lower(), row)) != row:
            new.find(
                N_("row {row}, column camera_id: {id} is there already (row {first})"),
                N_("delete one of the two rows"),
                row,
                id=name,
                first=first,
            )


def _merged(
    new: Table, before: dict[str, Any], columns: list[str], plan: ImportPlan
) -> tuple[dict[str, dict[str, str]], dict[int, dict[str, str]]]:
    """Return the new table by camera, and the rows of it that the file is about by file row."""
    merged = {name: {key: str(cell) for key, cell in row.items()} for name, row in before.items()}
    capitals = {name.lower(): name for name in before}
    rows: dict[int, dict[str, str]] = {}
    for row, given in new.frame.iterrows():
        name = str(given["camera_id"])
        if not name or name in {one["camera_id"] for one in rows.values()}:
            continue
        there = capitals.get(name.lower())
        if there not in (None, name):
            new.find(
                N_("row {row}, column camera_id: the ward calls {id} {there}"),
                N_("write it as the ward does"),
                row,
                id=name,
                there=there,
            )
            continue
        camera = merged.setdefault(name, dict.fromkeys(columns, "") | {"camera_id": name})
        changes = [
            Change(name, str(column), camera.get(str(column), ""), after)
            for column, cell in given.items()
            if cell
            and (after := "" if cell == EMPTY else str(cell)) != camera.get(str(column), "")
            and not _same_number(str(column), camera.get(str(column), ""), after)
        ]
        camera.update({one.column: one.after for one in changes})
        rows[int(row)] = dict(camera)
        if there is None:
            plan.added.append(name)
        else:
            plan.changed += changes
            plan.same += not changes
    return merged, rows


def _same_number(column: str, before: str, after: str) -> bool:
    try:
        return column in _NUMBERS and math.isclose(
            float(before.replace(",", ".")), float(after), rel_tol=1e-12
        )
    except ValueError:
        return False


def _written(merged: dict[str, dict[str, str]], old: Table) -> str:
    """Return a table as commas and points, with the old one's columns first, in their order."""
    columns = list(dict.fromkeys([*old.frame.columns, *CAMERA_COLUMNS, *CAMERA_EXTRAS]))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in merged.values():
        if old.decimal_comma:
            for column in _NUMBERS:
                row[column] = row.get(column, "").replace(",", ".")
        writer.writerow(row)
    return text.getvalue()


def _faults_of_all(folder: Path, text: str) -> list[BadInput]:
    """Return what is wrong with the ward once the table is in place; the last word before that."""
    with tempfile.TemporaryDirectory() as name:
        trial = Path(name)
        for path in folder.iterdir():
            if path.name != FILE and path.is_file():
                (trial / path.name).symlink_to(path.resolve())
        (trial / FILE).write_text(text, encoding="utf-8")
        return [one for one in check_ward(trial) if not isinstance(one, Advice)]
