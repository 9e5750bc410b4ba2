"""Optional packages: loaded when needed, with the exact pip command where they are not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from emserve.exceptions import MissingDependency


def require(module: str, *, extra: str, purpose: str) -> Any:
    """Import an optional module, or raise MissingDependency that names the extra of emserve that brings it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        if (error.name or "").split(".")[0] != package:
            raise
        raise MissingDependency(
            f"{purpose} needs {package}, which is not installed.", remedy=f'Run: pip install "emserve[{extra}]"'
        ) from error
