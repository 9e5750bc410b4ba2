"""Served against in process: `python -m benchmarks.served`.

The same simulated 1024² file is analysed the same number of times by threads that call the pipeline directly and by
clients of a real service on this machine, 1, 4 and 16 at a time, in turns. Both start from the file's bytes and end
with an AtomsResult; both use the same runtime and threads. Printed: wall time per picture and its ratio.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from tqdm import tqdm

import emserve
from analysis.atoms import pipeline
from analysis.atoms.preprocess import InputSpec
from analysis.micrograph import read
from benchmarks.environment import describe
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


def main(argv: list[str] | None = None) -> int:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served", description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="side of the picture, px")
    parser.add_argument("--requests", type=int, default=48, help="pictures a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    arguments = parser.parse_args(argv)

    picture = simulated(arguments.size, 0.010)[0]
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
            for _ in tqdm(range(arguments.rounds), desc=f"{threads} at a time", file=sys.stderr):
                for name, work in (("in process", in_process), ("served", served)):
                    times[name].append(wall_seconds(work, threads, arguments.requests) / arguments.requests)
            direct, http = min(times["in process"]), min(times["served"])
            rows.append({"clients": threads, "in_process_s": direct, "served_s": http, "ratio": http / direct})
    print("| clients | in process, ms a picture | served, ms a picture | ratio |\n|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['clients']} | {1e3 * row['in_process_s']:.1f} | {1e3 * row['served_s']:.1f} | {row['ratio']:.2f} |"
        )
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"environment": describe(), "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
