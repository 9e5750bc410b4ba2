"""The parameters of a request: texts of a form, into values that the analysis takes."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from analysis.defects.hardening import BarrierModel
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
    WithJsonSchema({"type": "string"}),
]


def _named_numbers(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for part in value.split(","):
        name, equals, number = (word.strip() for word in part.partition("="))
        if not (name and equals and number):
            raise ValueError("it is not names and numbers such as `loop_111=0.11`, with commas between them")
        if name in found:
            raise ValueError(f"it names {name[:80]} twice")
        found[name] = number
    return found


BarrierStrengths = Annotated[
    dict[str, Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]],
    BeforeValidator(_named_numbers),
    WithJsonSchema({"type": "string"}),
]

_BARRIERS = BarrierModel()


def _pixel_size(*examples: str) -> Any:
    return Field(
        None,
        description="pixel size in nm, one number or `x,y`; wins over what the file says",
        examples=list(examples),
    )


class PictureForm(BaseModel):
    """How a file is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frame: int = Field(0, ge=0, description="the frame of a stack, from 0")


class FamilyForm(PictureForm):
    """What the addresses of all families take."""

    pixel_size_nm: PixelSize | None = _pixel_size("0.28", "0.28,0.29")
    model: str | None = Field(None, description="name of a model, as /v1/models lists it; the default otherwise")


class AtomsForm(FamilyForm):
    """How atom columns are looked for."""

    pixel_size_nm: PixelSize | None = _pixel_size("0.016", "0.016,0.017")
    threshold: float | None = Field(
        None, gt=0, lt=1, allow_inf_nan=False, description="height of the network's map that counts, above 0, below 1"
    )
    postprocess: AtomsPostprocess = Field(
        "log", description="`log` (Laplacian of Gaussian) or `otsu` (Otsu's threshold and geometric centres)"
    )
    refine: bool = Field(True, description="whether a 2D Gaussian is fitted to each column: `true` or `false`")


class DefectsForm(FamilyForm):
    """How defects are looked for, and the constants of their hardening (simplified dispersed barrier model)."""

    score: float | None = Field(
        None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="defects that the network is less sure of are left out, above 0, below 1; the model's otherwise",
    )
    thickness_nm: float | None = Field(
        None,
        ge=0.1,
        le=100_000,
        allow_inf_nan=False,
        description="thickness of the foil in nm, 0.1 to 100000; without it no hardening is given",
        examples=[100],
    )
    taylor_factor: float = Field(
        _BARRIERS.taylor_factor, ge=0.1, le=10, allow_inf_nan=False, description="Taylor factor M, 0.1 to 10"
    )
    shear_modulus_gpa: float = Field(
        _BARRIERS.shear_modulus_gpa,
        ge=0.1,
        le=1000,
        allow_inf_nan=False,
        description="shear modulus μ in GPa, 0.1 to 1000",
    )
    burgers_vector_nm: float = Field(
        _BARRIERS.burgers_vector_nm,
        ge=0.01,
        le=10,
        allow_inf_nan=False,
        description="length of the Burgers vector b in nm, 0.01 to 10",
    )
    barrier_strengths: BarrierStrengths | None = Field(
        None,
        description="barrier strengths α of classes, above 0, at most 1, as `loop_111=0.11,black_dot=0.1`; the others "
        "stay as they are",
    )


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
