"""The families that there are, and those that a service serves."""

from __future__ import annotations

from collections.abc import Container

from bentos import atoms, defects, dislocations
from bentos.family import AnyFamily

FAMILIES: tuple[AnyFamily, ...] = (atoms.FAMILY, defects.FAMILY, dislocations.FAMILY)


def of(names: Container[str]) -> tuple[AnyFamily, ...]:
    """The families of these names, in their order here."""
    return tuple(family for family in FAMILIES if family.name in names)
