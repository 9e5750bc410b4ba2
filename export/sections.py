"""Sections that the cards of several families have."""

from __future__ import annotations

from typing import Any

from export.about import About
from export.parity import ParityReport
from model_store.manifest import Manifest, Training


def origin(manifest: Manifest) -> list[str]:
    """Where it comes from; nothing where nothing is known."""
    sources = [f"- {source.what}: {source.citation}" for source in manifest.sources]
    return ["## Origin", "\n".join(sources)] if sources else []


def training_parts(record: Training | None, about: About) -> list[str]:
    """The card's section on the training, stage by stage; nothing where nothing is known."""
    parts = ["## Training"]
    if about.training:
        parts.append(about.training.strip())
    stages = _stages(record)
    if len(stages) > 1:
        parts.append(f"{len(stages)} stages, {sum(stage['minutes'] for stage in stages):g} minutes together.")
    for stage in stages:
        parts.append(f"{stage['minutes']:g} minutes on {stage['device']}: {stage['data']}. Made again by")
        parts.append("\n".join(f"    {line}" for line in stage["command"].splitlines()))
    return parts if len(parts) > 1 else []


def _stages(record: Training | None) -> list[dict[str, Any]]:
    """The runs that made the weights, the first one first."""
    stages: list[dict[str, Any]] = []
    stage = None if record is None else record.model_dump(mode="json")
    while stage is not None:
        stages.insert(0, stage)
        stage = stage.get("earlier")
    return stages


def failures(about: About) -> list[str]:
    """Where it fails, a point each; nothing where nobody said."""
    if not about.fails:
        return []
    return ["## Where it fails", "\n".join(f"- {point.strip()}" for point in about.fails)]


def runtime_table(manifest: Manifest, report: ParityReport) -> str:
    """The largest difference of every runtime and precision, whether it is served, and why bf16 is."""
    names = sorted({(entry.runtime, entry.precision) for entry in report.comparisons})
    rows = ["| runtime | precision | largest difference | allowed when served |", "|---|---|---|---|"]
    for runtime, precision in names:
        allowed = "yes" if precision in manifest.precisions else "no"
        rows.append(f"| {runtime} | {precision} | {report.worst(precision, runtime=runtime):.1e} | {allowed} |")
    if "bf16" in manifest.precisions:
        rows += ["", f"bf16 is allowed because of this: {manifest.precisions['bf16'].evidence}."]
    return "\n".join(rows)
