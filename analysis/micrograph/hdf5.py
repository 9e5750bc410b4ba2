"""HDF5: EMD of Velox and of NCEM, HyperSpy's hspy, NeXus and USID. Runs in the child process of `isolation` only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from analysis.micrograph import formats
from analysis.micrograph.picture import (
    Request,
    Scale,
    Stack,
    check_size,
    count_frames,
    not_a_picture,
    several_pictures,
)
from analysis.micrograph.units import calibrate, kind_of, seconds
from emserve.exceptions import TooLarge, UnreadableMicrograph, UnsupportedFormat

_USID_KINDS = ("Position", "Spectroscopic")
_MOST_OBJECTS = 100_000
_LONGEST_METADATA = 16_000_000
_LARGE_BYTES = 1 << 28  # from here on the frame alone is read, by dask, whose import takes longer than reading less


class _UsidAxis(NamedTuple):
    kind: str
    size: int
    scale: Scale


def opened(path: Path, request: Request) -> Stack:
    """The picture or stack, chosen by `_velox` or by RosettaSciIO's order where the file holds several."""
    file = h5py.File(path, "r")  # its frames are read from it until the process ends
    lazy = _checked_bytes(file) > _LARGE_BYTES
    if _is_velox(file):
        return _velox(file, request)
    is_hyperspy = "Experiments" in file
    top = (file, *_groups(file).values())
    is_ncem = any("version_major" in group.attrs for group in top)
    is_nexus = any(_text(group.attrs.get("NX_class")) in ("NXroot", "NXentry") for group in top)
    if not (is_hyperspy or is_ncem or is_nexus) and (mains := _usid_mains(file)):
        return _usid(mains, request)
    file.close()
    if is_hyperspy:
        return formats.opened(path, "hspy", request, lazy=lazy)
    if is_ncem:
        return formats.opened(path, "emd", request, transposed=True, lazy=lazy)
    if is_nexus:
        return formats.opened(path, "nexus", request, lazy=True, nxdata_only=True, skip_array_metadata=True)
    raise UnsupportedFormat(
        "The HDF5 file is not laid out as EMD (Velox or NCEM), hspy, NeXus or USID.",
        remedy="Export the picture as TIFF or EMD.",
    )


def _text(attribute: Any) -> str:
    return attribute.decode("utf-8", "replace") if isinstance(attribute, bytes) else str(attribute)


def _usid_mains(file: h5py.File) -> list[h5py.Dataset]:
    """The datasets that name their positions and values as USID's main datasets do."""
    found = []

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset) and {f"{kind}_Indices" for kind in _USID_KINDS} <= set(item.attrs):
            found.append(item)

    file.visititems(look)
    return found


def _usid(mains: list[h5py.Dataset], request: Request) -> Stack:
    """The first main dataset that is a picture: positions × values, each a flattened grid.

    Read here because pyUSID, which RosettaSciIO reads it with, does not run with NumPy 2.
    """
    found: list[tuple[h5py.Dataset, list[_UsidAxis]]] = []
    problem = not_a_picture("spectra")
    for main in mains:
        if main.ndim != 2 or main.dtype.kind not in "biuf":
            continue
        axes = [axis for kind in _USID_KINDS for axis in _usid_axes(main, kind, request) if axis.size > 1]
        if len(axes) < 2 or axes[-1].kind != axes[-2].kind or any(kind_of(a.scale.unit) == "energy" for a in axes):
            continue
        try:
            calibrate(axes[-1].scale, axes[-2].scale)
        except UnreadableMicrograph as error:
            problem = error
            continue
        found.append((main, axes))
    if not found:
        raise problem
    main, axes = found[0]
    frames = count_frames([axis.size for axis in axes[:-2]])
    height, width = axes[-2].size, axes[-1].size
    check_size(width, height, request)

    def pixels(frame: int) -> np.ndarray:
        row, column = divmod(frame * height * width, main.shape[1])
        if axes[-1].kind == "Position":
            return main[row : row + height * width, 0].reshape(height, width)
        return main[row, column : column + height * width].reshape(height, width)

    notices = (several_pictures(len(found), main.name),) if len(found) > 1 else ()
    return Stack(pixels, frames, axes[-1].scale, axes[-2].scale, notices, "usid")


