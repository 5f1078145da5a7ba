"""The picture of a pass: what the detector draws counts, not all that moves around it."""

from __future__ import annotations

from collections.abc import Callable

import av
import numpy as np

from workbench import media
from workbench.recognition.passes.best_picture import best_picture
from workbench.recognition.passes.rows import Pass
from workbench.recognition.passes.track import Observation, Still, Track
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB, Detection
from workbench.records import Box

S = Settings()
WIDTH, HEIGHT = 640, 360
Scene = dict[int, list[Detection]]


def still(n: int, region: Box, *, quality: float | None = None, shared: bool = False) -> Still:
    """Return a frame whose pixels tell its number, so that :func:`detector` knows it again."""
    picture = np.full((HEIGHT, WIDTH, 3), n, np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    at = Observation(n, n * 100, n / 10, region, shared)
    cut = region.x < 3 or region.x + region.w > WIDTH - 3 or region.y + region.h > HEIGHT - 3
    worth = region.w * region.h * (S.cut_penalty if cut else 1.0)
    part = media.cut(frame, (0, 0, WIDTH, HEIGHT))
    return Still(at, worth if quality is None else quality, worth, 1.0, cut, part)


def detector(scene: Scene, asked: list[int]) -> Callable[[RGB], list[Detection]]:
    """Stand where the detector does, with known answers for each frame."""

    def detect(picture: RGB) -> list[Detection]:
        asked.append(int(picture[0, 0, 0]))
        return scene.get(asked[-1], [])

    return detect


def chosen(stills: list[Still], scene: Scene, kind: str = "person") -> tuple[int, Box] | None:
    asked: list[int] = []
    at = best_picture(stills, kind, detector(scene, asked), WIDTH, HEIGHT, S)
    assert len(asked) <= S.picture_looks
    assert len(set(asked)) == len(asked)
    return None if at is None else (at.number, at.box)


def person(x: float, y: float, h: float, kind: str = "person") -> Detection:
    return Detection(Box(x, y, h / 3, h), kind, 0.9)


def test_a_region_that_holds_two_is_no_better_picture_for_being_larger() -> None:
    alone, two = person(300, 100, 120), [person(80, 100, 60), person(105, 95, 60)]
    stills = [still(10, Box(78, 90, 100, 90)), still(40, Box(298, 98, 46, 124))]
    assert chosen(stills, {10: two, 40: [alone]}) == (40, alone.box)


def test_what_nothing_is_drawn_in_stays_as_it_was() -> None:
    assert chosen([still(10, Box(78, 90, 100, 90))], {}) is None


def test_of_two_kinds_in_a_region_the_one_it_is_called_is_its_own() -> None:
    car, walker = Detection(Box(100, 110, 140, 70), "car", 0.8), person(240, 100, 90)
    stills = [still(10, Box(98, 98, 175, 94))]
    assert chosen(stills, {10: [walker, car]}, "car") == (10, car.box)
    assert chosen(stills, {10: [walker, car]}, "person") == (10, walker.box)


def test_a_shadow_at_the_border_cuts_nobody() -> None:
    nearer, further = Box(300, 180, 120, 180), Box(310, 170, 110, 165)
    walker = Detection(Box(300, 180, 60, 150), "person", 0.9)
    scene = {10: [walker], 14: [Detection(Box(310, 170, 55, 130), "person", 0.9)]}
    assert chosen([still(10, nearer), still(14, further)], scene) == (10, walker.box)
    # with feet at the border it is cut
    low = Detection(Box(300, 180, 60, 178), "person", 0.9)
    found = chosen([still(10, nearer), still(14, further)], {**scene, 10: [low]})
    assert found == (14, scene[14][0].box)


def test_what_is_drawn_at_one_look_tells_of_the_frames_around_it() -> None:
    """A shadow as wide as its walker goes along with him: one look is enough for all frames."""
    regions = {n: Box(50 + 10.0 * n, 100, 60 + n, 100 + n) for n in range(8)}
    scene = {n: [Detection(Box(b.x, b.y, b.w / 2, b.h), "person", 0.9)] for n, b in regions.items()}
    asked: list[int] = []
    stills = [still(n, box) for n, box in regions.items()]
    at = best_picture(stills, "person", detector(scene, asked), WIDTH, HEIGHT, S)
    assert at is not None
    assert (at.number, at.box) == (7, scene[7][0].box)
    assert asked == [7]


def test_a_rider_is_drawn_with_what_he_rides() -> None:
    stills = [still(10, Box(98, 90, 64, 130))]
    bike, rider = Detection(Box(100, 140, 60, 80), "motorcycle", 0.8), person(110, 92, 90)
    assert chosen(stills, {10: [rider, bike]}, "motorcycle") == (10, Box(100, 92, 60, 128))
    # of a rider drawn alone, the region below him belongs to the pass
    assert chosen(stills, {10: [rider]}, "motorcycle") == (10, Box(110, 92, 30, 128))


def test_what_fills_the_frame_is_left_to_its_motion() -> None:
    asked: list[int] = []
    stills = [still(10, Box(100, 10, 300, 340), quality=1e6)]
    assert best_picture(stills, "car", detector({}, asked), WIDTH, HEIGHT, S) is None
    assert asked == []


def test_frames_at_which_a_thing_comes_to_the_border_are_kept() -> None:
    """Going out to the right it touches the border from frame 5 on; coming in, until frame 2."""
    rights = {n: min(560.0 + 16 * n, WIDTH) for n in range(9)}
    out = Track.begin(Observation(0, 0, 0.0, Box(rights[0] - 60, 100, 60, 100)))
    for n, right in rights.items():
        region = Box(right - 60, 100, 60, 100)
        if n:
            out.add(Observation(n, n * 100, n / 10, region))
        out.come_to_edge(still(n, region), S.edge_pictures)
    assert [one.at.number for one in out.edges] == [5]
    back = Track.begin(Observation(0, 0, 0.0, Box(rights[8] - 60, 100, 60, 100)))
    for n, right in enumerate(reversed(rights.values())):
        region = Box(right - 60, 100, 60, 100)
        if n:
            back.add(Observation(n, n * 100, n / 10, region))
        back.come_to_edge(still(n, region), S.edge_pictures)
    assert [one.at.number for one in back.edges] == [3]
    # and they stand among the pictures of the pass
    back.stills = {0: still(8, back.last.box)}
    one = Pass.of_track(back, S)
    assert [picture.at.number for picture in one.pictures] == [3, 8]
    assert [kept.at.number for kept in one.stills] == [8]


def test_no_more_than_a_few_frames_at_the_border_are_kept() -> None:
    track = Track.begin(Observation(0, 0, 0.0, Box(500, 100, 60, 100)))
    for n in range(1, 40):
        region = Box(580.0 if n % 2 else 500.0, 100, 60, 100 + n)
        track.add(Observation(n, n * 100, n / 10, region))
        track.come_to_edge(still(n, region), S.edge_pictures)
    assert len(track.edges) == S.edge_pictures
