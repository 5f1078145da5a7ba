"""What one small grey picture shows, alone and beside its reference: measured, never judged.

A picture is uint8 (y, x), some 320 px wide. Its upper and lower edges carry burnt-in clocks and
names; they are cut off before anything is measured. The rest is seen as tiles, so that what passes
through the view changes some of them and what happens to the camera changes all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput

Grey = NDArray[np.uint8]
Map = NDArray[np.float32]
Light = Literal["day", "night"]
LIGHTS: tuple[Light, ...] = get_args(Light)

TILE_PX = 20
STRIP = 0.08
"""Share of the height, at the top and at the bottom, that burnt-in text may take."""
_TEXTURE = 1.0
"""Grey levels of smoothed contrast from which a tile of a reference has something to lose."""
_TEXTURE_IN_NOISE = 1.2
"""The same in sigmas of pixel noise, of which smoothing leaves a quarter."""
_NOISE_IN_DETAIL = 0.25
"""What smoothing leaves of pixel noise."""
_VEILED, _VEILED_TILES = 0.16, 0.7
"""Share of the reference's contrast, for the light there is, below which the view is gone; and of
the tiles that must have lost as much: a bus fills most of a view."""
_ALIKE = 0.6
"""Correlation from which two smoothed tiles show the same thing."""
_MARKS, _MARK_PX, _REACH_PX = 60, 10, 6
_MARK_ALIKE = 0.45
_FEWEST_MARKS = 8
_FEWEST_TILES = 6
_FIT_PX = 1.5
_TURNS_DEG = tuple(range(-15, 16, 3))
_ZOOMS = (0.8, 0.87, 0.94, 1.0, 1.06, 1.15, 1.25)
_HALF, _BLUR = 2, 1.5
_CANDIDATES = 8
_SETTLED = 0.35
"""Share of marks at their place from which nothing else has to be tried."""
_CLIPPED = (4, 251)
_SHINING = 245


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A small picture and what is measured of it alone.

    ``body`` is float32 (y, x) without the strips of burnt-in text; maps of tiles are (rows,
    columns). ``fine`` is the share of the picture's structure that is as fine as it can show
    (0..1, falls with blur, not with light); NaN where a tile has no structure.
    """

    at_ns: int
    body: Map = field(repr=False)
    smooth: Map = field(repr=False)
    shape: Map = field(repr=False)
    edges: Map = field(repr=False)
    detail: Map = field(repr=False)
    fine: Map = field(repr=False)
    brightness: float
    contrast: float
    noise: float
    bright_edge: float
    shining: float


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What a camera shows when all is well, in one light; made and set by an explicit act.

    ``marks`` are corners, int (n, 2) as x, y in px of the body. ``flicker`` is how much a tile
    changes between two pictures of a still street, in grey levels (sensor noise and coding); None
    when made of one picture. ``fps`` and ``kbit_s`` are what the stream should carry, None where
    nobody has said.
    """

    light: Light
    at_ns: int
    luma: Grey = field(repr=False)
    picture: Picture = field(repr=False)
    textured: NDArray[np.bool_] = field(repr=False)
    marks: NDArray[np.int64] = field(repr=False)
    sharpness: float
    flicker: float | None
    fps: float | None = None
    kbit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Registration:
    """How the view lies beside its reference: shift in px of the small picture, at its centre.

    ``share`` is the part of the marks that fits, 0..1. ``rotation_deg`` is positive when the scene
    turned clockwise on screen; ``zoom`` above 1 when it grew. ``found`` is False where no one
    movement explains the picture: then the numbers say nothing.
    """

    found: bool
    share: float
    shift_x_px: float = 0.0
    shift_y_px: float = 0.0
    rotation_deg: float = 0.0
    zoom: float = 1.0

    @property
    def shift_px(self) -> float:
        """Length of the shift; NaN where none was found."""
        return float(np.hypot(self.shift_x_px, self.shift_y_px)) if self.found else float("nan")


def measure(luma: Grey, at_ns: int) -> Picture:
    """Return what a picture shows on its own.

    Parameters
    ----------
    luma
        Grey levels, uint8 (y, x); at least 60 px each way.
    at_ns
        When it was taken, UTC.

    Raises
    ------
    BadInput
        When it is no such picture.
    """
    if luma.dtype != np.uint8 or luma.ndim != 2 or min(luma.shape) < 3 * TILE_PX:
        raise BadInput(
            N_("a picture for health must be grey and at least 60 px each way"),
            where=f"{luma.dtype} {luma.shape}",
        )
    strip = round(STRIP * luma.shape[0])
    cut = luma[strip : luma.shape[0] - strip]
    body = cut.astype(np.float32)
    smooth = cv2.GaussianBlur(body, (0, 0), 1.0)
    soft = cv2.GaussianBlur(smooth, (0, 0), 3.0)
    # without what is larger than a tile: neither the sun's slope nor a hand's is a resemblance
    slope = cv2.GaussianBlur(soft, (0, 0), 8.0)
    noise = _noise(body)
    # what is finer than 1 px beside what is finer than 3: light and contrast cancel out
    fine = np.maximum(_tiles((body - smooth) ** 2) - (0.92 * noise) ** 2, 0)
    middle = np.maximum(_tiles((smooth - soft) ** 2) - 0.07 * noise**2, 1e-6)
    ratio = np.where(middle > max(0.3, 0.15 * noise**2), np.sqrt(fine / middle), np.nan)
    return Picture(
        at_ns=at_ns,
        body=body,
        smooth=smooth,
        shape=soft - slope,
        edges=_edges(cv2.GaussianBlur(smooth, (0, 0), 1.0)),
        detail=np.sqrt(_tiles((smooth - slope) ** 2)),
        fine=ratio,
        brightness=float(body.mean()),
        contrast=float(body.std()),
        noise=noise,
        bright_edge=float(np.percentile(cut, 95)),
        shining=float((cut >= _SHINING).mean()),
    )


def make_reference(
    light: Light,
    lumas: Sequence[Grey],
    at_ns: int,
    *,
    fps: float | None = None,
    kbit_s: float | None = None,
) -> Reference:
    """Return a reference made of pictures of the same view, taken some seconds apart.

    Their median is kept: what passed through one of them is not part of the view.

    Raises
    ------
    BadInput
        When there are no pictures or they differ in size.
    """
    if not lumas or len({luma.shape for luma in lumas}) != 1:
        raise BadInput(
            N_("a reference needs pictures of one size"), N_("take some of the camera as it is now")
        )
    luma = np.median(np.stack(lumas), axis=0).astype(np.uint8)
    picture = measure(luma, at_ns)
    each = [measure(one, at_ns) for one in lumas]
    flickers = [float(np.nanmedian(changed(a, b))) for a, b in pairwise(each)]
    textured = picture.detail >= max(_TEXTURE, _TEXTURE_IN_NOISE * picture.noise)
    fine = [float(np.nanmedian(one.fine[textured])) for one in each if _any(one.fine[textured])]
    corners = cv2.goodFeaturesToTrack(
        _levelled(picture.smooth), _MARKS, qualityLevel=0.02, minDistance=_MARK_PX
    )
    marks = np.empty((0, 2), np.int64) if corners is None else corners[:, 0].astype(np.int64)
    return Reference(
        light=light,
        at_ns=at_ns,
        luma=luma,
        picture=picture,
        textured=textured,
        marks=marks,
        sharpness=float(np.median(fine)) if fine else float("nan"),
        flicker=min(flickers) if flickers else None,
        fps=fps,
        kbit_s=kbit_s,
    )


def changed(before: Picture, now: Picture) -> Map:
    """Return the mean change of each tile in grey levels; NaN where it is black or burnt out.

    Where the sensor is clipped there is no noise, and nothing can be said of time going on.
    """
    low, high = _CLIPPED
    seen = _tiles(((now.body > low) & (now.body < high)).astype(np.float32))
    return np.where(seen > 0.5, _tiles(np.abs(now.body - before.body)), np.nan).astype(np.float32)


def agreement(now: Picture, reference: Reference) -> NDArray[np.bool_]:
    """Return which tiles show roughly what the reference shows there, in any light or focus."""
    mine, theirs = now.shape, reference.picture.shape
    mean_a, mean_b = _tiles(mine), _tiles(theirs)
    covariance = _tiles(mine * theirs) - mean_a * mean_b
    spread = np.maximum(_tiles(mine**2) - mean_a**2, 0) * np.maximum(
        _tiles(theirs**2) - mean_b**2, 0
    )
    alike = covariance > _ALIKE * np.sqrt(spread)
    return np.asarray(alike & (spread > 1e-4) & reference.textured)


def resemblance(now: Picture, reference: Reference) -> float:
    """Return the share of the reference's textured tiles that the picture shows too; 0..1."""
    count = int(reference.textured.sum())
    return float(agreement(now, reference).sum() / count) if count else 0.0


