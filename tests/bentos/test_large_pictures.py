"""A picture of 4096² through the whole service, in a process of its own so that its memory can be told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SIDE_PX, PITCH_PX, DIAMETER_PX = 4096, 64, 24
LIMIT_MIB = 1500

ASK = f"""
import io, json, resource
from threading import Event
import numpy as np
from bentos import defects
from bentos.models import Models
from bentos.parameters import DefectsForm

y, x = np.mgrid[:{PITCH_PX}, :{PITCH_PX}] - ({PITCH_PX} - 1) / 2
disc = np.where(np.hypot(x, y) < {DIAMETER_PX} / 2, 20, 200)
pixels = np.tile(disc, ({SIDE_PX} // {PITCH_PX},) * 2) + np.random.default_rng(0).normal(0, 5, ({SIDE_PX}, {SIDE_PX}))
stream = io.BytesIO()
np.save(stream, pixels.astype(np.float32))
del pixels
form = DefectsForm(pixel_size_nm=0.5, thickness_nm=100)
result = defects.FAMILY.answer(
    stream.getvalue(), form, Models(), max_pixels=64_000_000, request_id="r", gone=Event()
)
text = result.model_dump_json()
places = [(int(d.x_px) // {PITCH_PX}, int(d.y_px) // {PITCH_PX}) for d in result.defects]
sizes = [d.size_px for d in result.defects]
print(json.dumps({{
    "tiles": result.parameters.tiles,
    "count": len(places),
    "places": len(set(places)),
    "smallest": min(sizes),
    "largest": max(sizes),
    "characters": len(text),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}}))
"""


def ask(root: Path, **settings: str) -> dict[str, Any]:
    """What a process of its own says of the picture and of its memory."""
    run = subprocess.run(
        [sys.executable, "-c", ASK],
        cwd=root,
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": f"{root}:{root / 'clients'}",
            "OMP_NUM_THREADS": "1",
            **settings,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def test_4096_squared_in_tiles_in_little_memory(root: Path, dark_store: Path) -> None:
    """4,096 defects, each found once though tiles overlap, from the file's bytes to the JSON."""
    found = ask(root, EMSERVE_STORE=str(dark_store), EMSERVE_RUNTIME="fake")
    assert found["tiles"] > 64
    assert found["count"] == found["places"] == (SIDE_PX // PITCH_PX) ** 2
    assert found["largest"] - found["smallest"] < 4, "none is cut by a seam"
    assert found["characters"] > 1_000_000
    assert found["peak_mib"] < LIMIT_MIB


def test_4096_squared_in_the_network_that_ships(root: Path) -> None:
    """The same picture in the default model and its default runtime: what a user's own machine needs."""
    found = ask(root)
    assert found["tiles"] > 4
    assert found["count"] > 1000
    assert found["peak_mib"] < LIMIT_MIB
