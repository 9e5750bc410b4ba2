"""A quick look at how training goes: local maxima of the map on held-out pictures, no refinement.

The figures that a model is judged by come from `training.atoms.evaluation`, through the pipeline that is served.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from skimage.feature import peak_local_max

from analysis.intensity import scale
from training.atoms.networks import AtomNetwork
from training.atoms.scoring import score_of
from training.atoms.synthetic import LATTICES, RANDOM, draw_parameters, render

FIRST_SEED = 500_000
PER_LATTICE = 4
THRESHOLD = 0.4


@dataclass(frozen=True)
class Validation:
    """ID-recall, ID-precision and Δd in pm of the network's map alone, over all held-out pictures."""

    recall: float
    precision: float
    rms_pm: float


class HeldOutPictures:
    """A few pictures of every lattice at usual quality, random ones too, with seeds that training never uses."""

    def __init__(self, size_px: int, lattices: tuple[str, ...] = LATTICES) -> None:
        self.micrographs = [
            render(draw_parameters(FIRST_SEED + number, size=(size_px, size_px), lattices=(lattice,), quality="usual"))
            for number in range(PER_LATTICE)
            for lattice in (*lattices, RANDOM)
        ]

    @torch.no_grad()
    def validate(self, network: AtomNetwork) -> Validation:
        """Recall and precision by the 0.5 Å rule; `network` is left in the mode that it was in."""
        device = next(network.parameters()).device
        was_training = network.training
        network.eval()
        found = predicted = true = 0
        squares = 0.0
        for micrograph in self.micrographs:
            picture = torch.from_numpy(scale(micrograph.pixels))[None, None].to(device)
            probability = network(picture)[0, 0].float().cpu().numpy()
            peaks = peak_local_max(probability, min_distance=2, threshold_abs=THRESHOLD, exclude_border=False)
            one = score_of(centres_of_mass(probability, peaks), micrograph)
            found, predicted, true = found + one.matched, predicted + one.n_predicted, true + one.n_true
            if one.matched:
                squares += one.matched * one.rms_pm**2
        network.train(was_training)
        return Validation(
            recall=found / max(true, 1),
            precision=found / max(predicted, 1),
            rms_pm=float(np.sqrt(squares / found)) if found else float("nan"),
        )


def centres_of_mass(probability: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Peaks (N, 2) of (row, column) → (N, 2) of (x, y), the centre of mass of the 5×5 pixels around each."""
    padded = np.pad(probability, 2)
    offsets = np.arange(5)
    windows = padded[peaks[:, 0, None, None] + offsets[:, None], peaks[:, 1, None, None] + offsets]
    mass = windows.sum(axis=(1, 2))
    x = (windows.sum(axis=1) * (offsets - 2)).sum(axis=1) / mass
    y = (windows.sum(axis=2) * (offsets - 2)).sum(axis=1) / mass
    return np.column_stack((peaks[:, 1] + x, peaks[:, 0] + y))
