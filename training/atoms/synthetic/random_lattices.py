"""Crystals that do not exist: random cells, motifs and brightnesses, named `random_<number>`.

A network that sees five crystals only learns their motifs by heart: shown another one, it finds its columns, and puts
more where those five would have them. These lattices teach it that a column is what is bright. The picture of a column
is a sum of two Gaussians of the width that multislice gives; brightness is linear in the thickness. There are no
columns between `WEAKEST` and `STRONGEST_UNLABELLED` of the brightest, where it would be unclear whether they count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.atoms.synthetic.lattices import Lattice

RANDOM = "random"
#: Number of different random lattices.
NUMBERS = 2**31
#: Height of the weakest labelled column relative to the brightest.
WEAKEST = 0.2
#: Height of the strongest column that is there and not labelled, as oxygen beside a heavy metal.
STRONGEST_UNLABELLED = 0.07
#: Standard deviations in Å of a column's core and of the flanks that channelling and the probe leave around it.
CORE_A, FLANK_A = 0.32, 0.75
#: Limit of the picture's spatial frequencies, 1/Å: twice the aperture's edge over the wavelength.
LIMIT_PER_A = 1.91
DEPTH_A = 120.0


@dataclass(frozen=True)
class RandomCell:
    """A random lattice and the picture of its cell.

    `coefficients` is (y, x) complex, of the intensity at `DEPTH_A`, on a grid of odd size.
    """

    lattice: Lattice
    coefficients: np.ndarray


def is_random(name: str) -> bool:
    """Whether a lattice's name is one of a random lattice."""
    return name.startswith(f"{RANDOM}_") and name.removeprefix(f"{RANDOM}_").isdecimal()


def random_cell(name: str) -> RandomCell:
    """The random lattice of that name; the same name gives the same cell."""
    random = np.random.default_rng([int(name.removeprefix(f"{RANDOM}_")), 1])
    size, places, heights = _motif(random)
    columns = tuple(("any", float(x / size[0]), float(y / size[1])) for x, y in places)
    lattice = Lattice(name, "random lattice", (float(size[0]), float(size[1]), DEPTH_A), (), columns)
    if random.random() < 0.4:
        light = _light(random, size, places)
        places = np.concatenate((places, light))
        heights = np.concatenate((heights, random.uniform(0.01, STRONGEST_UNLABELLED, len(light))))
    pedestal = random.uniform(0.0, 0.15)
    return RandomCell(lattice, _coefficients(size, places, heights, random.uniform(0.9, 1.25), pedestal))


def _motif(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Size of the cell (2,), labelled columns (n, 2), both in Å, and their heights (n,), the highest 1."""
    kind = random.choice(["simple", "centred", "dumbbell", "motif", "disorder"], p=[0.22, 0.22, 0.18, 0.22, 0.16])
    if kind == "simple":
        a = random.uniform(1.8, 4.2)
        size = np.array([a, a * (1.0 if random.random() < 0.5 else random.uniform(1.0, 1.7))])
        places = np.zeros((1, 2))
    elif kind == "centred":
        a = random.uniform(1.9, 4.5)
        size = np.array([a, a * random.choice([1.0, np.sqrt(3.0), np.sqrt(2.0), random.uniform(1.0, 2.2)])])
        size *= max(1.0, 1.8 / (0.5 * np.hypot(*size)))
        places = np.array([[0.0, 0.0], size / 2])
    elif kind == "dumbbell":
        distance, turn = random.uniform(1.2, 1.9), random.uniform(0.0, np.pi)
        size = np.array([random.uniform(2.6, 4.5), random.uniform(4.5, 6.5)]) + distance * 0.4
        pair = 0.5 * distance * np.array([np.cos(turn), np.sin(turn)])
        places = np.array([pair, -pair, size / 2 + pair, size / 2 - pair])
    else:
        many = kind == "disorder"
        size = random.uniform(9.0, 13.0, 2) if many else random.uniform(3.5, 7.5, 2)
        places = _scatter(random, size, random.uniform(1.7, 2.6), count=60 if many else int(random.integers(2, 7)))
    return size, places % size, _heights(random, len(places))


def _heights(random: np.random.Generator, count: int) -> np.ndarray:
    """All alike, of two or three kinds, or each its own."""
    choice = random.random()
    if choice < 0.4:
        return np.ones(count)
    if choice < 0.8:
        kinds = np.exp(random.uniform(np.log(WEAKEST), 0.0, int(random.integers(2, 4))))
        heights = random.choice(kinds, count)
    else:
        heights = np.exp(random.uniform(np.log(WEAKEST), 0.0, count))
    heights[random.integers(count)] = 1.0
    return heights


def _scatter(random: np.random.Generator, size: np.ndarray, apart: float, count: int) -> np.ndarray:
    """At most `count` random places in a periodic cell, at least `apart` Å from one another; at least one."""
    places = np.zeros((1, 2))
    for candidate in random.uniform(0.0, 1.0, (6 * count, 2)) * size:
        if len(places) == count:
            break
        if _distance(candidate, places, size).min() >= apart:
            places = np.vstack((places, candidate))
    return places


def _light(random: np.random.Generator, size: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Places half-way between near columns, where light atoms like to be."""
    first = places[random.integers(len(places))]
    other = places[random.integers(len(places))] + size * random.integers(0, 2, 2)
    middle = (first + other) / 2 % size
    return middle[None] if _distance(middle, places, size).min() > 0.9 else np.zeros((0, 2))


def _distance(place: np.ndarray, others: np.ndarray, size: np.ndarray) -> np.ndarray:
    difference = others - place
    return np.linalg.norm(difference - np.round(difference / size) * size, axis=-1)


def _coefficients(
    size: np.ndarray, places: np.ndarray, heights: np.ndarray, wider: float, pedestal: float
) -> np.ndarray:
    """Fourier coefficients (y, x) of columns of these heights over a pedestal, scaled as those of a sampled picture."""
    columns, rows = (2 * int(np.ceil(LIMIT_PER_A * length)) + 1 for length in size)
    kx = np.fft.fftfreq(columns, size[0] / columns)
    ky = np.fft.fftfreq(rows, size[1] / rows)
    square = ky[:, None] ** 2 + kx**2
    shape = np.zeros_like(square)
    for sigma, height in ((CORE_A * wider, 0.8), (FLANK_A * wider, 0.2)):
        shape += height * 2 * np.pi * sigma**2 * np.exp(-2 * np.pi**2 * sigma**2 * square)
    phase_x = np.exp(-2j * np.pi * kx * places[:, :1])
    phase_y = np.exp(-2j * np.pi * ky * places[:, 1:])
    total = np.einsum("ny,nx,n->yx", phase_y, phase_x, heights)
    out = total * shape * (rows * columns / (size[0] * size[1]))
    out[0, 0] += pedestal * rows * columns
    return out.astype(np.complex64)
