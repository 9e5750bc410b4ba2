"""Defects that tiles share are counted once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.defects.instances import Detection, box_of
from analysis.defects.seams import merge
from analysis.masks import Mask, clipped, encode
from analysis.overlaps import iou, overlaps
from analysis.tiling import Tile, spans

HEIGHT, WIDTH = 300, 340


def tiles_of(height: int, width: int, tile: int, halo: int) -> list[Tile]:
    """Overlapping tiles over a picture, as the pipeline cuts them."""
    rows = spans(height, tile=tile, halo=halo, multiple_of=1)
    columns = spans(width, tile=tile, halo=halo, multiple_of=1)
    return [Tile(x.start, y.start, x.start + x.size, y.start + y.size) for y in rows for x in columns]


def blob(x: float, y: float, major: float, minor: float, angle: float) -> Mask:
    """An ellipse, clipped at the picture."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    dx, dy = columns - x, rows - y
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    return encode((2 * along / major) ** 2 + (2 * across / minor) ** 2 <= 1)


def seen(mask: Mask, tile: Tile, score: float, name: str = "loop_111") -> list[Detection]:
    """What an ideal network answers in a tile: the part of a defect that lies in it."""
    part = clipped(mask, tile.left, tile.top, tile.right, tile.bottom)
    return [Detection(name, score, box_of(part), part)] if part.area_px else []


ellipses = st.builds(
    blob,
    st.floats(0, WIDTH),
    st.floats(0, HEIGHT),
    st.floats(8, 120),
    st.floats(5, 60),
    st.floats(0, np.pi),
)


def place(mask: Mask) -> tuple[int, int, tuple[int, ...]]:
    """A total order of masks."""
    return (mask.x_px, mask.y_px, mask.counts)


def apart(masks: list[Mask]) -> list[Mask]:
    """Those that overlap none of the ones before."""
    kept: list[Mask] = []
    for mask in masks:
        if mask.area_px and not len(overlaps(kept, [mask])[0]):
            kept.append(mask)
    return kept


@settings(max_examples=20, deadline=None)
@given(
    st.lists(ellipses, min_size=1, max_size=12),
    st.integers(80, 200),
    st.integers(8, 35),
    st.randoms(use_true_random=False),
)
def test_every_defect_comes_out_once_and_whole(masks: list[Mask], tile: int, halo: int, random: object) -> None:
    masks = apart(masks)
    tiles = tiles_of(HEIGHT, WIDTH, tile, halo)
    found = [[d for mask in masks for d in seen(mask, t, random.random())] for t in tiles]
    merged = merge(tiles, found, HEIGHT, WIDTH)
    assert sorted((d.mask for d in merged), key=place) == sorted(masks, key=place)
    assert [d.score for d in merged] == sorted((d.score for d in merged), reverse=True)


@settings(max_examples=15, deadline=None)
@given(st.lists(ellipses, min_size=2, max_size=6), st.integers(120, 200))
def test_defects_that_overlap_each_other_stay_as_many(masks: list[Mask], tile: int) -> None:
    first, second, _ = overlaps(masks, masks)
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        assume(i == j or iou(masks[i], masks[j]) < 0.3)
    tiles = tiles_of(HEIGHT, WIDTH, tile, 30)
    present = [mask for mask in masks if mask.area_px]
    whole = [d for mask in present for d in seen(mask, Tile(0, 0, WIDTH, HEIGHT), 0.9)]
    found = [[d for mask in present for d in seen(mask, t, 0.9)] for t in tiles]
    assert len(merge(tiles, found, HEIGHT, WIDTH)) == len(whole)


@settings(max_examples=15, deadline=None)
@given(st.lists(ellipses, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_outlines_that_differ_a_little_between_tiles_are_still_one(masks: list[Mask], random: object) -> None:
    masks = [mask for mask in apart(masks) if mask.area_px > 80]
    tiles = tiles_of(HEIGHT, WIDTH, 180, 30)
    found = []
    for t in tiles:
        moved = [mask.moved(random.choice((-1, 0, 1)), random.choice((-1, 0, 1))) for mask in masks]
        found.append([d for m in moved for d in seen(m, t, 0.9) if min(d.mask.width_px, d.mask.height_px) > 7])
    merged = merge(tiles, found, HEIGHT, WIDTH)
    assert len(merged) <= len(masks)
    for mask in masks:
        if not mask.touches_edge(HEIGHT, WIDTH) and min(mask.width_px, mask.height_px) > 10:
            assert sum(iou(mask, d.mask) > 0.4 for d in merged) == 1


def test_the_whole_view_of_a_defect_wins_over_a_cut_one() -> None:
    tiles = [Tile(0, 0, 100, 100), Tile(60, 0, 160, 100)]
    mask = encode(np.ones((20, 30)), x_px=85, y_px=40)
    cut, whole = seen(mask, tiles[0], 0.95, "black_dot"), seen(mask, tiles[1], 0.6, "loop_111")
    assert merge(tiles, [cut, whole], 100, 160) == whole


def test_a_defect_larger_than_the_overlap_is_put_together() -> None:
    tiles = [Tile(0, 0, 100, 100), Tile(80, 0, 180, 100)]
    mask = encode(np.ones((20, 150)), x_px=10, y_px=40)
    (merged,) = merge(tiles, [seen(mask, tiles[0], 0.7), seen(mask, tiles[1], 0.9)], 100, 180)
    assert merged.mask == mask
    assert merged.score == 0.9
    assert merged.box == pytest.approx((9.5, 39.5, 159.5, 59.5))


def test_a_stub_of_a_cut_defect_is_not_a_defect_of_its_own() -> None:
    # the left tile sees a narrow end and draws it badly, the right one sees the whole
    tiles = [Tile(0, 0, 100, 100), Tile(60, 0, 160, 100)]
    whole = encode(np.ones((20, 40)), x_px=80, y_px=40)
    stub = encode(np.ones((8, 6)), x_px=94, y_px=44)
    merged = merge(
        tiles,
        [[Detection("loop_111", 0.99, box_of(stub), stub)], [Detection("loop_111", 0.6, box_of(whole), whole)]],
        100,
        160,
    )
    assert [d.mask for d in merged] == [whole]


def test_neighbours_that_do_not_overlap_are_two() -> None:
    tiles = [Tile(0, 0, 100, 100), Tile(60, 0, 160, 100)]
    left, right = encode(np.ones((10, 10)), x_px=70, y_px=40), encode(np.ones((10, 10)), x_px=80, y_px=40)
    merged = merge(tiles, [seen(left, tiles[0], 0.9), seen(right, tiles[1], 0.8)], 100, 160)
    assert [d.mask for d in merged] == [left, right]


def test_one_tile_is_left_as_it_is() -> None:
    tile = Tile(0, 0, 100, 100)
    a, b = encode(np.ones((10, 10)), x_px=70, y_px=40), encode(np.ones((10, 10)), x_px=72, y_px=40)
    found = [*seen(a, tile, 0.9), *seen(b, tile, 0.8)]
    assert merge([tile], [found], 100, 100) == found
