"""The table of models in the README, written from the manifests of the store."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from model_store.manifest import Manifest
from model_store.store import Store

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- models -->\n", "<!-- /models -->"


def table(manifests: list[Manifest]) -> str:
    """The models of each family, Markdown, one row a model: what it is, its size, and its scores."""
    parts = []
    for family, (headings, cells) in FAMILIES.items():
        of_family = [manifest for manifest in manifests if manifest.family == family]
        if of_family:
            lines = [
                _row([family, "version", "network", "weights", *headings, "licence"]),
                "|---" * (5 + len(headings)) + "|",
            ]
            lines += [_row([*_model(manifest), *cells(manifest), manifest.licence]) for manifest in of_family]
            parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _model(manifest: Manifest) -> list[str]:
    name = f"[`{manifest.name}`](model_store/models/{manifest.name}/card.md){', the default' * manifest.default}"
    size = f"{manifest.parameters / 1e6:.2f} M, {manifest.files['onnx'].bytes / 2**20:.1f} MB"
    return [name, manifest.version, manifest.architecture, size]


def _atoms(manifest: Manifest) -> list[str]:
    scores = manifest.scores["held_out"]
    return [f"{scores['recall']:.4f}", f"{scores['precision']:.4f}", f"{scores['rms_pm']:.1f} pm"]


def _defects(manifest: Manifest) -> list[str]:
    """Of the first set of pictures that the manifest has scores on, the one that the model is for."""
    if not manifest.scores:
        return ["nothing", "", ""]
    title, scores = next(iter(manifest.scores.items()))
    return [title, *(f"{scores[kind]['f1']:.2f}" for kind in ("find", "types"))]


def _dislocations(manifest: Manifest) -> list[str]:
    """Of the first set of pictures that the manifest has scores on."""
    for title, scores in manifest.scores.items():
        if "length_score" in scores:
            return [title, *(f"{scores[name]:.2f}" for name in ("length_score", "recall", "precision"))]
    return ["nothing", "", "", ""]


FAMILIES: dict[str, tuple[tuple[str, ...], Callable[[Manifest], list[str]]]] = {
    "atoms": (("ID-recall", "ID-precision", "Δd"), _atoms),
    "defects": (("measured on", "find F1", "type F1"), _defects),
    "dislocations": (("measured on", "length score", "recall", "precision"), _dislocations),
}
"""What the table of a family tells of each model's scores."""


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
