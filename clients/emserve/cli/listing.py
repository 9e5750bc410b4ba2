"""`emserve models`: what a server serves."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from emserve.cli.report import Table
from emserve.client import Client
from emserve.results import ModelList, ModelSummary

_HEADINGS = ("name", "family", "version", "default", "best pixel size", "licence", "title", "held-out scores")


def run(options: argparse.Namespace) -> int:
    """Print the models as a table or as JSON."""
    with Client(options.url, options.api_key, options.timeout) as client:
        models = client.models()
    if options.json:
        print(ModelList(models=models).model_dump_json(indent=2))
        return 0
    rows = [_row(model) for model in models]
    table = Table(_HEADINGS, rows)
    for line in table.lines():
        print(line)
    return 0


def _row(model: ModelSummary) -> tuple[str, ...]:
    best = model.best_pixel_size_nm
    return (
        model.name,
        model.family,
        model.version,
        "yes" if model.default else "",
        "" if best is None else f"{best * 1000:.4g} pm",
        model.licence,
        model.title,
        _scores(model.scores),
    )


def _scores(scores: Mapping[str, Any]) -> str:
    """The figures of pictures that the training did not see; `--json` has the rest.

    `recall 0.998, precision 1, Δd 6.5 pm` of atoms; `find F1 0.72, type F1 0.61 (…)` of defects and
    `length 0.85, recall 0.97, precision 0.9 (…)` of dislocations, with what they were measured on.
    """
    held_out = scores.get("held_out")
    if isinstance(held_out, Mapping) and "find" not in held_out:
        shown = {name: held_out.get(name) for name in ("recall", "precision", "rms_pm")}
        texts = {"recall": "recall {:.4g}", "precision": "precision {:.4g}", "rms_pm": "Δd {:.4g} pm"}
        return ", ".join(texts[name].format(value) for name, value in shown.items() if isinstance(value, int | float))
    for measured_on, figures in scores.items():
        if isinstance(figures, Mapping) and (find := _f1(figures, "find")) is not None:
            types = _f1(figures, "types")
            of_types = "" if types is None else f", type F1 {types:.2f}"
            return f"find F1 {find:.2f}{of_types} ({measured_on})"
        if isinstance(figures, Mapping) and "length_score" in figures:
            keys = {"length": "length_score", "recall": "recall", "precision": "precision"}
            known = {name: figures.get(key) for name, key in keys.items()}
            parts = [f"{name} {value:.2f}" for name, value in known.items() if isinstance(value, int | float)]
            return f"{', '.join(parts)} ({measured_on})"
    return ""


def _f1(figures: Mapping[str, Any], kind: str) -> float | None:
    row = figures.get(kind)
    value = row.get("f1") if isinstance(row, Mapping) else None
    return float(value) if isinstance(value, int | float) else None
