"""Which files of a folder are the frames of a video, and in which order."""

from __future__ import annotations

import re
from pathlib import Path

# What is taken from a folder of frames; of what else lies there (notes, thumbnails, videos) nothing is a frame.
_ENDINGS = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dm3", ".dm4", ".ser", ".emd", ".mrc", ".npy", ".hspy", ".h5"}
)


def frame_files(folder: Path) -> list[Path]:
    """The pictures in a folder by their endings, hidden ones aside, sorted by name and numbers in it by their value."""
    files = (p for p in folder.iterdir() if p.suffix.lower() in _ENDINGS and not p.name.startswith(".") and p.is_file())
    return sorted(files, key=lambda path: by_number(path.name))


def by_number(name: str) -> list[tuple[int, str]]:
    """What names are sorted by so that `frame_9` comes before `frame_10`."""
    parts = re.split(r"(\d+)", name.casefold())
    # by their digits, as `int` refuses thousands of them
    return [(len(part.lstrip("0")), part.lstrip("0")) if part.isdecimal() else (-1, part) for part in parts]
