"""The queries of rules, dashboards and scalers, and whether there is anything that they ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

from tests.k8s.manifests import Objects

# What Prometheus and its operator add to every series of a target.
OF_TARGETS = {"namespace", "pod", "service", "job", "instance", "container", "endpoint"}
# A server without a GPU does not show these; the names are those of NVIDIA's documentation of Triton 24.10.
OF_GPUS = {"nv_gpu_utilization": "gauge", "nv_gpu_memory_used_bytes": "gauge", "nv_gpu_memory_total_bytes": "gauge"}
OVER_COUNTERS = {"rate", "irate", "increase"}


class Metric(NamedTuple):
    """What may be asked for: `counter` or `gauge`, and the labels that its series have."""

    kind: str
    labels: frozenset[str]


Exported = dict[str, Metric]


class Selector(NamedTuple):
    """One metric in a query, the labels that are compared, and the function around it."""

    name: str
    labels: frozenset[str]
    function: str


def exported(text: str, labels: Mapping[str, set[str]] | None = None) -> Exported:
    """The metrics of a server's `/metrics`. labels: of those that have no series yet."""
    found: Exported = {}
    for family in text_string_to_metric_families(text):
        own = {key for sample in family.samples for key in sample.labels} | (labels or {}).get(family.name, set())
        if family.type == "histogram":
            parts = {"_bucket": own | {"le"}, "_sum": own, "_count": own}
            found |= {family.name + end: Metric("counter", frozenset(each)) for end, each in parts.items()}
        elif family.type == "counter":
            # Its name is given without `_total`; a counter may be written without, as Triton's are.
            written = f"{family.name}_total" if f"{family.name}_total" in text else family.name
            found[written] = Metric("counter", frozenset(own))
        else:
            found[family.name] = Metric("gauge", frozenset(own))
    return found


def queries(objects: Objects) -> Iterator[tuple[str, str]]:
    """Where a query stands, and the query."""
    for rule in objects.of("PrometheusRule"):
        for group in rule["spec"]["groups"]:
            for entry in group["rules"]:
                yield entry.get("alert") or entry["record"], entry["expr"]
    for entry in objects.of("ScaledObject"):
        for trigger in entry["spec"]["triggers"]:
            yield f"ScaledObject {entry['metadata']['name']}", trigger["metadata"]["query"]
    for entry in objects.of("HorizontalPodAutoscaler"):
        for metric in entry["spec"]["metrics"]:
            yield f"HorizontalPodAutoscaler {entry['metadata']['name']}", metric["pods"]["metric"]["name"]
    for board in dashboards(objects):
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                (asked,) = re.findall(r"label_values\((.+), \w+\)", variable["query"]["query"])
                yield f"variable {variable['name']}", asked
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"panel {panel['title']}", target["expr"].replace("$__rate_interval", "5m")


def dashboards(objects: Objects) -> list[dict[str, Any]]:
    """The dashboards for Grafana's sidecar."""
    return [
        json.loads(text)
        for entry in objects.of("ConfigMap")
        if entry["metadata"].get("labels", {}).get("grafana_dashboard")
        for text in entry["data"].values()
    ]


def selectors(query: Any, function: str = "") -> Iterator[Selector]:
    """All metrics of a parsed query."""
    if isinstance(query, promql_parser.VectorSelector):
        labels = frozenset(matcher.name for matcher in query.matchers.matchers)
        yield Selector(query.name or "", labels, function)
    elif isinstance(query, promql_parser.MatrixSelector):
        yield from selectors(query.vector_selector, function)
    elif isinstance(query, promql_parser.BinaryExpr):
        yield from selectors(query.lhs)
        yield from selectors(query.rhs)
    elif isinstance(query, promql_parser.Call):
        for argument in query.args:
            yield from selectors(argument, query.func.name)
    elif hasattr(query, "expr"):
        yield from selectors(query.expr, function)


def kept(query: Any) -> set[str] | None:
    """The labels that the answer of a query has; None where all are kept."""
    if isinstance(query, promql_parser.AggregateExpr):
        return set(query.modifier.labels) if query.modifier else set()
    if isinstance(query, promql_parser.Call) and query.func.name == "histogram_quantile":
        inner = kept(query.args[1])
        return None if inner is None else inner - {"le"}
    if isinstance(query, promql_parser.BinaryExpr):
        return kept(query.lhs)
    return kept(query.expr) if hasattr(query, "expr") else None


def recorded(objects: Objects) -> Exported:
    """What the rules of this rendering compute."""
    return {
        rule["record"]: Metric("gauge", frozenset(kept(promql_parser.parse(rule["expr"])) or set()))
        for entry in objects.of("PrometheusRule")
        for group in entry["spec"]["groups"]
        for rule in group["rules"]
        if "record" in rule
    }


def unanswered(objects: Objects, servers: Exported) -> Iterator[str]:
    """Queries for what neither a server exports nor a rule records, or that treat a gauge as a counter."""
    known = servers | recorded(objects) | {"up": Metric("gauge", frozenset())}
    for where, text in queries(objects):
        try:
            query = promql_parser.parse(text)
        except ValueError as error:
            yield f"{where}: {error}"
            continue
        for name, labels, function in selectors(query):
            metric = known.get(name)
            if metric is None and name in OF_GPUS:
                metric = Metric(OF_GPUS[name], frozenset({"gpu_uuid"}))
            if metric is None:
                yield f"{where}: nothing exports {name}"
                continue
            if missing := labels - metric.labels - OF_TARGETS:
                yield f"{where}: {name} has no label {', '.join(sorted(missing))}"
            if (function in OVER_COUNTERS) != (metric.kind == "counter"):
                yield f"{where}: {name} is a {metric.kind}, which does not go with {function or 'its plain value'}"


def untold(objects: Objects) -> Iterator[str]:
    """Alerts that do not say what is wrong and what to do, or name a label that their answer has not."""
    for entry in objects.of("PrometheusRule"):
        for group in entry["spec"]["groups"]:
            for rule in group["rules"]:
                if "alert" not in rule:
                    continue
                told = rule.get("annotations", {})
                if rule.get("labels", {}).get("severity") not in {"page", "ticket"}:
                    yield f"{rule['alert']}: no severity"
                if len(told.get("summary", "")) < 20 or len(told.get("description", "")) < 40:
                    yield f"{rule['alert']}: does not say what is wrong and what to do"
                named = set(re.findall(r"\$labels\.(\w+)", " ".join(told.values())))
                if named - (kept(promql_parser.parse(rule["expr"])) or set()):
                    yield f"{rule['alert']}: names a label that its answer has not"
