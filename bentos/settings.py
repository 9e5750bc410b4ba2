"""The limits and keys of the service; each is an environment variable, `EMSERVE_` before its name.

What a model is run with is set where it is opened: EMSERVE_STORE, EMSERVE_RUNTIME, EMSERVE_PRECISION and
EMSERVE_THREADS (see `model_store.store`).
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from emserve.exceptions import InvalidParameter
from model_store.manifest import Family

Words = Annotated[tuple[str, ...], NoDecode]
FamilyNames = Annotated[tuple[Family, ...], NoDecode]


class Settings(BaseSettings):
    """What the service takes, how much of it at once, and from whom."""

    model_config = SettingsConfigDict(env_prefix="EMSERVE_", frozen=True, extra="ignore")

    families: FamilyNames = Field(
        get_args(Family), min_length=1, description="comma-separated families that are served, where the store has them"
    )
    max_body_bytes: int = Field(256 * 2**20, gt=0, description="largest body of a request")
    max_stack_bytes: int = Field(
        2 * 2**30, gt=0, description="largest body of a request with a stack, which waits on the disk (TMPDIR)"
    )
    max_pixels: int = Field(64_000_000, gt=0, description="most pixels of a picture; checked before it is decoded")
    workers: int = Field(2, gt=0, description="pictures that are worked on at once")
    queue: int = Field(16, ge=0, description="pictures that may wait; beyond them a request gets 429")
    # A picture of 64 million pixels with 220,000 columns took 125 s on two processors that had other work too.
    timeout_s: float = Field(
        300.0,
        gt=0,
        le=3600,
        description="limit in s for an answer, upload and waiting included; enough for a picture of `max_pixels` on "
        "two processors",
    )
    api_keys: Words = Field((), description="comma-separated; if there is one, a request needs one of them", repr=False)
    cors_origins: Words = Field((), description="comma-separated origins of web pages that may call from a browser")

    @field_validator("families", "api_keys", "cors_origins", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def from_environment() -> Settings:
    """The settings; raises InvalidParameter that names the variable which is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"EMSERVE_{first['loc'][0]}".upper()
        raise InvalidParameter(
            f"{name} is {first['input']!r}: {first['msg']}.", remedy="Correct it, or leave it unset.", field=name
        ) from error
