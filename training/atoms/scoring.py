"""Found columns against the truth of a simulated micrograph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.atoms.metrics import TOLERANCE_PM, Score, match, score
from training.atoms.synthetic import SyntheticMicrograph

Points = npt.NDArray[np.float64]


def score_of(found: Points, synthetic: SyntheticMicrograph) -> Score:
    """Found columns (n, 2) against the truth; those that are at an unjudged column count neither way."""
    truth = np.column_stack((synthetic.x_px, synthetic.y_px))
    pixel_size_pm = 1000 * synthetic.pixel_size_nm
    pairs = match(found, np.concatenate((truth, synthetic.unjudged)), TOLERANCE_PM / pixel_size_pm)
    judged = np.ones(len(found), bool)
    judged[pairs[pairs[:, 1] >= len(truth), 0]] = False
    return score(found[judged], truth, pixel_size_pm=pixel_size_pm)
