"""What ships beside a model to show and check it: micrographs of the project's own generator, an input, an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from analysis.intensity import scale
from model_store.manifest import Sample
from training.atoms.networks import AtomNetwork
from training.atoms.synthetic import Parameters, SyntheticMicrograph, draw_parameters, render
from training.atoms.synthetic.command import save

MICROGRAPHS = {
    # file: (lattice, seed, pixel size in nm); the seeds are of no training picture
    "micrograph.tif": ("srtio3_100", 900_004, 0.014),
    "dumbbells.tif": ("si_110", 900_002, 0.0125),
}
MICROGRAPH_SIZE_PX = (448, 512)
INPUT_SIZE_PX = (152, 160)
FIRST_SEED = 900_100


def draw_sample(lattice: str, seed: int, pixel_size_nm: float, size: tuple[int, int]) -> SyntheticMicrograph:
    """A picture of usual quality that is all crystal, with 8-bit grey values to keep the file small."""
    drawn = draw_parameters(seed, size=size, lattices=(lattice,), quality="usual", pixel_size_nm=pixel_size_nm)
    detector = drawn.detector.model_copy(update={"bits": 8})
    return render(Parameters.model_validate(drawn.model_copy(update={"detector": detector}).model_dump()))


def write_samples(network: AtomNetwork, folder: Path, *, input_name: str, output_name: str) -> Sample:
    """Writes `sample/` into a model's folder; the entry of the manifest.

    Beside each micrograph lie its true columns (.csv) and what it was made with (.json). `input.npz` holds a scaled
    picture (1, 1, H, W), `expected.npz` the map that PyTorch gives for it in fp32.
    """
    (folder / "sample").mkdir(parents=True, exist_ok=True)
    for name, (lattice, seed, pixel_size_nm) in MICROGRAPHS.items():
        save(draw_sample(lattice, seed, pixel_size_nm, MICROGRAPH_SIZE_PX), folder / "sample" / Path(name).stem)
    picture = scaled_batch("srtio3_100", INPUT_SIZE_PX)
    with torch.inference_mode():
        expected = network(torch.from_numpy(picture)).numpy()
    for name, array_name, array in (("input", input_name, picture), ("expected", output_name, expected)):
        arrays: dict[str, Any] = {array_name: array}
        np.savez_compressed(folder / "sample" / f"{name}.npz", **arrays)
    return Sample(
        input="sample/input.npz",
        expected="sample/expected.npz",
        micrographs=[f"sample/{name}" for name in MICROGRAPHS],
    )


def scaled_batch(lattice: str, size: tuple[int, int], *, count: int = 1) -> npt.NDArray[np.float32]:
    """Scaled pictures as a network gets them when served, (count, 1, H, W)."""
    pictures = [scale(draw_sample(lattice, FIRST_SEED + number, 0.016, size).pixels) for number in range(count)]
    return np.stack(pictures)[:, None]
