"""The whole atoms pipeline beside its peers, in one run: `python -m benchmarks.atoms`.

Simulated pictures of 1024² of every lattice, at usual quality, from seeds that no training has used; every contestant
gets the same pixels. Times are the best of several rounds in which the contestants take turns. Then the service against
the same pipeline in process. Ratios are printed; `--json` keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from analysis.atoms import pipeline, refinement
from analysis.atoms.preprocess import InputSpec
from benchmarks.environment import describe
from benchmarks.peers import Peer, peers
from benchmarks.pictures import Picture, simulated
from benchmarks.served import compare_served
from benchmarks.served import table as served_table
from model_store.store import Store
from training.atoms.scoring import score_of

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "atom_columns" / "published_cubic_network.pt"


def emserve_pipelines(store: Store, name: str, threads: int) -> list[Peer]:
    """Our own contestants: the runtime that is chosen by itself, and ONNX Runtime; reading the file is not counted."""
    spec = InputSpec.model_validate(store.manifest(name).input)

    def contestant(runtime: str | None, precision: str | None) -> Peer:
        model = store.open(name, runtime=runtime, precision=precision, threads=threads)

        def find(picture: Picture) -> np.ndarray:
            result = pipeline.analyse(picture.micrograph, model, spec, request_id="benchmark")
            return np.array([(column.x_px, column.y_px) for column in result.columns]).reshape(-1, 2)

        return Peer(f"emserve {name}, {model.info.runtime} {model.info.precision}", find)

    return [contestant(None, None), contestant("onnx", "fp32")]


def compare(contestants: list[Peer], pictures: list[Picture], rounds: int) -> list[dict[str, Any]]:
    """Time and score every contestant on every picture; one row a contestant."""
    seconds: dict[tuple[str, str], float] = {}
    answers: dict[tuple[str, str], np.ndarray] = {}
    work = [(n, picture, peer) for n in range(rounds) for picture in pictures for peer in contestants]
    for _, picture, peer in tqdm(work, unit="picture", file=sys.stderr):
        begin = time.perf_counter()
        answer = peer.find(picture)
        spent = time.perf_counter() - begin
        key = (peer.name, picture.name)
        seconds[key] = min(spent, seconds.get(key, np.inf))
        answers[key] = answer
    rows = []
    for peer in contestants:
        scores = [score_of(answers[peer.name, p.name], p.synthetic) for p in pictures]
        times = [seconds[peer.name, p.name] for p in pictures]
        rows.append(
            {
                "name": peer.name,
                "seconds": float(np.mean(times)),
                "recall": float(np.mean([s.recall for s in scores])),
                "precision": float(np.mean([s.precision for s in scores])),
                "rms_pm": float(np.sqrt(np.nanmean([s.rms_pm**2 for s in scores]))),
                "by_picture": {
                    p.name: {"seconds": t, "recall": s.recall, "precision": s.precision, "rms_pm": s.rms_pm}
                    for p, t, s in zip(pictures, times, scores, strict=True)
                },
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The comparison as Markdown; the ratio is a contestant's time over the first one's."""
    lines = ["| | s per picture | × emserve | ID-recall | ID-precision | Δd, pm |", "|---|---|---|---|---|---|"]
    for row in rows:
        ratio = row["seconds"] / rows[0]["seconds"]
        lines.append(
            f"| {row['name']} | {row['seconds']:.3f} | {ratio:.1f} | {row['recall']:.4f} | {row['precision']:.4f} "
            f"| {row['rms_pm']:.1f} |"
        )
    return "\n".join(lines)


def refinement_seconds(store: Store, name: str, picture: Picture) -> tuple[int, float]:
    """Number of columns, and the best of five times of their Gaussian fits alone."""
    model = store.open(name)
    spec = InputSpec.model_validate(model.manifest.input)
    found = pipeline.analyse(picture.micrograph, model, spec, request_id="benchmark", refine=False).positions_px
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        refinement.refine(picture.pixels, found)
        times.append(time.perf_counter() - begin)
    return len(found), min(times)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atoms", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="side of the pictures, px")
    parser.add_argument("--pixel-size-nm", type=float, default=0.010)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", help="a model of the store; the family's default without")
    parser.add_argument("--published-weights", type=Path, default=PUBLISHED, help="of the published cubic network")
    parser.add_argument("--requests", type=int, default=32, help="of the comparison with the service; 0 leaves it out")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)

    pictures = simulated(arguments.size, arguments.pixel_size_nm)
    store = Store()
    name = arguments.model or store.default("atoms")
    contestants = emserve_pipelines(store, name, arguments.threads) + peers(arguments.published_weights)
    for contestant in contestants:  # warm up: kernels, caches
        contestant.find(pictures[0])
    rows = compare(contestants, pictures, arguments.rounds)
    print(table(rows))
    if not arguments.published_weights.is_file():
        print(f"The published network did not take part: no weights at {arguments.published_weights}.")
    count, seconds = refinement_seconds(store, name, pictures[0])
    print(f"\nGaussian fit of {count} columns: {seconds:.3f} s, {1000 * seconds / count:.3f} s per 1,000\n")
    over_http = compare_served(arguments.size, arguments.requests, arguments.rounds) if arguments.requests else []
    print(served_table(over_http))
    if arguments.json:
        figures = {"environment": describe(), "pipelines": rows, "fit_s_per_1000": 1000 * seconds / count}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures | {"served": over_http}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
