"""How good networks are on pictures that none of them was trained on: the matrix of kinds, and by number of lines.

Each picture is judged twice: by the published metric, on the masks as the network gives them, and by the stricter one,
on the lines that the served pipeline answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from analysis.dislocations.metrics import LengthScore, PlaceScore, length_score, place_score
from analysis.dislocations.pipeline import analyse
from analysis.dislocations.preprocess import InputSpec
from analysis.micrograph import Micrograph
from analysis.network import Network
from training.dislocations.examples import Example, labelled_examples, synthetic_example
from training.dislocations.settings import BackgroundKind, Settings
from training.dislocations.validation import true_paths

FIRST_SEED = 200_000
"""Test pictures have seeds from here on, the same for every kind; those of validation and training begin far above."""


@dataclass(frozen=True)
class PictureSet:
    """Pictures of one kind. size_px: of synthetic ones; frames: those of a folder instead, labelled by people."""

    name: str
    microstructure: str = "M2"
    background: BackgroundKind = "perlin"
    background_folder: str | None = None
    size_px: int = 512
    frames: Path | None = None

    def examples(self, count: int) -> Iterator[Example]:
        """The first `count` synthetic pictures, or all frames; raises LabelError, FileNotFoundError."""
        if self.frames is not None:
            yield from labelled_examples(self.frames).values()
            return
        settings = Settings(
            steps=1,
            microstructures=(self.microstructure,),
            backgrounds=(self.background,),
            background_folder=self.background_folder,
            size_px=self.size_px,
        )
        for number in range(count):
            yield synthetic_example(FIRST_SEED + number, settings)


@dataclass(frozen=True)
class PictureScore:
    """Both metrics of one picture with `lines` true lines."""

    lines: int
    length: LengthScore
    place: PlaceScore


def evaluate(network: Network, spec: InputSpec, examples: Iterable[Example]) -> Iterator[PictureScore]:
    """The scores of a network, one picture after the other."""
    for example in examples:
        masks = network.run(example.picture[None, None])[0]
        found = analyse(Micrograph(example.picture), network, spec)
        truth = true_paths(example)
        yield PictureScore(
            lines=len(truth),
            length=length_score(masks, example.lines, threshold=spec.threshold),
            place=place_score([line.spline for line in found.lines], truth),
        )


def figures(scores: Sequence[PictureScore]) -> dict[str, float | int | None]:
    """Both metrics over pictures: means over all true lines, whichever picture they are in."""
    place = reduce(add, (score.place for score in scores))
    return {
        "pictures": len(scores),
        "lines": sum(score.lines for score in scores),
        "length_score": reduce(add, (score.length for score in scores)).mean,
        "recall": place.recall,
        "precision": place.precision,
        "distance_px": place.mean_distance_px,
    }


def by_number_of_lines(scores: Sequence[PictureScore]) -> dict[int, dict[str, float | int | None]]:
    """The same figures for pictures with equally many true lines, by their number; those without any are left out."""
    numbers = sorted({score.lines for score in scores if score.lines})
    return {number: figures([score for score in scores if score.lines == number]) for number in numbers}
