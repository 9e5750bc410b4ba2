"""Writes the tables of SCALING.md from what was measured: `python k8s/scaling.py`, in the root of the repository.

Between `<!-- NAME -->` and `<!-- /NAME -->` stands what this computes; all else is written by hand. A test compares.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "k8s" / "SCALING.md"

# The task and what is assumed of it.
PICTURES = 1_000_000
DAY_S = 86_400
PEAK = 3  # the busiest hours over the average: instruments are used by day
IN_USE = 0.6  # of the processors that are paid for; above that waiting grows quickly
GPU_IN_USE = 0.7  # where scaling holds `emserve:triton_busy`
SIDE_PX, LARGE_PX = 1024, 4096
BYTES_OF_FILE_PER_PX = 2  # 16-bit camera
BYTES_OF_TENSOR_PER_PX = 4
# Of an answer's JSON; a test measures them.
BYTES_PER_COLUMN = 230
BYTES_PER_DEFECT = 960
DEFECTS = 50
LINK_GBIT, NODES = 10, 4


def results(name: str) -> dict[str, Any]:
    """benchmarks/results/<name>.json."""
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def manifest(model: str) -> dict[str, Any]:
    """What the store says of a model."""
    text = (ROOT / "model_store" / "models" / model / "manifest.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def one(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The row with these values."""
    (found,) = (row for row in rows if all(row[key] == value for key, value in wanted.items()))
    return found


class Costs:
    """What one picture of 1024² costs, in core-seconds unless a name says otherwise."""

    def __init__(self) -> None:
        atoms, defects = results("atoms"), results("defects")
        cores = atoms["environment"]["cores"]
        assert defects["environment"]["cores"] == cores
        self.cores = cores
        self.alone_s = one(atoms["served"], clients=1)["served_s"]
        self.full_s = one(atoms["served"], clients=16)["served_s"]
        self.defects_s = one(defects["requests"], network="defects_maskrcnn", defects=DEFECTS)["request_s"]
        self.network_s = one(defects["networks"], network="defects_maskrcnn", runtime="onnx fp32", size_px=SIDE_PX)[
            "seconds"
        ]
        around = one(defects["around"], defects=DEFECTS)
        bf16 = one(atoms["pipelines"], name="emserve atoms_segresnet, openvino bf16")["seconds"]
        fp32 = one(atoms["pipelines"], name="emserve atoms_segresnet, onnx fp32")["seconds"]
        scores = manifest("atoms_segresnet")["scores"]
        self.columns = scores["held_out"]["columns"] / scores["held_out"]["pictures"]
        self.maps = manifest("dislocations_unetplusplus")["tensors"]["outputs"][0]["shape"][1]
        self.fp32_extra = (fp32 - bf16) * cores

        self.atoms = self.full_s * cores
        self.defects = self.defects_s * cores
        self.fit = atoms["fit_s_per_1000"] * self.columns / 1000
        self.atoms_triton = self.atoms - self.fit + self.fp32_extra
        self.defects_front = around["preprocess_s"] + around["postprocess_s"] + around["answer_s"]
        self.defects_triton = self.network_s * cores


class Deployed:
    """What the manifests allow."""

    def __init__(self) -> None:
        folder = ROOT / "k8s"
        settings = dict(
            line.split("=", 1) for line in (folder / "base/settings.env").read_text().split() if "=" in line
        )
        self.workers = int(settings["EMSERVE_WORKERS"])
        self.most, self.processors = {}, {}
        for name in ("front", "triton"):
            scaler = yaml.safe_load((folder / f"components/hpa/{name}.yaml").read_text())["spec"]
            self.least = scaler["minReplicas"]
            self.most[name] = scaler["maxReplicas"]
            pod = yaml.safe_load((folder / f"base/{name}/deployment.yaml").read_text())["spec"]["template"]["spec"]
            self.processors[name] = int(pod["containers"][0]["resources"]["limits"]["cpu"])


RATE = PICTURES / DAY_S
TIMES = (LARGE_PX / SIDE_PX) ** 2


def busy(core_s: float) -> float:
    """Cores that are busy on average."""
    return RATE * core_s


def paid(core_s: float) -> float:
    """Cores that have to be there in the busiest hours."""
    return RATE * PEAK * core_s / IN_USE


def pods(core_s: float, processors: int) -> int:
    """Pods of so many processors in the busiest hours."""
    return math.ceil(paid(core_s) / processors)


