"""Seeded synthetic frames of dislocation pile-ups between slip traces, with one binary mask per line.

from training.dislocations.synthetic import draw_parameters, render

frame = render(draw_parameters(seed=1, microstructure="M2"))
frame.pixels, frame.masks(), frame.lines[0].points
"""

from training.dislocations.synthetic.distributions import Microstructure, microstructure
from training.dislocations.synthetic.drawing import draw_parameters, twin
from training.dislocations.synthetic.motion import film, glide_directions
from training.dislocations.synthetic.parameters import Parameters
from training.dislocations.synthetic.patches import without_lines
from training.dislocations.synthetic.rendering import SyntheticFrame, TrueLine, render
from training.synthetic.folder import PictureFolder

__all__ = [
    "Microstructure",
    "Parameters",
    "PictureFolder",
    "SyntheticFrame",
    "TrueLine",
    "draw_parameters",
    "film",
    "glide_directions",
    "microstructure",
    "render",
    "twin",
    "without_lines",
]
