"""Atom columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from emserve.results.head import Part, Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AtomsPostprocess = Literal["log", "otsu"]


class AtomColumn(Part):
    """One atom column. `sigma_*` and `intensity` come from the Gaussian fit and are None where it was not done."""

    x_px: float
    y_px: float
    x_nm: float | None
    y_nm: float | None
    score: float = Field(description="height of the network's map at the column, 0 to 1")
    intensity: float | None = Field(description="amplitude of the Gaussian above the local background, file's units")
    background: float | None = Field(description="local background of the fit, file's units")
    sigma_major_px: float | None
    sigma_minor_px: float | None
    angle_deg: float | None = Field(description="of the major axis, counter-clockwise from x as seen on the screen")
    fit_quality: float | None = Field(description="R² of the fit inside its window, at most 1")
    refined: bool = Field(description="False where the position is the network's, because the fit was off or failed")


class LatticeVector(Part):
    """A basis vector of the lattice that the columns form."""

    x_px: float
    y_px: float
    length_px: float
    length_pm: float | None
    angle_deg: float = Field(description="counter-clockwise from x as seen on the screen, 0 to 180")


class Lattice(Part):
    """Two shortest vectors that carry the pattern of columns onto itself, and the angle between them."""

    a: LatticeVector
    b: LatticeVector
    gamma_deg: float


_BONDS = "of the first shell's bonds, each once: pairs closer than 1.25 times the median nearest distance"


class AtomsStatistics(Part):
    """Numbers of the whole picture."""

    count: int
    density_per_nm2: float | None = Field(description="count over the field of view")
    nearest_neighbour_mean_px: float | None = Field(description=f"mean length {_BONDS}")
    nearest_neighbour_median_px: float | None = Field(description=f"median length {_BONDS}")
    nearest_neighbour_std_px: float | None = Field(description=f"standard deviation of the length {_BONDS}")
    nearest_neighbour_mean_pm: float | None = Field(description=f"mean length {_BONDS}")
    nearest_neighbour_median_pm: float | None = Field(description=f"median length {_BONDS}")
    nearest_neighbour_std_pm: float | None = Field(description=f"standard deviation of the length {_BONDS}")
    lattice: Lattice | None = Field(description="None where no lattice was found")


class AtomsParameters(Part):
    """The parameters that the answer was made with, defaults filled in."""

    threshold: float
    postprocess: AtomsPostprocess | str
    refine: bool
    scale_x: float = Field(description="the network saw the picture resampled by this factor in x")
    scale_y: float


class AtomsResult(Result):
    """Atom columns of one micrograph, in reading order (by rows from the top)."""

    finding_class: ClassVar[type[Part]] = AtomColumn

    parameters: AtomsParameters
    statistics: AtomsStatistics
    columns: list[AtomColumn]

    @property
    def positions_px(self) -> NDArray[np.float64]:
        """Positions of the columns: (N, 2) float64, x and y in px."""
        import numpy as np

        return np.array([(c.x_px, c.y_px) for c in self.columns], dtype=np.float64).reshape(-1, 2)

    @property
    def positions_nm(self) -> NDArray[np.float64] | None:
        """Positions of the columns: (N, 2) float64, x and y in nm; None where the pixel size is not known."""
        import numpy as np

        if self.micrograph.pixel_size_x_nm is None or self.micrograph.pixel_size_y_nm is None:
            return None
        return np.array([(c.x_nm, c.y_nm) for c in self.columns], dtype=np.float64).reshape(-1, 2)

    @property
    def findings(self) -> list[AtomColumn]:
        """The columns."""
        return self.columns
