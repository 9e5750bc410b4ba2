"""The pictures that the benchmarks use: simulated, with their truth, and as the bytes of a calibrated file."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import tifffile
from scipy.spatial import KDTree

from analysis.micrograph import Micrograph, read
from training.atoms.synthetic import LATTICES, draw_parameters, render

FIRST_SEED = 900_000_000  # far from the seeds of training and validation


@dataclass(frozen=True)
class Picture:
    """A simulated micrograph, the positions of its columns (n, 2) as x, y in px, and its file."""

    name: str
    micrograph: Micrograph
    true_xy: np.ndarray
    pixel_size_nm: float
    file: bytes

    @property
    def pixels(self) -> np.ndarray:
        """Height × width, float32."""
        return self.micrograph.pixels

    @property
    def neighbour_px(self) -> float:
        """Median distance of the nearest neighbours, px."""
        return float(np.median(KDTree(self.true_xy).query(self.true_xy, k=2)[0][:, 1]))


def simulated(size: int, pixel_size_nm: float) -> list[Picture]:
    """One picture of size × size px of every lattice, at usual quality, as a calibrated TIFF of ImageJ's kind."""
    pictures = []
    for number, lattice in enumerate(LATTICES):
        parameters = draw_parameters(
            FIRST_SEED + number, size=(size, size), lattices=(lattice,), quality="usual", pixel_size_nm=pixel_size_nm
        )
        made = render(parameters)
        buffer = io.BytesIO()
        per_nm = 1 / made.pixel_size_nm
        tifffile.imwrite(buffer, made.pixels, imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"})
        file = buffer.getvalue()
        true_xy = np.stack([made.x_px, made.y_px], axis=1)
        pictures.append(Picture(lattice, read(file), true_xy, made.pixel_size_nm, file))
    return pictures
