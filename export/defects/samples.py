"""What ships beside a Mask R-CNN to show and check it: micrographs, an input of the network, its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.defects.preprocess import InputSpec, grey_levels, prepare
from analysis.micrograph import Micrograph, read_file
from export.defects.conversion import INPUT
from export.defects.parity import detections_of
from model_store.manifest import Sample
from training.defects.networks import MaskRCNN
from training.defects.synthetic import SyntheticMicrograph, draw_parameters, render
from training.defects.synthetic.command import save, save_truth
from training.synthetic.files import write_tiff

MICROGRAPHS = {
    # file: (seed, pixel size in nm); the seeds are of no training picture
    "micrograph.tif": (900_000_017, 0.5),
    "lines.tif": (900_000_026, 0.6),
}
MICROGRAPH_SIZE_PX = (448, 512)
INPUT_SIZE_PX = (320, 384)
PARITY_SIZES_PX = ((256, 352), (257, 511), (512, 512))
FIRST_SEED, PIXEL_SIZE_NM = 900_000_100, 0.5


def drawn(seed: int, size_px: tuple[int, int], pixel_size_nm: float) -> SyntheticMicrograph:
    """A micrograph of irradiated FeCrAl by the project's own generator."""
    return render(draw_parameters(seed, size=size_px, pixel_size_nm=pixel_size_nm))


def network_input(micrograph: Micrograph, spec: InputSpec, size_px: tuple[int, int]) -> npt.NDArray[np.float32]:
    """The middle of a micrograph as the network gets it when served, (channels, height, width), `size_px` at most."""
    pixels = prepare(micrograph, spec).pixels
    top, left = (max(0, (there - wanted) // 2) for there, wanted in zip(pixels.shape, size_px, strict=True))
    part = pixels[top : top + size_px[0], left : left + size_px[1]]
    return np.repeat(part[None], spec.channels, axis=0).astype(np.float32)


def parity_inputs(spec: InputSpec, sample: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Inputs of several sizes to compare runtimes on: that of the sample, and drawn ones."""
    inputs = [sample]
    for number, size_px in enumerate(PARITY_SIZES_PX):
        picture = drawn(FIRST_SEED + number, size_px, PIXEL_SIZE_NM)
        inputs.append(network_input(_micrograph(picture), spec, size_px))
    return inputs


def write_micrographs(folder: Path, spec: InputSpec, own: Path | None = None) -> list[str]:
    """Writes the pictures into `sample/` of a model's folder, calibrated; their paths, the first the one to check with.

    Beside a drawn one lies what it was made with (.json), and the truth of all as files that `read_labels` reads.

    Args:
        own: a user's micrograph that is to be the sample instead, in the grey levels that the model sees.
    """
    target = folder / "sample"
    target.mkdir(parents=True, exist_ok=True)
    if own is not None:
        micrograph = read_file(own)
        grey = np.rint(grey_levels(micrograph.pixels, spec)).astype(np.uint8)
        write_tiff(target / "micrograph.tif", grey, micrograph.pixel_size_x_nm)
        return ["sample/micrograph.tif"]
    pictures = {name: drawn(seed, MICROGRAPH_SIZE_PX, size_nm) for name, (seed, size_nm) in MICROGRAPHS.items()}
    for name, picture in pictures.items():
        save(picture, target / Path(name).stem)
    save_truth(pictures, target)
    return [f"sample/{name}" for name in pictures]


def write_samples(network: MaskRCNN, folder: Path, spec: InputSpec, micrographs: list[str]) -> Sample:
    """Writes `input.npz` and `expected.npz` into `sample/`; the entry of the manifest.

    `input.npz` is the network's input for the middle of the first micrograph, `expected.npz` PyTorch's answer in fp32.
    """
    image = network_input(read_file(folder / micrographs[0]), spec, INPUT_SIZE_PX)
    inputs: dict[str, Any] = {INPUT: image}
    np.savez_compressed(folder / "sample" / "input.npz", **inputs)
    expected: dict[str, Any] = detections_of(network.eval(), image)
    np.savez_compressed(folder / "sample" / "expected.npz", **expected)
    return Sample(input="sample/input.npz", expected="sample/expected.npz", micrographs=micrographs)


def _micrograph(picture: SyntheticMicrograph) -> Micrograph:
    size_nm = picture.pixel_size_nm
    return Micrograph(picture.pixels, pixel_size_x_nm=size_nm, pixel_size_y_nm=size_nm)
