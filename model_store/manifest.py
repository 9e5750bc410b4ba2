"""The manifest of a model: the one place that says what a folder of the store holds; the export writes it.

`load` reads `<folder>/manifest.yaml` strictly: an unknown key, a value of the wrong type or a missing one is an error
that names the key and the remedy. `write` writes it back in the order of the fields below, so that a manifest that is
read and written again does not change.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from emserve.exceptions import StoreError
from emserve.results import ModelSummary

FILE_NAME = "manifest.yaml"

Family = Literal["atoms", "defects", "dislocations"]
Precision = Literal["fp32", "bf16"]
WeightFormat = Literal["onnx", "torchscript"]


class Block(BaseModel):
    """Base of every block of a manifest: strict, immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Source(Block):
    """Where something of the model comes from: `what` is paper, code, data or weights."""

    what: Literal["paper", "code", "data", "weights"]
    citation: str


class WeightFile(Block):
    """One file of weights: its path inside the model's folder, its checksum and its size."""

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)

    @field_validator("path")
    @classmethod
    def _inside_the_folder(cls, value: str) -> str:
        return _relative_path(value)


class Tensor(Block):
    """One input or output of the network; -1 in the shape is a size that may vary."""

    name: str
    dtype: Literal["float32", "uint8", "int64"]
    shape: list[int]


class Tensors(Block):
    """What goes into the network and what comes out, in the network's own order."""

    inputs: list[Tensor] = Field(min_length=1)
    outputs: list[Tensor] = Field(min_length=1)


class PrecisionRule(Block):
    """How far each output may be from the expected one when the network is run in this precision.

    `tolerance` maps the name of each output to the largest absolute difference. `evidence` says where it was shown
    that the scores are equal within that tolerance; a precision other than fp32 may not be listed without.
    """

    tolerance: dict[str, float]
    evidence: str | None = None


class Sample(Block):
    """Small files that show and check the model, as paths inside its folder.

    input: `.npz`, one array per input of the network, named as it is. expected: `.npz`, one array per output, as
    computed in fp32. micrographs: pictures that a user could send, for the demonstration.
    """

    input: str
    expected: str
    micrographs: list[str] = []

    @field_validator("input", "expected")
    @classmethod
    def _inside_the_folder(cls, value: str) -> str:
        return _relative_path(value)

    @field_validator("micrographs")
    @classmethod
    def _all_inside_the_folder(cls, value: list[str]) -> list[str]:
        return [_relative_path(path) for path in value]


class Training(Block):
    """How the weights were made. Keys beyond these are kept: it is a record."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    command: str
    seed: int
    minutes: float
    device: str
    data: str


class Manifest(Block):
    """Everything that the project knows about one model."""

    manifest: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    family: Family
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    title: str
    architecture: str
    parameters: int = Field(gt=0)
    licence: str
    authors: list[str] = Field(min_length=1)
    sources: list[Source] = []
    default: bool = False
    files: dict[WeightFormat, WeightFile]
    tensors: Tensors
    input: dict[str, Any] = Field(description="read by the family's preprocess; the store does not look into it")
    precisions: dict[Precision, PrecisionRule]
    training: Training | None = None
    scores: dict[str, Any] = {}
    valid_range: dict[str, Any] = {}
    sample: Sample

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if "onnx" not in self.files:
            raise ValueError("files has no `onnx`; every model ships as ONNX")
        if "fp32" not in self.precisions:
            raise ValueError("precisions has no `fp32`; every model can be run in fp32")
        outputs = {tensor.name for tensor in self.tensors.outputs}
        for precision, rule in self.precisions.items():
            if set(rule.tolerance) != outputs:
                raise ValueError(
                    f"precisions.{precision}.tolerance names {sorted(rule.tolerance)}, not {sorted(outputs)}"
                )
            if precision != "fp32" and not rule.evidence:
                raise ValueError(f"precisions.{precision} has no `evidence` that the scores are equal")
        return self

    @property
    def takes_batches(self) -> bool:
        """Whether the network takes several pictures of one size in one call."""
        return all(tensor.shape[:1] == [-1] for tensor in self.tensors.inputs)

    def summary(self) -> ModelSummary:
        """The row of this model in `GET /v1/models`."""
        best = self.input.get("best_pixel_size_nm")
        return ModelSummary(
            name=self.name,
            family=self.family,
            version=self.version,
            title=self.title,
            default=self.default,
            licence=self.licence,
            sha256=self.files["onnx"].sha256,
            architecture=self.architecture,
            parameters=self.parameters,
            best_pixel_size_nm=float(best) if isinstance(best, int | float) else None,
            scores=self.scores,
        )


def load(folder: Path) -> Manifest:
    """The manifest of a model's folder; raises StoreError that says which key is wrong and what to do."""
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"The manifest {path} cannot be read: {error.strerror}.",
            remedy="Each folder of the store needs a manifest.yaml; export the model again or remove the folder.",
        ) from error
    manifest = parse(text, name=folder.name)
    if manifest.name != folder.name:
        raise StoreError(
            f"The manifest in folder '{folder.name}' has the name '{manifest.name}'.",
            remedy="Give the folder the name of the model: the two must be equal.",
            field="name",
        )
    return manifest


