"""A seed → the parameters of a micrograph."""

from __future__ import annotations

import numpy as np

from training.defects.synthetic.marks import Disc
from training.defects.synthetic.materials import MATERIALS
from training.defects.synthetic.parameters import (
    Annotations,
    Background,
    Border,
    Caption,
    Contrast,
    Detector,
    Dirt,
    Frame,
    Material,
    Parameters,
    Perlin,
    ScaleBar,
    ScanBox,
    Stripes,
    Texture,
)
from training.defects.synthetic.patches import Patches
from training.defects.synthetic.populations import Allowed, Look, defects
from training.defects.synthetic.ranges import Ranges
from training.defects.synthetic.surroundings import bands, borders, dislocations, small_things
from training.synthetic.dice import Dice

_LENGTHS_NM = (5, 10, 20, 50, 100, 200, 500)


def draw_parameters(
    seed: int,
    *,
    size: tuple[int, int] = (512, 512),
    material: Material = "fecral",
    contrast: Contrast = "bright_field",
    pixel_size_nm: float | tuple[float, float] | None = None,
    patches: Patches | None = None,
    patch_share: float = 0.5,
) -> Parameters:
    """Parameters of one micrograph; the same arguments give the same parameters.

    Parameters
    ----------
    size: (height, width) in px.
    material: whose ranges are drawn from, see `ranges.py`.
    contrast: dark defects on a light foil, or the other way round.
    pixel_size_nm: a number, or a range that is drawn from evenly in the logarithm; by default the material's range.
    patches: a folder of real backgrounds; the share `patch_share` of the pictures has one.
    """
    ranges = MATERIALS[material]
    dice = Dice(seed)
    frame = _frame(dice, ranges, size, pixel_size_nm)
    look = Look(dice, ranges)
    edges = borders(dice, ranges, frame)
    background = _background(dice, ranges, frame, edges)
    real = patches is not None and dice.chance(patch_share)
    if real and patches is not None:
        patch = patches.draw(dice.rng, frame)
        background = background.model_copy(update={"patch": patch, "perlin": (), "textures": (), "stripes": None})
    lines = dislocations(dice, ranges, frame, look)
    allowed = _inside(dice, frame, edges)
    things: list[Disc] = [disc for disc in small_things(dice, ranges, frame, look) if _clear(disc, allowed)]
    marks = defects(dice, ranges, frame, look, lines, allowed)
    return Parameters(
        seed=seed,
        material=material,
        contrast=contrast,
        dark_level=dice.even(0.08, 0.3),
        frame=frame,
        marks=(*things, *marks),
        lines=tuple(lines),
        background=background,
        detector=_detector(dice, ranges, real),
        annotations=_annotations(dice, ranges, frame),
    )


def _frame(
    dice: Dice, ranges: Ranges, size: tuple[int, int], pixel_size_nm: float | tuple[float, float] | None
) -> Frame:
    height, width = size
    span = ranges.pixel_size_nm if pixel_size_nm is None else pixel_size_nm
    drawn = dice.decades(span) if isinstance(span, tuple) else float(span)
    field = None
    if dice.chance(ranges.strip_chance):
        right = width - int(dice.even(0.0, 0.12) * width)
        field = (0, 0, right, height - int(dice.even(0.08, 0.16) * height))
    return Frame(height=height, width=width, pixel_size_nm=drawn, field=field)


def _inside(dice: Dice, frame: Frame, edges: list[Border]) -> Allowed:
    """Marks lie on the foil, and not in a grain that is off the zone axis and shows none."""
    barren = [border for border in edges if border.vacuum or dice.chance(0.5)]
    middle_x = (frame.width - 1) / 2 * frame.pixel_size_nm
    middle_y = (frame.height - 1) / 2 * frame.pixel_size_nm

    def allowed(x: float, y: float, radius: float) -> bool:
        for border in barren:
            angle = np.deg2rad(border.normal_deg)
            away = (x - middle_x) * np.cos(angle) - (y - middle_y) * np.sin(angle) - border.offset_nm
            if away > -radius - border.sway_nm:
                return False
        return True

    return allowed


def _clear(disc: Disc, allowed: Allowed) -> bool:
    return allowed(disc.x_nm, disc.y_nm, disc.major_nm / 2)


