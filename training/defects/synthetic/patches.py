"""Pieces of real micrographs as backgrounds.

The folder holds pictures that show no defects of the labelled classes, of any size; `clean_windows` cuts such pieces
out of labelled micrographs. Nothing of a folder travels in the parameters but names and checksums.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy import ndimage

from training.defects.labels import LabelledPicture
from training.defects.synthetic.parameters import Frame, Patch
from training.synthetic.folder import PictureFolder
from training.synthetic.resizing import FloatArray

STRONGEST_TEXTURE = 0.08
"""Root mean square of a texture made of a real piece, relative to its brightness, at most."""


class Patches(PictureFolder):
    """Real backgrounds of a folder, read when first needed and kept."""

    def draw(self, rng: np.random.Generator, frame: Frame) -> Patch:
        """A random piece for the frame: a crop where the picture covers it, else a texture of the same spectrum.

        A picture that knows its pixel size is resampled to the frame's.
        """
        name = self.names[int(rng.integers(len(self.names)))]
        pixels, pixel_size_nm, checksum = self.read(name)
        zoom = 1.0 if pixel_size_nm is None else pixel_size_nm / frame.pixel_size_nm
        turns, flipped = int(rng.integers(4)), bool(rng.integers(2))
        height, width = (frame.width, frame.height) if turns % 2 else (frame.height, frame.width)
        spare_y = pixels.shape[0] - int(np.ceil(height / zoom))
        spare_x = pixels.shape[1] - int(np.ceil(width / zoom))
        crop = spare_x >= 0 and spare_y >= 0
        return Patch(
            file=name,
            sha256=checksum,
            fill="crop" if crop else "texture",
            x_px=int(rng.integers(spare_x + 1)) if crop else 0,
            y_px=int(rng.integers(spare_y + 1)) if crop else 0,
            zoom=zoom,
            quarter_turns=turns,
            flipped=flipped,
        )

    def brightness(self, frame: Frame, patch: Patch, rng: np.random.Generator) -> FloatArray:
        """The background (height, width) that a patch describes, about 1.

        Raises
        ------
        ValueError: the file is not the one that the parameters were drawn with.
        """
        pixels = self.same(patch.file, patch.sha256)
        if patch.fill == "crop":
            field = _crop(pixels, frame, patch)
        else:
            field = random_texture(_zoomed(pixels, patch.zoom), frame.height, frame.width, rng)
            # what stands out of the piece, such as a dislocation, must not make the whole texture stronger
            spread = 1.48 * float(np.median(np.abs(pixels - 1.0)))
            field = 1.0 + (field - 1.0) * np.float32(min(spread, STRONGEST_TEXTURE) / max(float(field.std()), 1e-6))
        return np.maximum(1.0 + np.float32(patch.strength) * (field - 1.0), 0.05).astype(np.float32)


def _crop(pixels: FloatArray, frame: Frame, patch: Patch) -> FloatArray:
    height, width = (frame.width, frame.height) if patch.quarter_turns % 2 else (frame.height, frame.width)
    right, bottom = patch.x_px + width / patch.zoom, patch.y_px + height / patch.zoom
    box = (float(patch.x_px), float(patch.y_px), min(right, pixels.shape[1]), min(bottom, pixels.shape[0]))
    piece = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC, box=box), np.float32)
    piece = np.rot90(piece, patch.quarter_turns)
    return np.ascontiguousarray(piece[:, ::-1] if patch.flipped else piece)


def _zoomed(pixels: FloatArray, zoom: float) -> FloatArray:
    if zoom == 1.0:
        return pixels
    size = (max(8, round(pixels.shape[1] * zoom)), max(8, round(pixels.shape[0] * zoom)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC), np.float32)


def random_texture(pixels: FloatArray, height: int, width: int, rng: np.random.Generator) -> FloatArray:
    """A Gaussian texture (height, width) with the mean, the standard deviation and the power spectrum of a picture.

    Spot noise: white noise convolved with the picture's deviation from its mean, faded to 0 at its border (Galerne,
    Gousseau & Morel 2011). A picture larger than the texture is cut to it.
    """
    spot = pixels[:height, :width]
    mean, deviation = float(spot.mean()), float(spot.std())
    fade = np.outer(np.hanning(spot.shape[0] + 2)[1:-1], np.hanning(spot.shape[1] + 2)[1:-1])
    spot = (spot - np.float32(mean)) * fade.astype(np.float32)
    white = np.fft.rfft2(rng.standard_normal((height, width), dtype=np.float32))
    field = np.fft.irfft2(white * np.fft.rfft2(spot, (height, width)), (height, width)).astype(np.float32)
    field *= np.float32(deviation / max(float(field.std()), 1e-12))
    return field + np.float32(mean)


def clean_windows(
    pixels: np.ndarray, picture: LabelledPicture, *, side_px: int = 128, margin_px: int = 6
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Squares of a labelled micrograph without a labelled defect, that do not overlap: (x, y, pixels) of each.

    They grow from places far from every label; `margin_px` is kept to the defects' boxes. Only pictures in which all
    classes were labelled make clean backgrounds.
    """
    height, width = pixels.shape
    free = np.ones((height, width), bool)
    for label in picture.labels:
        x1, y1, x2, y2 = label.box
        rows = slice(max(0, int(y1) - margin_px), max(0, int(np.ceil(y2)) + 1 + margin_px))
        free[rows, max(0, int(x1) - margin_px) : max(0, int(np.ceil(x2)) + 1 + margin_px)] = False
    while True:
        # a square is clean where no taken pixel is nearer than half its side, in the chessboard metric
        distance = ndimage.distance_transform_cdt(np.pad(free, 1), metric="chessboard")[1:-1, 1:-1]
        y, x = np.unravel_index(int(distance.argmax()), distance.shape)
        reach = int(distance[y, x]) - 1
        if 2 * reach + 1 < side_px:
            return
        half = min(reach, side_px)
        top, left = int(y) - half, int(x) - half
        window = slice(top, top + 2 * half + 1), slice(left, left + 2 * half + 1)
        free[window] = False
        yield left, top, pixels[window]
