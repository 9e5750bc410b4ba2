"""The renderings of all overlays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.k8s.manifests import OVERLAYS, Objects, render, renderer


@pytest.fixture(scope="session")
def rendered() -> Callable[[str], Objects]:
    """The objects of an overlay, by its name; skipped where nothing renders."""
    command = renderer()
    if command is None:
        pytest.skip("neither kubectl nor kustomize is here")
    made: dict[str, Objects] = {}

    def of(overlay: str) -> Objects:
        if overlay not in made:
            made[overlay] = Objects(render(OVERLAYS / overlay, command))
        return made[overlay]

    return of
