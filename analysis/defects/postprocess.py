"""What a Mask R-CNN answers → defects of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.defects.instances import Detection
from analysis.defects.pasting import THRESHOLD, paste_all
from analysis.overlaps import boxes_of, intersections_px, meeting_boxes


@dataclass(frozen=True, eq=False)
class NetworkOutput:
    """Detections as they leave the network, in the pixels of its input.

    boxes: (N, 4) x1, y1, x2, y2 of the edges, with pixel (0, 0) from 0 to 1 (Detectron2's convention).
    classes: (N,) index of the class. scores: (N,) 0 to 1.
    masks: (N, cells, cells) or (N, 1, cells, cells), probabilities of the mask inside its box.
    """

    boxes: npt.NDArray[np.floating]
    classes: npt.NDArray[np.integer]
    scores: npt.NDArray[np.floating]
    masks: npt.NDArray[np.floating]

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.classes.shape != (n,) or len(self.masks) != n:
            raise ValueError(
                f"boxes {self.boxes.shape}, classes {self.classes.shape}, scores {self.scores.shape} and masks "
                f"{self.masks.shape} are not of the same number of detections"
            )


def detections(
    output: NetworkOutput,
    class_names: Sequence[str],
    height: int,
    width: int,
    *,
    score: float = 0.5,
    scale_x: float = 1.0,
    scale_y: float = 1.0,
) -> list[Detection]:
    """The defects of a picture, the surest first. A detection whose mask is empty is none.

    Parameters
    ----------
    output: of the network.
    class_names: in the order of the network's indices.
    height, width: of the picture, before it was resampled for the network.
    score: those below it are left out.
    scale_x, scale_y: the network saw the picture resampled by these factors. The masks are pasted into the picture
        itself, so nothing is lost by that.

    Raises
    ------
    ValueError: a class index without a name.
    """
    if len(output.classes) and not (output.classes.min() >= 0 and output.classes.max() < len(class_names)):
        raise ValueError(
            f"the network answers class {int(output.classes.max())}, but there are {len(class_names)} names"
        )
    order = np.argsort(-output.scores, kind="stable")
    order = order[output.scores[order] >= score]
    scale = np.array((scale_x, scale_y, scale_x, scale_y), np.float32)
    boxes = np.asarray(output.boxes, np.float32)[order] / scale
    maps = output.masks.reshape(len(output.masks), *output.masks.shape[-2:])[order]
    names = [class_names[index] for index in output.classes[order].tolist()]
    masks = paste_all(maps, boxes, height, width, threshold=THRESHOLD)
    edges = (boxes.astype(float) - 0.5).tolist()
    return [
        Detection(name, value, (x1, y1, x2, y2), mask, soft)
        for name, value, (x1, y1, x2, y2), mask, soft in zip(
            names, output.scores[order].tolist(), edges, masks, maps, strict=True
        )
        if mask.area_px
    ]


def without_repeats(found: Sequence[Detection], *, iou: float = 0.5) -> list[Detection]:
    """Detections of which no two share more than `iou`, of whatever class: the surest of each heap stays.

    A Mask R-CNN suppresses repeats within a class only, so one defect may be answered once per class.
    """
    order = sorted(range(len(found)), key=lambda i: -found[i].score)
    masks = [found[i].mask for i in order]
    area, boxes = np.array([mask.area_px for mask in masks]), boxes_of(masks)
    first, second = meeting_boxes(boxes, boxes)
    # shared > iou · (both - shared); masks share no more than their boxes do, so most pairs need no second look
    least = iou / (1 + iou) * (area[first] + area[second]) if len(masks) else np.empty(0)
    corner, end = np.maximum(boxes[first, :2], boxes[second, :2]), np.minimum(boxes[first, 2:], boxes[second, 2:])
    near = (first < second) & (np.prod(end - corner, axis=1) > least)
    first, second, least = first[near], second[near], least[near]
    same = intersections_px(masks, masks, first, second) > least
    kept = np.ones(len(masks), bool)
    for i, j in zip(first[same].tolist(), second[same].tolist(), strict=True):
        if kept[i]:
            kept[j] = False
    return [found[order[i]] for i in np.flatnonzero(kept).tolist()]
