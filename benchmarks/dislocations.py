"""Dislocation lines from file to answer, in our runtimes beside eager PyTorch: `python -m benchmarks.dislocations`.

Synthetic frames of 512² from the bytes of the file to the JSON of the answer, through the pipeline that is served, with
the network that ships; the published network with random weights for its speed; a film of 100 frames with drift and
tracks; and the loss of the training beside a loop over pairs. Times are the best of several rounds in which the
contestants take turns. Ratios are printed; `--json` keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from analysis.dislocations import answer
from analysis.dislocations.pipeline import analyse
from analysis.dislocations.preprocess import InputSpec
from analysis.dislocations.stack import StackAnalysis
from analysis.micrograph import Micrograph, read
from benchmarks import line_losses
from benchmarks.environment import describe
from benchmarks.line_networks import EAGER, Contestant, of_random_weights, of_store, published
from emserve.exceptions import StoreError
from export.dislocations.samples import PIXEL_SIZE_NM, drawn
from model_store.store import Store
from training.dislocations.films import films
from training.dislocations.networks import DEFAULT, MASKS, build
from training.synthetic.files import write_tiff

FIRST_SEED = 900_200
KINDS = ("M1", "M2", "M1", "M2")
"""Microstructures of the frames."""
PARTS = ("read_s", "preprocess_s", "network_s", "postprocess_s", "answer_s")
Row = dict[str, Any]


def shipped(store: Store, model: str | None, folder: Path, threads: int) -> tuple[list[Contestant], InputSpec]:
    """The network that ships, or before it does the compact one with random weights."""
    try:
        name = model or store.default("dislocations")
        return of_store(store, name, threads), InputSpec.model_validate(store.manifest(name).input)
    except StoreError:
        return of_random_weights(build(DEFAULT), f"{DEFAULT}, random weights", folder, threads), InputSpec()


def frames(size: int, folder: Path) -> list[bytes]:
    """Synthetic frames as the bytes of calibrated files."""
    found = []
    for number, kind in enumerate(KINDS):
        pixels = drawn(kind, FIRST_SEED + number, (size, size), MASKS).pixels
        write_tiff(folder / "frame.tif", pixels.astype(np.uint8), PIXEL_SIZE_NM)
        found.append((folder / "frame.tif").read_bytes())
    return found


def whole(file: bytes, contestant: Contestant, spec: InputSpec) -> tuple[Row, int]:
    """Seconds of every part of a request, and the number of lines found."""
    begin = time.perf_counter()
    micrograph = read(file)
    seen = time.perf_counter()
    found = analyse(micrograph, contestant.runner, spec)
    analysed = time.perf_counter()
    answer.result(micrograph, found, request_id="benchmark").model_dump_json()
    end = time.perf_counter()
    spent = found.timings_ms
    parts = {name: getattr(spent, name.removesuffix("_s")) / 1000 for name in PARTS[1:4]}
    return {"read_s": seen - begin, **parts, "answer_s": end - analysed, "seconds": end - begin}, len(found.lines)


def requests(contestants: Sequence[Contestant], files: Sequence[bytes], spec: InputSpec, rounds: int) -> list[Row]:
    """Whole requests: of every contestant the mean over the frames of their best round."""
    best: dict[tuple[int, int], Row] = {}
    lines = [0] * len(contestants)
    # Once more than the rounds: the first allocates and compiles.
    work = [(n, k, i) for n in range(rounds + 1) for k in range(len(files)) for i in range(len(contestants))]
    for number, k, i in tqdm(work, "requests", unit="", file=sys.stderr):
        row, count = whole(files[k], contestants[i], spec)
        if number == 1:
            lines[i] += count
        if number and row["seconds"] < best.get((i, k), {"seconds": np.inf})["seconds"]:
            best[i, k] = row
    rows = []
    for i, contestant in enumerate(contestants):
        parts = {name: float(np.mean([best[i, k][name] for k in range(len(files))])) for name in (*PARTS, "seconds")}
        share = (parts["postprocess_s"] + parts["answer_s"]) / parts["seconds"]
        row = {"network": contestant.network, "runtime": contestant.way, "lines": lines[i], **parts}
        rows.append(row | {"postprocess_share": share, "remark": contestant.remark})
    eager = rows[0]["seconds"]
    return [row | {"times_faster_than_eager": eager / row["seconds"]} for row in rows]


def networks(contestants: Sequence[Contestant], size: int, rounds: int) -> list[Row]:
    """Seconds of the networks alone; the best of the rounds."""
    picture = drawn("M2", FIRST_SEED, (size, size), MASKS).pixels[None, None] / np.float32(255)
    seconds = [np.inf] * len(contestants)
    for number in tqdm(range(rounds + 1), "networks", unit="round", file=sys.stderr):
        for i, contestant in enumerate(contestants):
            begin = time.perf_counter()
            contestant.runner.run(picture)
            if number:
                seconds[i] = min(seconds[i], time.perf_counter() - begin)
    eager = {c.network: s for c, s in zip(contestants, seconds, strict=True) if c.way == EAGER}
    return [
        {
            "network": contestant.network,
            "runtime": contestant.way,
            "seconds": spent,
            "times_faster_than_itself_eager": eager[contestant.network] / spent,
            "times_faster_than_published_eager": list(eager.values())[-1] / spent,
            "remark": contestant.remark,
        }
        for contestant, spent in zip(contestants, seconds, strict=True)
    ]


def stack(contestant: Contestant, spec: InputSpec, length: int, size: int) -> Row:
    """A film of gliding lines before a drifting specimen, frame after frame; drawing it is not counted."""
    (film,) = films(1, "M1", size_px=size, length=length)
    pictures = [frame.pixels for frame in tqdm(film.frames(), "drawing the film", length, file=sys.stderr)]
    whole_stack, spent, motion = StackAnalysis(contestant.runner, spec), 0.0, 0.0
    contestant.runner.run(np.zeros((1, 1, size, size), np.float32))
    for pixels in tqdm(pictures, "stack", unit="frame", file=sys.stderr):
        begin = time.perf_counter()
        frame = whole_stack.add(Micrograph(pixels, PIXEL_SIZE_NM, PIXEL_SIZE_NM, "argument"))
        spent += time.perf_counter() - begin
        motion += frame.motion_ms / 1000
    tracks = whole_stack.tracks()
    return {
        "network": contestant.network,
        "runtime": contestant.way,
        "frames": length,
        "frames_per_second": length / spent,
        "motion_share": motion / spent,
        "tracks": len(tracks),
        "true_lines": len(film.parameters.lines),
    }


def tables(of_requests: Sequence[Row], alone: Sequence[Row], film: Row | None, losses: Sequence[Row]) -> str:
    """The figures as Markdown."""
    names = ("read", "preprocess", "network", "postprocess", "answer")
    lines = [
        f"| network | runtime | lines | {', '.join(names)}, s | whole, s | × eager | after the network |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in of_requests:
        parts = ", ".join(f"{row[name]:.3f}" for name in PARTS)
        lines.append(
            f"| {row['network']} | {row['runtime']}{'*' * bool(row['remark'])} | {row['lines']} | {parts} "
            f"| {row['seconds']:.3f} | {row['times_faster_than_eager']:.1f} | {100 * row['postprocess_share']:.0f} % |"
        )
    lines += ["", "| network alone | runtime | s | × itself, eager | × published, eager |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['network']} | {row['runtime']}{'*' * bool(row['remark'])} | {row['seconds']:.3f} "
        f"| {row['times_faster_than_itself_eager']:.1f} | {row['times_faster_than_published_eager']:.1f} |"
        for row in alone
    ]
    lines += [f"\n\\* {remark}" for remark in dict.fromkeys(row["remark"] for row in alone if row["remark"])]
    if film:
        lines.append(
            f"\nStack of {film['frames']} frames, {film['runtime']}: {film['frames_per_second']:.1f} a second; "
            f"{100 * film['motion_share']:.0f} % of the time for drift and links; {film['tracks']} tracks, "
            f"{film['true_lines']} true lines."
        )
    lines += ["", "| loss | vectorised, s | loop over pairs, s | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {row['part']} | {row['vectorised_s']:.4f} | {row['looped_s']:.3f} | {row['times_faster']:.1f} |"
        for row in losses
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dislocations", description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the frames, px")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", help="a model of the store; the family's default without")
    parser.add_argument("--store", type=Path, help="folder of models (default: the one that ships)")
    parser.add_argument("--frames", type=int, default=100, help="of the film; 0 leaves it out")
    parser.add_argument("--loss-batch", type=int, default=2, help="pictures of the comparison of losses")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        contestants, spec = shipped(Store(arguments.store), arguments.model, folder, arguments.threads)
        of_requests = requests(contestants, frames(arguments.size, folder), spec, arguments.rounds)
        largest = published(folder, arguments.threads)
        alone = networks([*contestants, *largest], arguments.size, arguments.rounds)
    ways = [number for number, contestant in enumerate(contestants) if not contestant.remark]
    best = min(ways, key=lambda number: of_requests[number]["seconds"])
    film = stack(contestants[best], spec, arguments.frames, arguments.size) if arguments.frames else None
    losses = line_losses.compare(arguments.size, arguments.loss_batch, min(arguments.rounds, 3))
    print(tables(of_requests, alone, film, losses))
    if arguments.json:
        figures = {"environment": describe(), "requests": of_requests, "networks": alone, "stack": film, "loss": losses}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
