"""How a training run was made, for the manifest: as a command that makes it again, with what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model_store.manifest import Training
from training.checkpoints import FILE_NAME, Checkpoint
from training.defects.settings import Settings
from training.defects.sources import SourceSettings

PUBLISHED = ("fecral_111_boxes", "fecral_in_situ", "fecral_three_class", "steel_316l_loops", "titanium_loops")
"""Folders that `--published` knows."""
NAMED_BY_THE_COMMAND = {"network", "seed", "steps", "minutes", "start", "sources"}


def training_record(folder: Path) -> Training:
    """The record of a run's folder; where it started from another run, `earlier` is the record of that one."""
    settings, checkpoint = Settings.read(folder), Checkpoint.read(folder)
    length = f"--steps {settings.steps}" if settings.steps else f"--minutes {settings.minutes:g}"
    begin = f"--start {' '.join(settings.start)}" if settings.start else f"--network {settings.network}"
    command = f"python -m training defects --out {folder.as_posix()} {begin} {length}"
    command += f" --seed {settings.seed}{_pictures(settings)}"
    usual = Settings(steps=1, synthetic=1).model_dump(mode="json", exclude={*NAMED_BY_THE_COMMAND, "classes"})
    given = settings.model_dump(mode="json")
    more: dict[str, Any] = {name: given[name] for name in usual if given[name] != usual[name]}
    if settings.sources:
        more["real_pictures"] = {source.labels.parent.name: _source(source) for source in settings.sources}
    if len(settings.start) == 1 and (Path(settings.start[0]) / FILE_NAME).exists():
        more["earlier"] = training_record(Path(settings.start[0])).model_dump(mode="json", exclude_none=True)
    return Training(
        command=command,
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


def _pictures(settings: Settings) -> str:
    """The arguments that name the real pictures."""
    if not settings.sources:
        return ""
    folders = {source.labels.parent.name: source.labels.parent.parent for source in settings.sources}
    if set(folders) <= set(PUBLISHED):
        three_class = " --three-class" if "fecral_three_class" in folders else ""
        return f" --published {next(iter(folders.values())).as_posix()}{three_class}"
    return "".join(f" --images {one.images.as_posix()} --labels {one.labels.as_posix()}" for one in settings.sources)


def _data(settings: Settings, checkpoint: Checkpoint) -> str:
    crops = f"{checkpoint.step * settings.batch} crops of {settings.size_px}² px"
    if settings.synthetic == 1:
        return f"{crops} of synthetic micrographs"
    names = ", ".join(source.labels.parent.name for source in settings.sources)
    return f"{crops}, {100 * settings.synthetic:g} % of them of synthetic micrographs, the others of {names}"


def _source(source: SourceSettings) -> dict[str, Any]:
    return {"share": source.share, "left_out": list(source.left_out)}
