"""Drafts of an accident's papers: the scene to scale, and a photo sheet with captions.

They follow the structure of forms 06 (scene diagram) and 07 (photo sheet) of Circular
72/2024/TT-BCA, in Vietnamese. What they show was measured in footage: every place has its ellipse,
and an officer completes, corrects and signs them.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import collisions
from workbench.collisions.calibration import map_points
from workbench.errors import N_, BadInput
from workbench.investigation.calibrated import Calibrated
from workbench.investigation.drawing import A4_MM, Sheet, pages
from workbench.investigation.measuring import Measured, reference_of, statements_of
from workbench.paper import pdf_of
from workbench.store import files
from workbench.timeline import SECOND_NS, local_text

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

Translate = Callable[[str], str]
Floats = NDArray[np.float64]

SCENE, PHOTOS = "so-do-hien-truong", "ban-anh-hien-truong"
"""Beginnings of the files' names."""
COLOURS = ("#0b559f", "#c0392b", "#1e7d45", "#8e44ad", "#b9770e", "#117a8b")
_SCALES = (50, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000)
_FRAME = (16.0, 58.0, 178.0, 122.0)
_SURE = math.sqrt(5.991)  # of two dimensions, 95 %
_STANDS_KM_H = 2.0
_ELLIPSES = 7
_DRAFT = "BẢN NHÁP"
_DOTS = "…" * 18


def write_papers(
    house: Workbench,
    measured: Sequence[Measured],
    out: Path,
    translate: Translate,
    *,
    place: str = "",
) -> list[Path]:
    """Write scene diagram and photo sheet into a folder as SVG and PDF; return the files.

    Raises
    ------
    BadInput
        When nothing was measured, vehicles belong to different cases or systems of metres, or one
        of the files is there already.
    """
    names = [out / f"{SCENE}.svg", out / f"{SCENE}.pdf", out / f"{PHOTOS}.pdf"]
    taken = [path for path in names if path.exists()]
    if taken or (out.exists() and not out.is_dir()) or not out.absolute().parent.is_dir():
        raise BadInput(
            N_("this file is there already, or its folder is not"),
            N_("give a name that is free, in a folder that exists"),
            where=str(taken[0] if taken else out),
        )
    scene = draw_scene(house, measured, translate, place=place)
    photos = draw_photos(house, measured, translate, place=place)
    out.mkdir(exist_ok=True)
    made = {names[0]: scene[0].svg().encode(), names[1]: pdf_of(pages(scene))}
    for number, sheet in enumerate(scene[1:], start=2):
        made[out / f"{SCENE}-{number}.svg"] = sheet.svg().encode()
    for number, sheet in enumerate(photos, start=1):
        made[out / f"{PHOTOS}-{number}.svg"] = sheet.svg().encode()
    made[names[2]] = pdf_of(pages(photos))
    house._log(
        "papers", ",".join(sorted({one.camera_id for one in measured})), measured[0].purpose,
        details={
            "files": [path.name for path in made],
            "calibrations": sorted({one.calibrated.sha256 for one in measured}),
        },
    )  # fmt: skip
    for path, data in made.items():
        files.write_bytes(path, data)
    return list(made)


def papers_bytes(
    house: Workbench, measured: Sequence[Measured], translate: Translate, *, place: str = ""
) -> dict[str, bytes]:
    """Return what :func:`write_papers` writes, by name, for a page to hand over."""
    with tempfile.TemporaryDirectory() as folder:
        made = write_papers(house, measured, Path(folder) / "papers", translate, place=place)
        return {path.name: path.read_bytes() for path in made}


