"""The pipelines run on a folder of micrographs: one table, one provenance, and started again they go on.

They run with a small store that needs no weights. A container engine is a script here that takes `run … IMAGE
analyse …` as podman does and runs the tool; the image itself is tested in tests/images.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def micrographs(tmp_path: Path) -> Path:
    folder = tmp_path / "micro graphs"  # a space, as people have them
    folder.mkdir()
    y, x = np.mgrid[:96, :96]
    for pitch in (12, 16, 20):
        lattice = 200 * np.exp(-(((x % pitch) - 6) ** 2 + ((y % pitch) - 6) ** 2) / 8)
        Image.fromarray(lattice.astype(np.uint8)).save(folder / f"lattice_{pitch}.png")
    return folder


@pytest.fixture
def environment(root: Path, blob_store: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EMSERVE_")}
    return inherited | {
        "EMSERVE_STORE": str(blob_store),
        "EMSERVE_RUNTIME": "fake",
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'clients'}",
        "ANALYSE": f"{sys.executable} -m bentos.analyse",
    }


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """Takes the place of podman: notes how it was called, and runs what stands behind the image."""
    file = tmp_path / "engine"
    file.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$@" >> '{tmp_path}/called.txt'
while [ "$1" != emserve@sha256:0123 ]; do
    if [ "$1" = --env ]; then export "$2"; fi
    shift
done
shift 2
exec '{sys.executable}' -m bentos.analyse "$@"
"""
    )
    file.chmod(0o755)
    return file


def run(command: list[str], environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=280)


def micrographs_of(table: Path) -> set[str]:
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert all(float(row["x_px"]) >= 0 for row in rows)
    return {row["micrograph"] for row in rows}


def provenance(folder: Path) -> dict:
    return json.loads((folder / "provenance.json").read_text())


def add(micrographs: Path) -> None:
    shutil.copyfile(micrographs / "lattice_16.png", micrographs / "lattice_again.png")


ALL = {"lattice_12.png", "lattice_16.png", "lattice_20.png"}


def test_shell(root: Path, micrographs: Path, environment: dict[str, str], tmp_path: Path) -> None:
    results = tmp_path / "results"
    command = [str(root / "pipelines/emserve.sh"), "atoms", str(micrographs), str(results), "--pixel-size-nm", "0.016"]
    done = run(command, environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert micrographs_of(results / "atoms.csv") == ALL
    assert provenance(results)["made_by"]["parameters"]["pixel_size_nm"] == 0.016
    add(micrographs)
    done = run(command, environment, tmp_path)
    assert "3 of 4 were there already" in done.stdout
    assert micrographs_of(results / "atoms.csv") == ALL | {"lattice_again.png"}
    (micrographs / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = run(command, environment, tmp_path)
    assert done.returncode == 1
    assert "broken.png" in done.stderr
    assert micrographs_of(results / "atoms.csv") == ALL | {"lattice_again.png"}


def test_shell_with_an_image(
    root: Path, micrographs: Path, environment: dict[str, str], engine: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    command = [str(root / "pipelines/emserve.sh"), "atoms", str(micrographs), str(results)]
    done = run(command, environment | {"IMAGE": "emserve@sha256:0123", "ENGINE": str(engine)}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert micrographs_of(results / "atoms.csv") == ALL
    assert provenance(results)["made_by"]["image"]["reference"] == "emserve@sha256:0123"
    called = (tmp_path / "called.txt").read_text().splitlines()
    assert {"--read-only", "--cap-drop", "--network", "none"} <= set(called)
    assert f"{micrographs}:{micrographs}:ro" in called
    assert "--userns=keep-id" not in called, "podman's own"


def test_podman_without_root_keeps_the_user(
    root: Path, micrographs: Path, environment: dict[str, str], engine: Path, tmp_path: Path
) -> None:
    """The tool would be somebody else on the host, who may not write into the results."""
    programs = tmp_path / "programs"
    programs.mkdir()
    shutil.copy(engine, programs / "podman")
    (programs / "id").write_text("#!/bin/sh\necho 1000\n")
    (programs / "id").chmod(0o755)
    settings = {"IMAGE": "emserve@sha256:0123", "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = [str(root / "pipelines/emserve.sh"), "atoms", str(micrographs), str(tmp_path / "results")]
    done = run(command, environment | settings, tmp_path)
    assert done.returncode == 0, done.stderr
    called = (tmp_path / "called.txt").read_text().splitlines()
    assert {"--userns=keep-id", "1000:1000"} <= set(called)


@pytest.mark.parametrize(
    "arguments", [[], ["atoms"], ["atoms", "no such folder", "results"], ["atoms", ".", "results"]]
)
def test_shell_tells_how_it_is_used(
    root: Path, environment: dict[str, str], tmp_path: Path, arguments: list[str]
) -> None:
    done = run([str(root / "pipelines/emserve.sh"), *arguments], environment, tmp_path)
    assert done.returncode == 2
    assert "emserve.sh" in done.stderr


def test_shell_is_plain(root: Path) -> None:
    subprocess.run(["sh", "-n", str(root / "pipelines/emserve.sh")], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", str(root / "pipelines/emserve.sh")], check=True)


@pytest.fixture(scope="module")
def snakemake(root: Path) -> str:
    """The command; it has an environment of its own, as it brings much along."""
    found = shutil.which("snakemake") or root / ".venv-snakemake" / "bin" / "snakemake"
    if not Path(found).is_file():
        pytest.skip("snakemake is not installed: `make .venv-snakemake/.ready` puts it into an environment of its own")
    return str(found)


def jobs(told: str, rule: str) -> int:
    return sum(line.strip() == f"rule {rule}:" or line.strip() == f"localrule {rule}:" for line in told.splitlines())


def test_snakemake(root: Path, micrographs: Path, environment: dict[str, str], snakemake: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    config = ["family=atoms", f"micrographs={micrographs}", f"results={results}", "options=--pixel-size-nm 0.016"]
    command = [snakemake, "-s", str(root / "pipelines/Snakefile"), "--cores", "1", "--config", *config]
    command.append(f"analyse={environment['ANALYSE']}")
    done = run(command, environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert jobs(done.stderr + done.stdout, "micrograph") == 3
    assert micrographs_of(results / "atoms.csv") == ALL
    record = provenance(results)
    assert {entry["micrograph"] for entry in record["inputs"]} == ALL
    assert record["made_by"]["parameters"]["pixel_size_nm"] == 0.016
    add(micrographs)
    done = run(command, environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert jobs(done.stderr + done.stdout, "micrograph") == 1, "what was done is not done again"
    assert micrographs_of(results / "atoms.csv") == ALL | {"lattice_again.png"}


def test_snakemake_with_an_image(
    root: Path, micrographs: Path, environment: dict[str, str], snakemake: str, engine: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    config = ["family=atoms", f"micrographs={micrographs}", f"results={results}"]
    config += ["image=emserve@sha256:0123", f"engine={engine}"]
    done = run(
        [snakemake, "-s", str(root / "pipelines/Snakefile"), "--cores", "1", "--config", *config], environment, tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert micrographs_of(results / "atoms.csv") == ALL
    assert provenance(results)["made_by"]["image"]["reference"] == "emserve@sha256:0123"
