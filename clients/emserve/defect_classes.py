"""How the classes of defects are called and coloured for people; in answers and tables their names stay as they are."""

from __future__ import annotations

from collections.abc import Iterable

Colour = tuple[int, int, int]

_TITLES = {"loop_111": "⟨111⟩ loop", "loop_100": "⟨100⟩ loop", "black_dot": "black dot"}

# As micrographs of irradiated alloys are labelled in the field: red, yellow, blue.
_COLOURS: dict[str, Colour] = {"loop_111": (235, 45, 45), "loop_100": (255, 214, 10), "black_dot": (65, 140, 255)}
_FURTHER: tuple[Colour, ...] = (
    (40, 200, 90),
    (230, 80, 220),
    (0, 210, 220),
    (255, 140, 25),
    (165, 115, 255),
    (175, 225, 60),
    (255, 160, 175),
)


def title(class_name: str) -> str:
    """`⟨111⟩ loop` for `loop_111`; a name that is not known, with spaces for underscores."""
    return _TITLES.get(class_name, class_name.replace("_", " "))


def colours(class_names: Iterable[str]) -> dict[str, Colour]:
    """A colour for each class, in the order given; classes that are not known get further ones, in turn."""
    names = list(dict.fromkeys(class_names))
    others = [name for name in names if name not in _COLOURS]
    further = {name: _FURTHER[i % len(_FURTHER)] for i, name in enumerate(others)}
    return {name: _COLOURS.get(name) or further[name] for name in names}
