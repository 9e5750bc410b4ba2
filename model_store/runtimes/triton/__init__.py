"""NVIDIA Triton: the networks run in a server elsewhere, or beside this process, on the same folder of models.

Chosen by `EMSERVE_RUNTIME=triton`, never by itself; `EMSERVE_TRITON_URL` says where the server is (see `.settings`).
What it serves is what the manifest names: the version is asked for by number, and the checksum that `python -m export
triton` wrote into the configuration must be that of the manifest. No weights are needed on this side.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from model_store import manifest
from model_store.manifest import Precision, Tensors, WeightFormat
from model_store.runtimes.triton.session import Session
from model_store.runtimes.triton.settings import from_environment

FORMAT: WeightFormat | None = None
INSTALL = "pip install 'tritonclient[http,grpc]'"


def available() -> bool:
    return find_spec("tritonclient") is not None


def supports(precision: Precision) -> bool:
    return precision == "fp32"


def rank(precision: Precision) -> int:
    return 0


def open_session(file: Path, tensors: Tensors, precision: Precision, threads: int) -> Session:
    """Finds `<model>/<version>/<file>` on the server; the number of threads is the server's own affair.

    Raises Unavailable while the server or the model is not ready, StoreError and ChecksumMismatch if it serves
    something else under that name.
    """
    session = Session(manifest.load(file.parents[1]), version=file.parent.name, settings=from_environment())
    session.verify()
    return session
