"""One picture's prediction held against its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.defects.hardening import BarrierModel, Hardening, pooled_hardening
from analysis.defects.metrics import Evaluation, Pairs, evaluate, pairs
from analysis.defects.table import DefectTable
from training.defects.evaluation.predictions import Prediction
from training.defects.evaluation.vocabulary import in_words, widest

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, eq=False)
class Verdict:
    """One picture, judged at several IoU thresholds.

    predicted, true: the defects, in words that both sides know, without their masks. scores: of the predicted ones.
    overlaps: which of them share pixels. evaluations: by threshold. hardening_predicted: by threshold, of the
    predictions that count there; hardening_true: both None where the labels do not tell it.
    """

    image: str
    predicted: DefectTable
    true: DefectTable
    scores: npt.NDArray[np.float64]
    overlaps: Pairs
    evaluations: dict[float, Evaluation]
    hardening_predicted: dict[float, Hardening | None]
    hardening_true: Hardening | None

    def counted(self, iou: float) -> DefectTable:
        """The predictions that count at that threshold: not those of classes nobody labelled that find nothing."""
        return replace(rows_of(self.predicted, self.evaluations[iou].counted), labelled=self.true.labelled)

    def surer_than(self, score: float, iou: float) -> Evaluation:
        """The evaluation of the predictions from that score up alone."""
        kept = self.scores >= score
        number = np.cumsum(kept) - 1
        pair = kept[self.overlaps.predicted]
        found = Pairs(number[self.overlaps.predicted[pair]], self.overlaps.true[pair], self.overlaps.iou[pair])
        return evaluate(rows_of(self.predicted, kept), self.true, threshold=iou, found=found)


def judge(
    image: str,
    prediction: Prediction,
    truth: DefectTable,
    *,
    classes: Sequence[str] = (),
    meaning: Mapping[str, Sequence[str]] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    thickness_nm: float | None = None,
    barriers: BarrierModel | None = None,
) -> Verdict:
    """Compare a prediction with the labels of its picture.

    Where either side knows only a wider name, such as `loop` for loops of any kind, both are judged by that.

    Parameters
    ----------
    truth: of `LabelledPicture.table`. classes: all that the network can answer. meaning: see `widest`.
    thickness_nm: of the foil, for the hardening.
    """
    names = (*classes, *(truth.labelled or ()), *truth.class_names.tolist(), *prediction.table.class_names.tolist())
    words = widest(names, meaning)
    predicted, true = in_words(prediction.table, words), in_words(truth, words)
    overlapping = pairs(predicted, true)
    predicted, true = replace(predicted, masks=None), replace(true, masks=None)
    evaluations = {iou: evaluate(predicted, true, threshold=iou, found=overlapping) for iou in thresholds}
    hardening_true = _hardening(true, thickness_nm, barriers)
    return Verdict(
        image=image,
        predicted=predicted,
        true=true,
        scores=prediction.scores,
        overlaps=overlapping,
        evaluations=evaluations,
        hardening_predicted={
            iou: None
            if hardening_true is None
            else _hardening(rows_of(predicted, evaluation.counted), thickness_nm, barriers)
            for iou, evaluation in evaluations.items()
        },
        hardening_true=hardening_true,
    )


def rows_of(table: DefectTable, chosen: npt.NDArray[np.bool_]) -> DefectTable:
    """Some rows of a table."""
    return replace(
        table,
        class_names=table.class_names[chosen],
        boxes=table.boxes[chosen],
        masks=None if table.masks is None else tuple(m for m, kept in zip(table.masks, chosen, strict=True) if kept),
        size_px=table.size_px[chosen],
        size_nm=None if table.size_nm is None else table.size_nm[chosen],
        heywood=table.heywood[chosen],
    )


def _hardening(table: DefectTable, thickness_nm: float | None, barriers: BarrierModel | None) -> Hardening | None:
    """None where it is not known: without a calibration, or where there are boxes only, which have no size."""
    if table.size_nm is None or np.isnan(table.size_nm).any():
        return None
    return pooled_hardening([table], [thickness_nm], barriers)[0]
