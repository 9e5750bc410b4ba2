"""Faults to plant into a copy of what an overlay renders, and the check that must find each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.k8s import meaning
from tests.k8s.manifests import Object, Objects
from tests.k8s.queries import untold
from tests.k8s.traffic import traffic


class Cluster:
    """Handles to the objects of a copy, for planting."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def get(self, kind: str, name: str) -> Object:
        found = self.objects.named(kind, name)
        assert found is not None, (kind, name)
        return found

    def pod(self, name: str) -> dict[str, Any]:
        return self.get("Deployment", name)["spec"]["template"]["spec"]

    def container(self, name: str) -> dict[str, Any]:
        return self.pod(name)["containers"][0]

    def drop(self, kind: str, name: str) -> None:
        self.objects.all.remove(self.get(kind, name))


class Fault(NamedTuple):
    """told: words of what the check then says. overlay: in whose rendering."""

    what: str
    plant: Callable[[Cluster], object]
    check: Callable[[Objects], Iterator[str]]
    told: str
    overlay: str = "cpu"


def replace_argument(name: str, value: str) -> Callable[[Cluster], object]:
    def plant(cluster: Cluster) -> None:
        arguments = cluster.container("triton")["args"]
        (place,) = (n for n, each in enumerate(arguments) if each.startswith(name))
        arguments[place] = f"{name}={value}"

    return plant


def add_twin(cluster: Cluster) -> None:
    twin = copy.deepcopy(cluster.get("HorizontalPodAutoscaler", "triton"))
    twin["metadata"]["name"] = "triton-too"
    cluster.objects.all.append(twin)


