"""Ranges that parameters are drawn from, for each material.

Irradiated FeCrAl on the [100] zone (`fecral`) is drawn after the four real pictures of `fecral_three_class` and the 252
of `fecral_111_boxes`. Sizes are the labellers' own figures over twelve pictures; for the rest real and synthetic
pictures are measured alike (medians; brightness relative to the foil's around the defect, averaged around the ellipse,
which widens the real edges by the labellers' own scatter; `test_defects_like_the_real_ones.py` has the method):

|  | real | synthetic |
|---|---|---|
| ⟨111⟩ major axis, nm | 22.4 ± 13.1 | 22.4 ± 10.6 |
| ⟨100⟩ major axis, nm | 20.3 ± 11.9 | 21.1 ± 10.2 |
| black dots' size, nm | 8.2 ± 2.8 | 8.1 ± 2.4 |
| density of ⟨111⟩, ⟨100⟩, dots, 1e-4 nm⁻² | 2.2, 1.5, 4.5 | 2.4, 1.1, 5.1 |
| ⟨111⟩ 8–16 nm: edge, middle, width of the edge | 0.41, 0.48, 7.0 nm | 0.42, 0.47, 7.0 nm |
| ⟨111⟩ 16–30 nm | 0.51, 0.63, 9.0 nm | 0.48, 0.69, 9.0 nm |
| ⟨111⟩ 30–60 nm | 0.56, 0.79, 11.0 nm | 0.53, 0.93, 9.0 nm |
| edge-on ⟨100⟩: darkness, width | 0.25, 5.5 nm | 0.22, 4.5 nm |
| open ⟨100⟩, both edges together | 0.58, 12.5 nm | 0.56, 10.0 nm |
| black dots | 0.37 | 0.34 |
| noise, rms of the foil | 5.3 % (10–90 %: 3.0–7.0) | 5.6 % (3.6–7.3) |
| its correlation with the next pixel in x, y | 0.65, 0.47 | 0.77, 0.72 |
| mean and deviation of the grey values | 151, 35 | 139, 34 |

Directions are relative to the crystal's [100], which is turned at random: on this zone an edge-on ⟨100⟩ loop lies
along ⟨100⟩, and a ⟨111⟩ loop's ellipse has its major axis along ⟨110⟩, with minor / major = 1/√3 for the habit {111}
and up to 1/√2 on the way to {110}. The labels scatter around these directions by 10 to 20 degrees, and so do these.
"""

from __future__ import annotations

from dataclasses import replace

from training.defects.synthetic.parameters import Material
from training.defects.synthetic.ranges import Population, Ranges
from training.synthetic.dice import Spread

