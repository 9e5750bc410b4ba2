"""Mask R-CNNs in our runtimes beside eager PyTorch, in one run: `python -m benchmarks.defects`.

Detectron2's R50-FPN at full width (random weights, scaled so that it finds things) and the compact network that ships,
on synthetic micrographs of 512² and 1024². Times are the best of several rounds in which the contestants take turns.
Then everything around the network: measuring 500 defects, and whole requests. Ratios are printed; `--json` keeps the
figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from analysis.defects import answer
from analysis.defects.pipeline import analyse
from analysis.defects.preprocess import InputSpec
from analysis.micrograph import Micrograph
from benchmarks.environment import describe
from benchmarks.mask_rcnns import (
    CLASSES,
    EAGER,
    Contestant,
    compact_with_random_weights,
    contestants_of_random_weights,
    contestants_of_store,
    resnet50,
)
from emserve.exceptions import StoreError
from emserve.results import ModelInfo
from export.defects.parity import compare
from export.defects.samples import drawn
from model_store.store import Store

FIRST_SEED = 900_000_200
PIXEL_SIZE_NM = 0.5
R50 = "R50-FPN"
Row = dict[str, Any]


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


class Crowd:
    """A network that answers at once: so many defects, ellipses of 12 to 60 px, anywhere in the picture."""

    info = ModelInfo(name="crowd", family="defects", version="0", sha256="", runtime="none", precision="fp32")

    def __init__(self, count: int, size: int) -> None:
        generator = np.random.default_rng(FIRST_SEED)
        sides, centres = generator.uniform(12, 60, (count, 2)), generator.uniform(0, size, (count, 2))
        y, x = np.mgrid[:28, :28] - 13.5
        axes = generator.uniform(8, 13, (count, 2, 1, 1))
        self.answer = {
            "boxes": np.clip(np.hstack((centres - sides / 2, centres + sides / 2)), 0, size).astype(np.float32),
            "scores": generator.uniform(0.5, 1, count).astype(np.float32),
            "classes": generator.integers(0, len(CLASSES), count),
            "masks": (1 / (1 + np.exp(6 * (np.hypot(x / axes[:, 0], y / axes[:, 1]) - 1)))).astype(np.float32),
        }

    def run_named(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """The answer."""
        return self.answer


def postprocessing(counts: Sequence[int], size: int, rounds: int) -> list[Row]:
    """Seconds around the network, for pictures with more and more defects: before it, after it, and for the answer."""
    pixels = np.random.default_rng(0).uniform(0, 255, (size, size)).astype(np.float32)
    micrograph = Micrograph(pixels, PIXEL_SIZE_NM, PIXEL_SIZE_NM, "argument")
    rows = []
    for count in counts:
        spec = InputSpec(classes=CLASSES, channels=1, most_detections=count, repeats_iou=0.5)
        network = Crowd(count, size)
        times = []
        for _ in range(rounds):
            found = analyse(micrograph, network, spec, thickness_nm=100.0)
            begin = time.perf_counter()
            answer.result(micrograph, found, request_id="benchmark").model_dump_json()
            spent = found.timings_ms
            times.append((spent.preprocess / 1000, spent.postprocess / 1000, time.perf_counter() - begin))
        before, after, answered = np.min(times, axis=0).tolist()
        rows.append({"defects": count, "preprocess_s": before, "postprocess_s": after, "answer_s": answered})
    return rows


def shares(rows: Sequence[Row], around: Sequence[Row], size: int) -> list[Row]:
    """What share of a whole request the post-processing is, for the fastest way to run each network."""
    found = []
    for network in dict.fromkeys(row["network"] for row in rows):
        ways = [r for r in rows if r["network"] == network and r["size_px"] == size and not r["remark"]]
        best = min(ways, key=lambda row: row["seconds"])
        for row in around:
            whole = best["seconds"] + row["preprocess_s"] + row["postprocess_s"] + row["answer_s"]
            found.append(
                {
                    "network": network,
                    "runtime": best["runtime"],
                    "defects": row["defects"],
                    "request_s": whole,
                    "postprocess_share": (row["postprocess_s"] + row["answer_s"]) / whole,
                }
            )
    return found


def tables(rows: Sequence[Row], around: Sequence[Row], whole: Sequence[Row]) -> str:
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

    with tempfile.TemporaryDirectory() as folder:
        contestants = networks(Store(), arguments.model, Path(folder), arguments.threads)
        # OpenVINO and PyTorch each set the number of their threads when a model is opened.
        torch.set_num_threads(arguments.threads)
        rows = measure(contestants, arguments.sizes, arguments.rounds)
    largest = max(arguments.sizes)
    around = postprocessing(arguments.defects, largest, max(3, arguments.rounds))
    whole = shares(rows, around, largest)
    print(tables(rows, around, whole))
    if arguments.json:
        figures = {"environment": describe(), "networks": rows, "around": around, "requests": whole}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
