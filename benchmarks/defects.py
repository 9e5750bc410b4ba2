"""Mask R-CNNs in our runtimes beside eager PyTorch, in one run: `python -m benchmarks.defects`.

Detectron2's R50-FPN at full width (random weights, scaled so that it finds things) and the compact network that ships,
on synthetic micrographs of 512² and 1024². Times are the best of several rounds in which the contestants take turns.
Then everything around the network (`benchmarks.defect_requests`): measuring 500 defects, and whole requests. Ratios are
printed; `--json` keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from analysis.defects.preprocess import InputSpec
from benchmarks.defect_requests import PIXEL_SIZE_NM, Row, crowded, fastest, postprocessing, requests
from benchmarks.environment import describe
from benchmarks.mask_rcnns import (
    EAGER,
    Contestant,
    compact_with_random_weights,
    contestants_of_random_weights,
    contestants_of_store,
    resnet50,
)
from emserve.exceptions import StoreError
from export.defects.parity import compare
from export.defects.samples import drawn
from model_store.store import Store

FIRST_SEED = 900_000_200
R50 = "R50-FPN"


def networks(store: Store, model: str | None, folder: Path, threads: int) -> list[Contestant]:
    """R50-FPN, and the compact network: the shipped one where the store has it."""
    found = contestants_of_random_weights(resnet50(), R50, folder, threads)
    try:
        return found + contestants_of_store(store, model or store.default("defects"), threads)
    except StoreError:
        network = compact_with_random_weights()
        return found + contestants_of_random_weights(network, "compact, random weights", folder, threads)


def measure(contestants: Sequence[Contestant], sizes: Sequence[int], rounds: int) -> list[Row]:
    """Seconds of every contestant on a picture of every size; one row for each."""
    pictures = {size: drawn(FIRST_SEED, (size, size), PIXEL_SIZE_NM).pixels for size in sizes}
    seconds: dict[tuple[int, int], float] = {}
    answers: dict[tuple[int, int], Mapping[str, np.ndarray]] = {}
    # Once more than the rounds: the first of each size allocates and compiles.
    work = [(n, size, i) for n in range(rounds + 1) for size in sizes for i in range(len(contestants))]
    for number, size, i in tqdm(work, unit="run", file=sys.stderr):
        picture = np.repeat(pictures[size][None], contestants[i].channels, axis=0)
        begin = time.perf_counter()
        answers[size, i] = contestants[i].run(picture)
        if number:
            seconds[size, i] = min(time.perf_counter() - begin, seconds.get((size, i), np.inf))
    rows = []
    for size in sizes:
        eager = {c.network: i for i, c in enumerate(contestants) if c.way == EAGER}
        for i, contestant in enumerate(contestants):
            own = eager[contestant.network]
            parity = compare(answers[size, own], answers[size, i], (1, size, size), runtime=contestant.way)
            rows.append(
                {
                    "network": contestant.network,
                    "runtime": contestant.way,
                    "size_px": size,
                    "seconds": seconds[size, i],
                    "times_faster_than_itself_eager": seconds[size, own] / seconds[size, i],
                    "times_faster_than_r50_eager": seconds[size, eager[R50]] / seconds[size, i],
                    "detections": parity.expected,
                    "matched": parity.matched,
                    "remark": contestant.remark,
                }
            )
    return rows


def tables(rows: Sequence[Row], around: Sequence[Row], whole: Sequence[Row], real: Sequence[Row]) -> str:
    """The figures as Markdown."""
    lines = [
        "| network | runtime | picture | s | × itself, eager | × R50-FPN, eager | detections as eager |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        star = "*" if row["remark"] else ""
        lines.append(
            f"| {row['network']} | {row['runtime']}{star} | {row['size_px']}² | {row['seconds']:.3f} "
            f"| {row['times_faster_than_itself_eager']:.1f} | {row['times_faster_than_r50_eager']:.1f} "
            f"| {row['matched']} of {row['detections']} |"
        )
    lines += [f"\n\\* {remark}" for remark in dict.fromkeys(row["remark"] for row in rows if row["remark"])]
    lines += ["", "| defects | before the network, s | after it, s | the answer as JSON, s |", "|---|---|---|---|"]
    lines += [
        f"| {row['defects']} | {row['preprocess_s']:.3f} | {row['postprocess_s']:.3f} | {row['answer_s']:.3f} |"
        for row in around
    ]
    lines += ["", "| network | runtime | defects | a request, s | of it after the network |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['network']} | {row['runtime']} | {row['defects']} | {row['request_s']:.3f} "
        f"| {100 * row['postprocess_share']:.0f} % |"
        for row in whole
    ]
    if real:
        columns = ("read", "preprocess", "network", "postprocess", "answer", "request")
        lines += [
            "",
            f"| network | runtime | tiles | defects | {', '.join(columns)}, s | after the network |",
            "|---|---|---|---|---|---|",
        ]
        for row in real:
            seconds = ", ".join(f"{row[f'{name}_s']:.3f}" for name in columns)
            lines.append(
                f"| {row['network']} | {row['runtime']} | {row['tiles']} | {row['defects']} of {row['there']} "
                f"| {seconds} | {100 * row['postprocess_share']:.1f} % |"
            )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defects", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024], help="sides of the pictures, px")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", help="a defects model of the store; the family's default without")
    parser.add_argument("--defects", type=int, nargs="+", default=[50, 500], help="of the measurement around it")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)

    store, largest = Store(), max(arguments.sizes)
    with tempfile.TemporaryDirectory() as folder:
        contestants = networks(store, arguments.model, Path(folder), arguments.threads)
        # OpenVINO and PyTorch each set the number of their threads when a model is opened.
        torch.set_num_threads(arguments.threads)
        rows = measure(contestants, arguments.sizes, arguments.rounds)
        best, real = fastest(contestants, rows, largest), []
        stored = {manifest.name: manifest for manifest in store.manifests("defects")}
        for name in (contestant.network for contestant, _ in best if contestant.network in stored):
            real = requests(best, name, InputSpec.model_validate(stored[name].input), max(3, arguments.rounds))
    around = postprocessing(arguments.defects, largest, max(3, arguments.rounds))
    whole = crowded(best, around)
    print(tables(rows, around, whole, real))
    if arguments.json:
        figures = {"environment": describe(), "networks": rows, "around": around, "requests": whole, "files": real}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
