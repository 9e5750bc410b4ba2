"""The objects that an overlay renders to, and small questions about them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = ROOT / "k8s" / "overlays"
ENVIRONMENT = ROOT / ".venv-k8s"  # where `make test` puts checkov

Object = dict[str, Any]


def renderer() -> list[str] | None:
    """The command that renders a folder: kubectl's own kustomize, or kustomize by itself."""
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    return ["kustomize", "build"] if shutil.which("kustomize") else None


def render(folder: Path, command: list[str]) -> list[Object]:
    """The objects of a kustomization."""
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [entry for entry in yaml.safe_load_all(done.stdout) if entry]


@dataclass(frozen=True)
class Objects:
    """All objects of one rendering."""

    all: list[Object]

    def of(self, *kinds: str) -> list[Object]:
        """Those of some kinds."""
        return [entry for entry in self.all if entry["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object | None:
        """The one of that kind and name."""
        return next((entry for entry in self.of(kind) if entry["metadata"]["name"] == name), None)

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Name and pod template of every Deployment."""
        for entry in self.of("Deployment"):
            yield entry["metadata"]["name"], entry["spec"]["template"]

    def selected(self, labels: Mapping[str, str]) -> list[Object]:
        """The Deployments whose pods have these labels."""
        return [
            entry
            for entry in self.of("Deployment")
            if labels.items() <= entry["spec"]["template"]["metadata"]["labels"].items()
        ]


def containers(template: Object) -> list[Object]:
    """All containers of a pod, those that run first included."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def ports(deployment: Object) -> dict[str, int]:
    """The declared ports of a Deployment's pods."""
    return {
        port["name"]: port["containerPort"]
        for container in deployment["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", [])
    }


def flag(container: Object, name: str) -> str | None:
    """The value of `--name=value` among a container's arguments."""
    values = [arg.partition("=")[2] for arg in container.get("args", []) if arg.partition("=")[0] == name]
    return values[-1] if values else None


_UNITS = {"": 0, "n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def quantity(text: str | int | float) -> Decimal:
    """The number behind `500m` or `4Gi`; raises ValueError."""
    word = str(text)
    number = word.rstrip("numkMGTPEi")
    unit = word[len(number) :]
    try:
        if unit in _BINARY:
            return Decimal(number) * 1024 ** _BINARY[unit]
        return Decimal(number) * Decimal(10) ** _UNITS[unit]
    except (KeyError, ArithmeticError) as error:
        raise ValueError(f"'{word}' is no quantity") from error
