"""Big pictures in overlapping tiles and back; knows no model.

Every tile is cut with a halo of neighbouring pixels around the core that it answers for, so that the answer is that of
the whole picture: exactly, where the operator looks no further than the halo and pools on a grid of `multiple_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """Where a tile lies in the picture: columns left … right - 1, rows top … bottom - 1."""

    left: int
    top: int
    right: int
    bottom: int

    def shared_with(self, other: Tile) -> tuple[int, int, int, int]:
        """The rectangle that both tiles saw: left, top, right, bottom; empty where right <= left or bottom <= top."""
        return (
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )


@dataclass(frozen=True)
class Span:
    """One tile along one axis: it reads `start..start + size` and answers for `core_start..core_stop`."""

    start: int
    size: int
    core_start: int
    core_stop: int


def spans(length: int, *, tile: int, halo: int, multiple_of: int) -> list[Span]:
    """The tiles along one axis of `length` pixels.

    All have one size, at most `tile` (rounded up to a multiple), and start on multiples of `multiple_of`, so that
    pooling grids agree with those of the whole picture. The cores cover the axis once. As many tiles are taken as are
    needed, and then made as small as they can be.

    Raises
    ------
    ValueError: a number is out of range.
    """
    if length < 1 or multiple_of < 1 or tile < 1 or halo < 0:
        raise ValueError("length, tile and multiple_of must be positive, halo must not be negative")
    total = _round_up(length, multiple_of)
    halo = _round_up(halo, multiple_of)
    tile = max(_round_up(tile, multiple_of), 2 * halo + multiple_of)
    if total <= tile:
        return [Span(0, total, 0, length)]
    count = -(-(total - 2 * halo) // (tile - 2 * halo))
    step = _round_up(-(-(total - 2 * halo) // count), multiple_of)
    size = step + 2 * halo
    starts = [min(i * step, total - size) for i in range(count)]
    # each core ends where the next one begins: `halo` away from the edge of both tiles
    edges = [0, *(start + size - halo for start in starts[:-1]), length]
    return [Span(start, size, edges[i], edges[i + 1]) for i, start in enumerate(starts)]


def run_tiled(
    run: Callable[[Batch], Batch],
    pixels: npt.NDArray[np.float32],
    *,
    tile: int,
    halo: int,
    multiple_of: int = 1,
    batch: int = 1,
) -> npt.NDArray[np.float32]:
    """Run an operator over a picture of any size, tile by tile.

    Never more than one batch of tiles is held. Where the picture is no multiple of `multiple_of`, it is continued by
    its mirror image to the right and below.

    Parameters
    ----------
    run: (n, 1, h, w) → (n, 1, h, w), float32.
    pixels: (height, width).
    tile: largest height and width of a tile.
    halo: how far the operator looks, pixels.
    multiple_of: height, width and origin of every tile are multiples of this.
    batch: number of tiles in one call of `run`; all tiles have the same shape.

    Returns
    -------
    (height, width) float32.
    """
    height, width = pixels.shape
    out = np.empty((height, width), np.float32)
    rows = spans(height, tile=tile, halo=halo, multiple_of=multiple_of)
    columns = spans(width, tile=tile, halo=halo, multiple_of=multiple_of)
    for group in _groups([(y, x) for y in rows for x in columns], batch):
        tiles = np.stack([_cut(pixels, y, x) for y, x in group])[:, None]
        for (y, x), answer in zip(group, run(tiles), strict=True):
            core_y, core_x = slice(y.core_start, y.core_stop), slice(x.core_start, x.core_stop)
            out[core_y, core_x] = answer[0, y.core_start - y.start :, x.core_start - x.start :][
                : y.core_stop - y.core_start, : x.core_stop - x.core_start
            ]
    return out


def _groups(items: list[tuple[Span, Span]], size: int) -> Iterator[list[tuple[Span, Span]]]:
    for i in range(0, len(items), max(1, size)):
        yield items[i : i + max(1, size)]


def _cut(pixels: npt.NDArray[np.float32], y: Span, x: Span) -> npt.NDArray[np.float32]:
    part = pixels[y.start : y.start + y.size, x.start : x.start + x.size]
    missing = (y.size - part.shape[0], x.size - part.shape[1])
    if any(missing):
        part = np.pad(part, ((0, missing[0]), (0, missing[1])), mode="symmetric")
    return np.asarray(part, np.float32)


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
