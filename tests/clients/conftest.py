"""What the client's tests share: no setting of the machine's environment reaches them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EMSERVE_URL", "EMSERVE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
