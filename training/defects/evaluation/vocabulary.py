"""Names of classes that people and networks tell apart to a different degree.

One set of labels has `loop_111` and `loop_100`, another has `loop` and does not say which kind. Where either side has
only the wider name, both are judged by the wider one: a loop of unknown kind is found by a loop of any kind, and nobody
is blamed for what was not told apart. A name is a kind of another where it goes on from it with an underscore, and
where the user says so (`--meaning hcloop=loop_111,loop_100,black_dot`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.defects.table import DefectTable


def widest(names: Iterable[str], meaning: Mapping[str, Sequence[str]] | None = None) -> dict[str, str]:
    """Each name, and the widest of the names that it is a kind of: {'loop_111': 'loop'} where `loop` is among them.

    Parameters
    ----------
    names: all that occur. meaning: for a name in the labels, the classes of the network that it may be.

    Raises
    ------
    ValueError: a class is what two different names mean.
    """
    known = set(names)
    words = {name: min((other for other in known if _is_kind_of(name, other)), key=len) for name in sorted(known)}
    said: dict[str, str] = {}
    for wide, kinds in (meaning or {}).items():
        for kind in kinds if wide in known else ():
            if said.setdefault(kind, wide) != wide:
                raise ValueError(f"{kind} is meant by {said[kind]} and by {wide}: only one of them can be judged")
            words[kind] = wide
    # a class may be a kind of what is itself meant by something wider
    return {name: words.get(wide, wide) for name, wide in words.items()}


def in_words(table: DefectTable, words: Mapping[str, str]) -> DefectTable:
    """A table with its classes renamed; names without an entry stay. Sizes stay those of the class that was named."""
    return replace(
        table,
        class_names=np.array([words.get(name, name) for name in table.class_names.tolist()], np.str_),
        labelled=None if table.labelled is None else frozenset(words.get(name, name) for name in table.labelled),
    )


def _is_kind_of(name: str, other: str) -> bool:
    return name == other or name.startswith(f"{other}_")
