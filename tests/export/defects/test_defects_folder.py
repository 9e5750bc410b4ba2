"""A user's own checkpoint of Detectron2 → a folder of the store that can be served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from analysis.defects.preprocess import InputSpec
from analysis.micrograph import read_file
from export.__main__ import main
from export.defects.commands import detectron2_spec
from export.defects.folder import precision_rules, refuse_differences
from export.defects.parity import DetectionParity, DetectionReport, compare
from export.defects.precision import FAMILY
from export.defects.samples import write_micrographs
from export.parity import ParityError
from export.precision import Evidence, Scores, SetEvidence
from model_store.store import Store
from training.defects.labels import read_labels
from training.defects.networks import MaskRCNN
from training.defects.networks.detectron2_config import PredictorScale, parse_config
from training.defects.synthetic import Parameters, render


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that the command makes of the reference checkpoint; the module is skipped without it."""
    reference = Path(__file__).parents[4] / "shared" / "data" / "detectron2_reference"
    if not reference.is_dir():
        pytest.skip("the reference checkpoint (../shared/data/detectron2_reference) is not here")
    store = tmp_path_factory.mktemp("store")
    arguments = ["defects", "--detectron2", str(reference / "config.yaml"), str(reference / "model_final.pth")]
    arguments += ["--name", "own_loops", "--store", str(store), "--classes", "loop_111,loop_100,black_dot"]
    arguments += ["--licence", "CC-BY-4.0", "--author", "A. User", "--default"]
    # Before the fixture that does this for a test.
    torch.set_num_threads(1)
    assert main(arguments) == 0
    return store


def test_the_folder_can_be_served(exported: Path) -> None:
    store = Store(exported)
    entry = store.manifest("own_loops", family="defects")
    assert store.default("defects") == "own_loops"
    assert entry.architecture == "Mask R-CNN (ResNet-50-FPN, 48 channels)"
    assert (entry.licence, entry.authors) == ("CC-BY-4.0", ["A. User"])
    assert entry.input["classes"] == ["loop_111", "loop_100", "black_dot"]
    assert (entry.input["shortest_px"], entry.input["longest_px"]) == (0, 1333)
    assert set(entry.precisions) == {"fp32"}
    assert not list(exported.glob(".*"))
    folder = exported / "own_loops"
    with np.load(folder / entry.sample.input) as given, np.load(folder / entry.sample.expected) as stored:
        inputs, expected = dict(given), dict(stored)
    assert len(expected["scores"]) > 10
    for runtime in ("onnx", "torchscript"):
        found = store.open("own_loops", runtime=runtime, threads=1).run_named(inputs)
        parity = compare(expected, found, inputs["image"].shape, runtime=runtime)
        assert parity.matched >= 0.98 * parity.expected
        assert parity.box_px <= entry.precisions["fp32"].tolerance["boxes"]
        assert parity.mask_iou >= 0.999


def test_the_report_and_the_card_say_what_was_compared(exported: Path) -> None:
    folder = exported / "own_loops"
    report = DetectionReport.model_validate_json((folder / "parity.json").read_text(encoding="utf-8"))
    compared = {(entry.runtime, entry.precision) for entry in report.comparisons}
    assert {("onnx", "fp32"), ("torchscript", "fp32")} <= compared
    assert len({entry.shape for entry in report.comparisons}) == 4
    card = (folder / "card.md").read_text(encoding="utf-8")
    for text in ("loop_111, loop_100, black_dot", "Not measured here", "torchscript | fp32 | 257 × 511", "CC-BY-4.0"):
        assert text in card


def test_the_samples_are_calibrated_micrographs_with_their_truth(exported: Path) -> None:
    folder = exported / "own_loops" / "sample"
    pictures = {picture.image: picture for picture in read_labels(folder / "defects.csv", folder)}
    assert set(pictures) == {"micrograph.tif", "lines.tif"}
    for name, truth in pictures.items():
        micrograph = read_file(folder / name)
        assert micrograph.pixel_size_source == "file"
        assert truth.pixel_size_nm == pytest.approx((micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm))
        assert {label.class_name for label in truth.labels} == {"loop_111", "loop_100", "black_dot"}
        parameters = Parameters.model_validate_json((folder / name).with_suffix(".json").read_text(encoding="utf-8"))
        assert np.array_equal(render(parameters).pixels, micrograph.pixels)


def test_a_network_that_is_not_understood_leaves_nothing(
    reference_config: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = reference_config["MODEL"]
    assert isinstance(model, dict)
    model["ROI_HEADS"]["NAME"] = "CascadeROIHeads"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(reference_config), encoding="utf-8")
    torch.save({"model": {}}, tmp_path / "model_final.pth")
    store = tmp_path / "store"
    store.mkdir()
    arguments = ["--detectron2", str(tmp_path / "config.yaml"), str(tmp_path / "model_final.pth")]
    assert main(["defects", *arguments, "--name", "cascade", "--store", str(store)]) == 1
    assert "Cascade R-CNN" in capsys.readouterr().err
    assert list(store.iterdir()) == []


