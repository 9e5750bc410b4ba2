"""The answer says what the analysis found, in the contract's words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.defects import answer
from analysis.defects.hardening import BarrierModel
from analysis.defects.pipeline import DefectsAnalysis, analyse
from analysis.defects.preprocess import InputSpec
from analysis.masks import decode
from analysis.micrograph import Micrograph
from emserve.results import DefectsResult, ModelInfo

SPEC = InputSpec(classes=("loop_111", "loop_100", "black_dot", "void"), grey_levels="as_is", score=0.3)
HEIGHT, WIDTH = 120, 160
BOXES = [(10, 20, 60, 40), (90, 0, 130, 80), (20, 90, 30, 100), (120, 90, 140, 110)]
SCORES = [0.9, 0.8, 0.7, 0.6]


class Discs:
    """Answers with one ellipse of each class that fills its box."""

    info = ModelInfo(name="discs", family="defects", version="2.1.0", sha256="0" * 64, runtime="fake", precision="fp32")

    def __init__(self, count: int = 4) -> None:
        self.count = count

    def run_named(self, inputs: object) -> dict[str, np.ndarray]:
        at = (np.arange(28) + 0.5) / 14 - 1
        disc = (at[:, None] ** 2 + at**2 <= 1).astype(np.float32)
        n = self.count
        return {
            "boxes": np.array(BOXES[:n], np.float32).reshape(-1, 4),
            "scores": np.array(SCORES[:n], np.float32),
            "classes": np.arange(n),
            "masks": np.tile(disc, (n, 1, 1)),
        }


def micrograph(pixel_size_nm: tuple[float, float] | None = (0.5, 0.5)) -> Micrograph:
    pixels = np.full((HEIGHT, WIDTH), 100, np.float32)
    return Micrograph(pixels, *pixel_size_nm, "argument") if pixel_size_nm else Micrograph(pixels)


def answered(picture: Micrograph, found: DefectsAnalysis) -> DefectsResult:
    made = answer.result(picture, found, request_id="r")
    assert DefectsResult.from_json(made.to_json()) == made
    return made


def test_head_and_parameters() -> None:
    picture = micrograph()
    barriers = BarrierModel(taylor_factor=3.0, strengths={"loop_111": 0.2})
    made = answered(picture, analyse(picture, Discs(), SPEC, score=0.4, thickness_nm=80, barriers=barriers))
    assert (made.request_id, made.model.name, made.micrograph.width_px) == ("r", "discs", WIDTH)
    p = made.parameters
    assert (p.score, p.thickness_nm, p.taylor_factor, p.shear_modulus_gpa) == (0.4, 80, 3.0, 82)
    assert p.barrier_strengths == {"loop_111": 0.2}
    assert (p.scale_x, p.scale_y, p.tiles) == (1, 1, 1)
    assert [notice.code for notice in made.warnings] == ["no_barrier_strength"] * 3
    assert made.statistics.hardening is not None
    assert list(made.statistics.hardening.by_class_mpa) == ["loop_111"]


@pytest.mark.parametrize("pixel_size_nm", [(0.5, 0.5), (0.5, 0.25), None])
def test_every_figure_is_that_of_the_analysis(pixel_size_nm: tuple[float, float] | None) -> None:
    picture = micrograph(pixel_size_nm)
    found = analyse(picture, Discs(), SPEC, thickness_nm=80)
    made = answered(picture, found)
    assert [defect.class_name for defect in made.defects] == list(SPEC.classes)
    for defect, instance in zip(made.defects, found.instances, strict=True):
        for name in type(defect).model_fields:
            if name in vars(instance.shape):
                assert getattr(defect, name) == pytest.approx(getattr(instance.shape, name), abs=1e-4)
            elif name in ("class_name", "score", "size_px", "size_nm", "touches_edge"):
                assert getattr(defect, name) == pytest.approx(getattr(instance, name), abs=1e-4)
        assert (defect.left_px, defect.top_px, defect.right_px, defect.bottom_px) == pytest.approx(instance.box)
        np.testing.assert_array_equal(defect.mask.decode(), decode(instance.mask))
        if pixel_size_nm:
            assert defect.x_nm == pytest.approx(defect.x_px * pixel_size_nm[0], abs=1e-4)
            assert defect.y_nm == pytest.approx(defect.y_px * pixel_size_nm[1], abs=1e-4)
            assert defect.area_nm2 == pytest.approx(defect.area_px * pixel_size_nm[0] * pixel_size_nm[1])
        else:
            in_nm = [name for name in type(defect).model_fields if name.endswith(("_nm", "_nm2"))]
            assert {getattr(defect, name) for name in in_nm} == {None}
    assert [defect.touches_edge for defect in made.defects] == [False, True, False, False]


def test_statistics_of_every_class_and_of_all() -> None:
    picture = micrograph()
    made = answered(picture, analyse(picture, Discs(3), SPEC, thickness_nm=80))
    s = made.statistics
    assert s.field_of_view_nm2 == WIDTH * HEIGHT * 0.25
    assert [row.class_name for row in s.classes] == list(SPEC.classes)
    assert [row.count for row in s.classes] == [1, 1, 1, 0]
    assert (s.count, s.all.count, s.all.class_name) == (3, 3, None)
    assert s.all.density_per_nm2 == pytest.approx(3 / s.field_of_view_nm2)
    assert s.all.size_nm is not None
    assert s.all.size_nm.mean == pytest.approx(np.mean([defect.size_nm for defect in made.defects]))
    assert s.classes[-1].size_nm is None
    assert s.classes[-1].density_per_nm2 == 0
    h = s.hardening
    assert h is not None
    assert h.linear_mpa == pytest.approx(sum(h.by_class_mpa.values()))
    assert h.quadrature_mpa == pytest.approx(sum(v**2 for v in h.by_class_mpa.values()) ** 0.5)
    assert [(row.class_name, row.count) for row in h.bins] == [("black_dot", 1), ("loop_100", 1), ("loop_111", 1)]


def test_nothing_found_is_an_answer() -> None:
    picture = micrograph()
    made = answered(picture, analyse(picture, Discs(0), SPEC, thickness_nm=80))
    assert (made.defects, made.statistics.count, made.statistics.all.size_nm) == ([], 0, None)
    assert made.statistics.hardening is not None
    assert made.statistics.hardening.by_class_mpa == {"loop_111": 0, "loop_100": 0, "black_dot": 0}


def test_what_is_not_known_is_null() -> None:
    picture = micrograph(None)
    made = json.loads(answered(picture, analyse(picture, Discs(), SPEC)).to_json())
    s = made["statistics"]
    assert (s["hardening"], s["field_of_view_nm2"], s["all"]["density_per_nm2"]) == (None, None, None)
    assert s["all"]["size_nm"] is None
    assert s["all"]["size_px"]["count"] == 4
