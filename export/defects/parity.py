"""Whether two ways to run a Mask R-CNN give the same detections: matched by place and class, never by row.

Detections whose scores are nearly equal change rows between runtimes; the detections themselves stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel

from analysis.defects.pasting import paste
from analysis.overlaps import intersection_px
from export.defects.conversion import INPUT, OUTPUTS
from export.parity import REFERENCE, sessions
from model_store.manifest import Precision, Tensors, WeightFile, WeightFormat
from training.defects.networks import MaskRCNN

Array = npt.NDArray[Any]
Detections = Mapping[str, Array]
"""`boxes`, `scores`, `classes`, `masks`, as of MaskRCNN."""

SAME_PLACE = 0.9
"""IoU of boxes from which two detections of one class are the same one. Those of one answer overlap by 0.5 at most."""


class DetectionParity(BaseModel):
    """How far the detections of one picture are from the reference's.

    expected, found: how many there are, boxes without an area left out (an untrained network answers some at the
    frame; Detectron2 drops them when it pastes masks). matched: how many have a partner of their class in the same
    place. box_px, score, mask_probability: largest differences over those. mask_iou: of all pasted masks together.
    """

    runtime: str
    precision: Precision
    shape: tuple[int, ...]
    expected: int
    found: int
    matched: int
    box_px: float
    score: float
    mask_probability: float
    mask_iou: float


class DetectionReport(BaseModel):
    """All comparisons of one model."""

    reference: str
    comparisons: list[DetectionParity]

    def of(self, precision: Precision) -> list[DetectionParity]:
        """The comparisons in one precision."""
        return [entry for entry in self.comparisons if entry.precision == precision]


def box_iou(a: Array, b: Array) -> npt.NDArray[np.float64]:
    """Intersection over union of boxes (A, 4) and (B, 4): (A, B)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.prod(np.clip(size, 0, None), axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    return shared / np.maximum(area_a[:, None] + area_b[None, :] - shared, 1e-9)


def pairs(expected: Detections, found: Detections) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of `expected` and of `found` that are the same detection; each row is in one pair at most."""
    overlap = box_iou(expected["boxes"], found["boxes"])
    overlap[np.asarray(expected["classes"])[:, None] != np.asarray(found["classes"])[None, :]] = 0.0
    rows, columns = np.nonzero(overlap >= SAME_PLACE)
    order = np.argsort(-overlap[rows, columns], kind="stable")
    taken_rows: set[int] = set()
    taken_columns: set[int] = set()
    chosen: list[tuple[int, int]] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in taken_rows and column not in taken_columns:
            taken_rows.add(row)
            taken_columns.add(column)
            chosen.append((row, column))
    chosen.sort()
    table = np.array(chosen, dtype=np.intp).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def surer_than(detections: Detections, score: float) -> dict[str, Array]:
    """The detections from a score up."""
    return {name: values[detections["scores"] >= score] for name, values in detections.items()}


def _with_area(detections: Detections) -> dict[str, Array]:
    boxes = detections["boxes"]
    large = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return {name: values[large] for name, values in detections.items()}


def compare(
    expected: Detections, found: Detections, shape: tuple[int, ...], *, runtime: str, precision: Precision = "fp32"
) -> DetectionParity:
    """The comparison of two answers to one picture of `shape` (C, H, W)."""
    expected, found = _with_area(expected), _with_area(found)
    rows, columns = pairs(expected, found)

    def largest(name: str) -> float:
        difference = np.abs(expected[name][rows].astype(np.float64) - found[name][columns].astype(np.float64))
        return float(difference.max(initial=0.0))

    height, width = shape[-2], shape[-1]
    shared = total = 0
    for row, column in zip(rows, columns, strict=True):
        a = paste(expected["masks"][row].astype(np.float32), expected["boxes"][row].astype(np.float32), height, width)
        b = paste(found["masks"][column].astype(np.float32), found["boxes"][column].astype(np.float32), height, width)
        both = intersection_px(a, b)
        shared += both
        total += a.area_px + b.area_px - both
    return DetectionParity(
        runtime=runtime,
        precision=precision,
        shape=shape,
        expected=len(expected["scores"]),
        found=len(found["scores"]),
        matched=len(rows),
        box_px=largest("boxes"),
        score=largest("scores"),
        mask_probability=largest("masks"),
        mask_iou=shared / total if total else 1.0,
    )


def detections_of(network: torch.nn.Module, image: npt.NDArray[np.float32]) -> dict[str, Array]:
    """What a network, eager or TorchScript, answers to a picture (C, H, W)."""
    with torch.inference_mode():
        outputs = network(torch.from_numpy(image))
    return dict(zip(OUTPUTS, (output.numpy() for output in outputs), strict=True))


def report(
    network: MaskRCNN,
    folder: Path,
    files: Mapping[WeightFormat, WeightFile],
    tensors: Tensors,
    images: Sequence[npt.NDArray[np.float32]],
    *,
    threads: int = 1,
) -> DetectionReport:
    """Runs every picture through PyTorch and through every runtime and precision that this machine has.

    Args:
        network: as it was trained, in `eval`. folder: of the model in the store. images: (C, H, W), 0 to 255, of
            different sizes.
    """
    assert [tensor.name for tensor in tensors.inputs] == [INPUT]
    expected = [detections_of(network.eval(), image) for image in images]
    comparisons = []
    for name, precision, session in sessions(folder, files, tensors, threads=threads):
        for image, answer in zip(images, expected, strict=True):
            found = dict(zip(OUTPUTS, session.run([image]), strict=True))
            comparisons.append(compare(answer, found, image.shape, runtime=name, precision=precision))
    return DetectionReport(reference=REFERENCE, comparisons=comparisons)
