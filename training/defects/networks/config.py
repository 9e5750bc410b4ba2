"""What a Mask R-CNN is made of: sizes, anchors, thresholds. One immutable object, readable and writable as JSON.

The names are the field's; the defaults are those of Detectron2's `mask_rcnn_R_50_FPN` where no other is given.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FEATURES = ("p2", "p3", "p4", "p5", "p6")
STRIDES = (4, 8, 16, 32, 64)
"""Stride in px of each level of the feature pyramid, p2 first."""

BoxWeights = tuple[float, float, float, float]
Positive = Annotated[int, Field(gt=0)]


class Block(BaseModel):
    """Base of all blocks: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResNetConfig(Block):
    """The residual network at the bottom (He et al. 2016; Xie et al. 2017 for more than one group).

    norm: `frozen` for statistics that never change (Detectron2's published networks), `batch` for batch norm that is
    trained (networks from scratch). stride_in_1x1: where a bottleneck strides; True in the original weights of 2015.
    """

    depth: Literal[18, 34, 50, 101, 152] = 50
    stem_channels: Positive = 64
    res2_channels: Positive = 256
    groups: Positive = 1
    width_per_group: Positive = 64
    stride_in_1x1: bool = True
    norm: Literal["frozen", "batch"] = "frozen"

    @model_validator(mode="after")
    def _basic_blocks_are_plain(self) -> Self:
        if self.depth in (18, 34) and self.groups != 1:
            raise ValueError("ResNet-18 and ResNet-34 have no grouped convolutions")
        return self


class PyramidConfig(Block):
    """The feature pyramid (Lin et al. 2017): p2 to p5 by convolutions, p6 by taking every other pixel of p5."""

    channels: Positive = 256
    fuse: Literal["sum", "average"] = "sum"


class AnchorConfig(Block):
    """Anchors of each level that the region proposals look at: every size with every aspect ratio (height / width).

    sizes_px: one tuple a level (the side of the square of the same area). offset: of the first anchor, in strides.
    """

    sizes_px: tuple[tuple[float, ...], ...] = ((32,), (64,), (128,), (256,), (512,))
    aspect_ratios: tuple[tuple[float, ...], ...] = ((0.5, 1.0, 2.0),) * 5
    offset: float = Field(default=0.0, ge=0.0, lt=1.0)


class ProposalConfig(Block):
    """Region proposal network (Ren et al. 2015): what it sees, what it passes on, how it is trained."""

    features: tuple[str, ...] = FEATURES
    convolution_channels: tuple[int, ...] = Field(default=(-1,), description="-1: as many as the pyramid has")
    box_weights: BoxWeights = (1.0, 1.0, 1.0, 1.0)
    nms_iou: float = 0.7
    min_size_px: float = 0.0
    before_nms: Positive = 1000
    after_nms: Positive = 1000
    before_nms_training: Positive = 2000
    after_nms_training: Positive = 1000
    samples_per_image: Positive = 256
    positive_fraction: float = 0.5
    iou_background: float = 0.3
    iou_foreground: float = 0.7


class BoxHeadConfig(Block):
    """The head that classifies a region and corrects its box."""

    resolution: Positive = 7
    sampling: Annotated[int, Field(ge=0)] = Field(default=0, description="samples per bin and axis; 0: adaptive")
    convolutions: Annotated[int, Field(ge=0)] = 0
    convolution_channels: Positive = 256
    linears: Annotated[int, Field(ge=0)] = 2
    linear_channels: Positive = 1024
    box_weights: BoxWeights = (10.0, 10.0, 5.0, 5.0)
    class_agnostic: bool = False


class MaskHeadConfig(Block):
    """The head that draws the mask of a region; its masks have twice the pooled resolution."""

    resolution: Positive = 14
    sampling: Annotated[int, Field(ge=0)] = Field(default=0, description="samples per bin and axis; 0: adaptive")
    convolutions: Annotated[int, Field(ge=0)] = 4
    channels: Positive = 256
    class_agnostic: bool = False


