"""What a table was made with: image, model, parameters, and each input by its checksum. `provenance.json`."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

import emserve
from emserve.exceptions import UnreadableMicrograph
from emserve.results import Notice
from emserve.results.stack import ErrorDetail

FILE_NAME = "provenance.json"
# What has a part in the numbers.
PACKAGES = ("numpy", "scipy", "scikit-image", "onnxruntime", "onnxruntime-gpu", "openvino", "rosettasciio", "av")


class Part(BaseModel):
    """Base of all blocks: strict about its keys."""

    model_config = ConfigDict(extra="forbid")


class Image(Part):
    """The container image. `reference`: EMSERVE_IMAGE, as whoever ran it called it, best with its digest."""

    reference: str | None
    bento: str | None
    built: str | None


class Maker(Part):
    """What makes the numbers; tables that were made by two different ones do not belong together."""

    emserve: str
    image: Image | None
    family: str
    model: dict[str, Any]
    parameters: dict[str, Any]


class Input(Part):
    """One micrograph or video that was analysed, and what became of it; files relative to the folder."""

    micrograph: str
    sha256: str
    format: str
    width_px: int
    height_px: int
    frames: int
    pixel_size_x_nm: float | None
    pixel_size_y_nm: float | None
    pixel_size_source: str
    parameters: dict[str, Any]
    findings: int
    files: dict[str, str]
    warnings: list[Notice]
    error: ErrorDetail | None = None


class Failure(Part):
    """One file that could not be analysed."""

    micrograph: str
    error: ErrorDetail


class Table(Part):
    """One table: its number of rows and its checksum."""

    rows: int
    sha256: str


class Provenance(Part):
    """The whole file. `finished` is None where the run was broken off."""

    provenance: Literal[1] = 1
    made_by: Maker
    packages: dict[str, str]
    started: str
    finished: str | None = None
    inputs: list[Input] = []
    failures: list[Failure] = []
    tables: dict[str, Table] = {}


def image() -> Image | None:
    """The image that this runs in; None where it is none and EMSERVE_IMAGE is not set."""
    reference = os.environ.get("EMSERVE_IMAGE") or None
    file = Path(__file__).parents[3] / "bento.yaml"
    if not file.is_file():
        return None if reference is None else Image(reference=reference, bento=None, built=None)
    bento = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Image(reference=reference, bento=f"{bento['name']}:{bento['version']}", built=str(bento["creation_time"]))


def maker(family: str, model: dict[str, Any], parameters: dict[str, Any]) -> Maker:
    """This program with these parameters."""
    return Maker(emserve=emserve.__version__, image=image(), family=family, model=model, parameters=parameters)


def packages() -> dict[str, str]:
    """Versions of the packages that have a part in the numbers, as installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            continue
    return found


def load(folder: Path) -> Provenance | None:
    """The provenance of a folder, None where it has none; raises UnreadableMicrograph for one that is damaged."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        return Provenance.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UnreadableMicrograph(
            f"{path} is not what this program wrote: {'.'.join(map(str, first['loc']))}: {first['msg']}.",
            remedy="Choose another folder.",
        ) from error


def difference(one: Maker, other: Maker) -> str | None:
    """The first thing in which two differ, `name: this, that`; None where they are equal."""
    first, second = _flat(one.model_dump()), _flat(other.model_dump())
    for name in {**first, **second}:
        if first.get(name) != second.get(name):
            return f"{name}: {first.get(name)}, {second.get(name)}"
    return None


def _flat(values: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat
