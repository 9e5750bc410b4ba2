"""The report of a run: how the network does on the pictures that were left out, and how it did before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.defects.metrics import Score, evaluate, total
from analysis.defects.pipeline import analyse
from analysis.defects.preprocess import InputSpec
from training.checkpoints import Checkpoint
from training.defects.building import started_from, trained_network
from training.defects.networks import MaskRCNN
from training.defects.serving import TorchNetwork, input_spec
from training.defects.settings import Settings
from training.defects.sources import read_sources
from training.defects.validation import HeldOut, real_pictures

FILE_NAME = "report.md"


@dataclass(frozen=True)
class Row:
    """A network on a group of pictures, at IoU 0.3: any defect, and each class where the labels tell them apart."""

    network: str
    group: str
    pictures: int
    find: Score
    types: dict[str, Score]


def write_report(folder: Path) -> None:
    """Writes `report.md` into the folder of a run, out of its checkpoint and the pictures that were left out."""
    settings, checkpoint = Settings.read(folder), Checkpoint.read(folder)
    _, left_out = read_sources(settings.sources)
    networks = {"after": trained_network(folder)}
    if settings.start:
        networks = {"before": started_from(settings.start), **networks}
    rows = []
    for source in left_out:
        pictures = real_pictures([source])
        for name, network in networks.items():
            rows.append(_row(name, source.images.name, pictures, network, input_spec(network, settings)))
    (folder / FILE_NAME).write_text(_text(settings, checkpoint, rows), encoding="utf-8")


def _row(name: str, group: str, pictures: Sequence[HeldOut], network: MaskRCNN, spec: InputSpec) -> Row:
    runner = TorchNetwork(network)
    found = [evaluate(analyse(one.micrograph, runner, spec).table, one.truth) for one in pictures]
    kinds = [one for one, picture in zip(found, pictures, strict=True) if picture.kinds]
    names = sorted({kind for one in kinds for kind in one.types})
    types = {kind: total(one.types[kind] for one in kinds if kind in one.types) for kind in names}
    return Row(name, group, len(pictures), total(one.find for one in found), types)


def _text(settings: Settings, checkpoint: Checkpoint, rows: Sequence[Row]) -> str:
    start = f"from `{' '.join(settings.start)}`" if settings.start else f"{settings.network}, from random weights"
    lines = [
        "# Report of a training run",
        "",
        f"{start}; {checkpoint.step} steps in {checkpoint.minutes:.1f} minutes on {checkpoint.device}; "
        f"seed {settings.seed}.",
        "",
        "| pictures | network | | true | precision | recall | F1 |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        named = {"any defect": row.find, **row.types}
        lines += [
            f"| {row.group} ({row.pictures}) | {row.network} | {name} | {score.n_true} | {score.precision:.3f} | "
            f"{score.recall:.3f} | {score.f1:.3f} |"
            for name, score in named.items()
        ]
    if not rows:
        lines += ["", "No picture was left out of the training, so nothing can be said about new ones."]
    lines += [
        "",
        "Pictures that were left out of training, at IoU 0.3, through the pipeline that is served. A class counts as "
        "found where both place and class are right. Where labels do not tell classes apart, only the place counts; "
        "where classes were not labelled, defects of them count neither way.",
        "",
        "![The course of the training](loss.png)",
        "",
    ]
    return "\n".join(lines)