_FECRAL = Ranges(
    pixel_size_nm=(0.14, 0.88),
    populations=(
        Population(
            "loop_111",
            "open",
            (4e-5, 1.0e-3),
            0.08,
            Spread(22.4, 13.1, 8.0, 60.0),
            Spread(0.63, 0.1, 0.38, 0.9),
            (0.5, 0.95),
            along_deg=(45.0, 135.0),
            turn_deg=13.0,
            stray=0.2,
        ),
        Population(
            "loop_100",
            "edge_on",
            (2e-5, 1.8e-4),
            0.2,
            Spread(20.5, 12.0, 9.0, 60.0),
            Spread(6.0, 0.9, 4.2, 8.0),
            (0.9, 1.6),
            along_deg=(0.0, 90.0),
            turn_deg=4.0,
            stray=0.06,
        ),
        Population(
            "loop_100",
            "double",
            (2e-5, 2.0e-4),
            0.3,
            Spread(19.0, 13.0, 10.0, 60.0),
            Spread(0.96, 0.09, 0.6, 1.0),
            (0.3, 0.56),
        ),
        Population(
            "loop_100",
            "solid",
            (8e-6, 8e-5),
            0.6,
            Spread(17.0, 5.0, 10.0, 40.0),
            Spread(0.42, 0.08, 0.28, 0.6),
            (0.9, 1.5),
            along_deg=(0.0, 90.0),
            turn_deg=9.0,
            stray=0.1,
        ),
        Population(
            "black_dot",
            "dot",
            (8e-5, 2.0e-3),
            0.06,
            Spread(8.2, 2.8, 4.0, 15.0),
            Spread(0.95, 0.12, 0.62, 1.0),
            (0.72, 1.45),
        ),
    ),
    most_marks=120,
    edge_nm=(5.0, 8.2),
    focus=(0.75, 1.2),
    vigour=(0.6, 1.12),
    clustered=(0.0, 0.45),
    line_density_per_nm2=(4e-5, 4.5e-4),
    lines_absent=0.1,
    line_width_nm=(4.0, 7.5),
    line_depth=(0.25, 0.9),
    specks_chance=0.6,
    speck_density_per_nm2=(2e-4, 3e-3),
    precipitate_chance=0.15,
    network_chance=0.08,
    scenes={"grain": 0.8, "boundary": 0.12, "edge": 0.06, "both": 0.02},
    band_chance=0.2,
    dirt_chance=0.15,
    scan_box_chance=0.06,
    stripes_chance=0.15,
    gradient=0.3,
    slow=(0.015, 0.11),
    slow_nm=(60.0, 300.0),
    mottle=(0.011, 0.045),
    mottle_nm=(8.0, 40.0),
    grain=(0.01, 0.04),
    grain_px=(1.0, 3.2),
    relief_chance=0.25,
    relief=(0.02, 0.05),
    shot=(0.017, 0.055),
    response_px=(0.0, 1.3),
    streak_chance=0.4,
    white=(0.0, 0.03),
    line_noise=(0.0, 0.012),
    blur_px=(0.0, 0.8),
    level=(0.4, 0.76),
    black=(0.0, 0.12),
    stretch_chance=0.75,
    gamma=(0.85, 1.2),
    jpeg_chance=0.7,
    jpeg_quality=(55, 97),
    scale_bar_chance=0.1,
)

# Bright-field frames of an in-situ irradiation (`fecral_in_situ`): 0.36 nm a pixel by their scale bar, loops of 4 to
# 11 nm that are mostly solid, on the rough surface of an electropolished foil; text, bar and strips of the software.
_FECRAL_IN_SITU = replace(
    _FECRAL,
    pixel_size_nm=(0.28, 0.46),
    populations=(
        Population(
            "loop",
            "dot",
            (2e-4, 2.5e-3),
            0.03,
            Spread(7.0, 2.4, 3.5, 16.0),
            Spread(0.72, 0.15, 0.4, 1.0),
            (0.55, 1.7),
            along_deg=(60.0,),
            turn_deg=35.0,
            stray=0.25,
            soft_nm=(1.8, 3.4),
        ),
        Population(
            "loop",
            "open",
            (4e-5, 5e-4),
            0.15,
            Spread(9.5, 3.0, 6.0, 20.0),
            Spread(0.6, 0.12, 0.35, 0.9),
            (0.5, 1.1),
            along_deg=(60.0,),
            turn_deg=35.0,
            stray=0.25,
        ),
    ),
    edge_nm=(2.4, 4.0),
    line_density_per_nm2=(2e-6, 2e-5),
    lines_absent=0.4,
    line_width_nm=(3.0, 6.0),
    specks_chance=0.6,
    precipitate_chance=0.05,
    network_chance=0.0,
    scenes={"grain": 0.97, "boundary": 0.03},
    mottle=(0.022, 0.068),
    mottle_nm=(8.0, 25.0),
    grain=(0.01, 0.03),
    relief_chance=0.85,
    relief=(0.03, 0.11),
    shot=(0.01, 0.035),
    response_px=(0.4, 1.4),
    streak_chance=0.0,
    level=(0.5, 0.75),
    jpeg_chance=1.0,
    jpeg_quality=(50, 90),
    scale_bar_chance=0.6,
    strip_chance=0.35,
)

