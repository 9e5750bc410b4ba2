"""What people know about a network and no file of it says: a small YAML, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from emserve.exceptions import InvalidParameter
from model_store.manifest import Source

NOT_STATED = "not stated"


class About(BaseModel):
    """Prose and facts for the manifest and the card.

    title: of the model; its family's where it is empty. training: what it was trained on, in words. measured: how its
    scores were measured. fails: where it fails, a point each. valid_range: where its figures hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    licence: str = NOT_STATED
    authors: tuple[str, ...] = (NOT_STATED,)
    sources: tuple[Source, ...] = ()
    training: str = ""
    measured: str = ""
    fails: tuple[str, ...] = ()
    valid_range: dict[str, Any] = {}


def read_about(path: Path) -> About:
    """The facts in a YAML file; raises InvalidParameter that says which key is wrong."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return About.model_validate(content or {})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "its content"
        known = ", ".join(About.model_fields)
        raise InvalidParameter(
            f"{path} is wrong at {place}: {first['msg']}.", remedy=f"Its keys are {known}."
        ) from error
    except (OSError, yaml.YAMLError) as error:
        raise InvalidParameter(f"{path} cannot be read: {error}.", remedy="Pass a YAML file.") from error
