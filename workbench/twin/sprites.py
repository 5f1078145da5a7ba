"""Off-screen pictures of bodies from a camera's real pose, drawn by VTK in software.

Their premultiplied RGBA is then moved, blurred and laid over a frame.
"""

from __future__ import annotations

import math
import os
from ctypes.util import find_library
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, Unavailable
from workbench.later import later
from workbench.twin.mesh import Body, bake
from workbench.twin.views import Light, View

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor, vtkRenderWindow
numpy_support = later("vtkmodules.util.numpy_support")
core = later("vtkmodules.vtkCommonCore")
data_model = later("vtkmodules.vtkCommonDataModel")
common_math = later("vtkmodules.vtkCommonMath")
rendering = later("vtkmodules.vtkRenderingCore")

RGB = NDArray[np.uint8]
RGBA = NDArray[np.uint8]
Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in frame pixels, half-open."""

_WIDE, _TALL = 1344, 960  # the largest picture drawn at once
_SHADOW = 0.62


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A premultiplied RGBA picture whose top left pixel is at (``u``, ``v``) of the frame.

    ``anchors`` are the frame pixels float32[3, 2] of three points of the near face; moving and
    scaling the sprite means mapping them to where these points are now.
    """

    rgba: NDArray[np.uint8]
    u: int
    v: int
    anchors: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A body made ready to draw for one camera and direction: VTK actors with baked colours.

    ``hulls`` are the points of all its parts, each part's from one of ``starts`` on.
    """

    body: Body
    actors: tuple[vtkActor, ...]
    hulls: NDArray[np.float64]
    starts: NDArray[np.intp]
    turned: bool

    def placed(self, points: NDArray[np.float64], x: float, y: float) -> NDArray[np.float64]:
        """Return body points in the street frame, the body's middle being at (x, y)."""
        turned = points * (-1.0, -1.0, 1.0) if self.turned else points
        return np.asarray(turned + np.array((x, y, 0.0)))

    def near_face(self, x: float, y: float) -> NDArray[np.float64]:
        """Return three points of the end that faces the camera."""
        length, width, height = self.body.size_m
        end = y - length / 2
        return np.array([(x - width / 2, end, 0), (x + width / 2, end, 0), (x, end, height)])


def make_model(
    body: Body, light: Light, view: View, *, turned: bool, at: tuple[float, float]
) -> Model:
    """Return a body with its light baked for an eye at `view` and a place `at` in the street."""
    towards = view.eye - np.array([at[0], at[1], 0.9])
    towards /= np.linalg.norm(towards)
    actors: list[vtkActor] = []
    vertices: list[NDArray[Any]] = []
    colours: list[NDArray[Any]] = []
    faces: list[NDArray[Any]] = []
    start = 0
    for part in body.parts:
        baked = bake(part, light, towards, turned)
        if part.step > 1:
            actors.append(_textured(part.points, baked, part.step))
            continue
        vertices.append(part.points.reshape(-1, 3))
        colours.append(baked.reshape(-1, 3))
        faces.append(_triangles(part.points.shape[0], part.points.shape[1]) + start)
        start += len(vertices[-1])
    if vertices:
        data = _polydata(np.concatenate(vertices), np.concatenate(faces))
        rgb = numpy_support.numpy_to_vtk(np.concatenate(colours), deep=True)
        data.GetPointData().SetScalars(rgb)
        actors.append(_actor(data))
    hulls = body.hulls()
    starts = np.concatenate([[0], np.cumsum([len(hull) for hull in hulls])[:-1]])
    return Model(body, tuple(actors), np.concatenate(hulls), starts, turned)


