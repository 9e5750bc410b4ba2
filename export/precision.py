"""Whether a model may be run in bf16: only where its scores on labelled pictures equal those in fp32.

`python -m export precision NAME … --out evidence.json` measures it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from emserve.exceptions import EmserveError, StoreError
from model_store import runtimes
from model_store.manifest import Precision
from model_store.store import MODELS, Model, Store
from training.store_models import open_model

Verdict = TypeVar("Verdict")

LARGEST_CHANGE = 0.005
"""Every score may differ by this much."""
PRECISIONS: tuple[Precision, Precision] = ("fp32", "bf16")
RUNTIME = "openvino"
"""The runtime that has bf16."""


class Scores(BaseModel):
    """What is known of some pictures in one precision: scores from 0 to 1, and how many things they are of."""

    scores: dict[str, float]
    true: int
    predicted: int


class SetEvidence(BaseModel):
    """Labelled pictures in both precisions."""

    pictures: int
    fp32: Scores
    bf16: Scores

    @property
    def tells(self) -> bool:
        """Whether there is so much in them that one thing more or less changes a score by less than the tolerance."""
        return LARGEST_CHANGE * (self.fp32.true + self.fp32.predicted) >= 2

    @property
    def changes(self) -> dict[str, float]:
        """How far each score changes."""
        return {name: abs(self.bf16.scores[name] - value) for name, value in self.fp32.scores.items()}


class Evidence(BaseModel):
    """What was measured, of which weights.

    sha256: of the ONNX file. scored, things, measures: in words, what the pictures are, what was counted in them, and
    what the scores are. together: all pictures. sets: those of each kind, by its name.
    """

    sha256: str
    runtime: str
    scored: str
    things: str
    measures: str
    together: SetEvidence
    sets: dict[str, SetEvidence]

    @property
    def largest(self) -> tuple[float, str]:
        """The largest change of a score, and what it is of: of all pictures, and of each set that can tell."""
        known = {"all": self.together} | {name: one for name, one in self.sets.items() if one.tells}
        changes = [
            (change, f"{score} on {name}") for name, one in known.items() for score, change in one.changes.items()
        ]
        return max(changes)

    @property
    def holds(self) -> bool:
        """Whether no score changed by more than the tolerance."""
        return self.largest[0] <= LARGEST_CHANGE

    def sentence(self) -> str:
        """For the manifest."""
        told = [name for name, one in self.sets.items() if one.tells]
        small = [name for name in self.sets if name not in told]
        each = f" and of each of {'; '.join(told)}" if told else ""
        rest = f"; {', '.join(small)}, with too few {self.things} to tell, counted with the others" if small else ""
        return (
            f"evaluated on {self.together.pictures} {self.scored} ({self.together.fp32.true} {self.things}) in "
            f"both precisions: {self.measures} of all together{each} differ by at most "
            f"{self.largest[0]:.4f} (allowed {LARGEST_CHANGE}){rest}"
        )


@dataclass(frozen=True)
class Family(Generic[Verdict]):
    """How a family judges its models.

    add_arguments: those that name the pictures. judged: the verdicts on the pictures of every set, for a model after
    the other. scores: of any verdicts. scored, things, measures: as of `Evidence`.
    """

    scored: str
    things: str
    measures: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    judged: Callable[[Sequence[Model], argparse.Namespace], Iterator[tuple[str, list[list[Verdict]]]]]
    scores: Callable[[Sequence[Verdict]], Scores]

    def measure(self, store: Store, name: str, options: argparse.Namespace) -> Evidence:
        """Both scores of a model of the store.

        Raises:
            StoreError: this machine has no runtime for bf16.
            ValueError: there are no pictures.
        """
        runtime = runtimes.find(RUNTIME)
        if not runtime.available() or not runtime.supports("bf16"):
            raise StoreError(
                "This machine has no runtime that is fast in bf16.",
                remedy=f"Measure on an x86 processor with AMX or AVX512-bf16, after: {runtime.INSTALL}",
            )
        models = [
            open_model(store, name, runtime=RUNTIME, precision=precision, threads=options.threads)
            for precision in PRECISIONS
        ]
        judged = dict(self.judged(models, options))
        together = [[verdict for one in judged.values() for verdict in one[k]] for k in range(len(PRECISIONS))]
        return Evidence(
            sha256=store.manifest(name).files["onnx"].sha256,
            runtime=RUNTIME,
            scored=self.scored,
            things=self.things,
            measures=self.measures,
            together=self._evidence(together),
            sets={title: self._evidence(verdicts) for title, verdicts in judged.items()},
        )

    def _evidence(self, verdicts: Sequence[Sequence[Verdict]]) -> SetEvidence:
        fp32, bf16 = (self.scores(one) for one in verdicts)
        return SetEvidence(pictures=len(verdicts[0]), fp32=fp32, bf16=bf16)


def add_arguments(parser: argparse.ArgumentParser, family: Family[Verdict]) -> None:
    """Arguments of `python -m export precision FAMILY`."""
    parser.description = (
        "Run a model of the store on labelled pictures in fp32 and in bf16, and keep both scores: "
        "`python -m export FAMILY … --evidence FILE` allows bf16 where they are equal."
    )
    parser.add_argument("name", help="of the model")
    parser.add_argument("--store", type=Path, default=MODELS, help="folder of models (default: the one that ships)")
    family.add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="JSON file, made anew")
    parser.add_argument("--threads", type=int, default=runtimes.processors())
    parser.set_defaults(run=lambda options: run(options, family))


def run(options: argparse.Namespace, family: Family[Verdict]) -> int:
    """Measures, prints both scores; the exit code."""
    try:
        evidence = family.measure(Store(options.store), options.name, options)
    except (EmserveError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    options.out.write_text(evidence.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for name, one in {**evidence.sets, "all": evidence.together}.items():
        print(f"{name}: {one.pictures} pictures, {one.fp32.true} {evidence.things}")
        for precision, scores in (("fp32", one.fp32), ("bf16", one.bf16)):
            print(f"  {precision}: {', '.join(f'{score} {value:.4f}' for score, value in scores.scores.items())}")
    print(
        f"bf16 {'may be' if evidence.holds else 'must not be'} used: {evidence.largest[1]} by {evidence.largest[0]:.4f}"
    )
    return 0
