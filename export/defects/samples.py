"""What ships beside a Mask R-CNN to show and check it: a micrograph, the network's input, its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage, special

from analysis.defects.preprocess import InputSpec, grey_levels
from analysis.micrograph import read_file
from export.defects.conversion import INPUT
from export.defects.parity import detections_of
from model_store.manifest import Sample
from training.defects.networks import MaskRCNN

Grey = npt.NDArray[np.uint8]
SIZE_PX = (384, 448)
SEED = 900_301


def drawn_picture(seed: int = SEED, size_px: tuple[int, int] = SIZE_PX) -> Grey:
    """A seeded bright-field picture with what irradiation leaves, dark on light: open ellipses, streaks, discs."""
    generator = np.random.default_rng(seed)
    height, width = size_px
    y, x = np.mgrid[:height, :width].astype(np.float64)
    picture = 165 + 14 * _normalised(ndimage.gaussian_filter(generator.normal(size=size_px), 40))
    for _ in range(24):
        centre_x, centre_y, angle = generator.uniform((0, 0, 0), (width, height, np.pi))
        along = (x - centre_x) * np.cos(angle) + (y - centre_y) * np.sin(angle)
        across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
        kind = generator.integers(3)
        major = generator.uniform(9, 28) if kind < 2 else generator.uniform(3, 7)
        minor = major * generator.uniform(0.35, 0.8) if kind == 0 else generator.uniform(1.5, 3) if kind == 1 else major
        distance = np.hypot(along / major, across / minor)
        depth = generator.uniform(35, 75)
        if kind == 0:
            picture -= depth * np.exp(-(((distance - 1) * minor / 1.6) ** 2))
        else:
            picture -= depth * special.expit((1 - distance) * minor / 0.8)
    picture += generator.normal(scale=7, size=size_px)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def grey_picture(path: Path, spec: InputSpec) -> Grey:
    """A user's micrograph in the grey levels that its model sees, to whole ones."""
    return np.rint(grey_levels(read_file(path).pixels, spec)).astype(np.uint8)


def network_input(grey: Grey, channels: int) -> npt.NDArray[np.float32]:
    """Grey levels (H, W) as a network takes them: (channels, H, W) float32."""
    return np.repeat(grey[None].astype(np.float32), channels, axis=0)


def write_samples(network: MaskRCNN, folder: Path, grey: Grey) -> Sample:
    """Writes `sample/` into a model's folder; the entry of the manifest.

    `micrograph.png` is the picture, `input.npz` the network's input, `expected.npz` PyTorch's answer in fp32.
    """
    (folder / "sample").mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey).save(folder / "sample" / "micrograph.png", optimize=True)
    image = network_input(grey, network.config.input_channels)
    inputs: dict[str, Any] = {INPUT: image}
    np.savez_compressed(folder / "sample" / "input.npz", **inputs)
    expected: dict[str, Any] = detections_of(network.eval(), image)
    np.savez_compressed(folder / "sample" / "expected.npz", **expected)
    return Sample(input="sample/input.npz", expected="sample/expected.npz", micrographs=["sample/micrograph.png"])


def _normalised(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (values - values.mean()) / values.std()
