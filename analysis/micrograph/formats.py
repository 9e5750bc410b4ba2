"""What RosettaSciIO reads. It is GPL-3, so it is optional, and this is the one module that imports it.

DigitalMicrograph and TIA files are checked by walking their headers (`digitalmicrograph`, `tia`) and read here; all
others are read in a process of their own (`isolation`).
"""

from __future__ import annotations

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
    check_frame,
    check_size,
    count_frames,
    not_a_picture,
    several_pictures,
)
from analysis.micrograph.units import calibrate, kind_of
from emserve.exceptions import InternalError, MissingDependency, UnreadableMicrograph
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
}
# Module of RosettaSciIO, ending that it insists on, options.
_OTHERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bcf": ("bruker", "bcf", {"select_type": "image"}),
    "sur": ("digitalsurf", "sur", {}),
    "unf": ("semper", "unf", {}),
    "jeol": ("jeol", "img", {}),
    "prz": ("pantarhei", "prz", {}),
}
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
                return load(path, module, request, **({"lazy": True} if module == "digitalmicrograph" else {}))
            except OSError as error:  # RosettaSciIO's word for a file that it does not like
                raise ValueError(str(error)) from error
    except OSError as error:
        raise InternalError(
            "The server could not write the file to a temporary folder.",
            remedy="Give the server a temporary folder that it can write to (TMPDIR), with room for the file.",
        ) from error


def open_file(path: Path, format: str, request: Request) -> Picture:
    """Read a file whose content has this format; called in the child process."""
    if format == "hdf5":
        from analysis.micrograph import hdf5

        return hdf5.read(path, request)
    if format == "tiff":
        from analysis.micrograph import tiff

        return tiff.read_with_pillow(path, request)
    module, ending, options = _OTHERS[format]
    picture = load(path.rename(path.with_suffix(f".{ending}")), module, request, **options)
    if format == "unf":  # RosettaSciIO gives the scales of Semper's axes in the order of the file, x first
        return replace(picture, scale_x=picture.scale_y, scale_y=picture.scale_x)
    return picture


def load(path: Path, module: str, request: Request, *, transposed: bool = False, **options: Any) -> Picture:
    """Read one frame with a reader of RosettaSciIO.

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
        try:
            usable.append((dataset, *_scales(dataset)))
        except UnreadableMicrograph as error:
            problem = error
    if not usable:
        raise problem
    dataset, scale_x, scale_y = usable[0]
    pixels, frames = _frame(dataset["data"], request)
    if transposed and [str(axis.get("name")).lower()[-1:] for axis in dataset["axes"][-2:]] == ["x", "y"]:
        pixels, scale_x, scale_y = pixels.swapaxes(0, 1), scale_y, scale_x
    notices: tuple[Notice, ...] = ()
    if len(usable) > 1:
        title = str(dataset["metadata"].get("General", {}).get("title") or "the first")
        notices = (several_pictures(len(usable), title),)
    return Picture(pixels, frames, scale_x, scale_y, notices, module if module in ("emd", "hspy") else None)


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


def _frame(data: Any, request: Request) -> tuple[np.ndarray, int]:
    height, width = data.shape[-2:]
    frames = count_frames(data.shape[:-2])
    check_size(width, height, request)
    check_frame(frames, request)
    frame = data[np.unravel_index(request.frame, data.shape[:-2])]
    if hasattr(frame, "compute"):
        frame = frame.compute(scheduler="synchronous")
    if frame.dtype.names:  # red, green, blue, alpha
        frame = np.stack([frame[name] for name in frame.dtype.names], axis=-1)
    return np.array(frame), frames  # a copy: the file that it may be mapped from is about to go
