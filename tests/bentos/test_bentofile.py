"""`bentofile.yaml` names what is there, takes along what the service needs, and installs what `pyproject.toml` says."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

import yaml


def requirement_name(line: str) -> str:
    return re.split(r"[<>=;\[ ]", line, maxsplit=1)[0].lower()


def test_names_the_service(root: Path) -> None:
    content = yaml.safe_load((root / "bentofile.yaml").read_text())
    module, name = content["service"].split(":")
    assert (module, name) == ("bentos.service", "EmserveService")
    assert re.search(rf"^{name} = ", (root / "bentos" / "service.py").read_text(), flags=re.MULTILINE)


def test_takes_along_what_the_service_imports(root: Path) -> None:
    patterns = yaml.safe_load((root / "bentofile.yaml").read_text())["include"]
    for folder in ("analysis", "bentos", "clients/emserve", "model_store"):
        for file in (root / folder).rglob("*"):
            path = file.relative_to(root).as_posix()
            assert file.is_dir() or any(fnmatch.fnmatch(path, pattern) for pattern in patterns), path


def test_installs_what_the_project_says(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    client = tomllib.loads((root / "clients" / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["serve"], *extras["openvino"], *extras["formats"], *extras["video"]]
    wanted = [line.replace("'", '"') for line in wanted if requirement_name(line) != "emserve"]
    lines = (root / "bentos" / "requirements.txt").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    known = {requirement_name(line) for line in wanted}
    wanted += [line for line in client["dependencies"] if requirement_name(line) not in known]
    assert sorted(listed) == sorted(wanted)
    assert not known & {"torch", "torchvision"}
