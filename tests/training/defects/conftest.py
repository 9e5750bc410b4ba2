"""Small networks, and Detectron2's own answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more, and the order of sums is the same everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def reference_folder(shared_data: Path) -> Path:
    """A Mask R-CNN written by Detectron2, with what Detectron2 answers to three pictures."""
    return shared_data / "detectron2_reference"


@pytest.fixture
def detectron2_config(reference_folder: Path) -> dict[str, Any]:
    """The complete `config.yaml` of the reference, to be changed by a test."""
    return yaml.safe_load((reference_folder / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def micrograph() -> np.ndarray:
    """A picture with dark discs, (3, 96, 128), grey levels 0 to 255."""
    y, x = np.mgrid[:96, :128].astype(np.float32)
    picture = np.full((96, 128), 170.0, np.float32)
    for centre_x, centre_y, radius in ((30, 30, 9), (90, 40, 14), (60, 75, 6)):
        picture[(x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2] = 70.0
    return np.repeat(picture[None], 3, axis=0)
