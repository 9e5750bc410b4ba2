"""Whether a Mask R-CNN may be run in bf16: only where its scores on labelled micrographs equal those in fp32.

`python -m export precision NAME --images DIR --labels FILE --out evidence.json` measures it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel
from tqdm import tqdm

from analysis.defects.metrics import IOU_THRESHOLD
from analysis.defects.preprocess import InputSpec
from emserve.exceptions import EmserveError, StoreError
from emserve.results import ModelInfo
from model_store import runtimes
from model_store.manifest import Precision
from model_store.store import MODELS, Model, Store
from training.defects.commands import add_source_arguments, source_of
from training.defects.evaluation.figures import FIND, TYPES, figures
from training.defects.evaluation.predictions import calibrated, predict
from training.defects.evaluation.verdicts import Verdict, judge
from training.defects.labels import LabelError, LabelledPicture
from training.defects.published import published
from training.defects.sources import SourceSettings

F1 = 0.005
"""Find and type F1 may differ by this much."""
PRECISIONS: tuple[Precision, Precision] = ("fp32", "bf16")
RUNTIME = "openvino"
"""The runtime that has bf16."""


class Scores(BaseModel):
    """F1 at IoU 0.3 of the pictures of one folder: any class, and each right only in its class."""

    find_f1: float
    type_f1: float
    true: int
    predicted: int


class SetEvidence(BaseModel):
    """Labelled pictures in both precisions."""

    pictures: int
    fp32: Scores
    bf16: Scores

    @property
    def tells(self) -> bool:
        """Whether there are so many defects that one more or less changes F1 by less than the tolerance."""
        return F1 * (self.fp32.true + self.fp32.predicted) >= 2

    @property
    def changes(self) -> dict[str, float]:
        """How far each F1 changes."""
        names = ("find_f1", "type_f1")
        return {name: abs(getattr(self.bf16, name) - getattr(self.fp32, name)) for name in names}


class Evidence(BaseModel):
    """What was measured, of which weights.

    sha256: of the ONNX file. together: all pictures. sets: those of each folder, by its name.
    """

    sha256: str
    runtime: str
    together: SetEvidence
    sets: dict[str, SetEvidence]

    @property
    def largest(self) -> tuple[float, str]:
        """The largest change of an F1, and what it is of: of all pictures, and of each set that can tell."""
        known = {"all": self.together} | {name: one for name, one in self.sets.items() if one.tells}
        changes = [
            (change, f"{figure} on {name}") for name, one in known.items() for figure, change in one.changes.items()
        ]
        return max(changes)

    @property
    def holds(self) -> bool:
        """Whether no F1 changed by more than the tolerance."""
        return self.largest[0] <= F1

    def sentence(self) -> str:
        """For the manifest."""
        told = [name for name, one in self.sets.items() if one.tells]
        small = [name for name in self.sets if name not in told]
        each = f" and of each of {', '.join(told)}" if told else ""
        rest = f"; {', '.join(small)}, with too few defects to tell, counted with the others" if small else ""
        return (
            f"evaluated on {self.together.pictures} labelled real micrographs ({self.together.fp32.true} defects) in "
            f"both precisions: find and type F1 at IoU {IOU_THRESHOLD:g} of all together{each} differ by at most "
            f"{self.largest[0]:.4f} (allowed {F1}){rest}"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m export precision`."""
    parser.description = (
        "Run a defects model of the store on labelled micrographs in fp32 and in bf16, and keep both scores: "
        "`python -m export defects … --evidence FILE` allows bf16 where they are equal."
    )
    parser.add_argument("name", help="of the model")
    parser.add_argument("--store", type=Path, default=MODELS, help="folder of models (default: the one that ships)")
    parser.add_argument(
        "--published", type=Path, metavar="DIR", help="the published micrographs in a folder, what training leaves out"
    )
    add_source_arguments(parser.add_argument_group("your own micrographs"))
    parser.add_argument("--out", type=Path, required=True, help="JSON file, made anew")
    parser.add_argument("--threads", type=int, default=runtimes.processors())
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measures, prints both scores; the exit code."""
    try:
        sources = [own] if (own := source_of(options)) is not None else []
        if options.published is not None:
            sources += published(options.published, three_class=True)
        evidence = measure(Store(options.store), options.name, sources, threads=options.threads)
    except (EmserveError, LabelError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    options.out.write_text(evidence.model_dump_json(indent=1) + "\n", encoding="utf-8")
    for name, one in {**evidence.sets, "all": evidence.together}.items():
        print(f"{name}: {one.pictures} pictures, {one.fp32.true} defects")
        for precision, scores in (("fp32", one.fp32), ("bf16", one.bf16)):
            print(f"  {precision}: find F1 {scores.find_f1:.4f}, type F1 {scores.type_f1:.4f}")
    print(
        f"bf16 {'may be' if evidence.holds else 'must not be'} used: {evidence.largest[1]} by {evidence.largest[0]:.4f}"
    )
    return 0


def measure(store: Store, name: str, sources: Sequence[SourceSettings], *, threads: int) -> Evidence:
    """Both scores of a model on labelled pictures: those that a source leaves out of training, or else all of it.

    Raises:
        StoreError: this machine has no runtime for bf16.
        ValueError: there are no pictures.
    """
    if not sources:
        raise ValueError("there are no labelled pictures: give --images and --labels, or --published")
    runtime = runtimes.find(RUNTIME)
    if not runtime.available() or not runtime.supports("bf16"):
        raise StoreError(
            "This machine has no runtime that is fast in bf16.",
            remedy=f"Measure on an x86 processor with AMX or AVX512-bf16, after: {runtime.INSTALL}",
        )
    models = [_opened(store, name, precision, threads) for precision in PRECISIONS]
    judged: dict[str, list[list[Verdict]]] = {}
    for source in sources:
        pictures = [p for p in source.pictures() if not source.left_out or p.image in source.left_out]
        title = source.labels.parent.name
        judged[title] = [_verdicts(model, title, source.images, pictures) for model in models]
    together = [[verdict for one in judged.values() for verdict in one[k]] for k in range(len(PRECISIONS))]
    return Evidence(
        sha256=store.manifest(name).files["onnx"].sha256,
        runtime=RUNTIME,
        together=_evidence(together),
        sets={title: _evidence(verdicts) for title, verdicts in judged.items()},
    )


def _evidence(verdicts: Sequence[Sequence[Verdict]]) -> SetEvidence:
    fp32, bf16 = (_scores(one) for one in verdicts)
    return SetEvidence(pictures=len(verdicts[0]), fp32=fp32, bf16=bf16)


def _opened(store: Store, name: str, precision: Precision, threads: int) -> Model:
    """A model in a precision that its manifest does not allow yet."""
    manifest, folder = store.manifest(name, family="defects"), store.folder(name)
    weights = manifest.files["onnx"]
    session = runtimes.find(RUNTIME).open_session(folder / weights.path, manifest.tensors, precision, threads)
    info = ModelInfo(
        name=name,
        family="defects",
        version=manifest.version,
        sha256=weights.sha256,
        runtime=RUNTIME,
        precision=precision,
    )
    return Model(manifest, info, folder, session)


def _verdicts(model: Model, title: str, images: Path, pictures: Sequence[LabelledPicture]) -> list[Verdict]:
    spec = InputSpec.model_validate(model.manifest.input)
    verdicts = []
    for labelled in tqdm(pictures, desc=f"{title}, {model.info.precision}", disable=None):
        picture = calibrated(labelled, images)
        prediction = predict(picture, images, model, spec)
        verdicts.append(judge(picture.image, prediction, picture.table(), classes=spec.classes))
    return verdicts


def _scores(verdicts: Sequence[Verdict]) -> Scores:
    find, types = (figures(verdicts, kind, IOU_THRESHOLD) for kind in (FIND, TYPES))
    return Scores.model_validate(
        {"find_f1": find["f1"], "type_f1": types["f1"], "true": find["true"], "predicted": find["predicted"]}
    )
