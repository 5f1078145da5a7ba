"""Checks of health: each planted fault is found, and what only passes by is not one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from make import scenes

from workbench.errors import BadInput
from workbench.streams import faults as judge
from workbench.streams.drill import DrawnCamera, PictureFault, referred, simulate_day, spoil
from workbench.streams.faults import FAULT_TEXT, PICTURE_FAULTS, Fault, HealthSettings
from workbench.streams.health import CameraHealth, HealthCheck, Seen
from workbench.streams.health_table import CAUSES, health_dataset, health_report
from workbench.streams.pictures import Grey, make_reference, measure
from workbench.timeline import SECOND_NS, Span

STEP_S = 5
FAULTS: tuple[PictureFault, ...] = (
    "frozen", "dark", "overexposed", "blurred", "covered", "moved",
)  # fmt: skip


def seen(n: int, picture: Grey | None, **more: object) -> Seen:
    """Return what a camera in good order sends in its n-th five seconds."""
    at_ns = n * STEP_S * SECOND_NS
    usual = {"packets": 75, "size_bytes": 1_250_000, "lost_share": 0.0}
    return Seen(at_ns, STEP_S, picture=picture, picture_ns=at_ns, **{**usual, **more})  # type: ignore[arg-type]


def drawn(n: int, movers: Sequence[scenes.Mover] = ()) -> Grey:
    """Return the n-th picture of a drawn street, grey, with noise."""
    return np.asarray(cv2.cvtColor(scenes.draw(n, movers), cv2.COLOR_RGB2GRAY))


@pytest.fixture
def street() -> CameraHealth:
    """A drawn street with both references, seen twice."""
    lumas = [drawn(n) for n in range(8)]
    health = CameraHealth("C1")
    health.refer(make_reference("day", lumas, 0, fps=15, kbit_s=2000))
    health.refer(make_reference("night", [luma // 3 + 5 for luma in lumas], 0, fps=15, kbit_s=900))
    for n in (100, 101):
        assert health.check(seen(n, drawn(n))).faults == ()
    return health


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_picture_is_found_in_two_checks_and_ends(
    street: CameraHealth, fault: PictureFault
) -> None:
    rng = np.random.default_rng(1)
    found = []
    for n in range(102, 108):
        picture = spoil(drawn(n), fault, rng, frozen=drawn(102))
        found.append(street.check(seen(n, picture)).faults)
    assert (fault,) in found[:2]
    assert all(one == (fault,) for one in found[2:])
    after = [street.check(seen(n, drawn(n))).faults for n in range(108, 112)]
    assert after[2:] == [(), ()]


@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("no frames", {"packets": 0, "size_bytes": 0}),
        ("low rate", {"packets": 30}),
        ("low bitrate", {"size_bytes": 60_000}),
        ("loss", {"lost_share": 5 / 80}),
        ("clock offset", {"clock_offset_s": 7.0}),
    ],
)
def test_each_fault_of_the_stream_is_found_in_two_checks(
    street: CameraHealth, fault: Fault, more: dict[str, object]
) -> None:
    found = [street.check(seen(n, drawn(n), **more)) for n in (102, 103)]
    assert fault in found[1].faults
    assert set(found[1].faults) <= {fault}


def test_a_clock_step_is_found_at_once_and_the_offset_after_it(street: CameraHealth) -> None:
    offsets = [0.3, 0.2, 3600.2, 3600.3]
    found = [
        street.check(seen(102 + n, drawn(n), clock_offset_s=offset)).faults
        for n, offset in enumerate(offsets)
    ]
    assert found == [(), (), ("clock step",), ("clock offset", "clock step")]


def test_a_movement_is_told_in_px_and_degrees(street: CameraHealth) -> None:
    for n in (102, 103):
        luma = drawn(n)
        turn = cv2.getRotationMatrix2D((160, 96), 5.0, 1.0)
        turn[:, 2] += (12, -8)
        moved = np.asarray(cv2.warpAffine(luma, turn, (320, 192), borderMode=cv2.BORDER_REFLECT))
        check = street.check(seen(n, moved))
    assert check.faults == ("moved",)
    assert check.shift_px == pytest.approx(math.hypot(12, 8), abs=1.5)
    assert check.rotation_deg == pytest.approx(-5.0, abs=0.7)
    text = FAULT_TEXT["moved"].format(**check.fields())
    assert text.startswith("the view has moved: 1")


@pytest.mark.parametrize("zoom", [0.9, 1.12])
def test_a_zoom_is_a_movement(street: CameraHealth, zoom: float) -> None:
    for n in (102, 103):
        scale = cv2.getRotationMatrix2D((160, 96), 0.0, zoom)
        check = street.check(seen(n, np.asarray(cv2.warpAffine(drawn(n), scale, (320, 192)))))
    assert check.faults == ("moved",)
    assert check.zoom == pytest.approx(zoom, abs=0.02)


def test_a_still_street_with_a_running_clock_is_not_frozen() -> None:
    """Only the noise and the clock change; with the noise gone, only the clock."""
    still = drawn(0)
    rng = np.random.default_rng(3)

    def with_clock(luma: Grey, n: int, y: int) -> Grey:
        return np.asarray(cv2.putText(luma.copy(), f"07:15:{n:02d}", (4, y), 0, 0.5, 255, 1))

    def noisy(n: int) -> Grey:
        luma = still + rng.normal(0, 0.7, still.shape)
        return with_clock(np.clip(luma, 0, 255).astype(np.uint8), n, 12)

    health = CameraHealth("C1", [make_reference("day", [noisy(n) for n in range(6)], 0)])
    assert all("frozen" not in health.check(seen(n, noisy(n))).faults for n in range(40))
    base = noisy(0)
    frozen = [health.check(seen(n, with_clock(base, n % 60, 12))).faults for n in range(50, 53)]
    assert frozen[1] == ("frozen",)
    # a clock that is not along an edge changes a few tiles only
    health = CameraHealth("C1", [make_reference("day", [noisy(n) for n in range(6)], 0)])
    frozen = [health.check(seen(n, with_clock(base, n % 60, 90))).faults for n in range(50, 53)]
    assert frozen[1] == ("frozen",)


def test_without_known_noise_a_frozen_picture_takes_longer() -> None:
    health = CameraHealth("C1", [make_reference("day", [drawn(0)], 0)])
    found = [health.check(seen(n, drawn(0))).faults for n in range(30)]
    assert found[2] == ()
    assert found[-1] == ("frozen",)


def test_a_bus_that_stands_before_the_lens_for_ten_seconds_is_no_fault(
    street: CameraHealth,
) -> None:
    bus = scenes.Mover(0, 999, (160, 96), (162, 96), size=(420, 240), colour=(190, 190, 180))
    checks = [street.check(seen(n, drawn(n, [bus]))) for n in (102, 103, 104)]
    assert [one.faults for one in checks] == [(), (), ()]


def test_a_bag_that_the_street_shines_through_covers_the_view(street: CameraHealth) -> None:
    rng, found = np.random.default_rng(4), []
    for n in (102, 103):
        luma = 0.04 * drawn(n) + 60
        noisy = np.rint(luma + rng.normal(0, 1, luma.shape)).astype(np.uint8)
        found.append(street.check(seen(n, noisy)).faults)
    assert found == [(), ("covered",)]


def test_haze_covers_nothing(street: CameraHealth) -> None:
    checks = [street.check(seen(n, (0.25 * drawn(n) + 120).astype(np.uint8))) for n in (102, 103)]
    assert "covered" not in checks[-1].faults


def test_half_a_view_covered_takes_longer_than_a_lorry(street: CameraHealth) -> None:
    found = []
    for n in range(102, 140):
        luma = drawn(n)
        luma[:, :200] = np.random.default_rng(n).normal(70, 1, (192, 200)).astype(np.uint8)
        found.append(street.check(seen(n, luma)).faults)
    assert found[:5] == [()] * 5
    assert found[-1] == ("covered",)


def test_nothing_is_learnt_unless_somebody_says_so() -> None:
    health = CameraHealth("C1")
    for n in range(20):
        check = health.check(seen(n, drawn(n)))
    assert {"blurred", "covered", "moved", "low rate"} <= set(check.unknown)
    proposed = health.propose("day", fps=15)
    assert health.references == ()
    health.refer(proposed)
    assert health.references == (proposed,)
    assert "moved" not in health.check(seen(21, drawn(21))).unknown


def test_a_lost_camera_says_nothing_of_its_picture(street: CameraHealth) -> None:
    rng = np.random.default_rng(0)
    for n in (102, 103):
        street.check(seen(n, spoil(drawn(n), "dark", rng)))
    lost = street.check(Seen(104 * 5 * SECOND_NS, 5, connected=False, loss_cause="stalled"))
    assert (lost.connected, lost.cause, lost.faults) == (False, "stalled", ())
    assert set(PICTURE_FAULTS) <= set(lost.unknown)
    assert street.check(seen(105, drawn(105))).faults == ()


def test_hysteresis_keeps_a_fault_between_the_borders(street: CameraHealth) -> None:
    def loss(n: int, lost: int) -> tuple[Fault, ...]:
        return street.check(seen(n, None, packets=1000, lost_share=lost / (1000 + lost))).faults

    assert [loss(n, 30) for n in (102, 103)] == [("loss",)] * 2
    assert [loss(n, 18) for n in range(104, 110)] == [("loss",)] * 6
    assert [loss(n, 2) for n in (110, 111)] == [("loss",), ()]


def test_the_same_pictures_give_the_same_checks() -> None:
    camera = DrawnCamera(5)
    runs = []
    for _ in range(2):
        health = referred(camera)
        run = [health.check(seen(n, camera.picture(60_000 + 5.0 * n))) for n in range(4)]
        runs.append([str(one) for one in run])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("seed", [1, 501])
def test_a_day_and_a_night_without_false_alarms(seed: int) -> None:
    """Coarse and few. Both seeds were looked at when the rule for the dark was made."""
    result = simulate_day(cameras=2, step_s=450, seed=seed)
    print(f"{result.checks} checks, {result.per_camera} false alarms a camera")
    assert result.worst <= 1


def test_the_drill_can_alarm() -> None:
    """With careless thresholds the same day is full of alarms: the drill is not made of calm."""
    careless = HealthSettings(moved_px=0.4, blurred_sharpness=0.97, overexposed_checks=1)
    assert simulate_day(cameras=1, step_s=600, settings=careless).worst > 1


@pytest.mark.parametrize("at_s", [43_200, 3_600], ids=["noon", "night"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_drawn_days_are_found(fault: PictureFault, at_s: int) -> None:
    late = Counter[str]()
    for seed in range(701, 705):
        camera, rng = DrawnCamera(seed), np.random.default_rng(seed)
        health, frozen = referred(camera), camera.picture(at_s + 10.0)
        for n in range(2):
            health.check(seen(n, camera.picture(at_s + 5.0 * n)))
        for n in (2, 3):
            picture = spoil(camera.picture(at_s + 5.0 * n), fault, rng, frozen=frozen)
            check = health.check(seen(n, picture))
        late["found" if fault in check.faults else f"{seed}: {check.faults}"] += 1
    assert late == {"found": 4}


# Real footage


def clip(path: Path, every: int) -> list[Grey]:
    """Return every n-th frame of a clip as the recorder's small grey pictures."""
    pictures = []
    with av.open(str(path)) as container:
        for n, frame in enumerate(container.decode(video=0)):
            if n % every == 0:
                height = round(320 * frame.height / frame.width)
                small = frame.reformat(width=320, height=height, format="gray")
                pictures.append(small.to_ndarray())
    return pictures


