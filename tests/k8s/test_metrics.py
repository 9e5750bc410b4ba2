"""What alerts, dashboards and scalers ask for is what our servers export: the real service and the real Triton."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from bentos import metrics
from tests.k8s.manifests import OVERLAYS, ROOT, Objects
from tests.k8s.queries import Exported, dashboards, exported, queries, recorded, unanswered, untold
from tests.triton.triton_server import TritonServer, environment

WATCHED = sorted(
    folder.name
    for folder in OVERLAYS.iterdir()
    if "components/monitoring" in (folder / "kustomization.yaml").read_text(encoding="utf-8")
)

TWICE = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        ask = lambda request: pb_utils.get_input_tensor_by_name(request, "x").as_numpy()
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", 2 * ask(request))]) for request in requests]
"""
CONFIGURATION = """
name: "twice" backend: "python" max_batch_size: 4
input [{name: "x" data_type: TYPE_FP32 dims: [1]}]
output [{name: "y" data_type: TYPE_FP32 dims: [1]}]
instance_group [{kind: KIND_CPU}]
"""


@pytest.fixture(scope="session")
def front_metrics() -> Exported:
    labels = {
        entry._name: set(entry._labelnames) for entry in vars(metrics).values() if isinstance(entry, MetricWrapperBase)
    }
    return exported(bytes(metrics.exposition().body).decode(), labels)


@pytest.fixture(scope="session")
def triton_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """What a real Triton shows when it has a model."""
    packages = environment(ROOT)
    if packages is None:
        pytest.skip("tritonserver is not here: `make test` puts it into .venv-triton")
    store = tmp_path_factory.mktemp("store")
    (store / "twice" / "1").mkdir(parents=True)
    (store / "twice" / "1" / "model.py").write_text(TWICE)
    (store / "twice" / "config.pbtxt").write_text(CONFIGURATION)
    server = TritonServer(packages, store, tmp_path_factory.mktemp("triton"))
    server.start()
    try:
        yield exported(server.exposition())
    finally:
        server.stop()


def test_some_overlays_are_watched() -> None:
    assert {"monitoring", "keda"} <= set(WATCHED)


@pytest.mark.parametrize("overlay", WATCHED)
def test_every_query_is_answered(
    rendered: Callable[[str], Objects], overlay: str, front_metrics: Exported, triton_metrics: Exported
) -> None:
    objects = rendered(overlay)
    assert list(unanswered(objects, front_metrics | triton_metrics)) == []
    assert len(list(queries(objects))) > 30


@pytest.mark.parametrize("overlay", WATCHED)
def test_alerts_say_what_to_do(rendered: Callable[[str], Objects], overlay: str) -> None:
    assert list(untold(rendered(overlay))) == []


def test_panels_do_not_lie_over_each_other(rendered: Callable[[str], Objects]) -> None:
    (board,) = dashboards(rendered("monitoring"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells


def test_the_adapter_passes_on_what_the_scalers_read(rendered: Callable[[str], Objects]) -> None:
    objects = rendered("monitoring")
    (rule,) = yaml.safe_load((ROOT / "k8s/components/hpa/adapter.yaml").read_text())["rules"]
    (pattern,) = re.findall(r'__name__=~"([^"]+)"', rule["seriesQuery"])
    read = {name for where, name in queries(objects) if where.startswith("HorizontalPodAutoscaler")}
    assert len(read) == 3
    for name in read:
        assert re.fullmatch(pattern, name)
        assert {"namespace", "pod"} <= recorded(objects)[name].labels


def test_both_scalers_ask_for_the_same(rendered: Callable[[str], Objects]) -> None:
    """The HPA and KEDA scale by the same numbers."""

    def limits(overlay: str) -> dict[str, tuple[float, int, int]]:
        found = {}
        for entry in rendered(overlay).of("HorizontalPodAutoscaler", "ScaledObject"):
            spec = entry["spec"]
            ends = (
                spec.get("minReplicas", spec.get("minReplicaCount")),
                spec.get("maxReplicas", spec.get("maxReplicaCount")),
            )
            for metric in spec.get("metrics", []):
                text = metric["pods"]["target"]["averageValue"]
                found[metric["pods"]["metric"]["name"]] = (float(text.removesuffix("m")) / 1000, *ends)
            for trigger in spec.get("triggers", []):
                (name,) = re.findall(r"emserve:\w+", trigger["metadata"]["query"])
                found[name] = (float(trigger["metadata"]["threshold"]), *ends)
        return found

    assert limits("monitoring") == limits("keda")


def test_scaling_does_not_look_at_processors(rendered: Callable[[str], Objects]) -> None:
    for overlay in ("monitoring", "keda"):
        text = str(rendered(overlay).of("HorizontalPodAutoscaler", "ScaledObject"))
        assert "emserve:triton_wait_ratio" in text
        assert "'Resource'" not in text
        assert "cpu" not in text.lower()


def test_questions_that_nothing_answers_are_found_out() -> None:
    rules = [
        {"record": "right", "expr": "rate(a_total[1m])"},
        {"record": "rate_of_a_gauge", "expr": "rate(b[1m])"},
        {"record": "unknown_metric", "expr": "sum(z)"},
        {"record": "unknown_label", "expr": 'b{colour="red"} + right'},
        {"record": "plain_counter", "expr": "a_total"},
    ]
    rule = {"kind": "PrometheusRule", "metadata": {"name": "r"}, "spec": {"groups": [{"rules": rules}]}}
    servers = exported("# TYPE a_total counter\na_total 1\n# TYPE b gauge\nb 2\n")
    told = list(unanswered(Objects([rule]), servers))
    assert [line.partition(":")[0] for line in told] == [entry["record"] for entry in rules[1:]]