def emptied(now: Picture, reference: Reference) -> float:
    """Return the share of the reference's textured tiles that lost their structure; 0..1, or NaN.

    A tile has lost it when a seventh of the reference's contrast is left, or no more than noise,
    and what is left does not resemble it: an unfocused picture still does. Where next to nothing is
    left of nearly all, all have lost it: a bag before the lens lets the street shine through.
    """
    count = int(reference.textured.sum())
    if count < _FEWEST_MARKS:
        return float("nan")
    left = np.sqrt(np.maximum(now.detail**2 - (_NOISE_IN_DETAIL * now.noise) ** 2, 0))
    # beside the light there is: a veil adds light, the night takes light and contrast alike
    light = max(reference.picture.brightness, 1.0) / max(now.brightness, 1.0)
    shares = (left / reference.picture.detail)[reference.textured]
    if light * np.quantile(shares, _VEILED_TILES) < _VEILED:
        return 1.0
    floor = np.maximum(0.15 * reference.picture.detail, 0.5 * now.noise)
    lost = (now.detail < floor) & ~agreement(now, reference) & reference.textured
    return float(lost.sum() / count)


def sharpness(now: Picture, reference: Reference) -> float:
    """Return the picture's sharpness beside the reference's: 1 is as sharp, NaN unknown.

    Only tiles that show what the reference shows there count, so a passing bus is not blur.
    """
    tiles = agreement(now, reference)
    # a tile whose fine structure drowned in noise or darkness says nothing
    fine = now.fine[tiles]
    if np.isfinite(fine).sum() < _FEWEST_TILES or not reference.sharpness > 0:
        return float("nan")
    theirs = reference.picture.fine[tiles]
    usual = float(np.nanmedian(theirs)) if _any(theirs) else reference.sharpness
    return float(np.nanmedian(fine)) / max(usual, 1e-3)


