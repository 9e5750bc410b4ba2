"""How a network does on pictures that it was not trained on, through the pipeline that is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis.defects.metrics import Score, evaluate, total
from analysis.defects.pipeline import analyse
from analysis.defects.preprocess import InputSpec
from analysis.defects.table import DefectTable
from analysis.micrograph import Micrograph, read_file
from training.defects.dataset import ANYTHING
from training.defects.labels import LabelledPicture
from training.defects.serving import TorchNetwork
from training.defects.settings import Settings
from training.defects.sources import Source
from training.defects.synthetic import draw_parameters, render

FIRST_SEED = 600_000
SYNTHETIC = 6
MOST_REAL = 8


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A picture to be judged by, with its truth in the network's classes. kinds: whether the labels tell them apart."""

    micrograph: Micrograph
    truth: DefectTable
    kinds: bool


@dataclass(frozen=True)
class Figures:
    """Find and type scores over several pictures at IoU 0.3; types are judged where labels tell them apart."""

    find: Score
    types: Score


class HeldOutPictures:
    """Synthetic pictures with seeds that training never uses, and the real ones that were left out of it."""

    def __init__(self, settings: Settings, left_out: Sequence[Source]) -> None:
        self.synthetic: list[HeldOut] = []
        if settings.synthetic > 0:
            self.synthetic = [_synthetic(FIRST_SEED + number, settings.classes) for number in range(SYNTHETIC)]
        self.real = real_pictures(left_out, most=MOST_REAL)

    def validate(self, network: TorchNetwork, spec: InputSpec) -> Mapping[str, float]:
        """Find and type F1 on both, and the recall on the real ones."""
        figures: dict[str, float] = {}
        if self.synthetic:
            made = judge(self.synthetic, network, spec)
            figures |= {"find_f1": made.find.f1, "type_f1": made.types.f1}
        if self.real:
            real = judge(self.real, network, spec)
            figures |= {"real_find_f1": real.find.f1, "real_recall": real.find.recall}
            if any(one.kinds for one in self.real):
                figures["real_type_f1"] = real.types.f1
        return figures


def judge(pictures: Sequence[HeldOut], network: TorchNetwork, spec: InputSpec) -> Figures:
    """The scores of a network in `eval` over pictures."""
    find, types = [], []
    for one in pictures:
        found = evaluate(analyse(one.micrograph, network, spec).table, one.truth)
        find.append(found.find)
        if one.kinds:
            types.append(found.type_all)
    return Figures(total(find), total(types))


def real_pictures(sources: Sequence[Source], *, most: int | None = None) -> list[HeldOut]:
    """Labelled pictures to judge by; at most so many, evenly out of all."""
    every = [(source, picture) for source in sources for picture in source.pictures]
    count = len(every) if most is None else min(len(every), most)
    chosen = np.unique(np.linspace(0, len(every) - 1, count).round().astype(int))
    return [_real(*every[i]) for i in chosen]


def _synthetic(seed: int, classes: Sequence[str]) -> HeldOut:
    drawn = render(draw_parameters(seed, size=(512, 512), material="fecral"))
    every = drawn.labels("")
    known = tuple(label for label in every.labels if label.class_name in classes)
    labels = replace(every, labels=known, labelled=every.labelled & set(classes))
    size = drawn.pixel_size_nm
    return _held_out(Micrograph(drawn.pixels, size, size, "file"), labels, Source(Path(), (labels,), ANYTHING))


def _real(source: Source, picture: LabelledPicture) -> HeldOut:
    size = picture.pixel_size_nm
    argument = size if size is None or size[0] != size[1] else size[0]
    micrograph = read_file(source.images / picture.image, pixel_size_nm=argument)
    return _held_out(micrograph, picture, source)


def _held_out(micrograph: Micrograph, picture: LabelledPicture, source: Source) -> HeldOut:
    labelled = frozenset(name for label in picture.labelled for name in source.possible(label))
    kinds = all(tuple(source.possible(name)) == (name,) for name in picture.labelled)
    return HeldOut(micrograph, replace(picture.table(shapes=False), labelled=labelled), kinds)
