"""`python -m training evaluate atoms`: figures as a table and as JSON, overlays of the real micrographs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from analysis.atoms.preprocess import InputSpec
from analysis.network import Network
from model_store.store import Store
from training.atoms.evaluation import columns_of, evaluate_real, evaluate_simulated
from training.atoms.overlays import draw_columns
from training.atoms.wrapping import TrainedNetwork, input_spec
from training.checkpoints import FILE_NAME as CHECKPOINT
from training.store_models import open_model as open_store_model


def evaluate(options: argparse.Namespace) -> int:
    """Evaluates, prints a table and writes the JSON and the overlays."""
    network, spec = open_model(options)
    out = options.out or (Path(options.model) if Path(options.model).is_dir() else Path("runs") / options.model)
    out.mkdir(parents=True, exist_ok=True)
    settings = {"threshold": options.threshold, "postprocess": options.postprocess}
    report: dict[str, Any] = {"model": network.info.model_dump(), "options": settings, "simulated": {}, "real": {}}
    for quality in options.quality:
        figures = evaluate_simulated(
            network, spec, options.lattices, pictures=options.pictures, quality=quality, **settings
        )
        report["simulated"][quality] = figures
        print(f"{quality} quality, {options.pictures} pictures of each lattice")
        for lattice, row in figures.items():
            print(
                f"  {lattice:12} recall {row['recall']:.4f}  precision {row['precision']:.4f}  "
                f"Δd {row['rms_pm']:5.1f} pm  {row['columns']} columns"
            )
    for real in evaluate_real(network, spec, options.real, **settings):
        report["real"][real.picture.file] = real.figures()
        print(real.picture.file, json.dumps(real.figures()))
        draw_columns(
            real.micrograph.pixels,
            columns_of(real.result),
            out / f"{options.name}_{Path(real.picture.file).stem}.png",
            missed=real.sites.xy[~real.sites.occupied] if real.sites else None,
            stray=columns_of(real.result)[~real.sites.on_site] if real.sites else None,
        )
    (out / f"{options.name}.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def open_model(options: argparse.Namespace) -> tuple[Network, InputSpec]:
    """The model of `--model`: a run's folder if there is one of that name, else a model of the store."""
    if (Path(options.model) / CHECKPOINT).exists():
        trained = TrainedNetwork.from_run(Path(options.model))
        return trained, input_spec(trained.network)
    store = Store(options.store)
    entry = store.manifest(options.model)
    model = open_store_model(store, options.model, runtime=options.runtime, precision=options.precision)
    return model, InputSpec.model_validate(entry.input)
