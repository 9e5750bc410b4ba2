"""Irradiation defects."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from emserve.results.distribution import Distribution
from emserve.results.head import Part, Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DefectMask(Part):
    """The pixels of one defect, as run lengths of a crop: COCO's uncompressed encoding, of that crop.

    `counts` go column by column from the left, each column from the top, and begin with a run of background (0 where
    the first pixel belongs to the defect).
    """

    x_px: int = Field(description="left column of the crop in the micrograph")
    y_px: int = Field(description="top row of the crop in the micrograph")
    width_px: int = Field(ge=0, description="columns of the crop")
    height_px: int = Field(ge=0, description="rows of the crop")
    counts: list[int] = Field(description="run lengths in px, of background and defect in turn")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if min(self.counts, default=0) < 0 or sum(self.counts) != self.width_px * self.height_px:
            raise ValueError(f"the runs of a mask do not fill its {self.width_px} × {self.height_px} px")
        return self

    def decode(self) -> NDArray[np.bool_]:
        """The pixels of the crop: (height_px, width_px) bool."""
        from emserve.masks import decode

        return decode(self)


class Defect(Part):
    """One defect. Lengths and areas are those of its mask; what is in nm is None where the pixel size is not known."""

    class_name: str = Field(description="loop_111, loop_100, black_dot, or another class of the model")
    score: float = Field(description="how sure the network is, 0 to 1")
    x_px: float = Field(description="centre of mass, px")
    y_px: float = Field(description="centre of mass, px")
    x_nm: float | None = Field(description="centre of mass, nm")
    y_nm: float | None = Field(description="centre of mass, nm")
    left_px: float = Field(description="edge of the network's box, px; the box of pixel (0, 0) goes from -0.5 to 0.5")
    top_px: float = Field(description="edge of the network's box, px")
    right_px: float = Field(description="edge of the network's box, px")
    bottom_px: float = Field(description="edge of the network's box, px")
    size_px: float = Field(description="what is called its size, px: major axis of a loop, √(major · minor) of a dot")
    size_nm: float | None = Field(description="what is called its size, nm")
    area_px: int = Field(description="number of pixels")
    area_nm2: float | None = Field(description="area, nm²")
    major_px: float = Field(description="full major axis of the ellipse with the mask's second moments, px")
    major_nm: float | None = Field(description="full major axis, nm")
    minor_px: float = Field(description="full minor axis of that ellipse, px")
    minor_nm: float | None = Field(description="full minor axis, nm")
    angle_deg: float = Field(description="of the major axis, counter-clockwise from x as seen on the screen, 0 to 180")
    equivalent_diameter_px: float = Field(description="of the circle of the same area, px")
    equivalent_diameter_nm: float | None = Field(description="of the circle of the same area, nm")
    feret_max_px: float = Field(description="largest distance of two parallel lines that touch the outline, px")
    feret_max_nm: float | None = Field(description="largest Feret diameter, nm")
    feret_min_px: float = Field(description="smallest distance of two parallel lines that touch the outline, px")
    feret_min_nm: float | None = Field(description="smallest Feret diameter, nm")
    perimeter_px: float = Field(description="length of the smooth outline, px")
    perimeter_nm: float | None = Field(description="length of the smooth outline, nm")
    heywood: float = Field(description="perimeter over the circumference of the circle of the same area; 1 for a disc")
    touches_edge: bool = Field(description="the mask reaches the micrograph's edge: the defect may go on outside")
    mask: DefectMask


class DefectClassStatistics(Part):
    """Numbers of one class of defects, or of all of them. A distribution is None where there is no value."""

    class_name: str | None = Field(description="None stands for all defects")
    count: int
    density_per_nm2: float | None = Field(description="count over the field of view, nm⁻²")
    size_px: Distribution | None = Field(description="of the sizes, px")
    size_nm: Distribution | None = Field(description="of the sizes, nm")
    heywood: Distribution | None = Field(description="of the Heywood circularities")


class HardeningBin(Part):
    """What the defects of one class between two sizes add to the yield strength."""

    class_name: str
    size_from_nm: float
    size_to_nm: float
    count: int
    size_nm: float = Field(description="mean size of the defects in this bin, nm")
    density_per_nm3: float = Field(description="count over the volume of the foil in the field of view, nm⁻³")
    hardening_mpa: float = Field(description="M α μ b √(density · size), MPa")


class Hardening(Part):
    """What the defects add to the yield strength, by the simplified dispersed barrier model.

    Classes without a barrier strength are left out, and a warning says so.
    """

    linear_mpa: float = Field(description="sum over the classes, MPa")
    quadrature_mpa: float = Field(description="root of the sum of squares over the classes, MPa")
    by_class_mpa: dict[str, float] = Field(description="of each class, MPa: its sizes summed in quadrature")
    bins: list[HardeningBin] = Field(description="of each class and bin of sizes")


class DefectsStatistics(Part):
    """Numbers of the whole picture."""

    count: int
    field_of_view_nm2: float | None = Field(description="area of the micrograph, nm²")
    classes: list[DefectClassStatistics] = Field(description="of every class of the model, in the model's order")
    all: DefectClassStatistics = Field(description="of all defects together")
    hardening: Hardening | None = Field(description="None without a pixel size or without the foil's thickness")


class DefectsParameters(Part):
    """The parameters that the answer was made with, defaults filled in."""

    score: float = Field(description="defects that the network is less sure of were left out, 0 to 1")
    thickness_nm: float | None = Field(description="of the foil")
    taylor_factor: float = Field(description="M of the barrier model")
    shear_modulus_gpa: float = Field(description="μ of the barrier model, GPa")
    burgers_vector_nm: float = Field(description="b of the barrier model, nm")
    barrier_strengths: dict[str, float] = Field(description="α of each class that hardens")
    scale_x: float = Field(description="the network saw the picture resampled by this factor in x")
    scale_y: float = Field(description="the network saw the picture resampled by this factor in y")
    tiles: int = Field(description="in how many parts the network saw the picture")


class DefectsResult(Result):
    """Irradiation defects of one micrograph, the surest first."""

    finding_class: ClassVar[type[Part]] = Defect

    parameters: DefectsParameters
    statistics: DefectsStatistics
    defects: list[Defect]

    @property
    def findings(self) -> list[Defect]:
        """The defects."""
        return self.defects

    @property
    def counts(self) -> dict[str, int]:
        """How many defects of each class, in the model's order; 0 for a class that was looked for and not found."""
        counts = {row.class_name: 0 for row in self.statistics.classes if row.class_name is not None}
        for defect in self.defects:
            counts[defect.class_name] = counts.get(defect.class_name, 0) + 1
        return counts

    def of_class(self, class_name: str) -> list[Defect]:
        """The defects of one class, the surest first."""
        return [defect for defect in self.defects if defect.class_name == class_name]

    def mask_of(self, index: int) -> NDArray[np.bool_]:
        """The mask of one defect in the whole micrograph: (height, width) bool.

        `result.defects[index].mask.decode()` is its crop, which is all that most purposes need.
        """
        from emserve.masks import paste

        return paste(self.defects[index].mask, self.micrograph.height_px, self.micrograph.width_px)

    def label_picture(self) -> NDArray[np.uint16]:
        """All masks in one picture: (height, width) uint16, 0 background, n the n-th row of `to_csv`, from 1.

        Where masks overlap, the smaller one is seen.
        """
        from emserve.masks import label_picture

        masks = [defect.mask for defect in self.defects]
        return label_picture(masks, self.micrograph.height_px, self.micrograph.width_px)

    def summary(self) -> dict[str, float | int | None]:
        """The picture's numbers in one row: of all defects, then of each class, whose name stands in front.

        Counts, densities (nm⁻²), means and standard deviations of the size (px, nm), mean Heywood circularity,
        hardening (MPa); None where it is not known or where there is nothing to take a mean of. A table of a series:
        `pandas.DataFrame([result.summary() for result in results])`.
        """
        from emserve.tables import defects_summary

        return defects_summary(self)

    def to_masks(self, path: str | PathLike[str]) -> None:
        """Write `label_picture` as a PNG of 16 bits. Raises MissingDependency without Pillow."""
        from emserve.masks import write_png

        write_png(self.label_picture(), path)
