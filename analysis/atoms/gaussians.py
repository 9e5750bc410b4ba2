"""Two-dimensional Gaussians in small windows of a picture, fitted many at a time.

A column's parameters are a row of seven: amplitude A, background b, centre x and y (pixels of the window), and the
Cholesky factor of the inverse covariance as s, t, u, which keeps every set of values a valid ellipse:

    model = b + A exp(-(v² + w²) / 2),   v = exp(s) (X - x) + t (Y - y),   w = exp(u) (Y - y)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

AMPLITUDE, BACKGROUND, X, Y, S, T, U = range(7)
SHAPE = slice(S, U + 1)

_DAMPING = 1e-2
_MAX_STEP_SHAPE = 0.5
_MAX_STEP_PX = 0.25  # of the widest window
_TOLERANCE = 1e-4  # a column rests when no step of its centre or shape is larger, pixels and logarithms

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prior:
    """What is expected of parameters before the data are seen: `mean` (n, 7), give or take `spread` (7,), inf for any.

    The noise that the residual shows weighs it against the data, so it matters only for faint columns.
    """

    mean: Floats
    spread: Floats


def gaussian(parameters: Floats, x: Singles, y: Singles) -> Singles:
    """Height of each Gaussian without its background, (n, k), at the k offsets `x`, `y` from the window's centre."""
    p = parameters.astype(np.float32)
    v, w = _axes(p, x, y)[:2]
    return p[:, AMPLITUDE, None] * np.exp(-0.5 * (v * v + w * w))


def fit(
    data: Singles, weight: Singles | None, x: Singles, y: Singles, start: Floats, prior: Prior, steps: int
) -> tuple[Floats, Floats, Floats]:
    """Levenberg–Marquardt fit of n Gaussians at once, with the analytic Jacobian.

    Parameters
    ----------
    data: (n, k) grey values of the windows, of the order of 1.
    weight: (n, k), 0 where a pixel does not count; None where all do.
    x, y: (k,) offsets from the window's centre.
    start: (n, 7).
    steps: at most this many.

    Returns
    -------
    parameters (n, 7); standard error of the centre (n,), pixels, without the prior's help; sum of squares (n,).
    """
    n, k = data.shape
    parameters = start.copy()
    jacobian = np.empty((n, 7, k), np.float32)
    free = np.full(n, max(1, k - 7)) if weight is None else np.maximum(1, weight.sum(axis=1) - 7)
    reach = _MAX_STEP_PX * float(np.abs(x).max())
    bound = np.array([np.inf, np.inf, reach, reach, _MAX_STEP_SHAPE, _MAX_STEP_SHAPE, _MAX_STEP_SHAPE])
    damping = np.full(n, _DAMPING)
    residual = _linearise(parameters, data, weight, x, y, jacobian)
    squares = _sum_of_squares(residual)
    strength = (squares / free)[:, None] / prior.spread**2  # of the prior, in units of the squared residual
    cost = squares + _prior_cost(parameters, prior, strength)
    hessian, gradient = _normal_equations(jacobian, residual, parameters, prior, strength)
    for _ in range(steps):
        damped = hessian.copy()
        damped[:, _DIAGONAL, _DIAGONAL] *= 1 + damping[:, None]
        step = np.clip(_solve(damped, gradient), -bound, bound)
        trial = parameters + step
        residual = _linearise(trial, data, weight, x, y, jacobian)
        trial_squares = _sum_of_squares(residual)
        trial_cost = trial_squares + _prior_cost(trial, prior, strength)
        better = trial_cost <= cost
        new_hessian, new_gradient = _normal_equations(jacobian, residual, trial, prior, strength)
        parameters[better], squares[better], cost[better] = trial[better], trial_squares[better], trial_cost[better]
        hessian[better], gradient[better] = new_hessian[better], new_gradient[better]
        damping = np.where(better, damping * 0.2, np.minimum(damping * 8, 1e6))
        if np.abs(step[:, X:]).max() < _TOLERANCE:
            break
    unit = np.zeros((n, 7, 2))
    unit[:, X, 0] = unit[:, Y, 1] = 1
    hessian[:, [X, Y], [X, Y]] -= strength[:, [X, Y]] * (1 - 1e-6)
    covariance = np.linalg.solve(hessian, unit)
    variance = (covariance[:, X, 0] + covariance[:, Y, 1]) / 2 * squares / free
    return parameters, np.sqrt(np.maximum(variance, 0)), squares


def ellipse(parameters: Floats) -> tuple[Floats, Floats, Floats]:
    """Variances along the major and the minor axis, and the major axis' angle from x towards y, radians."""
    s, t, u = np.exp(parameters[:, S]), parameters[:, T], np.exp(parameters[:, U])
    # the inverse of the Cholesky product [[s², s t], [s t, t² + u²]]
    determinant = s * s * u * u
    xx, yy, xy = (t * t + u * u) / determinant, s * s / determinant, -s * t / determinant
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    return mean + half, np.maximum(mean - half, 0), np.arctan2(2 * xy, xx - yy) / 2


_DIAGONAL = np.arange(7)


def _axes(p: Singles, x: Singles, y: Singles) -> tuple[Singles, Singles, Singles, Singles]:
    dx, dy = x - p[:, X, None], y - p[:, Y, None]
    return np.exp(p[:, S, None]) * dx + p[:, T, None] * dy, np.exp(p[:, U, None]) * dy, dx, dy


def _linearise(
    parameters: Floats, data: Singles, weight: Singles | None, x: Singles, y: Singles, jacobian: Singles
) -> Singles:
    """Residual (n, k) at the parameters; the model's derivatives go into `jacobian`."""
    p = parameters.astype(np.float32)
    v, w, dx, dy = _axes(p, x, y)
    shape = np.exp(-0.5 * (v * v + w * w))
    model = p[:, AMPLITUDE, None] * shape
    exp_s, exp_u = np.exp(p[:, S, None]), np.exp(p[:, U, None])
    v *= model
    w *= model
    jacobian[:, AMPLITUDE] = shape
    jacobian[:, BACKGROUND] = 1
    jacobian[:, X] = v * exp_s
    jacobian[:, Y] = v * p[:, T, None] + w * exp_u
    jacobian[:, S] = -v * exp_s * dx
    jacobian[:, T] = -v * dy
    jacobian[:, U] = -w * exp_u * dy
    residual = data - model - p[:, BACKGROUND, None]
    if weight is not None:
        jacobian *= weight[:, None, :]
        residual *= weight
    return residual


def _normal_equations(
    jacobian: Singles, residual: Singles, parameters: Floats, prior: Prior, strength: Floats
) -> tuple[Floats, Floats]:
    hessian = (jacobian @ jacobian.transpose(0, 2, 1)).astype(np.float64)
    gradient = (jacobian @ residual[:, :, None])[:, :, 0].astype(np.float64)
    hessian[:, _DIAGONAL, _DIAGONAL] += strength
    gradient -= strength * (parameters - prior.mean)
    # keeps the matrix regular where nothing in the window depends on a parameter
    hessian[:, _DIAGONAL, _DIAGONAL] += 1e-6
    return hessian, gradient


def _prior_cost(parameters: Floats, prior: Prior, strength: Floats) -> Floats:
    return (strength * (parameters - prior.mean) ** 2).sum(axis=1)


def _sum_of_squares(residual: Singles) -> Floats:
    squares = np.einsum("nk,nk->n", residual, residual).astype(np.float64)
    return np.where(np.isfinite(squares), squares, np.inf)


def _solve(hessian: Floats, gradient: Floats) -> Floats:
    step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    return np.where(np.isfinite(step), step, 0)
