"""The whole way, with filters in the place of a network."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial import cKDTree

from analysis.atoms.metrics import score
from analysis.atoms.pipeline import analyse
from analysis.micrograph import Micrograph, read_file
from emserve.exceptions import InternalError, InvalidParameter
from emserve.results import AtomsResult, Notice
from tests.analysis.atoms.synthetic_columns import BlobNetwork, draw, lattice

PIXEL_SIZE_NM = 0.0125
A, B = (24.1, 6.3), (-6.3, 24.1)


def picture(shape=(260, 340), noise=0.05, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """A square lattice in a noisy picture, and its columns."""
    xy = lattice(shape, A, B, margin=9)
    pixels = draw(shape, lattice(shape, A, B, margin=-20), 4.5) + np.random.default_rng(seed).normal(0, noise, shape)
    return (pixels * 3000 + 500).astype(np.float32), xy


def micrograph(pixels, size=(PIXEL_SIZE_NM, PIXEL_SIZE_NM), source="argument", **more) -> Micrograph:
    return Micrograph(pixels, *size, source, **more)


def positions(result: AtomsResult) -> np.ndarray:
    return np.array([(column.x_px, column.y_px) for column in result.columns]).reshape(-1, 2)


@pytest.mark.parametrize("postprocess", ["log", "otsu"])
def test_columns_with_their_figures(network, spec, postprocess):
    pixels, xy = picture()
    result = analyse(
        micrograph(pixels), network, spec, request_id="one", threshold=0.3, postprocess=postprocess, refine=True
    )
    found = score(positions(result), xy, pixel_size_pm=12.5, shape=pixels.shape, border_pm=200)
    assert (found.recall, found.precision) == (1, 1)
    assert found.rms_pm < 2
    inner = [c for c in result.columns if 30 < c.x_px < 310 and 30 < c.y_px < 230]
    assert all(c.refined for c in inner)
    assert np.median([c.intensity for c in inner]) == pytest.approx(3000, rel=0.05)
    assert np.median([c.background for c in inner]) == pytest.approx(500, rel=0.1)
    assert np.median([c.sigma_major_px for c in inner]) == pytest.approx(4.5, rel=0.05)
    assert np.median([c.fit_quality for c in inner]) > 0.9
    assert all(c.x_nm == pytest.approx(c.x_px * PIXEL_SIZE_NM, abs=2e-6) for c in result.columns)
    assert result.statistics.count == len(result.columns)
    assert result.statistics.lattice is not None
    assert result.statistics.lattice.a.length_pm == pytest.approx(np.hypot(*A) * 12.5, rel=0.005)
    assert (result.request_id, result.model, result.warnings) == ("one", network.info, [])
    assert result.parameters.postprocess == postprocess
    assert result.parameters.threshold == 0.3
    assert result.parameters.scale_x == pytest.approx(0.0125 / 0.016, rel=0.01)
    assert AtomsResult.model_validate_json(result.model_dump_json()) == result


def test_without_the_fit_positions_are_the_networks(network, spec):
    pixels, xy = picture()
    result = analyse(micrograph(pixels), network, spec, request_id="r", threshold=0.3, refine=False)
    assert score(positions(result), xy, pixel_size_pm=12.5, shape=pixels.shape, border_pm=200).recall == 1
    for column in result.columns:
        assert not column.refined
        assert column.intensity is column.background is column.sigma_major_px is column.fit_quality is None


def test_columns_come_in_reading_order(network, spec):
    result = analyse(micrograph(picture()[0]), network, spec, request_id="r", threshold=0.3)
    xy = positions(result)
    strip = np.median(cKDTree(xy).query(xy, k=2)[0][:, 1]) / 2
    rows = np.floor(xy[:, 1] / strip)
    assert (np.diff(rows) >= 0).all()
    assert (np.diff(xy[:, 0])[np.diff(rows) == 0] > 0).all()


def test_without_a_pixel_size(network, spec):
    pixels, xy = picture()
    result = analyse(micrograph(pixels, (None, None), "none"), network, spec, request_id="r", threshold=0.3)
    assert score(positions(result), xy, pixel_size_pm=12.5, shape=pixels.shape, border_pm=200).recall == 1
    assert {notice.code for notice in result.warnings} == {"scale_estimated", "pixel_size_unknown"}
    assert all("pixel_size_nm" in notice.remedy for notice in result.warnings)
    assert result.columns[0].x_nm is None
    assert result.statistics.density_per_nm2 is result.statistics.nearest_neighbour_mean_pm is None
    assert result.statistics.lattice is not None
    assert result.statistics.lattice.a.length_pm is None


def test_non_square_pixels_give_the_same_crystal(network, spec):
    square, xy = picture((300, 300))
    thin = square.reshape(150, 2, 300).mean(axis=1)  # y is binned by two
    result = analyse(micrograph(thin, (0.0125, 0.025)), network, spec, request_id="r", threshold=0.3)
    true = (xy + 0.5) / (1, 2) - 0.5
    found = score(positions(result), true, pixel_size_pm=(12.5, 25), shape=thin.shape, border_pm=250)
    assert (found.recall, found.precision) == (1, 1)
    assert found.rms_pm < 3
    assert result.statistics.lattice is not None
    assert result.statistics.lattice.gamma_deg == pytest.approx(90, abs=0.5)


def test_tiled_equals_untiled(network, spec):
    """The same columns wherever the seams are, and none twice."""
    pixels, _ = picture((610, 730))
    whole = analyse(
        micrograph(pixels), network, spec.model_copy(update={"tile_px": 2000}), request_id="r", threshold=0.3
    )
    for tile_px in (96, 200, 256):
        tiled = analyse(
            micrograph(pixels), network, spec.model_copy(update={"tile_px": tile_px}), request_id="r", threshold=0.3
        )
        np.testing.assert_allclose(positions(tiled), positions(whole), atol=1e-3)


def test_vacancies_are_not_filled(network, spec):
    shape = (260, 340)
    xy = lattice(shape, A, B, margin=20)
    gone = np.arange(len(xy)) % 11 == 5
    pixels = draw(shape, xy[~gone], 4.5) + np.random.default_rng(0).normal(0, 0.05, shape)
    result = analyse(micrograph(pixels.astype(np.float32)), network, spec, request_id="r", threshold=0.3)
    found = score(positions(result), xy[~gone], pixel_size_pm=12.5)
    assert (found.recall, found.precision) == (1, 1)


def test_columns_outside_the_picture_are_left_out(spec):
    """A column cut by the border counts where its centre is in the picture, and not where only its flank is."""
    true = np.array([[0.3, 20.2], [-0.4, 40.0], [60.4, 59.7], [79.7, 20.0], [78.9, 60.0], [40.0, -0.3], [40.0, 0.1]])

    class Oracle(BlobNetwork):
        def run(self, batch):
            return np.clip(draw(batch.shape[2:], true, 1.5), 0, 1)[None, None].astype(np.float32)

    noise = np.random.default_rng(0).normal(0, 0.02, (80, 80))
    pixels = (draw((80, 80), true, 3.5) + noise).astype(np.float32)
    result = analyse(micrograph(pixels, (0.016, 0.016)), Oracle(), spec, request_id="r", refine=False)
    found = positions(result)
    assert ((found >= 0) & (found <= 79)).all()
    assert score(found, true[[0, 2, 4]], pixel_size_pm=16).recall == 1
    assert len(found) <= 4  # of the two at the top, which are one column, at most one


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), -0.1, 0.0, 1.0, 7, True, "0.5"])
def test_a_wrong_threshold_is_refused(network, spec, threshold):
    with pytest.raises(InvalidParameter) as caught:
        analyse(micrograph(picture()[0]), network, spec, request_id="r", threshold=threshold)
    assert caught.value.field == "threshold"
    assert caught.value.remedy


def test_an_unknown_postprocess_is_refused_with_the_known_ones(network, spec):
    with pytest.raises(InvalidParameter, match="'log' or 'otsu'") as caught:
        analyse(micrograph(picture()[0]), network, spec, request_id="r", postprocess="median")
    assert caught.value.field == "postprocess"


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 2), (9, 40)])
def test_pictures_too_small_for_columns(network, spec, shape):
    pixels = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    result = analyse(micrograph(pixels), network, spec, request_id="r")
    few = next(notice.message for notice in result.warnings if notice.code == "few_columns")
    count = len(result.columns)
    assert few.startswith({0: "No atom columns", 1: "Only 1 atom column was"}.get(count, f"Only {count} atom columns"))


@pytest.mark.parametrize("value", [0.0, 1e37, 1e-40])
def test_extreme_values(network, spec, value):
    pixels = np.zeros((120, 120), np.float32)
    pixels[::20, ::20] = value
    assert isinstance(analyse(micrograph(pixels), network, spec, request_id="r"), AtomsResult)


def test_a_wrong_pixel_size_is_noticed(network, spec):
    pixels, _ = picture()
    result = analyse(
        micrograph(pixels, (0.002, 0.002), "file", notices=(Notice(code="reading", message="m", remedy="r"),)),
        network,
        spec.model_copy(update={"best_pixel_size_nm": 0.002, "pixel_size_range_nm": (0.001, 0.03)}),
        request_id="r",
        threshold=0.3,
    )
    assert [notice.code for notice in result.warnings] == ["reading", "pixel_size_doubtful"]
    assert "less than in any crystal" in result.warnings[1].message


def test_a_pixel_size_much_too_large_is_noticed(network, spec):
    result = analyse(
        micrograph(picture()[0], (0.06, 0.06), "file"),
        network,
        spec.model_copy(update={"best_pixel_size_nm": 0.06, "pixel_size_range_nm": (0.001, 0.06)}),
        request_id="r",
        threshold=0.3,
    )
    assert [notice.code for notice in result.warnings] == ["pixel_size_doubtful"]
    assert "more than in nearly all crystals" in result.warnings[0].message


def test_a_network_that_answers_nonsense(spec):
    class Broken(BlobNetwork):
        def run(self, batch):
            return np.full_like(batch, np.nan)

    with pytest.raises(InternalError):
        analyse(micrograph(picture()[0]), Broken(), spec, request_id="r")


def test_real_micrograph_of_strontium_titanate(network, spec, shared_data):
    """Even filters find the lattice; the trained model's figures are tested with the model."""
    pytest.importorskip("rsciio")
    file = read_file(shared_data / "atom_columns" / "strontium_titanate.ser")
    result = analyse(file, network, spec, request_id="r", threshold=0.25)
    assert result.statistics.lattice is not None
    assert result.statistics.lattice.a.length_pm == pytest.approx(276 * 1.034, rel=0.03)
    assert result.statistics.lattice.gamma_deg == pytest.approx(90, abs=2)


