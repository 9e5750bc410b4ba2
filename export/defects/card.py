"""The card of a Mask R-CNN: what it is, what it answers, what is known of its quality, where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from export.about import About
from export.defects.parity import DetectionParity, DetectionReport
from export.defects.scores import score_table
from export.sections import failures, origin, training_parts
from model_store.manifest import Manifest


def card(manifest: Manifest, about: About, report: DetectionReport) -> str:
    """The card as Markdown: figures from the manifest and the parity report, prose from `about`."""
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
        f"{_grey_levels(spec)} Classes: {', '.join(spec['classes'])}. `boxes` in px, `scores` from 0 to 1, `masks` of "
        f"{side} × {side} probabilities that cover the box. {_scaling(spec)}",
        *origin(manifest),
        *training_parts(manifest.training, about),
        "## Scores",
        *_scores(manifest.scores, about),
        "## Runtimes",
        _parity(report, manifest),
        *failures(about),
    ]
    return "\n\n".join(parts) + "\n"


def _grey_levels(spec: dict[str, Any]) -> str:
    low, high = spec["percentiles"]
    stretched = f"the picture's {low} and {high} percentiles become 0 and 255"
    if spec["grey_levels"] == "as_is":
        return f"8-bit pictures go in as they are; in others {stretched}."
    return f"{stretched[0].upper()}{stretched[1:]}."


def _scaling(spec: dict[str, Any]) -> str:
    if spec.get("shortest_px"):
        return (
            f"Pictures are scaled so that their shorter side has {spec['shortest_px']} px and their longer one at most "
            f"{spec['longest_px']}, as in its training."
        )
    parts = []
    if spec.get("pixel_size_range_nm"):
        low, high = spec["pixel_size_range_nm"]
        parts.append(f"Made for {low:g} to {high:g} nm a pixel.")
    if spec.get("resampled_to_nm") or spec.get("pixel_size_range_nm"):
        low, high = spec.get("resampled_to_nm") or spec["pixel_size_range_nm"]
        parts.append(f"The pipeline resamples pictures outside {low:g} to {high:g} nm a pixel to the nearer end.")
    return " ".join(parts) or "Pictures are not resampled."


def _scores(scores: dict[str, Any], about: About) -> list[str]:
    parts = [about.measured.strip()] if about.measured else []
    for title, figures in scores.items():
        parts += [f"### {title}", score_table(figures)]
    return parts or ["Not measured here. `python -m training evaluate defects` measures it on labelled micrographs."]


def _parity(report: DetectionReport, manifest: Manifest) -> str:
    rows = [
        f"Against {report.reference}, detections matched by place and class:",
        "",
        "| runtime | precision | picture | matched | boxes | scores | mask probabilities | mask IoU | served |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows += [_row(entry, manifest.precisions) for entry in report.comparisons]
    if "bf16" in manifest.precisions:
        rows += ["", f"bf16 is allowed because of this: {manifest.precisions['bf16'].evidence}."]
    return "\n".join(rows)


def _row(entry: DetectionParity, allowed: Sequence[str] | dict[Any, Any]) -> str:
    height, width = entry.shape[-2:]
    return (
        f"| {entry.runtime} | {entry.precision} | {height} × {width} | {entry.matched} of {entry.expected} "
        f"| {entry.box_px:.1e} px | {entry.score:.1e} | {entry.mask_probability:.1e} | {entry.mask_iou:.4f} "
        f"| {'yes' if entry.precision in allowed else 'no'} |"
    )