FAULTS = [
    Fault(
        "an API version that is gone",
        lambda c: c.get("PodDisruptionBudget", "front").update(apiVersion="policy/v1beta1"),
        meaning.api_versions,
        "policy/v1beta1",
    ),
    Fault("no namespace", lambda c: c.drop("Namespace", "emserve"), meaning.names, "not made"),
    Fault(
        "a Service that selects nothing",
        lambda c: c.get("Service", "front")["spec"]["selector"].update({"app.kubernetes.io/name": "frnt"}),
        meaning.selectors,
        "Service front",
    ),
    Fault(
        "a budget for nobody",
        lambda c: c.get("PodDisruptionBudget", "triton")["spec"]["selector"].update(matchLabels={"a": "b"}),
        meaning.selectors,
        "PodDisruptionBudget triton",
    ),
    Fault(
        "a Deployment that does not know its pods",
        lambda c: c.get("Deployment", "front")["spec"]["template"]["metadata"].update(labels={"a": "b"}),
        meaning.selectors,
        "its own pods",
    ),
    Fault(
        "a monitor of no Service",
        lambda c: c.get("ServiceMonitor", "triton")["spec"]["selector"].update(matchLabels={"a": "b"}),
        meaning.selectors,
        "ServiceMonitor triton",
        "monitoring",
    ),
    Fault(
        "a monitor of a port that is not there",
        lambda c: c.get("ServiceMonitor", "triton")["spec"]["endpoints"][0].update(port="metric"),
        meaning.selectors,
        "a port that its Service has not",
        "monitoring",
    ),
    Fault(
        "a Service to a port that nobody has",
        lambda c: c.get("Service", "front")["spec"]["ports"][0].update(targetPort="https"),
        meaning.service_ports,
        "https",
    ),
    Fault(
        "a headless Service that maps a port",
        lambda c: c.get("Service", "triton-grpc")["spec"]["ports"][0].update(port=80),
        meaning.service_ports,
        "headless",
    ),
    Fault(
        "a probe at a port that is not there",
        lambda c: c.container("front")["readinessProbe"]["httpGet"].update(port="web"),
        meaning.probes,
        "'web'",
    ),
    Fault("no probe at the start", lambda c: c.container("triton").pop("startupProbe"), meaning.probes, "startupProbe"),
    Fault(
        "a mount without a volume",
        lambda c: c.pod("triton")["volumes"].pop(0),
        meaning.mounts,
        "'models', which is no volume",
    ),
    Fault(
        "a volume without a mount",
        lambda c: c.pod("front")["volumes"].append({"name": "cache", "emptyDir": {"sizeLimit": "1Mi"}}),
        meaning.mounts,
        "'cache' is mounted nowhere",
    ),
    Fault("nowhere to write", lambda c: c.container("front").update(volumeMounts=[]), meaning.mounts, "no /tmp"),
    Fault(
        "a quantity that is none",
        lambda c: c.container("front")["resources"]["limits"].update(memory="4GB"),
        meaning.resources,
        "'4GB' is no quantity",
    ),
    Fault(
        "more requested than allowed",
        lambda c: c.container("triton")["resources"]["requests"].update(memory="8Gi"),
        meaning.resources,
        "requests more memory",
    ),
    Fault(
        "no limit",
        lambda c: c.container("triton")["resources"]["limits"].pop("memory"),
        meaning.resources,
        "no limit of memory",
    ),
    Fault(
        "a volume beyond the limit of storage",
        lambda c: c.pod("front")["volumes"][0]["emptyDir"].update(sizeLimit="40Gi"),
        meaning.resources,
        "evicted",
    ),
    Fault(
        "a volume that eats the memory",
        lambda c: c.pod("triton")["volumes"][2]["emptyDir"].update(sizeLimit="3Gi"),
        meaning.resources,
        "less than half",
    ),
    Fault(
        "a scaler of nothing",
        lambda c: c.get("ScaledObject", "triton")["spec"]["scaleTargetRef"].update(name="tritn"),
        meaning.targets,
        "does not exist",
        "keda",
    ),
    Fault(
        "a scaler against the manifest",
        lambda c: c.get("Deployment", "triton")["spec"].update(replicas=2),
        meaning.targets,
        "names a number",
        "monitoring",
    ),
    Fault("two scalers", add_twin, meaning.targets, "scaled twice", "monitoring"),
    Fault(
        "scaled to one",
        lambda c: c.get("HorizontalPodAutoscaler", "front")["spec"].update(minReplicas=1),
        meaning.targets,
        "below 2",
        "monitoring",
    ),
    Fault(
        "a budget that stops every drain",
        lambda c: c.get("PodDisruptionBudget", "front")["spec"].update(maxUnavailable=0),
        meaning.targets,
        "for ever",
    ),
    Fault(
        "an image by its tag",
        lambda c: c.pod("triton")["initContainers"][0].update(image="registry.example.org/emserve:latest"),
        meaning.images,
        "emserve:latest",
    ),
    Fault(
        "a volume by its tag",
        lambda c: c.pod("front")["volumes"][1]["image"].update(reference="registry.example.org/emserve-models:1"),
        meaning.images,
        "emserve-models:1",
        "image-volume",
    ),
    Fault("an account that is not there", lambda c: c.drop("ServiceAccount", "front"), meaning.references, "account"),
    Fault(
        "a token",
        lambda c: c.pod("triton").update(automountServiceAccountToken=True),
        meaning.references,
        "token",
    ),
    Fault(
        "settings of another name",
        lambda c: c.container("front")["envFrom"][0]["configMapRef"].update(name="settings"),
        meaning.references,
        "do not exist",
    ),
    Fault(
        "a key of another name",
        lambda c: c.container("front")["env"][0]["valueFrom"]["secretKeyRef"].update(key="keys"),
        meaning.references,
        "'keys'",
    ),
    Fault(
        "a variable that is not set",
        replace_argument("--exit-timeout-secs", "$(SECONDS)"),
        meaning.references,
        "$(SECONDS)",
    ),
    Fault(
        "killed before the answer",
        lambda c: c.pod("front").update(terminationGracePeriodSeconds=60),
        meaning.endings,
        "front: is killed",
    ),
    Fault(
        "stopped before its calls are over", replace_argument("--exit-timeout-secs", "20"), meaning.endings, "longest"
    ),
    Fault("no pause", lambda c: c.container("triton").pop("lifecycle"), meaning.endings, "preStop"),
    Fault("all traffic open", lambda c: c.drop("NetworkPolicy", "nothing"), traffic, "open by default"),
    Fault(
        "anybody may ask Triton",
        lambda c: c.get("NetworkPolicy", "triton")["spec"]["ingress"][0].pop("from"),
        traffic,
        "anybody → triton",
    ),
    Fault(
        "another namespace's front may ask Triton",
        lambda c: c.get("NetworkPolicy", "triton")["spec"]["ingress"][0]["from"][0].update(namespaceSelector={}),
        traffic,
        "without a reason",
    ),
    Fault(
        "Triton may ask the world",
        lambda c: c.get("NetworkPolicy", "triton")["spec"].update(egress=[{}]),
        traffic,
        "triton → anybody",
    ),
    Fault(
        "the front reaches the wrong port",
        lambda c: c.get("NetworkPolicy", "front")["spec"]["egress"][0]["ports"][0].update(port=8000),
        traffic,
        "8000",
    ),
    Fault(
        "no names",
        lambda c: c.get("NetworkPolicy", "front")["spec"]["egress"].pop(1),
        traffic,
        "53 → UDP is not allowed",
    ),
    Fault(
        "Prometheus shut out",
        lambda c: c.drop("NetworkPolicy", "triton-metrics"),
        traffic,
        "8002 → TCP is not allowed",
        "monitoring",
    ),
    Fault(
        "an alert without a remedy",
        lambda c: c.get("PrometheusRule", "alerts")["spec"]["groups"][0]["rules"][0]["annotations"].pop("description"),
        untold,
        "what to do",
        "monitoring",
    ),
]
