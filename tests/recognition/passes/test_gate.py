"""The gate: things are boxes, and light, shadow, leaves, shake and ghosts are not."""

from __future__ import annotations

import cv2
import numpy as np
from make.scenes import HEIGHT, RGB, WIDTH, Mover, draw, street

from workbench import optics
from workbench.recognition.passes.gate import Gate, commonest
from workbench.recognition.settings import Settings
from workbench.records import Box

CAR = Mover(0, 60, (20, 120), (300, 120))


def gate(pictures: list[RGB] | None = None) -> Gate:
    return Gate(Settings(), pictures or [draw(n, []) for n in range(9)], 1.0)


def test_a_mover_is_one_box_where_it_is() -> None:
    tested = gate()
    for n in range(5, 56, 5):
        found = tested.step(draw(n, [CAR]))
        assert len(found) == 1
        true = CAR.box(n)
        assert true is not None
        assert optics.iou(found[0], true) > 0.6


def test_boxes_are_in_frame_pixels() -> None:
    tested = Gate(Settings(), [draw(n, []) for n in range(9)], 4.0)
    (box,) = tested.step(draw(30, [CAR]))
    true = CAR.box(30)
    assert true is not None
    assert optics.iou(box, Box(true.x * 4, true.y * 4, true.w * 4, true.h * 4)) > 0.6


def test_what_moves_in_the_first_frame_is_seen() -> None:
    warm = [draw(n, [CAR]) for n in range(0, 60, 5)]
    found = gate(warm).step(draw(0, [CAR]))
    assert len(found) == 1


def test_noise_alone_is_nothing() -> None:
    tested = gate()
    assert not any(tested.step(draw(n, [], noise=4)) for n in range(100, 130))


def test_exposure_control_is_nothing_and_hides_nothing() -> None:
    tested = gate()
    for n in range(40):
        gain = 1 + 0.3 * np.sin(n / 5)
        dimmed = np.clip(draw(n, []) * gain, 0, 255).astype(np.uint8)
        assert tested.step(dimmed) == []
    bright = np.clip(draw(30, [CAR]) * 1.2, 0, 255).astype(np.uint8)
    assert len(tested.step(bright)) == 1


def test_dark_vehicles_do_not_pass_for_the_cameras_exposure() -> None:
    # All that is dark before this road is a vehicle. A curve read from it lifts the road's own dark
    # stones as well, and a road without its stones is the background of nothing that is seen.
    rng = np.random.default_rng(7)
    stones = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)), (0, 0), 1.5)
    road = 105 + 12 * stones / stones.std()

    def seen(dark_at: int | None) -> RGB:
        picture = road + rng.normal(0, 6, road.shape)
        if dark_at is not None:
            picture[20:110, dark_at : dark_at + 60] = 50 + rng.normal(0, 6, (90, 60))
        return np.clip(np.repeat(picture[..., None], 3, axis=2), 0, 255).astype(np.uint8)

    tested = gate([seen(5 + 27 * n) for n in range(9)])
    assert not any(tested.step(seen(None)) for _ in range(20))
    assert len(tested.step(seen(130))) == 1


def test_a_lorry_that_fills_most_of_the_picture_is_no_exposure() -> None:
    tested = gate()
    for n in range(5):
        tested.step(draw(n, []))
    for grey in (40, 215):
        picture = draw(9, [])
        picture[:, : round(0.6 * WIDTH)] = grey
        (box,) = tested.step(picture)
        assert abs(box.x + box.w - 0.6 * WIDTH) < 0.06 * WIDTH


def test_a_lamp_switched_on_for_good_is_learned_at_once() -> None:
    tested = gate()
    for n in range(5):
        tested.step(draw(n, []))
    other = street(seed=9)  # the view itself has changed: camera turned
    boxes = [tested.step(draw(n, [], background=other)) for n in range(5, 15)]
    assert boxes[-1] == []


def test_the_plain_side_of_a_bus_before_the_lens_is_not_the_background() -> None:
    tested = gate()
    plain = draw(0, [])
    plain[: HEIGHT - 12] = (36, 104, 84)  # the burnt-in text below stays
    bus = [Box(0, 0, WIDTH, HEIGHT - 12)]
    assert all(tested.step(plain, bus) for _ in range(30))
    assert tested.step(draw(30, [])) == []


def test_a_bare_shadow_is_no_thing() -> None:
    tested = gate()
    for n in range(0, 40, 2):
        picture = draw(n, []).astype(np.float32)
        shade = np.ones((HEIGHT, WIDTH, 1), np.float32)
        cv2.ellipse(shade, (60 + 5 * n, 120), (40, 18), 0, 0, 360, 0.6, -1)
        shade = cv2.GaussianBlur(shade, (0, 0), 2)[..., None]
        assert tested.step((picture * shade).astype(np.uint8)) == []


def test_shake_is_no_thing() -> None:
    tested = gate()
    rng = np.random.default_rng(3)
    boxes = []
    for n in range(30):
        dx, dy = rng.integers(-4, 5, 2)
        shaken = np.roll(draw(n, []), (dy, dx), axis=(0, 1))
        # The border that rolls in is not of this scene.
        boxes += [b for b in tested.step(shaken) if b.x > 8 and b.x + b.w < WIDTH - 8]
    assert len(boxes) <= 2


def test_something_held_is_still_there_after_a_minute_and_something_dropped_is_not() -> None:
    parked = Mover(0, 10_000, (160, 120), (160, 120))
    held, dropped = gate(), gate()
    true = parked.box(0)
    assert true is not None
    for n in range(300):
        still = held.step(draw(n, [parked]), [true])
        gone = dropped.step(draw(n, [parked]))
    assert len(still) == 1
    assert gone == []


def test_the_hole_left_by_what_drove_away_is_laid() -> None:
    parked = Mover(0, 10_000, (160, 120), (160, 120))
    tested = gate([draw(n, [parked]) for n in range(9)])
    found = [tested.step(draw(n, [])) for n in range(20)]
    assert len(found[0]) >= 1  # at first nobody can know
    assert found[-1] == []


def test_the_commonest_picture_is_never_a_blend() -> None:
    pictures = [np.full((8, 8, 3), v, np.uint8) for v in (10, 11, 12, 100, 200, 201)]
    assert int(commonest(pictures, 8).max()) <= 12
