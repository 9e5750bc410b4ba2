"""What a model is judged by: simulated columns, through the pipeline that is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.atoms.preprocess import InputSpec
from emserve.results import ModelInfo
from training.__main__ import main
from training.atoms.evaluation import columns_of, evaluate_real, evaluate_simulated, held_out
from training.atoms.loop import train
from training.atoms.scoring import score_of
from training.atoms.settings import Settings
from training.atoms.synthetic import SyntheticMicrograph, draw_parameters, render
from training.atoms.targets import probability_map


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than they bring on pictures this small, most on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Oracle:
    """A network that knows the truth: it draws the true columns of one picture, whatever it is given.

    `shift_px` moves them, `left_out` of them are not drawn.
    """

    info = ModelInfo(name="oracle", family="atoms", version="1.0.0", sha256="", runtime="fake", precision="fp32")

    def __init__(self, synthetic: SyntheticMicrograph, *, shift_px: float = 0.0, left_out: int = 0) -> None:
        x, y = synthetic.x_px[left_out:] + shift_px, synthetic.y_px[left_out:]
        self.map = probability_map(x, y, synthetic.pixels.shape)

    def run(self, batch: np.ndarray) -> np.ndarray:
        assert batch.shape[-2:] == self.map.shape
        return self.map[None, None]


def test_the_truth_scores_full_marks_and_faults_cost_what_they_should() -> None:
    (synthetic,) = held_out("srtio3_100", pictures=1, size_px=256)
    truth = np.column_stack((synthetic.x_px, synthetic.y_px))
    full = score_of(truth, synthetic)
    assert (full.recall, full.precision, full.rms_pm) == (1, 1, 0)
    one_missed = score_of(truth[1:], synthetic)
    assert one_missed.recall == pytest.approx(1 - 1 / len(truth))
    strays = score_of(np.vstack((truth, truth[:5] + 80 / (1000 * synthetic.pixel_size_nm))), synthetic)
    assert strays.recall == 1
    assert strays.precision < 1


def test_columns_that_nobody_can_judge_count_neither_way() -> None:
    synthetic = next(
        micrograph
        for seed in range(100)
        for micrograph in [render(draw_parameters(seed, size=(192, 192), lattices=("srtio3_100",), quality="wide"))]
        if ((micrograph.unjudged > 0) & (micrograph.unjudged < 191)).all(axis=1).any()
    )
    truth = np.column_stack((synthetic.x_px, synthetic.y_px))
    found_too = score_of(np.vstack((truth, synthetic.unjudged)), synthetic)
    assert (found_too.recall, found_too.precision) == (1, 1)
    assert score_of(truth, synthetic).recall == 1
    labelled = {tuple(place) for place in truth.tolist()}
    assert not labelled & {tuple(place) for place in synthetic.unjudged.tolist()}


def test_the_figures_come_from_the_whole_pipeline() -> None:
    # A picture at the best pixel size is not resampled, so that the oracle's map fits. All columns of silicon are
    # alike: none is so faint that the pipeline leaves it out because the noise has made the picture dark there.
    (synthetic,) = held_out("si_110", pictures=1, size_px=512)
    spec = InputSpec(
        best_pixel_size_nm=synthetic.pixel_size_nm,
        pixel_size_range_nm=(synthetic.pixel_size_nm / 2, synthetic.pixel_size_nm * 2),
        multiple_of=8,
        halo_px=0,
        tile_px=512,
    )
    figures = evaluate_simulated(Oracle(synthetic), spec, ["si_110"], pictures=1, refine=False)
    assert figures["si_110"] == figures["all"]
    assert figures["all"]["columns"] == len(synthetic.x_px)
    assert figures["all"]["recall"] > 0.999
    assert figures["all"]["precision"] > 0.999
    assert figures["all"]["rms_pm"] < 2
    shifted = evaluate_simulated(Oracle(synthetic, shift_px=1.0), spec, ["si_110"], pictures=1, refine=False)
    assert shifted["all"]["rms_pm"] == pytest.approx(1000 * synthetic.pixel_size_nm, rel=0.1)
    fewer = evaluate_simulated(Oracle(synthetic, left_out=40), spec, ["si_110"], pictures=1, refine=False)
    assert fewer["all"]["recall"] == pytest.approx(1 - 40 / len(synthetic.x_px), abs=0.002)


def test_held_out_pictures_are_the_same_every_time() -> None:
    first, second = (next(held_out("si_110", pictures=1, size_px=96)) for _ in range(2))
    np.testing.assert_array_equal(first.pixels, second.pixels)


def test_the_command_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    train(Settings(steps=1, batch=2, size_px=64, precision="fp32"), run, workers=0, progress_bar=False)
    arguments = ["evaluate", "atoms", "--model", str(run), "--pictures", "1", "--lattices", "srtio3_100"]
    assert main([*arguments, "--quality", "usual", "--real", str(tmp_path)]) == 0
    report = json.loads((run / "evaluation.json").read_text())
    assert set(report["simulated"]["usual"]) == {"srtio3_100", "all"}
    assert report["model"]["runtime"] == "torch"
    assert report["real"] == {}
    assert "srtio3_100" in capsys.readouterr().out


def test_real_micrographs_are_judged_by_their_own_lattice(shared_data: Path) -> None:
    store = pytest.importorskip("model_store.store").Store()
    if not store.manifests("atoms"):
        pytest.skip("no model for atom columns has been exported")
    name = store.default("atoms")
    model = store.open(name, runtime="onnx", precision="fp32")
    spec = InputSpec.model_validate(store.manifest(name).input)
    reports = {report.picture.file: report for report in evaluate_real(model, spec, shared_data / "atom_columns")}
    titanate = reports["strontium_titanate.ser"]
    assert 1250 <= titanate.result.statistics.count <= 1320
    assert len(columns_of(titanate.result)) == titanate.result.statistics.count
    assert titanate.sites is not None
    assert titanate.sites.found >= 0.99
    assert titanate.sites.off_lattice <= 0.01
    assert titanate.result.statistics.nearest_neighbour_median_px == pytest.approx(28.5, abs=0.3)
    silicon = reports["silicon_110.png"]
    assert silicon.sites is not None
    assert len(silicon.sites.basis) == 2, "two columns a dumbbell"
    assert silicon.sites.found >= 0.95
