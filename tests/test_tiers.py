"""The folder is the tier: imports point up, from the client (0) to training and export (3), never down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TIER = {"emserve": 0, "analysis": 1, "model_store": 1, "bentos": 2, "training": 3, "export": 3, "benchmarks": 4}
FOLDER = {"clients/emserve": "emserve"} | {name: name for name in TIER if name != "emserve"}
# What the lower tiers must not drag in: they are installed where these are not.
FORBIDDEN = {
    "emserve": {"scipy", "skimage", "torch", "bentoml", "onnxruntime", "openvino"},
    "analysis": {"torch", "bentoml", "onnxruntime", "openvino", "fastapi"},
    "model_store": {"bentoml", "fastapi", "scipy", "skimage"},
    "bentos": {"torch", "onnxruntime", "openvino"},
}


def imports_of(file: Path) -> set[str]:
    """The top packages that a file imports, in functions too; relative imports stay inside their package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("folder", FOLDER)
def test_imports_point_up(root: Path, folder: str) -> None:
    own = FOLDER[folder]
    files = sorted((root / folder).rglob("*.py"))
    assert files, f"{folder} has no module"
    for file in files:
        for name in imports_of(file) & set(TIER):
            same_tier_sibling = TIER[name] == TIER[own] and name != own
            assert TIER[name] <= TIER[own], f"{file.relative_to(root)} imports {name}, which is further down"
            assert not (same_tier_sibling and own in {"analysis", "model_store"}), f"{file} imports its sibling {name}"


@pytest.mark.parametrize("folder", FOLDER)
def test_light_tiers_stay_light(root: Path, folder: str) -> None:
    own = FOLDER[folder]
    forbidden = FORBIDDEN.get(own, set())
    for file in sorted((root / folder).rglob("*.py")):
        if "runtimes" in file.parts:  # the one place where frameworks are imported, lazily
            continue
        found = imports_of(file) & forbidden
        assert not found, f"{file.relative_to(root)} imports {sorted(found)}"