@pytest.fixture
def reference_config(shared_data: Path) -> dict[str, object]:
    return yaml.safe_load((shared_data / "detectron2_reference" / "config.yaml").read_text(encoding="utf-8"))


def entry_of(**changes: object) -> DetectionParity:
    values: dict[str, object] = {
        "runtime": "onnx", "precision": "fp32", "shape": (3, 8, 8), "expected": 100, "found": 100, "matched": 100,
        "box_px": 1e-3, "score": 1e-5, "mask_probability": 1e-4, "mask_iou": 1.0,
    }  # fmt: skip
    return DetectionParity.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"matched": 97}, "97 of 100 detections"),
        ({"found": 120}, "among 120"),
        ({"box_px": 0.2}, "boxes by 0.2"),
        ({"score": 0.01}, "scores by 0.01"),
        ({"mask_probability": 0.1}, "masks by 0.1"),
    ],
)
def test_an_export_that_answers_something_else_is_refused(changes: dict[str, object], named: str) -> None:
    refuse_differences([entry_of()], Path("parity.json"))
    with pytest.raises(ParityError, match=named):
        refuse_differences([entry_of(), entry_of(**changes)], Path("parity.json"))


def test_a_users_micrograph_becomes_the_sample_in_the_grey_levels_that_the_model_sees(tmp_path: Path) -> None:
    spec = InputSpec(classes=("loop",), grey_levels="as_is")
    eight_bit = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(eight_bit).save(tmp_path / "eight.png")
    assert write_micrographs(tmp_path / "eight", spec, tmp_path / "eight.png") == ["sample/micrograph.tif"]
    assert np.array_equal(read_file(tmp_path / "eight" / "sample" / "micrograph.tif").pixels, eight_bit)
    np.save(tmp_path / "deep.npy", np.linspace(-3.0, 9000.0, 256, dtype=np.float32).reshape(16, 16))
    write_micrographs(tmp_path / "deep", spec, tmp_path / "deep.npy")
    stretched = read_file(tmp_path / "deep" / "sample" / "micrograph.tif").pixels
    assert (stretched.min(), stretched.max()) == (0, 255)
    assert np.all(np.diff(stretched.ravel()) >= 0)


def evidence(find: float, types: float, *, small_set: float = 0.0) -> Evidence:
    """What a measurement says where bf16 changes F1 by so much, of many defects and of a few."""

    def one(pictures: int, defects: int, find: float, types: float) -> SetEvidence:
        fp32 = Scores(scores={"find_f1": 0.7, "type_f1": 0.5}, true=defects, predicted=defects)
        bf16 = Scores(scores={"find_f1": 0.7 + find, "type_f1": 0.5 + types}, true=defects, predicted=defects)
        return SetEvidence(pictures=pictures, fp32=fp32, bf16=bf16)

    sets = {"three": one(4, 239, find, types), "steel": one(2, 30, small_set, 0.0)}
    return Evidence(
        sha256="0" * 64,
        runtime="openvino",
        scored=FAMILY.scored,
        things=FAMILY.things,
        measures=FAMILY.measures,
        together=one(6, 269, 0.0, 0.0),
        sets=sets,
    )


def test_bf16_needs_equal_scores() -> None:
    report = DetectionReport(reference="PyTorch", comparisons=[entry_of(), entry_of(precision="bf16", box_px=0.7)])
    assert set(precision_rules(report, None)) == {"fp32"}
    for find, types in ((0.006, 0.0), (0.0, -0.006)):
        assert set(precision_rules(report, evidence(find, types))) == {"fp32"}
    rule = precision_rules(report, evidence(-0.004, 0.004))["bf16"]
    assert rule.tolerance["boxes"] == 1.4
    assert "6 labelled real micrographs (269 defects)" in (rule.evidence or "")
    # What was not compared on this machine has no tolerance to be checked by.
    assert set(precision_rules(DetectionReport(reference="", comparisons=[]), evidence(0, 0))) == {"fp32"}


def test_a_set_with_few_defects_counts_with_the_others_only() -> None:
    """One of 30 defects more or less changes F1 by 0.03: such a set cannot show a difference of 0.005."""
    few = evidence(0.001, 0.002, small_set=0.02)
    assert (few.largest[0], few.largest[1]) == (pytest.approx(0.002), "type_f1 on three")
    assert few.holds
    assert "steel, with too few defects to tell" in few.sentence()


@pytest.mark.parametrize(("sides", "tile_px"), [((0, 1333), 1024), ((800, 1333), 1333), ((600, 900), 1024)])
def test_pictures_are_scaled_as_in_training_and_not_cut(
    reference_config: dict[str, object], sides: tuple[int, int], tile_px: int
) -> None:
    config, _ = parse_config(reference_config)
    spec = detectron2_spec(MaskRCNN(config), PredictorScale(*sides))
    assert (spec.shortest_px, spec.longest_px, spec.tile_px) == (*sides, tile_px)
    assert (spec.channels, spec.grey_levels, spec.most_detections) == (3, "as_is", 100)
    assert spec.pixel_size_range_nm is None
