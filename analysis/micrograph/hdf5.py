"""HDF5: EMD of Velox and of NCEM, and HyperSpy's hspy. Runs in the child process of `isolation` only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from analysis.micrograph import formats
from analysis.micrograph.picture import (
    Picture,
    Request,
    Scale,
    check_frame,
    check_size,
    not_a_picture,
    several_pictures,
)
from analysis.micrograph.units import calibrate
from emserve.exceptions import UnreadableMicrograph, UnsupportedFormat

_MOST_OBJECTS = 100_000
_LONGEST_METADATA = 16_000_000
_LARGE_BYTES = 1 << 28  # from here on the frame alone is read, by dask, whose import takes longer than reading less


def read(path: Path, request: Request) -> Picture:
    """The picture, chosen by `_velox` or by RosettaSciIO's order where the file holds several."""
    with h5py.File(path, "r") as file:
        lazy = _checked_bytes(file) > _LARGE_BYTES
        if _is_velox(file):
            return _velox(file, request)
        is_hyperspy = "Experiments" in file
        is_ncem = any("version_major" in group.attrs for group in (file, *_groups(file).values()))
    if is_hyperspy:
        return formats.load(path, "hspy", request, lazy=lazy)
    if is_ncem:
        return formats.load(path, "emd", request, transposed=True, lazy=lazy)
    raise UnsupportedFormat(
        "The HDF5 file is not laid out as EMD (Velox or NCEM) or hspy.", remedy="Export the picture as TIFF or EMD."
    )


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


def _velox(file: h5py.File, request: Request) -> Picture:
    """The HAADF picture if there is one, else the first recorded one, else the first computed one."""
    found: list[tuple[str, h5py.Dataset, Scale | None, Scale | None]] = []
    problem = not_a_picture("spectra")
    for group in _groups(file.get("Data/Image", {})).values():
        dataset, about = group["Data"], _metadata(group)
        scale_x, scale_y = _scales(about)
        try:
            calibrate(scale_x, scale_y)
        except UnreadableMicrograph as error:
            problem = error
            continue
        if dataset.ndim == 3 and dataset.dtype.kind in "biuf":
            found.append((str(about.get("Detector", "")), dataset, scale_x, scale_y))
    if not found:
        raise problem
    detector, dataset, scale_x, scale_y = max(found, key=lambda item: ("HAADF" in item[0], item[1].dtype.kind in "iu"))
    height, width, frames = dataset.shape
    check_size(width, height, request)
    check_frame(frames, request)
    notices = (several_pictures(len(found), detector or "the first"),) if len(found) > 1 else ()
    return Picture(dataset[:, :, request.frame], frames, scale_x, scale_y, notices, "emd")


def _metadata(group: h5py.Group) -> dict[str, Any]:
    """What Velox says of the first frame: JSON in a column of bytes."""
    dataset = group.get("Metadata")
    if not isinstance(dataset, h5py.Dataset) or dataset.shape[0] > _LONGEST_METADATA:
        return {}
    about = json.loads(np.asarray(dataset[:, 0], np.uint8).tobytes().rstrip(b"\0") or b"{}")
    return about.get("BinaryResult", {})


def _scales(about: dict[str, Any]) -> tuple[Scale | None, Scale | None]:
    size = about.get("PixelSize")
    if not size:
        return None, None
    return (
        Scale(float(size["width"]), about.get("PixelUnitX", "")),
        Scale(float(size["height"]), about.get("PixelUnitY", "")),
    )
