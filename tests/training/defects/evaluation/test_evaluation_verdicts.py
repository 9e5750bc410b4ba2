"""Figures of judged pictures, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analysis.defects.hardening import BarrierModel
from analysis.defects.table import DefectTable
from analysis.masks import encode
from training.defects.evaluation.figures import COLUMNS, FIND, TYPES, figures, kinds, spread
from training.defects.evaluation.predictions import Prediction
from training.defects.evaluation.ranking import ranking
from training.defects.evaluation.verdicts import THRESHOLDS, Verdict, judge
from training.defects.evaluation.vocabulary import in_words, widest

FIELD = 1000.0
Squares = Sequence[tuple[str, int, int, float]]


def table(squares: Squares, labelled: frozenset[str] | None = None, *, boxes_only: bool = False) -> DefectTable:
    """Squares of 10 px at (x, y), 0.5 nm per px, with a size in nm of their own."""
    sizes = np.array([size for *_, size in squares], float)
    unknown = np.full(len(squares), np.nan)
    return DefectTable(
        class_names=np.array([name for name, *_ in squares], np.str_),
        boxes=np.array([(x - 0.5, y - 0.5, x + 9.5, y + 9.5) for _, x, y, _ in squares], float).reshape(-1, 4),
        masks=None if boxes_only else tuple(encode(np.ones((10, 10)), x_px=x, y_px=y) for _, x, y, _ in squares),
        size_px=unknown if boxes_only else 2 * sizes,
        size_nm=unknown if boxes_only else sizes,
        heywood=np.full(len(squares), 1.1),
        field_nm2=FIELD,
        labelled=labelled,
    )


def verdict(
    predicted: Squares, true: Squares, labelled: Sequence[str], scores: Sequence[float] | None = None, **options
) -> Verdict:
    found = Prediction(table(predicted), np.array(scores if scores is not None else np.ones(len(predicted)), float))
    truth = table(true, frozenset(labelled), boxes_only=options.pop("boxes_only", False))
    return judge("picture", found, truth, thresholds=THRESHOLDS, **options)


ALL = ("black_dot", "loop_100", "loop_111")
TRUE = [("loop_111", 0, 0, 10.0), ("loop_111", 100, 0, 20.0), ("black_dot", 200, 0, 5.0), ("loop_100", 300, 0, 30.0)]
# right; found, but as another class; moved by 5 px, which is an IoU of 50 / 150; nothing is there
PREDICTED = [
    ("loop_111", 0, 0, 12.0),
    ("loop_100", 100, 0, 24.0),
    ("black_dot", 205, 0, 6.0),
    ("black_dot", 400, 0, 6.0),
]


def test_a_picture_by_hand() -> None:
    judged = verdict(PREDICTED, TRUE, ALL, thickness_nm=100)
    find = figures([judged], FIND, 0.3)
    assert (find["true"], find["predicted"], find["right"]) == (4, 4, 3)
    assert (find["precision"], find["recall"], find["f1"]) == (0.75, 0.75, 0.75)
    types = figures([judged], TYPES, 0.3)
    assert (types["right"], types["f1"], types["of_found_f1"]) == (2, 0.5, pytest.approx(2 / 3))
    assert types["density_error_percent"] is None
    loops = figures([judged], "loop_111", 0.3)
    assert (loops["precision"], loops["recall"], loops["f1"]) == (1, 0.5, pytest.approx(2 / 3))
    assert loops["density_bias_percent"] == pytest.approx(-50)
    assert (loops["size_true_nm"], loops["size_predicted_nm"]) == (15, 12)
    assert loops["size_true_std_nm"] == 5
    assert loops["size_bias_percent"] == pytest.approx(100 * (12 / 15 - 1))
    assert loops["size_error_percent"] == pytest.approx(20)
    # both true ones were found, by a loop_111 of 12 nm and a loop_100 of 24 nm
    assert loops["size_found_bias_percent"] == pytest.approx(100 * (18 / 15 - 1))
    assert find["density_true_per_nm2"] == pytest.approx(4 / FIELD)
    assert find["density_error_percent"] == pytest.approx(0)
    assert find["size_bias_percent"] == pytest.approx(100 * (48 / 65 - 1))
    dots = figures([judged], "black_dot", 0.4)
    assert dots["right"] == 0, "an IoU of a third is not above 0.4"
    assert figures([judged], "loop_100", 0.3)["heywood_error_percent"] == pytest.approx(0)


def test_hardening_by_hand() -> None:
    judged = verdict(PREDICTED, TRUE, ALL, thickness_nm=100)
    model, volume = BarrierModel(), FIELD * 100

    def stress(name: str, *sizes: float) -> float:
        return float(np.sqrt(sum(model.stress_mpa(name, 1 / volume, size) ** 2 for size in sizes)))

    true = np.array([stress("loop_111", 10, 20), stress("loop_100", 30), stress("black_dot", 5)])
    predicted = np.array([stress("loop_111", 12), stress("loop_100", 24), stress("black_dot", 6, 6)])
    find = figures([judged], FIND, 0.3)
    assert find["hardening_pictures"] == 1
    assert find["hardening_linear_true_mpa"] == pytest.approx(true.sum())
    assert find["hardening_linear_mae_mpa"] == pytest.approx(abs(predicted.sum() - true.sum()))
    total = [np.sqrt((values**2).sum()) for values in (predicted, true)]
    assert find["hardening_quadrature_mape_percent"] == pytest.approx(100 * abs(total[0] / total[1] - 1))
    dots = figures([judged], "black_dot", 0.3)
    assert dots["hardening_linear_predicted_mpa"] == pytest.approx(predicted[2])
    assert dots["hardening_linear_mape_percent"] == dots["hardening_quadrature_mape_percent"]


def test_what_labels_do_not_tell_is_none() -> None:
    without = figures([verdict(PREDICTED, TRUE, ALL)], FIND, 0.3)
    assert without["hardening_linear_mae_mpa"] is None
    assert without["hardening_pictures"] == 0
    boxes = figures([verdict(PREDICTED, TRUE, ALL, thickness_nm=100, boxes_only=True)], FIND, 0.3)
    assert boxes["f1"] == 0.75
    assert [boxes[name] for name in ("size_error_percent", "size_true_nm", "hardening_linear_true_mpa")] == [None] * 3
    assert boxes["density_error_percent"] == pytest.approx(0)


def test_pictures_are_pooled_and_their_errors_averaged() -> None:
    one = verdict([("loop_111", 0, 0, 12.0)], [("loop_111", 0, 0, 10.0)], ALL)
    two = verdict([], [("loop_111", 0, 0, 10.0), ("loop_111", 50, 0, 10.0)], ALL)
    both = figures([one, two], FIND, 0.3)
    assert both["recall"] == pytest.approx(1 / 3)
    assert both["pictures"] == 2
    assert (both["density_error_percent"], both["density_error_std_percent"], both["density_bias_percent"]) == (
        50,
        50,
        -50,
    )
    assert both["size_error_percent"] == pytest.approx(20), "nothing was predicted in the second, so it has no error"
    assert both["density_predicted_per_nm2"] == pytest.approx(1 / (2 * FIELD))
    assert both["size_true_nm"] == 10
    rows = [figures([v], FIND, 0.3) for v in (one, two)]
    assert spread(rows)["f1_mean"] == 0.5
    assert spread(rows)["f1_std"] == 0.5
    absent = [figures([v], "black_dot", 0.3) for v in (one, two)]
    assert absent[0]["f1"] == 1
    assert spread(absent)["f1_mean"] is None, "dots that are neither there nor predicted are no success"


def test_only_what_was_labelled_is_judged() -> None:
    # One loop is found as another class; the dot and the second loop_100 are where nobody looked for them.
    predicted = [
        ("loop_100", 0, 0, 10.0),
        ("black_dot", 50, 0, 5.0),
        ("loop_100", 90, 0, 9.0),
        ("loop_111", 150, 0, 8.0),
    ]
    judged = verdict(predicted, [("loop_111", 0, 0, 10.0)], ["loop_111"], classes=ALL)
    find = figures([judged], FIND, 0.3)
    assert kinds([judged]) == [FIND, TYPES, "loop_111"]
    assert (find["true"], find["predicted"], find["right"]) == (1, 2, 1)
    assert find["density_bias_percent"] == pytest.approx(100)
    assert find["size_predicted_nm"] == pytest.approx(9), "of the two that count"
    assert figures([judged], "loop_111", 0.3)["f1"] == 0
    complete = verdict([("black_dot", 0, 0, 5.0)], [("black_dot", 0, 0, 5.0)], ALL)
    assert figures([judged, complete], "black_dot", 0.3)["pictures"] == 1


def test_loops_of_unknown_kind_are_found_by_loops_of_any_kind() -> None:
    predicted = [
        ("loop_100", 0, 0, 10.0),
        ("loop_111", 50, 0, 9.0),
        ("loop_111", 90, 0, 9.0),
        ("black_dot", 150, 0, 5.0),
    ]
    true = [("loop", 0, 0, 10.0), ("loop", 50, 0, 9.0)]
    judged = verdict(predicted, true, ["loop"], classes=ALL)
    assert kinds([judged]) == [FIND, TYPES, "loop"]
    find, loops = figures([judged], FIND, 0.3), figures([judged], "loop", 0.3)
    assert (find["predicted"], find["right"]) == (3, 2), "the third loop is wrong, the dot unknown"
    assert loops["f1"] == find["f1"] == 0.8
    meant = verdict(predicted, true, ["loop"], classes=ALL, meaning={"loop": ALL})
    assert figures([meant], FIND, 0.3)["predicted"] == 4
    assert figures([meant], "loop", 0.3)["f1"] == pytest.approx(2 / 3)


def test_a_network_that_knows_loops_only_is_not_blamed_for_their_kind() -> None:
    judged = verdict(
        [("loop", 0, 0, 10.0)], [("loop_111", 0, 0, 10.0), ("loop_100", 50, 0, 9.0)], ALL, classes=["loop"]
    )
    assert kinds([judged]) == [FIND, TYPES, "black_dot", "loop"]
    assert figures([judged], "loop", 0.3)["recall"] == 0.5


def test_words() -> None:
    assert widest(["loop", "loop_111", "black_dot"]) == {"loop": "loop", "loop_111": "loop", "black_dot": "black_dot"}
    assert widest(["loop_111", "loop_100"]) == {"loop_111": "loop_111", "loop_100": "loop_100"}
    meant = widest(["hcloop", "loop_111", "black_dot"], {"hcloop": ["loop_111"], "void": ["black_dot"]})
    assert meant == {"hcloop": "hcloop", "loop_111": "hcloop", "black_dot": "black_dot"}
    with pytest.raises(ValueError, match="loop_111 is meant by a and by b"):
        widest(["a", "b", "loop_111"], {"a": ["loop_111"], "b": ["loop_111"]})
    renamed = in_words(table(TRUE, frozenset(ALL)), {"loop_111": "loop", "loop_100": "loop"})
    assert renamed.class_names.tolist() == ["loop", "loop", "black_dot", "loop"]
    assert renamed.labelled == {"loop", "black_dot"}


def test_fewer_predictions_from_a_higher_score() -> None:
    judged = verdict(PREDICTED, TRUE, ALL, [0.9, 0.5, 0.8, 0.6])
    everything, sure, none = (judged.surer_than(score, 0.3).find for score in (0.5, 0.7, 0.95))
    assert (everything.n_predicted, everything.n_right) == (4, 3)
    assert (sure.n_predicted, sure.n_right) == (2, 2)
    assert (none.n_predicted, none.n_right, none.n_true) == (0, 0, 4)


def test_every_row_has_all_columns() -> None:
    judged = verdict(PREDICTED, TRUE, ALL, thickness_nm=100)
    for kind in kinds([judged]):
        assert set(figures([judged], kind, 0.3)) == set(COLUMNS)
    assert set(figures([verdict([], [], ALL)], FIND, 0.3)) == set(COLUMNS)


def test_ranking_by_hand() -> None:
    def row(f1: float, size: float | None, density: float | None) -> dict[str, object]:
        return {"f1": f1, "size_error_percent": size, "density_error_percent": density}

    first, second, third = ranking({"good": row(0.8, 10, 20), "fair": row(0.4, 55, 60), "poor": row(0.2, 500, 20)})
    assert (first.model, first.rank, first.normalised) == ("good", 1, (1, 1, 1))
    assert first.norm == pytest.approx(np.sqrt(3))
    assert second.model == "poor"
    assert second.raw == (0.2, 0, 80), "an error of 500 % is worth nothing, not something because it is squared"
    assert second.normalised == (pytest.approx(0.25), 0, 1)
    assert third.norm == pytest.approx(np.sqrt(0.5**2 + 0.5**2 + 0.5**2))
    silent = ranking({"a": row(0.8, 10, 20), "silent": row(0.0, None, 100)})
    assert silent[0].normalised == (1, 1, 1)
    assert silent[1].norm == 0, "who predicts nothing has no size error and gets nothing for it"
    unsized = ranking({"a": row(0.8, None, 20), "b": row(0.4, None, 20)})
    assert unsized[0].normalised == (1, None, 1)
    assert unsized[1].norm == pytest.approx(np.sqrt(1.25))
