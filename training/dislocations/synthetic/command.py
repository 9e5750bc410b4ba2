"""`python -m training generate dislocations` and what prepares for it: microstructures and backgrounds from labels."""

from __future__ import annotations

import argparse
import colorsys
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw
from pydantic import ValidationError
from tqdm import tqdm

from analysis.micrograph import read_file
from emserve.exceptions import EmserveError
from training.dislocations.labels import LabelError, LabelledFrame, read_frames, write_frame
from training.dislocations.synthetic.distributions import Microstructure, microstructure
from training.dislocations.synthetic.drawing import MOST_LINES, draw_parameters, twin
from training.dislocations.synthetic.measuring import fitted, measure
from training.dislocations.synthetic.patches import without_lines
from training.dislocations.synthetic.rendering import SyntheticFrame, render
from training.synthetic.files import write_tiff
from training.synthetic.folder import PictureFolder

SHOWN = 24
"""Frames on the contact sheet."""


def add_generation(generated: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands under `python -m training generate`."""
    for name, words, add, act in (
        ("dislocations", "frames of dislocation pile-ups, one mask per line", add_arguments, run),
        ("dislocation-backgrounds", "labelled frames without their lines", add_background_arguments, run_backgrounds),
        (
            "dislocation-microstructure",
            "distributions measured on labelled frames",
            add_microstructure_arguments,
            run_microstructure,
        ),
    ):
        parser = generated.add_parser(name, help=words)
        add(parser)
        parser.set_defaults(run=act)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate dislocations`."""
    parser.add_argument("--microstructure", default="M2", help="M1, M2, Ti or the path of a JSON (default: M2)")
    parser.add_argument("--count", type=int, default=10, help="number of frames (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first; the next one has the next seed")
    parser.add_argument("--out", type=Path, required=True, help="folder, made where it is not there")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), default=(512, 512), help="px")
    parser.add_argument("--most-lines", type=int, default=MOST_LINES, help=f"in a frame (default: {MOST_LINES})")
    parser.add_argument("--backgrounds", type=Path, help="folder of real micrographs; without it, Perlin noise")
    parser.add_argument("--twins-of", type=Path, help="folder of labelme JSON: frames with those very lines and traces")


