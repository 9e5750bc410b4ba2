"""Synthetic micrographs of FeCrAl beside the real ones of `fecral_three_class`, measured in the same way.

Every ellipse, real or synthetic, is followed around; the mean profile across it, relative to its surroundings, gives
how dark its edge is, how wide, and how dark its middle. The noise is measured in windows without features.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from training.defects.labels import Ellipse, read_labels
from training.defects.synthetic import draw_parameters, render

ACROSS_NM = np.arange(-16.0, 20.1, 0.5)
"""Positions across an ellipse's outline, outwards."""


@dataclass(frozen=True)
class Picture:
    pixels: np.ndarray
    pixel_size_nm: float
    ellipses: tuple[tuple[str, Ellipse], ...]


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[Picture]:
    folder = shared_data / "fecral_three_class"
    pictures = []
    for labels in read_labels(folder / "defects.csv", folder):
        assert labels.pixel_size_nm is not None
        # the source contradicts itself about this magnification; its loops' edges are as wide as the others' at twice
        # the pixel size of the labels, which is the one of the paper's table
        factor = 2.0 if "X500K" in labels.image else 1.0
        with Image.open(folder / labels.image) as picture:
            pixels = np.asarray(picture.convert("L"), float)
        ellipses = tuple((label.class_name, label.ellipse) for label in labels.labels if label.ellipse is not None)
        pictures.append(Picture(pixels, factor * labels.pixel_size_nm[0], ellipses))
    return pictures


@pytest.fixture(scope="module")
def synthetic() -> list[Picture]:
    pictures = []
    for seed in range(200, 230):
        micrograph = render(draw_parameters(seed, pixel_size_nm=(0.28, 0.88)))
        whole = tuple((i.class_name, i.ellipse) for i in micrograph.instances if i.visible == 1)
        pictures.append(Picture(micrograph.pixels.astype(float), micrograph.pixel_size_nm, whole))
    return pictures


