"""A model of the store is a network again: to be trained further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emserve.exceptions import ChecksumMismatch, StoreError
from export.defects.conversion import OUTPUTS, to_torchscript
from export.defects.parity import detections_of
from model_store import manifest as manifests
from training.defects.building import started_from
from training.defects.networks.stored import load_stored


@pytest.fixture
def folder(narrow_store: Path) -> Path:
    return narrow_store / "defects_narrow"


def test_it_answers_bit_for_bit_as_the_one_that_was_exported(folder: Path) -> None:
    network = load_stored(folder)
    scripted = torch.jit.load(folder / "1" / "model.pt")
    for name, tensor in network.state_dict().items():
        assert torch.equal(scripted.state_dict()[name], tensor), name
    with np.load(folder / "sample" / "input.npz") as given, np.load(folder / "sample" / "expected.npz") as stored:
        image, expected = given["image"], dict(stored)
    found = detections_of(network, image)
    assert len(expected["scores"]) >= 5
    assert all(np.array_equal(expected[name], found[name]) for name in OUTPUTS)


def test_a_training_starts_from_it_by_name_in_the_store_that_is_served(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSERVE_STORE", str(folder.parent))
    assert started_from([folder.name]).config == load_stored(folder).config


def test_it_is_exported_as_it_was(folder: Path, tmp_path: Path) -> None:
    network = load_stored(folder)
    assert network.config.classes == ("loop_111", "black_dot")
    to_torchscript(network, tmp_path / "again.pt")
    again, before = torch.jit.load(tmp_path / "again.pt"), torch.jit.load(folder / "1" / "model.pt")
    assert before.state_dict().keys() == again.state_dict().keys()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in before.state_dict().items())


def test_it_can_be_trained_further(folder: Path) -> None:
    network = load_stored(folder).train()
    features = network.features(255 * torch.rand(1, 1, 64, 64))
    sum(feature.square().mean() for feature in features).backward()  # type: ignore[union-attr]
    first = network.backbone.bottom.stem.conv.weight
    assert first.grad is not None
    assert first.grad.abs().max() > 0


def test_what_is_no_defects_network_is_refused(folder: Path, blob_store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="atoms_blobs"):
        load_stored(blob_store / "atoms_blobs")
    entry = manifests.load(folder)
    other = tmp_path / folder.name
    (other / "1").mkdir(parents=True)
    (other / "1" / "model.pt").write_bytes((folder / "1" / "model.pt").read_bytes()[:-1] + b"x")
    manifests.write(entry, other)
    with pytest.raises(ChecksumMismatch):
        load_stored(other)
    torch.jit.script(torch.nn.ReLU()).save(other / "1" / "model.pt")
    weights = manifests.weight_file(other, "1/model.pt")
    manifests.write(entry.model_copy(update={"files": entry.files | {"torchscript": weights}}), other)
    with pytest.raises(StoreError, match="does not say what network it is"):
        load_stored(other)
