"""The wheel that users install: light, complete, and working on its own."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import emserve
from emserve import MissingDependency
from emserve._extras import require


def say(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], capture_output=True, text=True, cwd=program.parent)


def test_the_command_is_installed(client_venv: Path) -> None:
    done = say(client_venv / "emserve", "--help")
    assert done.returncode == 0, done.stderr
    assert "atoms" in done.stdout
    assert say(client_venv / "emserve", "--version").stdout == f"emserve {emserve.__version__}\n"


def test_the_package_works_without_its_extras(client_venv: Path) -> None:
    code = """
import importlib.metadata, importlib.resources, importlib.util
import emserve
from emserve import Client, MissingDependency
from emserve.testing import FakeServer

for package in ("bentoml", "torch", "onnxruntime", "scipy", "skimage", "matplotlib", "PIL", "pandas"):
    assert importlib.util.find_spec(package) is None, package
assert importlib.util.find_spec("emserve").origin.count("site-packages") == 1
assert importlib.metadata.version("emserve") == emserve.__version__
assert (importlib.resources.files("emserve") / "py.typed").is_file()
with Client(transport=FakeServer().transport) as client:
    result = client.atoms(b"bytes")
assert result.positions_px.shape == (4, 2)
assert result.to_csv().count("\\n") == 5
try:
    result.to_overlay("overlay.png", b"not numpy's")
except MissingDependency as error:
    print(error.remedy)
"""
    done = say(client_venv / "python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Run: pip install matplotlib pillow"


def test_every_module_is_in_the_wheel(client_venv: Path, root: Path) -> None:
    sources = root / "clients" / "emserve"
    modules = sorted(str(path.relative_to(sources)) for path in sources.rglob("*.py"))
    installed = Path(say(client_venv / "python", "-c", "import emserve; print(emserve.__file__)").stdout).parent
    assert sorted(str(path.relative_to(installed)) for path in installed.rglob("*.py")) == modules


def test_remedies_name_what_the_extras_bring(root: Path) -> None:
    extras = tomllib.loads((root / "clients" / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, brings in extras.items():
        with pytest.raises(MissingDependency) as caught:
            require("no_such_package", extra=extra, purpose="A test")
        assert caught.value.remedy == f"Run: pip install {' '.join(re.split('[<>=]', line)[0] for line in brings)}"
