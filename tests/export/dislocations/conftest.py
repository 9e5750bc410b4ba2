"""Exported networks for dislocation lines, of few channels so that they are quick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from export.__main__ import main
from tests.export.dislocations.narrow_lines import SETS, Narrow, write_run
from training.dislocations.networks import NETWORKS


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more, and the order of sums is the same everywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, Narrow.name, Narrow)
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, _narrow: None) -> Path:
    """A finished training run, evaluated."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "lines")
    report = {"pictures_of_each_kind": 40, "models": {str(folder): SETS, "another": {}}}
    (folder / "evaluation.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model that the command makes of it."""
    store = tmp_path_factory.mktemp("store")
    about = store / "about.yaml"
    about.write_text("licence: MIT\nauthors: [A. User]\nfails: [Bent ones.]\n", encoding="utf-8")
    torch.set_num_threads(1)
    arguments = ["dislocations", "--run", str(run_folder), "--name", "dislocations_narrow", "--store", str(store)]
    arguments += ["--about", str(about), "--scores", str(run_folder / "evaluation.json"), "--default"]
    assert main(arguments) == 0
    about.unlink()
    return store / "dislocations_narrow"
