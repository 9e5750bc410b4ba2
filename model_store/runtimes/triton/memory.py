"""Memory that this process and a Triton on the same host both see, so that pictures need not travel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np

_ALIGNED = 64
_FOLDER = Path("/dev/shm")


class Region:
    """A piece of shared memory, one thread's own, that is filled from its beginning for each request.

    Raises OSError where there is no room or no such memory.
    """

    def __init__(self, size: int) -> None:
        self._memory = SharedMemory(create=True, size=size)
        self.size = size
        self.name = self._memory.name
        self.key = f"/{self._memory.name}"
        self._used = 0
        try:
            # Reserved now: memory that turns out not to be there when it is written kills the process.
            with (_FOLDER / self.name).open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            self.forget_name()
            self.close()
            raise

    def clear(self) -> None:
        """Begins anew; what was in it may be written over."""
        self._used = 0

    def take(self, size: int) -> int:
        """The offset of a free piece."""
        offset = self._used
        self._used = offset + room(size)
        return offset

    def put(self, array: np.ndarray) -> int:
        """Copies an array into a free piece and returns its offset."""
        offset = self.take(array.nbytes)
        np.ndarray(array.shape, array.dtype, self._memory.buf, offset)[...] = array
        return offset

    def get(self, offset: int, shape: Sequence[int], dtype: str) -> np.ndarray:
        """A copy of what is there."""
        return np.ndarray(shape, dtype, self._memory.buf, offset).copy()

    def forget_name(self) -> None:
        """Takes the name away, so that nothing is left behind however this process ends; both sides keep the memory."""
        self._memory.unlink()

    def close(self) -> None:
        """Gives the memory back on this side."""
        self._memory.close()


def room(size: int) -> int:
    """The bytes that a piece of `size` bytes takes in a region."""
    return -(-size // _ALIGNED) * _ALIGNED
