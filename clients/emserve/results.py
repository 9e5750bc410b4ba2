"""The contract: what a server answers and what a client hands to its user are these very classes.

Conventions, stated once for the whole project: pixel (0, 0) is the centre of the top left pixel, x points to the
right, y down. Every physical quantity carries its unit in its name. Where the pixel size is not known, quantities in
nm and pm are None and a warning says what to pass.

Unknown fields of a newer server are kept, and the named choices are open (`Literal[…] | str`), so that an old client
reads a newer answer and loses nothing.
"""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import matplotlib.axes
    import numpy as np
    import pandas
    from numpy.typing import NDArray

    from emserve.pictures import Picture

CONTRACT = "1.0"

PixelSizeSource = Literal["argument", "file", "none"]
AtomsPostprocess = Literal["log", "otsu"]


class Part(BaseModel):
    """Base of every part of an answer: immutable, and unknown fields are kept."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class ModelInfo(Part):
    """Which network answered, and how it was run."""

    name: str
    family: str
    version: str
    sha256: str = Field(description="checksum of the weight file")
    runtime: str = Field(description="onnx, openvino, torchscript, triton, fake; torch in training")
    precision: str = Field(description="fp32 or bf16")


class MicrographInfo(Part):
    """What was analysed."""

    width_px: int
    height_px: int
    frames: int = Field(description="number of frames in the file")
    frame: int = Field(description="the frame that was analysed, from 0")
    pixel_size_x_nm: float | None
    pixel_size_y_nm: float | None
    pixel_size_source: PixelSizeSource | str
    format: str = Field(description="file format, recognised by its content")
    sha256: str = Field(description="checksum of the file's bytes")


class Notice(Part):
    """Something that the user should know about the answer, and what to do about it."""

    code: str
    message: str
    remedy: str


class Timings(Part):
    """Where the time went, in ms."""

    read: float
    preprocess: float
    network: float
    postprocess: float


class Trust(Part):
    """Whether this picture lies inside the range that the model was measured in."""

    verdict: Literal["inside", "near", "outside", "not_measured"] | str
    message: str


class Result(Part):
    """The head that the answers of all families share."""

    contract: str = CONTRACT
    request_id: str
    model: ModelInfo
    micrograph: MicrographInfo
    warnings: list[Notice] = []
    timings_ms: Timings
    trust: Trust | None = None


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

    def to_json(self, path: str | PathLike[str] | None = None, *, indent: int | None = None) -> str:
        """The whole answer as JSON text, also written to `path` if one is given. `from_json` reads it back."""
        text = self.model_dump_json(indent=indent)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source: str | bytes | PathLike[str]) -> AtomsResult:
        """Read what `to_json` wrote: a path, or the JSON itself (bytes, or a string that begins with `{`)."""
        if isinstance(source, bytes) or (isinstance(source, str) and source.lstrip().startswith("{")):
            return cls.model_validate_json(source)
        return cls.model_validate_json(Path(fspath(source)).read_bytes())

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """One row per atom column, named as in `AtomColumn`; full precision, None is empty; also written to `path`."""
        from emserve.tables import csv_text

        text = csv_text(self)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8", newline="")
        return text

    def to_dataframe(self) -> pandas.DataFrame:
        """One row per atom column, named as in `AtomColumn`; None is NaN. Raises MissingDependency without pandas."""
        from emserve.tables import dataframe

        return dataframe(self)

    def to_overlay(self, path: str | PathLike[str], picture: Picture) -> None:
        """Write a PNG of `picture` (array, path, or bytes of PNG, JPEG, TIFF, NPY) with the columns marked on it.

        For a file that Pillow cannot read pass `client.preview(file)`. Raises MissingDependency without Pillow.
        """
        from emserve.overlay import draw
        from emserve.pictures import read_for

        draw(self, read_for(self, picture)).save(path, format="PNG")

    def plot(self, picture: Picture | None = None, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Plot the columns, on `picture` if one is given, into `ax` or a new figure; returns the axes.

        Axes are in nm where the pixel size is known, else in px. Raises MissingDependency without matplotlib.
        """
        from emserve.plot import plot

        return plot(self, picture, ax)


class ModelSummary(Part):
    """One row of `GET /v1/models`."""

    name: str
    family: str
    version: str
    title: str
    default: bool
    licence: str
    sha256: str
    architecture: str
    parameters: int
    best_pixel_size_nm: float | None
    scores: dict[str, Any] = {}


class ModelList(Part):
    """The answer of `GET /v1/models`."""

    contract: str = CONTRACT
    models: list[ModelSummary]
