"""Where the pixel size comes from, in which units, and what is not a pixel size."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from analysis.micrograph import read
from analysis.micrograph.picture import Scale
from analysis.micrograph.units import calibrate, kind_of
from emserve.exceptions import InvalidParameter, UnreadableMicrograph

Save = Callable[..., bytes]


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("m", 1e9),
        ("meters", 1e9),
        ("cm", 1e7),
        ("inch", 2.54e7),
        ("mm", 1e6),
        ("µm", 1e3),
        ("μm", 1e3),
        ("um", 1e3),
        ("micron", 1e3),
        ("\\u00B5m", 1e3),
        ("nm", 1.0),
        (" nm\0", 1.0),
        ("Å", 0.1),
        ("\u212b", 0.1),
        ("A", 0.1),
        ("angstrom", 0.1),
        ("pm", 1e-3),
    ],
)
def test_units_of_length(unit: str, nm: float) -> None:
    size, notices = calibrate(Scale(0.02 / nm, unit), Scale(0.03 / nm, unit))
    assert size == pytest.approx((0.02, 0.03))
    assert not notices


def test_axes_may_have_different_units() -> None:
    size, _ = calibrate(Scale(1.0, "nm"), Scale(2.0, "Å"))
    assert size == pytest.approx((1.0, 0.2))


@pytest.mark.parametrize("unit", ["1/nm", "1 / nm", "nm^-1", "nm-1", "1/Å", "1/m", "nm⁻¹", "/nm", "mrad", "eV", "s"])
def test_what_is_not_real_space_is_refused(unit: str) -> None:
    with pytest.raises(UnreadableMicrograph, match="real space") as caught:
        calibrate(Scale(0.1, unit), Scale(0.1, unit))
    assert unit in caught.value.message


@pytest.mark.parametrize("unit", ["", "px", "pixels", "<undefined>"])
def test_pixels_are_no_calibration(unit: str) -> None:
    assert calibrate(Scale(1.0, unit), Scale(1.0, unit)) == (None, ())


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf, 1e-9, 1e9])
def test_impossible_sizes_are_dropped_with_a_notice(value: float) -> None:
    size, notices = calibrate(Scale(value, "nm"), Scale(0.1, "nm"))
    assert size is None
    assert [notice.code for notice in notices] == ["pixel_size_dropped"]
    assert notices[0].remedy == "Pass pixel_size_nm."


@pytest.mark.parametrize("size", [(0.001, 100.0), (0.2, 0.01)])
def test_sides_of_a_pixel_that_differ_more_than_ten_times(
    grey: np.ndarray, tiff: Save, npy: Save, size: tuple[float, float]
) -> None:
    micrograph = read(tiff(grey, imagej=True, resolution=(1 / size[0], 1 / size[1]), metadata={"unit": "nm"}))
    assert micrograph.pixel_size_source == "none"
    assert [notice.code for notice in micrograph.notices] == ["pixel_size_dropped"]
    with pytest.raises(InvalidParameter, match="differ more than 10 times") as caught:
        read(npy(grey), pixel_size_nm=size)
    assert caught.value.field == "pixel_size_nm"
    assert read(npy(grey), pixel_size_nm=(0.01, 0.1)).pixel_size_y_nm == 0.1


def test_unknown_units_are_dropped_with_a_notice() -> None:
    size, notices = calibrate(Scale(1.0, "furlong"), Scale(1.0, "furlong"))
    assert size is None
    assert "furlong" in notices[0].message
    assert kind_of("furlong") == "unknown"


def test_argument_wins_over_the_file(grey: np.ndarray, dm: Save) -> None:
    data = dm(grey, scales=(0.01, 0.01))
    from_file = read(data)
    assert (from_file.pixel_size_source, from_file.pixel_size_x_nm) == ("file", pytest.approx(0.01))
    assert not from_file.notices
    passed = read(data, pixel_size_nm=0.02)
    assert (passed.pixel_size_source, passed.pixel_size_x_nm, passed.pixel_size_y_nm) == ("argument", 0.02, 0.02)
    assert [notice.code for notice in passed.notices] == ["pixel_size_overridden"]
    assert not read(data, pixel_size_nm=0.0102).notices


def test_an_overridden_size_is_named_in_x_and_y_where_they_differ(grey: np.ndarray, dm: Save) -> None:
    message = read(dm(grey, scales=(0.01, 0.02)), pixel_size_nm=(0.01, 0.03)).notices[0].message
    assert "0.01 × 0.02 nm" in message
    assert "0.01 × 0.03 nm" in message
    assert "0.02 nm" in read(dm(grey), pixel_size_nm=0.02).notices[0].message


def test_argument_replaces_an_impossible_size_without_a_word(grey: np.ndarray, dm: Save) -> None:
    data = dm(grey, scales=(0.0, 0.0))
    dropped = read(data)
    assert (dropped.pixel_size_source, dropped.pixel_size_x_nm) == ("none", None)
    assert [notice.code for notice in dropped.notices] == ["pixel_size_dropped"]
    assert not read(data, pixel_size_nm=0.02).notices


def test_argument_in_x_and_y(grey: np.ndarray, npy: Save) -> None:
    micrograph = read(npy(grey), pixel_size_nm=(0.01, 0.02))
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == (0.01, 0.02)


def test_without_a_size_there_is_none(grey: np.ndarray, npy: Save) -> None:
    micrograph = read(npy(grey))
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == (None, None)
    assert micrograph.pixel_size_source == "none"
    assert not micrograph.notices


@pytest.mark.parametrize(
    "size", [0, -0.01, math.nan, math.inf, 1e-5, 2e6, True, "0.01", (0.01,), (0.01, 0), (0.01, math.nan), [1, 2, 3]]
)
def test_impossible_arguments_are_refused(grey: np.ndarray, npy: Save, size: object) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(npy(grey), pixel_size_nm=size)  # type: ignore[arg-type]
    assert caught.value.field == "pixel_size_nm"
    assert "is not a valid pixel size" in caught.value.message
    assert "0.015" in caught.value.remedy  # a size that the analysis takes, not a range that it does not


@pytest.mark.parametrize("frame", [-1, 1, 0.0, True, "0"])
def test_frames_that_are_not_there_are_refused(grey: np.ndarray, npy: Save, frame: object) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(npy(grey), frame=frame)  # type: ignore[arg-type]
    assert caught.value.field == "frame"


class TestTiff:
    """The sources of a pixel size in a TIFF."""

    def size_of(self, data: bytes) -> tuple[float | None, float | None]:
        micrograph = read(data)
        assert micrograph.pixel_size_source == ("file" if micrograph.pixel_size_x_nm else "none")
        return micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm

    @pytest.mark.parametrize(("unit", "nm"), [("nm", 1), ("micron", 1000), ("\\u00B5m", 1000), ("pm", 0.001)])
    def test_imagej(self, grey: np.ndarray, tiff: Save, unit: str, nm: float) -> None:
        data = tiff(grey, imagej=True, resolution=(nm / 0.02, nm / 0.04), metadata={"unit": unit})
        assert self.size_of(data) == pytest.approx((0.02, 0.04))

    def test_imagej_without_scale(self, grey: np.ndarray, tiff: Save) -> None:
        assert self.size_of(tiff(grey, imagej=True)) == (None, None)
        assert self.size_of(tiff(grey, imagej=True, resolution=(1, 1), metadata={"unit": "pixel"})) == (None, None)

    @pytest.mark.parametrize(("unit", "per_unit"), [("inch", 72), ("inch", 300), ("cm", 28.35), (" Inch", 96)])
    def test_imagej_with_dots_per_inch_of_printers(
        self, grey: np.ndarray, tiff: Save, unit: str, per_unit: float
    ) -> None:
        data = tiff(grey, imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit})
        assert self.size_of(data) == (None, None)
        fine = tiff(grey, imagej=True, resolution=(1e8, 1e8), metadata={"unit": "inch"})
        assert self.size_of(fine) == pytest.approx((0.254, 0.254), rel=1e-3)

    def test_imagej_in_reciprocal_space(self, grey: np.ndarray, tiff: Save) -> None:
        with pytest.raises(UnreadableMicrograph, match="real space"):
            read(tiff(grey, imagej=True, resolution=(10, 10), metadata={"unit": "1/nm"}))

    @pytest.mark.parametrize(("unit", "nm"), [("centimeter", 1e7), ("inch", 2.54e7)])
    def test_resolution_in_cm_and_inch(self, grey: np.ndarray, tiff: Save, unit: str, nm: float) -> None:
        data = tiff(grey, resolution=(nm / 0.5, nm / 0.25), resolutionunit=unit)
        assert self.size_of(data) == pytest.approx((0.5, 0.25), rel=1e-6)

    @pytest.mark.parametrize("dpi", [1, 72, 96, 300, 2400, 25_000])
    def test_dots_per_inch_of_printers_are_no_calibration(self, grey: np.ndarray, tiff: Save, dpi: int) -> None:
        assert self.size_of(tiff(grey, resolution=(dpi, dpi), resolutionunit="inch")) == (None, None)

    def test_dots_per_inch_of_png_and_jpeg_are_no_calibration(self, grey: np.ndarray, pillow: Save) -> None:
        for format in ("png", "jpeg"):
            assert self.size_of(pillow(grey, format, dpi=(96, 96))) == (None, None)
            assert self.size_of(pillow(grey, format, dpi=(60_000, 60_000))) == (None, None)

    def test_digital_micrograph_tags_win_over_the_resolution(self, grey: np.ndarray, tiff: Save) -> None:
        tags = [(65003, 2, 0, "nm", True), (65004, 2, 0, "pm", True), (65009, 12, 1, 0.02, True)]
        data = tiff(grey, extratags=[*tags, (65010, 12, 1, 40.0, True)], resolution=(1e8, 1e8), resolutionunit="inch")
        assert self.size_of(data) == pytest.approx((0.02, 0.04))

    def test_fei(self, grey: np.ndarray, tiff: Save) -> None:
        text = "[Scan]\r\nPixelWidth=2e-11\r\nPixelHeight=4e-11\r\n"
        assert self.size_of(tiff(grey, extratags=[(34682, 2, 0, text, True)])) == pytest.approx((0.02, 0.04))

    def test_zeiss_counts_pixels_of_a_picture_of_1024(self, grey: np.ndarray, tiff: Save) -> None:
        text = "\r\n".join(["0", "0", "0", "1e-9", "1"]) + "\r\nAP_MAG\r\nMag = 50 X\r\n"
        assert self.size_of(tiff(grey, extratags=[(34118, 2, 0, text, True)])) == pytest.approx((51.2, 51.2))

    @pytest.mark.parametrize("mode", ["MAG", "DIFF"])
    def test_jeol(self, grey: np.ndarray, tiff: Save, mode: str) -> None:
        parts = {"EosMode": "eosTEM", "ModeString": mode, "SelectorValue": "100000"}
        xml = "".join(f"<{name}>{value}</{name}>" for name, value in parts.items())
        description = f'<?xml version="1.0"?><TemReporter>{xml}</TemReporter>'
        data = tiff(grey, description=description, metadata=None, resolution=(100, 100), resolutionunit="inch")
        if mode == "MAG":
            assert self.size_of(data) == pytest.approx((2.54, 2.54))
        else:
            with pytest.raises(UnreadableMicrograph, match="real space"):
                read(data)

    def test_ome(self, grey: np.ndarray, tiff: Save) -> None:
        sizes = {"PhysicalSizeX": 20, "PhysicalSizeXUnit": "pm", "PhysicalSizeY": 40, "PhysicalSizeYUnit": "pm"}
        assert self.size_of(tiff(grey, ome=True, metadata={"axes": "YX", **sizes})) == pytest.approx((0.02, 0.04))


def test_mrc_voxels_are_in_angstrom(grey: np.ndarray, mrc: Save) -> None:
    micrograph = read(mrc(grey.astype(np.int16), (0.2, 0.4, 1.0)))
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.02, 0.04))
    assert micrograph.pixel_size_source == "file"
    assert read(mrc(grey.astype(np.int16), 0.0)).pixel_size_source == "none"
