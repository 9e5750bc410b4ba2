"""The installed client, in an environment without bentoml, torch or onnxruntime, against a real service."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pytest

from model_store.store import Store


@pytest.fixture(scope="module")
def sample() -> Path:
    store = Store()
    manifest = store.manifest(store.default("atoms"))
    return store.folder(manifest.name) / manifest.sample.micrographs[0]


def test_the_environment_is_thin(client_venv: Path) -> None:
    code = (
        "import importlib.util as u; print([n for n in ('bentoml', 'torch', 'onnxruntime', 'scipy') if u.find_spec(n)])"
    )
    done = subprocess.run([client_venv / "python", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_command_line_from_file_to_table(client_venv: Path, live_server: str, sample: Path, tmp_path: Path) -> None:
    bad = tmp_path / "notes.dm3"
    bad.write_text("not a micrograph")
    done = subprocess.run(
        [client_venv / "emserve", "atoms", sample, bad, "--url", live_server, "--csv", "all.csv", "--json", "out/"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1  # one of the two failed, the other is written
    assert "notes.dm3" in done.stderr
    assert "Traceback" not in done.stderr
    answer = json.loads((tmp_path / "out" / f"{sample.stem}.json").read_text())
    with (tmp_path / "all.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == answer["statistics"]["count"] > 100
    assert {"micrograph", "x_px", "y_px", "x_nm", "y_nm", "fit_quality"} <= rows[0].keys()


def test_models_of_the_service(client_venv: Path, live_server: str) -> None:
    done = subprocess.run(
        [client_venv / "emserve", "models", "--json", "--url", live_server], capture_output=True, text=True, check=True
    )
    names = {manifest.name for manifest in Store().manifests()}
    assert {row["name"] for row in json.loads(done.stdout)["models"]} == names
