"""Small files of every format, written here by the formats' own libraries or byte by byte."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from typing import Any

import mrcfile
import mrcfile.mrcinterpreter
import numpy as np
import pytest
import tifffile
from PIL import Image

HEIGHT, WIDTH = 24, 20


@pytest.fixture(scope="session")
def grey() -> np.ndarray:
    """A picture (24, 20) of 8 bit without symmetry, so that a flip or a swap shows."""
    return np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


@pytest.fixture(scope="session")
def pillow() -> Callable[..., bytes]:
    """Pixels or a Pillow image → the bytes of a file."""

    def save(picture: np.ndarray | Image.Image, format: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(buffer, format, **options)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def tiff() -> Callable[..., bytes]:
    """Pixels → the bytes of a TIFF; options as of `tifffile.imwrite`."""

    def save(pixels: np.ndarray, **options: Any) -> bytes:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, pixels, **options)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def npy() -> Callable[..., bytes]:
    """An array → the bytes of an NPY."""

    def save(array: np.ndarray, allow_pickle: bool = False) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=allow_pickle)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def mrc(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Pixels → the bytes of an MRC with a voxel size in Å."""
    path = tmp_path_factory.mktemp("mrc") / "picture.mrc"

    def save(pixels: np.ndarray, voxel_size: float | tuple[float, float, float] = 0.0) -> bytes:
        with mrcfile.new(path, overwrite=True) as file:
            file.set_data(pixels)
            file.voxel_size = voxel_size
        return path.read_bytes()

    return save


