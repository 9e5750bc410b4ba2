"""What options take, in words that name what is wrong."""

from __future__ import annotations

import argparse
import math


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number")
    return value


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def positive(text: str) -> float:
    """A number above 0."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def fraction(text: str) -> float:
    """A number between 0 and 1, neither included."""
    value = number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def pixel_size(text: str) -> float | tuple[float, float]:
    """One number above 0, or X,Y."""
    match [positive(part) for part in text.split(",")]:
        case [both]:
            return both
        case [x, y]:
            return (x, y)
    raise argparse.ArgumentTypeError(f"{text} is neither one number nor X,Y")


def frame(text: str) -> int:
    """The number of a frame."""
    value = whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0; frames count from 0")
    return value


def count(text: str) -> int:
    """A whole number from 1."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


def strength(text: str) -> tuple[str, float]:
    """`loop_111=0.11`: a class and its barrier strength."""
    name, equals, value = text.partition("=")
    if not name.strip() or not equals or "," in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not CLASS=ALPHA, such as loop_111=0.11")
    return name.strip(), positive(value)
