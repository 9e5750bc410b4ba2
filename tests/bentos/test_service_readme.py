"""bentos/README.md says what the service has: settings with their defaults, addresses, codes of errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bentos import api
from bentos.models import Models
from bentos.pool import Pool
from bentos.settings import Settings
from emserve import exceptions
from emserve.exceptions import EmserveError
from model_store import runtimes


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "bentos" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_there_with_its_default(readme: str, name: str) -> None:
    (row,) = [line for line in readme.splitlines() if line.startswith(f"| `EMSERVE_{name.upper()}` |")]
    default = Settings.model_fields[name].default
    told = (f"`{','.join(default)}`" if default else "") if isinstance(default, tuple) else f"{default:.15g}"
    assert row.split("|")[2].strip() == told


def test_every_variable_that_the_sources_name_is_there(root: Path, readme: str) -> None:
    sources = [*(root / "bentos").glob("*.py"), *(root / "model_store").glob("*.py")]
    named = {name for source in sources for name in re.findall(r"EMSERVE_[A-Z_]+[A-Z]", source.read_text("utf-8"))}
    assert named > {"EMSERVE_STORE", "EMSERVE_THREADS"}
    for name in named:
        assert f"| `{name}` |" in readme


def test_every_address_is_there(readme: str) -> None:
    limits = Settings()
    pool = Pool(limits.workers, limits.queue, limits.timeout_s)
    try:
        paths = api.paths_of(api.create(limits, Models(), pool))
    finally:
        pool.close()
    for path in paths:
        assert re.search(rf"`(GET|POST) {path}`", readme), path


def test_every_error_that_the_server_answers_is_there(readme: str) -> None:
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, EmserveError)]
    parents = {base for kind in kinds for base in kind.__bases__} - {exceptions.NotFound, exceptions.StoreError}
    for kind in set(kinds) - parents - {exceptions.UnexpectedAnswer}:  # that one is the client's
        (row,) = [line for line in readme.splitlines() if f"`{kind.code}`" in line]
        assert str(kind.status) in row.split("|")[1]


def test_every_runtime_is_there_and_no_other(readme: str) -> None:
    (row,) = [line for line in readme.splitlines() if line.startswith("| `EMSERVE_RUNTIME` |")]
    named = {name for name in re.findall(r"`(\w+)`", row) if not name.startswith("EMSERVE_")}
    assert named == set(runtimes.names())
