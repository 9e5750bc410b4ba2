"""The card of a model: what it is, what it was trained on, how good it is, where it fails."""

from __future__ import annotations

from typing import Any

from export.parity import ParityReport
from export.sections import runtime_table
from model_store.manifest import Manifest
from training.atoms.targets import SIGMA_PX

LATTICE_TITLES = {
    "srtio3_100": "SrTiO3 [100]",
    "srtio3_110": "SrTiO3 [110]",
    "si_110": "Si [110]",
    "ws2_0001": "WS2 [0001]",
    "dysco3_110": "DyScO3 [110]",
}


def card(manifest: Manifest, report: ParityReport) -> str:
    """The card as Markdown, every figure from the manifest or the parity report."""
    spec = manifest.input
    low, high = spec["pixel_size_range_nm"]
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"{manifest.title}: a micrograph in, the probability of an atom column at every pixel out. "
        f"{manifest.architecture}, {manifest.parameters:,} parameters, {manifest.files['onnx'].bytes / 2**20:.1f} MB. "
        f"Licence: {manifest.licence}.",
        "## Input and output",
        f"`{manifest.tensors.inputs[0].name}`: float32 (batch, 1, height, width), the picture's "
        f"{spec['percentiles'][0]} and {spec['percentiles'][1]} percentiles scaled to 0 and 1; height and width "
        f"multiples of {spec['multiple_of']}. `{manifest.tensors.outputs[0].name}`: the same shape, 0 to 1, a Gaussian "
        f"peak of {SIGMA_PX:g} px standard deviation at each column. Best at "
        f"{1000 * spec['best_pixel_size_nm']:g} pm a pixel, trained on {1000 * low:g} to "
        f"{1000 * high:g}; the pipeline resamples. Exact in tiles that overlap by {spec['halo_px']} px.",
        *_training(manifest),
        *_scores(manifest.scores),
        "## Runtimes",
        f"Largest difference of a map to {report.reference}, on simulated micrographs of several shapes:",
        runtime_table(manifest, report),
        "## Where it fails",
        FAILURES,
    ]
    return "\n\n".join(parts) + "\n"


FAILURES = """\
- It knows bright columns on a darker ground. Bright-field and annular bright-field pictures, diffraction patterns and
  pictures without atomic resolution give nothing that means anything.
- Light columns beside heavy ones (oxygen in an oxide) were background when it was trained: it leaves them out.
- Crystals that it has never seen: it finds their columns, but sometimes draws further faint ones at empty sites, as the
  weak sublattices of its own lattices have taught it. What is darker there than its surroundings is dropped afterwards;
  some remain, mostly on simple square lattices. A higher `threshold` removes more of them.
- The speckle of thick amorphous supports or dirt gives false columns beside a particle.
- Crystals off their zone axis and overlapping grains were not in its training; what it says there was not measured.
- Columns closer than about 5 px at the network's pixel size (80 pm) merge. A wrong pixel size makes this happen.
- A column at the very border of the picture is found less surely and placed less well than one inside.
- Columns with less than 30 % of the brightness of their neighbours (vacancies) were not labelled, so it leaves out
  some that an eye would still see, and finds some that are mostly empty."""


def _training(manifest: Manifest) -> list[str]:
    record = manifest.training
    if record is None:
        return []
    return [
        "## Training",
        f"{record.minutes:g} minutes on {record.device}: {record.data}. No real micrograph was used. The pictures are "
        "multislice unit cells put through a simulated microscope (scan distortions, line jitter, thickness, "
        "background, edges, vacancies, electron counting, electronics, blur, salt and pepper), half of them at usual "
        "quality and half over the whole range of the benchmark paper's settings. Made again by",
        f"    {record.command}",
    ]


def _scores(scores: dict[str, Any]) -> list[str]:
    parts = []
    if "held_out" in scores:
        rows = [
            "| lattice | ID-recall | ID-precision | Δd | columns |",
            "|---|---|---|---|---|",
            *(_row(LATTICE_TITLES.get(name, name), row) for name, row in scores["held_out_by_lattice"].items()),
            _row("these five, usual quality", scores["held_out"]),
        ]
        if "held_out_random_lattices" in scores:
            rows.append(_row("random lattices, usual quality", scores["held_out_random_lattices"]))
        if "held_out_wide" in scores:
            rows.append(_row("these five, wide range", scores["held_out_wide"]))
        parts += [
            "## Scores",
            "Simulated micrographs of 512² px with seeds that no training used, through the whole pipeline (Laplacian "
            "of Gaussian, Gaussian refinement); a column counts as found within 0.5 Å.",
            "\n".join(rows),
        ]
    if "leave_one_out" in scores:
        parts += [
            "### Leave one lattice out",
            "Trained without the lattice, shorter than the model itself (number of steps in the table), measured on "
            "it. The benchmark paper reports 100 % for each.",
            "\n".join(
                [
                    "| lattice left out | ID-recall | ID-precision | Δd | columns | steps |",
                    "|---|---|---|---|---|---|",
                    *(
                        f"{_row(LATTICE_TITLES.get(name, name), row)} {row['steps']} |"
                        for name, row in scores["leave_one_out"].items()
                    ),
                ]
            ),
        ]
    if scores.get("real"):
        parts += [
            "### Real micrographs",
            "The lattice is fitted to the columns that were found, with a smooth distortion; its sites are the truth.",
            "\n".join(
                [
                    "| micrograph | columns | sites | found | columns off the lattice |",
                    "|---|---|---|---|---|",
                    *(_real_row(file, row) for file, row in scores["real"].items()),
                ]
            ),
        ]
    return parts


def _row(title: str, row: dict[str, Any]) -> str:
    return f"| {title} | {row['recall']:.4f} | {row['precision']:.4f} | {row['rms_pm']:.1f} pm | {row['columns']} |"


def _real_row(file: str, row: dict[str, Any]) -> str:
    if "sites" not in row:
        return f"| {row['title']} (`{file}`) | {row['columns']} | no lattice was found | | |"
    return (
        f"| {row['title']} (`{file}`) | {row['columns']} | {row['sites']} | {100 * row['sites_found']:.2f} % "
        f"| {100 * row['columns_off_the_lattice']:.2f} % |"
    )
