"""A trained network for dislocation lines becomes a folder of the store that says where it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from analysis.dislocations.preprocess import InputSpec
from analysis.micrograph import read_file
from export import readme
from export.__main__ import main
from export.dislocations.folder import FP32_TOLERANCE, precision_rules
from export.onnx import LARGEST_IR, OPSET
from export.parity import Parity, ParityReport
from export.precision import Evidence, Scores, SetEvidence
from model_store import manifest as manifests
from model_store import runtimes
from model_store.store import Store
from tests.export.dislocations.narrow_lines import MASKS, lively
from training.dislocations.synthetic import Parameters, render


def test_the_onnx_file_is_one_that_old_servers_read(exported: Path) -> None:
    model = onnx.load(exported / "1" / "model.onnx")
    assert [entry.version for entry in model.opset_import] == [OPSET]
    assert model.ir_version <= LARGEST_IR
    assert not {node.op_type for node in model.graph.node} & {"BatchNormalization", "If", "Loop"}
    assert {entry.domain for entry in model.opset_import} == {""}
    for value, name, channels in ((model.graph.input[0], "micrograph", 1), (model.graph.output[0], "masks", MASKS)):
        assert value.name == name
        sizes = [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        assert sizes == ["batch", channels, "height", "width"]


@pytest.mark.parametrize("runtime", ["onnx", "torchscript", "openvino"])
@pytest.mark.parametrize("shape", [(1, 1, 96, 128), (2, 1, 50, 77), (3, 1, 33, 160)])
def test_every_size_and_batch_is_answered_as_by_the_network(
    exported: Path, runtime: str, shape: tuple[int, ...]
) -> None:
    if not runtimes.find(runtime).available():
        pytest.skip(f"the runtime {runtime} is not installed here")
    pictures = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = lively()(pictures).numpy()
    assert np.ptp(expected) > 0.5
    found = Store(exported.parent).open(exported.name, runtime=runtime, precision="fp32", threads=1)
    np.testing.assert_allclose(found.run(pictures.numpy()), expected, rtol=0, atol=FP32_TOLERANCE)


def test_the_folder_is_a_model_of_the_store(exported: Path) -> None:
    store = Store(exported.parent)
    entry = store.manifest(exported.name, family="dislocations")
    assert store.default("dislocations") == exported.name
    assert (entry.licence, entry.authors, entry.title) == (
        "MIT",
        ["A. User"],
        "Dislocation lines in electron micrographs",
    )
    spec = InputSpec.model_validate(entry.input)
    assert (spec.most_lines, spec.tile_px, spec.smallest_tile_px, spec.multiple_of) == (MASKS, 128, 128, 32)
    assert set(entry.precisions) == {"fp32"}
    assert not list(exported.parent.glob(".*"))


def test_the_samples_carry_their_pixel_size_and_can_be_made_again(exported: Path) -> None:
    entry = manifests.load(exported)
    assert len(entry.sample.micrographs) == 2
    for path in entry.sample.micrographs:
        micrograph = read_file(exported / path)
        assert micrograph.pixel_size_source == "file"
        assert micrograph.pixel_size_x_nm == pytest.approx(2.0, rel=1e-4)
        parameters = Parameters.model_validate_json((exported / path).with_suffix(".json").read_text(encoding="utf-8"))
        frame = render(parameters)
        np.testing.assert_array_equal(micrograph.pixels, frame.pixels)
        assert frame.lines
    with np.load(exported / entry.sample.input) as given, np.load(exported / entry.sample.expected) as expected:
        assert given["micrograph"].shape[-2:] == expected["masks"].shape[-2:]


def test_the_manifest_and_the_card_say_what_is_known(exported: Path, run_folder: Path) -> None:
    entry = manifests.load(exported)
    assert list(entry.scores) == ["M1, perlin", "M2, perlin"]
    assert entry.scores["M1, perlin"]["length_score"] == 0.8766
    assert "distance_px" not in entry.scores["M2, perlin"]
    # Means over lines, not over numbers of lines: (100 · 0.9 + 50 · 0.6) / 150.
    assert entry.scores["M1, perlin"]["length_score_by_lines"] == {"1 to 5": 0.8, "11 to 15": 0.7}
    assert entry.training is not None
    assert entry.training.seed == 1
    assert f"--out {run_folder.as_posix()} --network narrow --steps 7" in entry.training.command
    assert "28 pictures of 128² px" in entry.training.data
    assert entry.training.model_dump()["other_settings"] == {"masks": MASKS}
    card = (exported / "card.md").read_text(encoding="utf-8")
    for words in (
        "0.877",
        "0.75 px",
        "1 to 5",
        "Where it fails",
        "- Bent ones.",
        entry.training.command,
        "Licence: MIT",
    ):
        assert words in card
    assert {line for line in card.splitlines() if line.startswith("| torchscript")}


def test_the_readme_shows_the_first_set(exported: Path) -> None:
    table = readme.table([manifests.load(exported)])
    assert "| measured on | length score | recall | precision |" in table
    assert "| M1, perlin | 0.88 | 0.90 | 0.80 | MIT |" in table


def test_a_run_that_was_not_validated_yet_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store").mkdir()
    arguments = ["dislocations", "--run", str(tmp_path), "--name", "lines", "--store", str(tmp_path / "store")]
    assert main(arguments) == 1
    assert "settings.json" in capsys.readouterr().err
    assert list((tmp_path / "store").iterdir()) == []


def evidence(length: float, recall: float, *, sha256: str = "0" * 64) -> Evidence:
    """What a measurement says where bf16 changes scores by so much."""
    fp32 = Scores(scores={"length_score": 0.8, "recall": 0.9}, true=500, predicted=500)
    bf16 = Scores(scores={"length_score": 0.8 + length, "recall": 0.9 + recall}, true=500, predicted=490)
    one = SetEvidence(pictures=50, fp32=fp32, bf16=bf16)
    return Evidence(
        sha256=sha256, runtime="openvino", scored="pictures", things="lines", measures="scores", together=one, sets={}
    )  # fmt: skip


def test_bf16_needs_equal_scores() -> None:
    def seen(precision: manifests.Precision, largest: float) -> Parity:
        return Parity(runtime="", precision=precision, shape=(1,), max_difference=largest, mean_difference=0)

    report = ParityReport(reference="", comparisons=[seen("fp32", 1e-5), seen("bf16", 0.2)])
    assert set(precision_rules(report, None)) == {"fp32"}
    for length, recall in ((0.006, 0.0), (0.0, -0.006)):
        assert set(precision_rules(report, evidence(length, recall))) == {"fp32"}
    rule = precision_rules(report, evidence(-0.004, 0.004))["bf16"]
    assert rule.tolerance == {"masks": 0.4}
    assert "50 pictures (500 lines)" in (rule.evidence or "")
    # What was not compared on this machine has no tolerance to be checked by.
    assert set(precision_rules(ParityReport(reference="", comparisons=[]), evidence(0, 0))) == {"fp32"}


def test_evidence_of_other_weights_is_refused(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evidence.json").write_text(evidence(0, 0).model_dump_json(), encoding="utf-8")
    arguments = ["dislocations", "--run", str(run_folder), "--name", "lines", "--store", str(tmp_path / "store")]
    assert main([*arguments, "--evidence", str(tmp_path / "evidence.json")]) == 1
    assert "of other weights" in capsys.readouterr().err
    assert not (tmp_path / "store" / "lines").exists()


def test_both_precisions_are_judged_on_the_same_pictures(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    openvino = runtimes.find("openvino")
    if not openvino.available() or not openvino.supports("bf16"):
        pytest.skip("nothing here is fast in bf16")
    arguments = ["precision", "dislocations", exported.name, "--store", str(exported.parent), "--threads", "1"]
    arguments += ["--pictures", "2", "--size", "96", "--out", str(tmp_path / "evidence.json")]
    assert main(arguments) == 0
    told = Evidence.model_validate_json((tmp_path / "evidence.json").read_text(encoding="utf-8"))
    assert told.sha256 == manifests.load(exported).files["onnx"].sha256
    assert list(told.sets) == ["M1, perlin", "M2, perlin"]
    assert told.together.pictures == 4
    assert told.together.fp32.true == told.together.bf16.true > 0
    assert set(told.together.changes) == {"length_score", "recall", "precision"}
    assert "M2, perlin: 2 pictures" in capsys.readouterr().out
    assert main([*arguments, "--pictures", "0"]) == 1
    assert "no pictures" in capsys.readouterr().err
