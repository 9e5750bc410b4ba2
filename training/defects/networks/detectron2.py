"""Detectron2's checkpoints: `config.yaml` and `model_final.pth` → our network with its weights.

Detectron2 itself is not needed. The file is read with `weights_only`, so that nothing in it is executed, and strictly:
every tensor of the network must be there, with its shape, and nothing else.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from emserve.exceptions import InvalidParameter
from training.defects.networks.detectron2_config import PredictorScale, read_config
from training.defects.networks.mask_rcnn import MaskRCNN

_NORM = r"(conv\d|shortcut)\.norm\."
_NAMES: tuple[tuple[str, str], ...] = (
    # Detectron2's name of a tensor → ours; the first rule that matches is taken
    (r"^backbone\.bottom_up\.stem\.conv1\.norm\.", r"backbone.bottom.stem.norm."),
    (r"^backbone\.bottom_up\.stem\.conv1\.", r"backbone.bottom.stem.conv."),
    (r"^backbone\.bottom_up\.res([2-5])\.(\d+)\." + _NORM, r"backbone.bottom.stages.<\1-2>.\2.\3.norm."),
    (r"^backbone\.bottom_up\.res([2-5])\.(\d+)\.(conv\d|shortcut)\.", r"backbone.bottom.stages.<\1-2>.\2.\3.conv."),
    (r"^backbone\.fpn_(lateral|output)([2-5])\.", r"backbone.levels.<5-\2>.\1."),
    (r"^proposal_generator\.rpn_head\.conv\.conv(\d+)\.", r"proposal_head.convolutions.\1."),
    (r"^proposal_generator\.rpn_head\.conv\.", r"proposal_head.convolutions.0."),
    (r"^proposal_generator\.rpn_head\.objectness_logits\.", r"proposal_head.logits."),
    (r"^proposal_generator\.rpn_head\.anchor_deltas\.", r"proposal_head.corrections."),
    (r"^roi_heads\.box_head\.conv(\d+)\.", r"box_head.convolutions.<\1-1>."),
    (r"^roi_heads\.box_head\.fc(\d+)\.", r"box_head.linears.<\1-1>."),
    (r"^roi_heads\.box_predictor\.cls_score\.", r"box_head.logits."),
    (r"^roi_heads\.box_predictor\.bbox_pred\.", r"box_head.corrections."),
    (r"^roi_heads\.mask_head\.mask_fcn(\d+)\.", r"mask_head.convolutions.<\1-1>."),
    (r"^roi_heads\.mask_head\.deconv\.", r"mask_head.enlarge."),
    (r"^roi_heads\.mask_head\.predictor\.", r"mask_head.logits."),
)
# Old versions wrote constants of the configuration into the checkpoint.
_CONSTANTS = re.compile(r"^(pixel_mean|pixel_std|proposal_generator\.anchor_generator\.cell_anchors\.\d+)$")


class BrokenCheckpoint(InvalidParameter):
    """A checkpoint that cannot be read, or is not of the network that its configuration describes."""

    code = "broken_checkpoint"


def load(config: Path, checkpoint: Path, classes: Sequence[str] | None = None) -> tuple[MaskRCNN, PredictorScale]:
    """The network of a `config.yaml` with the weights of a `model_final.pth`, in `eval`, on the CPU.

    classes: names of its classes, in the order of training. Also answers how Detectron2's predictor would scale a
    picture before the network. Raises UnsupportedNetwork, BrokenCheckpoint, InvalidParameter.
    """
    settings, scale = read_config(config, classes)
    network = MaskRCNN(settings)
    tensors = read_checkpoint(checkpoint)
    ours = {_our_name(name): tensor for name, tensor in tensors.items() if not _CONSTANTS.match(name)}
    _refuse_what_does_not_fit(network, ours, tensors)
    network.load_state_dict(ours, strict=True)
    return network.eval(), scale


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors in a checkpoint of Detectron2, by Detectron2's names."""
    remedy = "Pass the model_final.pth that Detectron2 wrote."
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise BrokenCheckpoint(
            f"{path.name} is not a checkpoint of tensors only ({type(error).__name__}).",
            remedy=remedy + " Files of the model zoo (.pkl) are pickled objects: load and save them with Detectron2.",
        ) from error
    tensors = content.get("model", content) if isinstance(content, Mapping) else None
    if not isinstance(tensors, Mapping) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise BrokenCheckpoint(f"{path.name} holds no `model` of tensors.", remedy=remedy)
    return dict(tensors)


def _our_name(name: str) -> str:
    """Our name of a tensor; a name that Detectron2 does not use stays as it is."""
    for pattern, replacement in _NAMES:
        match = re.match(pattern, name)
        if match:
            ours = match.expand(replacement) + name[match.end() :]
            return re.sub(r"<(\d+)-(\d+)>", lambda numbers: str(int(numbers[1]) - int(numbers[2])), ours)
    return name


def _refuse_what_does_not_fit(network: MaskRCNN, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    expected = network.state_dict()
    # Counters of batches are absent from old checkpoints and play no part.
    for name, tensor in expected.items():
        if name.endswith("num_batches_tracked") and name not in ours and isinstance(ours, dict):
            ours[name] = tensor
    original = {_our_name(name): name for name in theirs}
    missing = sorted(set(expected) - set(ours))
    surplus = sorted(original[name] for name in set(ours) - set(expected))
    shapes = [
        f"{original[name]} is {tuple(ours[name].shape)} and not {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in ours and ours[name].shape != tensor.shape
    ]
    for key, constant in (("pixel_mean", network.pixel_mean), ("pixel_std", network.pixel_std)):
        if key in theirs and not torch.allclose(theirs[key].flatten().float(), constant.flatten()):
            shapes.append(f"{key} is {theirs[key].flatten().tolist()} and not {constant.flatten().tolist()}")
    problems = []
    if missing:
        problems.append(f"{len(missing)} tensors are missing ({_some(missing)})")
    if surplus:
        problems.append(f"{len(surplus)} are not of this network ({_some(surplus)})")
    if shapes:
        problems.append(_some(shapes))
    if problems:
        raise BrokenCheckpoint(
            f"The checkpoint does not fit its configuration: {'; '.join(problems)}.",
            remedy="Pass the config.yaml that was written by the same training as the checkpoint.",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
