"""Slip traces are told from lines, and straight lines are not taken for traces."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.dislocations.lines import Line
from analysis.dislocations.postprocess import find_lines
from analysis.dislocations.slip_traces import is_straight, slip_traces, without_slip_traces
from tests.analysis.dislocations.drawn_lines import arc, draw, pile_up, straight, wave

HEIGHT, WIDTH = 420, 440
PILE_UP = pile_up(4, first=(90, 90), step=(60, -12))
UPPER = straight(40, 100, 360, 36)  # through the first ends of the pile-up's lines
LOWER = straight(100, 360, 420, 296)  # through their last ends


def found(*courses: np.ndarray) -> list[Line]:
    """Lines found, each in a map of its own, in the order of the courses."""
    return [find_lines(draw(course, (HEIGHT, WIDTH))[None])[0] for course in courses]


def flags(*courses: np.ndarray) -> list[bool]:
    return slip_traces(found(*courses), HEIGHT, WIDTH).tolist()


def test_the_traces_of_a_pile_up_are_rejected_and_its_lines_are_not() -> None:
    lines = found(*PILE_UP, UPPER, LOWER)
    assert slip_traces(lines, HEIGHT, WIDTH).tolist() == [False] * 4 + [True, True]
    assert without_slip_traces(lines, HEIGHT, WIDTH) == lines[:4]


def test_a_piece_of_a_trace_between_two_lines_is_one() -> None:
    assert flags(*PILE_UP, straight(155, 77, 205, 67))[-1]


def test_a_trace_that_no_line_touches_is_known_by_its_direction() -> None:
    assert flags(*PILE_UP, straight(60, 400, 200, 372))[-1]
    assert not flags(*PILE_UP, straight(60, 380, 130, 410))[-1]


def test_a_trace_of_one_line_that_ends_inside_it() -> None:
    assert flags(PILE_UP[1], UPPER) == [False, True]


def test_straight_dislocations_between_their_traces_stay() -> None:
    lines = [straight(90 + 60 * k, 90 - 12 * k, 130 + 60 * k, 350 - 12 * k) for k in range(4)]
    assert flags(*lines, UPPER, LOWER) == [False] * 4 + [True, True]


@pytest.mark.parametrize("course", [straight(100, 100, 300, 250), straight(60, 400, 60, 200)])
def test_a_straight_line_alone_stays(course: np.ndarray) -> None:
    assert flags(course) == [False]
    assert flags(course, PILE_UP[3])[0] is False


def test_a_straight_line_through_the_whole_picture_is_a_trace() -> None:
    assert flags(straight(-5, 100, 445, 220)) == [True]
    assert flags(wave(-5, 100, 445, 220, 30)) == [False]


@pytest.mark.parametrize(
    ("course", "straight_line"),
    [
        (straight(50, 50, 350, 90), True),
        (arc(2500, (200, 2600), -94, -86), False),
        (arc(9000, (200, 9100), -91, -89), True),
        (wave(100, 50, 160, 350, 10), False),
        (straight(50, 50, 72, 55), False),  # too short to tell
    ],
)
def test_what_is_straight(course: np.ndarray, straight_line: bool) -> None:
    assert is_straight(found(course)[0]) is straight_line


def test_no_line_no_trace() -> None:
    assert slip_traces([], 100, 100).tolist() == []
