"""How training goes, on pictures that it never shows: the published metric of the masks, and lines against lines.

The figures that a model is judged by come from the pipeline that is served.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from analysis.dislocations.metrics import LengthScore, PlaceScore, length_score, place_score
from analysis.dislocations.postprocess import find_lines, lines_of_map
from training.dislocations.examples import Example, labelled_examples, synthetic_example
from training.dislocations.networks import LineNetwork
from training.dislocations.settings import Settings

FIRST_SEED = 500_000
SYNTHETIC_PICTURES = 16


@dataclass(frozen=True)
class Validation:
    """Figures over all held-out pictures, 0 to 1.

    length_score: the published metric, averaged over the true lines. recall, precision: of lines whose places agree
    within the gate of the stricter metric, after the postprocessing that is served.
    """

    length_score: float
    recall: float
    precision: float


class HeldOutPictures:
    """Labelled frames that were left out where there are any, otherwise synthetic pictures of the run's own kinds."""

    def __init__(self, settings: Settings) -> None:
        self.examples: list[Example] = []
        if settings.frames is not None:
            frames = labelled_examples(Path(settings.frames))
            self.examples = [frames[name] for name in settings.left_out]
        if not self.examples:
            self.examples = [synthetic_example(FIRST_SEED + number, settings) for number in range(SYNTHETIC_PICTURES)]

    @torch.no_grad()
    def validate(self, network: LineNetwork) -> Validation:
        """The figures of a network, which is left in the mode that it was in."""
        device = next(network.parameters()).device
        was_training = network.training
        network.eval()
        lengths: list[LengthScore] = []
        places: list[PlaceScore] = []
        for example in self.examples:
            picture = torch.from_numpy(example.picture)[None, None].to(device)
            masks = network(picture)[0].float().cpu().numpy()
            lengths.append(length_score(masks, example.lines))
            places.append(place_score([line.path for line in find_lines(masks)], true_paths(example)))
        network.train(was_training)
        place = reduce(add, places)
        return Validation(length_score=reduce(add, lengths).mean, recall=place.recall, precision=place.precision)


def true_paths(example: Example) -> list[npt.NDArray[np.float64]]:
    """The middle (n, 2) of each true line, of its longest piece where something cuts it."""
    pieces = [lines_of_map(mask) for mask in example.lines]
    return [max(of_line, key=lambda line: line.length_px).path for of_line in pieces if of_line]
