"""The family `dislocations`: how each dislocation line runs. The whole way is `analysis.dislocations.pipeline`."""

from __future__ import annotations

import numpy as np

from analysis.dislocations.answer import result
from analysis.dislocations.pipeline import analyse
from analysis.dislocations.preprocess import InputSpec
from analysis.dislocations.statistics import LineTension
from analysis.micrograph import Micrograph
from bentos.family import Family, Watched
from bentos.parameters import DislocationsForm, LinesForm
from emserve.exceptions import InvalidParameter
from emserve.results import DislocationsResult


def line_tension(form: LinesForm) -> LineTension | None:
    """The constants of the stress; raises InvalidParameter that names the missing one where only one was sent."""
    constants = {"shear_modulus_gpa": form.shear_modulus_gpa, "burgers_vector_nm": form.burgers_vector_nm}
    missing = [name for name, value in constants.items() if value is None]
    if len(missing) == 1:
        raise InvalidParameter(
            f"`{missing[0]}` is missing: the stress needs both constants.",
            remedy="Send `shear_modulus_gpa` and `burgers_vector_nm`, or neither.",
            field=missing[0],
        )
    if form.shear_modulus_gpa is None or form.burgers_vector_nm is None:
        return None
    return LineTension(form.shear_modulus_gpa, form.burgers_vector_nm)


def _analyse(
    micrograph: Micrograph, network: Watched, spec: InputSpec, form: DislocationsForm, request_id: str
) -> DislocationsResult:
    analysis = analyse(micrograph, network, spec, threshold=form.threshold, tension=line_tension(form))
    return result(micrograph, analysis, request_id=request_id)


def _lines(spec: InputSpec) -> tuple[np.ndarray, DislocationsForm]:
    side, pitch = spec.tile_px, 64
    y, x = np.mgrid[:side, :side].astype(np.float32)
    bowed = x + 24 * np.sin(np.pi * y / side)
    lines = np.where(np.abs(bowed % pitch - pitch / 2) < 2, np.float32(60), np.float32(180))
    known = spec.pixel_size_range_nm
    return lines, DislocationsForm(pixel_size_nm=known[1] if known else None)


FAMILY = Family(
    name="dislocations",
    summary="How each dislocation line runs",
    description="Finds the dislocation lines of a micrograph, each with a spline through it, its length and its "
    "curvature, and, where shear modulus and Burgers vector are given, the stress that bows it out.",
    form=DislocationsForm,
    spec=InputSpec,
    result=DislocationsResult,
    analyse=_analyse,
    probe=_lines,
)
