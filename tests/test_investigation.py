"""The facade: every verb stores and logs; no search or view without an open case and a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from make.clips import make_clip, read_number
from make.rows import sighting_row, sightings_table

from workbench import archive
from workbench.errors import BadInput, Refused
from workbench.investigation import Workbench, open_workbench
from workbench.records import Case, Purpose, Segment
from workbench.timeline import SECOND_NS, ClockFix, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 3600 * SECOND_NS, START + 3600 * SECOND_NS)
CASE = Case("HS-1", "Collision at the gate", "Decision 12", "clarify the collision", PERIOD)
PURPOSE = Purpose("HS-1", "find the grey van")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ns = START + 7200 * SECOND_NS

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wb(tmp_path: Path, ward_folder: Path, clock: Clock) -> Workbench:
    made = open_workbench(tmp_path / "root", actor="thu", now=clock, create_from=ward_folder)
    made.open_case(CASE)
    return made


@pytest.fixture
def camera_id(wb: Workbench) -> str:
    return next(iter(wb.ward.cameras))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    make_clip(path, 60, gop=12, bframes=2, start_pts=9000)
    return path


def test_a_frame_asked_for_is_the_frame_shown_and_the_view_is_logged(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    (segment,) = wb.ingest(clip, camera_id, START).segments
    index = wb.frame_index(segment)
    assert read_number(wb.still(segment.sha256, int(index.pts[37]), PURPOSE)) == 37
    entry = wb.audit()[-1]
    assert (entry.action, entry.actor, entry.case_id) == ("view", "thu", "HS-1")
    assert entry.reason == PURPOSE.reason
    cube = wb.frames(camera_id, wb.utc_span(segment), PURPOSE)
    assert [read_number(cube[i].values) for i in (0, 11, 12, 59)] == [0, 11, 12, 59]


def test_ingest_twice_is_once(wb: Workbench, camera_id: str, clip: Path) -> None:
    first = wb.ingest(clip, camera_id, START)
    again = wb.ingest(clip, camera_id, START)
    assert first.segments == again.segments
    assert len(wb.segments()) == 1
    assert len(wb.clock_fixes(camera_id)) == 1
    assert (first.again, again.again) == ((), (first.segments[0].sha256,))


def test_a_stated_clock_moves_utc_and_carries_its_sigma(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    (segment,) = wb.ingest(clip, camera_id, START, clock_offset_s=-2.5, clock_sigma_s=0.4).segments
    assert wb.utc(segment, segment.first_pts) == (START - 2_500_000_000, 400_000_000)


def test_an_ingest_that_states_no_clock_replaces_no_statement(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    """Taking a folder in again would move its footage in time; so would a clock stated before."""
    stated = START + 42_000_000_000, 200_000_000
    (segment,) = wb.ingest(clip, camera_id, START, clock_offset_s=42, clock_sigma_s=0.2).segments
    wb.ingest(clip, camera_id, START)
    assert wb.utc(segment, segment.first_pts) == stated
    # but what is stated anew holds
    wb.ingest(clip, camera_id, START, clock_offset_s=0.0)
    assert wb.utc(segment, segment.first_pts) == (START, 1_000_000_000)
    assert [entry.action for entry in wb.audit()][-2:] == ["clock", "ingest"]


def test_a_clock_that_was_set_before_holds_for_what_is_taken_in_later(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    wb.fix_clock(ClockFix(camera_id, PERIOD, -7_000_000_000, 300_000_000, "operator"))
    (segment,) = wb.ingest(clip, camera_id, START).segments
    assert wb.utc(segment, segment.first_pts) == (START - 7_000_000_000, 300_000_000)


REFUSALS: dict[str, tuple[Purpose, str]] = {
    "no case": (Purpose("", "why"), "case"),
    "unknown case": (Purpose("HS-9", "why"), "HS-9"),
    "no reason": (Purpose("HS-1", "  "), "reason"),
}


@pytest.mark.parametrize(("purpose", "word"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize(
    "verb",
    [
        lambda wb, p, camera, sha: wb.sightings(p),
        lambda wb, p, camera, sha: wb.search_plate("99B1", p),
        lambda wb, p, camera, sha: wb.trace("99B1-123.45", p),
        lambda wb, p, camera, sha: wb.sighting("x", p),
        lambda wb, p, camera, sha: wb.still(sha, 9000, p),
        lambda wb, p, camera, sha: wb.frames(camera, PERIOD, p),
        lambda wb, p, camera, sha: wb.grant([camera], p),
    ],
    ids=["sightings", "search", "trace", "sighting", "still", "frames", "grant"],
)
def test_every_search_and_view_is_refused_without_case_or_reason(
    wb: Workbench,
    camera_id: str,
    clip: Path,
    verb: Callable[[Workbench, Purpose, str, str], object],
    purpose: Purpose,
    word: str,
) -> None:
    (segment,) = wb.ingest(clip, camera_id, START).segments
    with pytest.raises((Refused, BadInput), match=word):
        verb(wb, purpose, camera_id, segment.sha256)
    assert wb.audit()[-1].action.endswith(".refused")


def test_a_case_bounds_cameras_and_period(wb: Workbench, clip: Path) -> None:
    one, other = list(wb.ward.cameras)[:2]
    wb.open_case(replace(CASE, case_id="HS-2", cameras=(one,)))
    (segment,) = wb.ingest(clip, other, START).segments
    narrow = Purpose("HS-2", "only the first camera")
    with pytest.raises(Refused, match=other):
        wb.still(segment.sha256, segment.first_pts, narrow)
    late = Span(PERIOD.stop_ns, PERIOD.stop_ns + SECOND_NS)
    with pytest.raises(Refused):
        wb.frames(one, late, narrow)
    rows = [
        sighting_row(1, one, utc_ns=START, plate="99B1-123.45"),
        sighting_row(2, other, utc_ns=START, plate="99B1-123.45"),
        sighting_row(3, one, utc_ns=PERIOD.stop_ns + SECOND_NS, plate="99B1-123.45"),
    ]
    wb._store.append_sightings(sightings_table(rows))
    (hit,) = wb.search_plate("99B1-123.45", narrow)
    assert (hit.sightings, hit.cameras) == (1, (one,))
    assert len(wb.sightings(narrow)) == 1


def test_a_closed_case_ends_searches_and_grants(wb: Workbench, camera_id: str) -> None:
    token = wb.grant([camera_id], PURPOSE)
    assert wb.honour(token).covers(camera_id, START)
    wb.close_case("HS-1", "done")
    with pytest.raises(Refused, match="closed"):
        wb.search_plate("99", PURPOSE)
    with pytest.raises(Refused):
        wb.honour(token)


def test_a_grant_covers_what_it_says_until_it_expires(
    wb: Workbench, camera_id: str, clock: Clock
) -> None:
    inner = Span(START, START + SECOND_NS)
    token = wb.grant([camera_id], PURPOSE, span=inner)
    grant = wb.honour(token)
    assert grant.covers(camera_id, START)
    assert not grant.covers(camera_id, START + SECOND_NS)
    assert not grant.covers("another", START)
    for forged in (token[:-2] + "xx", "", "a.b", token.swapcase()):
        with pytest.raises(Refused):
            wb.honour(forged)
    clock.ns += 9 * 3600 * SECOND_NS
    with pytest.raises(Refused, match="ended"):
        wb.honour(token)


def test_a_grant_of_another_root_is_not_honoured(
    wb: Workbench, tmp_path: Path, ward_folder: Path, camera_id: str, clock: Clock
) -> None:
    elsewhere = open_workbench(tmp_path / "b", actor="thu", now=clock, create_from=ward_folder)
    elsewhere.open_case(CASE)
    with pytest.raises(Refused):
        wb.honour(elsewhere.grant([camera_id], PURPOSE))


def test_search_says_what_differs_and_trace_keeps_the_impossible_apart(wb: Workbench) -> None:
    cameras = [c.camera_id for c in wb.ward.cameras.values() if c.kind == "plate"]
    near, far = cameras[0], cameras[-1]
    way = wb.graph.between(near, far)
    assert way is not None
    slow, fast = round(way.fastest_s * 1.5), 1
    rows = [
        sighting_row(1, near, utc_ns=START, plate="99B1-123.45", sigma_s=0.1),
        sighting_row(2, far, utc_ns=START + slow * SECOND_NS, plate="99B1-123.45", sigma_s=0.1),
        sighting_row(
            3, near, utc_ns=START + (slow + fast) * SECOND_NS, plate="99B1-123.45", sigma_s=0.1
        ),
        sighting_row(4, near, utc_ns=START + 5 * SECOND_NS, plate="99B1-128.45"),
    ]
    wb._store.append_sightings(sightings_table(rows))
    exact, nearly = wb.search_plate("99b1 12345", PURPOSE)
    assert (exact.plate, exact.approximate, exact.sightings) == ("99B1-123.45", False, 3)
    assert nearly.approximate
    assert nearly.differences
    found = wb.trace("99B1-123.45", PURPOSE)
    assert len(found.sightings) == 3
    # typed as search takes it, it is the same plate: nothing found would read as not there
    assert wb.trace("99b1 12345", PURPOSE).sightings.equals(found.sightings)
    assert wb.trace("99B1-12", PURPOSE).sightings.empty
    assert "impossible" in set(found.legs["plausible"])
    for journey in found.journeys:
        assert "impossible" not in journey.legs["plausible"].to_pylist()


def test_verify_is_quiet_on_a_whole_root_and_names_an_altered_original(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    (segment,) = wb.ingest(clip, camera_id, START).segments
    assert wb.verify() == []
    original = wb.file(segment)
    original.chmod(0o644)
    data = bytearray(original.read_bytes())
    data[len(data) // 2] ^= 1
    original.write_bytes(data)
    original.chmod(0o444)
    assert any(segment.sha256[:12] in sentence for sentence in wb.verify())


def test_opening_footage_lazily_decodes_nothing(
    wb: Workbench, camera_id: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (segment,) = wb.ingest(clip, camera_id, START).segments

    def forbidden(*_args: object, **_words: object) -> np.ndarray:
        raise AssertionError("decoded")

    monkeypatch.setattr(archive.access.media, "decode", forbidden)
    cube = wb.frames(camera_id, wb.utc_span(segment), PURPOSE)
    assert cube.sizes["time"] == 60


def test_cases_cannot_be_taken_over(wb: Workbench) -> None:
    with pytest.raises(Refused, match="exists"):
        wb.open_case(replace(CASE, title="another"))
    with pytest.raises(BadInput):
        wb.open_case(replace(CASE, case_id="HS-3", legal_basis=""))
    with pytest.raises(BadInput):
        wb.open_case(replace(CASE, case_id="HS-4", cameras=("nowhere",)))
    assert [case.opened_by for case in wb.cases()] == ["thu"]


def test_a_fix_for_just_the_file_moves_its_end_too(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    (segment,) = wb.ingest(clip, camera_id, START, clock_offset_s=-2.0).segments
    span = wb.utc_span(segment)
    assert span.start_ns == START - 2 * SECOND_NS
    assert span.duration_ns == segment.stamped.duration_ns


def test_a_lost_original_comes_back_under_its_own_name(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    (segment,) = wb.ingest(clip, camera_id, START).segments
    wb.file(segment).unlink()
    assert wb.verify()
    wb.ingest(clip.rename(clip.with_suffix(".mov")), camera_id, START)
    assert wb.verify() == []


SIGMA_NS = 200_000_000


def clocks_of(wb: Workbench, segment: Segment) -> list[tuple[float, float]]:
    """Return the offset and sigma of the first, the second and the last frame, seconds."""
    pts = wb.frame_index(segment).pts
    told = [(int(p), wb.utc(segment, int(p))) for p in (pts[0], pts[1], pts[-1])]
    return [((utc - segment.stamped_ns(p)) / SECOND_NS, s / SECOND_NS) for p, (utc, s) in told]


def short_clip(path: Path, frames: int, wide: int) -> Path:
    make_clip(path, frames, rate=10, gop=10, size=(wide, 48))
    return path


def test_files_that_overlap_by_a_frame_are_right_to_a_second_to_their_ends(
    wb: Workbench, camera_id: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for k in range(3):
        short_clip(folder / f"c_20261120T0715{2 * k:02d}.mp4", 21, 64 + 16 * k)
    taken = wb.ingest(folder, camera_id, START).segments
    assert [clocks_of(wb, one) for one in taken] == [[(0, 1)] * 3] * 3
    assert all("taken to be right" in fix.note for fix in wb.clock_fixes(camera_id))


def test_a_clock_that_was_set_for_a_part_leaves_the_rest_of_a_file_right_to_a_second(
    wb: Workbench, camera_id: str, tmp_path: Path
) -> None:
    until = Span(START - 10**12, START + SECOND_NS)
    wb.fix_clock(ClockFix(camera_id, until, -7 * SECOND_NS, SIGMA_NS, "operator"))
    clip = short_clip(tmp_path / "a.mp4", 20, 64)
    (segment,) = wb.ingest(clip, camera_id, START).segments
    assert clocks_of(wb, segment) == [(-7, 0.2), (-7, 0.2), (0, 1)]


@pytest.mark.parametrize("late", [True, False])
def test_time_does_not_jump_where_the_statement_of_a_neighbouring_file_ends(
    wb: Workbench, camera_id: str, tmp_path: Path, late: bool
) -> None:
    stated, other = short_clip(tmp_path / "a.mp4", 21, 64), short_clip(tmp_path / "b.mp4", 21, 80)
    (known,) = wb.ingest(stated, camera_id, START, clock_offset_s=42, clock_sigma_s=0.2).segments
    start_ns = START + (2 if late else -2) * SECOND_NS
    (segment,) = wb.ingest(other, camera_id, start_ns).segments
    near = [(42, 0.2), (42, 1), (42, 1)]
    assert clocks_of(wb, segment) == (near if late else [(42, 1), (42, 1), (42, 0.2)])
    assert clocks_of(wb, known) == [(42, 0.2)] * 3


def test_a_clock_stated_taken_back_and_stated_again_holds(
    wb: Workbench, camera_id: str, clip: Path
) -> None:
    for offset_s in (42, 0, 42, 42):
        (segment,) = wb.ingest(clip, camera_id, START, clock_offset_s=offset_s).segments
        assert clocks_of(wb, segment) == [(offset_s, 1)] * 3
    assert len(wb.clock_fixes(camera_id)) == 3  # what holds already is not written again
    wb.fix_clock(ClockFix(camera_id, PERIOD, -7 * SECOND_NS, SIGMA_NS, "operator"))
    wb.ingest(clip, camera_id, START, clock_offset_s=42)
    assert clocks_of(wb, segment) == [(42, 1)] * 3


def test_a_sigma_without_an_offset_is_refused(wb: Workbench, camera_id: str, clip: Path) -> None:
    (segment,) = wb.ingest(clip, camera_id, START, clock_offset_s=42).segments
    with pytest.raises(BadInput, match="--clock-offset"):
        wb.ingest(clip, camera_id, START, clock_sigma_s=0.5)
    assert clocks_of(wb, segment) == [(42, 1)] * 3


def test_sightings_move_once_for_all_files_of_a_folder_and_the_log_says_so_once(
    wb: Workbench, camera_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for k in range(3):
        short_clip(folder / f"c_20261120T0715{2 * k:02d}.mp4", 20, 64 + 16 * k)
    first = wb.ingest(folder, camera_id, START).segments[0]
    row = sighting_row(1, camera_id, utc_ns=START, pts=first.first_pts)
    row["segment_sha256"] = first.sha256
    wb._store.append_sightings(sightings_table([row]))
    retimed: list[str] = []
    retime = wb._store.retime
    monkeypatch.setattr(wb._store, "retime", lambda one: retimed.append(one) or retime(one))
    wb.ingest(folder, camera_id, START, clock_offset_s=42)
    assert retimed == [camera_id]
    assert [entry.action for entry in wb.audit()].count("clock") == 1
    (moved,) = wb.sightings(PURPOSE)["utc"]
    assert moved.value == START + 42 * SECOND_NS


def test_a_trace_takes_every_spelling_of_the_plate_and_of_each_other_read(wb: Workbench) -> None:
    cameras = list(wb.ward.cameras)[:4]
    plates = ("99B1-123.45", "99B1-1234.5", "99C1-543.21", "99B1-123.46")
    rows = [
        sighting_row(n, camera, utc_ns=START + n * 10**11, plate=plate)
        for n, (camera, plate) in enumerate(zip(cameras, plates, strict=True))
    ]
    wb._store.append_sightings(sightings_table(rows))
    for asked in ("99b112345", "99B1-123.45"):
        assert list(wb.trace(asked, PURPOSE).sightings["plate"]) == list(plates[:2])
        for also in ("99c154321", "99C1-543.21"):
            found = wb.trace(asked, PURPOSE, also=(also,)).sightings
            assert list(found["plate"]) == list(plates[:3])
    assert wb.trace("-.", PURPOSE).sightings.empty
