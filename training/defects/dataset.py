"""Batches of squares cut out of synthetic and real micrographs, each seen as it would be when served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from analysis.defects.preprocess import PLAUSIBLE_PIXEL_SIZE_NM, InputSpec, grey_levels
from analysis.micrograph import Micrograph, read_file
from analysis.pixel_sizes import within
from training.batches import streamed
from training.defects.augmentation import augment
from training.defects.labels import LabelError, LabelledPicture
from training.defects.published import CLASSES
from training.defects.settings import Settings
from training.defects.sources import Source
from training.defects.synthetic import Material, draw_parameters, render
from training.defects.targets import Targets
from training.defects.views import GreyArray, Outlined, View, outlines, targets

FIRST_TRAINING_SEED = 1_000_000
PICTURES_PER_RUN_SEED = 10_000_000
STEPS_PER_GROUP = 4
"""Batches that are made together: they share synthetic pictures, so that each of those is cut up over several steps."""

MATERIALS: dict[Material, float] = {"fecral": 0.76, "fecral_in_situ": 0.08, "steel_316l": 0.08, "titanium": 0.08}
"""How often which synthetic material is drawn."""
ANYTHING = {"loop": CLASSES}
"""A synthetic loop of a material whose labellers do not tell kinds apart may be any class, as in the real sets."""

SCALE_JITTER = 0.22
"""Standard deviation of the logarithm of the random scale: calibrations differ from microscope to microscope."""
ON_A_DEFECT = 0.6
"""Share of the squares of real pictures that are laid over a defect; the others lie anywhere."""
GREY = InputSpec(classes=CLASSES, channels=1, grey_levels="percentile")


@dataclass(frozen=True)
class Batch:
    """Grey levels (N, 1, H, W) float32, 0 to 255, and what is known of each."""

    pictures: Tensor
    targets: tuple[Targets, ...]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A whole picture to cut from: grey levels (H, W), its labels, the classes looked for, its pixel size in nm."""

    grey: GreyArray
    labels: tuple[Outlined, ...]
    labelled: tuple[str, ...]
    pixel_size_nm: tuple[float, float] | None

    @property
    def turnable(self) -> bool:
        """Whether labels stay tight when the picture is turned by any angle: boxes do not."""
        return all(label.known for label in self.labels)


class Squares(Dataset[list[Batch]]):
    """Item `i` is the `i`-th group of `STEPS_PER_GROUP` batches; it depends on the settings and on `i` alone."""

    def __init__(self, settings: Settings, sources: Sequence[Source]) -> None:
        self.settings, self.sources = settings, tuple(sources)
        shares = np.array([source.share for source in self.sources], float)
        self._shares = shares / max(shares.sum(), 1e-9)

    def __getitem__(self, group: int) -> list[Batch]:
        settings = self.settings
        random = np.random.default_rng((settings.seed, group))
        count = STEPS_PER_GROUP * settings.batch
        drawn = random.random(count) < settings.synthetic
        squares = self._synthetic(group, int(drawn.sum()), random)
        squares += [self._real(random) for _ in range(count - len(squares))]
        order = random.permutation(count)
        return [
            _batch([squares[i] for i in order[first : first + settings.batch]])
            for first in range(0, count, settings.batch)
        ]

    def _synthetic(self, group: int, count: int, random: np.random.Generator) -> list[tuple[GreyArray, Targets]]:
        squares: list[tuple[GreyArray, Targets]] = []
        number = 0
        while len(squares) < count:
            seed = FIRST_TRAINING_SEED + self.settings.seed * PICTURES_PER_RUN_SEED
            seed += group * STEPS_PER_GROUP * self.settings.batch + number
            sheet = synthetic_sheet(seed, self.settings, random)
            cut = min(self.settings.crops, count - len(squares))
            squares += [self._square(sheet, random) for _ in range(cut)]
            number += 1
        return squares

    def _real(self, random: np.random.Generator) -> tuple[GreyArray, Targets]:
        source = self.sources[int(random.choice(len(self.sources), p=self._shares))]
        picture = source.pictures[int(random.integers(len(source.pictures)))]
        return self._square(real_sheet(source, picture), random, on_a_defect=random.random() < ON_A_DEFECT)

    def _square(
        self, sheet: Sheet, random: np.random.Generator, *, on_a_defect: bool = False
    ) -> tuple[GreyArray, Targets]:
        view = draw_view(sheet, self.settings, random, on_a_defect=on_a_defect)
        return augment(view.pixels(sheet.grey), random), targets(
            view, sheet.labels, sheet.labelled, self.settings.classes
        )


def working_scale(pixel_size_nm: float, working_range_nm: tuple[float, float]) -> float:
    """Network pixels per picture pixel, as `analysis.defects.preprocess` chooses it."""
    low, high = working_range_nm
    return pixel_size_nm / min(max(pixel_size_nm, low), high)


