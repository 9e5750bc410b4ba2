"""Optional packages: loaded when needed, with the exact pip command where they are not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from emserve.exceptions import MissingDependency

# What each extra of clients/pyproject.toml brings, by the names that pip knows.
_PACKAGES = {"plot": "matplotlib pillow", "pandas": "pandas"}


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import an optional module, or raise MissingDependency that names the packages of the extra that it belongs to."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise
        raise MissingDependency(
            f"{purpose} needs {package}, which is not installed.", remedy=f"Run: pip install {_PACKAGES[extra]}"
        ) from error
