"""`python -m training generate defects` and `… generate defect-backgrounds`: pictures as files, with their truth."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from analysis.masks import Mask, decode
from analysis.micrograph import read_file
from training.defects.labels import LabelError, read_labels
from training.defects.synthetic.drawing import draw_parameters
from training.defects.synthetic.materials import MATERIALS
from training.defects.synthetic.patches import Patches, clean_windows
from training.defects.synthetic.rendering import SyntheticMicrograph, render
from training.synthetic.files import write_tiff

COLOURS = {"loop_111": (255, 0, 0), "loop_100": (255, 255, 0), "black_dot": (0, 140, 255)}
"""As in the field; loops of other materials are green."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate defects`."""
    parser.add_argument("--count", type=int, default=10, help="number of micrographs (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first; the next one has the next seed")
    parser.add_argument("--out", type=Path, required=True, help="folder, made where it is not there")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), default=(512, 512), help="px")
    parser.add_argument("--material", choices=tuple(MATERIALS), default="fecral", help="(default: fecral)")
    parser.add_argument("--contrast", choices=("bright_field", "dark_field"), default="bright_field")
    parser.add_argument("--pixel-size-nm", type=float, help="instead of a drawn one")
    parser.add_argument("--backgrounds", type=Path, help="folder of real micrographs without defects")
    parser.add_argument("--background-share", type=float, default=0.5, help="share of the pictures that get a real one")


def run(args: argparse.Namespace) -> int:
    """Write every micrograph with its parameters, the truth of all, and a contact sheet; the exit code.

    `NAME.tif` carries its pixel size as ImageJ writes it, `NAME.json` holds the parameters from which `render` makes
    the same pixels again. `coco.json` has the masks, `defects.csv` and `images.csv` the ellipses and calibrations as
    `read_labels` reads them, `contact_sheet.png` all pictures without and with their truth.
    """
    if args.count < 1 or min(args.size) < 64:
        print("--count must be at least 1, and --size at least 64 64", file=sys.stderr)
        return 2
    try:
        patches = Patches(args.backgrounds) if args.backgrounds else None
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    made: dict[str, SyntheticMicrograph] = {}
    for seed in tqdm(range(args.seed, args.seed + args.count), desc="micrographs", unit="", disable=None):
        parameters = draw_parameters(
            seed,
            size=tuple(args.size),
            material=args.material,
            contrast=args.contrast,
            pixel_size_nm=args.pixel_size_nm,
            patches=patches,
            patch_share=args.background_share,
        )
        micrograph = render(parameters, patches)
        name = f"{args.material}_{seed:06d}"
        save(micrograph, args.out / name)
        made[f"{name}.tif"] = micrograph
    save_truth(made, args.out)
    contact_sheet(list(made.values())[:24]).save(args.out / "contact_sheet.png")
    defects = sum(len(micrograph.instances) for micrograph in made.values())
    print(f"{len(made)} micrographs with {defects} defects in {args.out}")
    return 0