def draw_scene(
    house: Workbench, measured: Sequence[Measured], translate: Translate, *, place: str = ""
) -> list[Sheet]:
    """Return the scene to scale: ways of the vehicles, where they came to rest, ellipses, north.

    What must be told and has no place under the drawing stands on further sheets.
    """
    _refuse_mixed(measured)
    sheet = Sheet(*A4_MM)
    _head(house, sheet, "Mẫu số 06", "SƠ ĐỒ HIỆN TRƯỜNG VỤ TAI NẠN GIAO THÔNG", measured, place)
    used = list({one.calibrated.sha256: one.calibrated for one in measured}.values())
    points = np.concatenate([_points(one) for one in used])
    ways = np.concatenate([one.motion.position_m for one in measured])
    all_m = np.concatenate([points, ways])
    x, y, wide, high = _FRAME
    scale = _scale_of(all_m, wide - 16, high - 16)
    centre = (all_m.max(axis=0) + all_m.min(axis=0)) / 2
    per_m = 1000 / scale  # millimetres of paper

    def at(m: Floats) -> tuple[float, float]:
        east, north = ((m - centre) * per_m).tolist()
        return x + wide / 2 + east, y + high / 2 - north

    below = _underlay(house, used[0], centre, wide / per_m, high / per_m)
    sheet.picture(x, y, wide, high, below, "jpeg")
    sheet.box(x, y, wide, high)
    for number, point in enumerate(points, start=1):
        px, py = at(point)
        sheet.line([(px - 1, py), (px + 1, py)], "#000", 0.25)
        sheet.line([(px, py - 1), (px, py + 1)], "#000", 0.25)
        sheet.text(px + 1.2, py - 0.8, str(number), 2.2)
    for number, one in enumerate(measured):
        _way(sheet, one, COLOURS[number % len(COLOURS)], number, at, per_m)
    placed = all(one.model.kind != "lengths" for one in used)
    if placed:
        _north(sheet, x + wide - 9, y + 21)
    _bar(sheet, x + 5, y + high - 5, scale)
    down = _legend(sheet, measured, y + high + 5, placed=placed)
    told = _told(measured, translate, used)
    rest = _words(sheet, told, down + 1.5, translate)
    _signatures(sheet, ("NGƯỜI VẼ SƠ ĐỒ", "NGƯỜI CHỨNG KIẾN", "CÁN BỘ KHÁM NGHIỆM"), 270)
    sheet.draft(_DRAFT)
    sheets, title = [sheet], "SƠ ĐỒ HIỆN TRƯỜNG VỤ TAI NẠN GIAO THÔNG (tiếp)"
    while rest:  # steps by hand are listed one by one, and may be many
        more = Sheet(*A4_MM)
        _head(house, more, "Mẫu số 06", title, measured, place)
        rest = _words(more, rest, 62, translate)
        more.draft(_DRAFT)
        sheets.append(more)
    return sheets


