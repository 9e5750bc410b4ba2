"""Parameters → micrograph and the true positions of its columns.

picture = Σ crystals(cell at crystal coordinates, thickness) ⊗ source + background → electron counts → detector. The
source's blur is applied to the unit cell itself, where it is exact and costs nothing, before the scan samples it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.atoms.synthetic.detector import background, record
from training.atoms.synthetic.geometry import line_jitter, scan_coordinates
from training.atoms.synthetic.parameters import Parameters
from training.atoms.synthetic.specimen import render_crystal


@dataclass
class SyntheticMicrograph:
    """A simulated micrograph and its truth.

    `pixels` is (height, width) float32 grey values; `x_px`, `y_px` (n,) float64 are the true positions of the labelled
    columns in it, without the jitter of single scan lines; `unjudged` is (m, 2), the columns whose finding or missing
    says nothing about a network: too weak to be labelled, or just outside the frame. `pixel_size_nm` is what a file's
    header would say.
    """

    pixels: np.ndarray
    x_px: np.ndarray
    y_px: np.ndarray
    unjudged: np.ndarray
    pixel_size_nm: float
    parameters: Parameters


def _rng(parameters: Parameters, stream: int) -> np.random.Generator:
    """A stream of random numbers of its own for every effect, so that one does not shift another's."""
    return np.random.default_rng([parameters.seed, stream])


def expected_intensity(parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Noise-free intensity (height, width), 1 on the brightest columns, and the true positions (n, 2) in px.

    Line jitter is in it (it moves the beam); counting, detector and grey values are not.
    """
    picture, labelled, _ = _expected(parameters)
    return picture, labelled


def _expected(parameters: Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise-free intensity, labelled columns and unjudged ones."""
    frame = parameters.frame
    jitter_x, jitter_y = line_jitter(parameters.jitter, frame.height, _rng(parameters, 1))
    rows = np.arange(frame.height, dtype=np.float64)
    u, v = scan_coordinates(frame, np.arange(frame.width, dtype=np.float64)[None, :], rows[:, None])
    u = u + jitter_x[:, None]
    v = np.broadcast_to(v + jitter_y[:, None], u.shape)
    total = background(frame, parameters.background, _rng(parameters, 2))
    labelled, unjudged = [np.zeros((0, 2))], [np.zeros((0, 2))]
    for index, crystal in enumerate(parameters.crystals):
        picture, kept, others = render_crystal(frame, crystal, parameters.source, u, v, _rng(parameters, 16 + index))
        total += picture
        labelled.append(kept)
        unjudged.append(others)
    return total, np.concatenate(labelled), np.concatenate(unjudged)


def render(parameters: Parameters) -> SyntheticMicrograph:
    """The micrograph of the parameters; the same parameters give the same picture bit for bit."""
    expected, truth, unjudged = _expected(parameters)
    pixels = record(expected, parameters.detector, _rng(parameters, 3))
    return SyntheticMicrograph(
        pixels, truth[:, 0].copy(), truth[:, 1].copy(), unjudged, parameters.frame.pixel_size_nm, parameters
    )
