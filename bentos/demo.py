"""The whole way once: start the service, send micrographs through the client, write the answers, stop the service.

`make demo` runs this for every family that the store has a model of, on the models' own samples; `make demo
MICROGRAPH=path FAMILY=defects` sends a file of one's own.
"""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import emserve
from emserve import cli
from emserve.cli.outputs import jobs
from emserve.exceptions import EmserveError, Unavailable
from model_store.store import Store

ROOT = Path(__file__).parents[1]
START_LIMIT_S = 120.0
TITLES = {"atoms": "Atom columns", "defects": "Irradiation defects", "dislocations": "Dislocation lines"}
NAMES = tuple(TITLES)
SAMPLE_THICKNESS_NM = "100"


def main(argv: list[str] | None = None) -> int:
    """Run the demo; returns the exit code of `emserve` (0 all answered, 1 some failed)."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("micrographs", nargs="*", type=Path, help="files of your own; without, the store's samples")
    parser.add_argument("--family", choices=NAMES, help="what to find; of your own files atoms, unless it is given")
    parser.add_argument("--pixel-size-nm", help="pixel size of the files, where they do not carry it")
    parser.add_argument("--thickness-nm", help="thickness of the foil, for the hardening by defects")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder that the answers go to")
    arguments = parser.parse_args(argv)

    missing = [path for path in arguments.micrographs if not path.is_file()]
    if missing:
        print(f"There is no file {missing[0]}. Give a path: make demo MICROGRAPH=path/to/file.dm4", file=sys.stderr)
        return 2
    out: Path = arguments.out
    try:
        store = Store()
        wanted = [arguments.family] if arguments.family else NAMES[:1] if arguments.micrographs else NAMES
        for family in wanted:
            if not store.manifests(family):
                print(f"There is no {family} model in {store.root}: nothing is shown of {family}.", file=sys.stderr)
        found = {family: arguments.micrographs or samples(store, family) for family in wanted}
        pictures = {family: files for family, files in found.items() if files and store.manifests(family)}
        if not pictures:
            return 1
        code = 0
        with service() as url:
            for family, files in pictures.items():
                options = ["--url", url, *_outputs(family, out), *_parameters(family, arguments)]
                print(f"\n{TITLES[family]}: emserve {family} {' '.join(file.name for file in files)}")
                code = max(code, cli.main([family, *map(str, files), *options]))
    except EmserveError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    if code == 0:
        say_what_next(out, pictures)
    return code


def samples(store: Store, family: str) -> list[Path]:
    """The sample micrographs of the default model of a family; none where there is no model."""
    models = store.manifests(family)
    defaults = [manifest for manifest in models if manifest.default or len(models) == 1]
    return [store.folder(manifest.name) / path for manifest in defaults for path in manifest.sample.micrographs]


def _outputs(family: str, out: Path) -> list[str]:
    """A folder for each family, as their samples may have the same names."""
    folder = out / family
    options = ["--csv", f"{folder}/", "--json", f"{folder}/", "--overlay", f"{folder}/"]
    return [*options, "--summary", str(folder / "summary.csv")] if family == "defects" else options


def _parameters(family: str, arguments: argparse.Namespace) -> list[str]:
    options = ["--pixel-size-nm", arguments.pixel_size_nm] if arguments.pixel_size_nm else []
    thickness_nm = arguments.thickness_nm
    if family == "defects" and not thickness_nm and not arguments.micrographs:
        thickness_nm = SAMPLE_THICKNESS_NM
        print(f"\nThe hardening is that of foils of {thickness_nm} nm.")
    return [*options, "--thickness-nm", thickness_nm] if family == "defects" and thickness_nm else options


@contextmanager
def service() -> Iterator[str]:
    """A real `bentoml serve` of this repository on a free port of this machine; yields its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        command = [str(Path(sys.executable).with_name("bentoml")), "serve", "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"BENTOML_DO_NOT_TRACK": "True"}
        )
        try:
            wait_until_ready(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Show the seconds while the service starts; raises Unavailable with the end of its log if it does not."""
    begin = time.monotonic()
    with emserve.Client(url) as client:
        while True:
            waited = time.monotonic() - begin
            if client.ready():
                break
            if process.poll() is not None or waited > START_LIMIT_S:
                log.seek(0)
                tail = log.read().decode(errors="replace")[-3000:]
                raise Unavailable(
                    f"The service did not start:\n{tail}", remedy="Try `make serve` to see all of its log."
                )
            if sys.stderr.isatty():
                print(f"\rStarting the service … {waited:.0f} s", end="", file=sys.stderr, flush=True)
            time.sleep(0.25)
    print(f"\rThe service runs on {url} (started in {time.monotonic() - begin:.1f} s)", file=sys.stderr)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say_what_next(out: Path, pictures: dict[str, list[Path]]) -> None:
    """Name what was written and what to type next."""
    written = [str(out / family / f"{job.stem}.png") for family, files in pictures.items() for job in jobs(files)]
    commands = []
    for family, files in pictures.items():
        micrograph = files[0].relative_to(Path.cwd()) if files[0].is_relative_to(Path.cwd()) else files[0]
        commands.append(
            f"  .venv/bin/emserve {family} {shlex.quote(str(micrograph))} --csv {family}.csv --overlay {family}.png"
        )
    print(
        f"""
Look at {", ".join(written)}; tables (.csv) and full answers (.json) are next to them.

Next:
  make demo MICROGRAPH=path/to/your/file.dm4      your own picture (PIXEL_SIZE_NM=0.01 if the file does not say;
                                                  FAMILY=defects THICKNESS_NM=100 for defects,
                                                  FAMILY=dislocations for lines)
  make serve                                      keep the service running on http://127.0.0.1:3000, and then"""
    )
    print("\n".join(commands))


if __name__ == "__main__":
    sys.exit(main())
