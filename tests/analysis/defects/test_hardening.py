"""The dispersed barrier model against an example worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.defects.hardening import BarrierModel, hardening, pooled_hardening
from analysis.defects.table import DefectTable

VOLUME_NM3 = 1000 * 1000 * 100  # a field of 1 µm by 1 µm, 100 nm thick
SIZES_NM = {"loop_111": [20.0] * 200, "loop_100": [30.0] * 50, "black_dot": [5.0] * 400}


def table(sizes: dict[str, list[float]], *, field_nm2: float | None = 1e6) -> DefectTable:
    names = [name for name, values in sizes.items() for _ in values]
    values = np.array([value for values in sizes.values() for value in values])
    n = len(values)
    return DefectTable(
        class_names=np.array(names, np.str_),
        boxes=np.zeros((n, 4)),
        masks=None,
        size_px=values * 2,
        size_nm=None if field_nm2 is None else values,
        heywood=np.ones(n),
        field_nm2=field_nm2,
    )


def test_an_example_worked_by_hand() -> None:
    # M α μ b = 3.06 · 0.11 · 82 000 MPa · 0.249 nm = 6872.6988 MPa nm; √(2e-6 nm⁻³ · 20 nm) = 0.00632456 nm⁻¹
    # 3.06 · 0.32 · 82 000 · 0.249 = 19993.3056; √(5e-7 · 30) = 0.00387298
    # 3.06 · 0.10 · 82 000 · 0.249 = 6247.908; √(4e-6 · 5) = 0.00447214
    # √(1889.3596 + 5995.9840 + 780.7271) = 93.0917
    found = hardening(SIZES_NM, VOLUME_NM3)
    assert found.by_class_mpa["loop_111"] == pytest.approx(43.4667, abs=1e-4)
    assert found.by_class_mpa["loop_100"] == pytest.approx(77.4337, abs=1e-4)
    assert found.by_class_mpa["black_dot"] == pytest.approx(27.9415, abs=1e-4)
    assert found.linear_mpa == pytest.approx(148.8419, abs=1e-4)
    assert found.quadrature_mpa == pytest.approx(93.0917, abs=1e-4)


def test_bins_say_what_each_size_adds() -> None:
    found = hardening({"loop_111": [11.0, 13.0, 16.0]}, VOLUME_NM3, BarrierModel(bin_nm=5))
    assert [(b.size_from_nm, b.size_to_nm, b.count, b.size_nm) for b in found.bins] == [
        (10, 15, 2, 12),
        (15, 20, 1, 16),
    ]
    assert found.bins[0].density_per_nm3 == pytest.approx(2e-8)
    assert found.bins[0].hardening_mpa == pytest.approx(6872.6988 * math.sqrt(2e-8 * 12))
    assert found.by_class_mpa["loop_111"] == pytest.approx(math.hypot(*(b.hardening_mpa for b in found.bins)))


@settings(max_examples=30)
@given(st.lists(st.floats(0.5, 80), min_size=1, max_size=30), st.floats(0.5, 40))
def test_how_finely_sizes_are_binned_does_not_matter(sizes: list[float], bin_nm: float) -> None:
    found = hardening({"loop_100": sizes}, VOLUME_NM3, BarrierModel(bin_nm=bin_nm))
    at_the_mean = BarrierModel().stress_mpa("loop_100", len(sizes) / VOLUME_NM3, float(np.mean(sizes)))
    assert found.linear_mpa == pytest.approx(at_the_mean)
    assert found.quadrature_mpa == pytest.approx(at_the_mean)


def test_constants_can_be_overridden() -> None:
    model = BarrierModel(taylor_factor=3.0, shear_modulus_gpa=80, burgers_vector_nm=0.25, strengths={"void": 0.5})
    found = hardening({"void": [10.0] * 100, "loop_111": [10.0]}, 1e7, model)
    assert found.linear_mpa == pytest.approx(3.0 * 0.5 * 80_000 * 0.25 * math.sqrt(1e-5 * 10))
    assert list(found.by_class_mpa) == ["void"]


@pytest.mark.parametrize("constant", [{"taylor_factor": 0}, {"strengths": {"void": -1}}, {"bin_nm": math.nan}])
def test_constants_without_meaning_are_refused(constant: dict) -> None:
    with pytest.raises(ValueError, match="above 0"):
        BarrierModel(**constant)


def test_thicker_foils_harden_less() -> None:
    thin, _ = pooled_hardening([table(SIZES_NM)], [100])
    thick, _ = pooled_hardening([table(SIZES_NM)], [400])
    assert thin is not None
    assert thick is not None
    assert thin.quadrature_mpa == pytest.approx(93.0917, abs=1e-4)
    assert thick.quadrature_mpa == pytest.approx(thin.quadrature_mpa / 2)


def test_pictures_are_pooled_over_their_volumes() -> None:
    pooled, notices = pooled_hardening([table(SIZES_NM), table({}, field_nm2=3e6)], [100, 100])
    single, _ = pooled_hardening([table(SIZES_NM)], [400])
    assert pooled is not None
    assert single is not None
    assert pooled.linear_mpa == pytest.approx(single.linear_mpa)
    assert notices == ()


def test_what_is_not_known_is_said() -> None:
    for picture, thickness, code in (
        (table(SIZES_NM), None, "no_hardening_without_thickness"),
        (table(SIZES_NM, field_nm2=None), 100, "no_hardening_without_pixel_size"),
    ):
        found, (notice,) = pooled_hardening([picture], [thickness])
        assert found is None
        assert notice.code == code
        assert notice.remedy


def test_a_class_without_a_strength_is_left_out_and_named() -> None:
    found, (notice,) = pooled_hardening([table(SIZES_NM | {"void": [10.0]})], [100])
    assert found is not None
    assert found.linear_mpa == pytest.approx(148.8419, abs=1e-4)
    assert "void" in notice.message


def test_no_defects_harden_by_nothing() -> None:
    found, _ = pooled_hardening([table({})], [100])
    assert found is not None
    assert (found.linear_mpa, found.quadrature_mpa, found.bins) == (0, 0, ())
