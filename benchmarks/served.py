"""Served against in process: `python -m benchmarks.served`.

The same simulated 1024² file is analysed the same number of times by threads that call the pipeline directly and by
clients of a real service on this machine, 1, 4 and 16 at a time, in turns. Both start from the file's bytes and end
with an AtomsResult; both use the same runtime and threads. Printed: wall time per picture and its ratio.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any

from tqdm import tqdm

import emserve
from analysis.atoms import pipeline
from analysis.atoms.preprocess import InputSpec
from analysis.micrograph import read
from benchmarks.pictures import simulated
from bentos.demo import service
from bentos.settings import Settings
from model_store.store import Store

CLIENTS = (1, 4, 16)


def wall_seconds(work: Callable[[], Any], threads: int, requests: int) -> float:
    """Seconds that a pool of threads needs for so many calls."""
    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        for done in [pool.submit(work) for _ in range(requests)]:
            done.result()
        return time.perf_counter() - begin


def compare_served(size: int, requests: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds a picture, in process and served, for 1, 4 and 16 callers at a time; the best of the rounds."""
    picture = simulated(size, 0.010)[0]
    store = Store()
    model = store.open(store.default("atoms"))
    spec = InputSpec.model_validate(model.manifest.input)
    at_a_time = BoundedSemaphore(Settings().workers)

    def in_process() -> emserve.AtomsResult:
        with at_a_time:
            return pipeline.analyse(read(picture.file), model, spec, request_id="benchmark")

    rows = []
    with service() as url, emserve.Client(url, retries=emserve.Retries(attempts=20)) as client:

        def served() -> emserve.AtomsResult:
            return client.atoms(picture.file)

        for threads in CLIENTS:
            times: dict[str, list[float]] = {"in process": [], "served": []}
            for _ in tqdm(range(rounds), desc=f"served, {threads} at a time", file=sys.stderr):
                for name, work in (("in process", in_process), ("served", served)):
                    times[name].append(wall_seconds(work, threads, requests) / requests)
            direct, http = min(times["in process"]), min(times["served"])
            rows.append({"clients": threads, "in_process_s": direct, "served_s": http, "ratio": http / direct})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The comparison as Markdown."""
    lines = ["| clients | in process, ms a picture | served, ms a picture | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {row['clients']} | {1e3 * row['in_process_s']:.1f} | {1e3 * row['served_s']:.1f} | {row['ratio']:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="side of the picture, px")
    parser.add_argument("--requests", type=int, default=48, help="pictures a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(argv)
    print(table(compare_served(arguments.size, arguments.requests, arguments.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
