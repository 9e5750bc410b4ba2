"""The manifests rehearsed on one machine: their commands, arguments, settings, probes and keys, by real servers.

The init container's command copies the models; a real Triton starts on the copy with the arguments of its container, a
real service with the settings of its own. What a cluster does around them (images, Services, policies) is not here.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from emserve import Client
from tests.conftest import Server, StartServer
from tests.k8s.manifests import ROOT, Object, Objects, quantity
from tests.k8s.meaning import settings_of
from tests.triton.triton_server import TritonServer, environment

KEYS = {"EMSERVE_API_KEYS": "of-a-user,of-prometheus", "metrics": "of-prometheus"}
SAMPLE = ROOT / "model_store/models/atoms_segresnet/sample/micrograph.tif"
INSIDE = "/home/bentoml/bento/src"


class Rehearsal(NamedTuple):
    """The servers, and the containers that they play."""

    triton: TritonServer
    triton_container: Object
    front: Server
    front_container: Object


@pytest.fixture(scope="module")
def rehearsal(
    rendered: Callable[[str], Objects], start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    packages = environment(ROOT)
    if packages is None:
        pytest.skip(
            "no Triton server here: `make .venv-triton/.ready` installs one (Linux on x86-64, a Python with libpython)"
        )
    pytest.importorskip("tritonclient")
    objects = rendered("cpu")
    pods = {name: pod["spec"] for name, pod in objects.pods()}
    (triton_container,), (front_container,) = pods["triton"]["containers"], pods["front"]["containers"]

    (models,) = pods["triton"]["initContainers"]
    store = tmp_path_factory.mktemp("models")
    *command, source, target = models["command"]
    assert target == "/models/"
    subprocess.run([*command, source.replace(INSIDE, str(ROOT)), f"{store}/"], check=True)

    processors = str(int(quantity(triton_container["resources"]["limits"]["cpu"])))
    _, *arguments = triton_container["args"]
    assert "--model-repository=/models" in arguments
    arguments.remove("--model-repository=/models")
    arguments = [each.replace("$(PROCESSORS)", processors) for each in arguments]
    triton = TritonServer(packages, store, tmp_path_factory.mktemp("triton"), *arguments)
    triton.start()
    with contextlib.ExitStack() as stack:
        stack.callback(triton.stop)
        given = settings_of(objects)
        variables = {entry["name"]: entry["value"] for entry in front_container["env"] if "value" in entry}
        # What the cluster would say: the address, the processors, the keys.
        given |= {name: value for name, value in variables.items() if name.startswith("EMSERVE_")}
        given |= {"EMSERVE_TRITON_URL": f"grpc://127.0.0.1:{triton.grpc}", "EMSERVE_THREADS": "2"}
        given |= {"EMSERVE_API_KEYS": KEYS["EMSERVE_API_KEYS"]}
        front = stack.enter_context(start_server(**given))
        yield Rehearsal(triton, triton_container, front, front_container)


def status(address: str, **headers: str) -> int:
    return httpx.get(address, headers=headers, trust_env=False).status_code


def test_every_probe_says_yes(rehearsal: Rehearsal) -> None:
    for container, place in (
        (rehearsal.triton_container, f"http://127.0.0.1:{rehearsal.triton.http}"),
        (rehearsal.front_container, rehearsal.front.url),
    ):
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert status(place + container[kind]["httpGet"]["path"]) == 200, kind


def test_a_micrograph_is_analysed_by_triton(rehearsal: Rehearsal) -> None:
    with Client(rehearsal.front.url, "of-a-user") as client:
        result = client.atoms(SAMPLE)
    assert result.model.runtime == "triton"
    assert result.statistics.count > 100
    assert rehearsal.triton.counts(result.model.name)[0] >= 1


def test_prometheus_reads_both_with_its_key(rehearsal: Rehearsal) -> None:
    metrics = f"{rehearsal.front.url}/metrics"
    assert status(metrics) == 401
    assert status(metrics, Authorization=f"Bearer {KEYS['metrics']}") == 200
    text = rehearsal.triton.exposition()
    assert 'nv_inference_queue_duration_us{model="atoms_segresnet"' in text
    assert "nv_gpu_" not in text


def test_triton_ends_well_and_comes_back(rehearsal: Rehearsal) -> None:
    """Told to end, as a node that is drained tells it, Triton ends by itself; the front goes on when it is back."""
    rehearsal.triton.stop()
    assert rehearsal.triton.wait_for_end() == 0
    with Client(rehearsal.front.url, "of-a-user", timeout=60) as client:
        rehearsal.triton.start()
        assert client.atoms(SAMPLE).model.runtime == "triton"


def test_the_copied_models_are_those_of_the_store(rehearsal: Rehearsal) -> None:
    copied = Path(rehearsal.triton.store)
    ours = ROOT / "model_store" / "models"
    files = {path.relative_to(ours) for path in ours.rglob("*") if path.is_file()}
    assert {path.relative_to(copied) for path in copied.rglob("*") if path.is_file()} == files
    for file in files:
        assert (copied / file).read_bytes() == (ours / file).read_bytes()