class RegionConfig(Block):
    """What both heads share: the levels they look at, what counts as found, how they are trained.

    score: of a detection. `class` is the probability of its class, as in Detectron2: a region may be answered once for
    every class, and a defect of which only the kind is uncertain has a low score. `defect` is the probability of any
    class: a region is answered once, as the likeliest of them.
    """

    features: tuple[str, ...] = FEATURES[:4]
    score: Literal["class", "defect"] = "class"
    score_threshold: float = 0.05
    nms_iou: float = 0.5
    detections: Positive = 100
    samples_per_image: Positive = 512
    positive_fraction: float = 0.25
    iou_foreground: float = 0.5


class MaskRCNNConfig(Block):
    """A whole Mask R-CNN (He et al. 2017) on a ResNet with a feature pyramid.

    classes: names, in the order of the network's outputs. pixel_mean, pixel_std: one number per input channel, in the
    grey levels of the input (0 to 255); their length is the number of input channels.
    """

    classes: tuple[str, ...] = Field(min_length=1)
    pixel_mean: tuple[float, ...] = (103.53, 116.28, 123.675)
    pixel_std: tuple[float, ...] = (1.0, 1.0, 1.0)
    channel_order: Literal["BGR", "RGB", "L"] = "BGR"
    resnet: ResNetConfig = ResNetConfig()
    pyramid: PyramidConfig = PyramidConfig()
    anchors: AnchorConfig = AnchorConfig()
    proposals: ProposalConfig = ProposalConfig()
    regions: RegionConfig = RegionConfig()
    box_head: BoxHeadConfig = BoxHeadConfig()
    mask_head: MaskHeadConfig = MaskHeadConfig()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.pixel_mean) != len(self.pixel_std) or len(self.pixel_mean) not in (1, 3):
            raise ValueError("pixel_mean and pixel_std must have one or three numbers each, as many as each other")
        if (self.channel_order == "L") != (len(self.pixel_mean) == 1):
            raise ValueError("channel_order is L for one channel and BGR or RGB for three")
        for name, features, allowed in (
            ("proposals", self.proposals.features, FEATURES),
            ("regions", self.regions.features, FEATURES[:4]),
        ):
            if not features or list(features) != [f for f in allowed if features[0] <= f <= features[-1]]:
                raise ValueError(f"{name}.features must be neighbouring levels out of {', '.join(allowed)}")
        levels = len(self.proposals.features)
        if len(self.anchors.sizes_px) != levels or len(self.anchors.aspect_ratios) != levels:
            raise ValueError(f"anchors need sizes and aspect ratios for each of the {levels} levels")
        counts = {len(s) * len(r) for s, r in zip(self.anchors.sizes_px, self.anchors.aspect_ratios, strict=True)}
        if len(counts) != 1 or 0 in counts:
            raise ValueError("every level needs the same number of anchors, at least one")
        return self

    @property
    def input_channels(self) -> int:
        """Channels of the input picture: 1 or 3."""
        return len(self.pixel_mean)

    @property
    def anchors_per_place(self) -> int:
        """Anchors at each pixel of each level."""
        return len(self.anchors.sizes_px[0]) * len(self.anchors.aspect_ratios[0])


def compact(classes: tuple[str, ...]) -> MaskRCNNConfig:
    """A network of about 4 million parameters that trains from scratch on two cores: ResNet-18 at half width.

    One grey channel, batch norm, a pyramid of 64 channels, anchors of 12 to 192 px, fewer proposals and smaller heads.
    """
    return MaskRCNNConfig(
        classes=classes,
        pixel_mean=(128.0,),
        pixel_std=(57.0,),
        channel_order="L",
        resnet=ResNetConfig(depth=18, stem_channels=32, res2_channels=32, stride_in_1x1=False, norm="batch"),
        pyramid=PyramidConfig(channels=64),
        anchors=AnchorConfig(sizes_px=((12,), (24,), (48,), (96,), (192,))),
        proposals=ProposalConfig(
            before_nms=500, after_nms=300, before_nms_training=500, after_nms_training=300, samples_per_image=128
        ),
        regions=RegionConfig(score="defect", samples_per_image=64, detections=300),
        box_head=BoxHeadConfig(sampling=2, linear_channels=256),
        mask_head=MaskHeadConfig(sampling=2, convolutions=2, channels=64),
    )