class Painter:
    """One off-screen window, used for every sprite of a camera."""

    def __init__(self, view: View, light: Light) -> None:
        # Without a display VTK tries X first and says so on stderr; what it finds next works.
        core.vtkLogger.SetStderrVerbosity(core.vtkLogger.VERBOSITY_OFF)
        # One process a core draws; Mesa's software renderer would start a thread a core in each.
        os.environ.setdefault("LP_NUM_THREADS", "0")
        self.view, self.light = view, light
        self._window = _open_window()
        self._window.SetOffScreenRendering(1)
        self._window.SetAlphaBitPlanes(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(_WIDE, _TALL)
        self._renderer = rendering.vtkRenderer()
        self._renderer.SetBackgroundAlpha(0.0)
        self._renderer.SetBackground(0.0, 0.0, 0.0)
        self._window.AddRenderer(self._renderer)
        camera = self._renderer.GetActiveCamera()
        axes, eye = view.axes, view.eye
        camera.SetPosition(*eye)
        camera.SetFocalPoint(*(eye + axes[2]))
        camera.SetViewUp(*(-axes[1]))
        camera.SetUseExplicitProjectionTransformMatrix(True)
        self._pixels = core.vtkUnsignedCharArray()

    def close(self) -> None:
        """Free the window; its OpenGL context belongs to the thread that made it."""
        self._renderer.RemoveAllViewProps()
        self._window.Finalize()

    def draw(self, model: Model, x: float, y: float, *, detail: float = 1.0) -> Sprite | None:
        """Return the body's picture at (x, y) with its shadow, or None outside the frame.

        ``detail`` below 1 draws it coarser, for what will be blurred anyway.
        """
        view = self.view
        corners, depth = view.project(model.placed(model.body.box(), x, y))
        if depth.max() < 0.6:
            return None
        body = self._cut(corners.min(0) - 3, corners.max(0) + 3)
        shade, dark = self._shadow(model, x, y)
        if body is None and dark is None:
            return None
        u0, v0, u1, v1 = _around(body, dark)
        rgba = np.zeros((v1 - v0, u1 - u0, 4), np.uint8)
        if shade is not None and dark is not None:
            rgba[dark[1] - v0 : dark[3] - v0, dark[0] - u0 : dark[2] - u0, 3] = shade
        if body is not None:
            drawn = self._render(model, x, y, body, detail)
            roi = rgba[body[1] - v0 : body[3] - v0, body[0] - u0 : body[2] - u0]
            under = cv2.multiply(roi[..., 3], 255 - drawn[..., 3], scale=1 / 255)
            roi[..., :3] = drawn[..., :3]
            roi[..., 3] = cv2.add(drawn[..., 3], under)
        anchors, _ = view.project(model.near_face(x, y))
        return Sprite(rgba, u0, v0, anchors.astype(np.float32))

    def _cut(self, lo: NDArray[Any], hi: NDArray[Any]) -> Rect | None:
        """Return a rectangle cut to the frame and its margin, or None if nothing is left."""
        view = self.view
        # A sprite is moved before it is drawn anew: its cut edge must stay out of the frame.
        margin = round(0.17 * view.height_px)
        u0, v0 = max(-margin, int(np.floor(lo[0]))), max(-margin, int(np.floor(lo[1])))
        u1 = min(view.width_px + margin, int(np.ceil(hi[0])))
        v1 = min(view.height_px + margin, int(np.ceil(hi[1])))
        return (u0, v0, u1, v1) if min(u1 - u0, v1 - v0) >= 4 else None

    def _render(
        self, model: Model, x: float, y: float, crop: Rect, detail: float
    ) -> NDArray[np.uint8]:
        u0, v0, u1, v1 = crop
        width, height = u1 - u0, v1 - v0
        # Small things are drawn finer and averaged; large ones have few edges for their pixels.
        fine = float(np.interp(max(width, height), [150, 600], [2.0, 1.3]))
        scale = min(fine * detail, _WIDE / width, _TALL / height)
        w, h = max(4, round(width * scale)), max(4, round(height * scale))
        view, camera = self.view, self._renderer.GetActiveCamera()
        near, far = 0.4, 400.0
        left = (u0 - view.width_px / 2) / view.focal_px
        right = (u1 - view.width_px / 2) / view.focal_px
        top = -(v0 - view.height_px / 2) / view.focal_px
        bottom = -(v1 - view.height_px / 2) / view.focal_px
        rows = (
            (2 / (right - left), 0, (right + left) / (right - left), 0),
            (0, 2 / (top - bottom), (top + bottom) / (top - bottom), 0),
            (0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)),
            (0, 0, -1, 0),
        )
        matrix = common_math.vtkMatrix4x4()
        matrix.DeepCopy([value for row in rows for value in row])
        camera.SetExplicitProjectionTransformMatrix(matrix)
        self._renderer.SetViewport(0, 0, w / _WIDE, h / _TALL)
        place = common_math.vtkMatrix4x4()
        sign = -1.0 if model.turned else 1.0
        place.DeepCopy([sign, 0, 0, x, 0, sign, 0, y, 0, 0, 1, 0, 0, 0, 0, 1])
        self._renderer.RemoveAllViewProps()
        for actor in model.actors:
            actor.SetUserMatrix(place)
            self._renderer.AddActor(actor)
        self._window.Render()
        self._window.GetRGBACharPixelData(0, 0, w - 1, h - 1, 0, self._pixels)
        image = numpy_support.vtk_to_numpy(self._pixels).reshape(h, w, 4)[::-1]
        how = cv2.INTER_AREA if scale >= 1 else cv2.INTER_LINEAR
        drawn = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=how)
        return np.asarray(drawn)

    def _shadow(
        self, model: Model, x: float, y: float
    ) -> tuple[NDArray[np.uint8] | None, Rect | None]:
        """Return the shadow's darkness as alpha 0..255 and its rectangle in the frame."""
        view = self.view
        fall = self.light.shadow_offset() * (0.4 + 0.6 * self.light.hard)
        at = model.placed(model.hulls, x, y)
        touching = at[:, 2] < 0.10
        at[:, :2] += at[:, 2:3] * fall * ~touching[:, None]
        at[:, 2] = 0.0
        pixels, depth = view.project(at)
        near = np.add.reduceat(depth < 0.6, model.starts) > 0
        points = np.split(pixels.astype(np.float32), model.starts[1:])
        contact = np.split(touching, model.starts[1:])
        outlines = [cv2.convexHull(p)[:, 0] for p, bad in zip(points, near, strict=True) if not bad]
        # Where wheels and shoes touch the ground it is dark, whatever the sun.
        feet = [
            cv2.convexHull(p[low])[:, 0]
            for p, low, bad in zip(points, contact, near, strict=True)
            if not bad and low.sum() > 2
        ]
        if not outlines:
            return None, None
        every = np.concatenate(outlines)
        middle = max(1.0, float(np.median(depth)))
        soft = float(np.clip(view.focal_px / middle * (0.10 - 0.06 * self.light.hard), 0.8, 30))
        pad = int(3 * soft) + 2
        rect = self._cut(every.min(0) - pad, every.max(0) + pad)
        if rect is None:
            return None, None
        u0, v0, u1, v1 = rect
        part = max(1, int(soft / 2))  # a soft shadow needs no fine grid
        # Drawn with a margin, so that the blur sees what lies outside the frame.
        size = ((v1 - v0) // part + 21, (u1 - u0) // part + 21)
        mask = _filled(outlines, size, (u0, v0), part, soft / part)
        if feet:
            mask = cv2.max(mask, _filled(feet, size, (u0, v0), part, 0.3 * soft / part))
        mask = mask[10:-10, 10:-10]
        grown = cv2.resize(mask, (u1 - u0, v1 - v0), interpolation=cv2.INTER_LINEAR)
        strength = _SHADOW * (0.5 + 0.5 * self.light.hard)
        return cv2.convertScaleAbs(grown, alpha=strength), rect


def _filled(
    outlines: list[NDArray[np.float32]],
    size: tuple[int, int],
    at: tuple[int, int],
    part: int,
    sigma: float,
) -> NDArray[np.uint8]:
    """Return outlines filled on a grid of `part` pixels with a margin of 10 cells, blurred."""
    mask = np.zeros(size, np.uint8)
    for outline in outlines:
        spots = np.clip((outline - at) / part + 10, -4000, 4000)
        cv2.fillConvexPoly(mask, np.round(spots).astype(np.int32), 255)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.6, sigma)))


