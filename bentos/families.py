"""The families that are served."""

from __future__ import annotations

from bentos import atoms, defects, dislocations
from bentos.family import AnyFamily

FAMILIES: tuple[AnyFamily, ...] = (atoms.FAMILY, defects.FAMILY, dislocations.FAMILY)
