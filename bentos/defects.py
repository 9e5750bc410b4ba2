"""The family `defects`: which irradiation defects there are. The whole way is `analysis.defects.pipeline`."""

from __future__ import annotations

import numpy as np

from analysis.defects.answer import result
from analysis.defects.hardening import BarrierModel
from analysis.defects.pipeline import analyse
from analysis.defects.preprocess import InputSpec
from analysis.micrograph import Micrograph
from bentos.family import Family, Watched
from bentos.parameters import DefectsForm
from emserve.exceptions import InvalidParameter
from emserve.results import DefectsResult


def barrier_model(form: DefectsForm, spec: InputSpec) -> BarrierModel:
    """The constants of the hardening; raises InvalidParameter for the strength of a class that the model has not."""
    own = form.barrier_strengths or {}
    unknown = sorted(set(own) - set(spec.classes))
    if unknown:
        raise InvalidParameter(
            f"`barrier_strengths` names {', '.join(unknown)[:80]!r}: the model has no such class.",
            remedy=f"Its classes: {', '.join(spec.classes)}.",
            field="barrier_strengths",
        )
    strengths = {**BarrierModel().strengths, **own}
    return BarrierModel(
        taylor_factor=form.taylor_factor,
        shear_modulus_gpa=form.shear_modulus_gpa,
        burgers_vector_nm=form.burgers_vector_nm,
        strengths={name: strengths[name] for name in spec.classes if name in strengths},
    )


def _analyse(
    micrograph: Micrograph, network: Watched, spec: InputSpec, form: DefectsForm, request_id: str
) -> DefectsResult:
    analysis = analyse(
        micrograph,
        network,
        spec,
        score=form.score,
        thickness_nm=form.thickness_nm,
        barriers=barrier_model(form, spec),
    )
    return result(micrograph, analysis, request_id=request_id)


def _discs(spec: InputSpec) -> tuple[np.ndarray, DefectsForm]:
    side, pitch = spec.tile_px, 64
    y, x = np.mgrid[:side, :side].astype(np.float32) % pitch - pitch / 2
    discs = np.where(x**2 + y**2 < 12**2, np.float32(60), np.float32(180))
    known = spec.resampled_to_nm or spec.pixel_size_range_nm
    return discs, DefectsForm(pixel_size_nm=known[1] if known else None, thickness_nm=100)


FAMILY = Family(
    name="defects",
    summary="Which irradiation defects there are, how large, and how much they harden the alloy",
    description="Finds dislocation loops and black dots in a micrograph, outlines and measures each, counts them per "
    "area, and, where the thickness of the foil is given, sums up what they add to the yield strength.",
    form=DefectsForm,
    spec=InputSpec,
    result=DefectsResult,
    analyse=_analyse,
    probe=_discs,
)
