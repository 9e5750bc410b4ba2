"""Seeded simulated HAADF micrographs of five lattices, with the true position of every column."""

from training.atoms.synthetic.drawing import draw_parameters
from training.atoms.synthetic.lattices import LATTICES, Lattice, lattices
from training.atoms.synthetic.parameters import Parameters
from training.atoms.synthetic.random_lattices import RANDOM
from training.atoms.synthetic.rendering import SyntheticMicrograph, expected_intensity, render

__all__ = [
    "LATTICES",
    "RANDOM",
    "Lattice",
    "Parameters",
    "SyntheticMicrograph",
    "draw_parameters",
    "expected_intensity",
    "lattices",
    "render",
]
