"""Detectron2's checkpoints: strict and safe. That the answers equal its own: tests/export/defects."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.defects.parity import compare, detections_of
from training.defects.networks.detectron2 import BrokenCheckpoint, load

PICTURES = ("synthetic_320x384", "fecral_512", "fecral_1024")


def picture(folder: Path, name: str) -> np.ndarray:
    """A picture of the reference, (3, H, W)."""
    with np.load(folder / f"{name}.npz") as stored:
        return stored["image"].astype(np.float32)


def loaded(folder: Path, checkpoint: Path | None = None) -> Any:
    return load(folder / "config.yaml", checkpoint or folder / "model_final.pth")[0]


def test_equals_detectron2_itself(reference_folder: Path, micrograph: np.ndarray) -> None:
    pytest.importorskip("detectron2", reason="Detectron2 is not installed; its stored answers are compared instead")
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    configuration = get_cfg()
    configuration.merge_from_file(str(reference_folder / "config.yaml"))
    configuration.MODEL.DEVICE = "cpu"
    theirs = build_model(configuration).eval()
    DetectionCheckpointer(theirs).load(str(reference_folder / "model_final.pth"))
    network = loaded(reference_folder)
    pictures = [micrograph, np.ascontiguousarray(micrograph[:, :61, :93])]
    pictures += [picture(reference_folder, name) for name in PICTURES]
    for image in pictures:
        with torch.no_grad():
            (answer,) = theirs.inference([{"image": torch.from_numpy(image)}], do_postprocess=False)
        expected = {
            "boxes": answer.pred_boxes.tensor.numpy(),
            "scores": answer.scores.numpy(),
            "classes": answer.pred_classes.numpy(),
            "masks": answer.pred_masks[:, 0].numpy(),
        }
        parity = compare(expected, detections_of(network, image), image.shape, runtime="eager")
        assert parity.matched == parity.expected == parity.found
        assert parity.box_px <= 0.01
        assert parity.score <= 1e-4
        assert parity.mask_probability <= 1e-3


@pytest.fixture
def stored(reference_folder: Path) -> dict[str, Any]:
    return torch.load(reference_folder / "model_final.pth", weights_only=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.pop("roi_heads.mask_head.predictor.bias"), "1 tensors are missing"),
        (lambda m: m.update({"roi_heads.keypoint_head.x.weight": torch.zeros(1)}), "roi_heads.keypoint_head.x.weight"),
        (lambda m: m.update({"roi_heads.box_predictor.cls_score.bias": torch.zeros(9)}), r"\(9,\) and not \(4,\)"),
        (lambda m: m.update({"pixel_mean": torch.zeros(3, 1, 1)}), "pixel_mean"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    reference_folder: Path, stored: dict[str, Any], tmp_path: Path, change: Any, named: str
) -> None:
    change(stored["model"])
    torch.save(stored, tmp_path / "model_final.pth")
    with pytest.raises(BrokenCheckpoint, match=named):
        loaded(reference_folder, tmp_path / "model_final.pth")


def test_constants_of_old_versions_are_accepted(reference_folder: Path, stored: dict[str, Any], tmp_path: Path) -> None:
    stored["model"]["pixel_mean"] = torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1)
    stored["model"]["proposal_generator.anchor_generator.cell_anchors.0"] = torch.zeros(3, 4)
    torch.save(stored, tmp_path / "model_final.pth")
    assert loaded(reference_folder, tmp_path / "model_final.pth").config.classes[0] == "class_0"


class Payload:
    """What must never be run: reading it as a pickle would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(reference_folder: Path, tmp_path: Path) -> None:
    torch.save({"model": Payload(tmp_path / "executed")}, tmp_path / "model_final.pth")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"model": Payload(tmp_path / "executed")}))
    (tmp_path / "text.pth").write_text("not a checkpoint", encoding="utf-8")
    (tmp_path / "empty.pth").write_bytes(b"")
    for name in ("model_final.pth", "model.pkl", "text.pth", "empty.pth", "absent.pth"):
        with pytest.raises(BrokenCheckpoint, match=name):
            loaded(reference_folder, tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_tensors_without_a_wrapping_are_read(reference_folder: Path, stored: dict[str, Any], tmp_path: Path) -> None:
    torch.save(stored["model"], tmp_path / "weights.pth")
    ours, theirs = loaded(reference_folder, tmp_path / "weights.pth"), loaded(reference_folder)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor)
    torch.save({"model": [1, 2]}, tmp_path / "list.pth")
    with pytest.raises(BrokenCheckpoint, match="holds no"):
        loaded(reference_folder, tmp_path / "list.pth")