def _open_window() -> vtkRenderWindow:
    """Return an off-screen window.

    Raises
    ------
    Unavailable
        When this machine has no OpenGL: VTK would end the process instead.
    """
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 - registers the OpenGL classes

    window: vtkRenderWindow = rendering.vtkRenderWindow()
    if window.GetClassName() == "vtkOSOpenGLRenderWindow" and not find_library("OSMesa"):
        raise Unavailable(
            N_("nothing on this machine can draw off-screen"),
            N_("install the system packages libegl1 and libgl1"),
        )
    return window


def _around(a: Rect | None, b: Rect | None) -> Rect:
    both = np.array([rect for rect in (a, b) if rect is not None])
    lo, hi = both[:, :2].min(0), both[:, 2:].max(0)
    return int(lo[0]), int(lo[1]), int(hi[0]), int(hi[1])


def _triangles(rows: int, columns: int) -> NDArray[np.int64]:
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel()
    b, c, d = a + 1, a + columns, a + columns + 1
    return np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)])


def _polydata(points: NDArray[Any], triangles: NDArray[np.int64]) -> vtkPolyData:
    data: vtkPolyData = data_model.vtkPolyData()
    held = core.vtkPoints()
    held.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
    data.SetPoints(held)
    cells = data_model.vtkCellArray()
    offsets = np.arange(0, 3 * len(triangles) + 1, 3, dtype=np.int64)
    cells.SetData(
        numpy_support.numpy_to_vtkIdTypeArray(offsets, deep=True),
        numpy_support.numpy_to_vtkIdTypeArray(np.ascontiguousarray(triangles).ravel(), deep=True),
    )
    data.SetPolys(cells)
    return data


