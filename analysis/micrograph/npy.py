"""NumPy's NPY. It carries no pixel size."""

from __future__ import annotations

import io
from math import prod

import numpy as np

from analysis.micrograph.picture import (
    SEND_A_PICTURE,
    Picture,
    Request,
    broken,
    check_frame,
    check_size,
    count_frames,
    not_a_picture,
)
from emserve.exceptions import UnreadableMicrograph

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(data: bytes, request: Request) -> Picture:
    """A picture (height, width), with 3 or 4 colours last, or a stack of either along the first dimension."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise not_a_picture("an array with named fields")
    shape, fortran_order, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise UnreadableMicrograph(
            "The NPY file holds pickled Python objects, which are never opened.",
            remedy="Save a plain array of numbers: numpy.save(path, picture.astype('float32')).",
        )
    if dtype.names or dtype.kind not in "biufc":
        raise not_a_picture("an array of something else than numbers")
    shape = tuple(int(size) for size in shape)
    colours = 3 if len(shape) >= 3 and shape[-1] in (3, 4) and min(shape[-3:-1]) > 4 else 2
    if len(shape) < colours:
        raise UnreadableMicrograph(f"The NPY file holds data of {len(shape)} dimensions.", remedy=SEND_A_PICTURE)
    frames = count_frames(shape[:-colours])
    height, width = shape[-colours:][:2]
    check_size(width, height, request)
    check_frame(frames, request)
    start, count = stream.tell(), prod(shape)
    if len(data) - start < count * dtype.itemsize:
        raise broken("NPY")
    array = np.frombuffer(data, dtype, count, start)
    array = array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
    return Picture(array[np.unravel_index(request.frame, shape[:-colours])], frames)