def profile(picture: Picture, ellipse: Ellipse) -> np.ndarray:
    """Mean brightness at `ACROSS_NM`, relative to the surroundings; NaN beyond the middle and beyond the picture."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    a, b, p = ellipse.major_px / 2, ellipse.minor_px / 2, picture.pixel_size_nm
    nx, ny = np.cos(turn) * b, np.sin(turn) * a
    size = np.hypot(nx, ny)
    u = a * np.cos(turn) + nx / size * ACROSS_NM[:, None] / p
    v = b * np.sin(turn) + ny / size * ACROSS_NM[:, None] / p
    angle = np.deg2rad(ellipse.angle_deg)
    x = ellipse.x_px + u * np.cos(angle) + v * np.sin(angle)
    y = ellipse.y_px - u * np.sin(angle) + v * np.cos(angle)
    values = ndimage.map_coordinates(picture.pixels, [y, x], order=1, mode="constant", cval=np.nan)
    values[-min(a, b) * p > ACROSS_NM] = np.nan
    outside = values[ACROSS_NM > 8]
    values /= np.nanpercentile(outside, 60) if np.isfinite(outside).any() else np.nan
    known = np.isfinite(values)
    return np.where(
        known.any(axis=1), np.where(known, values, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan
    )


def kind(class_name: str, ellipse: Ellipse) -> str:
    if class_name == "loop_100":
        return "edge_on" if ellipse.minor_px < 0.5 * ellipse.major_px else "double"
    return class_name


def measured(pictures: Iterable[Picture], wanted: str, low_nm: float, high_nm: float) -> dict[str, float]:
    """Medians over all defects of a kind and size: brightness of edge and middle, width of the edge in nm."""
    rows = []
    for picture in pictures:
        for class_name, ellipse in picture.ellipses:
            size = ellipse.major_px * picture.pixel_size_nm
            if kind(class_name, ellipse) != wanted or not low_nm <= size < high_nm:
                continue
            across = profile(picture, ellipse)
            near = np.flatnonzero((np.abs(ACROSS_NM) <= 4) & np.isfinite(across))
            if not len(near):
                continue
            darkest = near[np.argmin(across[near])]
            half = (1 + across[darkest]) / 2
            outwards = darkest + int(np.argmax(~(across[darkest:] < half)))
            inwards = darkest - int(np.argmax(~(across[darkest::-1] < half)))
            inner = across[np.isfinite(across)][0]
            rows.append((across[darkest], inner, (outwards - inwards) * 0.5))
    assert len(rows) >= 5
    edge, middle, width = np.median(rows, axis=0)
    return {"edge": float(edge), "middle": float(middle), "width_nm": float(width)}


@pytest.mark.parametrize(
    ("wanted", "low_nm", "high_nm"),
    [
        ("loop_111", 8, 16),
        ("loop_111", 16, 30),
        ("loop_111", 30, 61),
        ("edge_on", 12, 60),
        ("double", 12, 60),
        ("black_dot", 6, 16),
    ],
)
def test_defects_are_as_dark_and_their_edges_as_wide(
    real: list[Picture], synthetic: list[Picture], wanted: str, low_nm: float, high_nm: float
) -> None:
    expected, found = (measured(pictures, wanted, low_nm, high_nm) for pictures in (real, synthetic))
    print(wanted, low_nm, high_nm, "real", expected, "synthetic", found)
    assert found["edge"] == pytest.approx(expected["edge"], abs=0.11)
    assert found["middle"] == pytest.approx(expected["middle"], abs=0.15)
    assert found["width_nm"] == pytest.approx(expected["width_nm"], rel=0.3)


def flat_windows(pixels: np.ndarray, size: int = 64) -> list[np.ndarray]:
    """The four windows with the least structure."""
    smooth = ndimage.gaussian_filter(pixels, 3)
    mean = ndimage.uniform_filter(smooth, size)
    variance = ndimage.uniform_filter(smooth**2, size) - mean**2
    variance[mean < 0.9 * np.median(pixels)] = np.inf
    variance[mean > 245] = np.inf
    half = size // 2 + 2
    variance[:half], variance[-half:], variance[:, :half], variance[:, -half:] = (np.inf,) * 4
    windows = []
    for _ in range(4):
        y, x = np.unravel_index(int(variance.argmin()), variance.shape)
        if not np.isfinite(variance[y, x]):
            break
        windows.append(pixels[y - size // 2 : y + size // 2, x - size // 2 : x + size // 2])
        variance[max(0, y - size) : y + size, max(0, x - size) : x + size] = np.inf
    return windows


def noise(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Of every picture: relative rms of the noise, and its correlation with the next pixel in x and in y."""
    rows = []
    for pixels in pictures:
        found = []
        for window in flat_windows(pixels):
            rest = window - ndimage.gaussian_filter(window, 8)
            x = np.corrcoef(rest[:, 1:].ravel(), rest[:, :-1].ravel())[0, 1]
            y = np.corrcoef(rest[1:].ravel(), rest[:-1].ravel())[0, 1]
            found.append((rest.std() / window.mean(), x, y))
        if found:
            rows.append(np.mean(found, axis=0))
    return np.array(rows)


def test_the_noise_is_as_strong_and_as_grainy(shared_data: Path, synthetic: list[Picture]) -> None:
    names = sorted((shared_data / "fecral_111_boxes").glob("*.jpg"))[::9]
    real = noise(np.asarray(Image.open(name).convert("L"), float)[:1024, :1024] for name in names)
    made = noise(picture.pixels for picture in synthetic)
    print("real", np.quantile(real, (0.1, 0.5, 0.9), axis=0), "synthetic", np.quantile(made, (0.1, 0.5, 0.9), axis=0))
    # what the real pictures show lies inside what the synthetic ones do, and in the middle they are alike
    for index, tolerance in ((0, 0.02), (1, 0.3), (2, 0.35)):
        assert np.median(made[:, index]) == pytest.approx(np.median(real[:, index]), abs=tolerance)
        assert made[:, index].min() < np.median(real[:, index]) < made[:, index].max()


def test_the_grey_values_are_spread_alike(shared_data: Path, synthetic: list[Picture]) -> None:
    names = sorted((shared_data / "fecral_111_boxes").glob("*.jpg"))[::9]
    real = np.array([(a.mean(), a.std()) for a in (np.asarray(Image.open(n).convert("L"), float) for n in names)])
    made = np.array([(picture.pixels.mean(), picture.pixels.std()) for picture in synthetic])
    print("real", np.median(real, axis=0), "synthetic", np.median(made, axis=0))
    assert np.median(made[:, 0]) == pytest.approx(np.median(real[:, 0]), abs=25)
    assert np.median(made[:, 1]) == pytest.approx(np.median(real[:, 1]), abs=10)
