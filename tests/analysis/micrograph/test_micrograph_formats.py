"""Every format, depth and colour that is read, against the pixels that were written."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from analysis.micrograph import Micrograph, read, read_file
from emserve.exceptions import InvalidParameter, UnreadableMicrograph
from emserve.results import MicrographInfo

Save = Callable[..., bytes]
LUMA = (0.299, 0.587, 0.114)


def shows(micrograph: Micrograph, expected: np.ndarray, tolerance: float = 0.0) -> bool:
    """Whether the micrograph is these grey values, as contiguous float32."""
    assert micrograph.pixels.dtype == np.float32
    assert micrograph.pixels.flags.c_contiguous
    assert micrograph.pixels.shape == expected.shape
    return bool(np.abs(micrograph.pixels - expected.astype(np.float64)).max() <= tolerance)


@pytest.fixture(scope="module")
def rgb(grey: np.ndarray) -> np.ndarray:
    """Three different colours."""
    return np.stack([grey, grey[::-1], grey[:, ::-1]], axis=-1)


@pytest.mark.parametrize("format", ["png", "bmp", "jpeg"])
def test_eight_bit(grey: np.ndarray, pillow: Save, format: str) -> None:
    smooth = np.add.outer(np.arange(24), np.arange(20)).astype(np.uint8) * 4
    micrograph = read(pillow(smooth, format))
    assert micrograph.format == format
    assert shows(micrograph, smooth, tolerance=6 if format == "jpeg" else 0)


def test_png_of_16_bit(grey: np.ndarray, pillow: Save) -> None:
    deep = grey.astype(np.uint16) * 255 + 3
    assert shows(read(pillow(deep, "png")), deep)


def test_png_of_1_bit(grey: np.ndarray, pillow: Save) -> None:
    assert shows(read(pillow(grey > 127, "png")), (grey > 127).astype(np.uint8))


def test_colours_become_grey_by_rec_601(rgb: np.ndarray, pillow: Save) -> None:
    assert shows(read(pillow(rgb, "png")), rgb @ np.array(LUMA), tolerance=1e-4)


def test_alpha_is_ignored(rgb: np.ndarray, grey: np.ndarray, pillow: Save) -> None:
    see_through = np.dstack([rgb, np.zeros_like(grey)])
    assert shows(read(pillow(see_through, "png")), rgb @ np.array(LUMA), tolerance=1e-4)
    assert shows(read(pillow(np.dstack([grey, np.zeros_like(grey)]), "png")), grey)


def test_palette(grey: np.ndarray, pillow: Save) -> None:
    image = Image.fromarray(grey // 64)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert shows(read(pillow(image, "png")), np.array([0, *(255 * c for c in LUMA)])[grey // 64], tolerance=1e-3)


def test_png_of_16_bit_colours_says_that_depth_was_lost(grey: np.ndarray) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + np.repeat(row.astype(">u2") * 257, 3).tobytes() for row in grey)
    header = struct.pack(">IIBBBBB", 20, 24, 16, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    micrograph = read(b"\x89PNG\r\n\x1a\n" + data)
    assert shows(micrograph, grey, tolerance=1e-3)
    assert [notice.code for notice in micrograph.notices] == ["depth_reduced"]


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">u2", ">f4", "?"])
def test_every_depth(grey: np.ndarray, tiff: Save, npy: Save, kind: str) -> None:
    stored = (grey > 99) if kind == "?" else (grey // 2).astype(kind)
    assert shows(read(npy(stored)), stored)
    if kind != "?":  # TIFF of 1 bit: below
        assert shows(read(tiff(stored, byteorder=">" if kind[0] == ">" else "<")), stored)


@pytest.mark.parametrize("kind", ["i1", "i2", "u2", "f2", "f4"])
def test_mrc_modes(grey: np.ndarray, mrc: Save, kind: str) -> None:
    stored = (grey // 2).astype(kind)
    assert shows(read(mrc(stored)), stored)


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"rowsperstrip": 5},
        {"compression": "zlib"},
        {"compression": "zlib", "rowsperstrip": 7},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_tiff_layouts(grey: np.ndarray, tiff: Save, kind: str, options: dict[str, object]) -> None:
    assert shows(read(tiff(grey.astype(kind), **options)), grey)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_colours_of_16_bit(rgb: np.ndarray, tiff: Save, planar: str, compression: str | None) -> None:
    deep = rgb.astype(np.uint16) * 200
    stored = deep if planar == "contig" else np.moveaxis(deep, -1, 0)
    data = tiff(stored, photometric="rgb", planarconfig=planar, compression=compression)
    assert shows(read(data), deep @ np.array(LUMA), tolerance=0.02)


def test_tiff_where_zero_is_white(grey: np.ndarray, tiff: Save) -> None:
    assert shows(read(tiff(grey, photometric="miniswhite")), 255 - grey)


@pytest.mark.parametrize("options", [{}, {"planarconfig": "separate"}, {"compression": "zlib"}])
@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_tiff_of_inks_is_bright_where_there_is_none(
    grey: np.ndarray, tiff: Save, kind: str, options: dict[str, str]
) -> None:
    full = np.iinfo(kind).max
    black = (full - grey.astype(kind) * (full // 255)).astype(kind)
    stored = np.stack([np.zeros_like(black)] * 3 + [black], axis=0 if "planarconfig" in options else -1)
    pixels = read(tiff(stored, photometric="separated", **options)).pixels
    np.testing.assert_allclose(pixels, grey.astype(float) * (full // 255), rtol=1e-5, atol=1e-3)


def test_tiff_takes_the_largest_of_several_pictures(grey: np.ndarray) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(grey[:10, :12], photometric="minisblack")
        file.write(grey, photometric="minisblack")
    micrograph = read(buffer.getvalue())
    assert shows(micrograph, grey)
    assert [notice.code for notice in micrograph.notices] == ["several_pictures"]
    assert "2 pictures" in micrograph.notices[0].message
    assert "page 2 of 20 × 24" in micrograph.notices[0].message


def test_tiff_thumbnails_need_no_word(grey: np.ndarray) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(grey, photometric="minisblack")
        file.write(grey[:10, :12], photometric="minisblack", subfiletype=1)
    micrograph = read(buffer.getvalue())
    assert shows(micrograph, grey)
    assert not micrograph.notices


@pytest.mark.parametrize("kind", [np.float64, np.uint32, np.int64])
def test_a_small_contrast_on_a_large_offset_is_kept(grey: np.ndarray, npy: Save, kind: type) -> None:
    stored = (grey // 16).astype(kind) + kind(100_000_000)
    micrograph = read(npy(stored))
    assert shows(micrograph, (grey // 16).astype(float) - (grey // 16).min())
    assert [notice.code for notice in micrograph.notices] == ["depth_reduced"]
    assert "100000000" in micrograph.notices[0].message


@pytest.mark.parametrize("offset", [0, 30_000, 16_000_000])
def test_an_offset_that_float32_holds_stays(grey: np.ndarray, npy: Save, offset: int) -> None:
    micrograph = read(npy(grey.astype(np.uint32) + np.uint32(offset)))
    assert shows(micrograph, grey + float(offset))
    assert not micrograph.notices


def test_tiff_with_lzw(grey: np.ndarray, pillow: Save) -> None:
    stack = [Image.fromarray(picture.astype(np.uint16) * 257) for picture in (grey, grey[::-1])]
    data = pillow(stack[0], "tiff", compression="tiff_lzw", save_all=True, append_images=stack[1:])
    micrograph = read(data, frame=1)
    assert shows(micrograph, grey[::-1].astype(np.uint16) * 257)
    assert micrograph.frames == 2


def test_stacks(grey: np.ndarray, tiff: Save, npy: Save, mrc: Save) -> None:
    stack = np.stack([grey, grey[::-1], grey[:, ::-1]])
    files = [
        npy(stack),
        npy(np.asfortranarray(stack)),
        npy(stack[None]),
        tiff(stack, photometric="minisblack"),
        tiff(stack, photometric="minisblack", compression="zlib"),
        tiff(stack.astype(np.uint16), imagej=True),
        mrc(stack.astype(np.uint16)),
    ]
    for data in files:
        assert shows(read(data), stack[0])
        last = read(data, frame=2)
        assert shows(last, stack[2])
        assert (last.frame, last.frames) == (2, 3)
        with pytest.raises(InvalidParameter, match="has 3 frames") as caught:
            read(data, frame=3)
        assert caught.value.field == "frame"


def test_the_first_frame_of_a_stack_is_not_taken_silently(grey: np.ndarray, npy: Save) -> None:
    stack = npy(np.stack([grey, grey[::-1], grey[:, ::-1]]))
    (notice,) = read(stack).notices
    assert notice.code == "first_frame_only"
    assert "3 frames" in notice.message
    assert "0 to 2" in notice.remedy
    assert not read(stack, frame=0).notices
    assert not read(stack, frame=2).notices
    assert not read(npy(grey)).notices


def test_npy_colours_are_told_from_stacks(grey: np.ndarray, rgb: np.ndarray, npy: Save) -> None:
    assert shows(read(npy(rgb)), rgb @ np.array(LUMA), tolerance=1e-4)
    assert shows(read(npy(np.stack([rgb, rgb[::-1]])), frame=1), rgb[::-1] @ np.array(LUMA), tolerance=1e-4)
    assert shows(read(npy(np.asfortranarray(grey))), grey)


@pytest.mark.parametrize("version", [3, 4])
def test_digital_micrograph(grey: np.ndarray, dm: Save, version: int) -> None:
    micrograph = read(dm(grey.astype(np.float32), version, scales=(10.0, 0.2), units=("pm", "Å")))
    assert shows(micrograph, grey)
    assert micrograph.format == f"dm{version}"
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.01, 0.02))
    stack = read(dm(np.stack([grey, grey[::-1]]), version, (0.01, 0.01, 1.0), ("nm", "nm", "")), frame=1)
    assert shows(stack, grey[::-1])
    assert stack.frames == 2


def test_tia(grey: np.ndarray, ser: Save, emi: Callable[[str], bytes], tmp_path: Path) -> None:
    series = ser(np.stack([grey, grey[::-1]]), step_m=(1e-11, 2e-11))
    micrograph = read(series, frame=1)
    assert shows(micrograph, grey[::-1])
    assert (micrograph.format, micrograph.frames) == ("ser", 2)
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.01, 0.02))
    (tmp_path / "scan_1.ser").write_bytes(series)
    (tmp_path / "scan.emi").write_bytes(emi("STEM nP SA Zoom Image"))
    for name in ("scan.emi", "scan_1.ser"):
        assert shows(read_file(tmp_path / name), grey)
    with pytest.raises(UnreadableMicrograph, match="has no picture"):
        read(emi("STEM nP SA Zoom Image"))
    with pytest.raises(UnreadableMicrograph, match="diffraction"):
        read(series, companion=emi("TEM uP SA Diffraction"))


def test_velox_takes_the_haadf_picture(grey: np.ndarray, velox: Save) -> None:
    frames = np.stack([grey, grey[::-1]], axis=-1).astype(np.uint16)
    data = velox({"BF": (frames[:, ::-1], 1e-11, "m"), "HAADF": (frames, 2e-11, "m"), "FFT": (frames, 5e6, "1/m")})
    micrograph = read(data, frame=1)
    assert shows(micrograph, grey[::-1])
    assert (micrograph.format, micrograph.frames) == ("emd", 2)
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.02, 0.04))
    assert [notice.code for notice in micrograph.notices] == ["several_pictures"]
    assert "2 pictures; 'HAADF' was read" in micrograph.notices[0].message


@pytest.mark.parametrize("names", [("y", "x"), ("x", "y")])
def test_ncem_axes_are_found_by_their_names(grey: np.ndarray, ncem: Save, names: tuple[str, str]) -> None:
    stored, steps = (grey, (0.02, 0.01)) if names[0] == "y" else (grey.T, (0.01, 0.02))
    micrograph = read(ncem(stored, names, steps, "[n_m]"))
    assert shows(micrograph, grey)
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.01, 0.02))


def test_hyperspy(grey: np.ndarray, tmp_path: Path) -> None:
    hspy = pytest.importorskip("rsciio.hspy")
    axes = [
        {"name": name, "units": "nm", "size": size, "offset": 0.0, "scale": scale, "navigate": False}
        for name, size, scale in (("y", 24, 0.02), ("x", 20, 0.01))
    ]
    signal = {
        "data": grey,
        "axes": axes,
        "metadata": {"General": {"title": "made"}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "attributes": {"_lazy": False},
        "tmp_parameters": {},
        "learning_results": {},
        "package_info": {"package": "", "package_version": ""},
        "models": {},
    }
    hspy.file_writer(str(tmp_path / "made.hspy"), signal)
    micrograph = read_file(tmp_path / "made.hspy")
    assert shows(micrograph, grey)
    assert micrograph.format == "hspy"
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.01, 0.02))


def test_content_decides_and_not_the_name(grey: np.ndarray, pillow: Save, tmp_path: Path) -> None:
    (tmp_path / "really_a_png.dm4").write_bytes(pillow(grey, "png"))
    assert read_file(tmp_path / "really_a_png.dm4").format == "png"


def test_info_says_what_was_read(grey: np.ndarray, npy: Save) -> None:
    data = npy(np.stack([grey, grey]))
    assert read(data, frame=1, pixel_size_nm=(0.01, 0.02)).info() == MicrographInfo(
        width_px=20,
        height_px=24,
        frames=2,
        frame=1,
        pixel_size_x_nm=0.01,
        pixel_size_y_nm=0.02,
        pixel_size_source="argument",
        format="npy",
        sha256=hashlib.sha256(data).hexdigest(),
    )


def test_many_threads_read_what_one_reads(grey: np.ndarray, pillow: Save, tiff: Save, dm: Save, ser: Save) -> None:
    files = [pillow(grey, "png"), tiff(grey, compression="zlib"), dm(grey), ser(grey[None]), pillow(grey, "bmp")]
    with ThreadPoolExecutor(8) as pool:
        for micrograph in pool.map(read, files * 20):
            assert shows(micrograph, grey)


def test_a_bytearray_is_as_good_as_bytes(grey: np.ndarray, pillow: Save) -> None:
    data = pillow(grey, "png")
    assert shows(read(bytearray(data)), grey)  # type: ignore[arg-type]
    assert shows(read(io.BytesIO(data).getbuffer()), grey)  # type: ignore[arg-type]
