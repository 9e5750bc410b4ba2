"""What the tests of the service share: a synthetic lattice whose columns are known."""

from __future__ import annotations

import io

import numpy as np
import pytest

SIZE, PITCH, SIGMA = 256, 18, 3.5


def lattice_pixels() -> np.ndarray:
    """(SIZE, SIZE) float32: Gaussian columns on a square lattice, none within one pitch of the edge."""
    centres = np.arange(PITCH, SIZE - PITCH, PITCH)
    profile = np.exp(-((np.arange(SIZE) - centres[:, None]) ** 2) / (2 * SIGMA**2)).sum(axis=0)
    return (100 + 1000 * np.outer(profile, profile)).astype(np.float32)


@pytest.fixture(scope="session")
def lattice_columns() -> int:
    """How many columns the lattice has."""
    return len(np.arange(PITCH, SIZE - PITCH, PITCH)) ** 2


@pytest.fixture(scope="session")
def lattice_npy() -> bytes:
    """The lattice as a file."""
    stream = io.BytesIO()
    np.save(stream, lattice_pixels())
    return stream.getvalue()
