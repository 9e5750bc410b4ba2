"""Whether the exported files answer as the trained network does, in every runtime that is installed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel
from torch import nn

from model_store import runtimes
from model_store.manifest import Precision, Tensors, WeightFile, WeightFormat

Array = npt.NDArray[np.float32]
REFERENCE = f"PyTorch {torch.__version__}, fp32, eager"
"""What every runtime is compared with."""


class ParityError(RuntimeError):
    """The exported files do not answer as the trained network does."""


class Parity(BaseModel):
    """Largest and mean absolute difference to PyTorch of one runtime, in one precision, for one shape of input."""

    runtime: str
    precision: Precision
    shape: tuple[int, ...]
    max_difference: float
    mean_difference: float


class ParityReport(BaseModel):
    """All comparisons of one model."""

    reference: str
    comparisons: list[Parity]

    def worst(self, precision: Precision, *, runtime: str | None = None) -> float:
        """The largest difference in a precision; 0 if it was not compared."""
        return max(
            (
                entry.max_difference
                for entry in self.comparisons
                if entry.precision == precision and runtime in {None, entry.runtime}
            ),
            default=0.0,
        )


def compare(
    network: nn.Module,
    folder: Path,
    files: dict[WeightFormat, WeightFile],
    tensors: Tensors,
    inputs: Sequence[Array],
    *,
    threads: int = 2,
) -> ParityReport:
    """Runs every input through PyTorch and through every runtime and precision that this machine has.

    Args:
        network: as it was trained, in `eval`. folder: of the model in the store. inputs: batches (N, C, H, W) of
            different sizes; micrographs, for noise drives a network to where nothing is near a decision.
    """
    with torch.inference_mode():
        expected = [network.eval()(torch.from_numpy(batch)).numpy() for batch in inputs]
    comparisons = []
    for name, precision, session in sessions(folder, files, tensors, threads=threads):
        for batch, answer in zip(inputs, expected, strict=True):
            difference = np.abs(session.run([batch])[0] - answer)
            comparisons.append(
                Parity(
                    runtime=name,
                    precision=precision,
                    shape=batch.shape,
                    max_difference=float(difference.max()),
                    mean_difference=float(difference.mean()),
                )
            )
    return ParityReport(reference=REFERENCE, comparisons=comparisons)


def sessions(
    folder: Path, files: Mapping[WeightFormat, WeightFile], tensors: Tensors, *, threads: int
) -> Iterator[tuple[str, Precision, runtimes.Session]]:
    """A model's files opened in every runtime and precision that this machine has: runtime, precision, session."""
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for name in runtimes.names():
        runtime = runtimes.find(name)
        if runtime.FORMAT is None or runtime.FORMAT not in files or not runtime.available():
            continue
        for precision in precisions:
            if runtime.supports(precision):
                yield (
                    name,
                    precision,
                    runtime.open_session(folder / files[runtime.FORMAT].path, tensors, precision, threads),
                )
