"""Defects of overlapping tiles → defects of the picture, each counted once.

A defect in the overlap of two tiles is found in both: whole in both, whole in one and cut in the other, or cut in both
where it is larger than the overlap. Two finds are of one defect when they agree in the part of the picture that both
tiles saw. Agreement is judged there only, so that the rest of a cut defect does not count against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.defects.instances import Detection
from analysis.masks import Mask, union
from analysis.overlaps import boxes_of, meeting_boxes, shared_px
from analysis.runs import runs_of
from analysis.tiling import Tile

AGREEMENT = 0.5  # IoU in the common part from which two finds are one defect
_MARGIN = 3  # px from a tile's edge within which a mask counts as cut by it: a network's boxes are that exact
COVERAGE = 0.5  # a cut piece of which so much lies on another tile's find is a part of that


def _cut(tile: Tile, mask: Mask, height: int, width: int) -> bool:
    """Whether a mask comes near an edge of the tile that is not one of the picture, so that it may go on there."""
    return (
        (mask.x_px < tile.left + _MARGIN and tile.left > 0)
        or (mask.y_px < tile.top + _MARGIN and tile.top > 0)
        or (mask.right_px > tile.right - _MARGIN and tile.right < width)
        or (mask.bottom_px > tile.bottom - _MARGIN and tile.bottom < height)
    )


@dataclass(frozen=True)
class _Find:
    detection: Detection
    tile: int
    cut: bool


def merge(tiles: Sequence[Tile], found: Sequence[Sequence[Detection]], height: int, width: int) -> list[Detection]:
    """The defects of the picture, the surest first.

    Finds of one tile are never merged with each other. Of the finds of one defect, one that no tile edge cuts stands
    for all of them; where all are cut, their masks are united. Class and score are those of the surest, among the
    whole ones if there are any.

    Parameters
    ----------
    tiles: where each lies; they overlap.
    found: the detections of each tile, in the picture's pixels.
    height, width: of the picture.
    """
    finds = [
        _Find(detection, k, _cut(tile, detection.mask, height, width))
        for k, (tile, detections) in enumerate(zip(tiles, found, strict=True))
        for detection in detections
    ]
    groups = list(range(len(finds)))  # each find's group, by the index of one of its members
    members = {i: [i] for i in groups}
    for _, i, j in sorted(_agreements(tiles, finds), key=lambda agreement: (-agreement[0], *agreement[1:])):
        a, b = groups[i], groups[j]
        if a == b or {finds[k].tile for k in members[a]} & {finds[k].tile for k in members[b]}:
            continue
        for k in members[b]:
            groups[k] = a
        members[a] += members.pop(b)
    merged = [_one([finds[k] for k in group]) for group in members.values()]
    return sorted(merged, key=lambda detection: (-detection.score, detection.box[1], detection.box[0]))


def _agreements(tiles: Sequence[Tile], finds: Sequence[_Find]) -> list[tuple[float, int, int]]:
    """Pairs of finds of different tiles that may be one defect, with how well they agree."""
    masks = [find.detection.mask for find in finds]
    boxes, tile = boxes_of(masks), np.array([find.tile for find in finds], np.intp)
    first, second = meeting_boxes(boxes, boxes)
    apart = (first < second) & (tile[first] != tile[second])
    first, second = first[apart], second[apart]
    rectangles = np.array(
        [tiles[a].shared_with(tiles[b]) for a, b in zip(tile[first].tolist(), tile[second].tolist(), strict=True)],
        np.intp,
    ).reshape(-1, 4)
    runs = runs_of(masks)
    of_first, of_second = runs.of(first).within(rectangles), runs.of(second).within(rectangles)
    shared = shared_px(of_first, of_second, len(first))
    both = of_first.areas(len(first)) + of_second.areas(len(first)) - shared
    # of a whole find nothing can be a part of another
    area = np.array([find.detection.mask.area_px if find.cut else np.inf for find in finds])
    covered = shared / np.minimum(area[first], area[second])
    agreement = shared / np.maximum(both, 1)
    kept = (agreement > AGREEMENT) | (covered > COVERAGE)
    return list(zip(agreement[kept].tolist(), first[kept].tolist(), second[kept].tolist(), strict=True))


def _one(finds: Sequence[_Find]) -> Detection:
    """One detection for all finds of a defect."""
    whole = [find.detection for find in finds if not find.cut]
    if whole:
        return max(whole, key=lambda detection: detection.score)
    surest = max((find.detection for find in finds), key=lambda detection: detection.score)
    if len(finds) == 1:
        return surest
    mask = union(find.detection.mask for find in finds)
    x1, y1, x2, y2 = zip(*(find.detection.box for find in finds), strict=True)
    return replace(surest, mask=mask, box=(min(x1), min(y1), max(x2), max(y2)), probabilities=None)
