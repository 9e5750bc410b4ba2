"""A colour for each dislocation line, by its number."""

from __future__ import annotations

Colour = tuple[int, int, int]

# Neighbours in number are far apart in hue: the lines of a pile-up lie side by side.
_COLOURS: tuple[Colour, ...] = (
    (255, 90, 60),
    (60, 190, 255),
    (255, 214, 10),
    (200, 110, 255),
    (60, 220, 110),
    (255, 130, 200),
    (255, 150, 30),
    (90, 130, 255),
    (190, 235, 60),
    (235, 70, 150),
    (60, 225, 215),
    (215, 170, 110),
)


def colour(number: int) -> Colour:
    """Of a line or a track that counts from 1; from the 13th on they repeat."""
    return _COLOURS[(number - 1) % len(_COLOURS)]
