"""A trained network becomes a folder of the store that every runtime reads and that says where it comes from."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from analysis.atoms.preprocess import InputSpec
from analysis.micrograph import read_file
from export.__main__ import main
from export.atoms.commands import collect_evidence
from export.atoms.evidence import DISTANCE_PM, SHARE, compare_evaluations
from export.atoms.folder import Evidence, export_network, precision_rules
from export.folding import folded
from export.onnx import LARGEST_IR, OPSET, write_onnx
from export.parity import Parity, ParityError, ParityReport
from model_store import manifest as manifests
from model_store import runtimes
from model_store.manifest import Training
from model_store.store import Store
from training.atoms.loop import train
from training.atoms.networks import AtomNetwork, build
from training.atoms.settings import Settings
from training.atoms.synthetic import LATTICES, Parameters, render

ROW = {"recall": 0.999, "precision": 0.998, "rms_pm": 7.5, "columns": 1000, "pictures": 2}
REAL = {"title": "SrTiO3 [100]", "columns": 1300, "sites": 1200, "sites_found": 1.0, "columns_off_the_lattice": 0.001}
EVALUATION: dict[str, Any] = {
    "simulated": {quality: dict.fromkeys([*LATTICES, "all"], ROW) for quality in ("usual", "wide")},
    "real": {"strontium_titanate.ser": REAL},
}


def lively(seed: int = 1) -> AtomNetwork:
    """A network whose batch norms and maps are not those of a fresh one, which are flat."""
    network = build("segresnet", seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(0.5 + torch.rand(module.weight.shape, generator=generator))
                module.bias.copy_(0.2 * torch.randn(module.bias.shape, generator=generator))
                module.running_mean.copy_(0.2 * torch.randn(module.bias.shape, generator=generator))
                module.running_var.copy_(0.5 + torch.rand(module.weight.shape, generator=generator))
    return network.eval()


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training run of two steps, evaluated, beside one that left a lattice out."""
    runs = tmp_path_factory.mktemp("runs")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, lattices in (("all", LATTICES), ("without", LATTICES[1:])):
        settings = Settings(steps=1, batch=2, size_px=64, lattices=lattices, precision="fp32")
        train(settings, runs / name, workers=0, progress_bar=False)
        (runs / name / "evaluation.json").write_text(json.dumps(EVALUATION))
    torch.set_num_threads(threads)
    (runs / "all" / "evaluation_bf16.json").write_text(json.dumps(EVALUATION))
    return runs / "all"


@pytest.fixture(scope="module")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("store")
    others = ["--leave-one-out", str(run_folder.parent / "without")]
    assert main(["atoms", str(run_folder), "--name", "atoms_small", "--store", str(store), "--default", *others]) == 0
    return store / "atoms_small"


