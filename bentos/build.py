"""`make bentos`: a Bento of every bentofile, of the project's version, with labels that name its models.

    python -m bentos.build [NAME…]       names as the bentofiles have them: emserve, emserve_atoms, …; without, all

What is in BentoML's store under the same name and version is replaced.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before bentoml is imported: it would report its use

from emserve.exceptions import StoreError
from model_store.manifest import Manifest
from model_store.store import Store

ROOT = Path(__file__).parents[1]
MODELS = "model_store/models/"


@dataclass(frozen=True)
class Bentofile:
    """One bentofile of the repository: its path and its content."""

    path: Path
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the Bento, and of the image that is made of it."""
        name: str = self.content["name"]
        return name

    def models(self, root: Path = ROOT) -> list[Manifest]:
        """The models that it takes along; raises StoreError where there is none."""
        patterns = [p.removeprefix(MODELS).split("/")[0] for p in self.content["include"] if p.startswith(MODELS)]
        patterns = ["*" if pattern == "**" else pattern for pattern in patterns]
        folders = {path.name for pattern in patterns for path in (root / MODELS).glob(pattern)}
        found = [manifest for manifest in Store(root / MODELS).manifests() if manifest.name in folders]
        if not found:
            raise StoreError(
                f"{self.path.name} would make a Bento without a model.", remedy="Export a model of its family first."
            )
        return found

    def labels(self, root: Path = ROOT) -> dict[str, str]:
        """What labels say: the project's version, and each model's version and checksum of its ONNX file."""
        named = {"org.opencontainers.image.title": self.name, "org.opencontainers.image.version": version(root)}
        for model in self.models(root):
            named[f"org.emserve.model.{model.name}"] = f"{model.version}@sha256:{model.files['onnx'].sha256}"
        return named


def version(root: Path = ROOT) -> str:
    """The project's."""
    number: str = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return number


def bentofiles(root: Path = ROOT) -> dict[str, Bentofile]:
    """All bentofiles by the names of their Bentos."""
    found = (Bentofile(path, yaml.safe_load(path.read_text("utf-8"))) for path in sorted(root.glob("bentofile*.yaml")))
    return {bentofile.name: bentofile for bentofile in found}


def build(bentofile: Bentofile, root: Path = ROOT) -> str:
    """Builds one; returns its tag, `name:version`."""
    import bentoml
    from _bentoml_sdk.images import CONTAINER_METADATA

    # BentoML would put compilers and git into every image. Nothing that is locked is compiled, as wheels of all exist.
    update = "apt-get update" if bentofile.content["docker"].get("system_packages") else "true"
    CONTAINER_METADATA["debian"]["default_install_command"] = update
    tag = f"{bentofile.name}:{version(root)}"
    labels = bentofile.labels(root)
    if tag in {str(bento.tag) for bento in bentoml.bentos.list()}:
        bentoml.bentos.delete(tag)
    bentoml.bentos.build_bentofile(str(bentofile.path), version=version(root), labels=labels, build_ctx=str(root))
    return tag


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds; returns 0, 1 where one could not be built, 2 for a name that there is not."""
    known = bentofiles()
    parser = argparse.ArgumentParser(prog="python -m bentos.build", description="Build Bentos.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"{', '.join(known)}; without, all")
    names = parser.parse_args(arguments).names or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"there is no {unknown[0]!r}; the bentofiles have {', '.join(known)}")
    failed = 0
    for name in names:
        try:
            print(build(known[name]), flush=True)
        except StoreError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
