"""Sub-pixel positions by a two-dimensional Gaussian fit on the micrograph's own pixels, all columns at once.

Each column gets amplitude, centre, two widths, angle and background, by Levenberg–Marquardt steps with the analytic
Jacobian, batched over columns. Neighbours that overlap (dumbbells) and slopes of the background are dealt with by
sweeps: after each, the fitted Gaussians of all other columns and the slowly varying rest are subtracted from every
window, and the fit goes on. Where columns are many pixels wide, pixels are first averaged in square bins, which loses
nothing that the fit could use, and the widths are corrected for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from analysis.atoms.gaussians import AMPLITUDE, BACKGROUND, SHAPE, Prior, S, U, X, Y, ellipse, fit, gaussian
from analysis.atoms.windows import background_slopes, disc, normalised, typical_sigma, variation

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

_LONE_SPACING_PX = 20.0  # taken for the spacing where there is a single column
_BINNED_SIGMA_PX = 1.5  # bins are as large as leaves columns this wide
_FIRST_SHAPE_SPREAD = 0.7  # of the logarithm of the width, before any column is fitted
_SHAPE_SPREAD = 0.15  # about the median column
_WINDOW_SPACING = 0.6  # radius of the window, of the spacing ...
_WINDOW_SIGMA = 2.8  # ... and at most so many sigma
_WINDOW_PX = (2.3, 12.0)
_FIRST_STEPS, _STEPS, _MAX_SWEEPS = 6, 2, 12
_AT_REST = 0.01  # of sigma: when 99 % of the columns move less in a sweep, the sweeps end
_NOISE_EXCESS = 5.0
"""Lines that jitter, drift and blur make the noise of neighbouring pixels alike. On simulated micrographs the fit's
positions vary this much more (variance) than noise of the same strength, independent in each pixel, would make them."""
_CHUNK = 2048

_MAX_SHIFT = 0.35  # of the distance to the nearest column: a fit that goes further has left its column
_MAX_ASPECT = 3.5
_SIGMA = (0.05, 0.8)  # of the distance to the nearest column
_MAX_ERROR = 0.12  # standard error of the position, of the distance to the nearest column


@dataclass(frozen=True)
class Refined:
    """Fits of n columns. Where `ok` is False, `xy` is the position that came in and the fit's figures are NaN.

    Attributes
    ----------
    xy: (n, 2) micrograph pixels.
    ok: (n,) bool.
    amplitude, background: (n,) the picture's own units.
    sigma_major_px, sigma_minor_px: (n,) standard deviations of the Gaussian, micrograph pixels.
    angle_deg: (n,) of the major axis, counter-clockwise from x as seen on the screen, 0 to 180.
    quality: (n,) R² of the fit (neighbours included) inside the window.
    """

    xy: Floats
    ok: npt.NDArray[np.bool_]
    amplitude: Floats
    background: Floats
    sigma_major_px: Floats
    sigma_minor_px: Floats
    angle_deg: Floats
    quality: Floats

    def take(self, index: npt.NDArray[np.intp]) -> Refined:
        """The fits of some of the columns, in the order of `index`."""
        return Refined(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


@dataclass
class _Scene:
    """What the sweeps share, in binned pixels and in units of the picture's standard deviation."""

    picture: Singles
    anchor: npt.NDArray[np.intp]  # (n, 2) row and column of each window's centre
    nearest: Floats  # (n,) distance to the nearest other column
    parameters: Floats  # (n, 7), centres relative to the anchor
    error: Floats
    quality: Floats
    good: npt.NDArray[np.bool_]
    radius: float  # of the windows

    @property
    def centres(self) -> Floats:
        return self.anchor[:, ::-1] + self.parameters[:, [X, Y]]


