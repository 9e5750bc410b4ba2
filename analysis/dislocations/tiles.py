"""Lines of a picture of any size, with any number of lines: in tiles where it is large, in smaller ones where crowded.

A network answers a fixed number of lines, N. Where a tile holds about as many, it is cut into smaller tiles, until
none is full. Lines that run over seams are found in parts, which are put together where they overlap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.dislocations.joining import each_once
from analysis.dislocations.lines import Line
from analysis.dislocations.postprocess import Rules, find_lines, long_enough
from analysis.dislocations.preprocess import InputSpec
from analysis.tiling import Tile, spans
from emserve.exceptions import InternalError

Batch = npt.NDArray[np.float32]

_FULL = 0.9  # of the network's maps: a tile with so many lines may have more
_TRIM_PX = 6  # at a tile's inner edges, where the network sees one side only; the neighbour sees both


@dataclass(frozen=True, eq=False)
class FoundInTiles:
    """Lines of a whole picture, in its pixels, and what it took.

    tiles: how many the network saw. full: how many of them had as many lines as the network can answer and could not
    be cut further. network_seconds: in the network.
    """

    lines: list[Line]
    tiles: int
    full: int
    network_seconds: float


def find_in_tiles(
    run: Callable[[Batch], Batch], pixels: npt.NDArray[np.float32], spec: InputSpec, rules: Rules
) -> FoundInTiles:
    """Run a network over a picture, tile by tile, and find every line once.

    Parameters
    ----------
    run: (n, 1, h, w) → (n, N, h, w) probabilities.
    pixels: (height, width).

    Raises
    ------
    InternalError: the network's answer is no set of maps.
    """
    height, width = pixels.shape
    waiting = _cut(Tile(0, 0, width, height), spec.tile_px, spec.overlap_px, spec)
    whole = len(waiting) == 1
    found: list[Line] = []
    tiles = full = 0
    spent = 0.0
    while waiting:
        size = (waiting[0].bottom - waiting[0].top, waiting[0].right - waiting[0].left)
        group = [tile for tile in waiting if (tile.bottom - tile.top, tile.right - tile.left) == size][: spec.batch]
        waiting = [tile for tile in waiting if tile not in group]
        begin = time.perf_counter()
        maps = _checked(run(np.stack([_padded(pixels, tile, spec.multiple_of) for tile in group])[:, None]), len(group))
        spent += time.perf_counter() - begin
        tiles += len(group)
        for tile, of_tile in zip(group, maps, strict=True):
            lines = find_lines(_trimmed(of_tile, tile, height, width), rules)
            is_full = len(lines) >= _FULL * spec.most_lines
            smaller = _smaller(tile, spec) if is_full else []
            if smaller:
                waiting += smaller
                whole = False
                continue
            full += is_full
            found += [line.moved(tile.left, tile.top) for line in lines]
    if not whole:
        found = long_enough(each_once(found, gap_px=rules.gap_between_px), rules)
    return FoundInTiles(found, tiles, full, spent)


def _cut(area: Tile, size: int, overlap: int, spec: InputSpec) -> list[Tile]:
    rows, columns = (
        spans(length, tile=size, halo=overlap // 2, multiple_of=spec.multiple_of)
        for length in (area.bottom - area.top, area.right - area.left)
    )
    return [
        Tile(
            area.left + x.start,
            area.top + y.start,
            min(area.left + x.start + x.size, area.right),
            min(area.top + y.start + y.size, area.bottom),
        )
        for y in rows
        for x in columns
    ]


def _smaller(tile: Tile, spec: InputSpec) -> list[Tile]:
    """A full tile in four or so; nothing where the pieces would become too small."""
    longest = max(tile.bottom - tile.top, tile.right - tile.left)
    overlap = min(spec.overlap_px, longest // 4)
    size = (longest + overlap) // 2 + spec.multiple_of
    if size < spec.smallest_tile_px or size > 0.9 * longest:
        return []
    return _cut(tile, size, overlap, spec)


def _padded(pixels: npt.NDArray[np.float32], tile: Tile, multiple_of: int) -> npt.NDArray[np.float32]:
    """The tile, continued by its mirror image to the right and below to a multiple of the network's."""
    part = pixels[tile.top : tile.bottom, tile.left : tile.right]
    missing = [-length % multiple_of for length in part.shape]
    if any(missing):
        part = np.pad(part, ((0, missing[0]), (0, missing[1])), mode="symmetric")
    return np.ascontiguousarray(part, np.float32)


def _trimmed(maps: Batch, tile: Tile, height: int, width: int) -> Batch:
    """The maps of a tile without its padding, and without lines at its inner edges."""
    maps = maps[:, : tile.bottom - tile.top, : tile.right - tile.left]
    inner = (tile.left > 0, tile.top > 0, tile.right < width, tile.bottom < height)
    if not any(inner):
        return maps
    maps = maps.copy()
    left, top, right, bottom = (_TRIM_PX if flag else 0 for flag in inner)
    maps[:, :top], maps[:, maps.shape[1] - bottom :] = 0, 0
    maps[:, :, :left], maps[:, :, maps.shape[2] - right :] = 0, 0
    return maps


def _checked(maps: Sequence[Batch] | Batch, count: int) -> Batch:
    answer = np.asarray(maps)
    if answer.ndim != 4 or len(answer) != count:
        raise InternalError(f"The network answered an array of shape {answer.shape}, not one map for each line.")
    if not np.isfinite(answer.max(initial=0.0)):
        raise InternalError("The network's maps are not finite.", remedy="Try the runtime 'onnx' at precision fp32.")
    return answer