CLIPS = {
    "opencv_vtest/vtest.avi": 10,
    "intel_video/one-by-one-person-detection.mp4": 16,
    "intel_video/car-detection.mp4": 8,
}


@pytest.fixture(scope="module", params=CLIPS)
def film(request: pytest.FixtureRequest, footage: Path) -> list[Grey]:
    return clip(footage / request.param, CLIPS[request.param])


def film_health(film: list[Grey]) -> CameraHealth:
    health = CameraHealth("C1")
    health.refer(make_reference("day", film[:10], 0, fps=15, kbit_s=2000))
    health.refer(make_reference("night", film[:10], 0, fps=15, kbit_s=2000))
    return health


@pytest.mark.footage
def test_no_alarm_over_a_whole_clip(film: list[Grey]) -> None:
    """One clip's camera really drifts by 4 px of these pictures: less than what is told."""
    health = film_health(film)
    alarms = Counter(
        fault for n, luma in enumerate(film) for fault in health.check(seen(n, luma)).faults
    )
    assert not alarms


Injector = Callable[[int, Grey, Grey], Seen]


def injectors() -> dict[Fault, Injector]:
    """Return the eight faults as they show: some in the picture, some in what arrives."""
    rng = np.random.default_rng(11)

    def pictured(fault: PictureFault) -> Injector:
        return lambda n, luma, first: seen(n, spoil(luma, fault, rng, frozen=first))

    found: dict[Fault, Injector] = {
        "no frames": lambda n, _luma, _first: seen(n, None, packets=0, size_bytes=0),
        "clock step": lambda n, luma, _first: seen(n, luma, clock_offset_s=90.0),
        "loss": lambda n, luma, _first: seen(n, luma, packets=60, lost_share=0.2),
    }
    for fault in ("frozen", "dark", "covered", "blurred", "moved"):
        found[fault] = pictured(fault)  # type: ignore[arg-type, index]
    return found


