"""A manifest is read strictly, says what is wrong with it, and is written back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from emserve.exceptions import StoreError
from model_store import manifest


@pytest.fixture
def text(blob_store: Path) -> str:
    return (blob_store / "atoms_blobs" / "manifest.yaml").read_text()


def test_reads_back_as_written(text: str) -> None:
    entry = manifest.parse(text)
    assert manifest.dump(entry) == text
    assert manifest.parse(manifest.dump(entry)) == entry


def test_keys_come_in_the_order_of_the_class(text: str) -> None:
    keys = list(yaml.safe_load(text))
    assert keys == [key for key in manifest.Manifest.model_fields if key in keys]


def test_nulls_inside_free_blocks_survive(text: str) -> None:
    entry = manifest.parse(text).model_copy(update={"scores": {"si_110": {"recall": None, "rms_pm": 1.0e-7}}})
    assert manifest.parse(manifest.dump(entry)).scores == {"si_110": {"recall": None, "rms_pm": 1.0e-7}}


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("licence: MIT", "license: MIT", "license", "Did you mean `licence`"),
        ("licence: MIT", "licence: MIT\nzzz: 1", "zzz", "the keys known there are architecture, authors"),
        ("bytes:", "byte:", "files.onnx.byte", "Did you mean `bytes`"),
        ("name: micrograph", "naming: micrograph", "tensors.inputs.0.naming", "Did you mean `name`"),
        ("licence: MIT\n", "", "licence", "has no `licence`"),
        ("parameters: 148", "parameters: '148'", "parameters", "valid integer"),
        ("default: true", "default: 'yes'", "default", "valid boolean"),
        ("1.0e-05", "1e-5", "precisions.fp32.tolerance.probability", "as in 1.0e-4"),
        ("1/model.onnx", "../model.onnx", "files.onnx.path", "inside the model's folder"),
        ("1/model.onnx", "/etc/passwd", "files.onnx.path", "inside the model's folder"),
        ("family: atoms", "family: atom", "family", "'atoms', 'defects' or 'dislocations'"),
        ("version: 1.0.0", "version: '1.0'", "version", "should match pattern"),
        ("name: atoms_blobs", "name: ../atoms", "name", "should match pattern"),
        ("onnx: {", "torchscript: {", None, "files has no `onnx`"),
        ("  fp32:", "  bf16:", None, "precisions has no `fp32`"),
        ("tolerance: {probability", "tolerance: {heat", None, "names ['heat'], not ['probability']"),
    ],
)
def test_wrong_manifest_names_the_key_and_the_remedy(
    text: str, old: str, new: str, field: str | None, says: str
) -> None:
    assert old in text
    with pytest.raises(StoreError) as caught:
        manifest.parse(text.replace(old, new, 1), name="atoms_blobs")
    assert caught.value.field == field
    assert says in str(caught.value)
    assert "atoms_blobs" in caught.value.message
    assert caught.value.remedy


def test_a_faster_precision_needs_evidence(text: str) -> None:
    content = yaml.safe_load(text)
    content["precisions"]["bf16"] = {"tolerance": {"probability": 0.05}}
    with pytest.raises(StoreError, match="evidence"):
        manifest.parse(yaml.safe_dump(content))
    content["precisions"]["bf16"]["evidence"] = "card.md, section Precision"
    assert "bf16" in manifest.parse(yaml.safe_dump(content)).precisions


def test_not_yaml_is_an_error() -> None:
    with pytest.raises(StoreError, match="not YAML"):
        manifest.parse("a: [1, 2")
    with pytest.raises(StoreError, match="is wrong"):
        manifest.parse("just text")


def test_the_folder_has_the_name_of_the_model(text: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.yaml").write_text(text)
    with pytest.raises(StoreError, match=r"folder 'other' has the name 'atoms_blobs'"):
        manifest.load(tmp_path / "other")


def test_a_folder_without_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        manifest.load(tmp_path)


def test_summary_is_the_row_of_the_model_list(text: str) -> None:
    entry = manifest.parse(text)
    row = entry.summary()
    assert (row.name, row.default, row.best_pixel_size_nm) == ("atoms_blobs", True, 0.016)
    assert row.sha256 == entry.files["onnx"].sha256
