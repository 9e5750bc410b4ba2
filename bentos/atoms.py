"""The family `atoms`: where the atom columns are. The whole way is `analysis.atoms.pipeline`."""

from __future__ import annotations

import numpy as np

from analysis.atoms.pipeline import analyse
from analysis.atoms.preprocess import InputSpec
from analysis.micrograph import Micrograph
from bentos.family import Family, Watched
from bentos.parameters import AtomsForm
from emserve.results import AtomsResult


def _analyse(
    micrograph: Micrograph, network: Watched, spec: InputSpec, form: AtomsForm, request_id: str
) -> AtomsResult:
    return analyse(
        micrograph,
        network,
        spec,
        threshold=form.threshold,
        postprocess=form.postprocess,
        refine=form.refine,
        request_id=request_id,
    )


def _lattice(spec: InputSpec) -> tuple[np.ndarray, AtomsForm]:
    y, x = np.mgrid[: spec.tile_px, : spec.tile_px].astype(np.float32)
    return np.cos(x / 3) ** 2 * np.cos(y / 3) ** 2, AtomsForm(pixel_size_nm=spec.best_pixel_size_nm)


FAMILY = Family(
    name="atoms",
    summary="Where every atom column is",
    description="Finds the atom columns of a micrograph and fits each to sub-pixel precision.",
    form=AtomsForm,
    spec=InputSpec,
    result=AtomsResult,
    analyse=_analyse,
    probe=_lattice,
)
