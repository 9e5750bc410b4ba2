"""`emserve models`: what a server serves."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from emserve.cli.report import Table
from emserve.client import Client
from emserve.results import ModelList, ModelSummary

_HEADINGS = ("name", "family", "version", "default", "best pixel size", "licence", "title", "scores")


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
    """`recall 0.998, precision 1`: numbers as they are, whatever is nested as compact JSON."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, int | float) else f"{name} {_compact(value)}"
        for name, value in scores.items()
    )


def _compact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
