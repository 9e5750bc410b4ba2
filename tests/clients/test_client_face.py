"""The public face: sorted, complete, and free of charge until it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import emserve
from emserve import exceptions


def test_the_public_names_are_sorted_and_all_there() -> None:
    assert emserve.__all__ == sorted(emserve.__all__)
    assert dir(emserve) == emserve.__all__
    for name in emserve.__all__:
        assert getattr(emserve, name) is not None


def test_every_exception_is_public() -> None:
    raised = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and value.__module__ == exceptions.__name__
    }
    assert raised <= set(emserve.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(emserve.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(emserve.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Klient"):
        emserve.Klient  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import emserve", {"httpx", "numpy", "pydantic", "PIL", "matplotlib", "pandas", "asyncio"}),
        (
            "from emserve import Client, AsyncClient, AtomsResult, DefectsResult",
            {"numpy", "PIL", "matplotlib", "pandas"},
        ),
        ("import emserve.cli; emserve.cli.parser()", {"httpx", "numpy", "pydantic", "matplotlib", "pandas"}),
        ("import emserve.testing", {"PIL", "matplotlib", "pandas"}),
    ],
)
def test_what_is_not_used_is_not_loaded(root: Path, statement: str, absent: set[str]) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"],
        cwd=root / "clients",
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "emserve" in loaded
    assert not absent & set(loaded)
