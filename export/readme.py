"""The table of models in the README, written from the manifests of the store."""

from __future__ import annotations

import argparse
from pathlib import Path

from model_store.manifest import Manifest
from model_store.store import Store

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- models -->\n", "<!-- /models -->"


def table(manifests: list[Manifest]) -> str:
    """One row a model, Markdown: what it is, its size, and its scores on held-out simulated pictures."""
    lines = [
        "| model | version | network | weights | ID-recall | ID-precision | Δd | licence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for manifest in manifests:
        name = f"[`{manifest.name}`](model_store/models/{manifest.name}/card.md){', the default' * manifest.default}"
        size = f"{manifest.parameters / 1e6:.2f} M, {manifest.files['onnx'].bytes / 2**20:.1f} MB"
        scores = manifest.scores["held_out"]
        lines.append(
            f"| {name} | {manifest.version} | {manifest.architecture} | {size} "
            f"| {scores['recall']:.4f} | {scores['precision']:.4f} | {scores['rms_pm']:.1f} pm | {manifest.licence} |"
        )
    return "\n".join(lines) + "\n"


def updated(text: str) -> str:
    """The README's text with the table between its two marks made anew; raises ValueError without the marks."""
    if BEGIN not in text or END not in text:
        raise ValueError(f"The README has no place for the table: it needs the lines {BEGIN.strip()} and {END}.")
    head, rest = text.split(BEGIN, 1)
    _, tail = rest.split(END, 1)
    return head + BEGIN + table(Store().manifests()) + END + tail


def run(_: argparse.Namespace) -> int:
    """Write the README anew; returns the exit code."""
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"The table of models in {README.name} is up to date.")
    return 0