def draw_view(sheet: Sheet, settings: Settings, random: np.random.Generator, *, on_a_defect: bool) -> View:
    """A random square of a picture, inside it as far as the picture is large enough."""
    jitter = float(np.exp(np.clip(random.normal(0, SCALE_JITTER), -0.5, 0.5)))
    scale_x = scale_y = jitter
    if sheet.pixel_size_nm is not None:
        x_nm, y_nm = sheet.pixel_size_nm
        scale_x = jitter * working_scale(min(x_nm, y_nm), settings.working_range_nm) * x_nm / min(x_nm, y_nm)
        scale_y = scale_x * y_nm / x_nm
    turn = float(random.uniform(0, 360)) if sheet.turnable and random.random() < 0.5 else 90.0 * random.integers(4)
    height, width = sheet.grey.shape
    half = settings.size_px / 2
    low = np.minimum((half / scale_x, half / scale_y), (width / 2, height / 2))
    place = random.uniform(low, np.maximum((width, height) - low, low)) - 0.5
    if on_a_defect and sheet.labels:
        label = sheet.labels[int(random.integers(len(sheet.labels)))]
        middle = np.concatenate(label.polygons).mean(axis=0)
        place = middle + random.uniform(-0.7, 0.7, 2) * half / (scale_x, scale_y)
        place = np.clip(place, low - 0.5, np.maximum((width, height) - low, low) - 0.5)
    if turn % 90 == 0:
        place = np.round(place - 0.5) + 0.5
    x, y = place.tolist()
    return View(settings.size_px, x, y, scale_x, scale_y, float(turn), bool(random.random() < 0.5))


def synthetic_sheet(seed: int, settings: Settings, random: np.random.Generator) -> Sheet:
    """A synthetic micrograph a little larger than what its squares show."""
    names = list(MATERIALS)
    material = names[int(random.choice(len(names), p=list(MATERIALS.values())))]
    low, high = settings.pixel_size_range_nm
    size_nm: float | None = None
    side = 1.5 * settings.size_px
    if material == "fecral":
        size_nm = float(np.exp(random.uniform(np.log(low), np.log(high))))
        side /= working_scale(size_nm, settings.working_range_nm)
    pixels = int(np.clip(side, 256, 900))
    drawn = render(draw_parameters(seed, size=(pixels, pixels), material=material, pixel_size_nm=size_nm))
    labels = drawn.labels("")
    return _sheet(drawn.pixels, labels, Source(Path(), (labels,), ANYTHING), as_is=True)


@lru_cache(maxsize=400)
def real_sheet(source: Source, picture: LabelledPicture) -> Sheet:
    """A real micrograph, read once a process."""
    micrograph = read_file(source.images / picture.image)
    height, width = micrograph.pixels.shape
    if (height, width) != (picture.height_px, picture.width_px):
        wanted = f"{picture.width_px}×{picture.height_px}"
        raise LabelError(f"{picture.image} has {width}×{height} px, but its labels are for {wanted} px")
    return _sheet(micrograph.pixels, _calibrated(picture, micrograph), source, as_is=False)


def _calibrated(picture: LabelledPicture, micrograph: Micrograph) -> LabelledPicture:
    """With the pixel size of the file where nothing else tells it: when served, pictures are scaled by it as well."""
    x_nm, y_nm = micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm
    if (
        picture.pixel_size_nm is not None
        or x_nm is None
        or y_nm is None
        or not within((x_nm, y_nm), PLAUSIBLE_PIXEL_SIZE_NM)
    ):
        return picture
    return replace(picture, pixel_size_nm=(x_nm, y_nm))


def _sheet(pixels: npt.NDArray[np.float32], picture: LabelledPicture, source: Source, *, as_is: bool) -> Sheet:
    grey = grey_levels(pixels, GREY)
    return Sheet(
        grey=grey if as_is else grey.round().astype(np.uint8),
        labels=outlines(picture, source.possible),
        labelled=tuple(dict.fromkeys(name for label in picture.labelled for name in source.possible(label))),
        pixel_size_nm=picture.pixel_size_nm,
    )


def _batch(squares: Sequence[tuple[GreyArray, Targets]]) -> Batch:
    pictures = torch.from_numpy(np.stack([grey for grey, _ in squares])[:, None])
    return Batch(pictures, tuple(known for _, known in squares))


def batches(settings: Settings, sources: Sequence[Source], *, first_step: int = 0, workers: int = 1) -> Iterator[Batch]:
    """The endless stream of batches from step `first_step` on, made in worker processes ahead of the training."""
    return streamed(
        Squares(settings, sources),
        count=PICTURES_PER_RUN_SEED // (STEPS_PER_GROUP * settings.batch),
        steps=STEPS_PER_GROUP,
        first_step=first_step,
        workers=workers,
        ahead=3,
    )