def register(now: Picture, reference: Reference) -> Registration:
    """Return how the view lies beside its reference.

    Marks are first sought near their own place; only when too few are there, the whole picture is
    turned, zoomed and shifted until its edges fit, and the marks decide whether they do. Vehicles
    hide marks but do not move the others, and marks are compared by edges, not by light.
    """
    if len(reference.marks) < _FEWEST_MARKS:
        return Registration(False, 0.0)
    here = _by_marks(now.edges, reference, np.eye(2, 3, dtype=np.float32))
    if here.share >= _SETTLED:
        return here
    tried = [_by_marks(now.edges, reference, guess) for guess in _guesses(now, reference)]
    return max([here, *tried], key=lambda one: (one.found, one.share))


def _by_marks(edges: Map, reference: Reference, guess: Map) -> Registration:
    """Fit a shift, turn and zoom to the marks found around where `guess` (2x3) puts them."""
    height, width = edges.shape
    # pull the picture back by the guess: then marks are near their own places
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(edges, guess, (width, height), flags=inverse)
    margin = _MARK_PX + _REACH_PX
    wide = cv2.copyMakeBorder(back, margin, margin, margin, margin, cv2.BORDER_REFLECT)
    known = cv2.copyMakeBorder(
        reference.picture.edges, _MARK_PX, _MARK_PX, _MARK_PX, _MARK_PX, cv2.BORDER_REFLECT
    )
    at: list[tuple[float, float]] = []
    found_at: list[tuple[float, float]] = []
    for x, y in reference.marks.tolist():
        patch = known[y : y + 2 * _MARK_PX + 1, x : x + 2 * _MARK_PX + 1]
        around = wide[y : y + 2 * margin + 1, x : x + 2 * margin + 1]
        score = cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED)
        _, top, _, (dx, dy) = cv2.minMaxLoc(score)
        if top >= _MARK_ALIKE:
            at.append((x, y))
            found_at.append((x + dx - _REACH_PX, y + dy - _REACH_PX))
    if len(at) < _FEWEST_MARKS:
        return Registration(False, 0.0)
    fit, inliers = cv2.estimateAffinePartial2D(
        np.array(at, np.float32), np.array(found_at, np.float32), ransacReprojThreshold=_FIT_PX
    )
    fitting = 0 if fit is None else int(inliers.sum())
    share = fitting / len(reference.marks)
    if fitting < _FEWEST_MARKS or share < 0.2:
        return Registration(False, share)
    both = _square(guess) @ _square(fit)
    centre = np.array([width / 2, height / 2, 1.0])
    shift = (both @ centre - centre)[:2]
    turn = float(np.degrees(np.arctan2(both[1, 0], both[0, 0])))
    zoom = float(np.hypot(both[0, 0], both[1, 0]))
    return Registration(True, share, float(shift[0]), float(shift[1]), turn, zoom)


