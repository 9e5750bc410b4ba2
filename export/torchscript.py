"""A network → TorchScript."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn


def write_torchscript(network: nn.Module, path: Path, *, example: torch.Tensor) -> None:
    """Traces a network in `eval` and writes it; it needs no class of this project to be loaded."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.trace(network.eval(), example), str(path))
