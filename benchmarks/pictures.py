"""The pictures that the benchmarks use: simulated, with their truth, and as the bytes of a calibrated file."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import tifffile
from scipy.spatial import KDTree

from analysis.micrograph import Micrograph, read
from training.atoms.synthetic import LATTICES, SyntheticMicrograph, draw_parameters, render

FIRST_SEED = 900_000_000  # far from the seeds of training and validation


@dataclass(frozen=True)
class Picture:
    """A simulated micrograph with its truth, as a file, and as it is read from that file."""

    name: str
    synthetic: SyntheticMicrograph
    file: bytes
    micrograph: Micrograph

    @property
    def pixels(self) -> np.ndarray:
        """Height × width, float32."""
        return self.micrograph.pixels

    @property
    def neighbour_px(self) -> float:
        """Median distance of the nearest neighbours, px."""
        true_xy = np.column_stack((self.synthetic.x_px, self.synthetic.y_px))
        return float(np.median(KDTree(true_xy).query(true_xy, k=2)[0][:, 1]))


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
        pictures.append(Picture(lattice, made, file, read(file)))
    return pictures
