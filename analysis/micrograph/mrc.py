"""MRC2014 and its older relatives: the voxel size is in Å, and 0 means that there is none."""

from __future__ import annotations

import struct

import mrcfile.dtypes
import mrcfile.utils
import numpy as np

from analysis.micrograph.picture import Content, Picture, Request, Scale, broken, check_frame, check_size
from emserve.exceptions import UnreadableMicrograph

_HEADER_BYTES = 1024
_COMPLEX_MODES = (3, 4)


def read(data: Content, request: Request) -> Picture:
    """A picture, or a section of a stack or volume as its frame."""
    if len(data) < _HEADER_BYTES:
        raise broken("MRC")
    header_dtype = mrcfile.dtypes.HEADER_DTYPE.newbyteorder(_byte_order(data))
    header = np.frombuffer(data, header_dtype, 1)[0]
    width, height, frames = (int(header[name]) for name in ("nx", "ny", "nz"))
    mode, extended = int(header["mode"]), int(header["nsymbt"])
    if mode in _COMPLEX_MODES:
        raise UnreadableMicrograph(
            "The MRC file holds a Fourier transform (complex numbers).", remedy="Send the picture in real space."
        )
    try:
        dtype = mrcfile.utils.dtype_from_mode(mode).newbyteorder(header_dtype["nx"].byteorder)
    except ValueError:
        raise UnreadableMicrograph(
            f"MRC mode {mode} is not read.", remedy="Save it as mode 0, 1, 2, 6 or 12 (8 or 16 bit, or float)."
        ) from None
    check_size(width, height, request)
    check_frame(frames, request)
    pixels = width * height
    start = _HEADER_BYTES + extended + request.frame * pixels * dtype.itemsize
    needed = request.frame + 1 if request.partial else frames
    if extended < 0 or len(data) < _HEADER_BYTES + extended + needed * pixels * dtype.itemsize:
        raise broken("MRC")
    scale_x, scale_y = (
        Scale(float(header["cella"][axis]) / int(header[intervals]), "Å")
        if int(header[intervals]) > 0 and header["cella"][axis] > 0
        else None
        for axis, intervals in (("x", "mx"), ("y", "my"))
    )
    return Picture(np.frombuffer(data, dtype, pixels, start).reshape(height, width), frames, scale_x, scale_y)


def _byte_order(data: Content) -> str:
    try:
        return mrcfile.utils.byte_order_from_machine_stamp(np.frombuffer(data, np.uint8, 4, 212))
    except ValueError:  # files of before 2000 have no stamp: the mode is a small number in one order only
        return "<" if 0 <= struct.unpack_from("<i", data, 12)[0] < 256 else ">"
