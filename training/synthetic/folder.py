"""Pictures of a folder, as backgrounds. Nothing of a folder travels in parameters but names and checksums."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from analysis.micrograph import read_file
from training.synthetic.resizing import FloatArray

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".npy")


class PictureFolder:
    """The pictures of a folder, read when first needed and kept.

    Raises
    ------
    FileNotFoundError: the folder has no picture.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = folder.iterdir() if folder.is_dir() else ()
        self.names = sorted(path.name for path in paths if path.suffix.lower() in SUFFIXES)
        if not self.names:
            raise FileNotFoundError(f"no picture in {folder}: backgrounds are read from {', '.join(SUFFIXES)}")
        self._read: dict[str, tuple[FloatArray, float | None, str]] = {}

    def __getstate__(self) -> dict[str, object]:
        # a worker process reads for itself
        return {**self.__dict__, "_read": {}}

    def read(self, name: str) -> tuple[FloatArray, float | None, str]:
        """Brightness (height, width) with median 1, pixel size in nm if the file knows it, and checksum of a file."""
        if name not in self._read:
            micrograph = read_file(self.folder / name)
            pixels = np.asarray(micrograph.pixels, np.float32)
            pixels = pixels / max(float(np.median(pixels)), 1e-9)
            checksum = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            self._read[name] = (pixels, micrograph.pixel_size_x_nm, checksum)
        return self._read[name]

    def same(self, name: str, sha256: str) -> FloatArray:
        """Brightness (height, width) of the file that has that name and checksum.

        Raises
        ------
        ValueError: there is none.
        """
        if name not in self.names:
            raise ValueError(f"the background {name!r} is not in {self.folder.name}: give the folder it came from")
        pixels, _, checksum = self.read(name)
        if checksum != sha256:
            raise ValueError(f"the background {name!r} has changed since the parameters were drawn")
        return pixels