def refine(
    pixels: npt.NDArray[np.floating], xy: npt.NDArray[np.floating], *, position_error_px: float = np.inf
) -> Refined:
    """Fit a two-dimensional Gaussian to each column.

    Parameters
    ----------
    pixels: (height, width), the micrograph in its own units, finite.
    xy: (n, 2) positions to start from, micrograph pixels.
    position_error_px: how far off they are, as a standard deviation in x and in y. They are weighed in accordingly: a
        bright column moves to where the fit sees it, a faint one hardly moves.
    """
    xy = np.asarray(xy, np.float64).reshape(-1, 2)
    spacing = _nearest(xy)
    sigma = typical_sigma(pixels, xy, spacing) if len(xy) else 1.0
    bin_px = max(1, min(int(sigma / _BINNED_SIGMA_PX), min(pixels.shape) // 3))
    picture, offset, unit = normalised(pixels, bin_px)
    if len(xy) == 0 or not 1e-30 < unit < 1e30 or min(picture.shape) < 3:
        nothing = np.full(len(xy), np.nan)
        return Refined(xy, np.zeros(len(xy), bool), nothing, nothing, nothing, nothing, nothing, nothing)
    start = (xy + 0.5) / bin_px - 0.5
    scene = _start(picture, start, spacing / bin_px, sigma / bin_px)
    expected = scene.parameters.copy()
    position = position_error_px / bin_px / np.sqrt(_NOISE_EXCESS)
    spread = np.array([np.inf, np.inf, position, position, *[_FIRST_SHAPE_SPREAD] * 3])
    for number in range(_MAX_SWEEPS):
        before = scene.centres
        _sweep(scene, start, Prior(expected, spread), _STEPS if number else _FIRST_STEPS, alone=number == 0)
        if not scene.good.any():
            break
        expected[:, SHAPE] = np.median(scene.parameters[scene.good][:, SHAPE], axis=0)
        spread[SHAPE] = _SHAPE_SPREAD
        moved = np.hypot(*(scene.centres - before)[scene.good].T)
        if number and np.quantile(moved, 0.99) < _AT_REST * sigma / bin_px:
            break
    return _report(scene, xy, bin_px, offset, unit)


def _nearest(xy: Floats) -> Floats:
    if len(xy) < 2:
        return np.full(len(xy), _LONE_SPACING_PX)
    return np.maximum(cKDTree(xy).query(xy, k=2)[0][:, 1], 1e-3)


def _start(picture: Singles, start: Floats, nearest: Floats, sigma: float) -> _Scene:
    height, width = picture.shape
    anchor = np.rint(start[:, ::-1]).astype(np.intp)
    anchor = np.clip(anchor, 0, (height - 1, width - 1))
    parameters = np.zeros((len(start), 7))
    parameters[:, AMPLITUDE] = 1.0
    parameters[:, [X, Y]] = start - anchor[:, ::-1]
    parameters[:, [S, U]] = -np.log(sigma)
    n = len(start)
    radius = float(np.clip(min(_WINDOW_SPACING * float(np.median(nearest)), _WINDOW_SIGMA * sigma), *_WINDOW_PX))
    return _Scene(picture, anchor, nearest, parameters, np.full(n, np.inf), np.zeros(n), np.zeros(n, bool), radius)


def _sweep(scene: _Scene, start: Floats, prior: Prior, steps: int, *, alone: bool) -> None:
    """Fit every column once more, with all others and the slope of the background taken off its window."""
    spacing = float(np.median(scene.nearest))
    dx, dy = disc(scene.radius)
    rest, slopes = scene.picture, np.zeros((len(start), 2), np.float32)
    if not alone:
        rest = _without_columns(scene)
        slopes = background_slopes(rest, scene.anchor, spacing)
    result = np.empty_like(scene.parameters)
    for index, inside in _chunks(scene, dx, dy):
        rows = np.clip(scene.anchor[index, 0, None] + dy.astype(np.intp), 0, scene.picture.shape[0] - 1)
        columns = np.clip(scene.anchor[index, 1, None] + dx.astype(np.intp), 0, scene.picture.shape[1] - 1)
        data = rest[rows, columns]
        own = scene.parameters[index]
        if not alone:
            data += gaussian(own, dx, dy) * scene.good[index, None].astype(np.float32)
            data -= slopes[index, 0, None] * dx + slopes[index, 1, None] * dy
        raw = scene.picture[rows, columns]
        result[index], scene.error[index], squares = fit(
            data, inside, dx, dy, own, Prior(prior.mean[index], prior.spread), steps
        )
        scene.quality[index] = 1 - squares / np.maximum(variation(raw, inside), 1e-12)
    scene.parameters = result
    scene.good = _plausible(scene, start)
    bad = ~scene.good  # they begin again, next to neighbours that are known better
    scene.parameters[bad] = prior.mean[bad]


def _without_columns(scene: _Scene) -> Singles:
    """The picture less all good columns."""
    rest = scene.picture.copy()
    height, width = rest.shape
    good = np.flatnonzero(scene.good)
    if not len(good):
        return rest
    reach = 3 * np.exp(-np.median(scene.parameters[good][:, [S, U]]))
    dx, dy = disc(float(reach))
    for i in range(0, len(good), _CHUNK):
        index = good[i : i + _CHUNK]
        rows = scene.anchor[index, 0, None] + dy.astype(np.intp)
        columns = scene.anchor[index, 1, None] + dx.astype(np.intp)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        values = gaussian(scene.parameters[index], dx, dy)
        np.subtract.at(rest, (rows[inside], columns[inside]), values[inside])
    return rest


def _chunks(scene: _Scene, dx: Singles, dy: Singles) -> Iterator[tuple[npt.NDArray[np.intp], Singles | None]]:
    """Columns in portions, and which pixels of their windows lie inside the picture (None: all)."""
    height, width = scene.picture.shape
    reach = int(dx.max())
    row, column = scene.anchor.T
    whole = (row >= reach) & (row < height - reach) & (column >= reach) & (column < width - reach)
    for group, cut in ((np.flatnonzero(whole), False), (np.flatnonzero(~whole), True)):
        for i in range(0, len(group), _CHUNK):
            index = group[i : i + _CHUNK]
            if not cut:
                yield index, None
                continue
            y, x = row[index, None] + dy, column[index, None] + dx
            yield index, ((y >= 0) & (y < height) & (x >= 0) & (x < width)).astype(np.float32)


def _plausible(scene: _Scene, start: Floats) -> npt.NDArray[np.bool_]:
    """Which fits still describe the column that they began with."""
    parameters, nearest = scene.parameters, scene.nearest
    major, minor, _ = ellipse(parameters)
    low, high = _SIGMA
    typical = max(float(np.median(nearest)), 1.0)
    good = np.isfinite(parameters).all(axis=1) & (parameters[:, AMPLITUDE] > 0)
    good &= np.hypot(*(scene.centres - start).T) <= _MAX_SHIFT * nearest
    good &= (minor >= (low * typical) ** 2) & (major <= (high * typical) ** 2) & (major <= _MAX_ASPECT**2 * minor)
    good &= scene.error <= _MAX_ERROR * nearest
    return good


def _report(scene: _Scene, xy: Floats, bin_px: int, offset: float, unit: float) -> Refined:
    p, good = scene.parameters, scene.good
    major, minor, angle = ellipse(p)
    # a mean over square bins adds the variance of the square to the Gaussian, and keeps its volume
    widening = (bin_px**2 - 1) / 12 / bin_px**2
    true_major, true_minor = np.maximum(major - widening, 1e-3), np.maximum(minor - widening, 1e-3)
    amplitude = p[:, AMPLITUDE] * np.sqrt(major * minor / (true_major * true_minor)) * unit
    centre = (scene.centres + 0.5) * bin_px - 0.5

    def where_good(values: Floats) -> Floats:
        return np.where(good, values, np.nan)

    return Refined(
        xy=np.where(good[:, None], centre, xy),
        ok=good,
        amplitude=where_good(amplitude),
        background=where_good(p[:, BACKGROUND] * unit + offset),
        sigma_major_px=where_good(np.sqrt(true_major) * bin_px),
        sigma_minor_px=where_good(np.sqrt(true_minor) * bin_px),
        angle_deg=where_good(np.degrees(-angle) % 180),
        quality=where_good(scene.quality),
    )