def add_background_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate defect-backgrounds`."""
    parser.add_argument("--images", type=Path, required=True, help="folder of micrographs")
    parser.add_argument("--labels", type=Path, required=True, help="labels of ALL their defects, any known kind")
    parser.add_argument("--out", type=Path, required=True, help="folder, made where it is not there")
    parser.add_argument("--side-px", type=int, default=96, help="least side of a window (default: 96)")


def run_backgrounds(args: argparse.Namespace) -> int:
    """Cut windows without a labelled defect out of micrographs, as calibrated TIFF; the exit code."""
    try:
        pictures = read_labels(args.labels, args.images)
    except LabelError as error:
        print(error, file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    count = 0
    for picture in tqdm(pictures, desc="micrographs", unit="", disable=None):
        pixels = read_file(args.images / picture.image).pixels
        for x, y, window in clean_windows(pixels, picture, side_px=args.side_px):
            path = args.out / f"{Path(picture.image).stem}_x{x}_y{y}.tif"
            write_tiff(path, window, picture.pixel_size_nm[0] if picture.pixel_size_nm else None)
            count += 1
    print(f"{count} windows in {args.out}")
    return 0 if count else 1


def save(micrograph: SyntheticMicrograph, stem: Path) -> None:
    """Write a micrograph as `stem` + .tif and its parameters as .json."""
    write_tiff(stem.with_suffix(".tif"), micrograph.pixels.astype(np.uint8), micrograph.pixel_size_nm)
    stem.with_suffix(".json").write_text(micrograph.parameters.model_dump_json(indent=1) + "\n", encoding="utf-8")


def save_truth(micrographs: dict[str, SyntheticMicrograph], folder: Path) -> None:
    """Write the truth of micrographs by file name: `coco.json`, `defects.csv`, `images.csv`.

    The ellipses are the whole ones, also of defects that the frame cuts; positions in files count from the picture's
    corner.
    """
    with (folder / "defects.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "class", "x_px", "y_px", "major_px", "minor_px", "angle_deg"])
        for name, micrograph in micrographs.items():
            for instance in micrograph.instances:
                e = instance.ellipse
                numbers = (e.x_px + 0.5, e.y_px + 0.5, e.major_px, e.minor_px, e.angle_deg)
                rows.writerow([name, instance.class_name, *(f"{number:.3f}" for number in numbers)])
    with (folder / "images.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "width_px", "height_px", "pixel_size_nm"])
        for name, micrograph in micrographs.items():
            height, width = micrograph.pixels.shape
            rows.writerow([name, width, height, repr(micrograph.pixel_size_nm)])
    (folder / "coco.json").write_text(json.dumps(coco(micrographs)) + "\n", encoding="utf-8")


def coco(micrographs: dict[str, SyntheticMicrograph]) -> dict[str, Any]:
    """The truth of micrographs by file name in COCO's form, masks as uncompressed run lengths."""
    names = sorted({name for micrograph in micrographs.values() for name in micrograph.classes})
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (file_name, micrograph) in enumerate(micrographs.items(), start=1):
        height, width = micrograph.pixels.shape
        images.append({"id": number, "file_name": file_name, "height": height, "width": width})
        for instance in micrograph.instances:
            mask = instance.mask
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": names.index(instance.class_name) + 1,
                    "bbox": [mask.x_px, mask.y_px, mask.width_px, mask.height_px],
                    "area": mask.area_px,
                    "iscrowd": 0,
                    "segmentation": {"size": [height, width], "counts": _runs(mask, height, width)},
                }
            )
    categories = [{"id": index, "name": name} for index, name in enumerate(names, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _runs(mask: Mask, height: int, width: int) -> list[int]:
    """Run lengths of the mask in its whole picture, column by column."""
    column, row = np.nonzero(decode(mask).T)
    at = (column + mask.x_px) * height + row + mask.y_px
    first = np.flatnonzero(np.diff(at, prepend=-2) > 1)  # where a run begins
    begin, end = at[first], at[np.append(first[1:] - 1, len(at) - 1)] + 1
    edges = np.concatenate([[0], np.stack([begin, end], axis=1).ravel(), [height * width]])
    return [int(run) for run in np.diff(edges)]


def contact_sheet(micrographs: Sequence[SyntheticMicrograph], *, across: int = 4, tile_px: int = 384) -> Image.Image:
    """All micrographs side by side, each twice: as it is, and below with its true ellipses."""
    label = 14
    sheet = Image.new("RGB", (across * tile_px, -(-len(micrographs) // across) * 2 * (tile_px + label)), "white")
    draw = ImageDraw.Draw(sheet)
    turn = np.linspace(0.0, 2.0 * np.pi, 73)
    for index, micrograph in enumerate(micrographs):
        height, width = micrograph.pixels.shape
        scale = tile_px / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = Image.fromarray(micrograph.pixels.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
        marked = picture.convert("RGB")
        pen = ImageDraw.Draw(marked)
        for instance in micrograph.instances:
            e = instance.ellipse
            angle = np.deg2rad(e.angle_deg)
            u, v = e.major_px / 2 * np.cos(turn), e.minor_px / 2 * np.sin(turn)
            x, y = e.x_px + u * np.cos(angle) + v * np.sin(angle), e.y_px - u * np.sin(angle) + v * np.cos(angle)
            points = [((px + 0.5) * scale, (py + 0.5) * scale) for px, py in zip(x, y, strict=True)]
            pen.line(points, fill=COLOURS.get(instance.class_name, (0, 220, 0)))
        left, top = (index % across) * tile_px, (index // across) * 2 * (tile_px + label)
        about = (
            f"seed {micrograph.parameters.seed}, {micrograph.pixel_size_nm:.3f} nm, {len(micrograph.instances)} defects"
        )
        draw.text((left + 2, top + 1), about, fill="black")
        sheet.paste(picture.convert("RGB"), (left, top + label))
        sheet.paste(marked, (left, top + 2 * label + tile_px))
    return sheet
