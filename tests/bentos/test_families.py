"""A service of some families only: the others are neither in the addresses, nor in the list, nor in the readiness."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentos import api, settings
from bentos.models import Models
from bentos.pool import Pool
from bentos.service import Readiness
from emserve.exceptions import InvalidParameter, UnknownModel


def paths(limits: settings.Settings) -> set[str]:
    return set(api.paths_of(api.create(limits, Models(limits.families), Pool(1, 0, 1.0))))


@pytest.fixture
def three_families(family_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_STORE", str(family_store))
    monkeypatch.setenv("EMSERVE_RUNTIME", "fake")


def test_all_families_are_served_unless_told_otherwise() -> None:
    found = paths(settings.Settings())
    assert {"/v1/atoms", "/v1/defects", "/v1/dislocations", "/v1/dislocations/stack"} <= found


@pytest.mark.parametrize(
    ("families", "there"),
    [
        ("atoms", {"/v1/atoms"}),
        ("defects", {"/v1/defects"}),
        ("dislocations", {"/v1/dislocations", "/v1/dislocations/stack"}),
        (" atoms, defects ", {"/v1/atoms", "/v1/defects"}),
    ],
)
def test_only_what_is_served_has_an_address(families: str, there: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    everything = paths(settings.Settings())
    monkeypatch.setenv("EMSERVE_FAMILIES", families)
    limited = paths(settings.from_environment())
    of_families = {"/v1/atoms", "/v1/defects", "/v1/dislocations", "/v1/dislocations/stack"}
    assert limited == everything - of_families | there


@pytest.mark.usefixtures("three_families")
def test_models_of_other_families_are_not_listed_nor_opened() -> None:
    models = Models(("defects",))
    assert {model.family for model in models.summaries().models} == {"defects"}
    assert models.get(None, "defects").info.name == "defects_dark"
    with pytest.raises(UnknownModel, match="It has models for: defects"):
        models.get("atoms_blobs", "atoms")


@pytest.mark.usefixtures("three_families")
def test_readiness_waits_for_the_families_that_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    models = Models(("dislocations",))
    get = models.get
    monkeypatch.setattr(models, "get", lambda name, family: opened.append(family) or get(name, family))
    readiness = Readiness(models, 10**6)
    readiness._warm_up()
    assert set(opened) == {"dislocations"}


@pytest.mark.parametrize("families", ["atom", "", "atoms,loops"])
def test_an_unknown_family_stops_the_start(families: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMSERVE_FAMILIES", families)
    with pytest.raises(InvalidParameter, match="EMSERVE_FAMILIES"):
        settings.from_environment()
