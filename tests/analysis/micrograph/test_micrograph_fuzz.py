"""Damaged files: whatever bytes come, reading gives a micrograph or an error of emserve's own, never anything else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.micrograph import Micrograph, read
from emserve.exceptions import InputError

Save = Callable[..., bytes]
MAX_PIXELS = 1_000_000
# What makes lengths and sizes lie: the largest and smallest numbers of every width and order, and 30,000.
NUMBERS = [
    b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\x75\x30", b"\x30\x75\0\0",
    b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f", b"\0" * 8,
]  # fmt: skip


def survives(data: bytes, companion: bytes | None = None) -> bool:
    """Read; whether a micrograph came of it. Anything but one of emserve's errors fails the test."""
    remedy = None
    try:
        micrograph = read(data, max_pixels=MAX_PIXELS, companion=companion)
    except InputError as error:
        remedy = error.remedy
    if remedy is not None:
        assert remedy.endswith(".")
        return False
    assert isinstance(micrograph, Micrograph)
    assert micrograph.pixels.dtype == np.float32
    assert micrograph.pixels.ndim == 2
    assert np.isfinite(micrograph.pixels).all()
    assert micrograph.pixels.size <= MAX_PIXELS
    return True


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, lost, doubled or replaced by a number that lies; most of them in the header."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 4, 12])):
        size = len(changed)
        if size < 2:
            break
        at = chance.randrange(min(size, chance.choice([32, 256, 2048, size])))
        match chance.randrange(6):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                number = chance.choice(NUMBERS)
                changed[at : at + len(number)] = number
            case 3:
                del changed[at : at + chance.randrange(1, 64)]
            case 4:
                changed[at:at] = changed[at : at + chance.randrange(1, 64)]
            case 5:
                del changed[chance.randrange(size) :]
    return bytes(changed)


@pytest.fixture(scope="session")
def good(
    grey: np.ndarray, pillow: Save, tiff: Save, npy: Save, mrc: Save, dm: Save, ser: Save, emi: Save
) -> dict[str, tuple[bytes, bytes | None]]:
    """A good file of every format that is read in this process, with its companion."""
    stack = np.stack([grey, grey[::-1]])
    colours = np.stack([grey] * 3, axis=-1)
    single = {
        "png": pillow(grey, "png"),
        "png of 16 bit": pillow(grey.astype(np.uint16) * 257, "png"),
        "png of colours": pillow(colours, "png"),
        "jpeg": pillow(grey, "jpeg"),
        "progressive jpeg": pillow(colours, "jpeg", progressive=True),
        "bmp": pillow(grey, "bmp"),
        "tiff": tiff(grey),
        "bigtiff": tiff(grey.astype(np.float32), bigtiff=True),
        "tiff of strips": tiff(grey, rowsperstrip=5, compression="zlib"),
        "tiff of tiles": tiff(grey, tile=(16, 16)),
        "tiff of colours": tiff(colours.astype(np.uint16), photometric="rgb", byteorder=">"),
        "imagej": tiff(stack.astype(np.uint16), imagej=True, resolution=(50, 50), metadata={"unit": "nm"}),
        "npy": npy(stack.astype(np.float32)),
        "mrc": mrc(stack.astype(np.int16), 0.2),
        "dm3": dm(grey, 3),
        "dm4": dm(stack.astype(np.float32), 4, (0.01, 0.01, 1.0), ("nm", "nm", "")),
        "ser": ser(stack),
    }
    files: dict[str, tuple[bytes, bytes | None]] = {name: (data, None) for name, data in single.items()}
    return files | {"emi": (emi("STEM"), single["ser"])}


def test_undamaged_files_are_read(good: dict[str, tuple[bytes, bytes | None]]) -> None:
    for name, (data, companion) in good.items():
        assert survives(data, companion), name


def test_damaged_files(good: dict[str, tuple[bytes, bytes | None]]) -> None:
    chance = random.Random(1)
    for name, (data, companion) in good.items():
        read_all_the_same = sum(survives(damaged(data, chance), companion) for _ in range(100))
        assert read_all_the_same < 100, name


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), length=st.integers(0, 3000), name=st.integers(0, 100))
def test_noise_after_a_good_start(
    good: dict[str, tuple[bytes, bytes | None]], seed: int, length: int, name: int
) -> None:
    data, companion = list(good.values())[name % len(good)]
    start = seed % min(len(data), 600)
    survives(data[:start] + random.Random(seed).randbytes(length), companion)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    survives(data)


def test_damaged_files_in_the_child_process(grey: np.ndarray, velox: Save, pillow: Save) -> None:
    chance = random.Random(2)
    for data in (velox({"HAADF": (grey[..., None], 1e-11, "m")}), pillow(grey, "tiff", compression="tiff_lzw")):
        for _ in range(3):
            survives(data[:8] + damaged(data[8:], chance))


@pytest.mark.parametrize(
    "name",
    [
        "dmTest_float32_nonSquare_diffPixelSize.dm3",
        "dmTest_float32_nonSquare_diffPixelSize.dm4",
        "64x64_TEM_images_acquire_1.ser",
        "64x64_TEM_images_acquire.emi",
        "HAADFscan.mrc",
        "test_loading_image_saved_with_DM.tif",
    ],
)
def test_damaged_files_of_real_microscopes(shared_data: Path, name: str) -> None:
    data = (shared_data / "formats" / name).read_bytes()
    companion = None
    if name.endswith(".emi"):
        companion = (shared_data / "formats" / "64x64_TEM_images_acquire_1.ser").read_bytes()
    assert survives(data, companion)
    chance = random.Random(3)
    for part in range(1, 20):
        survives(data[: len(data) * part // 20], companion)
    for _ in range(60):
        survives(damaged(data, chance), companion)
