"""A grid of attenuation over the frame, coarser than its pixels where they are finer than anything that is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.defects.synthetic.parameters import Frame
from training.synthetic.resizing import FloatArray, resized

#: A canvas need not be finer than this: the narrowest line that is drawn is several times as wide.
FINEST_NM = 0.28


@dataclass
class Canvas:
    """Values (height, width) float32 at points `spacing_nm` apart; the first one is at `origin_nm` in x and in y.

    frame: the picture below it. factor: its pixels along one side of a point's square.
    """

    frame: Frame
    factor: int
    values: FloatArray

    @classmethod
    def over(cls, frame: Frame, finest_nm: float = FINEST_NM) -> Canvas:
        """An empty canvas whose points are not much closer than `finest_nm`."""
        factor = max(1, int(finest_nm / frame.pixel_size_nm + 0.25))
        return cls(frame, factor, np.zeros((-(-frame.height // factor), -(-frame.width // factor)), np.float32))

    @property
    def spacing_nm(self) -> float:
        """Distance of two points."""
        return self.factor * self.frame.pixel_size_nm

    @property
    def origin_nm(self) -> float:
        """Position of the first point: the middle of its square of pixels."""
        return (self.factor - 1) / 2 * self.frame.pixel_size_nm

    def positions(self) -> tuple[FloatArray, FloatArray]:
        """x (1, width) and y (height, 1) of all points, nm."""
        height, width = self.values.shape
        x = self.origin_nm + self.spacing_nm * np.arange(width, dtype=np.float32)
        y = self.origin_nm + self.spacing_nm * np.arange(height, dtype=np.float32)
        return x[None, :], y[:, None]

    def window(self, x1_nm: float, y1_nm: float, x2_nm: float, y2_nm: float) -> tuple[slice, slice]:
        """Rows and columns of the points inside a rectangle; empty slices where there are none."""
        height, width = self.values.shape

        def span(low: float, high: float, size: int) -> slice:
            first = int(np.ceil((low - self.origin_nm) / self.spacing_nm))
            last = int(np.floor((high - self.origin_nm) / self.spacing_nm))
            return slice(min(max(first, 0), size), min(max(last + 1, 0), size))

        return span(y1_nm, y2_nm, height), span(x1_nm, x2_nm, width)

    def picture(self) -> FloatArray:
        """The values at the frame's pixels (height, width), interpolated."""
        if self.factor == 1:
            return self.values
        return resized(self.values, self.frame.height, self.frame.width, self.factor)

    def add(self, coarser: Canvas) -> None:
        """Adds the values of a canvas over the same frame that is not finer than this one."""
        height, width = self.values.shape
        ratio = coarser.factor / self.factor
        self.values += coarser.values if ratio == 1 else resized(coarser.values, height, width, ratio)
