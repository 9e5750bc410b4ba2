"""What is known of a micrograph's defects → the answer that leaves the house."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from analysis.defects.instances import Instance
from analysis.defects.pipeline import DefectsAnalysis
from analysis.defects.statistics import ClassStatistics
from analysis.micrograph import Micrograph
from emserve.results import (
    Defect,
    DefectClassStatistics,
    DefectMask,
    DefectsParameters,
    DefectsResult,
    DefectsStatistics,
    Hardening,
)

# Digits that mean something, by the unit in the name; all else is answered as it is.
_DIGITS = {"px": 4, "nm": 6, "nm2": 6, "deg": 2, "heywood": 4, "score": 4}


def result(micrograph: Micrograph, analysis: DefectsAnalysis, *, request_id: str) -> DefectsResult:
    """The answer in the contract's words.

    Parameters
    ----------
    micrograph: as it was analysed.
    analysis: what `analysis.defects.pipeline.analyse` made of it.
    request_id: goes into the answer as it is.
    """
    *classes, everything = [_class_statistics(row) for row in analysis.statistics]
    barriers = analysis.barriers
    return DefectsResult(
        request_id=request_id,
        model=analysis.model,
        micrograph=micrograph.info(),
        warnings=list(analysis.notices),
        timings_ms=analysis.timings_ms,
        parameters=DefectsParameters(
            score=analysis.score,
            thickness_nm=analysis.thickness_nm,
            taylor_factor=barriers.taylor_factor,
            shear_modulus_gpa=barriers.shear_modulus_gpa,
            burgers_vector_nm=barriers.burgers_vector_nm,
            barrier_strengths=dict(barriers.strengths),
            scale_x=analysis.scale_x,
            scale_y=analysis.scale_y,
            tiles=analysis.tiles,
        ),
        statistics=DefectsStatistics(
            count=len(analysis.instances),
            field_of_view_nm2=analysis.table.field_nm2,
            classes=classes,
            all=everything,
            hardening=_hardening(analysis),
        ),
        defects=[_defect(instance, micrograph) for instance in analysis.instances],
    )


def _hardening(analysis: DefectsAnalysis) -> Hardening | None:
    if analysis.hardening is None:
        return None
    values = asdict(analysis.hardening)
    # a class that was looked for and not found adds nothing, which is known
    looked_for = [row.class_name for row in analysis.statistics if row.class_name in analysis.barriers.strengths]
    values["by_class_mpa"] = dict.fromkeys(looked_for, 0.0) | values["by_class_mpa"]
    return Hardening.model_validate(values)


def _defect(instance: Instance, micrograph: Micrograph) -> Defect:
    shape, mask = instance.shape, instance.mask
    left, top, right, bottom = instance.box
    step_x, step_y = micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm
    values: dict[str, Any] = {
        "score": instance.score,
        "x_nm": None if step_x is None else shape.x_px * step_x,
        "y_nm": None if step_y is None else shape.y_px * step_y,
        "left_px": left,
        "top_px": top,
        "right_px": right,
        "bottom_px": bottom,
        "size_px": instance.size_px,
        "size_nm": instance.size_nm,
        **vars(shape),
    }
    return Defect(
        class_name=instance.class_name,
        touches_edge=instance.touches_edge,
        mask=DefectMask(
            x_px=mask.x_px, y_px=mask.y_px, width_px=mask.width_px, height_px=mask.height_px, counts=list(mask.counts)
        ),
        **{name: _rounded(name, value) for name, value in values.items()},
    )


def _rounded(name: str, value: float | None) -> float | None:
    digits = _DIGITS.get(name.rpartition("_")[2])
    return value if value is None or digits is None else round(value, digits)


def _class_statistics(row: ClassStatistics) -> DefectClassStatistics:
    values = asdict(row)
    # one picture is answered: the mean over pictures is its own density
    del values["density_mean_per_nm2"], values["density_std_per_nm2"]
    return DefectClassStatistics.model_validate(values)
