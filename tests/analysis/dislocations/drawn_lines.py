"""Lines of known course, drawn into masks and pictures, and a network of plain filters that finds them."""

from __future__ import annotations

import numpy as np
import scipy.ndimage as ndi
from scipy.spatial import cKDTree

from emserve.results import ModelInfo

BRIGHT, DARK = 180.0, 60.0


def length_of(points: np.ndarray) -> float:
    """Length of the polygon through points (n, 2)."""
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def dense(points: np.ndarray, step_px: float = 0.25) -> np.ndarray:
    """Points close together on the polygon through others."""
    points = np.asarray(points, float)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, along[-1], int(along[-1] / step_px) + 2)
    return np.column_stack([np.interp(at, along, points[:, i]) for i in (0, 1)])


def draw(
    points: np.ndarray, shape: tuple[int, int], *, width_px: float = 4.0, rough_px: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Mask (height, width) of the line through points x, y: all pixels within half its width, with round ends.

    `rough_px`: standard deviation by which the edge of the mask wavers, over about 2 px.
    """
    course = dense(points)
    mask = np.zeros(shape, bool)
    places = np.round(course).astype(int)
    inside = ((places >= 0) & (places < (shape[1], shape[0]))).all(axis=1)
    mask[places[inside, 1], places[inside, 0]] = True
    reach = int(width_px / 2 + 4 * rough_px) + 2
    rows, columns = np.nonzero(ndi.maximum_filter(mask, 2 * reach + 1))
    distance = np.full(shape, np.inf)
    distance[rows, columns] = cKDTree(course).query(np.column_stack([columns, rows]))[0]
    if rough_px:
        waver = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5)
        distance = distance + rough_px * waver / waver.std()
    return distance <= width_px / 2


def arc(radius: float, centre: tuple[float, float], begin_deg: float, end_deg: float) -> np.ndarray:
    """Points on a circle, from one angle to another (from x towards y)."""
    angle = np.radians(np.linspace(begin_deg, end_deg, 400))
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])


def straight(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Points on a straight line."""
    return np.linspace((x0, y0), (x1, y1), 50)


def wave(x0: float, y0: float, x1: float, y1: float, bow: float) -> np.ndarray:
    """An S from one point to another that leaves its chord by `bow` in x, to both sides."""
    t = np.linspace(0, 1, 400)
    return np.column_stack([x0 + (x1 - x0) * t + bow * np.sin(2 * np.pi * t), y0 + (y1 - y0) * t])


def pile_up(
    count: int, *, first: tuple[float, float] = (70, 110), step: tuple[float, float] = (45, -8), bow: float = 18
) -> list[np.ndarray]:
    """Lines from a trace to another one below it, each the one before shifted along the traces."""
    x, y = first
    line = wave(x, y, x + 60, y + 260, bow)
    return [line + np.array(step) * k for k in range(count)]


def picture(masks: list[np.ndarray], *, noise: float = 0.0, seed: int = 0, background: np.ndarray | None = None):
    """A micrograph's pixels: dark lines on a bright ground, float32."""
    shape = masks[0].shape if masks else (256, 256)
    pixels = np.full(shape, BRIGHT) if background is None else background.astype(float)  # a copy
    for mask in masks:
        pixels[mask] -= BRIGHT - DARK
    return (pixels + noise * np.random.default_rng(seed).normal(size=pixels.shape)).astype(np.float32)


class DarkNetwork:
    """Every connected dark piece of a picture in a map of its own, the largest first; no more than it has maps."""

    info = ModelInfo(name="dark", family="dislocations", version="0", sha256="0" * 64, runtime="fake", precision="fp32")

    def __init__(self, maps: int = 20, *, level: float = 0.4, smooth_px: float = 0.0) -> None:
        self.maps = maps
        self.level = level
        self.smooth_px = smooth_px
        self.shapes: list[tuple[int, ...]] = []

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.shapes.append(batch.shape)
        answer = np.full((len(batch), self.maps, *batch.shape[2:]), 0.02, np.float32)
        for one, maps in zip(batch[:, 0], answer, strict=True):
            smooth = ndi.gaussian_filter(one, self.smooth_px) if self.smooth_px else one
            labels, _ = ndi.label(smooth < self.level, np.ones((3, 3)))
            sizes = np.bincount(labels.ravel())[1:]
            for k, number in enumerate(np.argsort(-sizes, kind="stable")[: self.maps] + 1):
                maps[k][labels == number] = 0.95
        return answer
