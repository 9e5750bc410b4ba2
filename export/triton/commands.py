"""`python -m export triton`: writes or checks what Triton needs to serve the store."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emserve.exceptions import EmserveError
from export.triton.configuration import DEVICES, Choices, configuration, text
from export.triton.validation import problems
from model_store.store import MODELS, Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = __doc__
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names of models; all of the store if there is none")
    parser.add_argument("--store", type=Path, default=MODELS, help="folder with one folder per model")
    parser.add_argument("--torchscript", action="store_true", help="serve model.pt with libtorch instead of ONNX")
    parser.add_argument("--instances", type=_positive, default=1, help="copies of each network that work at once")
    parser.add_argument("--threads", type=_positive, help="processors of each copy on a CPU; set it in a container")
    parser.add_argument("--cache", action="store_true", help="keep answers for pictures that are sent again")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something would change")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the configurations and says what Triton would refuse; the exit code is 1 if it would refuse anything."""
    choices = Choices(
        weights="torchscript" if options.torchscript else "onnx",
        instances=options.instances,
        threads=options.threads,
        cache=options.cache,
    )
    faults = 0
    try:
        store = Store(options.store)
        for name in options.models or [manifest.name for manifest in store.manifests()]:
            for path in write(store, name, choices, check=options.check):
                print(f"{path}: {'is not what the manifest says' if options.check else 'written'}")
                faults += options.check
            for device in DEVICES.values():
                for problem in problems(store.folder(name), device.file):
                    print(f"{name}/{device.file}: {problem}", file=sys.stderr)
                    faults += 1
    except EmserveError as error:
        print(error, file=sys.stderr)
        return 1
    return int(faults > 0)


def write(store: Store, name: str, choices: Choices, *, check: bool = False) -> list[Path]:
    """Writes the configurations of a model; returns those that changed, or with `check` would change."""
    folder = store.folder(name)
    changed = []
    for device in DEVICES.values():
        wanted = text(configuration(store.manifest(name), folder, device, choices))
        path = folder / device.file
        if not path.is_file() or path.read_text(encoding="utf-8") != wanted:
            changed.append(path)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(wanted, encoding="utf-8")
    return changed


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError
    return number