def _actor(data: vtkPolyData) -> vtkActor:
    mapper = rendering.vtkPolyDataMapper()
    mapper.SetInputData(data)
    actor: vtkActor = rendering.vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetLighting(False)
    return actor


def _textured(points: NDArray[Any], baked: NDArray[np.uint8], step: int) -> vtkActor:
    """Return a fine grid as a coarse mesh with the fine colours as its texture."""
    rows, columns = points.shape[:2]
    i = np.unique(np.append(np.arange(0, rows, step), rows - 1))
    j = np.unique(np.append(np.arange(0, columns, step), columns - 1))
    data = _polydata(points[np.ix_(i, j)].reshape(-1, 3), _triangles(len(i), len(j)))
    v, u = np.meshgrid((i + 0.5) / rows, (j + 0.5) / columns, indexing="ij")
    places = np.stack([u.ravel(), v.ravel()], -1).astype(np.float32)
    data.GetPointData().SetTCoords(numpy_support.numpy_to_vtk(places, deep=True))
    image = data_model.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(baked.reshape(-1, 3), deep=True))
    texture = rendering.vtkTexture()
    texture.SetInputData(image)
    texture.InterpolateOn()
    actor = _actor(data)
    actor.SetTexture(texture)
    return actor


def lay(onto: RGB, rgba: RGBA, u: int, v: int) -> Rect | None:
    """Lay a premultiplied picture over a frame in place; return the rectangle touched."""
    x0, y0 = max(0, u), max(0, v)
    x1, y1 = min(onto.shape[1], u + rgba.shape[1]), min(onto.shape[0], v + rgba.shape[0])
    if x1 <= x0 or y1 <= y0:
        return None
    part = rgba[y0 - v : y1 - v, x0 - u : x1 - u]
    clear = cv2.cvtColor(255 - part[..., 3], cv2.COLOR_GRAY2RGB)
    under = cv2.multiply(onto[y0:y1, x0:x1], clear, scale=1 / 255)
    onto[y0:y1, x0:x1] = cv2.add(under, cv2.cvtColor(part, cv2.COLOR_RGBA2RGB))
    return x0, y0, x1, y1


