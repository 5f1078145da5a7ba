"""Motion gate: which parts of a small picture are not the background, one box a thing.

MOG2 keeps a background of several modes a pixel (leaves sway between two of them). Around it:
a warm start from pictures spread over the job, so that what moves in the first second is seen;
a gain per channel against the camera's own exposure control; registration against shake; a test
of texture that tells shadows and patches of light from things; and selective learning, so that a
person who stands still for a minute does not become furniture.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.passes.lit import beside_lamps, is_night, without_light
from workbench.recognition.passes.shadows import Corners, Mask, without_shadow
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB
from workbench.records import Box

Part = tuple[slice, slice]


class Gate:
    """Background model of one camera over one job.

    Parameters
    ----------
    scale
        Pixels of the frame per pixel of the gate picture; boxes come out in frame pixels.
    warm
        Gate pictures (y, x, 3) uint8 spread over the job; at least one.
    """

    def __init__(self, settings: Settings, warm: Sequence[RGB], scale: float) -> None:
        self._s = settings
        self._scale = scale
        self._night = False
        self._last: RGB | None = None
        self._past: deque[RGB] = deque()
        self._raw: deque[RGB] = deque(maxlen=settings.warm_pictures)
        self._owed = 0
        self._still = 0
        self._window: NDArray[np.float32] | None = None
        self._gain: RGB | None = None
        self._ratio = 1.0
        self._gain_mean, self._gain_serves = 0.0, 0
        self._begin([_soften(picture) for picture in warm])

    def _begin(self, pictures: Sequence[RGB]) -> None:
        """Make the background of several pictures, their exposure brought to the middle one's."""
        middle = np.median(np.stack(pictures), axis=0).astype(np.uint8)
        pictures = [self._level(picture, middle) for picture in pictures]
        self._background = commonest(pictures, self._s.least_difference).astype(np.float32)
        self._plain: RGB | None = None
        self._mog = self._fresh(pictures)

    def step(self, picture: RGB, held: Sequence[Box] = (), *, stands_for: int = 1) -> list[Box]:
        """Return boxes (frame px) of what differs from the background.

        Parameters
        ----------
        picture
            The next gate picture, (y, x, 3) uint8.
        held
            Boxes (frame px) of things being tracked: kept out of the background for now.
        stands_for
            Pictures this one is learned for, where the footage around it was left out.
        """
        s = self._s
        picture = _soften(picture)
        raw, keep = picture, self._held(held, picture.shape[:2])
        background = self._seen_background()
        picture = self._levelled(picture, background, keep)
        apart = _strongest(cv2.absdiff(picture, background))
        # Shake shows all over the picture, beside what is followed too. Green alone decides on it;
        # where no channel differs in enough places, nor does it.
        beside = cv2.bitwise_and(apart, cv2.bitwise_not(keep))
        if _share_above(beside, s.shake_level) >= s.shake_suspect_share:
            steady = self._steady(picture, background)
            if steady is not picture:
                picture, apart = steady, _strongest(cv2.absdiff(steady, background))
        mask = self._differs(picture, apart)
        share = cv2.countNonZero(mask) / mask.size
        if share > s.relearn_share and self._settled(raw, picture, background):
            # The light, or the camera itself, has changed for good: this is the new background.
            self._background, self._plain = raw.astype(np.float32), None
            self._mog = self._fresh([raw])
            self._last = raw
            self._past.clear()
            self._ratio, self._gain_serves = 1.0, 0
            return []
        if share <= s.relearn_share:
            self._still = 0
        self._last = raw
        self._past.append(picture)
        if len(self._past) > s.ghost_pictures:
            mask = self._lay(mask, picture, self._past.popleft())
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SQUARE_2)
        if self._night:
            solid = without_light(mask, picture, background, s)
            # Nor is light learned as the background: it goes along with its vehicle.
            mask, keep = solid, cv2.bitwise_or(keep, cv2.subtract(mask, solid))
        boxes = self._things(mask, picture, background)
        self._owed += stands_for
        if self._owed >= s.background_every:
            self._learn(picture, background, mask, keep)
            self._owed = 0
            self._follow_the_light(raw)
        return boxes

    def peek(self, picture: RGB) -> list[Box]:
        """Return boxes (frame px) of what differs in a later picture; nothing is learned from it.

        Of a shaken picture, or under another light, that is more than there is.
        """
        picture = _soften(picture)
        background = self._seen_background()
        if self._gain is not None:
            picture = _through(self._gain, picture)
        mask = self._differs(picture, _strongest(cv2.absdiff(picture, background)))
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _SQUARE_2)
        if self._night:
            mask = without_light(mask, picture, background, self._s)
        return self._things(mask, picture, background)

    def _differs(self, picture: RGB, apart: Mask) -> Mask:
        """Return 255 where both models, of modes and of the plain picture, call it foreground.

        The modes cost most of the gate: only those parts of the picture are asked for theirs in
        which more than single pixels are apart from the background.
        """
        least = self._s.night_difference if self._night else self._s.least_difference
        far = cv2.threshold(apart, least, 255, cv2.THRESH_BINARY)[1]
        firm = cv2.morphologyEx(far, cv2.MORPH_OPEN, _SQUARE_2)
        both: Mask = np.zeros_like(far)
        for part, mog in self._mog:
            if cv2.countNonZero(firm[part]):
                modes = mog.apply(picture[part], None, 0.0)
                modes = cv2.threshold(modes, 127, 255, cv2.THRESH_BINARY)[1]
                both[part] = cv2.bitwise_and(modes, far[part])
        return both

    def _lay(self, mask: Mask, picture: RGB, past: RGB) -> Mask:
        """Lay ghosts: what stood in the background's pictures and is gone leaves a hole in it.

        Such a part of the mask is still, and its outline is an edge in the background, not in the
        picture: there the picture is the background from now on.
        """
        s = self._s
        still = cv2.threshold(
            _strongest(cv2.absdiff(picture, past)), s.ghost_change, 255, cv2.THRESH_BINARY_INV
        )[1]
        if cv2.countNonZero(cv2.bitwise_and(mask, still)) < s.blob_least_px:
            return mask
        whole = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, _SQUARE_5)
        count, labels, stats = components(whole)
        background = self._seen_background()
        for i in range(1, count):
            x, y, w, h, area = stats[i].tolist()
            # the plain side of a bus before the lens also stands still for a while
            if not s.blob_least_px <= area <= s.ghost_most_share * mask.size:
                continue
            left, top = max(0, x - 4), max(0, y - 4)
            part = np.s_[top : y + h + 4, left : x + w + 4]
            shape = cv2.inRange(labels[part], i, i)
            if cv2.countNonZero(cv2.bitwise_and(shape, still[part])) < s.ghost_still_share * area:
                continue
            ring = cv2.subtract(cv2.dilate(shape, _SQUARE_5), cv2.erode(shape, _SQUARE_3)) > 0
            here, there = _edges(picture[part])[ring], _edges(background[part])[ring]
            if there.mean() > s.ghost_edges * here.mean() + 4:
                gone = cv2.dilate(shape, _SQUARE_5) > 0
                self._background[part][gone] = picture[part][gone]
                self._plain = None
                mask[part][gone] = 0
        return mask

    # -- background -----------------------------------------------------------------------------

    def _seen_background(self) -> RGB:
        """Return the background in whole grey levels; made anew once it has changed."""
        if self._plain is None:
            self._plain = self._background.astype(np.uint8)
        return self._plain

    def _fresh(self, pictures: Sequence[RGB]) -> list[tuple[Part, cv2.BackgroundSubtractorMOG2]]:
        s = self._s
        background = self._seen_background()
        self._night = is_night(background, s)
        share = s.night_variance if self._night else 1.0
        modes = []
        for part in _parts(background.shape[0], background.shape[1], s.part_px):
            mog = cv2.createBackgroundSubtractorMOG2(
                history=500, varThreshold=s.variance_threshold, detectShadows=False
            )
            mog.setVarInit(s.variance_initial * share)
            mog.setVarMin(s.variance_least * share)
            mog.apply(background[part], None, 1.0)
            modes.append((part, mog))
        for picture in pictures:
            # Only what is near the median may widen the model: passers-by in it are no background.
            far = _strongest(cv2.absdiff(picture, background)) > s.warm_level
            seen = picture.copy()
            seen[far] = background[far]
            for part, mog in modes:
                mog.apply(seen[part], None, 0.05)
        return modes

    def _learn(self, picture: RGB, background: RGB, mask: Mask, keep: Mask) -> None:
        s = self._s
        rate = min(0.2, self._owed / (s.background_s * s.idle_fps))
        seen, blocked = picture.copy(), keep > 0
        if self._night:
            # Else a lamp seen once, in place of all the pictures left out before, is a mode.
            blocked |= _strongest(cv2.absdiff(picture, background)) > s.night_step
            least = np.full_like(background, s.night_step)
            lowest, highest = cv2.subtract(background, least), cv2.add(background, least)
            picture = cv2.min(cv2.max(picture, lowest), highest)
        seen[blocked] = background[blocked]
        for part, mog in self._mog:
            mog.apply(seen[part], None, rate)
        # What differs and is not held (leaves, an object given up) becomes background soon.
        calm = cv2.bitwise_not(cv2.bitwise_or(cv2.dilate(mask, np.ones((3, 3), np.uint8)), keep))
        cv2.accumulateWeighted(picture, self._background, rate, mask=calm)
        stale = cv2.bitwise_and(mask, cv2.bitwise_not(keep))
        cv2.accumulateWeighted(picture, self._background, s.stale_rate, mask=stale)
        self._plain = None

    def _follow_the_light(self, raw: RGB) -> None:
        """Begin anew where night has fallen or ended since the background was made.

        Levelled to it, no picture is ever darker than it is: the camera's own pictures are asked,
        of as many learned ones as a background is begun with.
        """
        self._raw.append(raw)
        if len(self._raw) < self._s.warm_pictures:
            return
        if all(is_night(one, self._s, was=self._night) != self._night for one in self._raw):
            self._begin(list(self._raw))
            self._raw.clear()
            self._past.clear()
            self._gain, self._ratio, self._gain_serves = None, 1.0, 0

    def _held(self, boxes: Sequence[Box], shape: tuple[int, ...]) -> Mask:
        keep = np.zeros(shape, np.uint8)
        for box in boxes:
            left, top = int(box.x / self._scale) - 2, int(box.y / self._scale) - 2
            right = int((box.x + box.w) / self._scale) + 3
            bottom = int((box.y + box.h) / self._scale) + 3
            keep[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 255
        return keep

    # -- guards ---------------------------------------------------------------------------------

    def _levelled(self, picture: RGB, background: RGB, keep: Mask) -> RGB:
        """Undo the camera's exposure control; what was found for one picture serves the next few.

        Not for one that is darker or brighter, beside what is followed, than that one was.
        """
        s = self._s
        every = _stride(background, s.gain_sample)
        mean = cv2.mean(picture[::every, ::every], cv2.bitwise_not(keep[::every, ::every]))[1]
        if self._gain_serves == 0 or abs(mean - self._gain_mean) > s.gain_drift:
            self._gain = self._curve(picture, background, keep)
            self._gain_mean, self._gain_serves = mean, s.gain_serves
        self._gain_serves -= 1
        return picture if self._gain is None else _through(self._gain, picture)

    def _level(self, picture: RGB, background: RGB) -> RGB:
        curve = self._curve(picture, background, None)
        return picture if curve is None else _through(curve, picture)

    def _curve(self, picture: RGB, background: RGB, keep: Mask | None) -> RGB | None:
        """Return a tone curve a channel, (1, 256, 3), by medians of ratios; None where even."""
        s = self._s
        every = _stride(background, s.gain_sample)
        sample, like = picture[::every, ::every], background[::every, ::every]
        # Green stands for all three: dark or burnt-out pixels say nothing of the gain.
        green, wanted = sample[..., 1], like[..., 1]
        usable = (green > 12) & (green < 240) & (wanted > 12) & (wanted < 240)
        if keep is not None:
            usable &= keep[::every, ::every] == 0
        if self._night:
            usable &= beside_lamps(sample, like, round(self._s.lamp_halo_px / every), self._s)
        least = max(1, usable.size // 40)
        if np.count_nonzero(usable) < least:
            return None
        # What is no part of the scene has other ratios: before a grey road a dark car would say
        # what becomes of all that is dark, the road's own stones too.
        ratio = (wanted / np.maximum(green, 1)).astype(np.float32)
        if not self._night:  # when the dark is the scene
            whole = self._whole(ratio, usable, moving=keep is not None)
            usable &= _near(ratio, whole, s.gain_apart)
        between = cv2.addWeighted(green, 0.5, wanted, 0.5, 0)
        levels, gains = [], []
        # A tone curve is not one factor: shadows, middle tones and lights each have their own.
        for low, high in ((0, 80), (80, 160), (160, 256)):
            # By what both say: noise makes what is dark in one brighter in the other, and the
            # curve would flatten the road.
            those = usable & (between >= low) & (between < high)
            if np.count_nonzero(those) >= least:
                ratios = like[those] / np.maximum(sample[those], 1).astype(np.float32)
                gains.append(np.median(ratios, axis=0))
                levels.append(float(np.median(green[those])))
        if not gains or np.abs(np.array(gains) - 1).max() < self._s.gain_deadband:
            return None
        grey, order = np.arange(256, dtype=np.float32), np.argsort(levels)
        levels = [levels[n] for n in order]
        curve = np.array([np.interp(grey, levels, one) for one in np.array(gains)[order].T]).T
        table = np.clip(np.rint(grey[:, None] * np.clip(curve, 0.4, 2.5)), 0, 255)
        tones: RGB = table.astype(np.uint8)[None]
        return tones

    def _whole(
        self, ratio: NDArray[np.float32], usable: NDArray[np.bool_], *, moving: bool
    ) -> float:
        """Return the ratio of the whole picture: a lorry that fills most of it has another."""
        s = self._s
        last = self._ratio if moving else 1.0
        near = usable & _near(ratio, last, s.gain_apart)
        kept = np.count_nonzero(near) >= s.gain_least_share * np.count_nonzero(usable)
        whole = float(np.median(ratio[near if kept else usable]))
        if moving:
            self._ratio = whole
        return whole

    def _steady(self, picture: RGB, background: RGB) -> RGB:
        """Register a shaken picture on the background; leave a calm one alone."""
        s = self._s
        now, like = picture[::2, ::2, 1], background[::2, ::2, 1]
        before = float((cv2.absdiff(now, like) > s.shake_level).mean())
        if before < s.shake_suspect_share:
            return picture
        if self._window is None:
            self._window = cv2.createHanningWindow(now.shape[::-1], cv2.CV_32F).astype(np.float32)
        shift, _ = cv2.phaseCorrelate(like.astype(np.float32), now.astype(np.float32), self._window)
        dx, dy = 2 * shift[0], 2 * shift[1]
        if not s.shake_least_px <= np.hypot(dx, dy) <= s.shake_most_px:
            return picture
        back = np.array([[1, 0, -dx], [0, 1, -dy]], np.float64)
        size = (picture.shape[1], picture.shape[0])
        moved: RGB = cv2.warpAffine(picture, back, size, borderMode=cv2.BORDER_REPLICATE)
        after = float((cv2.absdiff(moved[::2, ::2, 1], like) > s.shake_level).mean())
        # A large vehicle also correlates; only a shift that explains the whole picture is shake.
        return moved if after < before / 2 else picture

    def _settled(self, raw: RGB, picture: RGB, background: RGB) -> bool:
        """Tell a lasting change of light or view from something large that is passing.

        A switched lamp changes all of the picture at once, or lets it stand still, and leaves its
        edges. A new view has other edges, and so has a bus before the lens: only time tells them.
        """
        s = self._s
        if self._last is None:
            return False
        change = cv2.absdiff(raw[::2, ::2, 1], self._last[::2, ::2, 1])
        moving = float((change > s.shake_level).mean())
        still = moving < s.shake_suspect_share
        alike = _alike(picture, background) >= s.relearn_structure
        if not still or (not alike and float(np.median(change)) > s.relearn_still_level):
            self._still = 0
            return alike and moving > s.relearn_sudden_share
        self._still += 1
        return alike or self._still >= s.relearn_pictures

    # -- things ---------------------------------------------------------------------------------

    def _things(self, mask: Mask, picture: RGB, background: RGB) -> list[Box]:
        s = self._s
        if cv2.countNonZero(mask) < s.blob_least_px:
            return []
        closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones(s.close_px[::-1], np.uint8))
        count, labels, stats = components(closed)
        pad = s.shadow_window_px  # looked at twice, half a window each
        found = []
        for i in range(1, count):
            x, y, w, h, area = stats[i].tolist()
            if area < s.blob_least_px:
                continue
            part = np.s_[y : y + h, x : x + w]
            inside = cv2.bitwise_and(cv2.inRange(labels[part], i, i), mask[part])
            size = cv2.countNonZero(inside)
            if size < s.blob_least_px:
                continue
            left, top = max(0, x - pad), max(0, y - pad)
            around = np.s_[top : y + h + pad, left : x + w + pad]
            flat = self._flat(picture[around], background[around])
            own = flat[y - top : y - top + h, x - left : x - left + w]
            solid = cv2.bitwise_and(inside, cv2.bitwise_not(own))
            rest = cv2.countNonZero(solid)
            if rest < size * (1 - s.shadow_share) or rest < s.blob_least_px // 2:
                continue
            if rest > size * s.solid_share:
                found.append((x, y, x + w, y + h))
            else:
                found += [(x + a, y + b, x + c, y + d) for a, b, c, d in self._pieces(solid)]
        k = self._scale
        return [
            Box(left * k, top * k, (right - left) * k, (bottom - top) * k)
            for thing in group(found, s.group_gap_px)
            for left, top, right, bottom in without_shadow(thing, mask, picture, background, s)
        ]

    def _pieces(self, solid: Mask) -> list[Corners]:
        """Return the boxes of a component without its shadow, which may have held several."""
        s = self._s
        mask = cv2.morphologyEx(solid, cv2.MORPH_OPEN, _SQUARE_2)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones(s.close_px[::-1], np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        return [
            (int(x), int(y), int(x + w), int(y + h))
            for x, y, w, h, area in stats[1:count]
            if area >= s.blob_least_px
        ]

    def _flat(self, picture: RGB, background: RGB) -> Mask:
        """Mark pixels where the background shines through, darker or brighter by an even factor."""
        s = self._s
        log = cv2.subtract(cv2.LUT(picture, _LOG), cv2.LUT(background, _LOG))
        red, green, blue = cv2.split(log)
        tint = cv2.subtract(cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue))
        flat: Mask = cv2.compare(tint, s.shadow_tint, cv2.CMP_LT)
        ratio = cv2.transform(log, _THIRDS)
        low, high = np.log(s.shadow_ratio)
        lit_low, lit_high = np.log(s.lit_ratio)
        levels = cv2.bitwise_or(
            cv2.inRange(ratio, low, high), cv2.inRange(ratio, lit_low, lit_high)
        )
        flat = cv2.bitwise_and(flat, levels)
        if not cv2.countNonZero(flat):
            return flat
        size = (s.shadow_window_px, s.shadow_window_px)
        mean = cv2.blur(ratio, size)
        # By day beside its neighbourhood's mean: the soft edge of a shadow is even, too. By night
        # there is no shadow, and what is faint is as soft.
        rough = ratio if self._night else cv2.subtract(ratio, mean)
        variance = cv2.blur(cv2.multiply(rough, rough), size)
        if self._night:
            variance = cv2.subtract(variance, cv2.multiply(mean, mean))
        even = cv2.compare(variance, s.shadow_texture**2, cv2.CMP_LT)
        both: Mask = cv2.bitwise_and(flat, even)
        return both


_SQUARE_2 = np.ones((2, 2), np.uint8)
_SQUARE_3, _SQUARE_5 = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)
_LOG = np.log(np.arange(256, dtype=np.float32) + 8)[None]
_THIRDS = np.full((1, 3), 1 / 3, np.float32)