def draw_photos(
    house: Workbench, measured: Sequence[Measured], translate: Translate, *, place: str = ""
) -> list[Sheet]:
    """Return the photo sheet, two stills of the archive a page, each with its caption."""
    _refuse_mixed(measured)
    shots: list[tuple[NDArray[np.uint8], str]] = []
    for number, one in enumerate(measured):
        count = len(one.pts)
        for k, word in ((0, "đầu"), (count // 2, "giữa"), (count - 1, "cuối")):
            shots.append(_shot(house, one, number, k, word))
    sheets = []
    for first in range(0, len(shots), 2):
        sheet = Sheet(*A4_MM)
        title = "BẢN ẢNH HIỆN TRƯỜNG VỤ TAI NẠN GIAO THÔNG"
        _head(house, sheet, "Mẫu số 07", title, measured, place)
        down = 58.0
        for offset, (picture, caption) in enumerate(shots[first : first + 2]):
            high = min(88.0, 178 * picture.shape[0] / picture.shape[1])
            wide = high * picture.shape[1] / picture.shape[0]
            code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
            sheet.picture(105 - wide / 2, down, wide, high, code.tobytes(), "jpeg")
            sheet.box(105 - wide / 2, down, wide, high, width=0.2)
            down = sheet.lines(
                16, down + high + 4.5, f"Ảnh số {first + offset + 1}: {caption}", 178
            )
            down += 2.5
        sheet.lines(16, max(down, 258), translate(collisions.SPEED_NOTE), 178, 2.6)
        _signatures(sheet, ("NGƯỜI LẬP BẢN ẢNH", "", "CÁN BỘ KHÁM NGHIỆM"), 270)
        page = f"Trang {first // 2 + 1}/{(len(shots) + 1) // 2}"
        sheet.text(194, 292, page, 2.6, anchor="end")
        sheet.draft(_DRAFT)
        sheets.append(sheet)
    return sheets


def _refuse_mixed(measured: Sequence[Measured]) -> None:
    if not measured:
        raise BadInput(N_("nothing was measured that could be drawn"), N_("name a track"))
    systems = {one.calibrated.kept.ground_crs for one in measured}
    local = systems == {""} and len({one.calibrated.sha256 for one in measured}) > 1
    if len({one.purpose.case_id for one in measured}) > 1 or len(systems) > 1 or local:
        raise BadInput(
            N_("these vehicles cannot stand in one drawing: other case, or other metres"),
            N_("calibrate their cameras in one system, like EPSG:32648"),
        )


def _points(one: Calibrated) -> Floats:
    if one.kept.points:
        return np.array([(p.x_m, p.y_m) for p in one.kept.points])
    ends = [(k.x1_px, k.y1_px, k.x2_px, k.y2_px) for k in one.kept.lengths if k.use == "fit"]
    return one.model.ground(np.unique(np.reshape(ends, (-1, 2)), axis=0))


def _scale_of(all_m: Floats, wide_mm: float, high_mm: float) -> int:
    east, north = (all_m.max(axis=0) - all_m.min(axis=0)).tolist()
    least = 1000 * max(east / wide_mm, north / high_mm)
    for scale in _SCALES:
        if scale >= least:
            return scale
    raise BadInput(
        N_("what was measured lies too far apart for a sheet"), N_("draw fewer vehicles at once")
    )


def _underlay(
    house: Workbench, used: Calibrated, centre: Floats, wide_m: float, high_m: float
) -> bytes:
    """Return the picture calibrated in as seen from above, pale, as JPEG of the frame's place."""
    per_m = min(24.0, 1400 / wide_m)
    size = (round(wide_m * per_m), round(high_m * per_m))
    px = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1])), axis=-1) + 0.5
    east = centre[0] - wide_m / 2 + px[..., 0] / per_m
    north = centre[1] + high_m / 2 - px[..., 1] / per_m
    ground = np.stack([east, north], axis=-1).reshape(-1, 2) - used.model.origin_m
    back = np.asarray(np.linalg.inv(used.model.pixel_to_ground), dtype=np.float64)
    # the lens is left out: it moves the road by less than a line of this drawing
    seen = map_points(back, ground)
    near = used.model.covered(np.nan_to_num(seen, nan=-1e6)).reshape(size[1], size[0])
    where = np.nan_to_num(seen, nan=-1e6).reshape(size[1], size[0], 2).astype(np.float32)
    grey = cv2.remap(
        reference_of(house, used), where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderValue=255
    )
    pale = np.where(near, 150 + grey * (105 / 255), 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", pale, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())


def _way(
    sheet: Sheet,
    one: Measured,
    colour: str,
    number: int,
    at: Callable[[Floats], tuple[float, float]],
    per_m: float,
) -> None:
    motion = one.motion
    path = [at(m) for m in motion.position_m]
    sheet.line(path, colour, 0.6)
    count = len(path)
    for k in np.unique(np.linspace(0, count - 1, _ELLIPSES).round().astype(int)).tolist():
        values, axes = np.linalg.eigh(motion.position_covariance_m2[k])
        small, large = (_SURE * per_m * np.sqrt(np.maximum(values, 0))).tolist()
        turn = math.degrees(math.atan2(-axes[1, 1], axes[0, 1]))
        sheet.ellipse(path[k], large, small, turn, colour)
    name = f"{number + 1}"
    sheet.text(path[0][0] + 1.5, path[0][1] + 3.2, f"{name}: {_speed(one, 0)}", 2.6, colour=colour)
    end = path[-1]
    if motion.speed_km_h[1, -1] < _STANDS_KM_H:
        sheet.box(end[0] - 1.3, end[1] - 1.3, 2.6, 2.6, fill=colour, colour="#000")
        sheet.text(end[0] + 2, end[1] - 1.5, f"{name}: dừng", 2.6, colour=colour)
        return
    back = path[max(0, count - 1 - max(1, count // 6))]
    turn = math.atan2(end[1] - back[1], end[0] - back[0])
    wings = [
        (end[0] - 3 * math.cos(turn + side), end[1] - 3 * math.sin(turn + side))
        for side in (0.4, -0.4)
    ]
    sheet.line([wings[0], end, wings[1]], colour, 0.6, fill=colour, close=True)
    sheet.text(end[0] + 2, end[1] - 1.5, f"{name}: {_speed(one, -1)}", 2.6, colour=colour)


def _speed(one: Measured, k: int) -> str:
    low, middle, high = one.motion.speed_km_h[:, k].tolist()
    return f"{middle:.0f} ({low:.0f}–{high:.0f}) km/h"


def _north(sheet: Sheet, x: float, y: float) -> None:
    sheet.line(
        [(x, y - 13), (x + 3, y), (x, y - 3), (x - 3, y)], "#111", 0.3, fill="#fff", close=True
    )
    sheet.line([(x, y - 13), (x, y - 3), (x - 3, y)], "#111", 0.3, fill="#111", close=True)
    sheet.text(x, y - 14, "B", 4, bold=True, anchor="middle")


def _bar(sheet: Sheet, x: float, y: float, scale: int) -> None:
    metres = next(m for m in (1, 2, 5, 10, 20, 50, 100) if m * 1000 / scale >= 20)
    long = metres * 1000 / scale
    for k in range(4):
        fill = "#111" if k % 2 == 0 else "#fff"
        sheet.box(x + k * long / 4, y - 1.4, long / 4, 1.4, fill=fill, width=0.2)
    sheet.text(x, y - 2.2, "0", 2.6, anchor="middle")
    sheet.text(x + long, y - 2.2, f"{metres} m", 2.6, anchor="middle")
    sheet.text(x + long + 6, y, f"Tỷ lệ 1:{scale}", 3, bold=True)


def _legend(sheet: Sheet, measured: Sequence[Measured], y: float, *, placed: bool) -> float:
    sheet.text(16, y, "CHÚ THÍCH", 3, bold=True)
    y += 4.2
    for number, one in enumerate(measured):
        colour = COLOURS[number % len(COLOURS)]
        sheet.line([(16, y - 1), (26, y - 1)], colour, 0.6)
        motion = one.motion
        low, middle, high = motion.mean_speed_km_h.tolist()
        start, stop = (_instant(one, k) for k in (0, -1))
        sheet.text(
            28, y,
            f"{number + 1}. {one.track.name or 'phương tiện'}: {start} – {stop}, trung bình "
            f"{middle:.1f} km/h (khoảng 95 %: {low:.1f} – {high:.1f})",
            2.8,
        )  # fmt: skip
        y += 4
    sheet.ellipse((19, y - 1), 2.6, 1.2, 0, "#333")
    sheet.text(28, y, "Vùng chứa vị trí thật với độ tin cậy 95 %", 2.8)
    sheet.box(105, y - 2.2, 2.4, 2.4, fill="#333")
    sheet.text(110, y, "Vị trí dừng", 2.8)
    sheet.line([(136, y - 1), (138, y - 1)], "#000", 0.25)
    sheet.line([(137, y - 2), (137, y)], "#000", 0.25)
    sheet.text(141, y, "Điểm hiệu chuẩn", 2.8)
    y += 4
    sheet.text(
        16, y,
        "Nền: ảnh hiệu chuẩn nắn xuống mặt đường; vật cao hơn mặt đường bị kéo dài. "
        + ("Mũi tên: bắc của lưới tọa độ." if placed else "Không biết hướng bắc: chỉ hiệu chuẩn "
           "bằng độ dài.")
        + " Chữ cạnh đường đi: tốc độ đầu và cuối đoạn.",
        2.4,
    )  # fmt: skip
    return y + 3.6


def _told(
    measured: Sequence[Measured], translate: Translate, used: Sequence[Calibrated]
) -> list[str]:
    """Return what must be told of all vehicles, each sentence once."""
    told = dict.fromkeys(words for one in measured for words in statements_of(one, translate)[1:])
    crs = ", ".join(sorted({one.kept.ground_crs for one in used} - {""})) or "tọa độ cục bộ"
    return [*told, f"hệ tọa độ: {crs}"]


def _words(sheet: Sheet, told: Sequence[str], y: float, translate: Translate) -> list[str]:
    """Write sentences while there is place; return those that had none."""
    sheet.text(16, y, translate(collisions.SPEED_NOTE), 2.9, bold=True, colour="#a33")
    y += 4.4
    for number, words in enumerate(told):
        if y > 258:
            return list(told[number:])
        y = sheet.lines(16, y, f"– {words}", 178, 2.2)
    return []


def _head(
    house: Workbench, sheet: Sheet, form: str, title: str, measured: Sequence[Measured], place: str
) -> None:
    case = house._store.case(measured[0].purpose.case_id)
    sheet.text(58, 14, _DOTS, 3.2, anchor="middle")
    sheet.text(58, 19, _DOTS, 3.2, anchor="middle")
    sheet.text(147, 14, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", 3.2, bold=True, anchor="middle")
    sheet.text(147, 19, "Độc lập - Tự do - Hạnh phúc", 3.2, bold=True, anchor="middle")
    sheet.line([(123, 20.6), (171, 20.6)], "#111", 0.25)
    words = f"{form} – cấu trúc theo Thông tư 72/2024/TT-BCA"
    sheet.text(194, 7, words, 2.4, anchor="end", italic=True)
    sheet.text(16, 7, "BẢN NHÁP do máy lập từ hình ảnh; cán bộ kiểm tra, bổ sung rồi mới ký", 2.4,
               bold=True, colour="#c0392b")  # fmt: skip
    sheet.text(105, 29, title, 4.6, bold=True, anchor="middle")
    training = " – HỒ SƠ TẬP HUẤN, HÌNH ẢNH MÔ PHỎNG" if case.training else ""
    sheet.text(16, 36, f"Hồ sơ: {case.case_id} – {case.title}{training}", 3.1)
    first = min(measured, key=lambda one: int(one.utc_ns[0]))
    sheet.text(
        16, 41,
        f"Thời gian theo hình ảnh: {_instant(first, 0)} (UTC+7, một sigma "
        f"{first.sigma_ns / SECOND_NS:.2f} s)",
        3.1,
    )  # fmt: skip
    cameras = sorted({one.camera_id for one in measured})
    where = place or ", ".join(house.camera(one).name for one in cameras)
    sheet.text(16, 46, f"Địa điểm: {where[:90]}", 3.1)
    sheet.text(
        16, 51,
        f"Camera: {', '.join(cameras)}. Người lập: {first.by}, lúc {local_text(first.at_ns)}. "
        f"Lý do: {first.purpose.reason[:60]}",
        3.1,
    )  # fmt: skip


def _signatures(sheet: Sheet, words: tuple[str, str, str], y: float) -> None:
    for x, word in zip((45, 105, 165), words, strict=True):
        if word:
            sheet.text(x, y, word, 3, bold=True, anchor="middle")
            sheet.text(x, y + 4, "(ký, ghi rõ họ tên)", 2.6, italic=True, anchor="middle")


def _instant(one: Measured, k: int) -> str:
    ns = int(one.utc_ns[k])
    return f"{local_text(ns)}.{ns // 1_000_000 % 1000:03d}"


def _shot(
    house: Workbench, one: Measured, number: int, k: int, word: str
) -> tuple[NDArray[np.uint8], str]:
    """Return a still with the way so far and the contact point drawn on, and its caption."""
    segment = one.track.segment
    picture = house.still(segment.sha256, int(one.pts[k]), one.purpose).copy()
    seen = np.isfinite(one.track.points_px).all(axis=1)
    points = one.track.points_px[seen]
    hexed = COLOURS[number % len(COLOURS)].lstrip("#")
    colour = tuple(int(hexed[i : i + 2], 16) for i in (0, 2, 4))
    thick = max(1, picture.shape[1] // 640)
    way = np.round(points[: k + 1]).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(picture, [way], False, colour, thick, cv2.LINE_AA)
    spot = tuple(int(v) for v in np.round(points[k]))
    cv2.drawMarker(picture, spot, colour, cv2.MARKER_CROSS, 16 * thick, 2 * thick, cv2.LINE_AA)
    caption = (
        f"khung hình {word} của đường đi {number + 1} ({one.track.name or 'phương tiện'}), camera "
        f"{one.camera_id}, {_instant(one, k)} (UTC+7), tốc độ {_speed(one, k)}. Tệp gốc "
        f"{segment.sha256[:16]}…, PTS {int(one.pts[k])}. Dấu chữ thập và đường màu là máy vẽ thêm."
    )
    return picture, caption
