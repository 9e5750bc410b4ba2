"""Networks to train: new ones by name, or those that somebody trained before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from emserve.exceptions import StoreError
from model_store.store import Store
from training.checkpoints import FILE_NAME, Checkpoint
from training.defects.networks import MaskRCNN, MaskRCNNConfig
from training.defects.networks.config import AnchorConfig, RegionConfig, ResNetConfig, compact
from training.defects.networks.detectron2 import load
from training.defects.networks.initialisation import initialise, with_classes
from training.defects.networks.stored import load_stored
from training.defects.settings import NetworkName, Settings


def _full(depth: int) -> Callable[[tuple[str, ...]], MaskRCNNConfig]:
    """The published width, for one grey channel and from scratch: batch norm, and anchors for smaller things."""

    def config(classes: tuple[str, ...]) -> MaskRCNNConfig:
        small = compact(classes)
        return MaskRCNNConfig(
            classes=classes,
            pixel_mean=small.pixel_mean,
            pixel_std=small.pixel_std,
            channel_order="L",
            resnet=ResNetConfig.model_validate(
                {
                    "depth": depth,
                    "stride_in_1x1": False,
                    "norm": "batch",
                    "res2_channels": 64 if depth < 50 else 256,
                }
            ),
            anchors=AnchorConfig(sizes_px=small.anchors.sizes_px),
            regions=RegionConfig(score=small.regions.score, detections=small.regions.detections),
        )

    return config


CONFIGS: dict[NetworkName, Callable[[tuple[str, ...]], MaskRCNNConfig]] = {
    "compact": compact,
    "resnet18": _full(18),
    "resnet34": _full(34),
    "resnet50": _full(50),
    "resnet101": _full(101),
}


class UnknownStart(ValueError):
    """What was given to start from is no network."""


def build(settings: Settings) -> MaskRCNN:
    """The network that a run begins with, in `train`; raises UnknownStart, and what Detectron2's files can raise."""
    if settings.start:
        network = with_classes(started_from(settings.start), settings.classes, settings.seed)
    else:
        network = MaskRCNN(CONFIGS[settings.network](settings.classes))
        initialise(network, settings.seed)
    if settings.frozen_stages:
        network.backbone.bottom.freeze(settings.frozen_stages)
    return network.train()


def started_from(start: Sequence[str]) -> MaskRCNN:
    """A trained network: the folder of a run, a model of the store by name or folder, or Detectron2's two files."""
    if len(start) == 2:
        return load(Path(start[0]), Path(start[1]))[0]
    folder = Path(start[0])
    if (folder / FILE_NAME).exists():
        return trained_network(folder)
    for stored in (folder, Store().root / start[0]):
        if (stored / "manifest.yaml").exists():
            try:
                return load_stored(stored)
            except StoreError as error:
                raise UnknownStart(str(error)) from error
    raise UnknownStart(
        f"{start[0]} is neither the folder of a training run nor a model of the store; "
        "of Detectron2, give both config.yaml and model_final.pth"
    )


def trained_network(folder: Path) -> MaskRCNN:
    """The network of a run's folder with its averaged weights, in `eval`."""
    settings = Settings.read(folder)
    # What it started from may be gone; its weights are in the checkpoint, and its shape is beside them.
    config = MaskRCNNConfig.model_validate_json((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    if config.classes != settings.classes:
        raise UnknownStart(f"the settings and the network in {folder} are of different classes")
    network = MaskRCNN(config)
    network.load_state_dict(Checkpoint.read(folder).averaged)
    return network.eval()


CONFIG_NAME = "network.json"
"""The network's configuration in the folder of a run."""
