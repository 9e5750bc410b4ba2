"""Stretches along slip traces are cut off lines, and bent ends of lines are not."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.dislocations.lines import Line
from analysis.dislocations.postprocess import find_lines
from analysis.dislocations.trace_ends import without_trace_ends
from tests.analysis.dislocations.drawn_lines import draw, length_of, pile_up, straight

HEIGHT, WIDTH = 420, 440
STEP = np.array((60.0, -12.0))  # from a line to the next one, which is the direction of the traces
PILE_UP = pile_up(4, first=(90, 90), step=(60, -12))


def found(*courses: np.ndarray) -> list[Line]:
    """Lines found, each in a map of its own, in the order of the courses."""
    return [find_lines(draw(course, (HEIGHT, WIDTH))[None])[0] for course in courses]


def along_the_trace(line: np.ndarray, steps: float) -> np.ndarray:
    """A line that goes on from its first end along the trace."""
    return np.concatenate([[line[0] + steps * STEP], line])


@pytest.mark.parametrize("steps", [-0.8, 0.7])
@pytest.mark.parametrize("turned", [False, True])
def test_a_stretch_along_the_trace_is_cut_off(steps: float, turned: bool) -> None:
    courses = [PILE_UP[0], along_the_trace(PILE_UP[1], steps)[:: -1 if turned else 1], *PILE_UP[2:]]
    before = found(*courses)
    lines, stretches = without_trace_ends(before)
    assert len(lines) == 4
    assert len(stretches) == 1
    assert stretches[0].length_px == pytest.approx(abs(steps) * np.hypot(*STEP), abs=10)
    for line, course in zip(lines, PILE_UP, strict=True):
        assert line.length_px == pytest.approx(length_of(course), abs=8)
    cut = lines[1].mask.area_px + stretches[0].mask.area_px
    assert cut == before[1].mask.area_px, "every pixel belongs to one of the two"
    assert lines[1].evidence + stretches[0].evidence == pytest.approx(before[1].evidence)


def test_stretches_at_both_ends_are_cut_off() -> None:
    course = along_the_trace(along_the_trace(PILE_UP[1], -0.7)[::-1], 0.7)
    lines, stretches = without_trace_ends(found(PILE_UP[0], course, PILE_UP[2]))
    assert len(stretches) == 2
    assert lines[1].length_px == pytest.approx(length_of(PILE_UP[1]), abs=12)


def test_a_pile_up_without_stretches_stays_as_it_is() -> None:
    lines = found(*PILE_UP)
    assert without_trace_ends(lines) == (lines, [])


def test_a_bent_end_that_no_other_line_lies_beside_is_the_lines_own() -> None:
    alone = found(along_the_trace(PILE_UP[1], -0.8))
    assert without_trace_ends(alone) == (alone, [])


def test_a_line_that_comes_to_the_trace_from_its_other_side_is_of_another_pile_up() -> None:
    above = straight(*(PILE_UP[1][0] - 2.0 * STEP), *(PILE_UP[1][0] - 2.0 * STEP + (-10, -60)))
    lines = found(above, along_the_trace(PILE_UP[1], -0.8))
    assert without_trace_ends(lines) == (lines, [])


def test_no_lines() -> None:
    assert without_trace_ends([]) == ([], [])
