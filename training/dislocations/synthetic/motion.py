"""Films of lines that move in a known way, while the specimen drifts: to test tracking with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from training.dislocations.curves import FloatArray
from training.dislocations.synthetic.background import brightness, illumination
from training.dislocations.synthetic.contrast import attenuation
from training.dislocations.synthetic.parameters import Frame, Line, Parameters, Point, Region, Speck, Trace
from training.dislocations.synthetic.rendering import SyntheticFrame, random_stream, record, true_lines
from training.synthetic.folder import PictureFolder
from training.synthetic.resizing import FloatArray as Picture


def glide_directions(parameters: Parameters) -> FloatArray:
    """Unit vectors (number of lines, 2) x, y along which the lines of each pile-up follow each other.

    That is the direction of its slip traces. A line without another one goes across its own chord.
    """
    starts = np.array([line.supports[0] for line in parameters.lines])
    chords = np.array([np.subtract(line.supports[-1], line.supports[0]) for line in parameters.lines])
    directions = np.stack([chords[:, 1], -chords[:, 0]], axis=1)
    numbers = np.array(parameters.pile_up)
    for number in np.unique(numbers):
        (members,) = np.nonzero(numbers == number)
        if len(members) > 1:
            directions[members] = starts[members[-1]] - starts[members[0]]
    return directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)


def moved(
    parameters: Parameters, displacements_px: FloatArray | Sequence[Point], drift_px: Point = (0.0, 0.0)
) -> Parameters:
    """The parameters with every line displaced by its own x, y, and all of the specimen by the drift.

    Dark dots at lines' ends stay where they are, as what a line leaves behind on the surface.
    """
    lines = [
        line.model_copy(update={"supports": _shifted(line.supports, dx + drift_px[0], dy + drift_px[1])})
        for line, (dx, dy) in zip(parameters.lines, displacements_px, strict=True)
    ]
    traces = [trace.model_copy(update={"points": _shifted(trace.points, *drift_px)}) for trace in parameters.traces]
    regions = [
        region.model_copy(update={"outline": _shifted(region.outline, *drift_px)}) for region in parameters.regions
    ]
    specks = [
        speck.model_copy(update={"x_px": speck.x_px + drift_px[0], "y_px": speck.y_px + drift_px[1]})
        for speck in parameters.specks
    ]
    update: dict[str, tuple[Line, ...] | tuple[Trace, ...] | tuple[Region, ...] | tuple[Speck, ...]] = {
        "lines": tuple(lines), "traces": tuple(traces), "regions": tuple(regions), "specks": tuple(specks)
    }  # fmt: skip
    return parameters.model_copy(update=update)


def film(
    parameters: Parameters,
    velocities_px: FloatArray | Sequence[Point],
    count: int,
    *,
    drift_px: Point = (0.0, 0.0),
    folder: PictureFolder | None = None,
) -> Iterator[SyntheticFrame]:
    """Frames, one after the other, of lines that move evenly; the noise of each is its own, the light stays.

    Parameters
    ----------
    velocities_px: (number of lines, 2) x, y per frame, relative to the specimen.
    drift_px: x, y of the whole specimen per frame.
    folder: as in `render`.

    A true line keeps its `number` in all frames; one that has left the frame is no true line any more.
    """
    velocities = np.asarray(velocities_px, np.float64).reshape(-1, 2)
    texture, margin = _texture(parameters, count, drift_px, folder)
    height, width = parameters.frame.shape
    light = parameters.background.light
    for number in range(count):
        x, y = drift_px[0] * number, drift_px[1] * number
        now = moved(parameters, velocities * number, (x, y))
        shifted = ndimage.shift(texture, (y, x), order=1, mode="nearest")
        field = shifted[margin : margin + height, margin : margin + width]
        field = field * np.exp(-attenuation(now))
        if light is not None:
            field *= illumination(parameters.frame, light)
        grey = record(field, parameters.detector, random_stream(parameters, 2, number))
        yield SyntheticFrame(grey, true_lines(now), now)


def _texture(parameters: Parameters, count: int, drift_px: Point, folder: PictureFolder | None) -> tuple[Picture, int]:
    """The background without light, larger than the frame by a margin on all sides for the drift."""
    margin = int(np.ceil(max(abs(drift_px[0]), abs(drift_px[1])) * (count - 1))) + 1
    height, width = parameters.frame.shape
    frame = Frame(height=height + 2 * margin, width=width + 2 * margin)
    background = parameters.background.model_copy(update={"light": None})
    return brightness(frame, background, random_stream(parameters, 1), folder), margin


def _shifted(points: Sequence[Point], dx: float, dy: float) -> tuple[Point, ...]:
    return tuple((float(x + dx), float(y + dy)) for x, y in points)
