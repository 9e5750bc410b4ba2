"""The checks of meaning find what schemas do not: each fault is planted into a copy of what an overlay renders."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.k8s import meaning
from tests.k8s.faults import FAULTS, Cluster, Fault
from tests.k8s.manifests import ROOT, Objects
from tests.k8s.queries import untold
from tests.k8s.traffic import traffic


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.what)
def test_a_planted_fault_is_found(rendered: Callable[[str], Objects], fault: Fault) -> None:
    before = rendered(fault.overlay)
    assert list(fault.check(before)) == []
    cluster = Cluster(Objects(copy.deepcopy(before.all)))
    fault.plant(cluster)
    told = list(fault.check(cluster.objects))
    assert any(fault.told in line for line in told), told


def test_every_check_has_a_fault() -> None:
    assert {fault.check for fault in FAULTS} >= {*meaning.CHECKS, traffic, untold}


def test_schemas_alone_would_miss_them(rendered: Callable[[str], Objects]) -> None:
    """What the tests of meaning are for: of these faults a strict validation by schema finds one only."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    found = []
    for fault in FAULTS:
        before = rendered(fault.overlay)
        cluster = Cluster(Objects(copy.deepcopy(before.all)))
        fault.plant(cluster)
        changed = [entry for entry in cluster.objects.all if entry not in before.all]
        for entry in changed:
            try:
                if entry["kind"] not in {"ServiceMonitor", "PrometheusRule", "ScaledObject"}:
                    kubernetes_validate.validate(entry, "1.37", strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError):
                found.append(fault.what)
    assert found == ["an API version that is gone"]
    told = (ROOT / "k8s/README.md").read_text(encoding="utf-8")
    assert f"of {len(FAULTS)} faults a strict validation by schema finds one" in told
