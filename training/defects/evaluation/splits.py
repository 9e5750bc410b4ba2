"""Which pictures a network learns from, and which ones it is then judged on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.defects.labels import LabelError

PERCENTS = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0)
DRAWS = 3
TEST_PERCENT = 20.0
_TRIES = 20


@dataclass(frozen=True)
class Split:
    """One division of the pictures, by their numbers.

    setting: what it is one draw of; splits of one setting are averaged. name: its own, unlike all others. seed: of the
    draw and of the training. train, test: never share a picture.
    """

    setting: str
    name: str
    seed: int
    train: tuple[int, ...]
    test: tuple[int, ...]


def everything(count: int) -> list[Split]:
    """All pictures at once, for a model that has learned already."""
    _at_least(count, 1)
    return [Split("all pictures", "all", 0, (), tuple(range(count)))]


def random_folds(count: int, folds: int, seed: int = 0) -> list[Split]:
    """Random k-fold: every picture is judged once, by a network that has not seen it; as many folds as pictures
    leave one out at a time."""
    _at_least(count, 2)
    if not 2 <= folds <= count:
        raise ValueError(f"{count} pictures go into 2 to {count} folds, not into {folds}")
    parts = np.array_split(_order(count, seed), folds)
    setting = f"{folds} folds"
    return [_split(setting, f"fold {k + 1}", seed, count, part.tolist()) for k, part in enumerate(parts)]


def percent_left_out(
    count: int, percents: Sequence[float] = PERCENTS, *, draws: int = DRAWS, seed: int = 0
) -> list[Split]:
    """So many percent of the pictures are left out at random, each share several times; at least one is left out, and
    at least one learned from."""
    _at_least(count, 2)
    made = []
    for percent in percents:
        if not 0 < percent < 100:
            raise ValueError(f"{percent:g} % of the pictures cannot be left out: give numbers between 0 and 100")
        setting, taken = f"{percent:g} % left out", set[tuple[int, ...]]()
        for draw in range(draws):
            # of few pictures, the same ones may be drawn again: that would say nothing new
            for again in range(_TRIES):
                order = _order(count, seed, draw, round(1000 * percent), again)
                test = tuple(sorted(order[: _share(count, percent)].tolist()))
                if test not in taken:
                    break
            taken.add(test)
            made.append(_split(setting, f"{setting}, draw {draw + 1}", seed, count, test))
    return made


def groups_left_out(groups: Sequence[str], column: str = "group", seed: int = 0) -> list[Split]:
    """Each group of pictures is left out once, whole: how the network does on what it has never seen the like of.

    Parameters
    ----------
    groups: of each picture. column: what the groups are, such as 'alloy'.
    """
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise ValueError(f"one {column} cannot be left out where there is only one: {', '.join(names) or 'none'}")
    return [
        _split(
            f"one {column} left out", name, seed, len(groups), [i for i, group in enumerate(groups) if group == name]
        )
        for name in names
    ]


def growing(
    count: int,
    sizes: Sequence[int] | None = None,
    *,
    draws: int = DRAWS,
    test_percent: float = TEST_PERCENT,
    seed: int = 0,
) -> list[Split]:
    """A learning curve: more and more pictures to learn from, judged on the same ones.

    Each draw leaves out other pictures and adds to the training set without taking any away.

    Parameters
    ----------
    sizes: numbers of training pictures; by default six from one to all that are not left out, each about the same
        factor apart.
    """
    _at_least(count, 2)
    if not 0 < test_percent < 100:
        raise ValueError("between 0 and 100 % of the pictures are left out for a learning curve")
    left_out = _share(count, test_percent)
    most = count - left_out
    chosen = sorted(set(sizes or np.unique(np.round(np.geomspace(1, most, 6)).astype(int)).tolist()))
    if chosen[0] < 1 or chosen[-1] > most:
        raise ValueError(f"{left_out} of {count} pictures are left out: networks can learn from 1 to {most}")
    made = []
    for draw in range(draws):
        order = _order(count, seed, draw).tolist()
        for size in chosen:
            name = f"{size} picture{'' if size == 1 else 's'}"
            made.append(
                Split(
                    name,
                    f"{name}, draw {draw + 1}",
                    seed,
                    tuple(sorted(order[left_out : left_out + size])),
                    tuple(sorted(order[:left_out])),
                )
            )
    return made


def read_groups(path: Path, columns: Sequence[str], images: Sequence[str]) -> list[str]:
    """The group of each picture: what columns of a CSV file with a column `image` say, joined where they are several.

    Raises
    ------
    LabelError: no such column, or a picture without a group.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = [name for name in ("image", *columns) if name not in (rows.fieldnames or ())]
        if missing:
            known = ", ".join(rows.fieldnames or ())
            raise LabelError(f"{path.name} has no column {' or '.join(missing)}; there are {known}")
        values = {row["image"]: [(row[name] or "").strip() for name in columns] for row in rows}
    without = [image for image in images if not all(values.get(image, [""]))]
    if without:
        raise LabelError(f"{path.name} names no {', '.join(columns)} of {len(without)} pictures: {without[0]} …")
    return [", ".join(values[image]) for image in images]


def _split(setting: str, name: str, seed: int, count: int, test: Sequence[int]) -> Split:
    left_out = set(test)
    return Split(setting, name, seed, tuple(i for i in range(count) if i not in left_out), tuple(sorted(left_out)))


def _order(count: int, seed: int, *stream: int) -> np.ndarray:
    return np.random.default_rng([seed, *stream]).permutation(count)


def _share(count: int, percent: float) -> int:
    return min(max(round(count * percent / 100), 1), count - 1)


def _at_least(count: int, least: int) -> None:
    if count < least:
        raise ValueError(f"there {'is' if count == 1 else 'are'} {count} labelled pictures, and {least} are needed")
