"""Ranges that parameters are drawn from, for two qualities of picture.

`usual` is what a good picture shows that a laboratory keeps: 40 to 1,500 electrons per pixel on the brightest columns,
electronics' noise of 1 to 6 % of their height (the real pictures that were looked at show 4.5 to 8 % in all), a source
of 0.05 to 0.15 nm on top of the probe, lines that jitter by up to 22 pm (0.9 to 2.2 px). Every labelled column stands
above its surroundings by 8 % of the brightest ones' height, and 12 times above the noise averaged over its own area;
dose and source are bettered until that holds: nobody keeps a picture of WS2 for a sulphur that cannot be seen in it.

`wide` goes as far as the AtomAI settings of the benchmark paper, in this module's units:

| AtomAI setting | its meaning | here |
|---|---|---|
| background on | one Gaussian hill or valley, up to 0.5 of the picture's range | blobs, waves, level up to 1.5 |
| rotation on | flips and quarter turns | any angle |
| jitter 0–5 | lines shifted by Poisson numbers of mean 0 to 0.5 px: 0.7 px rms | up to 35 pm: 1.3 to 3.5 px rms |
| Poisson 20–55 | (50/p)^ceil(log2(grey levels)) counts at full scale: 1,500 to 1/2 for 8 bits | 5 to 3,000 |
| Gauss 20–90 | variance 0.0020 to 0.0090 of the range squared, 4.5 to 9.5 % rms | 0 to 9.5 % |
| blur 1–100 | Gaussian of 0.05 to 5 px, after the noise | source up to 0.19 nm, then smoothing up to 2.5 px |
| contrast 5–18 | gamma 0.5 to 1.8 | gamma 0.5 to 1.8 |
| salt and pepper 1–20 | 0.1 to 2 % of the pixels | 0.1 to 2 % |

The far ends of Poisson and blur leave no columns to see (half an electron per pixel; a column wider than its distance
to the next). There the counts are raised, the source and the smoothing are kept below the smallest distance between
columns, and a film's texture below 0.4 of the weakest column, so that the truth stays something the picture shows.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """Intervals (low, high), drawn evenly or, where they span decades, evenly in the logarithm; and probabilities.

    Heights are relative to the brightest columns, lengths in the unit of the name.
    """

    # frame
    pixel_size_nm: Range
    zoom: float  # calibration of both axes, ±
    anisotropy: float  # of one against the other, ±
    shear: float  # ±
    drift_px: Range  # per wave, in a frame of 256 lines
    flyback_chance: float
    flyback_px: Range
    # specimen
    thickness_nm: Range
    thickness_waves: Range  # sum of amplitudes, relative
    scenes: dict[str, float]  # probabilities of what the frame holds
    other_lattice_chance: float  # of a second grain
    vacancy_chance: float
    vacancy_fraction: Range
    # source and scan
    fwhm_nm: Range
    ellipticity: float  # log range, ±
    tail: Range
    still_chance: float  # of no line jitter at all
    jitter_pm: Range
    jump_chance: float
    jump_fraction: Range
    jump_px: Range
    # background
    level: Range
    waves: Range
    blob_chance: float
    blob_height: Range
    speckle_chance: float
    speckle: Range
    # detector
    counts: Range
    contrast: float  # of the weakest labelled column over its surroundings, at least; limits source and smoothing
    signal_to_noise: float  # of the weakest labelled column, at least
    gaussian: Range
    line_gain: Range
    line_offset: Range
    response_chance: float
    response_px: Range
    smoothing_chance: float
    smoothing_px: Range
    salt_and_pepper_chance: float
    salt_and_pepper: Range
    clipped: float  # share of the pixels below black, and above white, at most
    gamma: Range


USUAL = Ranges(
    pixel_size_nm=(0.010, 0.026),
    zoom=0.04,
    anisotropy=0.04,
    shear=0.02,
    drift_px=(0.05, 0.8),
    flyback_chance=0.3,
    flyback_px=(0.2, 1.0),
    thickness_nm=(3.0, 12.0),
    thickness_waves=(0.0, 0.15),
    scenes={"full": 0.74, "edge": 0.08, "wedge": 0.03, "particle": 0.06, "hole": 0.03, "grains": 0.04, "empty": 0.02},
    other_lattice_chance=0.2,
    vacancy_chance=0.25,
    vacancy_fraction=(0.005, 0.03),
    fwhm_nm=(0.05, 0.15),
    ellipticity=0.2,
    tail=(0.0, 0.15),
    still_chance=0.15,
    jitter_pm=(2.0, 22.0),
    jump_chance=0.2,
    jump_fraction=(0.005, 0.02),
    jump_px=(1.0, 3.0),
    level=(0.01, 0.4),
    waves=(0.0, 0.12),
    blob_chance=0.15,
    blob_height=(-0.15, 0.4),
    speckle_chance=0.3,
    speckle=(0.005, 0.03),
    counts=(40.0, 1500.0),
    contrast=0.08,
    signal_to_noise=12.0,
    gaussian=(0.01, 0.06),
    line_gain=(0.0, 0.02),
    line_offset=(0.0, 0.01),
    response_chance=0.25,
    response_px=(0.2, 0.7),
    smoothing_chance=0.2,
    smoothing_px=(0.3, 0.8),
    salt_and_pepper_chance=0.1,
    salt_and_pepper=(0.0001, 0.001),
    clipped=0.003,
    gamma=(0.85, 1.2),
)

WIDE = Ranges(
    pixel_size_nm=(0.010, 0.026),
    zoom=0.10,
    anisotropy=0.10,
    shear=0.06,
    drift_px=(0.1, 1.6),
    flyback_chance=0.5,
    flyback_px=(0.3, 3.0),
    thickness_nm=(2.0, 12.0),
    thickness_waves=(0.0, 0.5),
    scenes={"full": 0.54, "edge": 0.11, "wedge": 0.05, "particle": 0.14, "hole": 0.05, "grains": 0.07, "empty": 0.04},
    other_lattice_chance=0.4,
    vacancy_chance=0.4,
    vacancy_fraction=(0.01, 0.15),
    fwhm_nm=(0.02, 0.19),
    ellipticity=0.45,
    tail=(0.0, 0.35),
    still_chance=0.1,
    jitter_pm=(1.0, 35.0),
    jump_chance=0.4,
    jump_fraction=(0.005, 0.06),
    jump_px=(1.0, 5.0),
    level=(0.01, 1.5),
    waves=(0.0, 0.4),
    blob_chance=0.4,
    blob_height=(-0.5, 1.2),
    speckle_chance=0.5,
    speckle=(0.01, 0.08),
    counts=(5.0, 3000.0),
    contrast=0.05,
    signal_to_noise=7.0,
    gaussian=(0.002, 0.095),
    line_gain=(0.0, 0.08),
    line_offset=(0.0, 0.04),
    response_chance=0.4,
    response_px=(0.2, 1.2),
    smoothing_chance=0.5,
    smoothing_px=(0.3, 2.5),
    salt_and_pepper_chance=0.3,
    salt_and_pepper=(0.001, 0.02),
    clipped=0.02,
    gamma=(0.5, 1.8),
)
