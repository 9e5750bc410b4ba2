"""Dislocation lines as curves, each in its own colour and with its number; slip traces as thin grey ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emserve._extras import require
from emserve.line_colours import Colour, colour
from emserve.overlay import ground
from emserve.overlay.legend import with_legend
from emserve.overlay.lettering import Lettering
from emserve.results import DislocationsFrame, DislocationsResult

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    Points = NDArray[np.float64]

_SIDE_PER_THICKNESS = 360
_THINNEST_PX, _THICKEST_PX = 1.6, 5.0
_RIM_PX = 1.0
_RIM_OPACITY = 0.55
_SLIP_TRACE: Colour = (205, 205, 205)
_SUPERSAMPLING = 3
_MOST_PIXELS = 64_000_000  # of one line's supersampled stroke
_PLACES = (0.0, 1.0, 0.25, 0.75, 0.5)  # along the line, where its number may stand


def draw(result: DislocationsResult | DislocationsFrame, pixels: NDArray[Any]) -> Image.Image:
    """See `emserve.overlay.draw`. Of a frame, number and colour are the track's: they stay over the whole video.

    The scale bar stands below the picture and hides nothing of it.
    """
    scale_x, scale_y = ground.scales(result.micrograph, None, 0.0)
    image = ground.ground(pixels, scale_x, scale_y)
    thickness = min(max(min(image.size) / _SIDE_PER_THICKNESS, _THINNEST_PX), _THICKEST_PX)
    for trace in result.slip_traces:
        _stroke(image, _places(trace.points_px, scale_x, scale_y), _SLIP_TRACE, thickness / 2)
    lines = [(number, _places(line.points_px, scale_x, scale_y)) for number, line in _numbered(result)]
    for number, points in lines:
        _stroke(image, points, colour(number), thickness)
    _write_numbers(image, lines)
    size_nm = result.micrograph.pixel_size_x_nm
    return with_legend(image, {}, {}, None if size_nm is None else size_nm / scale_x)


def _numbered(result: DislocationsResult | DislocationsFrame) -> list[tuple[int, Any]]:
    if isinstance(result, DislocationsFrame):
        return [(line.track, line) for line in result.lines]
    return [(line.number, line) for line in result.lines]


def _places(points_px: list[tuple[float, float]], scale_x: float, scale_y: float) -> Points:
    # A pixel of the micrograph becomes a block of pixels, whose middle is where its centre lies.
    points = np.array(points_px, dtype=np.float64).reshape(-1, 2)
    return np.asarray((points + 0.5) * (scale_x, scale_y))


def _stroke(image: Image.Image, points: Points, ink: Colour, thickness: float) -> None:
    image_module = require("PIL.Image", extra="plot", purpose="An overlay")
    draw_module = require("PIL.ImageDraw", extra="plot", purpose="An overlay")
    if len(points) < 2:
        return
    reach = int(np.ceil(thickness / 2 + _RIM_PX + 1))
    left, top = (int(v) for v in np.floor(points.min(axis=0)) - reach)
    right, bottom = (int(v) for v in np.ceil(points.max(axis=0)) + reach)
    finer = max(1, min(_SUPERSAMPLING, int((_MOST_PIXELS / ((right - left) * (bottom - top))) ** 0.5)))
    at = ((points - (left, top)) * finer - 0.5).ravel().tolist()
    # A dark rim: the curve is seen on bright matrix as well as on dark contrast.
    for width, opacity, paint in ((thickness + 2 * _RIM_PX, _RIM_OPACITY, (0, 0, 0)), (thickness, 1.0, ink)):
        stroke = image_module.new("L", (finer * (right - left), finer * (bottom - top)))
        pen = draw_module.Draw(stroke)
        pen.line(at, fill=round(255 * opacity), width=max(1, round(width * finer)), joint="curve")
        image.paste(paint, (left, top), stroke.reduce(finer))


def _write_numbers(image: Image.Image, lines: list[tuple[int, Points]]) -> None:
    """Each number beside its line: beyond an end if there is room, else to the side, clear of lines and numbers."""
    draw_module = require("PIL.ImageDraw", extra="plot", purpose="An overlay")
    unit = ground.unit_px(image)
    letters = Lettering(5 * unit)
    pen = draw_module.Draw(image)
    courses = np.concatenate([points for _, points in lines]) if lines else np.zeros((0, 2))
    taken: list[tuple[float, float, float, float]] = []
    for number, points in lines:
        half_x, half_y = pen.textlength(str(number), font=letters.font) / 2 + 0.5 * unit, 2.5 * unit
        box = min(
            _boxes(points, half_x, half_y, 1.5 * unit),
            key=lambda box: _crowding(box, courses, taken, image.size),
        )
        taken.append(box)
        pen.text(
            ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2),
            str(number),
            font=letters.font,
            anchor="mm",
            fill=colour(number),
            stroke_width=max(1, unit // 3),
            stroke_fill="black",
        )


def _boxes(points: Points, half_x: float, half_y: float, gap: float) -> list[tuple[float, float, float, float]]:
    """Where a number may stand: beyond both ends, and to both sides of some places along the line."""
    boxes = []
    for place in _PLACES:
        k = round(place * (len(points) - 1))
        ahead = points[min(k + 2, len(points) - 1)] - points[max(k - 2, 0)]
        ahead = ahead / max(float(np.hypot(*ahead)), 1e-9)
        aside = np.array((-ahead[1], ahead[0]))
        ways = [aside, -aside]
        if place in (0.0, 1.0):
            ways.insert(0, -ahead if place == 0.0 else ahead)
        for way in ways:
            # so far that the box of the number just clears the line
            reach = gap + abs(way[0]) * half_x + abs(way[1]) * half_y
            x, y = (float(v) for v in points[k] + way * reach)
            boxes.append((x - half_x, y - half_y, x + half_x, y + half_y))
    return boxes


def _crowding(
    box: tuple[float, float, float, float],
    courses: Points,
    taken: list[tuple[float, float, float, float]],
    size: tuple[int, int],
) -> int:
    """How bad a place is: out of the picture, on another number, on lines."""
    left, top, right, bottom = box
    outside = left < 0 or top < 0 or right > size[0] or bottom > size[1]
    on_numbers = sum(left < b[2] and b[0] < right and top < b[3] and b[1] < bottom for b in taken)
    inside = (courses[:, 0] > left) & (courses[:, 0] < right) & (courses[:, 1] > top) & (courses[:, 1] < bottom)
    return 10_000 * outside + 1000 * on_numbers + int(inside.sum())
