"""Whether a network for dislocation lines finds the same in bf16: `python -m export precision dislocations NAME …`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from analysis.dislocations.preprocess import InputSpec
from export.precision import Family, Scores
from model_store.store import Model
from training.dislocations.evaluation import PictureScore, PictureSet, evaluate, figures
from training.dislocations.evaluation_report import add_picture_arguments, sets_of


def judged(models: Sequence[Model], options: argparse.Namespace) -> Iterator[tuple[str, list[list[PictureScore]]]]:
    """The scores of held-out pictures of every kind, for every model.

    Raises:
        ValueError: there are no pictures, or labels are wrong.
    """
    for one in sets_of(options):
        scores = [_scores(model, one, options.pictures) for model in models]
        if not scores[0]:
            raise ValueError(f"there are no pictures of {one.name}: give --pictures a number above 0")
        yield one.name, scores


def _scores(model: Model, pictures: PictureSet, count: int) -> list[PictureScore]:
    spec = InputSpec.model_validate(model.manifest.input)
    examples = tqdm(pictures.examples(count), f"{pictures.name}, {model.info.precision}", disable=None)
    return list(evaluate(model, spec, examples))


def scores(judged: Sequence[PictureScore]) -> Scores:
    """The published metric, and recall and precision of the stricter one."""
    row = figures(judged)
    return Scores.model_validate(
        {
            "scores": {name: row[name] for name in ("length_score", "recall", "precision")},
            "true": sum(score.place.n_true for score in judged),
            "predicted": sum(score.place.n_predicted for score in judged),
        }
    )


FAMILY = Family(
    scored="held-out pictures",
    things="lines",
    measures="length score, recall and precision",
    add_arguments=add_picture_arguments,
    judged=judged,
    scores=scores,
)
