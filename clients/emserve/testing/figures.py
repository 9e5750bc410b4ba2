"""What made-up answers of all families have in common."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Sequence

from emserve.results import Distribution, MicrographInfo, ModelInfo, Timings

TIMINGS = Timings(read=1.0, preprocess=1.0, network=1.0, postprocess=1.0)


def model(family: str) -> ModelInfo:
    """A model that is not there."""
    return ModelInfo(name="fake", family=family, version="1.0.0", sha256="0" * 64, runtime="fake", precision="fp32")


def micrograph(width_px: int, height_px: int, pixel_size_nm: float | None, *, frames: int = 1) -> MicrographInfo:
    """A micrograph of no bytes."""
    return MicrographInfo(
        width_px=width_px,
        height_px=height_px,
        frames=frames,
        frame=0,
        pixel_size_x_nm=pixel_size_nm,
        pixel_size_y_nm=pixel_size_nm,
        pixel_size_source="none" if pixel_size_nm is None else "argument",
        format="npy",
        sha256=hashlib.sha256(b"").hexdigest(),
    )


def distribution(values: Sequence[float]) -> Distribution | None:
    """How values are spread, in a histogram of one bin."""
    if not values:
        return None
    return Distribution(
        count=len(values),
        mean=statistics.fmean(values),
        std=statistics.pstdev(values),
        median=statistics.median(values),
        minimum=min(values),
        maximum=max(values),
        edges=[math.floor(min(values)), math.floor(max(values)) + 1],
        counts=[len(values)],
    )
