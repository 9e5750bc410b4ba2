"""The bentofiles take along what the service needs and nothing else; the locks are of what `pyproject.toml` says."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import get_args

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bentos import build
from model_store.manifest import Family
from model_store.store import Store

FAMILIES = get_args(Family)
GPU = "emserve_gpu"
NAMES = ["emserve", *(f"emserve_{family}" for family in FAMILIES), GPU]


@pytest.fixture(scope="module")
def contents(root: Path) -> dict[str, dict]:
    return {name: bentofile.content for name, bentofile in build.bentofiles(root).items()}


def requirements(path: Path) -> list[Requirement]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def locked(path: Path) -> dict[str, Version]:
    """The packages of a lock with their versions; every one has checksums."""
    entries = re.findall(r"^(\S+?)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", path.read_text(), re.M)
    pinned = re.findall(r"^[a-z0-9].*$", path.read_text(), re.M | re.I)
    assert len(entries) == len(pinned), "a line of the lock is no version with checksums"
    return {canonicalize_name(name.split("[")[0]): Version(version) for name, version, _ in entries}


def locks(root: Path) -> list[tuple[Path, Path]]:
    folder = root / "bentos"
    return [(folder / f"{name}.in", folder / f"{name}.txt") for name in ("requirements", "requirements-gpu")]


def test_there_is_one_for_all_one_for_each_family_and_one_for_gpus(contents: dict[str, dict]) -> None:
    assert sorted(contents) == sorted(NAMES)
    for content in contents.values():
        assert content["service"] == "bentos.service:EmserveService"


@pytest.mark.parametrize("family", FAMILIES)
def test_that_of_a_family_differs_only_in_family_and_models(contents: dict[str, dict], family: str) -> None:
    everything, own = dict(contents["emserve"]), dict(contents[f"emserve_{family}"])
    assert own.pop("envs") == [*everything.pop("envs"), {"name": "EMSERVE_FAMILIES", "value": family}]
    included = everything.pop("include")
    wanted = [p.replace("models/**", f"models/{family}_*/**") for p in included]
    assert own.pop("include") == wanted != included
    assert (own.pop("name"), everything.pop("name")) == (f"emserve_{family}", "emserve")
    assert own == everything


def test_models_of_a_family_are_named_after_it(root: Path) -> None:
    for manifest in Store(root / "model_store" / "models").manifests():
        assert manifest.name.startswith(f"{manifest.family}_"), "the bentofile of the family would leave it out"


@pytest.mark.parametrize("name", NAMES)
def test_takes_along_what_the_service_imports(contents: dict[str, dict], root: Path, name: str) -> None:
    included, excluded = contents[name]["include"], contents[name]["exclude"]

    def taken(path: str) -> bool:
        wanted = any(fnmatch.fnmatch(path, pattern) for pattern in included)
        return wanted and not any(fnmatch.fnmatch(path, pattern.removeprefix("/")) for pattern in excluded)

    for folder in ("analysis", "bentos", "clients/emserve", "model_store/runtimes"):
        for file in (root / folder).rglob("*.py"):
            path = file.relative_to(root).as_posix()
            assert taken(path) or path == "bentos/demo.py", path
    families = FAMILIES if name in ("emserve", GPU) else (name.removeprefix("emserve_"),)
    for manifest in Store(root / "model_store" / "models").manifests():
        folder = f"model_store/models/{manifest.name}"
        assert taken(f"{folder}/{manifest.files['onnx'].path}") == (manifest.family in families)
        assert taken(f"{folder}/manifest.yaml") == (manifest.family in families)
        assert not taken(f"{folder}/1/model.pt"), "no torch is there to run it"


def test_labels_name_version_and_checksum_of_every_model(root: Path) -> None:
    labels = build.bentofiles(root)["emserve"].labels(root)
    assert labels["org.opencontainers.image.version"] == build.version(root)
    models = Store(root / "model_store" / "models").manifests()
    for model in models:
        assert labels[f"org.emserve.model.{model.name}"] == f"{model.version}@sha256:{model.files['onnx'].sha256}"
    assert len([name for name in labels if name.startswith("org.emserve.model.")]) == len(models)


def test_asks_for_what_the_project_says(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    client = tomllib.loads((root / "clients" / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    chosen = ["serve", "openvino", "formats", "video", "triton"]
    wanted = [Requirement(line) for line in [*project["dependencies"], *(x for name in chosen for x in extras[name])]]
    wanted = [requirement for requirement in wanted if requirement.name != "emserve"]
    known = {requirement.name for requirement in wanted}
    wanted += [r for r in map(Requirement, client["dependencies"]) if r.name not in known]
    listed = {str(requirement) for requirement in requirements(root / "bentos" / "requirements.in")}
    assert listed == {str(requirement) for requirement in wanted} | {"contourpy>=1.2"}  # of the client's extra plot


def test_the_gpu_image_has_another_onnxruntime_and_no_openvino(root: Path) -> None:
    (of_cpu, _), (of_gpu, _) = locks(root)
    cpu, gpu = ({str(requirement) for requirement in requirements(path)} for path in (of_cpu, of_gpu))
    assert {line.split(">")[0] for line in cpu - gpu} == {"onnxruntime", "openvino"}
    assert {line.split(">")[0] for line in gpu - cpu} == {"onnxruntime-gpu[cuda,cudnn]"}


@pytest.mark.parametrize("index", [0, 1])
def test_the_lock_is_of_the_list(root: Path, index: int) -> None:
    listed, lock = locks(root)[index]
    versions = locked(lock)
    for requirement in requirements(listed):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), "run make locks"
    blocks = re.split(r"^(?=[a-zA-Z0-9])", lock.read_text(), flags=re.M)
    direct = {re.split(r"[\[=]", block)[0] for block in blocks if f"-r bentos/{listed.name}" in block}
    assert {canonicalize_name(name) for name in direct} == {canonicalize_name(r.name) for r in requirements(listed)}


@pytest.mark.parametrize("index", [0, 1])
def test_the_lock_is_complete(root: Path, contents: dict[str, dict], index: int) -> None:
    """Whatever a locked package needs is locked too, in a version that suits it, as far as it is installed here."""
    versions = locked(locks(root)[index][1])
    python = contents[("emserve", GPU)[index]]["docker"]["python_version"]
    environment = {"extra": "", "python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    checked = 0
    for name, version in versions.items():
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            continue
        if Version(installed.version) != version:
            continue
        for requirement in map(Requirement, installed.requires or []):
            if requirement.marker is None or requirement.marker.evaluate(environment):
                assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)], prereleases=True)
                checked += 1
    assert checked > 100


@pytest.mark.parametrize("index", [0, 1])
def test_no_training_in_an_image(root: Path, index: int) -> None:
    versions = locked(locks(root)[index][1])
    assert not {"torch", "torchvision", "timm", "onnx", "matplotlib", "pytest"} & set(versions)
    assert not {"onnxruntime", "onnxruntime-gpu"} <= set(versions), "the two must not be installed together"
    assert ("openvino" in versions) == (index == 0)


def test_a_family_without_a_model_is_not_built(tmp_path: Path, root: Path) -> None:
    (tmp_path / build.MODELS).mkdir(parents=True)
    from emserve.exceptions import StoreError

    with pytest.raises(StoreError, match="without a model"):
        build.bentofiles(root)["emserve"].models(tmp_path)
