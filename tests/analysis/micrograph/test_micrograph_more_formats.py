"""The rarer formats of the extra `formats`: NeXus, MRCZ and TVIPS as RosettaSciIO writes them; Phenom and USID."""

from __future__ import annotations

import bz2
import io
import struct
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from analysis.micrograph import read
from emserve.exceptions import (
    EmserveError,
    InvalidParameter,
    TooLarge,
    UnreadableMicrograph,
    UnsupportedFormat,
)

pytest.importorskip("rsciio")

Write = Callable[..., bytes]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """A module of RosettaSciIO, an array, the scales and units of its last axes → the bytes of a file."""

    def save(
        module: str,
        name: str,
        data: np.ndarray,
        scales: tuple[float, float] = (0.02, 0.01),
        units: str = "nm",
        signal_axes: int = 2,
        **options: Any,
    ) -> bytes:
        folder = tmp_path_factory.mktemp(module)
        size = data.ndim
        axes = [
            {
                "_type": "UniformDataAxis",
                "size": data.shape[axis],
                "index_in_array": axis,
                "name": ("frame", "y", "x")[axis - size],
                "scale": (1.0, *scales)[axis - size],
                "offset": 0.0,
                "units": ("s", units, units)[axis - size],
                "navigate": axis < size - signal_axes,
                "is_binned": False,
            }
            for axis in range(size)
        ]
        signal = {
            "data": data,
            "axes": axes,
            "metadata": {"General": {"title": "made"}, "Signal": {"signal_type": ""}},
            "original_metadata": {},
            "attributes": {"_lazy": False},
        }
        import_module(f"rsciio.{module}").file_writer(str(folder / name), signal, **options)
        (written,) = folder.iterdir()
        return written.read_bytes()

    return save


@pytest.fixture(scope="module")
def stack(grey: np.ndarray) -> np.ndarray:
    return np.stack([grey, grey[::-1], grey[:, ::-1]])


@pytest.mark.parametrize(("units", "factor"), [("nm", 1.0), ("Å", 0.1), ("µm", 1e3), ("pm", 1e-3)])
def test_nexus(grey: np.ndarray, write: Write, units: str, factor: float) -> None:
    micrograph = read(write("nexus", "a.nxs", grey, scales=(0.4, 0.2), units=units))
    np.testing.assert_array_equal(micrograph.pixels, grey)
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.2 * factor, 0.4 * factor))
    assert (micrograph.format, micrograph.pixel_size_source) == ("nexus", "file")


def test_nexus_stack(stack: np.ndarray, write: Write) -> None:
    data = write("nexus", "a.nxs", stack)
    micrograph = read(data, frame=2)
    np.testing.assert_array_equal(micrograph.pixels, stack[2])
    assert micrograph.frames == 3
    with pytest.raises(InvalidParameter):
        read(data, frame=3)


def test_nexus_axes_are_found_by_their_indices(grey: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["NX_class"] = b"NXroot"
        group = file.create_group("scan/picture")
        group.parent.attrs["NX_class"], group.attrs["NX_class"] = b"NXentry", "NXdata"
        group.attrs["signal"], group.attrs["axes"] = "counts", ["across", "down"]
        group.attrs["across_indices"], group.attrs["down_indices"] = 1, 0
        group["counts"] = grey
        for name, step, size in (("down", 0.02, 24), ("across", 0.01, 20)):
            group[name] = np.arange(size) * step
            group[name].attrs["units"] = "nm"
    micrograph = read(buffer.getvalue())
    np.testing.assert_array_equal(micrograph.pixels, grey)
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.01, 0.02))


def test_nexus_of_spectra_and_of_diffraction_is_refused(grey: np.ndarray, stack: np.ndarray, write: Write) -> None:
    with pytest.raises(UnreadableMicrograph, match="spectra"):
        read(write("nexus", "a.nxs", stack, signal_axes=1))
    with pytest.raises(UnreadableMicrograph, match="diffraction"):
        read(write("nexus", "a.nxs", grey, units="1/nm"))
    with pytest.raises(UnreadableMicrograph):
        read(write("nexus", "a.nxs", grey[0], signal_axes=1))


def test_nexus_is_refused_by_its_shape_before_it_is_read() -> None:
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group = file.create_group("entry/data")
        group.parent.attrs["NX_class"], group.attrs["NX_class"], group.attrs["signal"] = "NXentry", "NXdata", "data"
        group.create_dataset("data", (1_000_000, 1_000_000), "f4", chunks=(1000, 1000))
    with pytest.raises(TooLarge):
        read(buffer.getvalue())


