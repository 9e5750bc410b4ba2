"""HAADF pictures of one projected cell of every lattice, by frozen-phonon multislice with abTEM.

The results are committed under `unit_cells/` (a few kilobytes each), so this needs to run only when a lattice or the
microscope changes. It takes about four minutes on two cores.

A scanned picture of a periodic crystal is band-limited at twice the aperture's edge, 2α/λ = 1.91 Å⁻¹ here, because only
pairs of waves inside the aperture interfere. The probe positions are therefore just dense enough for that limit (an odd
number in each direction) and the picture between them follows exactly by Fourier interpolation.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from training.atoms.synthetic.lattices import RMS_DISPLACEMENT, Lattice, lattices
from training.atoms.synthetic.symmetry import symmetrise

ENERGY_EV = 200e3
SEMIANGLE_MRAD = 24.0
DETECTOR_MRAD = (65.0, 135.0)
WAVELENGTH_A = 0.0250793  # of 200 keV electrons
SAMPLING_A = 0.0615  # the anti-aliased edge, 2/3 of Nyquist, is at 136 mrad
BOX_A = 11.0  # smallest lateral size of the periodic supercell
DEPTH_A = 120.0
SLICE_A = 1.6  # about; an even number of slices per repeat, so that atoms lie in the middle of theirs
EXIT_PLANES = 5
CONFIGURATIONS = 4
SEED = 20240

FOLDER = Path(__file__).parent / "unit_cells"


def probe_grid(lattice: Lattice) -> tuple[int, int]:
    """Numbers (x, y) of probe positions over the projected cell: odd, and above the picture's band limit."""
    limit = 2.0 * SEMIANGLE_MRAD * 1e-3 / WAVELENGTH_A
    nx, ny = (2 * math.ceil(limit * length) + 1 for length in lattice.projected_cell)
    return nx, ny


