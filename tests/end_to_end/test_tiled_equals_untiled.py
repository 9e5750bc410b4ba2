"""The shipped model answers a large picture in tiles as it answers it in one piece."""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from analysis.atoms import pipeline
from analysis.atoms.preprocess import InputSpec
from analysis.micrograph import Micrograph
from model_store.store import Store
from training.atoms.synthetic import draw_parameters, render

SIDE_PX = 4096


def test_same_columns_none_doubled() -> None:
    store = Store()
    model = store.open(store.default("atoms"), precision="fp32")
    spec = InputSpec.model_validate(model.manifest.input)
    made = render(draw_parameters(77, size=(SIDE_PX, SIDE_PX), lattices=("si_110",), pixel_size_nm=0.016))
    micrograph = Micrograph(
        pixels=made.pixels, pixel_size_x_nm=0.016, pixel_size_y_nm=0.016, pixel_size_source="argument"
    )

    def columns(tile_px: int) -> np.ndarray:
        with_tiles = spec.model_copy(update={"tile_px": tile_px})
        return pipeline.analyse(micrograph, model, with_tiles, request_id="test").positions_px

    whole, tiled = columns(4240), columns(1024)
    assert len(whole) == len(tiled) > 50_000
    assert KDTree(whole).query(tiled)[0].max() < 0.05
    assert KDTree(tiled).query(tiled, k=2)[0][:, 1].min() > 3
