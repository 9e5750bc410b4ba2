"""Where labelled micrographs come from: a folder of pictures, its labels, and what the names in them mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from training.defects.labels import LabelError, LabelledPicture, read_labels


class SourceSettings(BaseModel):
    """One folder of labelled pictures, as it is written down with a training run.

    images, labels: as for `training.defects.labels.read_labels`, and so are names, class_name, labelled, columns,
    attribute, pixel_size_nm and thickness_nm. meaning: for a name in the labels that is no class of the network, the
    classes that it may be. share: of the real pictures that training sees, relative to the shares of the other sources.
    left_out: pictures that are never trained on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: Path
    labels: Path
    names: tuple[str, ...] = ()
    class_name: str | None = None
    labelled: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ()
    attribute: str | None = None
    pixel_size_nm: float | None = Field(default=None, gt=0)
    thickness_nm: float | None = Field(default=None, gt=0)
    meaning: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    share: float = Field(default=1.0, gt=0)
    left_out: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Runs are called by a checksum of their settings: those made before there were columns keep their names.
        values: dict[str, Any] = handler(self)
        return values if self.columns else {name: value for name, value in values.items() if name != "columns"}

    def pictures(self) -> list[LabelledPicture]:
        """All labelled pictures, those that are left out too. Raises LabelError."""
        return read_labels(
            self.labels,
            self.images,
            names=self.names,
            class_name=self.class_name,
            labelled=self.labelled,
            columns=self.columns,
            attribute=self.attribute,
            pixel_size_nm=self.pixel_size_nm,
            thickness_nm=self.thickness_nm,
        )


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled pictures of one folder, to be trained on; the fields are those of `SourceSettings`."""

    images: Path
    pictures: tuple[LabelledPicture, ...]
    meaning: Mapping[str, Sequence[str]]
    share: float = 1.0

    def possible(self, name: str) -> Sequence[str]:
        """The classes of the network that a label of that name may be."""
        return self.meaning.get(name, (name,))


def read_sources(settings: Iterable[SourceSettings]) -> tuple[list[Source], list[Source]]:
    """What is trained on, and what was left out, of every folder; a folder without pictures of a kind is not there.

    Raises:
        LabelError: broken labels, or a picture to be left out that is not there.
    """
    trained: list[Source] = []
    left_out: list[Source] = []
    for one in settings:
        pictures = one.pictures()
        strangers = set(one.left_out) - {picture.image for picture in pictures}
        if strangers:
            raise LabelError(f"no labelled picture is called {sorted(strangers)[0]!r}: it cannot be left out")
        for kept, group in ((True, trained), (False, left_out)):
            chosen = tuple(picture for picture in pictures if (picture.image not in one.left_out) == kept)
            if chosen:
                group.append(Source(one.images, chosen, one.meaning, one.share))
    return trained, left_out


def classes_of(sources: Iterable[Source]) -> tuple[str, ...]:
    """The classes that labels may be, in the order in which they come."""
    return tuple(
        dict.fromkeys(
            name
            for source in sources
            for picture in source.pictures
            for label in sorted(picture.labelled)
            for name in source.possible(label)
        )
    )
