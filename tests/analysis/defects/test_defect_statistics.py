"""Counts, densities, sizes and shapes of pictures and of many pictures."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from analysis.defects.statistics import class_statistics
from analysis.defects.table import DefectTable


def table(
    sizes_nm: list[float],
    *,
    names: list[str] | None = None,
    field_nm2: float | None = 1e4,
    labelled: frozenset[str] | None = None,
) -> DefectTable:
    """Defects of those sizes in pixels of 0.5 nm."""
    n = len(sizes_nm)
    return DefectTable(
        class_names=np.array(names or ["loop_111"] * n, np.str_),
        boxes=np.zeros((n, 4)),
        masks=None,
        size_px=np.array(sizes_nm) * 2,
        size_nm=None if field_nm2 is None else np.array(sizes_nm),
        heywood=np.full(n, 1.1),
        field_nm2=field_nm2,
        labelled=labelled,
    )


def test_one_picture() -> None:
    found = class_statistics(
        [table([10, 20, 30, 40], names=["loop_111", "loop_111", "black_dot", "loop_111"])], "loop_111"
    )
    assert found.count == 3
    assert found.density_per_nm2 == found.density_mean_per_nm2 == pytest.approx(3e-4)
    assert found.size_nm is not None
    assert (found.size_nm.mean, found.size_nm.median) == (pytest.approx(70 / 3), 20)
    assert found.size_nm.std == pytest.approx(math.sqrt((10**2 + 20**2 + 40**2) / 3 - (70 / 3) ** 2))
    assert found.size_px is not None
    assert found.size_px.mean == pytest.approx(140 / 3)


def test_pooled_density_and_mean_of_densities_differ_with_the_field() -> None:
    found = class_statistics([table([10] * 3, field_nm2=1e4), table([20], field_nm2=9e4)], "loop_111")
    assert found.density_per_nm2 == pytest.approx(4e-5)
    assert found.density_mean_per_nm2 == pytest.approx((3e-4 + 1 / 9e4) / 2)
    assert found.size_nm is not None
    assert found.size_nm.mean == pytest.approx(12.5)


def test_all_classes_together() -> None:
    found = class_statistics([table([10, 20], names=["loop_111", "black_dot"])], None)
    assert (found.class_name, found.count) == (None, 2)


def test_without_a_pixel_size_only_px_are_known() -> None:
    found = class_statistics([table([10, 20]), table([10, 20], field_nm2=None)], "loop_111")
    assert found.density_per_nm2 is None
    assert found.size_nm is None
    assert found.size_px is not None
    assert found.size_px.count == 4


def test_a_picture_in_which_a_class_was_not_labelled_says_nothing_about_it() -> None:
    pictures = [table([10, 20]), table([5], names=["black_dot"], labelled=frozenset({"black_dot"}))]
    assert class_statistics(pictures, "loop_111").density_per_nm2 == pytest.approx(2e-4)
    assert class_statistics(pictures, "black_dot").density_per_nm2 == pytest.approx(0.5e-4)


def test_no_defect_is_a_density_of_zero() -> None:
    found = class_statistics([table([])], "loop_111")
    assert (found.count, found.density_per_nm2, found.size_nm) == (0, 0, None)


def test_labellers_ellipses_against_a_computation_by_hand(shared_data: Path) -> None:
    from training.defects.labels import read_labels

    folder = shared_data / "fecral_three_class"
    pictures = [labels.table() for labels in read_labels(folder / "defects.csv", folder)]
    with (folder / "images.csv").open() as file:
        field = {row["image"]: float(row["field_width_nm"]) for row in csv.DictReader(file)}
    sizes: dict[str, list[float]] = {}
    counts: dict[str, dict[str, int]] = {}
    with (folder / "defects.csv").open() as file:
        for row in csv.DictReader(file):
            major, minor = float(row["major_px"]), float(row["minor_px"])
            px = math.sqrt(major * minor) if row["class"] == "black_dot" else major
            sizes.setdefault(row["class"], []).append(px * field[row["image"]] / 1024)
            by_picture = counts.setdefault(row["class"], dict.fromkeys(field, 0))
            by_picture[row["image"]] += 1
    assert {name: len(values) for name, values in sizes.items()} == {"loop_111": 103, "loop_100": 48, "black_dot": 88}
    for name, values in sizes.items():
        found = class_statistics(pictures, name)
        mean = math.fsum(values) / len(values)
        densities = [counts[name][image] / field[image] ** 2 for image in field]
        assert found.size_nm is not None
        assert found.size_nm.mean == pytest.approx(mean, rel=1e-13)
        std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
        assert found.size_nm.std == pytest.approx(std, rel=1e-13)
        total = sum(side**2 for side in field.values())
        assert found.density_per_nm2 == pytest.approx(len(values) / total, rel=1e-13)
        assert found.density_mean_per_nm2 == pytest.approx(math.fsum(densities) / 4, rel=1e-13)