def _parts(height: int, width: int, side: int) -> list[Part]:
    return [
        (slice(y, min(y + side, height)), slice(x, min(x + side, width)))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def _stride(picture: RGB, sample: int) -> int:
    """Return the step in pixels that leaves about `sample` pixels of a picture."""
    return max(1, round(math.sqrt(picture.size / 3 / sample)))


def _near(ratio: NDArray[np.float32], whole: float, factor: float) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = (ratio > whole / factor) & (ratio < whole * factor)
    return near


def _through(curve: RGB, picture: RGB) -> RGB:
    levelled: RGB = cv2.LUT(picture, curve)
    return levelled


def _share_above(picture: Mask, level: float) -> float:
    above = cv2.threshold(picture, level, 255, cv2.THRESH_BINARY)[1]
    return float(cv2.countNonZero(above) / above.size)


def _strongest(picture: RGB) -> Mask:
    """Return the largest of the three channels (NumPy's own is ten times slower)."""
    red, green, blue = cv2.split(picture)
    strongest: Mask = cv2.max(cv2.max(red, green), blue)
    return strongest


def components(mask: Mask) -> tuple[int, NDArray[np.int32], NDArray[np.int32]]:
    """Return OpenCV's count, labels and statistics of components, looking at the busy part only."""
    x, y, w, h = cv2.boundingRect(mask)
    busy = np.s_[y : y + h, x : x + w]
    labels = np.zeros(mask.shape, np.int32)
    if not w:
        return 1, labels, np.zeros((1, 5), np.int32)
    count, labels[busy], stats, _ = cv2.connectedComponentsWithStats(mask[busy], connectivity=8)
    stats[:, :2] += (x, y)
    return count, labels, stats


def _edges(picture: RGB) -> NDArray[np.float32]:
    green = np.ascontiguousarray(picture[:, :, 1])
    dx, dy = cv2.Sobel(green, cv2.CV_32F, 1, 0), cv2.Sobel(green, cv2.CV_32F, 0, 1)
    steep: NDArray[np.float32] = cv2.magnitude(dx, dy)
    return steep


def _soften(picture: RGB) -> RGB:
    soft: RGB = cv2.GaussianBlur(picture, (3, 3), 0)
    return soft


def _alike(picture: RGB, background: RGB) -> float:
    """Return the correlation of two pictures' edges, 0..1: high where only the light changed.

    Zero where the picture has lost most of its edges: of a plain side before the lens only the
    burnt-in text is left, and that alone is alike.
    """
    edges = []
    for image in (picture, background):
        small = image[::2, ::2, 1].astype(np.float32)
        dx, dy = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
        edges.append(np.log1p(cv2.magnitude(dx, dy)).ravel())
    if edges[0].mean() < 0.5 * edges[1].mean():
        return 0.0
    a, b = (e - e.mean() for e in edges)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return max(0.0, float(a @ b) / norm) if norm > 0 else 0.0


def commonest(pictures: Sequence[RGB], near: float) -> RGB:
    """Return, pixel by pixel, the picture with most others within `near` levels; first of equals.

    The median of a place that is often occupied is a blend of road and vehicles, which nothing
    ever looks like again; the commonest value is one or the other.

    >>> one = [np.full((1, 1, 3), v, np.uint8) for v in (10, 90, 12, 140, 200)]
    >>> int(commonest(one, 8)[0, 0, 0])
    10
    """
    # Votes are shared with the neighbourhood: single pixels must not choose another object.
    votes = [np.zeros(pictures[0].shape[:2], np.float32) for _ in pictures]
    for i, one in enumerate(pictures):
        for j in range(i):
            close = _strongest(cv2.absdiff(one, pictures[j])) < near
            alike = cv2.blur(close.astype(np.float32), (5, 5))
            votes[i] += alike
            votes[j] += alike
    choice = np.argmax(np.stack(votes), axis=0)
    chosen: RGB = np.take_along_axis(np.stack(pictures), choice[None, ..., None], axis=0)[0]
    return chosen


def group(boxes: Sequence[Corners], gap: int) -> list[Corners]:
    """Join boxes (left, top, right, bottom) that are pieces of one thing.

    Pieces stand one above the other (a head, legs; a roof, a bonnet) or touch; neighbours side by
    side stay apart, or two people abreast would be one.

    >>> group([(0, 0, 10, 10), (1, 14, 9, 30), (40, 0, 50, 30)], 6)
    [(0, 0, 10, 30), (40, 0, 50, 30)]
    """
    left = sorted(boxes)
    joined = True
    while joined:
        joined = False
        result: list[Corners] = []
        for box in left:
            for i, other in enumerate(result):
                if _pieces(box, other, gap):
                    result[i] = (
                        min(box[0], other[0]), min(box[1], other[1]),
                        max(box[2], other[2]), max(box[3], other[3]),
                    )  # fmt: skip
                    joined = True
                    break
            else:
                result.append(box)
        left = result
    return sorted(left)


def _pieces(a: Corners, b: Corners, gap: int) -> bool:
    over_x = min(a[2], b[2]) - max(a[0], b[0])
    over_y = min(a[3], b[3]) - max(a[1], b[1])
    narrow = min(a[2] - a[0], b[2] - b[0])
    low = min(a[3] - a[1], b[3] - b[1])
    if over_x > 0 and over_y > 0:
        # One inside (mostly) the other's box.
        return over_x * over_y > 0.5 * narrow * low
    wide = max(a[2] - a[0], b[2] - b[0])
    return over_x > 0.6 * narrow and narrow > 0.4 * wide and over_y > -gap
