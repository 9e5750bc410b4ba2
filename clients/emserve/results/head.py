"""The head that the answers of all families share, and what every answer can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas

    from emserve.pictures import Picture

CONTRACT = "1.2"

PixelSizeSource = Literal["argument", "file", "none"]


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


class Result(Part, ABC):
    """The head that the answers of all families share."""

    finding_class: ClassVar[type[Part]]

    contract: str = CONTRACT
    request_id: str
    model: ModelInfo
    micrograph: MicrographInfo
    warnings: list[Notice] = []
    timings_ms: Timings
    trust: Trust | None = None

    @property
    @abstractmethod
    def findings(self) -> Sequence[Part]:
        """What was found, one `finding_class` each: the rows of every table that is made of the answer."""

    def to_json(self, path: str | PathLike[str] | None = None, *, indent: int | None = None) -> str:
        """The whole answer as JSON text, also written to `path` if one is given. `from_json` reads it back."""
        text = self.model_dump_json(indent=indent)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source: str | bytes | PathLike[str]) -> Self:
        """Read what `to_json` wrote: a path, or the JSON itself (bytes, or a string that begins with `{`)."""
        if isinstance(source, bytes) or (isinstance(source, str) and source.lstrip().startswith("{")):
            return cls.model_validate_json(source)
        return cls.model_validate_json(Path(fspath(source)).read_bytes())

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """One row per finding (atom column, defect, line), with fields of the contract for headings; also to `path`.

        Full precision; None is an empty cell.
        """
        from emserve.tables import csv_text

        text = csv_text(self)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8", newline="")
        return text

    def to_dataframe(self) -> pandas.DataFrame:
        """One row per finding, with the headings of `to_csv`; None is NaN. Raises MissingDependency without pandas."""
        from emserve.tables import dataframe

        return dataframe(self)

    def to_overlay(self, path: str | PathLike[str], picture: Picture) -> None:
        """Write a PNG of `picture` (array, path, or bytes of PNG, JPEG, TIFF, NPY) with the findings marked on it.

        For a file that Pillow cannot read pass `client.preview(file)`. Raises MissingDependency without Pillow.
        """
        from emserve.overlay import draw
        from emserve.pictures import read_for

        # level 3 is as small as the usual 6 on micrographs, in a third of the time
        draw(self, read_for(self, picture)).save(path, format="PNG", compress_level=3)

    def plot(self, picture: Picture | None = None, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Plot the findings, on `picture` if one is given, into `ax` or a new figure; returns the axes.

        Axes are in nm where the pixel size is known, else in px. Raises MissingDependency without matplotlib.
        """
        from emserve.plot import plot

        return plot(self, picture, ax)
