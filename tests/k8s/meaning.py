"""What schemas do not see: whether the objects of a rendering fit each other. Each check returns what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from tests.k8s.manifests import Object, Objects, containers, flag, ports, quantity

# What the API servers from 1.30 on still serve, and the operators that README.md names.
API_VERSIONS = {
    "v1": {"Namespace", "ServiceAccount", "ConfigMap", "Service"},
    "apps/v1": {"Deployment"},
    "policy/v1": {"PodDisruptionBudget"},
    "autoscaling/v2": {"HorizontalPodAutoscaler"},
    "networking.k8s.io/v1": {"NetworkPolicy"},
    "monitoring.coreos.com/v1": {"ServiceMonitor", "PrometheusRule"},
    "keda.sh/v1alpha1": {"ScaledObject"},
}
# What README.md tells to create by hand: no key is in a file.
SECRETS = {"api-keys": {"EMSERVE_API_KEYS", "metrics"}}

_DIGEST = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}")
_REFERENCE = re.compile(r"\$\((\w+)\)")


def api_versions(objects: Objects) -> Iterator[str]:
    """Only kinds and versions that are known to be served."""
    for entry in objects.all:
        if entry["kind"] not in API_VERSIONS.get(entry["apiVersion"], set()):
            yield f"{entry['apiVersion']} {entry['kind']} is not served any more, or not known"


def names(objects: Objects) -> Iterator[str]:
    """No two objects of one kind and name; all in one namespace that exists."""
    seen: set[tuple[str, str]] = set()
    for entry in objects.all:
        key = entry["kind"], entry["metadata"]["name"]
        if key in seen:
            yield f"{key} is there twice"
        seen.add(key)
        space = entry["metadata"].get("namespace")
        if entry["kind"] != "Namespace" and not objects.named("Namespace", space or ""):
            yield f"{key} is in the namespace '{space}', which is not made"


def selectors(objects: Objects) -> Iterator[str]:
    """Whatever selects pods or Services selects some, and a Deployment its own."""
    for entry in objects.of("Deployment"):
        name, spec = entry["metadata"]["name"], entry["spec"]
        labels = spec["template"]["metadata"]["labels"]
        if not spec["selector"]["matchLabels"].items() <= labels.items():
            yield f"Deployment {name} does not select its own pods"
        for spread in spec["template"]["spec"].get("topologySpreadConstraints", []):
            if not spread["labelSelector"]["matchLabels"].items() <= labels.items():
                yield f"Deployment {name} spreads pods that are not its own"
    for entry in objects.of("Service"):
        if len(objects.selected(entry["spec"]["selector"])) != 1:
            yield f"Service {entry['metadata']['name']} does not select the pods of one Deployment"
    for entry in objects.of("PodDisruptionBudget"):
        if len(objects.selected(entry["spec"]["selector"]["matchLabels"])) != 1:
            yield f"PodDisruptionBudget {entry['metadata']['name']} does not protect one Deployment"
    for entry in objects.of("ServiceMonitor"):
        chosen = entry["spec"]["selector"]["matchLabels"]
        services = [found for found in objects.of("Service") if chosen.items() <= found["metadata"]["labels"].items()]
        if len(services) != 1:
            yield f"ServiceMonitor {entry['metadata']['name']} does not select one Service"
            continue
        for endpoint in entry["spec"]["endpoints"]:
            if endpoint["port"] not in {port["name"] for port in services[0]["spec"]["ports"]}:
                yield f"ServiceMonitor {entry['metadata']['name']} reads a port that its Service has not"


def service_ports(objects: Objects) -> Iterator[str]:
    """A Service leads to a port that its pods declare."""
    for entry in objects.of("Service"):
        for deployment in objects.selected(entry["spec"]["selector"]):
            declared = ports(deployment)
            for port in entry["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in declared and target not in declared.values():
                    yield f"Service {entry['metadata']['name']} leads to the port {target}, which no container declares"
                # A Service without an address of its own passes no port on: clients reach the pod's.
                headless = entry["spec"].get("clusterIP") == "None"
                if headless and port["port"] != declared.get(target, target):
                    yield f"Service {entry['metadata']['name']} is headless: {port['port']} is not the pods' port"


def probes(objects: Objects) -> Iterator[str]:
    """Start, readiness and life of every container are probed, at declared ports."""
    for name, template in objects.pods():
        for container in template["spec"]["containers"]:
            declared = {port["name"] for port in container.get("ports", [])}
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(kind, {})
                if not probe.get("httpGet"):
                    yield f"{name}: no {kind}"
                elif probe["httpGet"]["port"] not in declared:
                    yield f"{name}: the {kind} asks at '{probe['httpGet']['port']}', which is no port of the container"


def mounts(objects: Objects) -> Iterator[str]:
    """Every mount has a volume, every volume a mount, and what is read-only leaves a place to write."""
    for name, template in objects.pods():
        volumes = {volume["name"] for volume in template["spec"].get("volumes", [])}
        mounted: set[str] = set()
        for container in containers(template):
            places = container.get("volumeMounts", [])
            mounted |= {place["name"] for place in places}
            if len({place["mountPath"] for place in places}) != len(places):
                yield f"{name}: two mounts at one place in {container['name']}"
        yield from (f"{name}: a mount of '{each}', which is no volume" for each in sorted(mounted - volumes))
        yield from (f"{name}: the volume '{each}' is mounted nowhere" for each in sorted(volumes - mounted))
        for container in template["spec"]["containers"]:
            places = {place["mountPath"] for place in container.get("volumeMounts", []) if not place.get("readOnly")}
            if "/tmp" not in places:
                yield f"{name}: {container['name']} has no /tmp to write to"


def resources(objects: Objects) -> Iterator[str]:
    """Requests and limits are quantities, no request passes its limit, and the volumes fit in."""
    for name, template in objects.pods():
        for container in containers(template):
            where = f"{name}: {container['name']}"
            try:
                given = {
                    kind: {key: quantity(text) for key, text in container.get("resources", {}).get(kind, {}).items()}
                    for kind in ("requests", "limits")
                }
            except ValueError as error:
                yield f"{where}: {error}"
                continue
            for key in ("cpu", "memory", "ephemeral-storage"):
                if not all(key in given[kind] for kind in given):
                    yield f"{where}: no request or no limit of {key}"
            for key, least in given["requests"].items():
                if key in given["limits"] and least > given["limits"][key]:
                    yield f"{where}: requests more {key} than its limit"
        yield from _volumes_fit(name, template)


def _volumes_fit(name: str, template: Object) -> Iterator[str]:
    disk = memory = Decimal(0)
    for volume in template["spec"].get("volumes", []):
        if "emptyDir" not in volume:
            continue
        size = volume["emptyDir"].get("sizeLimit")
        if size is None:
            yield f"{name}: the volume '{volume['name']}' has no limit"
        elif volume["emptyDir"].get("medium") == "Memory":
            memory += quantity(size)
        else:
            disk += quantity(size)
    limits = [container.get("resources", {}).get("limits", {}) for container in template["spec"]["containers"]]
    try:
        room = {key: sum(quantity(each.get(key, 0)) for each in limits) for key in ("memory", "ephemeral-storage")}
    except ValueError:
        return  # said above
    if disk > room["ephemeral-storage"]:
        yield f"{name}: its volumes may grow beyond its limit of ephemeral-storage, and the pod would be evicted"
    if memory > room["memory"] / 2:
        yield f"{name}: its volumes in memory leave less than half of its memory"


def targets(objects: Objects) -> Iterator[str]:
    """What is scaled exists, by one scaler, which owns the number; a budget lets a drain go on."""
    scaled: list[str] = []
    for entry in objects.of("HorizontalPodAutoscaler", "ScaledObject"):
        name, spec = entry["metadata"]["name"], entry["spec"]
        target = spec["scaleTargetRef"]
        found = objects.named(target.get("kind", "Deployment"), target["name"])
        if found is None:
            yield f"{entry['kind']} {name} scales {target['name']}, which does not exist"
        elif "replicas" in found["spec"]:
            yield f"{target['name']} is scaled and names a number of replicas too"
        least = spec.get("minReplicas", spec.get("minReplicaCount", 0))
        if not 2 <= least <= spec.get("maxReplicas", spec.get("maxReplicaCount", 0)):
            yield f"{entry['kind']} {name}: the least number of pods is below 2 or above the most"
        scaled.append(target["name"])
    yield from (f"{name} is scaled twice" for name in sorted(set(scaled)) if scaled.count(name) > 1)
    for entry in objects.of("Deployment"):
        if entry["metadata"]["name"] not in scaled and entry["spec"].get("replicas", 1) < 2:
            yield f"{entry['metadata']['name']} has less than two pods"
    for entry in objects.of("PodDisruptionBudget"):
        if not entry["spec"].get("maxUnavailable"):
            yield f"PodDisruptionBudget {entry['metadata']['name']} can stop a drain for ever"


def images(objects: Objects) -> Iterator[str]:
    """Every image is named by its digest, those of volumes too."""
    for name, template in objects.pods():
        references = [container["image"] for container in containers(template)]
        references += [v["image"]["reference"] for v in template["spec"].get("volumes", []) if "image" in v]
        yield from (f"{name}: {each} is not named by a digest" for each in references if not _DIGEST.fullmatch(each))


def references(objects: Objects) -> Iterator[str]:
    """Accounts, settings, keys and variables that are referred to exist; no pod gets a token."""
    for name, template in objects.pods():
        spec = template["spec"]
        account = objects.named("ServiceAccount", spec.get("serviceAccountName", ""))
        if account is None:
            yield f"{name} runs as an account that does not exist"
        elif spec.get("automountServiceAccountToken") is not False or account["automountServiceAccountToken"]:
            yield f"{name} gets a token of its account"
        for container in containers(template):
            variables = [entry["name"] for entry in container.get("env", [])]
            yield from (f"{name}: {each} is set twice" for each in sorted(set(variables)) if variables.count(each) > 1)
            words = [*container.get("command", []), *container.get("args", [])]
            for variable in _REFERENCE.findall(" ".join(words)):
                if variable not in variables:
                    yield f"{name}: an argument uses $({variable}), which is not set"
            for source in container.get("envFrom", []):
                if objects.named("ConfigMap", source["configMapRef"]["name"]) is None:
                    yield f"{name}: the settings '{source['configMapRef']['name']}' do not exist"
            for entry in container.get("env", []):
                if key := entry.get("valueFrom", {}).get("secretKeyRef"):
                    yield from _secret(name, key)
    for entry in objects.of("ServiceMonitor"):
        for endpoint in entry["spec"]["endpoints"]:
            if "authorization" in endpoint:
                yield from _secret(entry["metadata"]["name"], endpoint["authorization"]["credentials"])


def _secret(name: str, key: dict[str, Any]) -> Iterator[str]:
    if key["key"] not in SECRETS.get(key["name"], set()):
        yield f"{name}: the key '{key['key']}' of the Secret '{key['name']}' is not one that README.md makes"


def endings(objects: Objects) -> Iterator[str]:
    """A pod that ends is given the time that its server may need for what it has accepted."""
    settings = settings_of(objects)
    for name, template in objects.pods():
        (container,) = template["spec"]["containers"]
        wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if wait < 5:
            yield f"{name}: no preStop of 5 s; requests still come when the server stops"
        own = flag(container, "--exit-timeout-secs") if name == "triton" else settings.get("EMSERVE_TIMEOUT_S")
        if own is None or wait + float(own) > template["spec"].get("terminationGracePeriodSeconds", 30):
            yield f"{name}: is killed before it has answered what it accepted"
        if name == "triton" and float(own or 0) < float(settings.get("EMSERVE_TRITON_TIMEOUT_S", 60)):
            yield "triton: stops before the longest call of a front is over"


def settings_of(objects: Objects) -> dict[str, str]:
    """The front's settings."""
    return {
        name: value
        for entry in objects.of("ConfigMap")
        for name, value in entry["data"].items()
        if name.startswith("EMSERVE_")
    }


CHECKS: list[Callable[[Objects], Iterator[str]]] = [
    api_versions,
    names,
    selectors,
    service_ports,
    probes,
    mounts,
    resources,
    targets,
    images,
    references,
    endings,
]