def test_tvips(stack: np.ndarray, write: Write) -> None:
    data = write("tvips", "a_000.tvips", stack.astype(np.uint16), scales=(2.0, 2.0))
    micrograph = read(data, frame=1)
    np.testing.assert_array_equal(micrograph.pixels, stack[1])
    assert (micrograph.frames, micrograph.format) == (3, "tvips")
    assert micrograph.pixel_size_source == "none"  # whole nanometres, maybe of the camera
    assert [notice.code for notice in micrograph.notices] == ["pixel_size_dropped"]
    frame_bytes = 60 + stack[0].size * 2
    one = read(data[: 256 + frame_bytes])
    np.testing.assert_array_equal(one.pixels, stack[0])
    assert one.frames == 1


def test_tvips_refusals(stack: np.ndarray, write: Write) -> None:
    for frames in (1, 3):
        with pytest.raises(UnreadableMicrograph, match="diffraction"):
            read(write("tvips", "a_000.tvips", stack[:frames], units="1/nm"))
    data = write("tvips", "a_000.tvips", stack)
    with pytest.raises(TooLarge):
        read(data[:8] + struct.pack("<2I", 60_000, 60_000) + data[16:])
    with pytest.raises(UnsupportedFormat, match="version 1"):
        read(data[:4] + b"\1" + data[5:])


@pytest.mark.parametrize("compressor", ["zstd", "lz4"])
def test_mrcz(stack: np.ndarray, write: Write, compressor: str) -> None:
    pytest.importorskip("mrcz")
    pytest.importorskip("blosc")
    data = write("mrcz", "a.mrcz", stack.astype(np.float32), compressor=compressor)
    micrograph = read(data, frame=1)
    np.testing.assert_array_equal(micrograph.pixels, stack[1])
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((0.01, 0.02))
    assert (micrograph.frames, micrograph.format) == (3, "mrcz")
    with pytest.raises(InvalidParameter):
        read(data, frame=3)
    with pytest.raises(TooLarge):
        read(struct.pack("<2i", 60_000, 60_000) + data[8:])
    with pytest.raises(TooLarge, match="frames"):
        read(data, max_pixels=1000)


@pytest.fixture(scope="module")
def elid(grey: np.ndarray) -> Write:
    """A Phenom project with one picture (or none); a copy of the layout that RosettaSciIO reads."""

    def save(unit: str = "nm", size: float = 12.5, pictures: int = 1, pixels: np.ndarray = grey) -> bytes:
        xml = (
            f'<FeiImage><pixelWidth unit="{unit}">{size}</pixelWidth>'
            f'<pixelHeight unit="{unit}">{2 * size}</pixelHeight>'
            "<acquisition><scan><scanScale>1</scanScale></scan></acquisition></FeiImage>"
        )
        picture = io.BytesIO()
        tifffile.imwrite(picture, pixels, extratags=[(34683, "s", 0, xml, True)], metadata=None)
        content = picture.getvalue()
        image = struct.pack("<I", len(content)) + content + struct.pack("<I", 4) + b"made" + struct.pack("<I", 0)
        return bz2.compress(b"EID2" + struct.pack("<iI", 1, pictures) + image * pictures + struct.pack("<II", 0, 0))

    return save


def test_phenom(grey: np.ndarray, elid: Write) -> None:
    micrograph = read(elid())
    np.testing.assert_array_equal(micrograph.pixels, grey)
    assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((12.5, 25.0))
    assert micrograph.format == "elid"
    assert [notice.code for notice in read(elid(pictures=2)).notices] == ["several_pictures"]
    assert read(elid("um", 0.5)).pixel_size_x_nm == pytest.approx(500)


def test_phenom_refusals(elid: Write) -> None:
    with pytest.raises(UnreadableMicrograph, match="no data"):
        read(elid(pictures=0))
    with pytest.raises(TooLarge):
        read(bz2.compress(b"EID2" + bytes(10_000_000)), max_pixels=1_000_000)
    with pytest.raises(UnsupportedFormat, match="bzip2"):
        read(bz2.compress(b"another file"))


