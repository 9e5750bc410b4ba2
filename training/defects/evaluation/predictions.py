"""What a network finds in labelled pictures, kept so that it is run once whatever is then asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.defects.pipeline import DefectsNetwork, analyse
from analysis.defects.preprocess import InputSpec
from analysis.defects.table import DefectTable
from analysis.masks import Mask
from analysis.micrograph import Micrograph, read_file
from training.defects.labels import LabelError, LabelledPicture

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The defects that were found in one picture.

    scores: (N,), as sure as the network is of each row of the table; NaN where nobody says how sure, as for labels.
    """

    table: DefectTable
    scores: FloatArray


def read_picture(picture: LabelledPicture, images: Path) -> Micrograph:
    """The micrograph that was labelled.

    Raises
    ------
    LabelError: it has not the size that the labels were read for.
    """
    micrograph = read_file(images / picture.image, pixel_size_nm=picture.pixel_size_nm)
    if micrograph.pixels.shape != (picture.height_px, picture.width_px):
        height, width = micrograph.pixels.shape
        expected = f"{picture.width_px}×{picture.height_px}"
        raise LabelError(f"{picture.image} has {width}×{height} px, but its labels are for {expected} px")
    return micrograph


def calibrated(picture: LabelledPicture, images: Path) -> LabelledPicture:
    """The same labels with the pixel size that the file of the picture tells, where nothing else does."""
    if picture.pixel_size_nm is not None:
        return picture
    micrograph = read_picture(picture, images)
    if micrograph.pixel_size_x_nm is None or micrograph.pixel_size_y_nm is None:
        return picture
    return replace(picture, pixel_size_nm=(micrograph.pixel_size_x_nm, micrograph.pixel_size_y_nm))


def predict(
    picture: LabelledPicture, images: Path, network: DefectsNetwork, spec: InputSpec, *, score: float | None = None
) -> Prediction:
    """Find the defects of a picture as the service does. score: the least; None for the model's own."""
    analysis = analyse(read_picture(picture, images), network, spec, score=score)
    return Prediction(analysis.table, np.array([instance.score for instance in analysis.instances], float))


def of_labels(picture: LabelledPicture) -> Prediction:
    """Somebody's labels in the place of a network's answer."""
    table = replace(picture.table(), labelled=None)
    return Prediction(table, np.full(len(table), np.nan))


def save(path: Path, head: Mapping[str, Any], predictions: Mapping[str, Prediction]) -> None:
    """Write predictions by picture as JSON. head: what they were made of and with; `load` gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [
        {"image": image, "field_nm2": prediction.table.field_nm2, "defects": _rows(prediction)}
        for image, prediction in predictions.items()
    ]
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({**head, "pictures": pictures}) + "\n", encoding="utf-8")
    partial.replace(path)


def load(path: Path) -> tuple[dict[str, Any], dict[str, Prediction]]:
    """What `save` has written: its head, and the predictions by picture."""
    content = json.loads(path.read_text(encoding="utf-8"))
    pictures = content.pop("pictures")
    return content, {picture["image"]: _prediction(picture) for picture in pictures}


def _rows(prediction: Prediction) -> list[dict[str, Any]]:
    table = prediction.table
    masks = table.masks or (None,) * len(table)
    sizes_nm = [None] * len(table) if table.size_nm is None else table.size_nm.tolist()
    return [
        {
            "class": str(table.class_names[i]),
            "score": _or_none(prediction.scores[i]),
            "box_px": table.boxes[i].tolist(),
            "mask": None if mask is None else asdict(mask),
            "size_px": _or_none(table.size_px[i]),
            "size_nm": _or_none(sizes_nm[i]),
            "heywood": _or_none(table.heywood[i]),
        }
        for i, mask in enumerate(masks)
    ]


def _prediction(picture: dict[str, Any]) -> Prediction:
    rows, field = picture["defects"], picture["field_nm2"]
    masks = tuple(Mask(**{**row["mask"], "counts": tuple(row["mask"]["counts"])}) for row in rows if row["mask"])
    table = DefectTable(
        class_names=np.array([row["class"] for row in rows], np.str_),
        boxes=np.array([row["box_px"] for row in rows], float).reshape(-1, 4),
        masks=masks if len(masks) == len(rows) else None,
        size_px=_column(rows, "size_px"),
        size_nm=None if field is None else _column(rows, "size_nm"),
        heywood=_column(rows, "heywood"),
        field_nm2=field,
    )
    return Prediction(table, _column(rows, "score"))


def _column(rows: list[dict[str, Any]], name: str) -> FloatArray:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], float)


def _or_none(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)
