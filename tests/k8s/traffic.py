"""Who may talk to whom, as the NetworkPolicies of a rendering add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.k8s.manifests import Object, Objects, ports

DNS = "kube-system/kube-dns"
CLIENTS = "namespaces with emserve/clients=true"
PROMETHEUS = "monitoring/prometheus"


class Flow(NamedTuple):
    """One thing that is allowed: from whom, to whom, at which port."""

    source: str
    target: str
    port: int
    protocol: str


def allowed(objects: Objects) -> set[Flow]:
    """All that some policy allows in the direction that it speaks of."""
    flows: set[Flow] = set()
    for policy in objects.of("NetworkPolicy"):
        own = [entry["metadata"]["name"] for entry in _selected(objects, policy["spec"]["podSelector"])]
        for direction, peers in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction) or []:
                others = [name for peer in rule.get(peers, [{}]) for name in _names(objects, peer)]
                gates = [(port.get("port", 0), port.get("protocol", "TCP")) for port in rule.get("ports", [{}])]
                for name in own:
                    for other in others:
                        source, target = (other, name) if direction == "ingress" else (name, other)
                        flows |= {Flow(source, target, port, protocol) for port, protocol in gates}
    return flows


def open_directions(objects: Objects) -> list[str]:
    """The directions that no policy closes, for any pod there is or will be."""
    closed = {
        kind
        for policy in objects.of("NetworkPolicy")
        if not policy["spec"]["podSelector"]
        for kind in policy["spec"].get("policyTypes", [])
    }
    return sorted({"Ingress", "Egress"} - closed)


def expected(objects: Objects) -> set[Flow]:
    """All that there is a reason for."""
    flows = {
        Flow(CLIENTS, "front", 3000, "TCP"),
        Flow("front", "triton", 8001, "TCP"),
        Flow("front", DNS, 53, "UDP"),
        Flow("front", DNS, 53, "TCP"),
    }
    if objects.of("ServiceMonitor"):
        flows |= {Flow(PROMETHEUS, "front", 3000, "TCP"), Flow(PROMETHEUS, "triton", 8002, "TCP")}
    return flows


def traffic(objects: Objects) -> Iterator[str]:
    """The policies allow what there is a reason for, nothing else, and at ports that are there."""
    yield from (f"{direction} is open by default" for direction in open_directions(objects))
    found, wanted = allowed(objects), expected(objects)
    yield from (f"{' → '.join(map(str, flow))} is allowed without a reason" for flow in sorted(found - wanted))
    yield from (f"{' → '.join(map(str, flow))} is not allowed" for flow in sorted(wanted - found))
    for flow in found:
        target = objects.named("Deployment", flow.target)
        if target is not None and flow.port not in ports(target).values():
            yield f"{flow.target} has no port {flow.port}"


def _selected(objects: Objects, selector: Object) -> list[Object]:
    return objects.selected(selector.get("matchLabels", {}))


def _names(objects: Objects, peer: dict[str, Any]) -> Iterator[str]:
    """What a peer of a rule stands for; an unknown one stands for itself."""
    spaces = peer.get("namespaceSelector", {}).get("matchLabels", {})
    pods = peer.get("podSelector", {}).get("matchLabels", {})
    if peer.keys() == {"podSelector"}:
        yield from (entry["metadata"]["name"] for entry in _selected(objects, peer["podSelector"]))
    elif spaces == {"kubernetes.io/metadata.name": "kube-system"} and pods == {"k8s-app": "kube-dns"}:
        yield DNS
    elif spaces == {"kubernetes.io/metadata.name": "monitoring"} and pods == {"app.kubernetes.io/name": "prometheus"}:
        yield PROMETHEUS
    elif spaces == {"emserve/clients": "true"} and peer.keys() == {"namespaceSelector"}:
        yield CLIENTS
    else:
        yield str(peer) if peer else "anybody"