# 316L steel (`steel_316l_loops`): 0.39 nm a pixel, loops of 6 to 26 nm, dark smudges of one direction, strong noise.
_STEEL_316L = replace(
    _FECRAL,
    pixel_size_nm=(0.3, 0.5),
    populations=(
        Population(
            "loop",
            "dot",
            (7e-5, 6e-4),
            0.02,
            Spread(11.0, 4.5, 4.5, 26.0),
            Spread(0.58, 0.15, 0.33, 0.95),
            (0.5, 1.7),
            along_deg=(0.0,),
            turn_deg=18.0,
            stray=0.15,
            soft_nm=(4.0, 9.0),
        ),
        Population(
            "loop",
            "open",
            (1e-5, 1e-4),
            0.5,
            Spread(16.0, 6.0, 9.0, 32.0),
            Spread(0.62, 0.15, 0.35, 0.95),
            (0.4, 0.9),
            along_deg=(0.0,),
            turn_deg=18.0,
            stray=0.15,
        ),
    ),
    edge_nm=(4.5, 7.5),
    line_density_per_nm2=(2e-6, 2.5e-5),
    lines_absent=0.4,
    line_width_nm=(8.0, 16.0),
    specks_chance=0.2,
    precipitate_chance=0.05,
    network_chance=0.0,
    scenes={"grain": 1.0},
    band_chance=0.3,
    dirt_chance=0.6,
    mottle=(0.03, 0.09),
    mottle_nm=(15.0, 60.0),
    grain=(0.02, 0.05),
    shot=(0.1, 0.24),
    response_px=(0.5, 0.9),
    white=(0.02, 0.08),
    level=(0.4, 0.6),
    black=(0.0, 0.05),
)

# Titanium annealed in situ (`titanium_loops`): small loops crowded on a foil that is mottled by its own defects.
_TITANIUM = replace(
    _FECRAL,
    pixel_size_nm=(0.25, 0.5),
    populations=(
        Population(
            "loop",
            "dot",
            (6e-4, 2.6e-3),
            0.02,
            Spread(9.0, 4.0, 4.0, 25.0),
            Spread(0.75, 0.14, 0.4, 1.0),
            (0.35, 1.1),
            along_deg=(0.0, 60.0),
            turn_deg=22.0,
            stray=0.3,
            soft_nm=(2.0, 5.0),
        ),
        Population(
            "loop",
            "open",
            (1e-4, 7e-4),
            0.1,
            Spread(15.0, 7.0, 8.0, 45.0),
            Spread(0.7, 0.14, 0.4, 1.0),
            (0.3, 0.75),
            along_deg=(0.0, 60.0),
            turn_deg=22.0,
            stray=0.3,
        ),
    ),
    most_marks=160,
    edge_nm=(3.0, 5.5),
    clustered=(0.1, 0.6),
    line_density_per_nm2=(1e-5, 6e-5),
    line_width_nm=(3.5, 8.0),
    line_depth=(0.15, 0.5),
    specks_chance=0.7,
    precipitate_chance=0.02,
    network_chance=0.0,
    scenes={"grain": 0.98, "boundary": 0.02},
    dirt_chance=0.7,
    slow=(0.04, 0.15),
    mottle=(0.075, 0.21),
    mottle_nm=(9.0, 32.0),
    grain=(0.02, 0.05),
    grain_px=(1.5, 4.0),
    shot=(0.04, 0.12),
    response_px=(0.4, 1.0),
    white=(0.02, 0.06),
    blur_px=(0.4, 2.0),
    level=(0.45, 0.7),
)

MATERIALS: dict[Material, Ranges] = {
    "fecral": _FECRAL,
    "fecral_in_situ": _FECRAL_IN_SITU,
    "steel_316l": _STEEL_316L,
    "titanium": _TITANIUM,
}
