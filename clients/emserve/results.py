"""The contract: what a server answers and what a client hands to its user are these very classes.

Conventions, stated once for the whole project: pixel (0, 0) is the centre of the top left pixel, x points to the
right, y down. Every physical quantity carries its unit in its name. Where the pixel size is not known, quantities in
nm and pm are None and a warning says what to pass.

Unknown fields of a newer server are kept, so that an old client reads a newer answer and loses nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
    runtime: str = Field(description="onnx, openvino, torchscript, triton or fake")
    precision: str = Field(description="fp32 or bf16")


class MicrographInfo(Part):
    """What was analysed."""

    width_px: int
    height_px: int
    frames: int = Field(description="number of frames in the file")
    frame: int = Field(description="the frame that was analysed, from 0")
    pixel_size_x_nm: float | None
    pixel_size_y_nm: float | None
    pixel_size_source: PixelSizeSource
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

    verdict: Literal["inside", "near", "outside", "not_measured"]
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


class AtomsStatistics(Part):
    """Numbers of the whole picture."""

    count: int
    density_per_nm2: float | None = Field(description="count over the field of view")
    nearest_neighbour_mean_px: float | None
    nearest_neighbour_median_px: float | None
    nearest_neighbour_std_px: float | None
    nearest_neighbour_mean_pm: float | None
    nearest_neighbour_median_pm: float | None
    nearest_neighbour_std_pm: float | None
    lattice: Lattice | None = Field(description="None where no lattice was found")


class AtomsParameters(Part):
    """The parameters that the answer was made with, defaults filled in."""

    threshold: float
    postprocess: AtomsPostprocess
    refine: bool
    scale_x: float = Field(description="the network saw the picture resampled by this factor in x")
    scale_y: float


class AtomsResult(Result):
    """Atom columns of one micrograph, in reading order (by rows from the top)."""

    parameters: AtomsParameters
    statistics: AtomsStatistics
    columns: list[AtomColumn]


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
