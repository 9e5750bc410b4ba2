"""Thin client of emserve: electron micrographs in, calibrated answers out.

    import emserve

    with emserve.Client() as client:
        result = client.atoms("micrograph.dm4")
    print(result.statistics.count, result.positions_nm)

The names below are loaded when they are first used, so that `import emserve` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emserve.async_client import AsyncClient
    from emserve.client import Client
    from emserve.exceptions import (
        AccessError,
        BadRequest,
        Busy,
        ChecksumMismatch,
        DeadlineExceeded,
        EmptyBody,
        EmserveError,
        Forbidden,
        InputError,
        InternalError,
        InvalidParameter,
        MissingDependency,
        NotFound,
        ServiceError,
        StoreError,
        TooLarge,
        Unauthorized,
        Unavailable,
        UnexpectedAnswer,
        UnknownModel,
        UnreadableMicrograph,
        UnsupportedFormat,
    )
    from emserve.results import (
        AtomColumn,
        AtomsResult,
        Defect,
        DefectsResult,
        DislocationLine,
        DislocationsFrame,
        DislocationsResult,
        DislocationsTracks,
        DislocationTrack,
        ModelSummary,
    )
    from emserve.retries import Retries

__version__ = "0.3.0"

__all__ = [
    "AccessError",
    "AsyncClient",
    "AtomColumn",
    "AtomsResult",
    "BadRequest",
    "Busy",
    "ChecksumMismatch",
    "Client",
    "DeadlineExceeded",
    "Defect",
    "DefectsResult",
    "DislocationLine",
    "DislocationTrack",
    "DislocationsFrame",
    "DislocationsResult",
    "DislocationsTracks",
    "EmptyBody",
    "EmserveError",
    "Forbidden",
    "InputError",
    "InternalError",
    "InvalidParameter",
    "MissingDependency",
    "ModelSummary",
    "NotFound",
    "Retries",
    "ServiceError",
    "StoreError",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UnknownModel",
    "UnreadableMicrograph",
    "UnsupportedFormat",
    "__version__",
]

_HOMES = {
    "AsyncClient": "async_client",
    "Client": "client",
    "AtomColumn": "results",
    "AtomsResult": "results",
    "Defect": "results",
    "DefectsResult": "results",
    "DislocationLine": "results",
    "DislocationTrack": "results",
    "DislocationsFrame": "results",
    "DislocationsResult": "results",
    "DislocationsTracks": "results",
    "ModelSummary": "results",
    "Retries": "retries",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'emserve' has no attribute {name!r}")
    value = getattr(import_module(f"emserve.{_HOMES.get(name, 'exceptions')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
