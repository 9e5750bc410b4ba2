"""`python -m training evaluate dislocations`: the matrix of models and kinds of pictures, as table, JSON and plots."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from pydantic import ValidationError
from tqdm import tqdm

from analysis.dislocations.preprocess import InputSpec
from analysis.dislocations.stack import StackAnalysis
from analysis.network import Network
from emserve.exceptions import EmserveError
from model_store.store import Store
from training.dislocations import film_report
from training.dislocations.checkpoints import BEST, trained_network
from training.dislocations.evaluation import PictureSet, by_number_of_lines, evaluate, figures
from training.dislocations.films import Film, FilmScore, films, follow
from training.dislocations.labels import LabelError
from training.dislocations.serving import TorchNetwork, input_spec
from training.dislocations.settings import BACKGROUNDS, Settings
from training.store_models import open_model as open_store_model

Report = dict[str, dict[str, dict[str, Any]]]
"""Model → set of pictures → figures, with those `by_number_of_lines`."""


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training evaluate dislocations`."""
    parser.description = (
        "Measure models for dislocation lines on synthetic pictures that none was trained on, each model on every "
        "kind, and on labelled frames."
    )
    parser.add_argument("--model", nargs="+", required=True, help="folders of training runs, or models of the store")
    parser.add_argument("--out", type=Path, required=True, help="folder for evaluation.json and the plots")
    add_picture_arguments(parser)
    parser.add_argument(
        "--films", type=int, default=0, help="films of known motion of each kind, up to 10 lines (default: none)"
    )
    parser.add_argument("--film-frames", type=int, default=20, help="frames of each film (default: 20)")
    parser.add_argument("--store", type=Path, help="folder of models (default: the one that ships)")
    parser.add_argument("--runtime", help="of models of the store")
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="of models of the store")
    parser.set_defaults(run=run_evaluation)


def add_picture_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that name the pictures, see `sets_of`."""
    parser.add_argument(
        "--pictures", type=int, default=100, help="synthetic pictures of each kind (default: 100; 0 for films only)"
    )
    parser.add_argument("--microstructures", nargs="+", default=["M1", "M2"], metavar="KIND")
    parser.add_argument("--backgrounds", nargs="+", choices=BACKGROUNDS, default=["perlin"])
    parser.add_argument("--background-folder", type=Path, metavar="DIR", help="micrographs for real backgrounds")
    parser.add_argument("--size", type=int, default=512, help="height and width of the synthetic pictures, px")
    parser.add_argument("--frames", type=Path, metavar="DIR", help="labelled frames: pictures with labelme's JSON")


def run_evaluation(options: argparse.Namespace) -> int:
    """Evaluates every model on every set, prints the table, writes the JSON and the plots."""
    try:
        report = evaluated(options)
        filmed = followed(options) if options.films else {}
    except (ValidationError, FileNotFoundError, LabelError, EmserveError) as error:
        print(error, file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"pictures_of_each_kind": options.pictures, "models": report}
    if filmed:
        content |= {"films_of_each_kind": options.films, "films": film_report.as_figures(filmed)}
    text = json.dumps(content, indent=2)
    (options.out / "evaluation.json").write_text(text + "\n", encoding="utf-8")
    for model, sets in report.items():
        print(model)
        for name, row in sets.items():
            print(
                f"  {name:14} length score {row['length_score']:.3f}  recall {row['recall']:.3f}  "
                f"precision {row['precision']:.3f}  {row['lines']} lines"
            )
    if report:
        draw_matrix(report, options.out / "matrix.png")
        draw_by_number(report, options.out / "by_number_of_lines.png")
    if filmed:
        print(film_report.table(filmed))
        film_report.write_csv(filmed, options.out / "films.csv")
        film_report.draw(filmed, options.out / "films.png")
    return 0


def evaluated(options: argparse.Namespace) -> Report:
    """The figures of every model on every set."""
    sets = [one for one in sets_of(options) if options.pictures or one.frames is not None]
    report: Report = {}
    for model in options.model if sets else ():
        network, spec = open_model(model, options)
        report[model] = {}
        for one in sets:
            examples = tqdm(one.examples(options.pictures), f"{model}, {one.name}", unit=" pictures", mininterval=2)
            scores = list(evaluate(network, spec, examples))
            report[model][one.name] = {**figures(scores), "by_number_of_lines": by_number_of_lines(scores)}
    return report


def followed(options: argparse.Namespace) -> dict[str, dict[str, list[tuple[Film, FilmScore]]]]:
    """Model → kind → films of known motion with their scores."""
    report: dict[str, dict[str, list[tuple[Film, FilmScore]]]] = {}
    for model in options.model:
        network, spec = open_model(model, options)
        report[model] = {}
        for kind in options.microstructures:
            for background in options.backgrounds:
                folder = None if background == "perlin" else str(options.background_folder)
                made = films(options.films, kind, folder=folder, size_px=options.size, length=options.film_frames)
                name = f"{kind}, {background}"
                report[model][name] = []
                for film in made:
                    frames = tqdm(film.frames(), f"{model}, {name}, film {film.seed}", total=film.length, mininterval=2)
                    score = follow(StackAnalysis(network, spec), film, frames)
                    report[model][name].append((film, score))
    return report


def sets_of(options: argparse.Namespace) -> list[PictureSet]:
    """The kinds of pictures that the arguments name."""
    folder = None if options.background_folder is None else str(options.background_folder)
    sets = [
        PictureSet(f"{kind}, {background}", kind, background, folder, options.size)
        for kind in options.microstructures
        for background in options.backgrounds
    ]
    if options.frames is not None:
        sets.append(PictureSet("labelled frames", frames=options.frames))
    return sets


def open_model(model: str, options: argparse.Namespace) -> tuple[Network, InputSpec]:
    """A run's folder if there is one of that name, else a model of the store."""
    if (Path(model) / BEST).exists():
        network = trained_network(Path(model))
        return TorchNetwork(network), input_spec(network, Settings.read(Path(model)))
    store = Store(options.store)
    entry = store.manifest(model, family="dislocations")
    opened = open_store_model(store, model, runtime=options.runtime, precision=options.precision)
    return opened, InputSpec.model_validate(entry.input)


def draw_matrix(report: Report, path: Path) -> None:
    """The length score of every model (rows) on every set (columns)."""
    models, sets = list(report), list(next(iter(report.values())))
    values = [[report[model][name]["length_score"] for name in sets] for model in models]
    size = (2.5 + 1.5 * len(sets), 1.5 + 0.7 * len(models))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    axes.imshow(values, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    for row, of_model in enumerate(values):
        for column, value in enumerate(of_model):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="black" if value > 0.6 else "white")
    axes.set_xticks(range(len(sets)), sets, rotation=20, ha="right")
    axes.set_yticks(range(len(models)), [Path(model).name for model in models])
    axes.set_title("Length score: trained on (rows), tested on (columns)", fontsize=10)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_by_number(report: Report, path: Path) -> None:
    """The length score against the number of lines in the picture: one panel a model, one curve a set."""
    figure, grid = plt.subplots(
        1, len(report), figsize=(4.5 * len(report), 3.8), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (model, sets) in zip(grid[0], report.items(), strict=True):
        for name, row in sets.items():
            rows = row["by_number_of_lines"]
            axes.plot(list(rows), [one["length_score"] for one in rows.values()], "o-", markersize=4, label=name)
        axes.set(title=Path(model).name, xlabel="lines in the picture", ylim=(0, 1.02))
        axes.grid(alpha=0.3)
    grid[0][0].set_ylabel("length score")
    grid[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)
