"""A model of the store is a network for dislocation lines again: to be trained further."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emserve.exceptions import ChecksumMismatch, StoreError
from export.dislocations.folder import tensors_of
from export.torchscript import write_torchscript
from model_store import manifest as manifests
from model_store.manifest import Manifest, weight_file
from training.dislocations.checkpoints import settings_of_start
from training.dislocations.loop import WrongStart, network_to_train
from training.dislocations.networks import LineNetwork, build
from training.dislocations.networks.stored import CONFIG, StoredConfig, load_stored
from training.dislocations.settings import Settings


@pytest.fixture(scope="module")
def network() -> LineNetwork:
    torch.set_num_threads(1)
    network = build("unetplusplus_compact", masks=3, seed=5)
    with torch.no_grad():
        network.train()(torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1)))
    return network.eval()


@pytest.fixture(scope="module")
def folder(network: LineNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As much of a model's folder as it takes."""
    folder = tmp_path_factory.mktemp("store") / "lines"
    (folder / "1").mkdir(parents=True)
    config = StoredConfig(network=network.name, masks=network.masks).model_dump_json()
    write_torchscript(network, folder / "1" / "model.pt", example=torch.zeros(1, 1, 64, 96), extra={CONFIG: config})
    (folder / "1" / "model.onnx").write_bytes(b"not needed here")
    files = {
        name: weight_file(folder, path) for name, path in (("onnx", "1/model.onnx"), ("torchscript", "1/model.pt"))
    }
    described = {
        "name": folder.name, "family": "dislocations", "version": "1.0.0", "title": "t", "architecture": "a",
        "parameters": 1, "licence": "MIT", "authors": ["a"], "files": files, "input": {"tile_px": 128},
        "tensors": tensors_of(network), "precisions": {"fp32": {"tolerance": {"masks": 1e-3}}},
        "sample": {"input": "i", "expected": "e"},
    }  # fmt: skip
    manifests.write(Manifest.model_validate(described), folder)
    return folder


def test_it_answers_bit_for_bit_as_the_one_that_was_exported(folder: Path, network: LineNetwork) -> None:
    stored = load_stored(folder)
    assert (stored.name, stored.masks, stored.training) == (network.name, 3, False)
    for name, tensor in network.state_dict().items():
        assert torch.equal(stored.state_dict()[name], tensor), name
    picture = torch.rand(1, 1, 70, 90)
    with torch.no_grad():
        assert torch.equal(stored(picture), network(picture))


def test_a_training_starts_from_it_by_name_in_the_store_that_is_served(
    folder: Path, network: LineNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMSERVE_STORE", str(folder.parent))
    assert settings_of_start(folder.name) == {"network": network.name, "masks": 3, "size_px": 128}
    begun = network_to_train(Settings(steps=1, start=folder.name, masks=3))
    assert begun.training
    assert torch.equal(begun.head.weight, network.head.weight)
    with pytest.raises(WrongStart, match="with 3 masks"):
        network_to_train(Settings(steps=1, start=folder.name, masks=20))
    with pytest.raises(FileNotFoundError, match="nobody"):
        settings_of_start("nobody")


def test_it_can_be_trained_further(folder: Path) -> None:
    stored = load_stored(folder).train()
    stored.logits(torch.rand(2, 1, 64, 64)).square().mean().backward()
    first = stored.encoder.stem.conv.weight
    assert first.grad is not None
    assert first.grad.abs().max() > 0


def test_what_is_no_network_for_lines_is_refused(folder: Path, blob_store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="atoms_blobs"):
        load_stored(blob_store / "atoms_blobs")
    entry = manifests.load(folder)
    other = tmp_path / folder.name
    (other / "1").mkdir(parents=True)
    (other / "1" / "model.pt").write_bytes((folder / "1" / "model.pt").read_bytes()[:-1] + b"x")
    manifests.write(entry, other)
    with pytest.raises(ChecksumMismatch):
        load_stored(other)
    for config in ({}, {CONFIG: '{"network": "a_stranger", "masks": 3}'}):
        write_torchscript(torch.nn.ReLU(), other / "1" / "model.pt", example=torch.zeros(1), extra=config)
        weights = weight_file(other, "1/model.pt")
        manifests.write(entry.model_copy(update={"files": entry.files | {"torchscript": weights}}), other)
        with pytest.raises(StoreError, match="does not say what network it is"):
            load_stored(other)
