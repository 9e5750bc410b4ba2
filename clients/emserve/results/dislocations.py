"""Dislocation lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from emserve.results.distribution import Distribution
from emserve.results.head import Part, Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Point = tuple[float, float]

_POINTS = 50  # of each line


class DislocationLine(Part):
    """One dislocation line: the spline through its skeleton. What is in nm is None where the pixel size is not known.

    Mean and largest curvature leave out the ends of the line, where the spline is unsure.
    """

    number: int = Field(description="of the line in this picture, from 1")
    score: float = Field(description="mean probability over the line's mask, 0 to 1")
    length_px: float = Field(description="along the line, px")
    length_nm: float | None = Field(description="along the line, nm")
    start_x_px: float = Field(description="x of the one end, px")
    start_y_px: float = Field(description="y of the one end, px")
    start_x_nm: float | None = Field(description="x of the one end, nm")
    start_y_nm: float | None = Field(description="y of the one end, nm")
    end_x_px: float = Field(description="x of the other end, px")
    end_y_px: float = Field(description="y of the other end, px")
    end_x_nm: float | None = Field(description="x of the other end, nm")
    end_y_nm: float | None = Field(description="y of the other end, nm")
    mean_curvature_per_px: float = Field(description="mean of |κ| along the line, px⁻¹")
    mean_curvature_per_nm: float | None = Field(description="mean of |κ| along the line, nm⁻¹")
    max_curvature_per_px: float = Field(description="largest |κ| along the line, px⁻¹")
    max_curvature_per_nm: float | None = Field(description="largest |κ| along the line, nm⁻¹")
    radius_px: float | None = Field(description="of the osculating circle at the middle, px; None: straight there")
    radius_nm: float | None = Field(description="of the osculating circle at the middle, nm; None: straight there")
    stress_mpa: float | None = Field(
        description="μ b / radius, MPa, 0 for a straight line; None without μ and b, or without a pixel size"
    )
    width_px: float = Field(description="mean width of the line's mask, px")
    touches_edge: bool = Field(description="it ends at the micrograph's edge, and may go on outside")
    points_px: list[Point] = Field(description="x and y of 50 points at equal distances along the line, px")
    curvature_per_px: list[float] = Field(
        description="κ at these points, px⁻¹; positive where the line turns clockwise as seen on the screen"
    )
    curvature_per_nm: list[float] | None = Field(description="κ at these points, nm⁻¹")


class SlipTrace(Part):
    """A straight line that was found, and taken for the trace of a slip plane, not for a dislocation."""

    score: float = Field(description="mean probability over its mask, 0 to 1")
    length_px: float = Field(description="px")
    length_nm: float | None = Field(description="nm")
    points_px: list[Point] = Field(description="x and y of 50 points at equal distances along it, px")


class DislocationsStatistics(Part):
    """Numbers of the whole picture. A distribution is None where there is no value."""

    count: int = Field(description="number of lines")
    field_of_view_nm2: float | None = Field(description="area above the data bar, nm², to which densities refer")
    total_length_px: float = Field(description="of all lines, px")
    total_length_nm: float | None = Field(description="of all lines, nm")
    density_per_px: float = Field(description="length of all lines over the area, px⁻¹")
    density_per_nm: float | None = Field(description="length of all lines over the area, nm⁻¹")
    length_px: Distribution | None = Field(description="of the lengths, px")
    length_nm: Distribution | None = Field(description="of the lengths, nm")
    curvature_per_px: Distribution | None = Field(description="of the lines' mean curvatures, px⁻¹")
    curvature_per_nm: Distribution | None = Field(description="of the lines' mean curvatures, nm⁻¹")
    distances_px: list[list[float]] = Field(description="mean distance of the 50 points of every two lines, px")
    distances_nm: list[list[float]] | None = Field(description="mean distance of the points of every two lines, nm")
    nearest_px: Distribution | None = Field(description="of the distances to the nearest other line, px")
    nearest_nm: Distribution | None = Field(description="of the distances to the nearest other line, nm")


class DislocationsParameters(Part):
    """The parameters that the answer was made with, defaults filled in."""

    threshold: float = Field(description="probability from which a pixel counts as a line's, 0 to 1")
    shear_modulus_gpa: float | None = Field(description="μ of the line tension, GPa")
    burgers_vector_nm: float | None = Field(description="b of the line tension, nm")
    field_height_px: int = Field(description="rows above the data bar; all rows where there is none")
    scale_x: float = Field(description="the network saw the picture resampled by this factor in x")
    scale_y: float = Field(description="the network saw the picture resampled by this factor in y")
    tiles: int = Field(description="in how many parts the network saw the picture")


class DislocationsResult(Result):
    """Dislocation lines of one micrograph, those with the most evidence first."""

    finding_class: ClassVar[type[Part]] = DislocationLine

    parameters: DislocationsParameters
    statistics: DislocationsStatistics
    lines: list[DislocationLine]
    slip_traces: list[SlipTrace]

    @property
    def findings(self) -> list[DislocationLine]:
        """The lines."""
        return self.lines

    @property
    def points_px(self) -> NDArray[np.float64]:
        """Points along all lines: (N, 50, 2) float64, x and y in px."""
        import numpy as np

        return np.array([line.points_px for line in self.lines], dtype=np.float64).reshape(-1, _POINTS, 2)

    @property
    def points_nm(self) -> NDArray[np.float64] | None:
        """Points along all lines: (N, 50, 2) float64, x and y in nm; None where the pixel size is not known."""
        info = self.micrograph
        if info.pixel_size_x_nm is None or info.pixel_size_y_nm is None:
            return None
        return self.points_px * (info.pixel_size_x_nm, info.pixel_size_y_nm)
