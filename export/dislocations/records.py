"""How a training run was made, for the manifest: as a command that makes it again, with what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model_store.manifest import Training
from training.checkpoints import FILE_NAME, Checkpoint
from training.dislocations.settings import Settings

NAMED_BY_THE_COMMAND = {
    "network", "seed", "steps", "minutes", "start", "microstructures", "backgrounds", "background_folder", "frames",
    "left_out", "synthetic", "size_px", "batch", "peak_learning_rate",
}  # fmt: skip
BACKGROUNDS = {"perlin": "Perlin noise", "real": "real micrographs without their lines"}


def training_record(folder: Path) -> Training:
    """The record of a run's folder; where it started from another run, `earlier` is the record of that one."""
    settings, checkpoint = Settings.read(folder), Checkpoint.read(folder)
    usual = Settings(steps=1).model_dump(mode="json", exclude=NAMED_BY_THE_COMMAND)
    given = settings.model_dump(mode="json")
    more: dict[str, Any] = {}
    if unusual := {name: given[name] for name in usual if given[name] != usual[name]}:
        more["other_settings"] = unusual
    if settings.start is not None and (Path(settings.start) / FILE_NAME).exists():
        more["earlier"] = training_record(Path(settings.start)).model_dump(mode="json", exclude_none=True)
    return Training(
        command=_command(folder, settings),
        seed=settings.seed,
        minutes=round(checkpoint.minutes, 1),
        device=checkpoint.device,
        data=_data(settings, checkpoint),
        steps=checkpoint.step,
        batch=settings.batch,
        finished=checkpoint.finished,
        last_loss=round(checkpoint.log[-1]["loss"], 4) if checkpoint.log else None,
        **more,
    )


def _command(folder: Path, settings: Settings) -> str:
    parts = ["python -m training dislocations", f"--out {folder.as_posix()}"]
    parts.append(f"--start {settings.start}" if settings.start else f"--network {settings.network}")
    parts.append(f"--steps {settings.steps}" if settings.steps else f"--minutes {settings.minutes:g}")
    parts.append(f"--seed {settings.seed} --size {settings.size_px} --batch {settings.batch}")
    parts.append(f"--learning-rate {settings.peak_learning_rate:g}")
    parts.append(f"--microstructures {' '.join(settings.microstructures)}")
    parts.append(f"--backgrounds {' '.join(settings.backgrounds)}")
    if settings.background_folder:
        parts.append(f"--background-folder {settings.background_folder}")
    if settings.frames:
        parts.append(f"--frames {settings.frames} --synthetic {settings.synthetic:g}")
    if settings.left_out:
        parts.append(f"--leave-out {' '.join(settings.left_out)}")
    return " ".join(parts)


def _data(settings: Settings, checkpoint: Checkpoint) -> str:
    seen = checkpoint.step * settings.batch
    if settings.reuse > 1:
        pictures = f"{seen // settings.reuse} pictures of {settings.size_px}² px, each seen {settings.reuse} times"
    else:
        pictures = f"{seen} pictures of {settings.size_px}² px"
    *first, last = settings.microstructures
    kinds = f"{', '.join(first)} and {last}" if first else last
    grounds = " and on ".join(BACKGROUNDS[name] for name in settings.backgrounds)
    made = f"synthetic pile-ups of {kinds} on {grounds}, made as it went"
    if settings.frames is None:
        return f"{pictures}, {made}"
    return f"{pictures}, {100 * settings.synthetic:g} % of them {made}, the others windows of labelled frames"