def parse(text: str, *, name: str = "?") -> Manifest:
    """The manifest in a YAML text; `name` is only used in the message of the StoreError."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise StoreError(
            f"The manifest of '{name}' is not YAML: {' '.join(str(error).split())}",
            remedy="Fix the YAML at that line.",
        ) from error
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise _explained(error, name) from error


def dump(manifest: Manifest) -> str:
    """The manifest as YAML, keys in the order of the class; optional blocks that are not there are left out."""
    content = manifest.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def write(manifest: Manifest, folder: Path) -> Path:
    """Writes `<folder>/manifest.yaml`, checks that it reads back as the same, and returns its path."""
    path = folder / FILE_NAME
    path.write_text(dump(manifest), encoding="utf-8")
    if load(folder) != manifest:
        raise StoreError(
            f"The manifest of '{manifest.name}' does not read back as it was written.",
            remedy="Use only plain numbers, texts, lists and maps in input, scores, training and valid_range.",
        )
    return path


def weight_file(folder: Path, path: str) -> WeightFile:
    """The entry of `files` for a file of a model's folder: its relative path, checksum and size."""
    file = folder / path
    return WeightFile(path=path, sha256=sha256(file), bytes=file.stat().st_size)


def sha256(file: Path) -> str:
    """The checksum of a file's bytes, as 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _relative_path(value: str) -> str:
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or "\\" in value or not path.parts:
        raise ValueError("must be a path inside the model's folder, with / between its parts")
    return value


def _explained(error: ValidationError, name: str) -> StoreError:
    # A misspelt key shows up twice, as unknown and as missing: the first says more.
    first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        known = _keys_at(first["loc"][:-1])
        close = difflib.get_close_matches(key, known, n=1)
        message = f"has the unknown key `{place}`"
        remedy = f"Did you mean `{close[0]}`?" if close else f"Remove it; the keys known there are {', '.join(known)}."
    elif first["type"] == "missing":
        message = f"has no `{place}`"
        remedy = "Add it, as in the manifests of the other models."
    else:
        reason = first["msg"].removeprefix("Value error, ")
        message = f"is wrong at `{place}`: {reason}" if place else f"is wrong: {reason}"
        remedy = "Correct the value."
        if isinstance(first["input"], str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", first["input"]):
            remedy = "YAML takes a number with an exponent for text unless it has a point and a sign, as in 1.0e-4."
    return StoreError(f"The manifest of '{name}' {message}.", remedy=remedy, field=place or None)


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """The keys that the manifest's schema knows at a place."""
    schema = Manifest.model_json_schema()
    node: dict[str, Any] = schema
    for part in place:
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(part) or node.get("additionalProperties", {})
        for option in node.get("anyOf", []):
            if "$ref" in option:
                node = option
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return sorted(node.get("properties", {}))
