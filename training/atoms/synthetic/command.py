"""`python -m training generate atoms`: simulated micrographs as files, with their truth and their parameters."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw
from tqdm import tqdm

from training.atoms.synthetic.drawing import draw_parameters
from training.atoms.synthetic.lattices import LATTICES
from training.atoms.synthetic.rendering import SyntheticMicrograph, render


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate atoms`."""
    parser.add_argument("--count", type=int, default=10, help="number of micrographs (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first; the next one has the next seed")
    parser.add_argument("--out", type=Path, required=True, help="folder, made where it is not there")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), default=(256, 256), help="px")
    parser.add_argument("--lattice", choices=LATTICES, action="append", help="only these (repeatable)")
    parser.add_argument("--quality", choices=("usual", "wide"), default="usual", help="ranges of noise and distortion")
    parser.add_argument("--pixel-size-nm", type=float, help="instead of a drawn one")


def run(args: argparse.Namespace) -> int:
    """Write `NAME.tif`, `NAME.csv` and `NAME.json` for every micrograph, and `contact_sheet.png`; the exit code.

    The TIFF carries its pixel size as ImageJ writes it, the CSV one row per column (`x_px`, `y_px`, `x_nm`, `y_nm`),
    the JSON the parameters, from which `render` makes the same pixels again.
    """
    if args.count < 1:
        print("--count must be at least 1", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    made = []
    for seed in tqdm(range(args.seed, args.seed + args.count), desc="micrographs", unit="", disable=None):
        parameters = draw_parameters(
            seed,
            size=tuple(args.size),
            lattices=args.lattice or LATTICES,
            quality=args.quality,
            pixel_size_nm=args.pixel_size_nm,
        )
        micrograph = render(parameters)
        save(micrograph, args.out / f"{parameters.lattice or 'empty'}_{seed:06d}")
        made.append(micrograph)
    contact_sheet(made[:40]).save(args.out / "contact_sheet.png")
    print(f"{len(made)} micrographs in {args.out}")
    return 0


def save(micrograph: SyntheticMicrograph, stem: Path) -> None:
    """Write the micrograph as `stem` + .tif, its truth as .csv and its parameters as .json."""
    bits = micrograph.parameters.detector.bits
    pixels = micrograph.pixels.astype(np.uint8 if bits == 8 else np.uint16)
    per_nm = 1.0 / micrograph.pixel_size_nm
    tifffile.imwrite(
        stem.with_suffix(".tif"), pixels, imagej=True, resolution=(per_nm, per_nm), metadata={"unit": "nm"}
    )
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["x_px", "y_px", "x_nm", "y_nm"])
        for x, y in zip(micrograph.x_px, micrograph.y_px, strict=True):
            row = (x, y, x * micrograph.pixel_size_nm, y * micrograph.pixel_size_nm)
            writer.writerow([f"{value:.4f}" for value in row])
    stem.with_suffix(".json").write_text(micrograph.parameters.model_dump_json(indent=1) + "\n", encoding="utf-8")


def contact_sheet(micrographs: list[SyntheticMicrograph], *, across: int = 5, tile_px: int = 256) -> Image.Image:
    """All micrographs side by side, each twice: as it is, and below with its true columns marked in red."""
    rows = -(-len(micrographs) // across)
    label = 14
    sheet = Image.new("RGB", (across * tile_px, rows * 2 * (tile_px + label)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, micrograph in enumerate(micrographs):
        low, high = np.percentile(micrograph.pixels, (0.1, 99.9))
        grey = np.clip((micrograph.pixels - low) / max(high - low, 1e-9), 0.0, 1.0)
        scale = tile_px / max(grey.shape)
        picture = Image.fromarray((255 * grey).astype(np.uint8)).resize(
            (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))), Image.Resampling.BILINEAR
        )
        left, top = (index % across) * tile_px, (index // across) * 2 * (tile_px + label)
        name = micrograph.parameters.lattice or "empty"
        draw.text((left + 2, top + 1), f"{name} seed {micrograph.parameters.seed}", fill="black")
        for offset in (label, 2 * label + tile_px):
            sheet.paste(picture.convert("RGB"), (left, top + offset))
        for x, y in zip(micrograph.x_px, micrograph.y_px, strict=True):
            px, py = left + (x + 0.5) * scale, top + 2 * label + tile_px + (y + 0.5) * scale
            draw.ellipse((px - 1.5, py - 1.5, px + 1.5, py + 1.5), fill="red")
    return sheet
