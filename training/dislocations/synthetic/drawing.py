"""A seed → the parameters of a frame; a labelled frame and a seed → those of its twin."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from training.dislocations import curves
from training.dislocations.curves import FloatArray
from training.dislocations.labels import LabelledFrame
from training.dislocations.synthetic import distributions
from training.dislocations.synthetic.contrast import course
from training.dislocations.synthetic.distributions import Microstructure, Surroundings
from training.dislocations.synthetic.looks import Look, bands, dots, draw_line, loose_trace
from training.dislocations.synthetic.parameters import (
    Background,
    Detector,
    Frame,
    Grain,
    Light,
    Line,
    Parameters,
    Perlin,
    Region,
    Speck,
    Trace,
    Wave,
)
from training.dislocations.synthetic.patches import draw_layers
from training.dislocations.synthetic.pile_ups import PileUp, draw_pile_up, visible
from training.synthetic.dice import Dice
from training.synthetic.folder import PictureFolder

BackgroundKind = Literal["perlin", "real"]

MOST_LINES = 20
"""In a frame, by default: what the published network has masks for."""
_LIGHT_OVER_REAL = 0.2  # chance of drawn light over real micrographs, which bring their own
_TWIN_STEP_PX = 6.0  # between a twin's support points: its waves are the labelled line's own


def draw_parameters(
    seed: int,
    *,
    microstructure: str | Path | Microstructure = "M2",
    size: tuple[int, int] = (512, 512),
    folder: PictureFolder | None = None,
    most_lines: int = MOST_LINES,
) -> Parameters:
    """Parameters of one frame; the same arguments give the same parameters.

    Parameters
    ----------
    microstructure: what is drawn from, see `distributions.microstructure`.
    size: (height, width) in px.
    folder: real micrographs as backgrounds; without it they are of Perlin noise.
    most_lines: further lines are left out.
    """
    kind = _microstructure(microstructure)
    dice, frame = Dice(seed), Frame(height=size[0], width=size[1])
    weights = {str(number): weight for number, weight in enumerate(kind.geometry.pile_ups, start=1)}
    pile_ups: list[PileUp] = []
    for _ in range(int(dice.weighted(weights))):
        drawn = draw_pile_up(dice, kind.geometry, *frame.shape, taken=_taken(pile_ups))
        room = most_lines - sum(len(pile_up.lines) for pile_up in pile_ups)
        if drawn.lines and room:
            pile_ups.append(PileUp(drawn.band, drawn.lines[:room]))
    background, detector = _background(dice, kind, frame, folder), _detector(dice, kind.surroundings, folder)
    look = Look(dice, kind.lines)
    look.depth = max(look.depth, _least_depth(background, detector, look.width_px))
    lines: list[Line] = []
    numbers: list[int] = []
    traces: list[Trace] = []
    regions: list[Region] = []
    specks: list[Speck] = []
    for number, pile_up in enumerate(pile_ups):
        drawn_lines = [
            draw_line(dice, look, pile_up.band.to_px(line), _waves(dice, kind, pile_up.band.to_px(line)))
            for line in pile_up.lines
        ]
        # along the frame's rim, waves may cut a line into pieces
        made = [line for line in drawn_lines if visible(course(line), *frame.shape)]
        lines += made
        numbers += [number] * len(made)
        specks += [dot for line in made for dot in dots(dice, look, line)]
        surface = bands(dice, kind.traces, pile_up)
        traces += surface[0]
        regions += surface[1]
    return Parameters(
        seed=seed,
        microstructure=kind.name,
        frame=frame,
        lines=tuple(lines),
        pile_up=tuple(numbers),
        traces=tuple(traces),
        regions=tuple(regions),
        specks=(*specks, *_dirt(dice, kind.surroundings, frame)),
        background=background,
        detector=detector,
    )


def twin(
    labels: LabelledFrame,
    seed: int,
    *,
    microstructure: str | Path | Microstructure = "M1",
    folder: PictureFolder | None = None,
) -> Parameters:
    """Parameters of a synthetic frame with the lines and the slip traces of a labelled one; all else is drawn.

    microstructure: whose contrast, light and noise are drawn. folder: as in `draw_parameters`.
    """
    kind = _microstructure(microstructure)
    dice, frame = Dice(seed), Frame(height=labels.height_px, width=labels.width_px)
    background, detector = _background(dice, kind, frame, folder), _detector(dice, kind.surroundings, folder)
    look = Look(dice, kind.lines)
    look.depth = max(look.depth, _least_depth(background, detector, look.width_px))
    lines = [draw_line(dice, look, curves.resampled(points, _TWIN_STEP_PX), ()) for points in labels.lines]
    specks = [dot for line in lines for dot in dots(dice, look, line)]
    traces = [piece for points in labels.slip_traces for piece in loose_trace(dice, kind.traces, points)]
    return Parameters(
        seed=seed,
        microstructure=kind.name,
        frame=frame,
        lines=tuple(lines),
        pile_up=(0,) * len(lines),
        traces=tuple(traces),
        specks=(*specks, *_dirt(dice, kind.surroundings, frame)),
        background=background,
        detector=detector,
    )


def _microstructure(name: str | Path | Microstructure) -> Microstructure:
    return name if isinstance(name, Microstructure) else distributions.microstructure(name)


def _waves(dice: Dice, kind: Microstructure, supports: FloatArray) -> tuple[Wave, ...]:
    """Three small waves of different lengths, none longer than the line."""
    rms, longest = kind.geometry.wave_rms.draw(dice), float(curves.lengths(supports)[-1])
    return tuple(
        Wave(
            length_px=min(kind.geometry.wave_px.draw(dice), longest),
            # three of them add up to the rms
            amplitude_px=rms * float(np.sqrt(2 / 3)) * dice.even(0.5, 1.5),
            phase_rad=dice.even(0.0, 2 * np.pi),
        )
        for _ in range(3)
        if rms > 0
    )


def _taken(pile_ups: list[PileUp]) -> FloatArray | None:
    lines = [curves.resampled(one.band.to_px(line), 6.0) for one in pile_ups for line in one.lines]
    return np.concatenate(lines) if lines else None


def _background(dice: Dice, kind: Microstructure, frame: Frame, folder: PictureFolder | None) -> Background:
    return Background(
        perlin=_perlin(dice) if folder is None else None,
        layers=() if folder is None else draw_layers(dice, frame, folder),
        light=_light(dice, kind.surroundings) if folder is None or dice.chance(_LIGHT_OVER_REAL) else None,
    )


def _least_depth(background: Background, detector: Detector, width_px: float) -> float:
    """What a line needs to be seen before its background, by a person who knows that it is there."""
    perlin = 0.0 if background.perlin is None else 0.25 * background.perlin.contrast
    # noise averages out across a broad line
    rough = sum(grain.rms for grain in detector.grains) * min(1.0, 5.0 / width_px)
    return 0.08 + perlin + 2.0 * rough


def _perlin(dice: Dice) -> Perlin:
    """The published ranges; how much contrast of it remains is drawn from little, as in real frames, to much."""
    return Perlin(
        wavelength_1_px=dice.even(10, 100),
        wavelength_2_px=dice.even(10, 100),
        w_perlin=dice.even(0.2, 0.4),
        w_white=dice.even(0.5, 0.7),
        s1_px=1.0,
        r_noise=dice.even(0.2, 0.4),
        s2_px=dice.even(0.6, 0.8),
        contrast=dice.decades((0.04, 0.45)),
    )


def _light(dice: Dice, around: Surroundings) -> Light | None:
    if not dice.chance(around.light):
        return None
    return Light(
        centre_x=around.centre_x.draw(dice),
        centre_y=around.centre_y.draw(dice),
        sigma_x=around.sigma_x.draw(dice),
        sigma_y=around.sigma_y.draw(dice),
        floor=around.floor.draw(dice),
    )


def _dirt(dice: Dice, around: Surroundings, frame: Frame) -> list[Speck]:
    """Specks, some of which are clusters."""
    made = []
    for _ in range(dice.count(around.specks.draw(dice) * frame.height * frame.width / 512**2)):
        x, y = dice.even(0, frame.width - 1), dice.even(0, frame.height - 1)
        size, depth = around.speck_px.draw(dice), around.speck_depth.draw(dice)
        # dirt lies in the direction of the last scan or of the holder, mostly upright in the frames
        for _ in range(1 + dice.count(0.8)):
            made.append(
                Speck(
                    x_px=x + dice.normal(0, 0.4) * size,
                    y_px=y + dice.normal(0, 0.6) * size,
                    major_px=size * dice.even(0.6, 1.2),
                    minor_px=size * dice.even(0.4, 0.8),
                    angle_deg=dice.normal(80, 30),
                    depth=depth * dice.even(0.5, 1.1),
                    hardness=dice.even(1.8, 4.0),
                )
            )
    return made


def _detector(dice: Dice, around: Surroundings, folder: PictureFolder | None) -> Detector:
    share = 1.0 if folder is None else 0.5  # real backgrounds bring noise of their own
    return Detector(
        grains=(
            Grain(rms=share * around.grain.draw(dice), sigma_px=around.grain_px.draw(dice)),
            Grain(rms=share * around.mottle.draw(dice), sigma_px=around.mottle_px.draw(dice)),
        ),
        blur_px=around.blur_px.draw(dice),
        level=around.level.draw(dice),
        black=around.black.draw(dice),
        jpeg_quality=int(dice.rng.integers(60, 96)) if dice.chance(around.jpeg) else None,
    )
