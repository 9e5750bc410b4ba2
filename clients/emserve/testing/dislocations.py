"""Answers about dislocation lines that look like real ones, for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from emserve.results import (
    DislocationLine,
    DislocationsFrame,
    DislocationsParameters,
    DislocationsResult,
    DislocationsStatistics,
    DislocationsTracks,
    DislocationTrack,
    Drift,
    PairDistance,
    StackError,
    StackParameters,
    TrackedLine,
)
from emserve.testing.figures import TIMINGS, distribution, micrograph, model

_SPACING_PX = 12.0


def dislocations_result(
    *, lines: int = 3, width_px: int = 64, height_px: int = 64, pixel_size_nm: float | None = 0.5
) -> DislocationsResult:
    """A plausible answer: arcs of circles, 12 px apart, from top to bottom. No physics."""
    found = [DislocationLine(**_arc(k, 0.0, height_px, pixel_size_nm)) for k in range(lines)]
    return DislocationsResult(
        request_id="fake",
        model=model("dislocations"),
        micrograph=micrograph(width_px, height_px, pixel_size_nm),
        timings_ms=TIMINGS,
        parameters=_PARAMETERS.model_copy(update={"field_height_px": height_px}),
        statistics=_statistics(found, width_px, height_px, pixel_size_nm),
        lines=found,
        slip_traces=[],
    )


def stack_answer(
    frames: int = 5,
    *,
    lines: int = 3,
    velocity_px_per_frame: float = 1.5,
    frame_time_s: float | None = 0.04,
    width_px: int = 64,
    height_px: int = 64,
    pixel_size_nm: float | None = 0.5,
    error: StackError | None = None,
) -> list[DislocationsFrame | DislocationsTracks | StackError]:
    """The messages of a plausible video: the lines of `dislocations_result`, all moving to the right at one velocity.

    With an error, it comes last.
    """
    messages: list[DislocationsFrame | DislocationsTracks | StackError] = []
    info = micrograph(width_px, height_px, pixel_size_nm, frames=frames)
    step = pixel_size_nm
    for k in range(frames):
        dx = velocity_px_per_frame * k
        tracked = [
            TrackedLine(
                **_arc(i, dx, height_px, step),
                track=i + 1,
                dx_px=dx,
                dy_px=0.0,
                dx_nm=None if step is None else dx * step,
                dy_nm=None if step is None else 0.0,
                moved_px=velocity_px_per_frame if k else 0.0,
                moved_nm=None if step is None else velocity_px_per_frame * step if k else 0.0,
                frames_since=min(k, 1),
            )
            for i in range(lines)
        ]
        messages.append(
            DislocationsFrame(
                request_id="fake",
                model=model("dislocations"),
                micrograph=info.model_copy(update={"frame": k}),
                timings_ms=TIMINGS,
                number=k,
                time_s=None if frame_time_s is None else k * frame_time_s,
                parameters=_PARAMETERS.model_copy(update={"field_height_px": height_px}),
                statistics=_statistics(tracked, width_px, height_px, step),
                lines=tracked,
                slip_traces=[],
                drift=Drift(
                    dx_px=0.0,
                    dy_px=0.0,
                    dx_nm=None if step is None else 0.0,
                    dy_nm=None if step is None else 0.0,
                    sure=True,
                ),
                pairs=[
                    PairDistance(
                        first=a + 1,
                        second=b + 1,
                        distance_px=_SPACING_PX * (b - a),
                        distance_nm=None if step is None else _SPACING_PX * (b - a) * step,
                    )
                    for a, b in combinations(range(lines), 2)
                ],
            )
        )
    if frames:
        messages.append(_tracks(frames, lines, velocity_px_per_frame, frame_time_s, info, height_px))
    return messages if error is None else [*messages, error]


_PARAMETERS = DislocationsParameters(
    threshold=0.5,
    shear_modulus_gpa=None,
    burgers_vector_nm=None,
    field_height_px=64,
    scale_x=1.0,
    scale_y=1.0,
    tiles=1,
)


def _tracks(
    frames: int, lines: int, velocity: float, frame_time_s: float | None, info: Any, height_px: int
) -> DislocationsTracks:
    step = info.pixel_size_x_nm
    known = step is not None and frame_time_s is not None
    length_px = _arc(0, 0.0, height_px, None)["length_px"]
    return DislocationsTracks(
        request_id="fake",
        model=model("dislocations"),
        micrograph=info.model_copy(update={"frame": frames - 1}),
        timings_ms=TIMINGS,
        frames=frames,
        parameters=StackParameters(frame_time_s=frame_time_s, gate_px=25.0, memory=3, correct_drift=True),
        tracks=[
            DislocationTrack(
                number=i + 1,
                first_frame=0,
                last_frame=frames - 1,
                finds=frames,
                glide_angle_deg=0.0 if frames > 1 else None,
                displacement_px=velocity * (frames - 1),
                displacement_nm=None if step is None else velocity * (frames - 1) * step,
                velocity_px_per_frame=velocity if frames > 1 else None,
                velocity_std_px_per_frame=0.0 if frames > 2 else None,
                velocity_nm_per_s=velocity * step / frame_time_s if known and frames > 1 else None,
                velocity_std_nm_per_s=0.0 if known and frames > 2 else None,
                length_px=length_px,
                length_nm=None if step is None else length_px * step,
            )
            for i in range(lines)
        ],
    )


def _arc(k: int, dx: float, height_px: int, step: float | None) -> dict[str, Any]:
    """An arc that bows to the right, from the top of the picture to its bottom."""
    half = (height_px - 17) / 2
    radius = 2.0 * half
    angles = [math.asin(half / radius) * (2 * i / 49 - 1) for i in range(50)]
    left, middle = 8 + _SPACING_PX * k + dx - radius * math.cos(angles[0]), (height_px - 1) / 2
    points = [(round(left + radius * math.cos(a), 3), round(middle + radius * math.sin(a), 3)) for a in angles]
    length = radius * (angles[-1] - angles[0])
    values: dict[str, Any] = {
        "number": k + 1,
        "score": 0.9,
        "length_px": length,
        "length_nm": None if step is None else length * step,
        "mean_curvature_per_px": 1 / radius,
        "mean_curvature_per_nm": None if step is None else 1 / radius / step,
        "max_curvature_per_px": 1 / radius,
        "max_curvature_per_nm": None if step is None else 1 / radius / step,
        "radius_px": radius,
        "radius_nm": None if step is None else radius * step,
        "stress_mpa": None,
        "width_px": 3.0,
        "touches_edge": False,
        "points_px": points,
        "curvature_per_px": [1 / radius] * 50,
        "curvature_per_nm": None if step is None else [1 / radius / step] * 50,
    }
    for end, (x, y) in (("start", points[0]), ("end", points[-1])):
        values |= {f"{end}_x_px": x, f"{end}_y_px": y}
        values |= {f"{end}_x_nm": None if step is None else x * step, f"{end}_y_nm": None if step is None else y * step}
    return values


def _statistics(
    lines: Sequence[DislocationLine], width_px: int, height_px: int, step: float | None
) -> DislocationsStatistics:
    lengths = [line.length_px for line in lines]
    curvatures = [line.mean_curvature_per_px for line in lines]
    distances = [[_SPACING_PX * abs(a - b) for b in range(len(lines))] for a in range(len(lines))]
    nearest = [_SPACING_PX] * len(lines) if len(lines) > 1 else []
    area = width_px * height_px
    return DislocationsStatistics(
        count=len(lines),
        field_of_view_nm2=None if step is None else area * step**2,
        total_length_px=sum(lengths),
        total_length_nm=None if step is None else sum(lengths) * step,
        density_per_px=sum(lengths) / area,
        density_per_nm=None if step is None else sum(lengths) / area / step,
        length_px=distribution(lengths),
        length_nm=None if step is None else distribution([length * step for length in lengths]),
        curvature_per_px=distribution(curvatures),
        curvature_per_nm=None if step is None else distribution([curvature / step for curvature in curvatures]),
        distances_px=distances,
        distances_nm=None if step is None else [[d * step for d in row] for row in distances],
        nearest_px=distribution(nearest),
        nearest_nm=None if step is None else distribution([d * step for d in nearest]),
    )