def table(head: list[str], rows: list[list[str]]) -> str:
    """As Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def measured(costs: Costs) -> str:
    """What one picture costs, and which field says so."""
    network = f"`defects.json` networks[defects_maskrcnn, onnx fp32, {SIDE_PX}].seconds"
    rows = [
        ["atoms, service full (16 clients)", "`atoms.json` served[clients=16].served_s", costs.full_s, costs.atoms],
        ["atoms, service else idle", "`atoms.json` served[clients=1].served_s", costs.alone_s, None],
        [
            f"atoms, the fit of {costs.columns:.0f} columns",
            "`atoms.json` fit_s_per_1000 × `manifest.yaml` scores.held_out.columns / pictures",
            costs.fit,
            costs.fit,
        ],
        [
            "atoms, more for fp32 in ONNX Runtime",
            "`atoms.json` pipelines: onnx fp32 − openvino bf16",
            costs.fp32_extra / costs.cores,
            costs.fp32_extra,
        ],
        [
            f"defects, {DEFECTS} in the picture, one request",
            f"`defects.json` requests[defects_maskrcnn, {DEFECTS}].request_s",
            costs.defects_s,
            costs.defects,
        ],
        ["of that, the network in ONNX Runtime", network, costs.network_s, costs.defects_triton],
        [
            "of that, all around it",
            f"`defects.json` around[{DEFECTS}]: preprocess_s + postprocess_s + answer_s",
            costs.defects_front,
            costs.defects_front,
        ],
    ]
    lines = [[a, b, f"{c:.3f}", "" if d is None else f"{d:.3f}"] for a, b, c, d in rows]
    return table(["picture of 1024²", "field", f"s on {costs.cores} cores", "core-seconds, at most"], lines)


def together(costs: Costs, deployed: Deployed) -> str:
    """Everything in the fronts."""
    size, rows = deployed.processors["front"], []
    for name, side, core_s in (
        ("atoms", SIDE_PX, costs.atoms),
        ("defects", SIDE_PX, costs.defects),
        ("atoms", LARGE_PX, costs.atoms * TIMES),
        ("defects", LARGE_PX, costs.defects * TIMES),
    ):
        how = "" if side == SIDE_PX else ", by pixels, not measured"
        rows.append(
            [
                f"{name}, {side}²{how}",
                f"{core_s:.2f}",
                f"{busy(core_s):.1f}",
                f"{paid(core_s):.0f}",
                str(pods(core_s, size)),
                f"{PICTURES * core_s / 3600:.0f}",
            ]
        )
    head = [
        "a million a day of",
        "core-s a picture",
        "cores busy",
        "cores to pay for",
        f"pods of {size} cores",
        "core-hours",
    ]
    return table(head, rows)


def apart(costs: Costs, deployed: Deployed) -> str:
    """Fronts and Triton on processors."""
    rows = []
    for name, front, triton in (
        (f"atoms, {SIDE_PX}²", costs.atoms, costs.atoms_triton),
        (f"defects, {SIDE_PX}²", costs.defects_front, costs.defects_triton),
        (f"atoms, {LARGE_PX}², by pixels, not measured", costs.atoms * TIMES, costs.atoms_triton * TIMES),
        (f"defects, {LARGE_PX}², by pixels, not measured", costs.defects_front * TIMES, costs.defects_triton * TIMES),
    ):
        row = [name]
        for kind, core_s in (("front", front), ("triton", triton)):
            number = max(deployed.least, pods(core_s, deployed.processors[kind]))
            row += [f"{core_s:.2f}", f"{number} of {deployed.most[kind]}"]
        rows.append(row)
    head = ["", "front, core-s at most", "fronts", "Triton, core-s at most", "Tritons"]
    return table(head, rows)


def gpus(costs: Costs, deployed: Deployed) -> str:
    """What a GPU would have to do; none was measured."""
    rows = []
    for side, times in ((SIDE_PX, 1.0), (LARGE_PX, TIMES)):
        tiles = RATE * PEAK * times
        limit = [1000 * GPU_IN_USE * number / tiles for number in (deployed.least, deployed.most["triton"])]
        replaced = paid(max(costs.atoms_triton, costs.defects_triton) * times)
        rows.append([f"{side}²", f"{tiles:.0f}", *(f"{each:.1f}" for each in limit), f"{replaced:.0f}", "not measured"])
    few, most = deployed.least, deployed.most["triton"]
    return table(
        [
            "pictures of",
            "tiles of 1024² a second in the busiest hours",
            f"{few} GPUs do if a tile takes at most, ms",
            f"{most} GPUs, ms",
            "cores of Triton that they replace",
            "what a tile takes on a GPU",
        ],
        rows,
    )


def traffic(costs: Costs) -> str:
    """Bytes that travel."""
    rows = []
    for side in (SIDE_PX, LARGE_PX):
        pixels = side**2
        answer = costs.columns * BYTES_PER_COLUMN * pixels / SIDE_PX**2
        for name, size in (
            ("client → front, 16 bits a pixel", pixels * BYTES_OF_FILE_PER_PX),
            ("front → client, JSON of the atoms", answer),
            ("front → Triton, 32 bits a pixel", pixels * BYTES_OF_TENSOR_PER_PX),
            ("Triton → front, map of the atoms", pixels * BYTES_OF_TENSOR_PER_PX),
            (f"Triton → front, {costs.maps} maps of lines", pixels * BYTES_OF_TENSOR_PER_PX * costs.maps),
        ):
            gbit = RATE * size * 8 / 1e9
            rows.append([f"{side}²", name, f"{size / 1e6:.1f}", f"{gbit:.2f}", f"{gbit * PEAK:.2f}"])
    return table(["pictures of", "way", "MB a picture", "Gbit/s on average", "Gbit/s in the busiest hours"], rows)


def storage(costs: Costs) -> str:
    """What is kept, if it is kept."""
    rows = []
    for name, size in (
        (f"pictures of {SIDE_PX}², 16 bits", SIDE_PX**2 * BYTES_OF_FILE_PER_PX),
        (f"pictures of {LARGE_PX}², 16 bits", LARGE_PX**2 * BYTES_OF_FILE_PER_PX),
        (f"JSON of {costs.columns:.0f} columns", costs.columns * BYTES_PER_COLUMN),
        (f"JSON of {DEFECTS} defects", DEFECTS * BYTES_PER_DEFECT),
    ):
        day = PICTURES * size / 1e12
        rows.append([name, f"{size / 1e6:.2f}", f"{day:.2f}", f"{day * 30:.0f}", f"{day * 365:.0f}"])
    return table(["", "MB each", "TB a day", "TB after 30 days", "TB a year"], rows)


def limits(costs: Costs, deployed: Deployed) -> str:
    """What ends first, as multiples of the busiest hours."""
    peak = RATE * PEAK
    link = NODES * LINK_GBIT * 1e9 / 8
    rows = []
    for side, times in ((SIDE_PX, 1.0), (LARGE_PX, TIMES)):
        fits = deployed.most["front"] * deployed.processors["front"]
        networks = deployed.most["triton"] * deployed.processors["triton"]
        tensor = side**2 * BYTES_OF_TENSOR_PER_PX
        at_work = deployed.most["front"] * deployed.workers
        for name, capacity in (
            (f"{at_work} pictures at work in {deployed.most['front']} fronts", at_work / (costs.alone_s * times)),
            (f"{deployed.most['front']} fronts: the fits of atoms", fits / (costs.fit * times)),
            (f"{deployed.most['triton']} Tritons on processors: atoms", networks / (costs.atoms_triton * times)),
            (f"{deployed.most['triton']} Tritons on processors: defects", networks / (costs.defects_triton * times)),
            (f"{NODES} nodes with {LINK_GBIT} Gbit/s: maps of lines", link / (tensor * costs.maps)),
            (f"{NODES} nodes with {LINK_GBIT} Gbit/s: tensors to Triton", link / tensor),
        ):
            rows.append([f"{side}²", name, f"{capacity:.0f}", f"{capacity / peak:.1f}"])
    return table(["pictures of", "limit", "pictures a second, at most", "× the busiest hours"], rows)


def text(page: str) -> str:
    """The page with tables of what was measured."""
    costs, deployed = Costs(), Deployed()
    tables = {
        "measured": measured(costs),
        "together": together(costs, deployed),
        "apart": apart(costs, deployed),
        "gpus": gpus(costs, deployed),
        "traffic": traffic(costs),
        "storage": storage(costs),
        "limits": limits(costs, deployed),
    }
    for name, body in tables.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        page, number = re.subn(pattern, rf"\g<1>{body}\n\g<2>", page, flags=re.DOTALL)
        assert number == 1, name
    return page


if __name__ == "__main__":
    PAGE.write_text(text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