def simulate(
    lattice: Lattice, *, configurations: int = CONFIGURATIONS, depth_a: float = DEPTH_A
) -> dict[str, np.ndarray]:
    """Fraction of the beam that reaches the detector, over one projected cell and for several thicknesses.

    Returns `intensity` (thicknesses, y, x) float32, pixel (0, 0) at the cell's origin, and `thickness_nm`. The
    crystal's own symmetry in projection is imposed, which is the same as averaging over more phonon configurations.
    """
    import abtem
    from ase import Atoms

    abtem.config.set({"device": "cpu", "precision": "float32", "local_diagnostics.progress_bar": False})
    cell = np.array(lattice.cell)
    unit = Atoms(
        [site[0] for site in lattice.sites],
        scaled_positions=[site[1:] for site in lattice.sites],
        cell=cell,
        pbc=True,
    )
    repeats_xy = [max(1, round(BOX_A / length + 0.4)) for length in cell[:2]]
    repeats_z = lattice.layers if lattice.layers is not None else max(1, round(depth_a / cell[2]))
    atoms = unit * (*repeats_xy, repeats_z)
    per_repeat = 2 * max(1, round(cell[2] / SLICE_A / 2))
    slices = per_repeat * repeats_z
    # Half a slice down: an atom on a boundary between slices would belong to either, as its vibration has it.
    atoms.positions[:, 2] += 0.5 * cell[2] / per_repeat
    atoms.wrap()
    points = [math.ceil(length / SAMPLING_A / 16) * 16 for length in np.diag(atoms.cell)[:2]]
    planes: int | tuple[int, ...] | None = None
    if lattice.layers is None:
        ends = np.unique(np.round(np.arange(1, EXIT_PLANES + 1) * repeats_z / EXIT_PLANES).astype(int)) * per_repeat
        planes = tuple(int(end) - 1 for end in ends)
    phonons = abtem.FrozenPhonons(
        atoms,
        num_configs=configurations,
        sigmas={element: RMS_DISPLACEMENT[element] for element in set(unit.get_chemical_symbols())},
        seed=SEED,
    )
    potential = abtem.Potential(
        phonons, gpts=tuple(points), slice_thickness=float(atoms.cell[2, 2]) / slices, exit_planes=planes
    )
    probe = abtem.Probe(energy=ENERGY_EV, semiangle_cutoff=SEMIANGLE_MRAD)
    probe.grid.match(potential)
    size = lattice.projected_cell
    # One cell in the middle of the box; the box is periodic, so the corner of a repeat is the cell's own origin.
    start = (float(cell[0] * (repeats_xy[0] // 2)), float(cell[1] * (repeats_xy[1] // 2)))
    end = (start[0] + float(size[0]), start[1] + float(size[1]))
    nx, ny = probe_grid(lattice)
    scan = abtem.GridScan(start=start, end=end, gpts=(nx, ny), endpoint=False)
    detector = abtem.AnnularDetector(inner=DETECTOR_MRAD[0], outer=DETECTOR_MRAD[1])
    # One detector gives one lazy measurement; abTEM's annotations name every shape that several could give.
    lazy: Any = probe.scan(potential, scan=scan, detectors=detector)
    measured = lazy.compute(scheduler="threads", progress_bar=False)
    values = np.asarray(measured.array, dtype=np.float64)
    while values.ndim > 3 - (lattice.layers is not None):
        values = values.mean(axis=0)  # the axis of the phonon configurations, where abTEM has not reduced it
    values = values.reshape(-1, nx, ny).transpose(0, 2, 1)
    if planes is None:
        thickness = np.array([lattice.layers * cell[2] / 10.0])
    else:
        thickness = (np.array(planes) + 1) * cell[2] / per_repeat / 10.0
    intensity = symmetrise(values, lattice)
    return {"intensity": intensity.astype(np.float32), "thickness_nm": thickness.astype(np.float64)}


def save(lattice: Lattice, folder: Path, *, configurations: int = CONFIGURATIONS, depth_a: float = DEPTH_A) -> Path:
    """Simulate one lattice and write `<folder>/<name>.npz` with the arrays and the parameters as JSON."""
    import abtem

    arrays = simulate(lattice, configurations=configurations, depth_a=depth_a)
    meta = {
        "lattice": lattice.name,
        "projected_cell_a": [float(length) for length in lattice.projected_cell],
        "energy_ev": ENERGY_EV,
        "semiangle_mrad": SEMIANGLE_MRAD,
        "detector_mrad": DETECTOR_MRAD,
        "sampling_a": SAMPLING_A,
        "slice_a": SLICE_A,
        "configurations": configurations,
        "rms_displacement_a": {e: RMS_DISPLACEMENT[e] for e in sorted({site[0] for site in lattice.sites})},
        "seed": SEED,
        "abtem": abtem.__version__,
        "numpy": np.__version__,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{lattice.name}.npz"
    np.savez_compressed(
        path,
        intensity=arrays["intensity"],
        thickness_nm=arrays["thickness_nm"],
        meta=np.array(json.dumps(meta)),
    )
    return path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate unit-cells`."""
    parser.add_argument("--lattice", choices=tuple(lattices()), action="append", help="only this one (repeatable)")
    parser.add_argument("--configurations", type=int, default=CONFIGURATIONS, help="phonon configurations")
    parser.add_argument("--depth-a", type=float, default=DEPTH_A, help="largest thickness, Å")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the .npz files")


def run(args: argparse.Namespace) -> int:
    """Simulate the chosen lattices; returns the exit code."""
    for name in args.lattice or tuple(lattices()):
        started = time.perf_counter()
        path = save(lattices()[name], args.out, configurations=args.configurations, depth_a=args.depth_a)
        print(f"{name}: {path.name}, {path.stat().st_size / 1024:.0f} KiB, {time.perf_counter() - started:.0f} s")
    return 0


def main(argv: list[str] | None = None) -> int:
    """The command by itself, with its own argument list."""
    parser = argparse.ArgumentParser(prog="generate unit-cells", description=__doc__.splitlines()[0])
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
