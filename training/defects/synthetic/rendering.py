"""Parameters → micrograph and the true defects in it.

intensity = brightness of the foil · exp(-attenuation of lines, marks, bands, borders, dirt); the detector makes grey
values of it, the annotations are written over those, and a JPEG may follow. In dark field what attenuates shines:
intensity = brightness · (dark level + (1 - exp(-attenuation)) · the rest).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.defects.instances import Box, box_of
from analysis.masks import Mask, clipped
from training.defects.labels import Ellipse, Label, LabelledPicture
from training.defects.synthetic import ellipses, lines
from training.defects.synthetic.annotations import annotate, hidden
from training.defects.synthetic.background import brightness, shade
from training.defects.synthetic.canvas import Canvas
from training.defects.synthetic.detector import record
from training.defects.synthetic.marks import Bar, Disc, Ring
from training.defects.synthetic.materials import MATERIALS
from training.defects.synthetic.parameters import Frame, Material, Parameters
from training.defects.synthetic.patches import Patches
from training.synthetic.files import compressed
from training.synthetic.resizing import FloatArray

#: A defect of which less is inside the frame is not labelled, nor one of fewer pixels.
LEAST_VISIBLE = 0.2
LEAST_PIXELS = 6


@dataclass(frozen=True, eq=False)
class Instance:
    """One true defect.

    ellipse: the whole one, centre and full axes in px. mask: its pixels inside the frame, cropped to their box; those
    of an open loop are the filled ellipse. box: x1, y1, x2, y2 of the mask's edges, px, pixel (0, 0) having its centre
    there. visible: share of the ellipse that is inside the frame.
    """

    class_name: str
    ellipse: Ellipse
    mask: Mask
    box: Box
    visible: float

    @property
    def label(self) -> Label:
        """The same as a label: the ellipse where it is whole, the mask where the frame cuts it."""
        if self.visible == 1.0:
            return Label(self.class_name, self.box, ellipse=self.ellipse)
        return Label(self.class_name, self.box, mask=self.mask)


@dataclass(frozen=True, eq=False)
class SyntheticMicrograph:
    """A synthetic micrograph and its truth. pixels: (height, width) float32, whole grey values from 0 to 255."""

    pixels: FloatArray
    pixel_size_nm: float
    instances: tuple[Instance, ...]
    parameters: Parameters

    @property
    def classes(self) -> frozenset[str]:
        """What is labelled: everything of these classes that is in the picture, and nothing else."""
        return CLASSES[self.parameters.material or "fecral"]

    def labels(self, name: str) -> LabelledPicture:
        """The truth in the form that labels of real micrographs are read into, for a picture of that file name."""
        return LabelledPicture(
            image=name,
            height_px=self.pixels.shape[0],
            width_px=self.pixels.shape[1],
            labels=tuple(instance.label for instance in self.instances),
            labelled=self.classes,
            pixel_size_nm=(self.pixel_size_nm, self.pixel_size_nm),
        )


CLASSES: dict[Material, frozenset[str]] = {
    material: frozenset(kind.class_name for kind in ranges.populations) for material, ranges in MATERIALS.items()
}
"""Classes that a material's pictures have."""


def _rng(parameters: Parameters, stream: int) -> np.random.Generator:
    """A stream of random numbers of its own for every effect, so that one does not shift another's."""
    return np.random.default_rng([parameters.seed, stream])


def intensity(parameters: Parameters, patches: Patches | None = None) -> FloatArray:
    """Noise-free intensity (height, width); the foil's own is about 1.

    Raises
    ------
    ValueError: the parameters name a background that `patches` does not have.
    """
    frame, background = parameters.frame, parameters.background
    foil = brightness(frame, background, _rng(parameters, 1))
    if background.patch is not None:
        if patches is None:
            raise ValueError(f"the background {background.patch.file!r} is needed: give the folder it was drawn from")
        foil *= patches.brightness(frame, background.patch, _rng(parameters, 2))
    canvas, coarse = Canvas.over(frame), Canvas.over(frame, lines.FINEST_NM)
    if parameters.lines:
        lines.draw(coarse, parameters.lines)
        canvas.add(coarse)
    for mark in parameters.marks:
        ellipses.draw(canvas, mark)
    shade(canvas, background, _rng(parameters, 3))
    transmitted = np.exp(-np.clip(canvas.picture(), -1.5, 6.0))
    if parameters.contrast == "bright_field":
        return foil * transmitted
    dark = np.float32(parameters.dark_level)
    return foil * np.maximum(dark + (1 - transmitted) * (1 - dark), 0.0)


def render(parameters: Parameters, patches: Patches | None = None) -> SyntheticMicrograph:
    """The micrograph of the parameters; the same parameters give the same picture bit for bit.

    patches: the folder of real backgrounds that the parameters were drawn with.
    """
    expected = intensity(parameters, patches)
    grey = record(expected, parameters.detector, _rng(parameters, 4))
    grey = annotate(grey, parameters.frame, parameters.annotations)
    if parameters.detector.jpeg_quality is not None:
        grey = compressed(grey, parameters.detector.jpeg_quality)
    return SyntheticMicrograph(grey, parameters.frame.pixel_size_nm, instances(parameters), parameters)


def instances(parameters: Parameters) -> tuple[Instance, ...]:
    """The true defects: marks with a class, enough inside the field, not behind the scale bar's box."""
    frame = parameters.frame
    found = (_instance(frame, mark) for mark in parameters.marks if mark.class_name is not None)
    behind = hidden(frame, parameters.annotations)
    return tuple(one for one in found if one is not None and not (behind and _is_behind(one.mask, behind)))


def _is_behind(mask: Mask, box: tuple[int, int, int, int]) -> bool:
    left, top, right, bottom = box
    return 2 * clipped(mask, left, top, right, bottom).area_px > mask.area_px


def _instance(frame: Frame, mark: Ring | Disc | Bar) -> Instance | None:
    scale = 1.0 / frame.pixel_size_nm
    whole = Ellipse(mark.x_nm * scale, mark.y_nm * scale, mark.major_nm * scale, mark.minor_nm * scale, mark.angle_deg)
    left, top, right, bottom = frame.field or (0, 0, frame.width, frame.height)
    drawn = whole.mask()
    mask = clipped(drawn, left, top, right, bottom)
    if mask.area_px < LEAST_PIXELS or mask.area_px < LEAST_VISIBLE * drawn.area_px:
        return None
    return Instance(mark.class_name or "", whole, mask, box_of(mask), mask.area_px / drawn.area_px)
