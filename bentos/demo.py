"""The whole way once: start the service, send micrographs through the client, write the answers, stop the service.

`make demo` runs this; `make demo MICROGRAPH=path` sends a file of one's own instead of the samples of the store.
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


def main(argv: list[str] | None = None) -> int:
    """Run the demo; returns the exit code of `emserve atoms` (0 all answered, 1 some failed)."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("micrographs", nargs="*", type=Path, help="files of your own; without, the store's samples")
    parser.add_argument("--pixel-size-nm", help="pixel size of the files, where they do not carry it")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder that the answers go to")
    arguments = parser.parse_args(argv)

    missing = [path for path in arguments.micrographs if not path.is_file()]
    if missing:
        print(f"There is no file {missing[0]}. Give a path: make demo MICROGRAPH=path/to/file.dm4", file=sys.stderr)
        return 2
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    try:
        micrographs = arguments.micrographs or samples(Store())
        with service() as url:
            options = ["--url", url, "--csv", f"{out}/", "--json", f"{out}/", "--overlay", f"{out}/"]
            if arguments.pixel_size_nm:
                options += ["--pixel-size-nm", arguments.pixel_size_nm]
            code = cli.main(["atoms", *map(str, micrographs), *options])
    except EmserveError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    if code == 0:
        say_what_next(out, micrographs)
    return code


def samples(store: Store) -> list[Path]:
    """The sample micrographs of the default model of every family."""
    defaults = [manifest for manifest in store.manifests() if manifest.default]
    return [store.folder(manifest.name) / path for manifest in defaults for path in manifest.sample.micrographs]


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


def say_what_next(out: Path, micrographs: list[Path]) -> None:
    """Name what was written and what to type next."""
    written = ", ".join(str(out / f"{job.stem}.png") for job in jobs(micrographs))
    micrograph = micrographs[0]
    if micrograph.is_relative_to(Path.cwd()):
        micrograph = micrograph.relative_to(Path.cwd())
    print(
        f"""
Look at {written}; tables (.csv) and full answers (.json) are next to them.

Next:
  make demo MICROGRAPH=path/to/your/file.dm4      your own picture (PIXEL_SIZE_NM=0.01 if the file does not say)
  make serve                                      keep the service running on http://127.0.0.1:3000, and then
  .venv/bin/emserve atoms {shlex.quote(str(micrograph))} --csv columns.csv --overlay overlay.png"""
    )


if __name__ == "__main__":
    sys.exit(main())
