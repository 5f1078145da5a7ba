"""The moment of a collision through the facade: two finders, one answer, leave and a log."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import numpy as np
import pytest
from make.crash_film import LAST_S, SIZE, STEP_S, TOUCH_S, film, passes, rider, stands

from workbench import media
from workbench.errors import Refused
from workbench.investigation import find_onsets, open_workbench
from workbench.investigation.onsets import SeenOnset, together_of
from workbench.media import ClipWriter
from workbench.records import Case, Purpose, Wording
from workbench.timeline import SECOND_NS, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
SPAN = Span(START_NS, START_NS + round(LAST_S * SECOND_NS))
CASE = Case("TN-9", "Va chạm", "QĐ 12", "làm rõ", SPAN)
WHY = Purpose("TN-9", "làm rõ")
CRASH, CALM = "S01-P1", "S02-P1"


@pytest.fixture(scope="module")
def house(tmp_path_factory, ward_folder):
    home = tmp_path_factory.mktemp("onsets")
    wb = open_workbench(home / "root", actor="lan", create_from=ward_folder)
    wb.open_case(CASE)
    for camera_id, way in ((CRASH, rider(110.0, 0.0)), (CALM, passes)):
        path = home / f"{camera_id}.mp4"
        ticks = Fraction(1, 100)
        with ClipWriter(path, *SIZE, time_base=ticks, gop=25, crf=20) as clip:
            for t, grey in film(stands, way):
                clip.write(np.repeat(grey[..., None], 3, axis=2), round(t / ticks))
        wb.ingest(path, camera_id, START_NS, clock_offset_s=0, clock_sigma_s=0.4)
    return wb


def test_a_collision_that_recognition_never_saw_is_marked_from_its_pictures(house):
    found = find_onsets(house, [CRASH, CALM], SPAN, WHY)
    (one,) = found.moments
    assert (one.camera_id, one.means) == (CRASH, "points")
    assert abs(one.at_ns - START_NS - TOUCH_S * SECOND_NS) <= SECOND_NS
    assert found.passes == 0
    assert found.pictures == 2 * round(LAST_S / STEP_S)
    assert found.unsure == ()
    assert not found.cancelled
    entry = house.audit()[-1]
    assert entry.action == "onset"
    told = json.loads(entry.details)
    assert (told["found"], told["pictures"]) == (1, found.pictures)
    assert find_onsets(house, [CRASH], SPAN, WHY, by=["boxes"]).pictures == 0


def test_it_ends_when_it_is_told_to(house):
    asked = iter(range(100))
    found = find_onsets(house, [CRASH, CALM], SPAN, WHY, cancelled=lambda: next(asked) >= 10)
    assert found.cancelled
    assert 0 < found.pictures <= 10
    assert json.loads(house.audit()[-1].details)["cancelled"] is True


def test_a_file_that_breaks_off_is_said_and_the_other_cameras_are_looked_at(house, monkeypatch):
    whole = media.decode

    def breaks(path, index, first, stop):
        for number, one in enumerate(whole(path, index, first, stop)):
            if number == 5 and path == house.file(house.segments([CALM])[0]):
                raise av.error.InvalidDataError(1, "broken")
            yield one

    monkeypatch.setattr(media, "decode", breaks)
    found = find_onsets(house, [CALM, CRASH], SPAN, WHY)
    assert [one.camera_id for one in found.moments] == [CRASH]
    (said,) = found.unsure
    assert said.sentence().startswith(f"{CALM}: a file of its footage cannot be decoded")
    assert found.pictures == 5 + round(LAST_S / STEP_S)


def test_pictures_outside_the_case_are_not_looked_at(house):
    later = Span(SPAN.stop_ns + SECOND_NS, SPAN.stop_ns + 2 * SECOND_NS)
    with pytest.raises(Refused):
        find_onsets(house, [CRASH], later, WHY)


def test_what_both_finders_tell_within_a_second_is_one_moment():
    def seen(at_s: float, score: float, means: str) -> SeenOnset:
        return SeenOnset(CRASH, round(at_s * SECOND_NS), score, Wording(means), means)

    boxed = [seen(5.0, 0.6, "boxes"), seen(20.0, 0.9, "boxes")]
    pointed = [seen(5.8, 0.8, "points"), seen(30.0, 0.7, "points")]
    found = together_of(boxed, pointed)
    assert [(one.at_ns / SECOND_NS, one.means) for one in found] == [
        (5.8, "both"), (20.0, "boxes"), (30.0, "points"),
    ]  # fmt: skip
    assert found[0].words == Wording("points")
