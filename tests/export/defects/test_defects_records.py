"""What a model's manifest and card say of its training and its scores, and what is refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
import yaml

from emserve.exceptions import InvalidParameter
from export.about import About, read_about
from export.defects.records import training_record
from export.defects.scores import named_scores, read_scores, score_table
from export.sections import training_parts
from model_store.manifest import Training
from training.checkpoints import Checkpoint
from training.defects.commands import add_training, settings_of
from training.defects.evaluation.figures import COLUMNS
from training.defects.evaluation.tables import write_csv
from training.defects.settings import Settings
from training.defects.sources import SourceSettings


def checkpoint(folder: Path, **changes: object) -> Path:
    """A run's folder without its network."""
    settings = Settings(minutes=62, seed=3, synthetic=0.5, sources=published(folder)).model_copy(update=changes)
    folder.mkdir(exist_ok=True)
    settings.write(folder)
    Checkpoint({"w": torch.zeros(1)}, {}, {}, step=500, minutes=61.97, log=[{"loss": 1.23456}]).write(folder)
    return folder


def published(data: Path) -> tuple[SourceSettings, ...]:
    return (
        SourceSettings(
            images=data / "fecral_111_boxes", labels=data / "fecral_111_boxes/boxes.csv", left_out=("a.jpg",)
        ),
        SourceSettings(images=data / "steel_316l_loops/images", labels=data / "steel_316l_loops/coco.json"),
    )


def test_a_run_is_recorded_as_the_command_that_makes_it_again(tmp_path: Path) -> None:
    record = training_record(checkpoint(tmp_path / "run"))
    options = f"--network compact --minutes 62 --seed 3 --published {(tmp_path / 'run').as_posix()}"
    assert record.command.endswith(options)
    assert (record.minutes, record.seed) == (62.0, 3)
    content = record.model_dump()
    assert (content["steps"], content["finished"], content["last_loss"]) == (500, False, 1.2346)
    assert content["real_pictures"]["fecral_111_boxes"]["left_out"] == ["a.jpg"]
    assert "4000 crops of 320² px, 50 % of them of synthetic micrographs" in record.data
    assert "steel_316l_loops" in record.data


def test_a_second_stage_tells_of_the_first(tmp_path: Path) -> None:
    first = checkpoint(tmp_path / "first")
    record = training_record(checkpoint(tmp_path / "second", start=(str(first),), minutes=5.0))
    assert f"--start {first}" in record.command
    earlier = record.model_dump()["earlier"]
    assert earlier == training_record(first).model_dump(mode="json", exclude_none=True)
    stored = Training.model_validate(yaml.safe_load(yaml.safe_dump(record.model_dump(mode="json"))))
    told = "\n".join(training_parts(stored, About()))
    assert "2 stages, 124 minutes together" in told
    assert told.index(earlier["command"]) < told.index(record.command)


def test_the_command_of_a_synthetic_run_parses_to_the_same_settings(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "run", sources=(), synthetic=1.0, minutes=None, steps=40)
    command = training_record(folder).command
    parser = argparse.ArgumentParser()
    add_training(parser)
    options = parser.parse_args(command.split()[4:])
    assert settings_of(options, None) == Settings.read(folder)


def rows(iou: float = 0.3) -> list[dict[str, str | float | int | None]]:
    """A table of the evaluation."""
    known: dict[str, dict[str, float | int]] = {
        "find": {"f1": 0.61234, "true": 239, "size_error_percent": 7.31},
        "types": {"f1": 0.5, "true": 239},
        "loop_111": {"f1": 0.4, "true": 100},
    }
    return [dict.fromkeys(COLUMNS) | {"class": kind, "iou": iou, "pictures": 4} | row for kind, row in known.items()]


def test_tables_of_the_evaluation_become_scores(tmp_path: Path) -> None:
    write_csv(rows() + rows(0.5), tmp_path / "pooled.csv")
    scores = named_scores([f"three classes={tmp_path / 'pooled.csv'}"])
    assert scores["three classes"]["find"] == {"pictures": 4, "true": 239, "f1": 0.6123, "size_error_percent": 7.31}
    assert set(scores["three classes"]) == {"find", "types", "loop_111"}
    table = score_table(scores["three classes"]).splitlines()
    assert table[0] == "| | pictures | true | F1 | size error |"
    assert table[2] == "| found (any class) | 4 | 239 | 0.61 | 7.3 % |"
    assert table[4] == "| loop_111 | 4 | 100 | 0.40 |  |"


def test_other_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("class,iou\nfind,0.3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no table"):
        read_scores(tmp_path / "other.csv")
    write_csv(rows(0.5), tmp_path / "half.csv")
    with pytest.raises(ValueError, match=r"no row at IoU 0\.3"):
        read_scores(tmp_path / "half.csv")
    write_csv(rows() + rows(), tmp_path / "twice.csv")
    with pytest.raises(ValueError, match="more than one row of 'find'"):
        read_scores(tmp_path / "twice.csv")
    with pytest.raises(ValueError, match="TITLE=FILE"):
        named_scores([str(tmp_path / "half.csv")])


def test_what_people_know_is_read_strictly(tmp_path: Path, root: Path) -> None:
    about = read_about(root / "export" / "defects" / "defects_maskrcnn.yaml")
    assert len(about.fails) >= 4
    assert about.licence == "MIT"
    json.dumps(about.valid_range)
    (tmp_path / "about.yaml").write_text("titel: Loops\n", encoding="utf-8")
    with pytest.raises(InvalidParameter, match="titel"):
        read_about(tmp_path / "about.yaml")
    with pytest.raises(InvalidParameter, match="cannot be read"):
        read_about(tmp_path / "absent.yaml")
