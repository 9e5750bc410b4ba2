"""A PyTorch network, run the way that a served one is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from analysis.defects.preprocess import InputSpec
from emserve.results import ModelInfo
from training.defects.networks import MaskRCNN
from training.defects.settings import Settings

NAMES = ("boxes", "scores", "classes", "masks")


class TorchNetwork:
    """A Mask R-CNN for `analysis.defects.pipeline.analyse`; it must be in `eval`."""

    def __init__(self, network: MaskRCNN, name: str = "training", *, bf16: bool = False) -> None:
        self.network, self.bf16 = network, bf16
        self.device = next(network.parameters()).device
        self.info = ModelInfo(
            name=name,
            family="defects",
            version="0",
            sha256="",
            runtime="torch",
            precision="bf16" if bf16 else "fp32",
        )

    @torch.inference_mode()
    def run_named(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Mapping[str, npt.NDArray[np.generic]]:
        """`image` (C, H, W) float32 → boxes, scores, classes and masks."""
        image = torch.tensor(np.asarray(inputs["image"], np.float32)).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            answer = self.network(image)
        return {name: value.float().cpu().numpy() for name, value in zip(NAMES, answer, strict=True)}


def input_spec(network: MaskRCNN, settings: Settings | None = None) -> InputSpec:
    """How pictures are given to a network that was trained here."""
    made = settings or Settings(steps=1, synthetic=1, classes=network.config.classes)
    return InputSpec(
        classes=network.config.classes,
        channels=1 if network.config.input_channels == 1 else 3,
        grey_levels="percentile",
        pixel_size_range_nm=made.pixel_size_range_nm,
        resampled_to_nm=made.working_range_nm,
        overlap_px=256,
        lowest_score=network.config.regions.score_threshold,
        most_detections=network.config.regions.detections,
        repeats_iou=0.5,
    )


def spec_of_run(folder: Path, network: MaskRCNN) -> InputSpec:
    """How pictures are given to the network of a run's folder."""
    return input_spec(network, Settings.read(folder))
