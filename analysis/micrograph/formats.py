"""What RosettaSciIO reads. It is GPL-3, so it is optional, and this is the one module that imports it.

DigitalMicrograph and TIA files are checked by walking their headers (`digitalmicrograph`, `tia`) and read here; all
others are read in a process of their own (`isolation`).
"""

from __future__ import annotations

import bz2
import struct
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from analysis.micrograph import digitalmicrograph, isolation, tia
from analysis.micrograph.picture import (
    Picture,
    Request,
    Scale,
    Stack,
    broken,
    check_frame,
    check_size,
    count_frames,
    not_a_picture,
    several_pictures,
)
from analysis.micrograph.sniff import VIDEOS
from analysis.micrograph.units import calibrate, kind_of, seconds
from emserve.exceptions import InternalError, MissingDependency, TooLarge, UnreadableMicrograph, UnsupportedFormat
from emserve.results import Notice

warnings.filterwarnings("ignore", module=r"rsciio\.")  # what matters of them is in the answer

_NAMES = {
    "dm3": "DigitalMicrograph",
    "dm4": "DigitalMicrograph",
    "ser": "TIA",
    "emi": "TIA",
    "hdf5": "EMD and other HDF5",
    "bcf": "Bruker",
    "sur": "Digital Surf",
    "unf": "Semper",
    "jeol": "JEOL",
    "prz": "Panta Rhei",
    "tvips": "TVIPS",
    "elid": "Phenom",
    "mrcz": "MRCZ",
}
# Module of RosettaSciIO, ending that it insists on, options.
_OTHERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bcf": ("bruker", "bcf", {"select_type": "image"}),
    "sur": ("digitalsurf", "sur", {}),
    "unf": ("semper", "unf", {}),
    "jeol": ("jeol", "img", {}),
    "prz": ("pantarhei", "prz", {}),
    "elid": ("phenom", "elid", {}),
    "mrcz": ("mrcz", "mrcz", {"n_threads": 1}),
}
_INSTALL_MRCZ = "Run: pip install mrcz blosc"
_HDF5 = ("emd", "hspy", "nexus")
_MOST_BYTES_PER_PIXEL = 8  # of what an ELID unpacks to
_SPECTRAL_AXES = {"wavelength", "energy", "energy loss", "x-ray energy"}


def read(data: bytes, request: Request, format: str) -> Picture:
    """Read a format of the extra `formats`.

    Raises
    ------
    MissingDependency: the extra is not installed. UnreadableMicrograph, TooLarge, InvalidParameter as everywhere.
    """
    if find_spec("rsciio") is None or find_spec("h5py") is None:
        raise MissingDependency(
            f"{_NAMES[format]} files are read by RosettaSciIO, which is not installed.",
            remedy="Run: pip install rosettasciio h5py",
        )
    if format in ("dm3", "dm4"):
        digitalmicrograph.check(data, request)
        return _read_here({f"micrograph.{format}": data}, "digitalmicrograph", request)
    if format in ("ser", "emi"):
        return _read_tia(data, request, format)
    return isolation.read(data, request, format)


def _read_tia(data: bytes, request: Request, format: str) -> Picture:
    """A .ser holds the pictures and their calibration; the .emi only says whether it is a diffraction pattern."""
    ser, emi = (data, request.companion) if format == "ser" else (request.companion, data)
    if not ser or ser[:4] != b"II\x97\x01":
        raise UnreadableMicrograph(
            "An .emi file has no picture that can be read without its .ser file.",
            remedy="Send the .ser file that lies beside the .emi.",
        )
    tia.check_ser(ser, request)
    if not emi or emi[:4] != b"JK\0\x02":
        return _read_here({"micrograph_1.ser": ser}, "tia", request)
    tia.check_emi(emi)
    return _read_here({"micrograph.emi": emi, "micrograph_1.ser": ser}, "tia", request)


