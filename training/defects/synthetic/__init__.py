"""Seeded synthetic micrographs of irradiation defects, with class, mask and ellipse of every one.

from training.defects.synthetic import draw_parameters, render

micrograph = render(draw_parameters(seed=1))
micrograph.pixels, micrograph.pixel_size_nm, micrograph.instances
"""

from training.defects.synthetic.drawing import draw_parameters
from training.defects.synthetic.parameters import Contrast, Material, Parameters
from training.defects.synthetic.patches import Patches, clean_windows
from training.defects.synthetic.rendering import CLASSES, Instance, SyntheticMicrograph, intensity, render

__all__ = [
    "CLASSES",
    "Contrast",
    "Instance",
    "Material",
    "Parameters",
    "Patches",
    "SyntheticMicrograph",
    "clean_windows",
    "draw_parameters",
    "intensity",
    "render",
]