def _guesses(now: Picture, reference: Reference) -> list[Map]:
    """Return the likeliest movements, 2x3 from reference to picture, by phase correlation.

    The correlation is smoothed: plain phases count the noise of a night as much as the street.
    """
    height, width = now.edges.shape
    size = (width // _HALF, height // _HALF)
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    down, across = np.fft.fftfreq(size[1])[:, None], np.fft.rfftfreq(size[0])[None, :]
    weight = np.exp(-2 * (np.pi * _BLUR) ** 2 * (down**2 + across**2))
    mine = np.fft.rfft2(_halved(now, size) * window)
    theirs = _halved(reference.picture, size)
    ranked = []
    for turn in _TURNS_DEG:
        for zoom in _ZOOMS:
            matrix = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), -turn, zoom)
            cross = mine * np.conj(np.fft.rfft2(cv2.warpAffine(theirs, matrix, size) * window))
            strength = np.abs(cross)
            phase = cross / (strength + 1e-3 * strength.max() + 1e-9) * weight
            peaks = np.fft.irfft2(phase, s=(size[1], size[0]))
            y, x = divmod(int(peaks.argmax()), size[0])
            dx = x - size[0] * (2 * x > size[0])
            dy = y - size[1] * (2 * y > size[1])
            whole = cv2.getRotationMatrix2D((width / 2, height / 2), -turn, zoom)
            whole[:, 2] += (dx * _HALF, dy * _HALF)
            ranked.append((float(peaks.max()), whole.astype(np.float32)))
    ranked.sort(key=lambda one: -one[0])
    return [matrix for _, matrix in ranked[:_CANDIDATES]]


def _halved(picture: Picture, size: tuple[int, int]) -> Map:
    small = cv2.resize(_levelled(picture.smooth), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small - small.mean())


def _square(matrix: Map) -> NDArray[np.float64]:
    return np.vstack([np.asarray(matrix, np.float64), [0.0, 0.0, 1.0]])


def _tiles(values: Map) -> Map:
    """Return the mean of each whole tile."""
    rows, columns = values.shape[0] // TILE_PX, values.shape[1] // TILE_PX
    size = (columns * TILE_PX, rows * TILE_PX)
    whole = np.ascontiguousarray(values[: size[1], : size[0]])
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA))


def _edges(smooth: Map) -> Map:
    """Return the square root of the gradient's length: strong lamps do not outweigh kerbs."""
    dx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    dy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray(np.sqrt(cv2.magnitude(dx, dy)))


def _levelled(smooth: Map) -> Map:
    """Return local contrast evened out: one bright lamp shall not be the only corner."""
    band = smooth - cv2.GaussianBlur(smooth, (0, 0), 3.0)
    return np.asarray(band / (np.sqrt(cv2.GaussianBlur(band**2, (0, 0), 8.0)) + 0.5))


def _noise(body: Map) -> float:
    """Return the sigma of the pixel noise, from the plainest tiles (Immerkaer's kernel)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rough = _tiles(np.abs(cv2.filter2D(body, cv2.CV_32F, kernel)))
    return float(np.sqrt(np.pi / 2) / 6 * np.percentile(rough, 15))


def _any(values: Map) -> bool:
    return bool(np.isfinite(values).any())
