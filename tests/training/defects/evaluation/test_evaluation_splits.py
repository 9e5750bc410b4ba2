"""No picture is learned from that is judged, none is forgotten, and the seed says which."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.defects.evaluation.splits import (
    PERCENTS,
    Split,
    everything,
    groups_left_out,
    growing,
    percent_left_out,
    random_folds,
    read_groups,
)
from training.defects.labels import LabelError

COUNTS = st.integers(2, 60)
SEEDS = st.integers(0, 2**32)


def apart(splits: list[Split], count: int) -> None:
    """Test pictures are never training pictures, and all are pictures of the set."""
    assert splits
    assert len({split.name for split in splits}) == len(splits)
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert set(split.train) | set(split.test) <= set(range(count))
        assert split.test
        assert len(set(split.train)) == len(split.train)
        assert len(set(split.test)) == len(split.test)


@given(COUNTS, SEEDS, st.data())
def test_folds_judge_every_picture_once(count: int, seed: int, data: st.DataObject) -> None:
    folds = data.draw(st.integers(2, count))
    splits = random_folds(count, folds, seed)
    apart(splits, count)
    assert len(splits) == folds
    assert sorted(i for split in splits for i in split.test) == list(range(count))
    assert all(len(split.train) + len(split.test) == count for split in splits)
    sizes = [len(split.test) for split in splits]
    assert max(sizes) - min(sizes) <= 1
    assert splits == random_folds(count, folds, seed)


@given(COUNTS, SEEDS, st.floats(0.5, 99.5))
def test_a_percentage_is_left_out(count: int, seed: int, percent: float) -> None:
    splits = percent_left_out(count, [percent], draws=3, seed=seed)
    apart(splits, count)
    assert len(splits) == 3
    assert len({split.setting for split in splits}) == 1
    for split in splits:
        assert split.train
        assert len(split.train) + len(split.test) == count
        assert abs(len(split.test) - count * percent / 100) <= 1
    assert splits == percent_left_out(count, [percent], draws=3, seed=seed)


def test_ten_to_ninety_percent_in_three_draws() -> None:
    splits = percent_left_out(20)
    assert [len(split.test) for split in splits] == [n for n in range(2, 20, 2) for _ in range(3)]
    assert PERCENTS == (10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert len({split.test for split in splits}) == len(splits), "every draw is another one"
    assert len({split.test for split in percent_left_out(3, [30], draws=3)}) == 3, "also of few pictures"


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=40).filter(lambda groups: len(set(groups)) > 1))
def test_groups_stay_together(groups: list[str]) -> None:
    splits = groups_left_out(groups, "alloy")
    apart(splits, len(groups))
    assert [split.name for split in splits] == list(dict.fromkeys(groups))
    assert sorted(i for split in splits for i in split.test) == list(range(len(groups)))
    for split in splits:
        assert {groups[i] for i in split.test} == {split.name}
        assert split.name not in {groups[i] for i in split.train}
        assert len(split.train) + len(split.test) == len(groups)


@given(COUNTS, SEEDS)
def test_a_learning_curve_adds_pictures_and_is_judged_on_the_same(count: int, seed: int) -> None:
    splits = growing(count, draws=2, seed=seed)
    apart(splits, count)
    for draw in ("draw 1", "draw 2"):
        steps = [split for split in splits if split.name.endswith(draw)]
        assert len({split.test for split in steps}) == 1
        assert len(steps[0].train) == 1
        assert len(steps[-1].train) + len(steps[-1].test) == count
        assert all(set(fewer.train) < set(more.train) for fewer, more in pairwise(steps))
    assert splits == growing(count, draws=2, seed=seed)


def test_other_seeds_draw_otherwise() -> None:
    for make in (
        lambda seed: random_folds(30, 3, seed),
        lambda seed: percent_left_out(30, [50], draws=1, seed=seed),
        lambda seed: growing(30, [5], draws=1, seed=seed),
    ):
        drawn = {tuple(split.test for split in make(seed)) for seed in range(5)}
        assert len(drawn) == 5
        assert [split.seed for split in make(7)] == [7] * len(make(7))


def test_everything_is_judged_at_once_without_learning() -> None:
    assert everything(3) == [Split("all pictures", "all", 0, (), (0, 1, 2))]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: random_folds(3, 4), "3 pictures go into 2 to 3 folds"),
        (lambda: random_folds(1, 2), "there is 1 labelled picture"),
        (lambda: percent_left_out(10, [100]), "100 %"),
        (lambda: groups_left_out(["a", "a"], "alloy"), "one alloy cannot be left out"),
        (lambda: growing(10, [9]), "learn from 1 to 8"),
        (lambda: growing(10, [0, 3]), "learn from 1 to 8"),
        (lambda: everything(0), "0 labelled pictures"),
    ],
)
def test_what_cannot_be_split_is_said(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_groups_are_read_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,alloy,dose\na.png,C06M2,0.8\nb.png,C35M,0.8\nc.png,C35M,\n")
    assert read_groups(table, ["alloy"], ["c.png", "a.png"]) == ["C35M", "C06M2"]
    assert read_groups(table, ["alloy", "dose"], ["b.png"]) == ["C35M, 0.8"]
    with pytest.raises(LabelError, match=r"no dose of 1 pictures: c.png"):
        read_groups(table, ["dose"], ["a.png", "c.png"])
    with pytest.raises(LabelError, match=r"no column microscope; there are image, alloy, dose"):
        read_groups(table, ["microscope"], ["a.png"])
    with pytest.raises(LabelError, match="no alloy of 1 pictures"):
        read_groups(table, ["alloy"], ["d.png"])
