"""Lines that people drew on frames, as labelme's JSON.

Each line is a `linestrip` (or `line`) with the label `dislocation`; `slip_trace` marks what must not be found. Files
count from the picture's corner, arrays from the middle of the top left pixel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

DISLOCATION = "dislocation"
SLIP_TRACE = "slip_trace"


class LabelError(ValueError):
    """A file of labels that cannot be read; the message names the remedy."""


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """The lines of one frame, each (n, 2) float64 x, y in px; n is at least 2."""

    image: str
    height_px: int
    width_px: int
    lines: tuple[FloatArray, ...]
    slip_traces: tuple[FloatArray, ...] = ()


def read_frame(path: Path) -> LabelledFrame:
    """The lines of a file of labelme; shapes with other labels are left out.

    Raises
    ------
    LabelError: it is not such a file, or a line is not a line.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        size = int(content["imageHeight"]), int(content["imageWidth"])
        shapes, image = list(content["shapes"]), Path(str(content["imagePath"]).replace("\\", "/")).name
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        message = f"{path.name} is not a JSON of labelme ({error}): save the frame's labels with labelme"
        raise LabelError(message) from error
    found: dict[str, list[FloatArray]] = {DISLOCATION: [], SLIP_TRACE: []}
    for number, shape in enumerate(shapes, start=1):
        if isinstance(shape, dict) and shape.get("label") in found:
            found[shape["label"]].append(_points(shape, f"shape {number} of {path.name}"))
    return LabelledFrame(image, size[0], size[1], tuple(found[DISLOCATION]), tuple(found[SLIP_TRACE]))


def read_frames(folder: Path) -> list[LabelledFrame]:
    """The frames of all JSON files of a folder, by name.

    Raises
    ------
    LabelError: there is none, or one of them is not labelme's.
    """
    frames = [read_frame(path) for path in sorted(folder.glob("*.json"))]
    if not frames:
        raise LabelError(f"no JSON of labelme in {folder}")
    return frames


def _points(shape: dict[str, Any], where: str) -> FloatArray:
    if shape.get("shape_type") not in ("linestrip", "line"):
        raise LabelError(f"{where} is a {shape.get('shape_type')}: draw dislocations as a linestrip")
    try:
        points = np.array(shape["points"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise LabelError(f"{where} has no points: draw it again") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise LabelError(f"{where} has no two points: draw it again")
    return points - 0.5


def write_frame(frame: LabelledFrame, path: Path) -> None:
    """Write a frame's lines as labelme does, without the picture itself: `frame.image` is expected beside the file."""
    shapes = [*_shapes(DISLOCATION, frame.lines), *_shapes(SLIP_TRACE, frame.slip_traces)]
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": frame.image,
        "imageData": None,
        "imageHeight": frame.height_px,
        "imageWidth": frame.width_px,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _shapes(label: str, lines: Iterable[FloatArray]) -> Iterable[dict[str, Any]]:
    for number, points in enumerate(lines, start=1):
        yield {
            "label": label,
            "points": np.round(points + 0.5, 4).tolist(),
            "group_id": number,
            "description": "",
            "shape_type": "linestrip",
            "flags": {},
            "mask": None,
        }
