"""The parameters of a request: texts of a form, into values that the analysis takes."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from emserve.exceptions import InvalidParameter
from emserve.results import AtomsPostprocess

P = TypeVar("P", bound=BaseModel)


def _one_or_two_numbers(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        raise ValueError("it is not a number, nor two with a comma between them") from None
    if len(numbers) > 2:
        raise ValueError("it has more than two numbers")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


PixelSize = Annotated[
    float | tuple[float, float],
    BeforeValidator(_one_or_two_numbers),
    WithJsonSchema({"type": "string", "examples": ["0.016", "0.016,0.017"]}),
]


class PictureForm(BaseModel):
    """How a file is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frame: int = Field(0, ge=0, description="the frame of a stack, from 0")


class AtomsForm(PictureForm):
    """How atom columns are looked for."""

    pixel_size_nm: PixelSize | None = Field(
        None, description="pixel size in nm, one number or `x,y`; wins over what the file says"
    )
    model: str | None = Field(None, description="name of a model, as /v1/models lists it; the default otherwise")
    threshold: float | None = Field(
        None, gt=0, lt=1, allow_inf_nan=False, description="height of the network's map that counts, above 0, below 1"
    )
    postprocess: AtomsPostprocess = Field(
        "log", description="`log` (Laplacian of Gaussian) or `otsu` (Otsu's threshold and geometric centres)"
    )
    refine: bool = Field(True, description="whether a 2D Gaussian is fitted to each column: `true` or `false`")


def parse(kind: type[P], fields: dict[str, str]) -> P:
    """The parameters; raises InvalidParameter that names the first wrong one and says what it takes."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidParameter(
            f"`{name}` is {fields[name][:80]!r}: {reason[:1].lower()}{reason[1:]}.",
            remedy=f"Allowed: {kind.model_fields[name].description}.",
            field=name,
        ) from error