def run(args: argparse.Namespace) -> int:
    """Write every frame with its masks, labels and parameters, and a contact sheet; the exit code.

    `NAME.png` is the frame and `NAME.json` its lines and slip traces as labelme has them; `masks/NAME.tif` holds one
    page of 0 and 255 per line, `parameters/NAME.json` what `render` makes the same pixels and masks from.
    `contact_sheet.png` shows the first frames without and with their lines.
    """
    if args.count < 1 or min(args.size) < 64 or args.most_lines < 1:
        print("--count and --most-lines must be at least 1, and --size at least 64 64", file=sys.stderr)
        return 2
    try:
        kind = microstructure(args.microstructure)
        folder = PictureFolder(args.backgrounds) if args.backgrounds else None
        labelled = read_frames(args.twins_of) if args.twins_of else []
    except ValidationError as error:
        print(f"{args.microstructure} is no microstructure: {error.error_count()} mistakes", file=sys.stderr)
        return 2
    except (FileNotFoundError, LabelError) as error:
        print(error, file=sys.stderr)
        return 2
    for name in ("masks", "parameters"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    shown: list[SyntheticFrame] = []
    lines = 0
    for seed in tqdm(range(args.seed, args.seed + args.count), desc="frames", unit="", disable=None):
        frame = _frame(seed, args, kind, folder, labelled)
        save(frame, args.out, f"{kind.name.lower()}_{seed:06d}")
        lines += len(frame.lines)
        if len(shown) < SHOWN:
            shown.append(frame)
    contact_sheet(shown).save(args.out / "contact_sheet.png")
    print(f"{args.count} frames with {lines} lines in {args.out}")
    return 0


def _frame(
    seed: int,
    args: argparse.Namespace,
    kind: Microstructure,
    folder: PictureFolder | None,
    labelled: Sequence[LabelledFrame],
) -> SyntheticFrame:
    if labelled:
        parameters = twin(labelled[seed % len(labelled)], seed, microstructure=kind, folder=folder)
    else:
        size, most = (args.size[0], args.size[1]), args.most_lines
        parameters = draw_parameters(seed, microstructure=kind, size=size, folder=folder, most_lines=most)
    return render(parameters, folder)


def save(frame: SyntheticFrame, out: Path, name: str) -> None:
    """Write a frame, its labels, masks and parameters under `out`, in whose folders `masks` and `parameters`."""
    Image.fromarray(frame.pixels.astype(np.uint8)).save(out / f"{name}.png")
    write_frame(frame.labels(f"{name}.png"), out / f"{name}.json")
    # a TIFF without a page cannot be: a frame without lines has one empty page
    masks = frame.masks() if frame.lines else np.zeros((1, *frame.pixels.shape), bool)
    pages = masks.astype(np.uint8) * 255
    tifffile.imwrite(out / "masks" / f"{name}.tif", pages, photometric="minisblack", compression="zlib", metadata=None)
    text = frame.parameters.model_dump_json(indent=1, exclude_defaults=True)
    (out / "parameters" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def contact_sheet(frames: Sequence[SyntheticFrame], *, across: int = 4, tile_px: int = 384) -> Image.Image:
    """All frames side by side, each twice: as it is, and below with its lines, each in its own colour."""
    label = 14
    sheet = Image.new("RGB", (across * tile_px, -(-len(frames) // across) * 2 * (tile_px + label)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, frame in enumerate(frames):
        height, width = frame.pixels.shape
        scale = tile_px / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = Image.fromarray(frame.pixels.astype(np.uint8)).resize(size, Image.Resampling.BILINEAR).convert("RGB")
        marked = picture.copy()
        pen = ImageDraw.Draw(marked)
        for number, line in enumerate(frame.lines):
            pen.line([((x + 0.5) * scale, (y + 0.5) * scale) for x, y in line.points], fill=colour(number), width=2)
        left, top = (index % across) * tile_px, (index // across) * 2 * (tile_px + label)
        draw.text((left + 2, top + 1), f"seed {frame.parameters.seed}, {len(frame.lines)} lines", fill="black")
        sheet.paste(picture, (left, top + label))
        sheet.paste(marked, (left, top + 2 * label + tile_px))
    return sheet


def colour(number: int) -> tuple[int, int, int]:
    """A colour for a line, unlike its neighbours'."""
    red, green, blue = colorsys.hsv_to_rgb(number * 0.382 % 1, 0.9, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _add_labels(parser: argparse.ArgumentParser, out: str) -> None:
    parser.add_argument("--labels", type=Path, required=True, help="folder of labelme JSON")
    parser.add_argument("--images", type=Path, help="folder of the frames (default: that of the labels)")
    parser.add_argument("--out", type=Path, required=True, help=out)


def add_microstructure_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate dislocation-microstructure`."""
    _add_labels(parser, "JSON to write")
    parser.add_argument("--name", required=True, help="of the microstructure")
    parser.add_argument("--like", default="M1", help="what is not measured is as here (default: M1)")


def run_microstructure(args: argparse.Namespace) -> int:
    """Measure the pile-ups of labelled frames and write their distributions; the exit code."""
    try:
        frames = read_frames(args.labels)
        found = [measure(read_file((args.images or args.labels) / frame.image).pixels, frame) for frame in frames]
        source = f"Measured on {sum(len(frame.lines) for frame in frames)} lines of {len(frames)} labelled frames."
        result = fitted(found, microstructure(args.like), name=args.name, source=source)
    except (FileNotFoundError, LabelError, EmserveError) as error:
        print(error, file=sys.stderr)
        return 2
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    print(f"{result.source} {args.out}")
    return 0


def add_background_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training generate dislocation-backgrounds`."""
    _add_labels(parser, "folder, made where it is not there")


def run_backgrounds(args: argparse.Namespace) -> int:
    """Write labelled frames without their lines, as 16-bit TIFF; the exit code."""
    try:
        frames = read_frames(args.labels)
        args.out.mkdir(parents=True, exist_ok=True)
        for number, frame in enumerate(tqdm(frames, desc="frames", unit="", disable=None)):
            pixels = read_file((args.images or args.labels) / frame.image).pixels
            clean = without_lines(pixels, frame, np.random.default_rng(number))
            high = max(float(clean.max()), 1e-9)
            # fine steps also where the frame has few grey values
            write_tiff(args.out / f"{Path(frame.image).stem}.tif", clean * (60000 / high), None)
    except (FileNotFoundError, LabelError, EmserveError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(frames)} backgrounds in {args.out}")
    return 0
