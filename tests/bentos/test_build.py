"""A Bento as it is really built, and which engine makes an image of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bentos import build, containerise
from emserve.exceptions import MissingDependency


@pytest.fixture(scope="module")
def bento(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the Bento of the atoms."""
    home = tmp_path_factory.mktemp("bentoml")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EMSERVE_")}
    environment |= {"BENTOML_HOME": str(home), "PYTHONPATH": f"{root}{os.pathsep}{root / 'clients'}"}
    command = [sys.executable, "-m", "bentos.build", "emserve_atoms"]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"emserve_atoms:{build.version(root)}"
    return home / "bentos" / "emserve_atoms" / build.version(root)


def test_holds_the_models_of_its_family_only(bento: Path, root: Path) -> None:
    models = {path.name for path in (bento / "src" / "model_store" / "models").iterdir()}
    assert models == {model.name for model in build.bentofiles(root)["emserve_atoms"].models(root)}
    assert all(name.startswith("atoms_") for name in models)
    assert not list(bento.rglob("*.pt"))


def test_holds_nothing_else_of_the_repository(bento: Path) -> None:
    files = {path.relative_to(bento / "src").as_posix() for path in (bento / "src").rglob("*") if path.is_file()}
    tops = {file.split("/")[0] for file in files}
    assert tops <= {"analysis", "bentos", "clients", "model_store", "README.md", "LICENSE", "bentofile.yaml"}
    assert {"README.md", "LICENSE", "bentos/service.py", "bentos/analyse/__main__.py"} <= files


def test_says_which_models_it_holds(bento: Path, root: Path) -> None:
    about = yaml.safe_load((bento / "bento.yaml").read_text())
    assert about["labels"].items() >= build.bentofiles(root)["emserve_atoms"].labels(root).items()
    assert {"name": "EMSERVE_FAMILIES", "value": "atoms"}.items() <= about["envs"][-1].items()


def test_its_image_installs_the_lock_and_no_compiler(bento: Path) -> None:
    recipe = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert "FROM python:3.11-slim-bookworm" in recipe
    assert "build-essential" not in recipe
    assert "USER bentoml" in recipe
    listed = (bento / "env" / "python" / "requirements.txt").read_text()
    assert listed.count("--hash=sha256:") > 1000
    assert "torch" not in {line.split("==")[0] for line in listed.splitlines()}


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        build.main(["emserve_grains"])
    assert end.value.code == 2
    assert "emserve_atoms" in capsys.readouterr().err


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, code: int, said: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {code}\n")
    (folder / name).chmod(0o755)


def test_the_first_engine_that_works_is_taken(programs: Path) -> None:
    program(programs, "docker", 1, "Cannot connect to the Docker daemon")
    program(programs, "buildah", 0)
    assert containerise.engine() == "buildah"
    program(programs, "podman", 0)
    assert containerise.engine() == "podman"
    program(programs, "docker", 0)
    assert containerise.engine() == "docker"
    assert containerise.engine("buildah") == "buildah"


def test_an_engine_that_hangs_is_passed_over(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containerise, "ANSWER_S", 0.5)
    (programs / "docker").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (programs / "docker").chmod(0o755)
    with pytest.raises(MissingDependency, match=r"docker: no answer"):
        containerise.engine()


def test_without_an_engine_each_says_why(programs: Path) -> None:
    program(programs, "docker", 1, "Cannot connect to the Docker daemon")
    with pytest.raises(MissingDependency, match=r"docker: Cannot connect.*podman: not installed.*buildah") as told:
        containerise.engine()
    assert "Install podman" in str(told.value)
