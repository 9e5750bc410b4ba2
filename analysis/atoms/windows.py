"""What the Gaussian fit needs to know of the picture around the columns: pixels, widths, slopes of the background."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.ndimage as ndi

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

_SAMPLE = 500  # columns whose mean profile gives the width


def normalised(pixels: npt.NDArray[np.floating], bin_px: int) -> tuple[Singles, float, float]:
    """The picture in bins, its median subtracted, in units of its standard deviation; and those two."""
    height, width = (n // bin_px for n in pixels.shape)
    if bin_px == 1:
        picture = np.array(pixels, np.float32)
    else:
        part = pixels[: height * bin_px, : width * bin_px]
        # rows, then columns: few steps even where bins are large, and no copy of the whole picture
        rows, picture = np.zeros((height, part.shape[1]), np.float32), np.zeros((height, width), np.float32)
        for number in range(bin_px):
            rows += part[number::bin_px]
        for number in range(bin_px):
            picture += rows[:, number::bin_px]
        picture /= bin_px**2
    offset = float(np.median(picture[:: max(1, height // 1024), :: max(1, width // 1024)]))
    picture -= np.float32(offset)
    unit = float(picture.std(dtype=np.float64))
    if 1e-30 < unit < 1e30:
        picture /= np.float32(unit)
    return picture, offset, unit


def typical_sigma(pixels: npt.NDArray[np.floating], xy: Floats, spacing: Floats) -> float:
    """Width to start from, pixels: half the width at half height of the columns' mean radial profile, as a Gaussian."""
    typical = float(np.median(spacing))
    sample = xy[:: max(1, len(xy) // _SAMPLE)]
    radii = np.linspace(0, 0.55, 12) * typical
    angles = np.arange(8) * (np.pi / 4)
    x = sample[:, 0, None, None] + radii[:, None] * np.cos(angles)
    y = sample[:, 1, None, None] + radii[:, None] * np.sin(angles)
    values = ndi.map_coordinates(pixels, [y, x], order=1, mode="nearest", output=np.float64)
    profile = np.minimum.accumulate(values.mean(axis=(0, 2)))
    height = profile - profile[-1]
    if height[0] <= 0:
        return typical / 5
    half = float(np.interp(0.5, (1 - height / height[0]), radii))
    return float(np.clip(half / np.sqrt(2 * np.log(2)), 0.6, typical / 2))


def background_slopes(rest: Singles, anchor: npt.NDArray[np.intp], spacing: float) -> Singles:
    """Slope (n, 2) in x and y of what the columns leave, smoothed over more than the spacing of columns."""
    step = max(1, round(spacing))
    height, width = (n // step for n in rest.shape)
    if min(height, width) < 3:
        return np.zeros((len(anchor), 2), np.float32)
    coarse = rest[: height * step, : width * step].reshape(height, step, width, step).mean(axis=(1, 3))
    # continued by its odd mirror image, so that a slope goes on beyond the border
    margin = min(3, height - 1, width - 1)
    coarse = np.pad(coarse, margin, mode="reflect", reflect_type="odd")
    at = (anchor.T + 0.5) / step - 0.5 + margin
    slopes = [
        ndi.map_coordinates(ndi.gaussian_filter(coarse, 1.0, order=order, mode="nearest"), at, order=1, mode="nearest")
        for order in ((0, 1), (1, 0))
    ]
    return (np.stack(slopes, axis=1) / step).astype(np.float32)


def variation(raw: Singles, inside: Singles | None) -> Floats:
    """Sum of squared deviations from the mean in each window."""
    weight = np.ones_like(raw) if inside is None else inside
    count = weight.sum(axis=1)
    mean = (raw * weight).sum(axis=1) / np.maximum(count, 1)
    return (((raw - mean[:, None]) * weight) ** 2).sum(axis=1).astype(np.float64)


def disc(radius: float) -> tuple[Singles, Singles]:
    """Offsets (k,) in x and y of the pixels within `radius`."""
    reach = int(radius)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = np.hypot(dx, dy) <= radius
    return dx[inside].astype(np.float32), dy[inside].astype(np.float32)