@pytest.mark.footage
def test_eight_faults_in_real_frames_are_found_in_two_checks(film: list[Grey]) -> None:
    reference = film_health(film).references
    missed: Counter[str] = Counter()
    tried = 0
    for fault, inject in injectors().items():
        for start in range(12, len(film) - 2, max(1, (len(film) - 14) // 6)):
            health = CameraHealth("C1", reference)
            for n in (start - 2, start - 1):
                health.check(seen(n, film[n], clock_offset_s=0.1))
            checks = [health.check(inject(n, film[n], film[start])) for n in (start, start + 1)]
            tried += 1
            missed[fault] += not any(fault in one.faults for one in checks)
    print(f"{tried} faults, missed: {dict(missed)}")
    # bare asphalt filmed from above has so little to blur that once nothing can be said
    assert missed["blurred"] <= (1 if film[0].mean() < 140 and film[0].std() < 25 else 0)
    assert missed.total() == missed["blurred"]


# The table


def check(camera: str, at_s: float, **more: object) -> HealthCheck:
    return HealthCheck(camera, round(at_s * SECOND_NS), **{"connected": True, **more})  # type: ignore[arg-type]


def test_the_table_holds_what_was_checked_and_nan_elsewhere() -> None:
    data = health_dataset(
        [
            check("A", 0, fps=15.0, faults=("frozen",)),
            check("A", 5, unknown=("frozen", "moved")),
            check("B", 6, connected=False, cause="stalled", unknown=PICTURE_FAULTS),
        ]
    )
    assert data.sizes == {"camera": 2, "time": 2}
    assert data["time"].dtype == "datetime64[ns]"
    assert data["fps"].attrs["units"] == "frames/s"
    assert data["frozen"].sel(camera="A").values.tolist() == [
        1.0,
        pytest.approx(math.nan, nan_ok=True),
    ]
    assert data["dark"].sel(camera="A").values.tolist() == [0.0, 0.0]
    assert data["cause"].sel(camera="B").values.tolist() == ["", "stalled"]
    assert np.isnan(data["connected"].sel(camera="B").values[0])
    assert set(judge.PICTURE_FAULTS) <= set(data.data_vars)


def test_a_report_adds_up_to_the_period() -> None:
    checks = [check("A", 5 * n, fps=14.0, kbit_s=2000.0) for n in range(60)]
    checks += [check("A", 300 + 5 * n, connected=False, cause="stalled") for n in range(24)]
    checks += [check("A", 420 + 5 * n, fps=12.0, kbit_s=1000.0) for n in range(24)]
    # then nobody looked for a minute, which is no uptime
    data = health_dataset(checks)
    report = health_report(data, Span(0, 600 * SECOND_NS)).isel(camera=0, time=0)
    assert float(report["uptime_share"]) == pytest.approx(0.7)
    assert float(report["checked_share"]) == pytest.approx(0.9)
    assert float(report["gap_s"].sel(cause="stalled")) == pytest.approx(120)
    assert float(report["gap_s"].sel(cause="not checked")) == pytest.approx(60)
    assert float(report["gap_s"].sum()) + 600 * float(report["uptime_share"]) == pytest.approx(600)
    assert float(report["fps"]) == pytest.approx((300 * 14 + 120 * 12) / 420)
    assert report["gap_s"].attrs["units"] == "s"
    parts = health_report(data, Span(0, 600 * SECOND_NS), every_s=250).isel(camera=0)
    assert parts["uptime_share"].values.tolist() == pytest.approx([1.0, 130 / 250, 40 / 100])
    assert float(parts["gap_s"].sel(cause="stalled").sum()) == pytest.approx(120)


def test_cameras_checked_at_their_own_pace_are_not_called_unchecked() -> None:
    checks = [check("A", 5.2 * n) for n in range(100)] + [check("B", 4.9 * n) for n in range(104)]
    report = health_report(health_dataset(checks), Span(0, 500 * SECOND_NS))
    assert report["uptime_share"].values.ravel().tolist() == pytest.approx([1, 1], abs=0.01)


def test_a_report_on_nothing_is_all_unchecked() -> None:
    report = health_report(health_dataset([], cameras=["A"]), Span(0, 60 * SECOND_NS))
    assert float(report["gap_s"].sel(cause="not checked").item()) == 60
    assert float(report["uptime_share"].item()) == 0
    assert report["cause"].values.tolist() == list(CAUSES)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(BadInput):
        measure(np.zeros((20, 20), np.uint8), 0)
    with pytest.raises(BadInput):
        make_reference("day", [], 0)
    with pytest.raises(BadInput):
        health_dataset([], step_s=0)
    with pytest.raises(BadInput):
        health_report(health_dataset([check("A", 0)]), Span(0, 0))
    assert replace(HealthSettings(), moved_px=9.0).moved_px == 9.0
