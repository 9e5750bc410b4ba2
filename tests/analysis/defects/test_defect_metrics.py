"""Prediction against truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.defects.errors import hardening_errors, percent_errors, summary
from analysis.defects.metrics import Score, evaluate, evaluate_at, match, pairs, total
from analysis.defects.table import DefectTable
from analysis.masks import encode


def table(*defects: tuple[int, int, str], side: int = 10, labelled: frozenset[str] | None = None) -> DefectTable:
    """Squares at (x, y) of a class."""
    return DefectTable(
        class_names=np.array([name for _, _, name in defects], np.str_),
        boxes=np.array([(x, y, x + side, y + side) for x, y, _ in defects], float).reshape(-1, 4) - 0.5,
        masks=tuple(encode(np.ones((side, side)), x_px=x, y_px=y) for x, y, _ in defects),
        size_px=np.full(len(defects), float(side)),
        size_nm=None,
        heywood=np.full(len(defects), 1.0 + side / 100),
        field_nm2=None,
        labelled=labelled,
    )


def boxes_only(full: DefectTable) -> DefectTable:
    """The same without masks."""
    return DefectTable(**{**vars(full), "masks": None})


def test_found_missed_and_wrong() -> None:
    true = table((0, 0, "a"), (50, 0, "a"), (0, 50, "b"))
    predicted = table((2, 0, "a"), (50, 1, "b"), (80, 80, "b"))
    found = evaluate(predicted, true)
    assert found.find == Score(n_true=3, n_predicted=3, n_right=2)
    assert (found.find.precision, found.find.recall, found.find.f1) == (pytest.approx(2 / 3),) * 3
    assert found.types == {"a": Score(2, 1, 1), "b": Score(1, 2, 0)}
    assert found.type_all == Score(3, 3, 1)
    assert found.types_of_found == {"a": Score(2, 1, 1), "b": Score(0, 1, 0)}
    assert found.type_of_found_all == Score(2, 2, 1)


def test_a_true_defect_is_found_once_by_its_best_hit() -> None:
    true = table((0, 0, "a"))
    predicted = table((3, 0, "a"), (1, 0, "a"), (2, 0, "a"))
    found = evaluate(predicted, true)
    assert found.find == Score(1, 3, 1)
    assert found.predicted.tolist() == [1]


def test_one_prediction_does_not_find_two_defects() -> None:
    true = table((0, 0, "a"), (4, 0, "a"))
    assert evaluate(table((2, 0, "a")), true).find == Score(2, 1, 1)
    # each gets its own when there are two, though the first overlaps both
    found = evaluate(table((2, 0, "a"), (4, 0, "a")), true)
    assert found.find == Score(2, 2, 2)
    assert dict(zip(found.predicted.tolist(), found.true.tolist(), strict=True)) == {1: 1, 0: 0}


def test_the_threshold_is_exclusive_and_scores_fall_with_it() -> None:
    true, predicted = table((0, 0, "a"), (50, 0, "a")), table((5, 0, "a"), (50, 0, "a"))
    assert pairs(predicted, true).iou.tolist() == pytest.approx([1 / 3, 1])
    scores = [found.find.n_right for found in evaluate_at(predicted, true, (0.1, 0.33, 1 / 3, 0.5, 0.99))]
    assert scores == [2, 2, 1, 1, 1]


def test_nothing_predicted_and_nothing_there() -> None:
    nothing, something = table(), table((0, 0, "a"))
    assert evaluate(nothing, nothing).find.f1 == 1
    missed = evaluate(nothing, something).find
    assert (missed.precision, missed.recall, missed.f1) == (1, 0, 0)
    invented = evaluate(something, nothing).find
    assert (invented.precision, invented.recall, invented.f1) == (0, 1, 0)


def test_a_class_that_nobody_labelled_is_unknown() -> None:
    true = table((0, 0, "a"), (50, 0, "a"), labelled=frozenset({"a"}))
    predicted = table((0, 0, "a"), (0, 80, "a"), (80, 80, "b"), (51, 0, "b"))
    found = evaluate(predicted, true)
    # b at (80, 80) counts for nothing; b at (51, 0) finds a defect, as another kind
    assert found.find == Score(2, 3, 2)
    assert found.types == {"a": Score(2, 2, 1)}
    assert percent_errors(predicted, true, found).density == pytest.approx(50)


def test_boxes_are_compared_where_the_truth_has_boxes_only() -> None:
    true, predicted = table((0, 0, "a"), (50, 0, "a")), table((5, 0, "a"), (50, 0, "a"), (60, 0, "a"))
    found = pairs(predicted, boxes_only(true))
    assert found.iou.tolist() == pytest.approx([1 / 3, 1])
    assert evaluate(predicted, boxes_only(true)).find == Score(2, 3, 2)


squares = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.sampled_from("ab")), max_size=8).map(
    lambda defects: table(*defects)
)


@settings(max_examples=40)
@given(squares, squares, st.floats(0, 0.9))
def test_matching_is_one_to_one_above_the_threshold_and_leaves_no_pair(
    predicted: DefectTable, true: DefectTable, threshold: float
) -> None:
    found = pairs(predicted, true)
    i, j = match(found, threshold)
    assert len(set(i.tolist())) == len(i)
    assert len(set(j.tolist())) == len(j)
    value = {(a, b): v for a, b, v in zip(found.predicted.tolist(), found.true.tolist(), found.iou, strict=True)}
    assert all(value[pair] > threshold for pair in zip(i.tolist(), j.tolist(), strict=True))
    for (a, b), iou in value.items():
        assert iou <= threshold or a in i or b in j


@settings(max_examples=40)
@given(squares, squares)
def test_exchanging_prediction_and_truth_exchanges_precision_and_recall(a: DefectTable, b: DefectTable) -> None:
    there, back = evaluate(a, b), evaluate(b, a)
    assert there.find.n_right == back.find.n_right
    assert there.find.f1 == back.find.f1


@settings(max_examples=40)
@given(squares)
def test_a_perfect_prediction(true: DefectTable) -> None:
    found = evaluate(true, true, threshold=0.99)
    assert found.find.f1 == 1
    assert len(found.types) == len(set(true.class_names.tolist()))


def test_scores_of_pictures_add_up() -> None:
    assert total([Score(3, 4, 2), Score(1, 0, 0)]) == Score(4, 4, 2)
    assert total([]).f1 == 1


def test_percent_errors() -> None:
    true = table((0, 0, "a"), (50, 0, "a"), (0, 50, "b"))
    predicted = table((0, 0, "a"), (50, 0, "b"), (80, 80, "b"), (80, 0, "b"), side=12)
    found = evaluate(predicted, true)
    overall = percent_errors(predicted, true, found)
    assert overall.density == pytest.approx(100 / 3)
    assert overall.size_all == overall.size_found == pytest.approx(20)
    assert overall.heywood_all == pytest.approx(100 * (1.12 / 1.10 - 1))
    of_a = percent_errors(predicted, true, found, "a")
    assert of_a.density == pytest.approx(-50)
    assert of_a.size_found == pytest.approx(20)
    of_b = percent_errors(predicted, true, found, "b")
    assert (of_b.density, of_b.size_found) == (pytest.approx(200), None)
    assert percent_errors(predicted, true, found, "c").density is None


def test_errors_over_pictures() -> None:
    found = summary([10, -20, None, 30])
    assert found is not None
    assert (found.count, found.mean_absolute, found.mean) == (3, 20, pytest.approx(20 / 3))
    assert found.std_absolute == pytest.approx(np.std([10, 20, 30]))
    assert summary([None]) is None


def test_hardening_errors() -> None:
    found = hardening_errors([110, 180], [100, 200])
    assert (found.mae_mpa, found.mape) == (15, pytest.approx(10))
    with pytest.raises(ValueError, match="above 0"):
        hardening_errors([1.0], [0.0])


def test_titaniums_two_human_passes_agree_as_far_as_known(shared_data: Path) -> None:
    from training.defects.labels import read_labels

    folder = shared_data / "titanium_loops"
    first, second = (
        {
            p.image: p.table(shapes=False)
            for p in read_labels(folder / f"polygons_{which}_pass", folder / "images", names=["loop"])
        }
        for which in ("first", "second")
    )
    found = total(evaluate(first[image], second[image], threshold=0.3).find for image in second)
    assert (round(found.f1, 2), round(found.precision, 2), round(found.recall, 2)) == (0.48, 0.59, 0.40)