def moved(
    rgba: RGBA,
    at: tuple[int, int],
    anchors: NDArray[np.float32],
    now: NDArray[np.float64],
    limits: tuple[int, int],
) -> tuple[RGBA | None, int, int]:
    """Return a sprite scaled and moved so that its three anchor pixels lie where they are `now`.

    `limits` are the frame's width and height; what leaves it by more than 16 px is cut.
    """
    if np.abs(now - anchors).max() < 0.05:
        return rgba.copy(), at[0], at[1]
    matrix = cv2.getAffineTransform((anchors - at).astype(np.float32), now.astype(np.float32))
    h, w = rgba.shape[:2]
    corners = np.array([(0, 0, 1), (w, 0, 1), (w, h, 1), (0, h, 1)]) @ matrix.T
    lo = np.maximum(np.floor(corners.min(0)).astype(int), -16)
    hi = np.minimum(np.ceil(corners.max(0)).astype(int), (limits[0] + 16, limits[1] + 16))
    if (hi - lo).min() < 3:
        return None, 0, 0
    matrix[:, 2] -= lo
    size = (int(hi[0] - lo[0]), int(hi[1] - lo[1]))
    drawn = cv2.warpAffine(rgba, matrix, size, flags=cv2.INTER_LINEAR)
    return drawn, int(lo[0]), int(lo[1])


def stick(layer: RGBA, picture: RGB, corners: NDArray[np.float64]) -> None:
    """Draw a flat picture onto a sprite in perspective, twice as fine and then averaged.

    `corners` are the layer's pixels of its top left, top right, bottom right, bottom left.
    """
    lo = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    hi = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, layer.shape[1::-1])
    if (hi - lo).min() < 2:
        return
    h, w = picture.shape[:2]
    source = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, ((corners - lo) * 2).astype(np.float32))
    size = (int(hi[0] - lo[0]), int(hi[1] - lo[1]))
    rgba = np.dstack([picture, np.full((h, w), 255, np.uint8)])
    drawn = cv2.warpPerspective(rgba, matrix, (size[0] * 2, size[1] * 2), flags=cv2.INTER_LINEAR)
    drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    roi = layer[lo[1] : hi[1], lo[0] : hi[0]]
    clear = cv2.merge([255 - drawn[..., 3]] * 4)
    layer[lo[1] : hi[1], lo[0] : hi[0]] = cv2.add(cv2.multiply(roi, clear, scale=1 / 255), drawn)


def smear(layer: RGBA, length_px: float) -> None:
    """Blur in place along the direction of travel, nearly upright where this is used."""
    if length_px < 0.8:
        return
    reach = min(length_px, 24.0)
    size = 2 * math.ceil((reach - 1) / 2) + 1 if reach > 1 else 3
    kernel = np.ones(size, np.float32)
    kernel[0] = kernel[-1] = max(0.0, (reach - (size - 2)) / 2)
    cv2.sepFilter2D(layer, -1, np.ones(1, np.float32), kernel / kernel.sum(), dst=layer)


def blurred(layer: RGBA, sigma_px: float) -> RGBA:
    """Return a layer out of focus; wide blurs are made on a coarser grid."""
    if sigma_px < 0.5:
        return layer
    part = max(1, int(sigma_px / 0.9))
    if part == 1:
        return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma_px))
    size = (max(2, layer.shape[1] // part), max(2, layer.shape[0] // part))
    small = cv2.resize(layer, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / part)
    grown = cv2.resize(small, layer.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown)
