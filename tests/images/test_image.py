"""A real image, built and run here without a registry: as a server and as a tool, without rights, on real micrographs.

It takes minutes, root, and programs that few machines have, so it runs where EMSERVE_TEST_IMAGES=1 says so; where it
does not, the summary of pytest says why. The base image that the bentofile names is made by base.sh if it is not there.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from bentos import build

PROGRAMS = ("podman", "buildah", "runc", "debootstrap")
IMAGE = "localhost/emserve:test"
# Debian's crun fails inside a container, and limits above the host's are refused.
RUN = ["podman", "--runtime", "runc", "run", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
RUN += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp"]

pytestmark = pytest.mark.timeout(1800)


def do(*command: str | Path, codes: tuple[int, ...] = (0,), **settings: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env={**os.environ, **settings}
    )
    assert done.returncode in codes, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def image(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    if os.environ.get("EMSERVE_TEST_IMAGES") != "1":
        pytest.skip("images are built only where EMSERVE_TEST_IMAGES=1: it takes minutes")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"no image can be built here: {', '.join(missing) or 'root'} is missing")
    base = "docker.io/library/" + build.bentofiles(root)["emserve"].content["docker"]["base_image"]
    if do("podman", "image", "exists", base, codes=(0, 1)).returncode:
        do(root / "tests/images/base.sh", base, Path(sys.executable).with_name("uv"))
    command = [sys.executable, "-m", "bentos.containerise", "emserve", "--engine", "buildah", "--tag", IMAGE]
    for option in ("isolation=chroot", "network=host", "pull-never"):
        command += ["--opt", option]
    paths = f"{root}{os.pathsep}{root / 'clients'}"
    do(*command, BENTOML_HOME=str(tmp_path_factory.mktemp("bentoml")), PYTHONPATH=paths)
    return IMAGE


@pytest.fixture(scope="module")
def micrographs(root: Path) -> dict[str, Path]:
    """A micrograph for each family that has a model: a real one, or the sample of the model."""
    real = root.parent / "shared" / "data"
    found = {
        "atoms": next(real.glob("atom_columns/*.ser"), None),
        "defects": next(real.glob("fecral_three_class/*.[jpt]*g"), None),
        "dislocations": next(real.glob("dislocation_frames/*.[jpt]*g"), None),
    }
    models = {manifest.family: manifest for manifest in build.bentofiles(root)["emserve"].models(root)}
    samples = {
        name: root / build.MODELS / model.name / model.sample.micrographs[0]
        for name, model in models.items()
        if model.sample.micrographs
    }
    return {name: found[name] or samples[name] for name in models if found[name] or name in samples}


def test_has_its_models_named_in_labels_and_no_torch(image: str, root: Path) -> None:
    (about,) = json.loads(do("podman", "image", "inspect", image).stdout)
    assert about["Labels"].items() >= build.bentofiles(root)["emserve"].labels(root).items()
    listed = do(*RUN, "--rm", "--network", "none", image, "sh", "-c", "ls /app/.venv/lib/python3*/site-packages").stdout
    names = set(listed.split())
    assert {"onnxruntime", "openvino", "bentoml"} <= names
    assert not {"torch", "torchvision"} & names
    for program in ("gcc", "git", "make"):
        assert do(*RUN, "--rm", "--network", "none", image, "sh", "-c", f"command -v {program}", codes=(127, 1))


def test_runs_without_rights(image: str) -> None:
    told = do(
        *RUN, "--rm", "--network", "none", image, "sh", "-c", "id -u; grep CapEff /proc/self/status; touch /x || true"
    )
    assert told.stdout.split() == ["1034", "CapEff:", "0000000000000000"]
    assert "Read-only file system" in told.stderr


@pytest.fixture(scope="module")
def server(image: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = [*RUN, "--detach", "--network", "host", "--env", f"BENTOML_PORT={port}", "--env", "BENTOML_HOST=127.0.0.1"]
    identity = do(*run, image).stdout.strip()
    url = f"http://127.0.0.1:{port}"
    try:
        begin = time.monotonic()
        ready = False
        while not ready and time.monotonic() - begin < 300:
            state = do("podman", "inspect", "--format", "{{.State.Status}}", identity).stdout.strip()
            assert state in ("created", "running"), do("podman", "logs", identity).stderr
            time.sleep(0.5)
            with suppress(httpx.TransportError):
                ready = httpx.get(f"{url}/readyz", trust_env=False, timeout=30).status_code == 200
        assert ready, do("podman", "logs", identity).stderr
        yield url
        begin = time.monotonic()
        do("podman", "--runtime", "runc", "stop", "--time", "60", identity)
        assert time.monotonic() - begin < 60, "it did not end when it was told to"
    finally:
        do("podman", "--runtime", "runc", "rm", "--force", identity)


def test_serves_real_micrographs(server: str, micrographs: dict[str, Path]) -> None:
    assert micrographs
    for family, path in micrographs.items():
        with path.open("rb") as file:
            fields = {} if family == "atoms" else {"pixel_size_nm": "0.5"}
            answer = httpx.post(
                f"{server}/v1/{family}", files={"file": file}, data=fields, trust_env=False, timeout=300
            )
        assert answer.status_code == 200, answer.text
        assert answer.json()["statistics"]["count"] > 0, path


def test_is_a_tool_as_well(image: str, micrographs: dict[str, Path], root: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for family, path in micrographs.items():
        shutil.copyfile(path, tmp_path / path.name)
        out = f"/data/{family}"
        tool = [*RUN, "--rm", "--network", "none", "--user", "12345:12345", "--volume", f"{tmp_path}:/data"]
        tool += ["--env", "EMSERVE_IMAGE=emserve@sha256:0123", image, "analyse"]
        size = [] if family == "atoms" else ["--pixel-size-nm", "0.5"]
        do(*tool, family, f"/data/{path.name}", "--out", out, "--overlay", *size)
        with (tmp_path / family / f"{family}.csv").open(newline="") as stream:
            assert list(csv.DictReader(stream))
        made_by = json.loads((tmp_path / family / "provenance.json").read_text())["made_by"]
        assert made_by["image"]["reference"] == "emserve@sha256:0123"
        assert made_by["image"]["bento"] == f"emserve:{build.version(root)}"
        do(*tool, family, f"/data/{path.name}", "/data/absent.tif", "--out", out, *size, codes=(1,))
        do(*tool, family, f"/data/{path.name}", "--out", out, "--threshold", "7", codes=(2,))
