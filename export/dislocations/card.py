"""The card of a network for dislocation lines: what it is, how good it is, where it fails."""

from __future__ import annotations

from export.about import About
from export.dislocations.scores import Scores, film_table, matrix_table, score_table, table_by_lines
from export.parity import ParityReport
from export.sections import failures, origin, runtime_table, training_parts
from model_store.manifest import Manifest


def card(manifest: Manifest, about: About, report: ParityReport) -> str:
    """The card as Markdown: figures from the manifest and the parity report, prose from `about`."""
    spec = manifest.input
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"{manifest.title}: a micrograph in, one mask for each dislocation line out. {manifest.architecture}, "
        f"{manifest.parameters:,} parameters, {manifest.files['onnx'].bytes / 2**20:.1f} MB. "
        f"Licence: {manifest.licence}.",
        "## Input and output",
        f"`{manifest.tensors.inputs[0].name}`: float32 (batch, 1, height, width) of any height and width, the "
        f"picture's {spec['percentiles'][0]} and {spec['percentiles'][1]} percentiles scaled to 0 and 1. "
        f"`{manifest.tensors.outputs[0].name}`: (batch, {spec['most_lines']}, height, width), 0 to 1. Which line is in "
        f"which mask means nothing, and masks that are not needed are empty. {_tiles(manifest)}",
        *origin(manifest),
        *training_parts(manifest.training, about),
        "## Scores",
        *_scores(manifest.scores, about),
        "## Runtimes",
        f"Largest difference of a mask to {report.reference}, on synthetic frames of several shapes:",
        runtime_table(manifest, report),
        *failures(about),
    ]
    return "\n\n".join(parts) + "\n"


def _tiles(manifest: Manifest) -> str:
    spec = manifest.input
    return (
        f"The pipeline shows it pictures in tiles of {spec['tile_px']} px that overlap by {spec['overlap_px']} px, and "
        f"cuts a tile with nearly {spec['most_lines']} lines further, down to {spec['smallest_tile_px']} px."
    )


def _scores(scores: Scores, about: About) -> list[str]:
    parts = [about.measured.strip()] if about.measured else []
    if not scores:
        return parts or ["Not measured here. `python -m training evaluate dislocations` measures it."]
    tables = (
        ("### Pictures", score_table(scores)),
        ("Length score by the number of lines in the picture:", table_by_lines(scores)),
        ("### Films of known motion", film_table(scores)),
        ("### Length score of the same network trained on one kind of pictures, tested on all", matrix_table(scores)),
    )
    return [*parts, *(part for heading, table in tables if table for part in (heading, table))]
