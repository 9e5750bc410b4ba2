"""A network → TorchScript."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn


def write_torchscript(
    network: nn.Module, path: Path, *, example: torch.Tensor, extra: Mapping[str, str] | None = None
) -> None:
    """Traces a network in `eval` and writes it; it needs no class of this project to be loaded.

    Args:
        extra: texts that travel inside the file, by name.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # Its own deprecation, and sizes that the network computes with: the trace keeps them open.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(network.eval(), example), str(path), _extra_files=dict(extra or {}))
