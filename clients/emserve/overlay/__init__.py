"""What was found marked on the micrograph, to be looked at; one module per family, all on the same ground."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emserve.overlay import atoms, defects, dislocations
from emserve.results import AtomsResult, DefectsResult, DislocationsFrame, DislocationsResult, Result

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

__all__ = ["draw"]


def draw(result: Result, pixels: NDArray[Any]) -> Image.Image:
    """The overlay as an RGB image of Pillow.

    Parameters
    ----------
    pixels: the analysed picture (height, width); its contrast is stretched between the 0.1 and 99.9 percentiles.

    The size is the micrograph's own; small pictures, and those with small or dense findings, are enlarged by a whole
    factor, and non-square pixels are made square, unless they are longer than 10 : 1 or the overlay would have more
    than 128 million pixels. Raises TypeError for an answer of another family.
    """
    match result:
        case AtomsResult():
            return atoms.draw(result, pixels)
        case DefectsResult():
            return defects.draw(result, pixels)
        case DislocationsResult() | DislocationsFrame():
            return dislocations.draw(result, pixels)
    raise TypeError(f"{type(result).__name__} cannot be drawn")
