"""Letters of overlays: with µ and ⟨ ⟩, which Pillow's own font does not have."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from emserve._extras import require

_INSTEAD = str.maketrans({"µ": "u", "⟨": "<", "⟩": ">"})


class Lettering:
    """A font of a size in px: matplotlib's DejaVu Sans where it is installed, which knows the signs of the field."""

    def __init__(self, size_px: int) -> None:
        font_module = require("PIL.ImageFont", extra="plot", purpose="An overlay")
        file = _dejavu()
        self._complete = file is not None
        self.font = font_module.truetype(str(file), size_px) if file else font_module.load_default(size=size_px)

    def legible(self, text: str) -> str:
        """The text, with signs that the font has."""
        return text if self._complete else text.translate(_INSTEAD)


def _dejavu() -> Path | None:
    spec = find_spec("matplotlib")  # found, not imported: that takes a while
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")
        if file.is_file():
            return file
    return None
