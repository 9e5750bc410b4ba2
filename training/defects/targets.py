"""What is known of a training picture: its labelled defects, and where which classes were not labelled.

Pictures come from people who labelled different things. One set has ⟨111⟩ loops and nothing else, another has loops of
unknown type, a third all three classes. Two statements hold all of that:

- of each labelled defect, the classes that it may be: one, or several where the labeller did not tell them apart;
- of each place, the classes that were not looked for there: a defect of such a class may be there without a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Targets:
    """The labels of one training picture of H × W px, for a network of K classes.

    boxes: (G, 4) float32, x1, y1, x2, y2 in px, the left edge of the first pixel being 0.
    possible: (G, K) bool, the classes that each defect may be; at least one.
    masks: (G, H, W) bool; of a defect of which only the box is known, anything.
    outlined: (G,) bool, whether the mask is known.
    unlabelled: (K, H, W) bool, where defects of a class may be without a label. All classes: a region to be ignored.
    """

    boxes: Tensor
    possible: Tensor
    masks: Tensor
    outlined: Tensor
    unlabelled: Tensor

    def __post_init__(self) -> None:
        count, classes = self.possible.shape
        height, width = self.unlabelled.shape[1:]
        shapes = (self.boxes.shape, self.masks.shape, self.outlined.shape, self.unlabelled.shape)
        if shapes != ((count, 4), (count, height, width), (count,), (classes, height, width)):
            raise ValueError(f"the labels of a picture do not fit each other: {[tuple(shape) for shape in shapes]}")
        if not bool(self.possible.any(dim=1).all()):
            raise ValueError("a labelled defect needs a class that it may be")
        if not bool((self.boxes[:, 2:] > self.boxes[:, :2]).all()):
            raise ValueError("a labelled defect needs a box with an area")

    def to(self, device: torch.device | str) -> Targets:
        """The same on another device."""
        moved = {name: value.to(device) for name, value in vars(self).items()}
        return replace(self, **moved)


def possible_classes(names: Sequence[Iterable[str]], classes: Sequence[str]) -> Tensor:
    """`possible` (G, K) from the names of the classes that each of G defects may be; raises ValueError for others."""
    unknown = sorted({name for defect in names for name in defect} - set(classes))
    if unknown:
        raise ValueError(f"labels of {', '.join(unknown)}, but the network knows {', '.join(classes)}")
    table = torch.zeros(len(names), len(classes), dtype=torch.bool)
    for row, defect in enumerate(names):
        for name in defect:
            table[row, classes.index(name)] = True
    return table


def nowhere_labelled(labelled: Iterable[str], classes: Sequence[str], height: int, width: int) -> Tensor:
    """`unlabelled` (K, H, W) of a picture in which some classes were labelled everywhere and the others nowhere."""
    looked_for = set(labelled)
    missing = torch.tensor([name not in looked_for for name in classes])
    return missing[:, None, None].expand(-1, height, width)
