"""What a request for defects spends beside the network: with many defects in one picture, and in a whole request.

No network here answers 500 defects in one picture of 1024²: R50-FPN answers 100 at most, the one that ships 300. So 500
are measured twice. Once as if one had, which is what the measurement itself costs. And once as they occur: in a file of
8 micrographs of irradiated FeCrAl beside each other, which the pipeline reads, cuts into tiles and puts together again.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tifffile

from analysis.defects import answer
from analysis.defects.pipeline import analyse
from analysis.defects.preprocess import InputSpec
from analysis.micrograph import Micrograph, read
from benchmarks.mask_rcnns import CLASSES, Contestant
from emserve.results import ModelInfo
from export.defects.samples import drawn

FIRST_SEED = 900_000_300
PIXEL_SIZE_NM = 0.5
PART_PX, PARTS, PART_PIXEL_SIZE_NM = 1024, (2, 4), 0.2832  # of the whole request: as the labelled micrographs of FeCrAl
THICKNESS_NM = 100.0
INFO = ModelInfo(name="benchmark", family="defects", version="0", sha256="", runtime="none", precision="fp32")
Row = dict[str, Any]
Arrays = Mapping[str, np.ndarray]


class Crowd:
    """A network that answers at once: so many defects, ellipses of 12 to 60 px, anywhere in the picture."""

    info = INFO

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

    def run_named(self, inputs: Arrays) -> Arrays:
        """The answer."""
        return self.answer


class Recorded:
    """A network that is run for each tile; its answers are kept, or replaced by kept ones of another network."""

    info = INFO

    def __init__(self, run: Callable[[np.ndarray], Arrays], instead: Sequence[Arrays] = ()) -> None:
        self.run, self.instead = run, instead
        self.answers: list[Arrays] = []

    def run_named(self, inputs: Arrays) -> Arrays:
        """Runs it on a tile."""
        found = self.run(inputs["image"])
        self.answers.append(self.instead[len(self.answers)] if self.instead else found)
        return self.answers[-1]


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
            found = analyse(micrograph, network, spec, thickness_nm=THICKNESS_NM)
            begin = time.perf_counter()
            answer.result(micrograph, found, request_id="benchmark").model_dump_json()
            spent = found.timings_ms
            times.append((spent.preprocess / 1000, spent.postprocess / 1000, time.perf_counter() - begin))
        before, after, answered = np.min(times, axis=0).tolist()
        rows.append({"defects": count, "preprocess_s": before, "postprocess_s": after, "answer_s": answered})
    return rows


def fastest(contestants: Sequence[Contestant], rows: Sequence[Row], size: int) -> list[tuple[Contestant, float]]:
    """The fastest way to run each network that needs no remark, and its seconds on a picture of that size."""
    seconds = {(r["network"], r["runtime"]): r["seconds"] for r in rows if r["size_px"] == size and not r["remark"]}
    best = [
        min((key for key in seconds if key[0] == network), key=lambda key: seconds[key])
        for network in dict.fromkeys(network for network, _ in seconds)
    ]
    by_name = {(c.network, c.way): c for c in contestants}
    return [(by_name[key], seconds[key]) for key in best]


def crowded(best: Sequence[tuple[Contestant, float]], around: Sequence[Row]) -> list[Row]:
    """What share of a request what follows the network is, had it found so many defects in one picture."""
    found = []
    for contestant, seconds in best:
        for row in around:
            after = row["postprocess_s"] + row["answer_s"]
            whole = seconds + row["preprocess_s"] + after
            found.append(
                {
                    "network": contestant.network,
                    "runtime": contestant.way,
                    "defects": row["defects"],
                    "request_s": whole,
                    "postprocess_share": after / whole,
                }
            )
    return found


def mosaic() -> tuple[bytes, int]:
    """Drawn micrographs beside each other as a calibrated TIFF, and how many defects are in them."""
    rows, columns = PARTS
    parts = [drawn(FIRST_SEED + n, (PART_PX, PART_PX), PART_PIXEL_SIZE_NM) for n in range(rows * columns)]
    pixels = np.block([[parts[row * columns + column].pixels for column in range(columns)] for row in range(rows)])
    buffer, per_nm = io.BytesIO(), 1 / PART_PIXEL_SIZE_NM
    tifffile.imwrite(buffer, pixels, imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"})
    return buffer.getvalue(), sum(len(part.instances) for part in parts)


def requests(best: Sequence[tuple[Contestant, float]], shipped: str, spec: InputSpec, rounds: int) -> list[Row]:
    """Whole requests with some 500 defects: from the file's bytes to the answer's.

    Every network is run on every tile. What is measured of the defects are the answers of the shipped network, as those
    of random weights mean nothing.
    """
    file, there = mosaic()
    recorded = Recorded(next(contestant.run for contestant, _ in best if contestant.network == shipped))
    analyse(read(file), recorded, spec)
    found = []
    for contestant, _ in best:
        own = spec.model_copy(update={"channels": contestant.channels})
        passes = [_request(file, Recorded(contestant.run, recorded.answers), own) for _ in range(rounds)]
        row = min(passes, key=lambda row: row["request_s"])
        found.append({"network": contestant.network, "runtime": contestant.way, "there": there, **row})
    return found


def _request(file: bytes, network: Recorded, spec: InputSpec) -> Row:
    begin = time.perf_counter()
    micrograph = read(file)
    read_at = time.perf_counter()
    found = analyse(micrograph, network, spec, thickness_nm=THICKNESS_NM)
    analysed_at = time.perf_counter()
    answer.result(micrograph, found, request_id="benchmark").model_dump_json()
    end = time.perf_counter()
    spent = found.timings_ms
    after = spent.postprocess / 1000 + end - analysed_at
    return {
        "defects": len(found.instances),
        "tiles": found.tiles,
        "read_s": read_at - begin,
        "preprocess_s": spent.preprocess / 1000,
        "network_s": spent.network / 1000,
        "postprocess_s": spent.postprocess / 1000,
        "answer_s": end - analysed_at,
        "request_s": end - begin,
        "postprocess_share": after / (end - begin),
    }