MEMORY = """
import resource, sys
import numpy as np
from analysis.atoms.pipeline import analyse
from analysis.atoms.preprocess import InputSpec
from analysis.micrograph import Micrograph
from tests.analysis.atoms.synthetic_columns import BlobNetwork, draw, lattice

xy = lattice((512, 512), (32, 0), (0, 32), basis=((0.5, 0.5),), margin=-30)
tile = draw((512, 512), xy, 3.3)
pixels = np.tile(tile, (8, 8)).astype(np.float32)
pixels += np.random.default_rng(0).normal(0, 0.05, pixels.shape).astype(np.float32)
spec = InputSpec(best_pixel_size_nm=0.016, pixel_size_range_nm=(0.01, 0.026), multiple_of=8, halo_px=24, tile_px=512)
result = analyse(Micrograph(pixels, 0.016, 0.016, "file"), BlobNetwork(), spec, request_id="r", threshold=0.3)
print(len(result.columns), sum(c.refined for c in result.columns), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_on_a_large_picture(root):
    """4096², 16,000 columns: Python, the libraries, the picture and everything that is made of it."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY],
        cwd=root,
        env={"PYTHONPATH": f"{root}:{root / 'clients'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    columns, refined, peak_kib = json.loads("[" + ",".join(run.stdout.split()) + "]")
    assert columns == 128**2
    assert refined > 0.99 * columns
    assert peak_kib / 1024 < 1000
