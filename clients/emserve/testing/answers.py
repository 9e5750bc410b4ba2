"""Answers that look like real ones, for tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from emserve.results import (
    AtomColumn,
    AtomsParameters,
    AtomsResult,
    AtomsStatistics,
    Defect,
    DefectClassStatistics,
    DefectsParameters,
    DefectsResult,
    DefectsStatistics,
    Hardening,
    ModelSummary,
)
from emserve.testing.figures import TIMINGS, distribution, micrograph, model


def atoms_result(
    positions_px: Iterable[tuple[float, float]] | None = None,
    *,
    columns: int = 4,
    width_px: int = 64,
    height_px: int = 64,
    pixel_size_nm: float | None = 0.01,
) -> AtomsResult:
    """A plausible answer: columns at `positions_px`, or `columns` of them 10 px apart in rows. No physics."""
    if positions_px is None:
        a_row = max(1, (width_px - 10) // 10)
        positions_px = [(10.0 * (i % a_row + 1), 10.0 * (i // a_row + 1)) for i in range(columns)]
    found = [
        AtomColumn(
            x_px=float(x),
            y_px=float(y),
            x_nm=None if pixel_size_nm is None else float(x) * pixel_size_nm,
            y_nm=None if pixel_size_nm is None else float(y) * pixel_size_nm,
            score=0.9,
            intensity=1.0,
            background=0.1,
            sigma_major_px=2.0,
            sigma_minor_px=1.9,
            angle_deg=0.0,
            fit_quality=0.99,
            refined=True,
        )
        for x, y in positions_px
    ]
    in_pm = None if pixel_size_nm is None else 10.0 * pixel_size_nm * 1000
    area = None if pixel_size_nm is None else width_px * height_px * pixel_size_nm**2
    return AtomsResult(
        request_id="fake",
        model=model("atoms"),
        micrograph=micrograph(width_px, height_px, pixel_size_nm),
        timings_ms=TIMINGS,
        parameters=AtomsParameters(threshold=0.5, postprocess="log", refine=True, scale_x=1.0, scale_y=1.0),
        statistics=AtomsStatistics(
            count=len(found),
            density_per_nm2=None if area is None else len(found) / area,
            nearest_neighbour_mean_px=10.0,
            nearest_neighbour_median_px=10.0,
            nearest_neighbour_std_px=0.0,
            nearest_neighbour_mean_pm=in_pm,
            nearest_neighbour_median_pm=in_pm,
            nearest_neighbour_std_pm=None if in_pm is None else 0.0,
            lattice=None,
        ),
        columns=found,
    )


def defects_result(
    discs: Iterable[tuple[str, float, float, float]] | None = None,
    *,
    defects: int = 3,
    width_px: int = 64,
    height_px: int = 64,
    pixel_size_nm: float | None = 0.5,
    thickness_nm: float | None = 100.0,
) -> DefectsResult:
    """A plausible answer: a disc for each (class, x, y, diameter) of `discs` in px, or `defects` of them in rows.

    The sizes are those of the discs; hardening and statistics are figures, no physics.
    """
    classes = ("loop_111", "loop_100", "black_dot")
    if discs is None:
        a_row = max(1, (width_px - 10) // 12)
        places = [(10.0 + 12 * (i % a_row), 10.0 + 12 * (i // a_row)) for i in range(defects)]
        discs = [(classes[i % 3], x, y, 8.0) for i, (x, y) in enumerate(places)]
    found = [
        _disc(name, x, y, diameter, 0.99 * 0.99**i, (height_px, width_px), pixel_size_nm)
        for i, (name, x, y, diameter) in enumerate(discs)
    ]
    area = None if pixel_size_nm is None else width_px * height_px * pixel_size_nm**2
    names = list(dict.fromkeys((*classes, *(defect.class_name for defect in found))))
    known = pixel_size_nm is not None and thickness_nm is not None
    by_class = {name: 10.0 * sum(d.class_name == name for d in found) for name in classes}
    return DefectsResult(
        request_id="fake",
        model=model("defects"),
        micrograph=micrograph(width_px, height_px, pixel_size_nm),
        timings_ms=TIMINGS,
        parameters=DefectsParameters(
            score=0.5,
            thickness_nm=thickness_nm,
            taylor_factor=3.06,
            shear_modulus_gpa=82.0,
            burgers_vector_nm=0.249,
            barrier_strengths={"loop_111": 0.11, "loop_100": 0.32, "black_dot": 0.1},
            scale_x=1.0,
            scale_y=1.0,
            tiles=1,
        ),
        statistics=DefectsStatistics(
            count=len(found),
            field_of_view_nm2=area,
            classes=[_statistics(name, [d for d in found if d.class_name == name], area) for name in names],
            all=_statistics(None, found, area),
            hardening=Hardening(
                linear_mpa=sum(by_class.values()),
                quadrature_mpa=math.hypot(*by_class.values()),
                by_class_mpa=by_class,
                bins=[],
            )
            if known
            else None,
        ),
        defects=found,
    )


def _disc(
    name: str, x: float, y: float, diameter: float, score: float, shape: tuple[int, int], pixel_size_nm: float | None
) -> Defect:
    import numpy as np

    from emserve.masks import encode

    rows, columns = np.indices(shape)
    radius = diameter / 2
    mask = encode((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)
    step = pixel_size_nm

    def nm(length_px: float) -> float | None:
        return None if step is None else length_px * step

    return Defect(
        class_name=name,
        score=score,
        x_px=x,
        y_px=y,
        x_nm=nm(x),
        y_nm=nm(y),
        left_px=x - radius,
        top_px=y - radius,
        right_px=x + radius,
        bottom_px=y + radius,
        size_px=diameter,
        size_nm=nm(diameter),
        area_px=sum(mask.counts[1::2]),
        area_nm2=None if step is None else sum(mask.counts[1::2]) * step**2,
        major_px=diameter,
        major_nm=nm(diameter),
        minor_px=diameter,
        minor_nm=nm(diameter),
        angle_deg=0.0,
        equivalent_diameter_px=diameter,
        equivalent_diameter_nm=nm(diameter),
        feret_max_px=diameter,
        feret_max_nm=nm(diameter),
        feret_min_px=diameter,
        feret_min_nm=nm(diameter),
        perimeter_px=math.pi * diameter,
        perimeter_nm=nm(math.pi * diameter),
        heywood=1.0,
        touches_edge=False,
        mask=mask,
    )


def _statistics(class_name: str | None, found: Sequence[Defect], area_nm2: float | None) -> DefectClassStatistics:
    return DefectClassStatistics(
        class_name=class_name,
        count=len(found),
        density_per_nm2=None if area_nm2 is None else len(found) / area_nm2,
        size_px=distribution([defect.size_px for defect in found]),
        size_nm=distribution([defect.size_nm for defect in found if defect.size_nm is not None]),
        heywood=distribution([defect.heywood for defect in found]),
    )


def model_summary(name: str = "fake") -> ModelSummary:
    """A row of `models()`."""
    return ModelSummary(
        name=name,
        family="atoms",
        version="1.0.0",
        title="A model that is not there",
        default=True,
        licence="MIT",
        sha256="0" * 64,
        architecture="none",
        parameters=0,
        best_pixel_size_nm=0.016,
    )
