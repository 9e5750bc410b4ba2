"""What ships beside a network for dislocation lines: frames of the project's own generator, an input, an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from analysis.intensity import scale
from model_store.manifest import Sample
from training.dislocations.networks import LineNetwork
from training.dislocations.synthetic import SyntheticFrame, draw_parameters, microstructure, render
from training.synthetic.files import write_tiff

FRAMES = {
    # file: (microstructure, seed); the seeds are of no training picture
    "micrograph.tif": ("M1", 900_011),
    "crossing.tif": ("M2", 900_007),
}
FRAME_SIZE_PX = (448, 512)
PIXEL_SIZE_NM = 2.0
INPUT_SIZE_PX = (128, 160)
PARITY_SHAPES = ((1, 256, 256), (2, 160, 192), (1, 203, 317), (1, 512, 512))
FIRST_SEED = 900_100
DECIMALS = 5
"""Of the expected output: far finer than any tolerance, and the file is a third as large."""


def drawn(kind: str, seed: int, size_px: tuple[int, int], most_lines: int) -> SyntheticFrame:
    """A frame of pile-ups on Perlin noise by the project's own generator."""
    return render(draw_parameters(seed, microstructure=microstructure(kind), size=size_px, most_lines=most_lines))


def scaled_batch(shape: tuple[int, int, int], most_lines: int) -> npt.NDArray[np.float32]:
    """Frames as a network gets them when served, (count, 1, H, W), of M1 and M2 in turn."""
    count, *size = shape
    frames = [
        drawn(("M1", "M2")[number % 2], FIRST_SEED + number, (size[0], size[1]), most_lines) for number in range(count)
    ]
    return np.stack([scale(frame.pixels) for frame in frames])[:, None]


def write_samples(network: LineNetwork, folder: Path, *, input_name: str, output_name: str) -> Sample:
    """Writes `sample/` into a model's folder; the entry of the manifest.

    Beside each frame, calibrated, lies what it was made with (.json): `render` gives it back with its lines.
    `input.npz` holds a part of the first one with lines as the network gets it, (1, 1, H, W), `expected.npz` the masks
    that PyTorch gives for it in fp32.
    """
    target = folder / "sample"
    target.mkdir(parents=True, exist_ok=True)
    frames = {name: drawn(kind, seed, FRAME_SIZE_PX, network.masks) for name, (kind, seed) in FRAMES.items()}
    for name, frame in frames.items():
        write_tiff(target / name, frame.pixels.astype(np.uint8), PIXEL_SIZE_NM)
        text = frame.parameters.model_dump_json(indent=1, exclude_defaults=True)
        (target / name).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    picture = part_with_lines(next(iter(frames.values())))[None, None]
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(picture)).numpy().round(DECIMALS)
    for name, array_name, array in (("input", input_name, picture), ("expected", output_name, expected)):
        arrays: dict[str, Any] = {array_name: array}
        np.savez_compressed(target / f"{name}.npz", **arrays)
    return Sample(
        input="sample/input.npz",
        expected="sample/expected.npz",
        micrographs=[f"sample/{name}" for name in FRAMES],
    )


def part_with_lines(frame: SyntheticFrame) -> npt.NDArray[np.float32]:
    """A part (H, W) of a frame, scaled as a whole frame is, around the middle of its longest line."""
    scaled = scale(frame.pixels)
    longest = max(frame.lines, key=lambda line: line.length_px).points
    x_px, y_px = longest[len(longest) // 2]
    height, width = INPUT_SIZE_PX
    top = int(np.clip(y_px - height / 2, 0, scaled.shape[0] - height))
    left = int(np.clip(x_px - width / 2, 0, scaled.shape[1] - width))
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])
