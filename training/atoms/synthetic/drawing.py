"""A seed → the parameters of a micrograph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.atoms.synthetic.lattices import LATTICES
from training.atoms.synthetic.parameters import (
    Background,
    Blob,
    Crystal,
    Detector,
    Frame,
    Jitter,
    Parameters,
    Quality,
    Region,
    Source,
    Wave,
)
from training.atoms.synthetic.random_lattices import NUMBERS, RANDOM
from training.atoms.synthetic.ranges import USUAL, WIDE, Range, Ranges
from training.atoms.synthetic.unit_cell import unit_cell
from training.atoms.synthetic.visibility import FWHM, PROBE_FWHM_NM, contrast, widest_source_nm

#: Contrast that a column is taken to have at least when the noise is chosen.
LEAST_CONTRAST = 0.03


class _Dice:
    """Draws Python numbers, so that they print and read back exactly."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 0])

    def even(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def decades(self, span: Range) -> float:
        return float(np.exp(self.rng.uniform(np.log(span[0]), np.log(span[1]))))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def one_of(self, choices: Sequence[str], weights: Sequence[float] | None = None) -> str:
        p = None if weights is None else np.array(weights) / np.sum(weights)
        return choices[int(self.rng.choice(len(choices), p=p))]

    def waves(self, number: int, total: float, frequency: float) -> tuple[Wave, ...]:
        """Waves of random directions whose amplitudes sum to `total`."""
        shares = self.rng.dirichlet(np.ones(number)) * total
        made = []
        for share in shares:
            angle, size = self.even(0.0, 2.0 * np.pi), self.even(0.1, frequency)
            made.append(
                Wave(
                    amplitude=float(share),
                    frequency_x=float(size * np.cos(angle)),
                    frequency_y=float(size * np.sin(angle)),
                    phase_rad=self.even(0.0, 2.0 * np.pi),
                )
            )
        return tuple(made)


def draw_parameters(
    seed: int,
    *,
    size: tuple[int, int] = (256, 256),
    lattices: Sequence[str] = LATTICES,
    quality: Quality = "usual",
    pixel_size_nm: float | tuple[float, float] | None = None,
) -> Parameters:
    """Parameters of one micrograph; the same arguments give the same parameters.

    `size` is (height, width) in px; one of `lattices` is taken, and `random` among them stands for any random lattice.
    `pixel_size_nm` is a number, or a range that is drawn from evenly in the logarithm (by default 0.010 to 0.026). The
    ranges of the two qualities are in `ranges.py`.
    """
    unknown = sorted(set(lattices) - {*LATTICES, RANDOM})
    if unknown or not lattices:
        raise ValueError(f"lattices must be some of {', '.join(LATTICES)}, not {', '.join(unknown) or 'none'}")
    ranges = USUAL if quality == "usual" else WIDE
    dice = _Dice(seed)
    frame = _frame(dice, ranges, size, pixel_size_nm)
    name = _name(dice, tuple(lattices))
    scene = dice.one_of(tuple(ranges.scenes), tuple(ranges.scenes.values()))
    crystals = _crystals(dice, ranges, frame, scene, name, tuple(lattices))
    widest = min((widest_source_nm(crystal.lattice, ranges.contrast) for crystal in crystals), default=0.2)
    source = _source(dice, ranges, widest)
    visible = min((contrast(c.lattice, source.fwhm_nm, source.tail, c.thickness_nm) for c in crystals), default=None)
    background = _background(dice, ranges, frame, visible)
    smoothing_nm = float(np.sqrt(max(widest**2 - source.fwhm_nm**2, 0.0))) / FWHM
    return Parameters(
        seed=seed,
        quality=quality,
        frame=frame,
        crystals=crystals,
        source=source,
        jitter=_jitter(dice, ranges, frame),
        background=background,
        detector=_detector(dice, ranges, frame, source, visible, background, smoothing_nm),
    )


def _name(dice: _Dice, names: tuple[str, ...]) -> str:
    """One of the names; where it is `random`, the name of one of the random lattices."""
    name = dice.one_of(names)
    return f"{RANDOM}_{int(dice.rng.integers(NUMBERS))}" if name == RANDOM else name


def _frame(
    dice: _Dice, ranges: Ranges, size: tuple[int, int], pixel_size_nm: float | tuple[float, float] | None
) -> Frame:
    height, width = size
    if pixel_size_nm is None:
        pixel_size_nm = ranges.pixel_size_nm
    drawn = dice.decades(pixel_size_nm) if isinstance(pixel_size_nm, tuple) else pixel_size_nm
    zoom, anisotropy = dice.even(-ranges.zoom, ranges.zoom), dice.even(-ranges.anisotropy, ranges.anisotropy)
    drift = dice.even(*ranges.drift_px) * height / 256.0
    sideways = dice.even(0.3, 1.0)
    flyback = dice.even(*ranges.flyback_px) if dice.chance(ranges.flyback_chance) else 0.0
    return Frame(
        height=height,
        width=width,
        pixel_size_nm=float(drawn),
        zoom_x=1.0 + zoom + anisotropy / 2,
        zoom_y=1.0 + zoom - anisotropy / 2,
        shear=dice.even(-ranges.shear, ranges.shear),
        drift_x=dice.waves(2, drift, 1.6),
        drift_y=dice.waves(2, drift * sideways, 1.6),
        flyback_px=flyback,
        flyback_decay_px=max(4.0 * flyback, dice.even(5.0, 20.0)),
    )


def _source(dice: _Dice, ranges: Ranges, widest_nm: float) -> Source:
    return Source(
        fwhm_nm=dice.decades((ranges.fwhm_nm[0], max(min(ranges.fwhm_nm[1], widest_nm), ranges.fwhm_nm[0]))),
        ellipticity=float(np.exp(dice.even(0.0, ranges.ellipticity))),
        direction_deg=dice.even(0.0, 180.0),
        tail=dice.even(*ranges.tail),
    )


def _crystals(
    dice: _Dice, ranges: Ranges, frame: Frame, scene: str, name: str, names: tuple[str, ...]
) -> tuple[Crystal, ...]:
    if scene == "empty":
        return ()
    regions: tuple[Region, ...] = ()
    waves = dice.waves(3, dice.even(*ranges.thickness_waves), 1.2)
    if scene == "edge":
        regions = (_region(dice, frame, planes=1),)
    elif scene == "particle":
        regions = (_region(dice, frame, planes=int(dice.rng.integers(0, 8))),)
    elif scene == "hole":
        regions = (_region(dice, frame, planes=0, inverted=True),)
    elif scene == "wedge":
        waves = (*waves, *dice.waves(1, 0.95, 0.45))
    first = _crystal(dice, ranges, name, waves, regions)
    if scene != "grains":
        return (first,)
    boundary = _region(dice, frame, planes=1)
    other = _name(dice, names) if dice.chance(ranges.other_lattice_chance) else name
    second = _crystal(dice, ranges, other, waves, (boundary.model_copy(update={"inverted": True}),))
    spacing = max(unit_cell(each).lattice.smallest_distance_a for each in (name, other))
    gap = 0.45 * spacing / (10.0 * frame.pixel_size_nm)
    return (
        first.model_copy(update={"regions": (boundary,), "margin_px": gap}),
        second.model_copy(update={"margin_px": gap}),
    )


def _region(dice: _Dice, frame: Frame, *, planes: int, inverted: bool = False) -> Region:
    """One half-plane: an edge through the frame. Several: a particle with facets. None: a circle."""
    shorter = min(frame.height, frame.width)
    turn = dice.even(0.0, 360.0)
    reach = dice.even(-0.25, 0.35) if planes == 1 else dice.even(0.15, 0.45)
    spread = [dice.even(0.85, 1.15) for _ in range(planes)]
    return Region(
        centre_x_px=frame.width * dice.even(0.3, 0.7),
        centre_y_px=frame.height * dice.even(0.3, 0.7),
        half_planes=tuple((turn + 360.0 * i / planes, reach * shorter * spread[i]) for i in range(planes)),
        radius_px=None if planes == 1 else reach * shorter * 1.1,
        inverted=inverted,
    )


def _crystal(dice: _Dice, ranges: Ranges, name: str, waves: tuple[Wave, ...], regions: tuple[Region, ...]) -> Crystal:
    lattice = unit_cell(name).lattice
    width, height = lattice.projected_cell
    thickness = dice.even(*ranges.thickness_nm)
    if lattice.layers is not None:
        # A layer is as thick as it is; what varies across it is put on by hand only as far as it is contamination.
        thickness = float(unit_cell(name).thickness_nm[-1])
    return Crystal(
        lattice=name,
        rotation_deg=dice.even(0.0, 360.0),
        offset_x_a=dice.even(0.0, float(width)),
        offset_y_a=dice.even(0.0, float(height)),
        thickness_nm=thickness,
        thickness_waves=() if lattice.layers is not None else waves,
        regions=regions,
        vacancy_fraction=dice.even(*ranges.vacancy_fraction) if dice.chance(ranges.vacancy_chance) else 0.0,
    )


def _background(dice: _Dice, ranges: Ranges, frame: Frame, visible: float | None) -> Background:
    blobs = []
    if dice.chance(ranges.blob_chance):
        for _ in range(int(dice.rng.integers(1, 4))):
            blobs.append(
                Blob(
                    x_px=dice.even(0.0, frame.width),
                    y_px=dice.even(0.0, frame.height),
                    height=dice.even(*ranges.blob_height),
                    width_x_px=frame.width * dice.even(0.08, 0.5),
                    width_y_px=frame.height * dice.even(0.08, 0.5),
                )
            )
    speckled = dice.chance(0.9 if visible is None else ranges.speckle_chance)
    speckle = dice.decades(ranges.speckle)
    if visible is not None:
        speckle = min(speckle, 0.4 * max(visible, LEAST_CONTRAST))
    waves = dice.waves(3, dice.even(*ranges.waves), 1.5)
    return Background(
        level=dice.decades(ranges.level) + sum(wave.amplitude for wave in waves) * dice.even(0.5, 1.0),
        waves=waves,
        blobs=tuple(blobs),
        speckle=speckle if speckled else 0.0,
        speckle_nm=dice.decades((0.03, 0.15)),
    )


def _jitter(dice: _Dice, ranges: Ranges, frame: Frame) -> Jitter:
    jumping = dice.chance(ranges.jump_chance)
    rms = 0.0 if dice.chance(ranges.still_chance) else dice.decades(ranges.jitter_pm) / (1e3 * frame.pixel_size_nm)
    return Jitter(
        x_px=rms,
        y_px=rms * dice.even(0.2, 1.0),
        smooth=dice.even(0.0, 0.6),
        hum_px=rms * dice.even(0.0, 0.5),
        hum_period_lines=dice.even(2.2, 6.0),
        jump_fraction=dice.decades(ranges.jump_fraction) if jumping else 0.0,
        jump_px=dice.even(*ranges.jump_px) if jumping else 0.0,
    )


def _detector(
    dice: _Dice,
    ranges: Ranges,
    frame: Frame,
    source: Source,
    visible: float | None,
    background: Background,
    smoothing_nm: float,
) -> Detector:
    counts, gaussian = dice.decades(ranges.counts), dice.even(*ranges.gaussian)
    if visible is not None:
        height = max(visible, LEAST_CONTRAST)
        sigma_px = float(np.hypot(PROBE_FWHM_NM, source.fwhm_nm)) / FWHM / frame.pixel_size_nm
        hills = max((blob.height for blob in background.blobs), default=0.0)
        level = background.level + max(hills, 0.0) + 0.5 * height
        while height * np.sqrt(np.pi * sigma_px**2 / (level / counts + gaussian**2)) < ranges.signal_to_noise:
            counts, gaussian = 1.25 * counts, 0.9 * gaussian
    sharp = max(0.2, smoothing_nm / frame.pixel_size_nm)
    return Detector(
        counts=counts,
        gaussian=gaussian,
        line_gain=dice.even(*ranges.line_gain),
        line_offset=dice.even(*ranges.line_offset),
        response_px=dice.even(*ranges.response_px) if dice.chance(ranges.response_chance) else 0.0,
        smoothing_px=min(dice.even(*ranges.smoothing_px), sharp) if dice.chance(ranges.smoothing_chance) else 0.0,
        salt_and_pepper=dice.decades(ranges.salt_and_pepper) if dice.chance(ranges.salt_and_pepper_chance) else 0.0,
        black=dice.even(0.0, 0.3),
        white=dice.even(0.7, 1.0),
        black_quantile=dice.even(0.0, ranges.clipped),
        white_quantile=1.0 - dice.even(0.0, ranges.clipped),
        gamma=dice.decades(ranges.gamma),
        bits=8 if dice.chance(0.4) else 16,
    )
