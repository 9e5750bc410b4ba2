"""The labelled micrographs that others published, and what each set labels.

- fecral_three_class: ⟨111⟩ loops, ⟨100⟩ loops and black dots, as ellipses.
- fecral_111_boxes: boxes of ⟨111⟩ loops only. What is outside of them may be anything but a ⟨111⟩ loop.
- fecral_in_situ: boxes of "loops", without saying of which kind; the small solid ones are what others call black dots.
- titanium_loops, steel_316l_loops: polygons of loops of other alloys. They may be any class: they teach what a defect
  is and where it ends, not what kind it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from training.defects.sources import SourceSettings

CLASSES = ("loop_111", "loop_100", "black_dot")
"""The classes of the network that ships."""
_ANY = {"loop": CLASSES, "hcloop": CLASSES}


def published(data: Path, *, three_class: bool) -> tuple[SourceSettings, ...]:
    """The sets in a folder, those that are there; see `../shared/data/README.md` for its layout.

    Left out of training, so that something is left to judge by: the last tenth of fecral_111_boxes, every third frame
    of the in-situ set and of steel, and two titanium frames.

    Args:
        three_class: whether to train on `fecral_three_class`, all of it; the others are the same either way.
    """
    sets = [
        SourceSettings(
            images=data / "fecral_111_boxes",
            labels=data / "fecral_111_boxes/boxes.csv",
            class_name="loop_111",
            share=0.5,
        ),
        SourceSettings(
            images=data / "fecral_in_situ/labelled",
            labels=data / "fecral_in_situ/boxes.csv",
            class_name="loop",
            pixel_size_nm=0.36,
            meaning=_ANY,
            share=0.15,
        ),
        SourceSettings(
            images=data / "steel_316l_loops/images",
            labels=data / "steel_316l_loops/coco.json",
            pixel_size_nm=200 / 512,
            meaning=_ANY,
            share=0.15,
        ),
        SourceSettings(
            images=data / "titanium_loops/images",
            labels=data / "titanium_loops/polygons_second_pass",
            class_name="loop",
            meaning=_ANY,
            share=0.15,
        ),
    ]
    if three_class:
        sets.append(SourceSettings(images=data / "fecral_three_class", labels=data / "fecral_three_class/defects.csv"))
    found = [one for one in sets if one.labels.exists()]
    return tuple(one.model_copy(update={"left_out": left_out(one)}) for one in found)


def left_out(source: SourceSettings) -> tuple[str, ...]:
    """The pictures of a published set that the shipped network never sees."""
    names = [picture.image for picture in source.pictures()]
    match source.labels.parent.name:
        case "fecral_111_boxes":
            return last_tenth(names)
        case "fecral_in_situ" | "steel_316l_loops":
            return tuple(sorted(names)[2::3])
        case "titanium_loops":
            return tuple(sorted(names)[2::4])
        case _:
            return ()


def last_tenth(names: Collection[str]) -> tuple[str, ...]:
    """The last tenth of pictures, rounded up, by name."""
    ordered: Sequence[str] = sorted(set(names))
    return tuple(ordered[len(ordered) - -(-len(ordered) // 10) :])
