"""The card of a Mask R-CNN: what it is, what it answers, what is known of its quality."""

from __future__ import annotations

from typing import Any

from export.defects.parity import DetectionParity, DetectionReport
from model_store.manifest import Manifest


def card(manifest: Manifest, report: DetectionReport) -> str:
    """The card as Markdown, every figure from the manifest or the parity report."""
    spec = manifest.input
    image = manifest.tensors.inputs[0]
    side = manifest.tensors.outputs[-1].shape[-1]
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"{manifest.title}: a micrograph in, one box, class, score and mask for each defect out. "
        f"{manifest.architecture}, {manifest.parameters:,} parameters, {manifest.files['onnx'].bytes / 2**20:.1f} MB. "
        f"Licence: {manifest.licence}.",
        "## Input and output",
        f"`{image.name}`: float32 ({image.shape[0]}, height, width), grey levels 0 to 255, of any height and width. "
        f"Classes: {', '.join(spec['classes'])}. `boxes` in px, `scores` from 0 to 1, `masks` of {side} × {side} "
        "probabilities that cover the box. " + _scaling(spec),
        *_training(manifest),
        "## Scores",
        _scores(manifest.scores),
        "## Runtimes",
        _parity(report, manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _scaling(spec: dict[str, Any]) -> str:
    if spec.get("shortest_px"):
        return (
            f"Pictures are scaled so that their shorter side has {spec['shortest_px']} px and their longer one at most "
            f"{spec['longest_px']}, as in its training."
        )
    if spec.get("best_pixel_size_nm"):
        return f"Best at {spec['best_pixel_size_nm']:g} nm a pixel; the pipeline resamples."
    return "Pictures are not resampled."


def _training(manifest: Manifest) -> list[str]:
    sources = [f"- {source.what}: {source.citation}" for source in manifest.sources]
    parts = ["## Origin", "\n".join(sources)] if sources else []
    if manifest.training is not None:
        record = manifest.training
        parts += ["## Training", f"{record.minutes:g} minutes on {record.device}: {record.data}. Made again by"]
        parts.append(f"    {record.command}")
    return parts


def _scores(scores: dict[str, Any]) -> str:
    if not scores:
        return "Not measured here. `python -m training evaluate defects` measures it on labelled micrographs."
    return "\n".join(["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in scores.items())])


def _parity(report: DetectionReport, manifest: Manifest) -> str:
    rows = [
        f"Against {report.reference}, detections matched by place and class:",
        "",
        "| runtime | precision | picture | matched | boxes | scores | mask probabilities | mask IoU | served |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(rows + [_row(entry, entry.precision in manifest.precisions) for entry in report.comparisons])


def _row(entry: DetectionParity, allowed: bool) -> str:
    height, width = entry.shape[-2:]
    return (
        f"| {entry.runtime} | {entry.precision} | {height} × {width} | {entry.matched} of {entry.expected} "
        f"| {entry.box_px:.1e} px | {entry.score:.1e} | {entry.mask_probability:.1e} | {entry.mask_iou:.4f} "
        f"| {'yes' if allowed else 'no'} |"
    )
