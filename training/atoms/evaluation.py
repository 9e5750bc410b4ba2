"""How good a model is, through the whole pipeline that is served: simulated lattices and real micrographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from analysis.atoms.pipeline import analyse
from analysis.atoms.preprocess import InputSpec
from analysis.atoms.sites import Sites, fit_sites
from analysis.micrograph import Micrograph, read_file
from analysis.network import Network
from emserve.results import AtomsResult
from training.atoms.scoring import score_of
from training.atoms.synthetic import RANDOM, SyntheticMicrograph, draw_parameters, render
from training.atoms.synthetic.parameters import Quality

FIRST_SEED = 100_000
"""Of the evaluation's pictures: below every training seed, apart from those of the validation while training."""
SIZE_PX = 512

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RealPicture:
    """A real micrograph of a perfect crystal; pixel_size_nm is None where the file says it or nobody knows it."""

    file: str
    title: str
    pixel_size_nm: float | None


REAL_PICTURES = (
    RealPicture("strontium_titanate.ser", "SrTiO3 [100]", None),
    RealPicture("silicon_110.png", "Si [110]", 0.0098),
    RealPicture("dyscandate.png", "DyScO3", None),
)


def micrograph_of(synthetic: SyntheticMicrograph) -> Micrograph:
    """A simulated picture as if it had been read from a file that says its pixel size."""
    return Micrograph(
        pixels=synthetic.pixels,
        pixel_size_x_nm=synthetic.pixel_size_nm,
        pixel_size_y_nm=synthetic.pixel_size_nm,
        pixel_size_source="file",
        frames=1,
        frame=0,
        format="npy",
        sha256=64 * "0",
    )


def columns_of(result: AtomsResult) -> Points:
    """(n, 2) positions of an answer's columns in pixels of the micrograph."""
    return np.array([(column.x_px, column.y_px) for column in result.columns], dtype=np.float64).reshape(-1, 2)


def held_out(
    lattice: str, *, pictures: int, quality: Quality = "usual", size_px: int = SIZE_PX
) -> Iterator[SyntheticMicrograph]:
    """Simulated pictures of one lattice with seeds that no training used."""
    for number in range(pictures):
        yield render(
            draw_parameters(FIRST_SEED + number, size=(size_px, size_px), lattices=(lattice,), quality=quality)
        )


def evaluate_simulated(
    network: Network,
    spec: InputSpec,
    lattices: Sequence[str],
    *,
    pictures: int,
    quality: Quality = "usual",
    **options: Any,
) -> dict[str, dict[str, float]]:
    """ID-recall, ID-precision and Δd (pm) of every lattice and, as `all`, of all columns but those of random lattices.

    `options` go to the pipeline: threshold, postprocess, refine. The 0.5 Å rule is the benchmark paper's.
    """
    out: dict[str, dict[str, float]] = {}
    total = np.zeros(4)
    for lattice in lattices:
        sums = np.zeros(4)
        drawn = held_out(lattice, pictures=pictures, quality=quality)
        for synthetic in tqdm(drawn, desc=f"{lattice}, {quality}", total=pictures, unit="", leave=False, disable=None):
            result = analyse(micrograph_of(synthetic), network, spec, request_id="evaluation", **options)
            one = score_of(columns_of(result), synthetic)
            squares = one.matched * one.rms_pm**2 if one.matched else 0.0
            sums += (one.matched, one.n_true, one.n_predicted, squares)
        out[lattice] = _figures(sums, pictures)
        total += 0 if lattice == RANDOM else sums
    out["all"] = _figures(total, pictures * len(set(lattices) - {RANDOM}))
    return out


def _figures(sums: npt.NDArray[np.float64], pictures: int) -> dict[str, float]:
    matched, true, predicted, squares = sums
    return {
        "recall": float(matched / max(true, 1)),
        "precision": float(matched / max(predicted, 1)),
        "rms_pm": float(np.sqrt(squares / max(matched, 1))),
        "columns": int(true),
        "pictures": pictures,
    }


@dataclass(frozen=True)
class RealReport:
    """A real micrograph, the pipeline's answer, and the sites of the lattice fitted to its columns."""

    picture: RealPicture
    micrograph: Micrograph
    result: AtomsResult
    sites: Sites | None

    def figures(self) -> dict[str, Any]:
        """Numbers for the evaluation's JSON."""
        statistics = self.result.statistics
        out: dict[str, Any] = {
            "title": self.picture.title,
            "columns": statistics.count,
            "nearest_neighbour_median_px": statistics.nearest_neighbour_median_px,
            "warnings": [notice.code for notice in self.result.warnings],
        }
        if self.sites is not None:
            out |= {
                "sites": len(self.sites.xy),
                "columns_a_cell": len(self.sites.basis),
                "sites_found": self.sites.found,
                "columns_off_the_lattice": self.sites.off_lattice,
            }
        return out


def evaluate_real(network: Network, spec: InputSpec, folder: Path, **options: Any) -> list[RealReport]:
    """Every known real micrograph that is in the folder, with the sites of its own fitted lattice."""
    reports = []
    for picture in REAL_PICTURES:
        path = folder / picture.file
        if not path.exists():
            continue
        micrograph = read_file(path, pixel_size_nm=picture.pixel_size_nm)
        result = analyse(micrograph, network, spec, request_id="evaluation", **options)
        # A column whose centre is at the very border is half a column: sites there are not asked for.
        margin = (result.statistics.nearest_neighbour_median_px or 0.0) / 2
        sites = fit_sites(columns_of(result), shape=micrograph.pixels.shape, margin_px=margin)
        reports.append(RealReport(picture, micrograph, result, sites))
    return reports
