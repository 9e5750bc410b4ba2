"""`make image`: a container image of a Bento, with whatever engine there is: docker, podman or buildah.

    python -m bentos.containerise [NAME] [--engine ENGINE] [--tag REFERENCE] [--opt NAME=VALUE]…

Builds the Bento first. The image is called `NAME:version` and has the Bento's labels: `org.emserve.model.<model>` is
the model's version and the checksum of its weights.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # before bentoml is imported: it would report its use

from bentos import build
from emserve.exceptions import MissingDependency, StoreError

# What says that an engine works: for docker the daemon has to answer, too.
ENGINES = {
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
    "podman": ("podman", "info", "--format", "{{.Store.GraphRoot}}"),
    "buildah": ("buildah", "info", "--format", "{{.store.GraphRoot}}"),
}
ANSWER_S = 60.0


def engine(wanted: str | None = None) -> str:
    """The first engine that works, or the wanted one; raises MissingDependency that says why there is none."""
    reasons = {}
    for name in [wanted] if wanted else ENGINES:
        if shutil.which(name) is None:
            reasons[name] = "not installed"
            continue
        try:
            asked = subprocess.run(ENGINES[name], capture_output=True, text=True, timeout=ANSWER_S)
        except subprocess.TimeoutExpired:
            reasons[name] = f"no answer within {ANSWER_S:g} s"
            continue
        if asked.returncode == 0:
            return name
        reasons[name] = (asked.stderr.strip().splitlines() or ["it does not work"])[-1]
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise MissingDependency(
        f"No container engine works here ({told}).", remedy="Install podman or docker, or start its daemon."
    )


def containerise(name: str, backend: str, reference: str | None, options: Sequence[str]) -> str:
    """Builds the Bento and its image; returns the image's reference."""
    import bentoml

    bentofile = build.bentofiles()[name]
    tag = build.build(bentofile)
    given: dict[str, str | bool] = {}
    for option in options:
        key, _, value = option.partition("=")
        given[key.replace("-", "_")] = value or True
    reference = reference or tag
    make: Any = bentoml.container.build  # its overloads, one for each engine, do not fit a choice
    make(tag, backend=backend, image_tag=(reference,), label=bentofile.labels(), **given)
    return reference


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds an image; returns 0, 1 where it could not be built, 2 for a name that there is not."""
    parser = argparse.ArgumentParser(prog="python -m bentos.containerise", description="Build a container image.")
    known = list(build.bentofiles())
    parser.add_argument("name", metavar="NAME", nargs="?", default="emserve", choices=known, help=", ".join(known))
    parser.add_argument("--engine", choices=list(ENGINES), help="without, the first of them that works")
    parser.add_argument("--tag", metavar="REFERENCE", help="what the image is called (default: NAME:version)")
    parser.add_argument(
        "--opt", metavar="NAME=VALUE", action="append", default=[], help="passed on to the engine's build"
    )
    options = parser.parse_args(arguments)
    try:
        backend = engine(options.engine)
        reference = containerise(options.name, backend, options.tag, options.opt)
    except (MissingDependency, StoreError) as error:
        print(f"{options.name}: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{options.name}: {options.engine or 'the engine'} failed, see above ({error}).", file=sys.stderr)
        return 1
    runner = "podman" if backend == "buildah" else backend
    print(f"{reference}\nas a server: {runner} run --rm -p 3000:3000 {reference}")
    print(f'as a tool:   {runner} run --rm -v "$PWD:/data" -w /data {reference} analyse --help')
    return 0


if __name__ == "__main__":
    sys.exit(main())
