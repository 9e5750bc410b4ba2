"""Every overlay renders, is valid for every supported Kubernetes, secure, and means what it says.

A folder that you add under k8s/overlays/ is tested too.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bentos import settings as service_settings
from bentos.front import PROBES
from model_store.runtimes.triton import settings as triton_settings
from tests.k8s.manifests import ENVIRONMENT, OVERLAYS, ROOT, Object, Objects, flag, ports, quantity, render, renderer
from tests.k8s.meaning import CHECKS, SECRETS, settings_of
from tests.k8s.traffic import traffic

Report = dict[str, list[dict[str, Any]]]

NAMES = sorted(folder.name for folder in OVERLAYS.iterdir() if (folder / "kustomization.yaml").is_file())
# 1.30 is the first with preStop.sleep switched on; image volumes are in the API since 1.31 and switched on since 1.35.
VERSIONS = ("1.30", "1.33", "1.35", "1.37")
OF_OPERATORS = {"ServiceMonitor", "PrometheusRule", "ScaledObject"}

# Measured: a picture of 36 million pixels takes 18 bytes a pixel beside its file, one of 17 million 20.
BYTES_PER_PIXEL = 24
SERVER_BYTES = 512 * 2**20
# Measured in batches of four: a tile of 1024² takes 138 MiB in atoms_segresnet, one of 512² 123 MiB in
# dislocations_unetplusplus; one of 1024² alone takes 79 MiB in defects_maskrcnn.
TILE_PX, BYTES_PER_BATCHED_PIXEL = 1024, 160


def test_the_overlays_are_those_of_the_readme() -> None:
    assert {"cpu", "gpu", "monitoring", "keda", "image-volume"} <= set(NAMES)


@pytest.mark.parametrize("overlay", NAMES)
@pytest.mark.parametrize("check", [*CHECKS, traffic], ids=lambda check: check.__name__)
def test_objects_fit_each_other(
    rendered: Callable[[str], Objects], overlay: str, check: Callable[[Objects], Iterator[str]]
) -> None:
    assert list(check(rendered(overlay))) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_of_supported_versions(rendered: Callable[[str], Objects], version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    distinct = {json.dumps(entry): entry for overlay in NAMES for entry in rendered(overlay).all}
    checked = 0
    for text, entry in distinct.items():
        too_new = '"image": {' in text and version == "1.30"
        if entry["kind"] not in OF_OPERATORS and not too_new:
            validate(entry, version, strict=True)
            checked += 1
    assert checked > 20


@pytest.fixture(scope="session")
def checkov(rendered: Callable[[str], Objects], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What checkov passes, fails and skips, for all overlays in one run."""
    program = ENVIRONMENT / "bin" / "checkov"
    if not program.exists():
        pytest.skip("checkov is not here: `make test` puts it into .venv-k8s")
    folder = tmp_path_factory.mktemp("rendered")
    written: list[Object] = []  # most objects are the same in all overlays
    for overlay in NAMES:
        new = [entry for entry in rendered(overlay).all if entry not in written]
        (folder / f"{overlay}.yaml").write_text(yaml.safe_dump_all(new))
        written += new
    command = [str(program), "--skip-download", "--framework", "kubernetes", "--directory", str(folder), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode in {0, 1}, done.stderr
    report: Report = json.loads(done.stdout)["results"]
    return report


def test_checkov_finds_nothing(checkov: Report) -> None:
    failed = [(each["check_id"], each["check_name"], each["resource"]) for each in checkov["failed_checks"]]
    assert failed == []
    assert len(checkov["passed_checks"]) > 400


def test_what_checkov_skips_has_a_reason(checkov: Report) -> None:
    for each in checkov["skipped_checks"]:
        assert len(each["check_result"]["suppress_comment"]) > 30, each["check_id"]
    assert {each["check_id"] for each in checkov["skipped_checks"]} <= {"CKV_K8S_15", "CKV_K8S_35", "CKV_K8S_40"}


@pytest.mark.parametrize("overlay", NAMES)
def test_settings_are_ones_that_the_code_takes(
    rendered: Callable[[str], Objects], overlay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = rendered(overlay)
    front = objects.named("Deployment", "front")
    assert front is not None
    (container,) = front["spec"]["template"]["spec"]["containers"]
    given = settings_of(objects) | {entry["name"]: entry.get("value", "1") for entry in container["env"]}
    ours = {name for name in given if name.startswith("EMSERVE_")}
    known = {f"EMSERVE_{name.upper()}" for name in service_settings.Settings.model_fields}
    for source in (ROOT / "model_store").rglob("*.py"):
        known |= set(re.findall(r"EMSERVE_[A-Z_]*[A-Z]", source.read_text(encoding="utf-8")))
    known |= {triton_settings.PREFIX + name.upper() for name in triton_settings.Settings.__dataclass_fields__}
    assert ours <= known
    for name in list(os.environ):
        if name.startswith("EMSERVE_"):
            monkeypatch.delenv(name)
    for name in ours:
        monkeypatch.setenv(name, given[name])
    limits = service_settings.from_environment()
    assert limits.workers == int(given["EMSERVE_WORKERS"])
    assert limits.max_pixels == int(given["EMSERVE_MAX_PIXELS"])
    assert given["EMSERVE_RUNTIME"] == "triton"

    # The address is the Service without an address of its own, so that calls are spread over the pods.
    server = triton_settings.from_environment()
    name, port = server.place.split(":")
    service = objects.named("Service", name)
    assert service is not None
    assert service["spec"]["clusterIP"] == "None"
    assert int(port) == ports(objects.selected(service["spec"]["selector"])[0])[server.protocol]


@pytest.mark.parametrize("overlay", NAMES)
def test_the_limits_fit_into_the_pod(rendered: Callable[[str], Objects], overlay: str) -> None:
    objects = rendered(overlay)
    given = {name: float(value) for name, value in settings_of(objects).items() if value.replace(".", "").isdigit()}
    front = objects.named("Deployment", "front")
    assert front is not None
    pod = front["spec"]["template"]["spec"]
    limits = pod["containers"][0]["resources"]["limits"]
    workers, places = given["EMSERVE_WORKERS"], given["EMSERVE_WORKERS"] + given["EMSERVE_QUEUE"]
    bodies = places * given["EMSERVE_MAX_BODY_BYTES"]
    work = workers * given["EMSERVE_MAX_PIXELS"] * BYTES_PER_PIXEL
    assert bodies + work + SERVER_BYTES <= quantity(limits["memory"])
    (tmp,) = (volume for volume in pod["volumes"] if volume["name"] == "tmp")
    assert workers * given["EMSERVE_MAX_STACK_BYTES"] < quantity(tmp["emptyDir"]["sizeLimit"])
    # A picture of the most pixels, as 32-bit numbers and with a header, can be sent.
    assert 4 * given["EMSERVE_MAX_PIXELS"] + 2**16 <= given["EMSERVE_MAX_BODY_BYTES"]


def fewest_pods(objects: Objects, name: str) -> int:
    scalers = [entry["spec"] for entry in objects.of("HorizontalPodAutoscaler", "ScaledObject")]
    for spec in scalers:
        if spec["scaleTargetRef"]["name"] == name:
            return int(spec.get("minReplicas", spec.get("minReplicaCount")))
    deployment = objects.named("Deployment", name)
    assert deployment is not None
    return int(deployment["spec"]["replicas"])


@pytest.mark.parametrize("overlay", NAMES)
def test_what_the_fronts_send_fits_into_triton(rendered: Callable[[str], Objects], overlay: str) -> None:
    objects = rendered(overlay)
    triton = objects.named("Deployment", "triton")
    assert triton is not None
    (container,) = triton["spec"]["template"]["spec"]["containers"]
    own = flag(container, "--model-config-name")
    files = sorted((ROOT / "model_store/models").glob(f"*/configs/{own}.pbtxt" if own else "*/config.pbtxt"))
    assert files
    configs = [file.read_text() for file in files]
    places = [int(number) for text in configs for number in re.findall(r"max_queue_size: (\d+)", text)]
    batches = [int(number) for text in configs for number in re.findall(r"max_batch_size: (\d+)", text)]
    assert len(places) == len(configs)
    tiles = triton_settings.Settings.tiles * int(settings_of(objects)["EMSERVE_WORKERS"])
    assert fewest_pods(objects, "front") * tiles <= fewest_pods(objects, "triton") * min(places)
    waiting = sum(places) * 4 * TILE_PX**2
    running = sum(max(1, batch) * BYTES_PER_BATCHED_PIXEL * TILE_PX**2 for batch in batches)
    limit = quantity(container["resources"]["limits"]["memory"])
    # On a GPU the maps of a batch lie there.
    assert waiting + (0 if own else running) + 2 * SERVER_BYTES <= limit


@pytest.mark.parametrize("overlay", NAMES)
def test_probes_ask_at_addresses_that_exist(rendered: Callable[[str], Objects], overlay: str) -> None:
    addresses = {"front": PROBES, "triton": {"/v2/health/ready", "/v2/health/live"}}
    for name, pod in rendered(overlay).pods():
        for container in pod["spec"]["containers"]:
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[kind]["httpGet"]["path"] in addresses[name]


@pytest.mark.parametrize("overlay", NAMES)
def test_triton_gets_the_models_of_the_store(rendered: Callable[[str], Objects], overlay: str) -> None:
    triton = rendered(overlay).named("Deployment", "triton")
    front = rendered(overlay).named("Deployment", "front")
    assert triton is not None
    assert front is not None
    pods = [entry["spec"]["template"]["spec"] for entry in (triton, front)]
    repository = flag(pods[0]["containers"][0], "--model-repository")
    (mount,) = (each for each in pods[0]["containers"][0]["volumeMounts"] if each["mountPath"] == repository)
    (volume,) = (each for each in pods[0]["volumes"] if each["name"] == mount["name"])
    if "image" in volume:  # both mount the same image, and the front is told where
        (same,) = (each for each in pods[1]["volumes"] if each["name"] == volume["name"])
        assert same == volume
        variables = {each["name"]: each.get("value") for each in pods[1]["containers"][0]["env"]}
        (place,) = (each for each in pods[1]["containers"][0]["volumeMounts"] if each["name"] == volume["name"])
        assert variables["EMSERVE_STORE"] == place["mountPath"]
    else:  # copied out of the front's own image
        (copy,) = pods[0]["initContainers"]
        assert copy["image"] == pods[1]["containers"][0]["image"]
        *_, source, target = copy["command"]
        assert target.rstrip("/") == repository
        inside = Path(source).relative_to("/home/bentoml/bento/src")
        assert any((ROOT / inside).glob("*/manifest.yaml"))
        bento = yaml.safe_load((ROOT / "bentofile.yaml").read_text())
        assert f"{inside}/**" in bento["include"]


def test_the_image_of_models_is_the_store() -> None:
    lines = (ROOT / "k8s/components/image-volume/models.Containerfile").read_text().splitlines()
    (copy,) = (line.split() for line in lines if line.startswith("COPY"))
    assert any((ROOT / copy[1]).glob("*/manifest.yaml"))


def triton_help() -> str:
    """What the real server says of its arguments; skips where it is not installed."""
    found = list((ROOT / ".venv-triton").glob("lib/python3*/site-packages/pytriton/tritonserver/bin/tritonserver"))
    if not found:
        pytest.skip("tritonserver is not here: `make test` puts it into .venv-triton")
    libraries = found[0].parents[3] / "nvidia_pytriton.libs"
    python = ROOT / ".venv-triton" / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
    folder = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    environment = os.environ | {"LD_LIBRARY_PATH": f"{folder}:{libraries}"}
    done = subprocess.run([found[0], "--help"], capture_output=True, text=True, env=environment)
    return done.stdout + done.stderr


@pytest.mark.parametrize("overlay", NAMES)
def test_arguments_are_ones_that_tritonserver_has(rendered: Callable[[str], Objects], overlay: str) -> None:
    text = triton_help()
    triton = rendered(overlay).named("Deployment", "triton")
    assert triton is not None
    program, *arguments = triton["spec"]["template"]["spec"]["containers"][0]["args"]
    assert program == "tritonserver"
    known = set(re.findall(r"^\s*(--[a-z0-9-]+)", text, re.MULTILINE))
    assert len(known) > 50
    assert {argument.partition("=")[0] for argument in arguments} <= known


def test_the_readme_makes_the_secret() -> None:
    text = (ROOT / "k8s/README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    made: dict[str, set[str]] = {}
    for line in text.splitlines():
        if "create secret generic" in line:
            words = shlex.split(line)
            keys = {word.partition("=")[2].partition("=")[0] for word in words if word.startswith("--from-literal")}
            made[words[words.index("generic") + 1]] = keys
    assert made == SECRETS


def test_the_readmes_own_overlay_is_valid(rendered: Callable[[str], Objects], tmp_path: Path) -> None:
    """The overlay that the README tells to write renders and means something, with the digests that it names."""
    text = (ROOT / "k8s/README.md").read_text(encoding="utf-8")
    (block,) = (body for body in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "kind: Kustomization" in body)
    folder = tmp_path / "k8s" / "overlays" / "mine"
    (tmp_path / "k8s" / "overlays").mkdir(parents=True)
    for part in ("base", "components"):
        (tmp_path / "k8s" / part).symlink_to(ROOT / "k8s" / part)
    for overlay in NAMES:
        (tmp_path / "k8s" / "overlays" / overlay).symlink_to(OVERLAYS / overlay)
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(re.sub("<[^>]+>", "1" * 64, block))
    command = renderer()
    assert command is not None
    objects = Objects(render(folder, command))
    assert [problem for check in [*CHECKS, traffic] for problem in check(objects)] == []
    used = {c["image"] for _, pod in objects.pods() for c in pod["spec"]["containers"]}
    assert all(image.endswith("@sha256:" + "1" * 64) for image in used)
