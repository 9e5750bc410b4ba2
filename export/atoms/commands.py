"""`python -m export atoms RUN --name NAME`: a training run → a folder of the store."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.atoms.evidence import Equality, compare_evaluations
from export.atoms.folder import Evidence, export_network
from export.parity import ParityError
from model_store.manifest import Training
from model_store.store import MODELS
from training.atoms.checkpoints import trained_network
from training.atoms.settings import Settings
from training.atoms.synthetic import LATTICES, RANDOM
from training.checkpoints import Checkpoint

NAMED_BY_THE_COMMAND = {"network", "seed", "steps", "minutes", "lattices"}
EVALUATION, BF16_EVALUATION = "evaluation.json", "evaluation_bf16.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m export atoms`."""
    parser.description = (
        "Export a training run. evaluation.json and evaluation_bf16.json of the run's folder become its scores, and "
        "decide whether bf16 is allowed."
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the training run")
    parser.add_argument("--name", required=True, help="of the model and of its folder")
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--store", type=Path, default=MODELS, help="folder of models (default: the one that ships)")
    parser.add_argument(
        "--leave-one-out",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="folders of evaluated runs that left a lattice out",
    )
    parser.add_argument("--default", action="store_true", help="make it the default model of its family")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exports, prints what was written."""
    folder: Path = options.run_folder
    try:
        network = trained_network(folder)
        evidence = collect_evidence(folder, options.leave_one_out)
        manifest = export_network(
            network, evidence, options.store / options.name, version=options.version, default=options.default
        )
    except (FileNotFoundError, ParityError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    size = manifest.files["onnx"].bytes
    print(f"{options.store / options.name}: {manifest.parameters} parameters, {size} bytes of ONNX")
    print(f"precisions: {', '.join(manifest.precisions)}")
    if evidence.bf16 is not None and not evidence.bf16.holds:
        print(f"bf16 is not allowed: {evidence.bf16.share_of} {evidence.bf16.share:.4f}, ", end="")
        print(f"{evidence.bf16.distance_of} {evidence.bf16.distance_pm:.2f} pm apart")
    return 0


def collect_evidence(folder: Path, leave_one_out: Sequence[Path] = ()) -> Evidence:
    """Everything that a training run's folder, and those of the runs that left a lattice out, know of the network."""
    evaluation = _read(folder / EVALUATION)
    bf16 = _read(folder / BF16_EVALUATION)
    equality: Equality | None = None
    if evaluation and bf16:
        equality = compare_evaluations(evaluation, bf16)
    return Evidence(training=training_record(folder), scores=scores(evaluation, leave_one_out), bf16=equality)


def training_record(folder: Path) -> Training:
    """How the run was made, as a command that makes it again."""
    settings, checkpoint = Settings.read(folder), Checkpoint.read(folder)
    length = f"--steps {settings.steps}" if settings.steps else f"--minutes {settings.minutes:g}"
    command = f"python -m training atoms --out {folder.as_posix()} --network {settings.network} {length}"
    command += f" --seed {settings.seed}"
    if settings.left_out:
        command += f" --leave-out {' '.join(settings.left_out)}"
    usual = Settings(steps=1).model_dump(exclude=NAMED_BY_THE_COMMAND)
    unusual = {name: getattr(settings, name) for name in usual if getattr(settings, name) != usual[name]}
    return Training(
        command=command,
        seed=settings.seed,
        minutes=round(checkpoint.minutes, 1),
        device=checkpoint.device,
        data=f"{checkpoint.step * settings.batch // settings.reuse} simulated micrographs of {settings.size_px}² px, "
        f"{100 * settings.random_share:g} % of them of random lattices, the others of {', '.join(settings.lattices)}, "
        "made as it went",
        steps=checkpoint.step,
        batch=settings.batch,
        finished=checkpoint.finished,
        **({"other_settings": unusual} if unusual else {}),
        last_loss=round(checkpoint.log[-1]["loss"], 4) if checkpoint.log else None,
    )


def scores(evaluation: dict[str, Any] | None, leave_one_out: Sequence[Path]) -> dict[str, Any]:
    """The scores of the manifest: held-out simulated lattices, leave-one-out, real micrographs."""
    out: dict[str, Any] = {}
    if evaluation:
        usual = evaluation["simulated"]["usual"]
        out["held_out"] = _rounded(usual["all"])
        out["held_out_by_lattice"] = {name: _rounded(row) for name, row in usual.items() if name not in ("all", RANDOM)}
        if RANDOM in usual:
            out["held_out_random_lattices"] = _rounded(usual[RANDOM])
        if wide := evaluation["simulated"].get("wide"):
            out["held_out_wide"] = _rounded(wide["all"])
        out["real"] = {file: _rounded(row) for file, row in evaluation["real"].items()}
    rows = {}
    for folder in leave_one_out:
        (lattice,) = Settings.read(folder).left_out
        report = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        steps = {"steps": Checkpoint.read(folder).step}
        rows[lattice] = _rounded(report["simulated"]["usual"][lattice]) | steps
    if rows:
        out["leave_one_out"] = {lattice: rows[lattice] for lattice in LATTICES if lattice in rows}
    return out


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    digits = {"rms_pm": 2, "nearest_neighbour_median_px": 2}
    return {
        key: round(value, digits.get(key, 4)) if isinstance(value, float) else value
        for key, value in row.items()
        if key != "warnings"
    }


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
