"""A column that the network draws where the picture is dark is none."""

from __future__ import annotations

import numpy as np

from analysis.atoms.postprocess import Points, only_bright


def crystal() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A square lattice of one atom with noise: picture, columns and the empty sites between four of them."""
    y, x = np.mgrid[:160, :160].astype(np.float32)
    centres = np.array([(i, j) for i in range(10, 151, 14) for j in range(10, 151, 14)], float)
    picture = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 3.5**2)) for cx, cy in centres)
    picture = picture + 0.05 * np.random.default_rng(0).standard_normal(picture.shape)
    return picture.astype(np.float32), centres, centres[(centres < 149).all(axis=1)] + 7


def test_empty_sites_go_and_columns_stay() -> None:
    picture, columns, empty = crystal()
    points = Points(np.concatenate([columns, empty]), np.ones(len(columns) + len(empty)))
    kept = {tuple(point) for point in only_bright(points, picture).xy}
    assert {tuple(point) for point in columns} <= kept
    assert len(kept & {tuple(point) for point in empty}) <= 0.02 * len(empty)


def test_a_faint_column_between_bright_ones_stays() -> None:
    picture, _, empty = crystal()
    y, x = np.mgrid[:160, :160]
    faint = empty[len(empty) // 2]
    picture += (0.4 * np.exp(-((x - faint[0]) ** 2 + (y - faint[1]) ** 2) / (2 * 3.5**2))).astype(np.float32)
    assert len(only_bright(Points(faint[None], np.ones(1)), picture).xy) == 1


def test_nothing_in_nothing_out() -> None:
    nothing = Points(np.empty((0, 2)), np.empty(0))
    assert len(only_bright(nothing, np.zeros((32, 32), np.float32)).xy) == 0
