"""The parameters of a request: texts of a form, into values that the analysis takes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from analysis.defects.hardening import BarrierModel
from analysis.dislocations.tracks import GATE_PX, MEMORY
from emserve.exceptions import InvalidParameter
from emserve.results import AtomsPostprocess

P = TypeVar("P", bound="Form")


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


class Form(BaseModel):
    """The fields of a request beside its file; `example_file` is one that could be sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    example_file: ClassVar[str] = "micrograph.dm4"


class PictureForm(Form):
    """How a file is read."""

    frame: int = Field(0, ge=0, description="the frame of a stack, from 0")


class ModelForm(Form):
    """What every question to a network takes."""

    pixel_size_nm: PixelSize | None = _pixel_size("0.28", "0.28,0.29")
    model: str | None = Field(None, description="name of a model, as /v1/models lists it; the default otherwise")


class FamilyForm(PictureForm, ModelForm):
    """What the addresses of all families take."""


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


class LinesForm(ModelForm):
    """How dislocation lines are looked for, and the constants of the stress that bows them out."""

    pixel_size_nm: PixelSize | None = _pixel_size("1.2", "1.2,1.25")
    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        allow_inf_nan=False,
        description="probability from which a pixel is a line's, above 0, below 1; the model's otherwise",
    )
    shear_modulus_gpa: float | None = Field(
        None,
        ge=0.1,
        le=1000,
        allow_inf_nan=False,
        description="shear modulus μ in GPa, 0.1 to 1000; together with `burgers_vector_nm` for the stress μ b / R",
    )
    burgers_vector_nm: float | None = Field(
        None,
        ge=0.01,
        le=10,
        allow_inf_nan=False,
        description="length of the Burgers vector b in nm, 0.01 to 10; together with `shear_modulus_gpa`",
    )


class DislocationsForm(LinesForm, FamilyForm):
    """How the lines of a micrograph are looked for."""


class StackForm(LinesForm):
    """How lines are followed over the frames of a video."""

    example_file = "video.mp4"

    frame_time_s: float | None = Field(
        None,
        ge=1e-9,
        le=1e6,
        allow_inf_nan=False,
        description="time from one frame to the next in s, 1e-9 to 1e6; velocities in nm/s need it",
        examples=[0.04],
    )
    gate_px: float = Field(
        GATE_PX,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="largest distance in px of a line from where its track is foretold, above 0, at most 10000",
    )
    memory: int = Field(MEMORY, ge=0, le=1000, description="so many frames a line may be missing, 0 to 1000")
    correct_drift: bool = Field(
        True, description="whether the specimen's drift is taken off before lines are linked: `true` or `false`"
    )
    pictures: bool = Field(
        False, description="whether each frame comes with its picture, a PNG in base64: `true` or `false`"
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