def test_folding_keeps_the_answer_and_leaves_no_norm() -> None:
    network = lively().double()
    plain = folded(network)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in plain.modules())
    picture = torch.rand(1, 1, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(plain(picture), network(picture), atol=1e-9)


def test_the_onnx_file_is_one_that_old_servers_read(exported: Path) -> None:
    model = onnx.load(exported / "1" / "model.onnx")
    assert [entry.version for entry in model.opset_import] == [OPSET]
    assert model.ir_version <= LARGEST_IR
    assert not {node.op_type for node in model.graph.node} & {"BatchNormalization", "If", "Loop"}
    assert {entry.domain for entry in model.opset_import} == {""}
    for value, name in ((model.graph.input[0], "micrograph"), (model.graph.output[0], "probability")):
        assert value.name == name
        sizes = [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        assert sizes == ["batch", 1, "height", "width"]
    assert (exported / "1" / "model.onnx").stat().st_size <= 12_000_000


def test_the_folder_is_a_model_of_the_store(exported: Path) -> None:
    store = Store(exported.parent)
    entry = store.manifest("atoms_small")
    assert store.default("atoms") == "atoms_small"
    assert manifests.parse(manifests.dump(entry)) == entry
    spec = InputSpec.model_validate(entry.input)
    assert (spec.multiple_of, spec.halo_px) == (8, 72)
    assert entry.sample is not None
    given = np.load(exported / entry.sample.input)["micrograph"]
    expected = np.load(exported / entry.sample.expected)["probability"]
    for runtime in ("onnx", "torchscript"):
        answer = store.open("atoms_small", runtime=runtime, precision="fp32").run(given)
        np.testing.assert_allclose(answer, expected, rtol=0, atol=entry.precisions["fp32"].tolerance["probability"])


def test_the_samples_carry_their_pixel_size_and_can_be_made_again(exported: Path) -> None:
    entry = manifests.load(exported)
    assert entry.sample is not None
    assert entry.sample.micrographs[0] == "sample/micrograph.tif"
    for path in entry.sample.micrographs:
        micrograph = read_file(exported / path)
        parameters = Parameters.model_validate_json((exported / path).with_suffix(".json").read_text())
        assert micrograph.pixel_size_source == "file"
        assert micrograph.pixel_size_x_nm == pytest.approx(parameters.frame.pixel_size_nm, rel=1e-4)
        np.testing.assert_array_equal(micrograph.pixels, render(parameters).pixels)


def test_the_manifest_and_the_card_say_what_is_known(exported: Path, run_folder: Path) -> None:
    entry = manifests.load(exported)
    assert entry.scores["held_out"]["recall"] == 0.999
    assert set(entry.scores["held_out_by_lattice"]) == set(LATTICES)
    assert set(entry.scores["leave_one_out"]) == {LATTICES[0]}
    assert entry.training is not None
    assert f"--out {run_folder.as_posix()}" in entry.training.command
    assert "--steps 1 --seed 1" in entry.training.command
    # What the command leaves at its default is not named; what it does not is.
    assert entry.training.model_dump()["other_settings"] == {"batch": 2, "size_px": 64, "precision": "fp32"}
    card = (exported / "card.md").read_text()
    for words in (
        "0.9990",
        "SrTiO3 [100] (`strontium_titanate.ser`)",
        "Leave one lattice out",
        "Where it fails",
        "MIT",
    ):
        assert words in card
    assert entry.training.command in card


def test_every_installed_runtime_is_in_the_parity_report(exported: Path) -> None:
    report = ParityReport.model_validate_json((exported / "parity.json").read_text())
    for name in runtimes.names():
        runtime = runtimes.find(name)
        if runtime.FORMAT is not None and runtime.available():
            assert any(entry.runtime == name and entry.precision == "fp32" for entry in report.comparisons)
    assert {entry.shape[0] for entry in report.comparisons} >= {1, 3}
    assert report.worst("fp32") < 1e-4


def test_files_that_answer_differently_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_another(network: nn.Module, path: Path, **options: Any) -> None:
        write_onnx(folded(lively(seed=2)), path, **options)

    monkeypatch.setattr("export.atoms.folder.write_onnx", write_another)
    training = Training(command="none", seed=0, minutes=0.0, device="none", data="none")
    with pytest.raises(ParityError, match="differs"):
        export_network(lively(), Evidence(training, {}, None), tmp_path / "atoms_x", version="1.0.0", default=False)
    assert not (tmp_path / "atoms_x").exists()


def changed(path: list[str], by: float) -> dict[str, Any]:
    other = copy.deepcopy(EVALUATION)
    part = other
    for key in path[:-1]:
        part[key] = dict(part[key])
        part = part[key]
    part[path[-1]] += by
    return other


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (["simulated", "usual", "si_110", "recall"], SHARE),
        (["simulated", "wide", "all", "precision"], SHARE),
        (["simulated", "usual", "ws2_0001", "rms_pm"], DISTANCE_PM),
        (["real", "strontium_titanate.ser", "sites_found"], SHARE),
        (["real", "strontium_titanate.ser", "columns_off_the_lattice"], SHARE),
    ],
)
def test_bf16_is_allowed_only_where_every_score_stays(path: list[str], allowed: float) -> None:
    report = ParityReport(
        reference="PyTorch",
        comparisons=[
            Parity(runtime="openvino", precision="bf16", shape=(1, 1, 8, 8), max_difference=0.02, mean_difference=0.001)
        ],
    )
    same = compare_evaluations(EVALUATION, changed(path, 0.5 * allowed))
    assert same.holds
    rules = precision_rules(report, same)
    assert rules["bf16"].tolerance["probability"] == pytest.approx(0.04)
    assert "differ by at most" in str(rules["bf16"].evidence)
    worse = compare_evaluations(EVALUATION, changed(path, -1.5 * allowed))
    assert not worse.holds
    assert set(precision_rules(report, worse)) == set(precision_rules(report, None)) == {"fp32"}


def test_evaluations_of_other_pictures_are_no_evidence() -> None:
    with pytest.raises(ValueError, match="same pictures"):
        compare_evaluations(EVALUATION, EVALUATION | {"real": {}})
    with pytest.raises(ValueError, match="no real micrographs"):
        compare_evaluations(EVALUATION | {"real": {}}, EVALUATION | {"real": {}})
    with pytest.raises(ValueError, match="pictures of"):
        compare_evaluations(EVALUATION, changed(["simulated", "usual", "si_110", "columns"], 1))


def test_a_run_that_was_not_evaluated_is_exported_without_scores(run_folder: Path, tmp_path: Path) -> None:
    for name in ("settings.json", "checkpoint.pt"):
        (tmp_path / name).write_bytes((run_folder / name).read_bytes())
    evidence = collect_evidence(tmp_path)
    assert evidence.bf16 is None
    assert "held_out" not in evidence.scores


def test_a_folder_without_a_run_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["atoms", str(tmp_path), "--name", "atoms_x", "--store", str(tmp_path)]) == 1
    assert "settings.json" in capsys.readouterr().err