def _background(dice: Dice, ranges: Ranges, frame: Frame, edges: list[Border]) -> Background:
    width, height = frame.width * frame.pixel_size_nm, frame.height * frame.pixel_size_nm
    octaves = 1 + int(dice.rng.integers(3))
    fast_nm = max(dice.decades(ranges.mottle_nm), 6.0 * frame.pixel_size_nm)
    textures = [
        Texture(rms=dice.decades(ranges.grain), sigma_nm=dice.decades(ranges.grain_px) * frame.pixel_size_nm),
    ]
    if dice.chance(ranges.relief_chance):
        textures.append(
            Texture(
                rms=dice.even(*ranges.relief),
                sigma_nm=max(dice.even(1.0, 3.5), 1.2 * frame.pixel_size_nm),
                elongation=dice.even(1.0, 2.5),
                relief_deg=dice.even(0.0, 360.0),
            )
        )
    dirt = None
    if dice.chance(ranges.dirt_chance):
        dirt = Dirt(
            size_nm=dice.decades((15.0, 80.0)),
            coverage=dice.even(0.03, 0.3),
            depth=dice.even(0.05, 0.35),
            soft=dice.even(0.5, 2.0),
        )
    boxes = []
    if dice.chance(ranges.scan_box_chance):
        left, top = dice.even(-0.5, 0.7) * width, dice.even(-0.5, 0.7) * height
        side = dice.even(0.3, 0.9) * min(width, height)
        boxes.append(
            ScanBox(left_nm=left, top_nm=top, right_nm=left + side, bottom_nm=top + side, depth=dice.even(0.03, 0.2))
        )
    stripes = None
    if dice.chance(ranges.stripes_chance):
        normal = dice.normal(0.0, 3.0) if dice.chance(0.6) else dice.even(0.0, 180.0)
        stripes = Stripes(rms=dice.even(0.015, 0.06), width_nm=dice.decades((1.5, 12.0)), normal_deg=normal)
    return Background(
        gradient_x=dice.even(-ranges.gradient, ranges.gradient),
        gradient_y=dice.even(-ranges.gradient, ranges.gradient),
        perlin=(
            Perlin(
                period_nm=dice.decades(ranges.slow_nm),
                octaves=octaves,
                amplitude=dice.decades(ranges.slow),
                persistence=dice.even(0.35, 0.6),
            ),
            Perlin(
                period_nm=fast_nm, octaves=2, amplitude=dice.decades(ranges.mottle), persistence=dice.even(0.4, 0.8)
            ),
        ),
        textures=tuple(textures),
        stripes=stripes,
        bands=bands(dice, ranges, frame),
        borders=tuple(edges),
        dirt=dirt,
        scan_boxes=tuple(boxes),
    )


def _detector(dice: Dice, ranges: Ranges, real: bool) -> Detector:
    across = dice.even(*ranges.response_px)
    along = across + dice.even(0.3, 1.2) if dice.chance(ranges.streak_chance) else across
    quiet = 0.25 if real else 1.0  # a real background brings its own noise
    return Detector(
        shot_rms=dice.decades(ranges.shot) * quiet,
        response_x_px=along,
        response_y_px=across,
        white_rms=dice.even(*ranges.white) * quiet,
        line_rms=dice.even(*ranges.line_noise) * quiet,
        blur_px=dice.even(*ranges.blur_px),
        level=dice.even(*ranges.level),
        black=dice.even(*ranges.black),
        stretch=(dice.even(0.0, 0.14), dice.even(0.82, 0.98)) if dice.chance(ranges.stretch_chance) else None,
        gamma=dice.decades(ranges.gamma),
        jpeg_quality=int(dice.rng.integers(ranges.jpeg_quality[0], ranges.jpeg_quality[1] + 1))
        if dice.chance(ranges.jpeg_chance)
        else None,
    )


def _annotations(dice: Dice, ranges: Ranges, frame: Frame) -> Annotations:
    left, _, right, bottom = frame.field or (0, 0, frame.width, frame.height)
    text = max(8, int(dice.even(0.025, 0.06) * frame.height))
    scale_bar, at_left = None, dice.chance(0.6)
    if dice.chance(ranges.scale_bar_chance):
        wanted = dice.even(0.12, 0.35) * (right - left) * frame.pixel_size_nm
        length = max((step for step in _LENGTHS_NM if step <= wanted), default=_LENGTHS_NM[0])
        grey = dice.one_of((0, 255))
        # room for the bar and for its label
        room = max(round(length / frame.pixel_size_nm), 4 * text)
        scale_bar = ScaleBar(
            x_px=left + text if at_left else max(left, right - text - room),
            y_px=bottom - 2 * text,
            length_nm=length,
            thickness_px=max(2, text // 4),
            text_px=text,
            grey=grey,
            outline=255 - grey if dice.chance(0.3) else None,
            box=255 - grey if dice.chance(0.2) else None,
        )
    captions = []
    if frame.field is not None:
        small = max(8, (frame.height - bottom) // 3)
        minute, dose = int(dice.rng.integers(60)), dice.even(0.0, 3.0)
        words = f"Time: 15:{minute:02d}   {dose:.2f} dpa"
        captions.append(Caption(x_px=4, y_px=bottom + small, text=words, text_px=small, grey=0))
        if dice.chance(0.5):
            x = right - 5 * text if at_left else left + text
            captions.append(Caption(x_px=x, y_px=bottom - 2 * text, text=f"{dose:.1f} dpa", text_px=text, grey=10))
    return Annotations(scale_bar=scale_bar, captions=tuple(captions))