def _read_here(files: dict[str, bytes], module: str, request: Request) -> Picture:
    """RosettaSciIO wants a path with the right ending: read the first of some temporary files."""
    try:
        with tempfile.TemporaryDirectory(prefix="emserve-", ignore_cleanup_errors=True) as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            path = Path(folder, next(iter(files)))
            try:
                options = {"lazy": True} if module == "digitalmicrograph" else {}
                return opened(path, module, request, **options).picture(request)
            except OSError as error:  # RosettaSciIO's word for a file that it does not like
                raise ValueError(str(error)) from error
    except OSError as error:
        raise InternalError(
            "The server could not write the file to a temporary folder.",
            remedy="Give the server a temporary folder that it can write to (TMPDIR), with room for the file.",
        ) from error


def open_file(path: Path, format: str, request: Request) -> Picture:
    """Read a file whose content has this format; called in the child process."""
    if format == "tiff":
        from analysis.micrograph import tiff

        return tiff.read_with_pillow(path, request)
    if format in VIDEOS:
        from analysis.micrograph import video

        return video.read_frame(path, format, request)
    return open_stack(path, format, request).picture(request)


def open_stack(path: Path, format: str, request: Request) -> Stack:
    """Open a file whose content has this format, to read frame after frame; called in a child process."""
    if format == "hdf5":
        from analysis.micrograph import hdf5

        return hdf5.opened(path, request)
    if format in ("dm3", "dm4"):
        return opened(path, "digitalmicrograph", request, lazy=True)
    if format == "tvips":
        return _open_tvips(path, request)
    if format == "elid":
        _check_elid(path, request)
    if format == "mrcz":
        _check_mrcz(path, request)
    module, ending, options = _OTHERS[format]
    stack = opened(path.rename(path.with_suffix(f".{ending}")), module, request, **options)
    if format == "unf":  # RosettaSciIO gives the scales of Semper's axes in the order of the file, x first
        return replace(stack, scale_x=stack.scale_y, scale_y=stack.scale_x)
    return stack


def _open_tvips(path: Path, request: Request) -> Stack:
    """A stream of TVIPS: its first file, which has the header."""
    header = _beginning(path, 256)
    version, width, height, bits = struct.unpack_from("<4I", header, 4)
    (frame_header,) = struct.unpack_from("<I", header, 48)
    if version != 2:
        raise UnsupportedFormat(
            f"The TVIPS file is of version {version}; version 2 is read.", remedy="Save the picture as TIFF."
        )
    check_size(width, height, request)
    frames = (path.stat().st_size - len(header)) // (frame_header + width * height * bits // 8)
    # RosettaSciIO takes the time between the first two frames, except where it is told the shape.
    options: dict[str, Any] = {"scan_shape": (1, 1)} if frames == 1 else {}
    stack = opened(path.rename(path.with_name("micrograph_000.tvips")), "tvips", request, lazy=True, **options)
    notice = Notice(
        code="pixel_size_dropped",
        message="A TVIPS file gives whole nanometres, which may be the camera's own pixels; they were not used.",
        remedy="Pass pixel_size_nm.",
    )
    return replace(stack, scale_x=None, scale_y=None, notices=(*stack.notices, notice))