class _Tags:
    """Writes a tree of DigitalMicrograph tags: dicts are groups, tuples (encoded type, value) are tags."""

    def __init__(self, version: int) -> None:
        self.long = "q" if version == 4 else "i"
        self.wide = version == 4

    def number(self, value: int) -> bytes:
        return struct.pack(f">{self.long}", value)

    def group(self, tags: dict[str, Any], root: bool = False) -> bytes:
        body = b"".join(self.entry(name, value) for name, value in tags.items())
        size = self.number(len(body) + 8) if self.wide and not root else b""
        return b"\x01\x00" + size + self.number(len(tags)) + body

    def entry(self, name: str, value: Any) -> bytes:
        shown = b"" if name.isdigit() else name.encode("latin-1")
        head = struct.pack(">H", len(shown)) + shown
        if isinstance(value, dict):
            return b"\x14" + head + self.group(value)
        content = self.content(value)
        return b"\x15" + head + (struct.pack(">q", len(content)) if self.wide else b"") + content

    def content(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            text = value.encode("utf-16-le")
            return b"%%%%" + self.number(3) + self.number(20) + self.number(4) + self.number(len(value)) + text
        if isinstance(value, np.ndarray):
            kind = {"float32": 6, "uint16": 4, "uint8": 8, "int32": 3}[value.dtype.name]
            header = self.number(3) + self.number(20) + self.number(kind) + self.number(value.size)
            return b"%%%%" + header + value.tobytes()
        kind, number = value
        return b"%%%%" + self.number(1) + self.number(kind) + struct.pack({5: "<I", 6: "<f"}[kind], number)


@pytest.fixture(scope="session")
def dm() -> Callable[..., bytes]:
    """Pixels (height, width) or a stack → the bytes of a dm3 or dm4; `dimensions` and `extra` tags can lie."""

    def save(
        pixels: np.ndarray,
        version: int = 4,
        scales: tuple[float, ...] = (0.01, 0.01),
        units: tuple[str, ...] = ("nm", "nm"),
        dimensions: tuple[int, ...] | None = None,
        data: Any = None,
        extra: dict[str, Any] | None = None,
    ) -> bytes:
        tags = _Tags(version)
        axes = [{"Origin": (6, 0.0), "Scale": (6, s), "Units": u} for s, u in zip(scales, units, strict=True)]
        image = {
            "Calibrations": {
                "Brightness": {"Origin": (6, 0.0), "Scale": (6, 1.0), "Units": ""},
                "Dimension": {str(i): axis for i, axis in enumerate(axes)},
            },
            "Data": pixels.ravel() if data is None else data,
            "DataType": (5, {"float32": 2, "uint16": 10, "uint8": 6, "int32": 7}[pixels.dtype.name]),
            "Dimensions": {str(i): (5, n) for i, n in enumerate(dimensions or pixels.shape[::-1])},
            "PixelDepth": (5, pixels.itemsize),
        }
        tree = {**(extra or {}), "ImageList": {"0": {"ImageData": image, "ImageTags": {}, "Name": "made"}}}
        body = tags.group(tree, root=True)
        return struct.pack(">i", version) + tags.number(len(body)) + struct.pack(">i", 1) + body

    return save


@pytest.fixture(scope="session")
def ser() -> Callable[..., bytes]:
    """Frames (n, height, width) of uint16 → the bytes of a TIA series; `width`, `height`, `frames` can lie."""

    def save(
        pixels: np.ndarray,
        step_m: tuple[float, float] = (1e-11, 1e-11),
        kind: int = 0x4122,
        width: int | None = None,
        height: int | None = None,
        frames: int | None = None,
    ) -> bytes:
        count = len(pixels) if frames is None else frames
        dimension = struct.pack("<IddIIsI", len(pixels), 0.0, 1.0, 0, 1, b"N", 0)
        table = 30 + len(dimension)
        elements, offsets, at = [], [], table + 8 * len(pixels)
        for frame in pixels[:, ::-1]:  # the file begins with the lowest row
            size = (width or frame.shape[1], height or frame.shape[0])
            head = struct.pack("<ddIddIHII", 0.0, step_m[0], 0, 0.0, step_m[1], 0, 2, *size)
            elements.append(head + frame.astype("<u2").tobytes() + struct.pack("<HHI", 0x4152, 0, 0))
            offsets.append(at)
            at += len(elements[-1])
        start = struct.pack("<HHHIIIIII", 0x4949, 0x0197, 0x0210, kind, 0x4152, count, count, table, 1)
        tags = [offset + len(element) - 8 for offset, element in zip(offsets, elements, strict=True)]
        return start + dimension + struct.pack(f"<{2 * len(offsets)}I", *offsets, *tags) + b"".join(elements)

    return save


@pytest.fixture(scope="session")
def emi() -> Callable[[str], bytes]:
    """The mode of the microscope → the bytes of an .emi."""

    def save(mode: str) -> bytes:
        data = f"<Data><Label>Mode</Label><Value>{mode}</Value><Unit></Unit></Data>"
        description = f"<ExperimentalDescription><Root>{data}</Root></ExperimentalDescription>"
        xml = f"<ObjectInfo>{description}<AcquireInfo><X>1</X></AcquireInfo></ObjectInfo>"
        return b"JK\0\x02\0\0\0\0" + xml.encode() + b"\0\0"

    return save


@pytest.fixture(scope="session")
def velox() -> Callable[..., bytes]:
    """Detector → (pixels (height, width, frames), pixel size, unit); the bytes of a Velox EMD."""
    h5py = pytest.importorskip("h5py")

    def save(pictures: dict[str, tuple[np.ndarray, float, str]], shape: tuple[int, int, int] | None = None) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            version = json.dumps({"format": "Velox", "version": "1.0"})
            file.create_dataset("Version", data=[version], dtype=h5py.string_dtype())
            for number, (detector, (pixels, size, unit)) in enumerate(pictures.items()):
                group = file.create_group(f"Data/Image/{number:032x}")
                if shape:
                    group.create_dataset("Data", shape, pixels.dtype, chunks=(256, 256, 1))
                else:
                    group["Data"] = pixels
                about = {
                    "Detector": detector,
                    "PixelSize": {"width": str(size), "height": str(2 * size)},
                    "PixelUnitX": unit,
                    "PixelUnitY": unit,
                }
                text = json.dumps({"BinaryResult": about}).encode().ljust(2000, b"\0")
                group["Metadata"] = np.frombuffer(text, np.uint8)[:, None]
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def ncem() -> Callable[..., bytes]:
    """Data as stored, with its axes' names, pixel sizes and units; the bytes of an NCEM EMD."""
    h5py = pytest.importorskip("h5py")

    def save(data: np.ndarray, names: tuple[str, ...], steps: tuple[float, ...], unit: str) -> bytes:
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            file.attrs["version_major"], file.attrs["version_minor"] = 0, 2
            group = file.create_group("data/picture")
            group.attrs["emd_group_type"] = 1
            group["data"] = data
            for number, (name, step, size) in enumerate(zip(names, steps, data.shape, strict=True), 1):
                dimension = group.create_dataset(f"dim{number}", data=np.arange(size) * step)
                dimension.attrs["name"], dimension.attrs["units"] = name, unit
        return buffer.getvalue()

    return save