@pytest.fixture(scope="module")
def usid() -> Write:
    """Grids of positions and of values (size, step, unit), slowest first → a file as pyUSID lays it out."""
    h5py = pytest.importorskip("h5py")

    def save(
        pixels: np.ndarray, positions: list[tuple[int, float, str]], values: list[tuple[int, float, str]]
    ) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            group = file.create_group("Measurement_000/Channel_000")
            shape = [int(np.prod([axis[0] for axis in axes])) for axes in (positions, values)]
            main = group.create_dataset("Raw_Data", data=pixels.reshape(shape))
            for kind, axes in (("Position", positions), ("Spectroscopic", values)):
                indices = np.indices([axis[0] for axis in axes]).reshape(len(axes), -1)
                indices = indices if kind == "Spectroscopic" else indices.T[:, ::-1]  # the fastest first
                steps = np.array([axis[1] for axis in axes])
                steps = steps[:, None] if kind == "Spectroscopic" else steps[::-1]
                units = [axis[2] for axis in (axes if kind == "Spectroscopic" else axes[::-1])]
                for name, table in (("Indices", indices), ("Values", indices * steps)):
                    dataset = group.create_dataset(f"{kind}_{name}", data=table)
                    dataset.attrs["units"] = np.array(units, "S")
                    main.attrs[f"{kind}_{name}"] = dataset.ref
        return buffer.getvalue()

    return save


def test_usid(grey: np.ndarray, stack: np.ndarray, usid: Write) -> None:
    rows, columns, none = (24, 0.02, "um"), (20, 0.01, "um"), (1, 0.0, "")
    for positions, values in (([rows, columns], [none]), ([none], [rows, columns])):
        micrograph = read(usid(grey, positions, values))
        np.testing.assert_array_equal(micrograph.pixels, grey)
        assert (micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm) == pytest.approx((10, 20))
        assert (micrograph.frames, micrograph.format) == (1, "usid")
    for positions, values in (([(3, 1.0, "s"), rows, columns], [none]), ([(3, 1.0, "s")], [rows, columns])):
        micrograph = read(usid(stack, positions, values), frame=2)
        np.testing.assert_array_equal(micrograph.pixels, stack[2])
        assert micrograph.frames == 3


def test_usid_refusals(grey: np.ndarray, stack: np.ndarray, usid: Write) -> None:
    rows, columns, none = (24, 0.02, "um"), (20, 0.01, "um"), (1, 0.0, "")
    data = usid(grey, [rows, columns], [none])
    with pytest.raises(TooLarge):
        read(data, max_pixels=400)
    with pytest.raises(InvalidParameter):
        read(data, frame=1)
    with pytest.raises(UnreadableMicrograph):
        read(data[: len(data) // 2])
    with pytest.raises(UnreadableMicrograph, match="spectra"):
        read(usid(stack, [rows, columns], [(3, 1.0, "V")]))
    with pytest.raises(UnreadableMicrograph, match="diffraction"):
        read(usid(grey, [none], [(24, 0.1, "1/nm"), (20, 0.1, "1/nm")]))


@pytest.mark.parametrize("format", ["nexus", "tvips", "mrcz", "elid"])
@pytest.mark.parametrize("share", [0.3, 0.8, 0.99])
def test_a_file_that_is_cut_off_is_a_clear_error(
    stack: np.ndarray, write: Write, elid: Write, format: str, share: float
) -> None:
    if format == "mrcz":
        pytest.importorskip("mrcz")
        pytest.importorskip("blosc")
    large = np.tile(stack, (1, 4, 4))
    data = {
        "nexus": lambda: write("nexus", "a.nxs", large),
        "tvips": lambda: write("tvips", "a_000.tvips", large),
        "mrcz": lambda: write("mrcz", "a.mrcz", large.astype(np.float32), compressor="zstd"),
        "elid": lambda: elid(pixels=np.random.default_rng(1).integers(0, 256, (2000, 2000), np.uint8)),
    }[format]()
    with pytest.raises(UnreadableMicrograph):
        read(data[: int(share * len(data))])


def test_known_formats_without_a_picture(grey: np.ndarray) -> None:
    streak = b"IM" + bytes(62) + b"[Application],Date=" + bytes(100)
    with pytest.raises(UnreadableMicrograph, match="Hamamatsu"):
        read(streak)
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w") as archive:
        archive.writestr(".zgroup", '{"zarr_format": 2}')
    with pytest.raises(UnsupportedFormat, match="zspy"):
        read(store.getvalue())


def test_hdf5_of_another_layout(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((20, 20))
    with pytest.raises(EmserveError, match="NeXus or USID"):
        read((tmp_path / "a.h5").read_bytes())