def _beginning(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _check_elid(path: Path, request: Request) -> None:
    """Refuse a file that is cut off (RosettaSciIO would wait for its end for ever) or that unpacks to very much."""
    unpacker, unpacked = bz2.BZ2Decompressor(), 0
    with path.open("rb") as file:
        while not unpacker.eof:
            packed = file.read(1 << 20) if unpacker.needs_input else b""
            if unpacker.needs_input and not packed:
                raise broken("elid")
            unpacked += len(unpacker.decompress(packed, 1 << 22))
            if unpacked > _MOST_BYTES_PER_PIXEL * request.max_pixels:
                raise TooLarge("The ELID file unpacks to more than is taken.", remedy="Export the picture as TIFF.")


def _check_mrcz(path: Path, request: Request) -> None:
    """Refuse a picture by its header: RosettaSciIO unpacks all frames."""
    if find_spec("blosc") is None and find_spec("blosc2") is None:
        raise MissingDependency("MRCZ files need the package blosc, which is not installed.", remedy=_INSTALL_MRCZ)
    width, height, frames = struct.unpack("<3i", _beginning(path, 12))
    check_size(width, height, request)
    check_frame(frames, request)
    if width * height * frames > request.max_pixels:
        raise TooLarge(
            f"The {frames} frames of the MRCZ file have more than {request.max_pixels} pixels together.",
            remedy="Save it as an MRC without compression, of which one frame alone is read.",
        )


def opened(path: Path, module: str, request: Request, *, transposed: bool = False, **options: Any) -> Stack:
    """All frames of a file that a reader of RosettaSciIO reads.

    transposed: rows and columns are swapped where the axes are named so (NCEM's EMD).
    """
    try:
        datasets = _reader(module)(str(path), **options)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"This file needs the package {error.name}, which is not installed.",
            remedy=f"Run: pip install {error.name}",
        ) from error
    except ValueError:
        if not options.pop("lazy", False):  # colours of DigitalMicrograph are not read lazily
            raise
        datasets = _reader(module)(str(path), **options)
    usable, problem = [], not_a_picture("no data")
    for dataset in datasets:
        if module == "nexus":
            dataset["axes"].sort(key=lambda axis: axis["index_in_array"])
            if sum(not axis["navigate"] for axis in dataset["axes"]) == 1:
                problem = not_a_picture("spectra")
                continue
        try:
            usable.append((dataset, *_scales(dataset)))
        except UnreadableMicrograph as error:
            problem = error
    if not usable:
        raise problem
    dataset, scale_x, scale_y = usable[0]
    data = dataset["data"]
    height, width = data.shape[-2:]
    check_size(width, height, request)
    swapped = transposed and [str(axis.get("name")).lower()[-1:] for axis in dataset["axes"][-2:]] == ["x", "y"]
    if swapped:
        scale_x, scale_y = scale_y, scale_x
    notices: tuple[Notice, ...] = ()
    if len(usable) > 1:
        title = str(dataset["metadata"].get("General", {}).get("title") or "the first")
        notices = (several_pictures(len(usable), title),)
    return Stack(
        lambda frame: _frame(data, frame).swapaxes(0, 1) if swapped else _frame(data, frame),
        count_frames(data.shape[:-2]),
        scale_x,
        scale_y,
        notices,
        module if module in _HDF5 else None,
        _frame_time_s(dataset["axes"][:-2]),
    )


@cache
def _reader(module: str) -> Any:
    import rsciio

    rsciio.set_log_level("CRITICAL")  # it writes its warnings to the standard output
    return import_module(f"rsciio.{module}").file_reader


def _scales(dataset: dict[str, Any]) -> tuple[Scale | None, Scale | None]:
    """The scales of a dataset in x and y; an error where it is not a picture in real space."""
    shape: Sequence[int] = dataset["data"].shape
    axes: list[dict[str, Any]] = dataset["axes"]
    if len(shape) < 2:
        raise not_a_picture("a spectrum or a profile")
    if any(
        str(axis.get("name")).lower() in _SPECTRAL_AXES or kind_of(str(axis.get("units") or "")) == "energy"
        for axis in axes
    ):
        raise not_a_picture("spectra")
    if len(axes) != len(shape):
        return None, None
    scale_y, scale_x = (
        Scale(float(axis["scale"]), str(axis.get("units") or "")) if axis.get("scale") is not None else None
        for axis in axes[-2:]
    )
    calibrate(scale_x, scale_y)
    count_frames(shape[:-2])
    return scale_x, scale_y


def _frame_time_s(axes: list[dict[str, Any]]) -> float | None:
    """The step of the axis that counts the frames, where it is one of time."""
    scales = [
        Scale(float(axis.get("scale") or 0.0), str(axis.get("units") or "")) for axis in axes if axis.get("size") != 1
    ]
    return seconds(scales[0]) if len(scales) == 1 else None


def _frame(data: Any, number: int) -> np.ndarray:
    frame = data[np.unravel_index(number, data.shape[:-2])]
    if hasattr(frame, "compute"):
        frame = frame.compute(scheduler="synchronous")
    if frame.dtype.names:  # red, green, blue, alpha
        frame = np.stack([frame[name] for name in frame.dtype.names], axis=-1)
    return np.array(frame)  # a copy: the file that it may be mapped from is about to go