def _usid_axes(main: h5py.Dataset, kind: str, request: Request) -> list[_UsidAxis]:
    """The axes of the grid of positions or of values, the slowest first."""
    tables = [main.file[main.attrs[f"{kind}_{name}"]] for name in ("Indices", "Values")]
    count = main.shape[_USID_KINDS.index(kind)]
    if count > request.max_pixels:
        raise TooLarge(
            f"The USID dataset has {count} pixels; at most {request.max_pixels} are taken.", remedy="Crop it or bin it."
        )
    for table in tables:
        if table.external or table.is_virtual:
            raise _other_file()
    indices, values = (table[()].T if kind == "Position" else table[()] for table in tables)
    units = [_text(unit) for unit in np.atleast_1d(tables[0].attrs.get("units", [""] * len(indices)))]
    order = np.argsort([np.count_nonzero(np.diff(row)) for row in indices], kind="stable")
    sizes = [int(indices[i].max()) + 1 for i in order]
    grid = np.indices(sizes, np.int32).reshape(len(sizes), -1) if np.prod(sizes, dtype=float) == count else None
    if grid is None or not np.array_equal(grid, indices[order]):
        raise UnreadableMicrograph("The USID file is not of a full grid of pixels.", remedy="Save it as TIFF.")
    return [
        _UsidAxis(kind, size, Scale(abs(float(values[i][-1]) - float(values[i][0])) / max(size - 1, 1), units[i]))
        for i, size in zip(order, sizes, strict=True)
    ]


def _groups(group: h5py.Group) -> dict[str, h5py.Group]:
    return {name: item for name, item in group.items() if isinstance(item, h5py.Group)}


def _checked_bytes(file: h5py.File) -> int:
    """The size of all data when unpacked, in a file that is refused if it takes data from others.

    HDF5 lets a file name others, on the server's disk, as the home of its data; they are nobody's to read.
    """
    total = 0
    waiting: list[h5py.Group] = [file]
    seen = set()
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise _other_file()
            item = group.get(name) if isinstance(link, h5py.HardLink) else None
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise _other_file()
                total += item.nbytes
            if isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in seen:
                    seen.add(address)
                    waiting.append(item)
                if len(seen) > _MOST_OBJECTS:
                    raise UnreadableMicrograph("The HDF5 file has too many groups.", remedy="Export the picture alone.")
    return total


def _other_file() -> UnreadableMicrograph:
    return UnreadableMicrograph("The HDF5 file takes data from another file.", remedy="Send one file with all data.")


def _is_velox(file: h5py.File) -> bool:
    version = file.get("Version")
    if not isinstance(version, h5py.Dataset) or "Data" not in file:
        return False
    return json.loads(version[0]).get("format") in ("Velox", "DevelopersKit")


def _velox(file: h5py.File, request: Request) -> Stack:
    """The HAADF picture if there is one, else the first recorded one, else the first computed one."""
    found: list[tuple[str, h5py.Dataset, Scale | None, Scale | None, float | None]] = []
    problem = not_a_picture("spectra")
    for group in _groups(file.get("Data/Image", {})).values():
        dataset, metadata = group["Data"], _metadata(group)
        about = metadata.get("BinaryResult", {})
        scale_x, scale_y = _scales(about)
        try:
            calibrate(scale_x, scale_y)
        except UnreadableMicrograph as error:
            problem = error
            continue
        if dataset.ndim == 3 and dataset.dtype.kind in "biuf":
            frame_time_s = seconds(Scale(float(metadata.get("Scan", {}).get("FrameTime") or 0.0), "s"))
            found.append((str(about.get("Detector", "")), dataset, scale_x, scale_y, frame_time_s))
    if not found:
        raise problem
    detector, dataset, scale_x, scale_y, frame_time_s = max(
        found, key=lambda item: ("HAADF" in item[0], item[1].dtype.kind in "iu")
    )
    height, width, frames = dataset.shape
    check_size(width, height, request)
    notices = (several_pictures(len(found), detector or "the first"),) if len(found) > 1 else ()
    return Stack(lambda frame: dataset[:, :, frame], frames, scale_x, scale_y, notices, "emd", frame_time_s)


def _metadata(group: h5py.Group) -> dict[str, Any]:
    """What Velox says of the first frame: JSON in a column of bytes."""
    dataset = group.get("Metadata")
    if not isinstance(dataset, h5py.Dataset) or dataset.shape[0] > _LONGEST_METADATA:
        return {}
    return json.loads(np.asarray(dataset[:, 0], np.uint8).tobytes().rstrip(b"\0") or b"{}")


def _scales(about: dict[str, Any]) -> tuple[Scale | None, Scale | None]:
    size = about.get("PixelSize")
    if not size:
        return None, None
    return (
        Scale(float(size["width"]), about.get("PixelUnitX", "")),
        Scale(float(size["height"]), about.get("PixelUnitY", "")),
    )
