"""The files of real microscopes, with the figures that their own programs show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.micrograph import read, read_file
from emserve.exceptions import UnreadableMicrograph

# name: format, height, width, x in nm, y in nm
FILES = {
    "dmTest_float32_nonSquare_diffPixelSize.dm3": ("dm3", 64, 128, 1.0, 0.2),
    "dmTest_float32_nonSquare_diffPixelSize.dm4": ("dm4", 64, 128, 1.0, 0.2),
    "64x64_TEM_images_acquire_1.ser": ("ser", 64, 64, 6.281834, 6.281834),
    "64x64_TEM_images_acquire.emi": ("emi", 64, 64, 6.281834, 6.281834),
    "HAADFscan.mrc": ("mrc", 16, 16, 5.679131, 5.679131),
    "test_loading_image_saved_with_DM.tif": ("tiff", 68, 68, 168.674693, 168.674693),
}


@pytest.mark.parametrize("name", FILES)
def test_formats(shared_data: Path, name: str) -> None:
    format, height, width, x_nm, y_nm = FILES[name]
    micrograph = read_file(shared_data / "formats" / name)
    assert micrograph.format == format
    assert micrograph.pixels.shape == (height, width)
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((x_nm, y_nm), rel=1e-6)
    assert micrograph.pixel_size_source == "file"
    assert not micrograph.notices


def test_digital_micrograph_rows_and_columns(shared_data: Path) -> None:
    """The test picture of 128 × 64 pixels counts its columns: every row is 0, 1, 2, …"""
    for ending in ("dm3", "dm4"):
        picture = read_file(shared_data / "formats" / f"dmTest_float32_nonSquare_diffPixelSize.{ending}")
        np.testing.assert_array_equal(picture.pixels, np.tile(np.arange(128, dtype=np.float32), (64, 1)))


def test_strontium_titanate(shared_data: Path) -> None:
    series = shared_data / "atom_columns" / "strontium_titanate.ser"
    alone = read(series.read_bytes())
    assert alone.pixels.shape == (1024, 1024)
    assert alone.pixel_size_x_nm == pytest.approx(0.0100127, rel=1e-5)
    assert alone.pixel_size_y_nm == alone.pixel_size_x_nm
    beside = read_file(series.with_suffix(".emi"))
    np.testing.assert_array_equal(beside.pixels, alone.pixels)
    assert beside.pixel_size_x_nm == alone.pixel_size_x_nm


def test_an_emi_alone_asks_for_its_ser(shared_data: Path) -> None:
    with pytest.raises(UnreadableMicrograph, match="has no picture"):
        read((shared_data / "atom_columns" / "strontium_titanate.emi").read_bytes())


@pytest.mark.parametrize(("name", "side"), [("silicon_110.png", 512), ("dyscandate.png", 730)])
def test_pictures_without_a_calibration(shared_data: Path, name: str, side: int) -> None:
    micrograph = read_file(shared_data / "atom_columns" / name)
    assert micrograph.pixels.shape == (side, side)
    assert micrograph.pixel_size_source == "none"
