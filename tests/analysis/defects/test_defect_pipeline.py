"""From a micrograph to its defects, with a network that knows the answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from analysis.defects.hardening import BarrierModel
from analysis.defects.instances import Instance
from analysis.defects.pipeline import analyse
from analysis.defects.preprocess import InputSpec, grey_levels, prepare
from analysis.masks import encode
from analysis.micrograph import Micrograph
from analysis.overlaps import iou
from emserve.exceptions import InternalError, InvalidParameter
from emserve.results import ModelInfo

SPEC = InputSpec(classes=("loop_111", "black_dot"), grey_levels="as_is")
CELLS = 28


class ThresholdNetwork:
    """A stand-in for a Mask R-CNN: whatever is dark is a defect; what is wider than 12 px is a loop."""

    info = ModelInfo(name="fake", family="defects", version="0", sha256="", runtime="fake", precision="fp32")

    def __init__(self, level: float = 100) -> None:
        self.level = level
        self.shapes: list[tuple[int, ...]] = []

    def run_named(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        image = inputs["image"]
        self.shapes.append(image.shape)
        pieces, count = ndimage.label(image[0] < self.level)
        found = ndimage.find_objects(pieces)
        boxes = np.array([(x.start, y.start, x.stop, y.stop) for y, x in found], np.float32).reshape(-1, 4)
        at = (np.arange(CELLS) + 0.5) / CELLS
        masks = np.zeros((count, CELLS, CELLS), np.float32)
        for k, (y, x) in enumerate(found):
            rows = y.start + at * (y.stop - y.start) - 0.5
            columns = x.start + at * (x.stop - x.start) - 0.5
            grid = np.meshgrid(rows, columns, indexing="ij")
            masks[k] = ndimage.map_coordinates((pieces == k + 1).astype(np.float32), np.array(grid), order=1)
        classes = (boxes[:, 2] - boxes[:, 0] < 12).astype(np.int64)
        scores = np.linspace(0.95, 0.6, count, dtype=np.float32)
        return {"boxes": boxes, "scores": scores, "classes": classes, "masks": masks}


def cell(instance: Instance) -> tuple[int, int]:
    """The cell of 80 px that an instance lies in."""
    return (int(instance.shape.y_px - 20) // 80, int(instance.shape.x_px - 20) // 80)


def picture(height: int, width: int, defects: list[tuple[float, float, float, float]]) -> np.ndarray:
    """Dark ellipses (x, y, width, height) on a bright ground."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.full((height, width), 200, np.float32)
    for x, y, w, h in defects:
        pixels[(2 * (columns - x) / w) ** 2 + (2 * (rows - y) / h) ** 2 <= 1] = 50
    return pixels


DEFECTS = [(60.0, 50.0, 40.0, 20.0), (150.2, 90.4, 9.0, 9.0), (200.0, 30.0, 30.0, 30.0)]


def test_sizes_densities_and_hardening_of_a_micrograph() -> None:
    micrograph = Micrograph(picture(128, 256, DEFECTS), 0.5, 0.5, "argument")
    found = analyse(micrograph, ThresholdNetwork(), SPEC, thickness_nm=100)
    dot, small, large = sorted(found.instances, key=lambda instance: instance.size_px)
    assert (dot.class_name, small.class_name, large.class_name) == ("black_dot", "loop_111", "loop_111")
    assert [dot.size_nm, small.size_nm, large.size_nm] == pytest.approx([4.5, 15, 20], rel=0.03)
    loops, dots, everything = found.statistics
    field = 128 * 256 * 0.25
    assert (loops.class_name, loops.density_per_nm2) == ("loop_111", pytest.approx(2 / field))
    assert dots.density_per_nm2 == pytest.approx(1 / field)
    assert everything.count == 3
    assert found.hardening is not None
    assert found.hardening.by_class_mpa["loop_111"] == pytest.approx(
        BarrierModel().stress_mpa("loop_111", 2 / (field * 100), loops.size_nm.mean if loops.size_nm else 0)
    )
    assert found.notices == ()
    assert found.tiles == 1


def test_masks_are_the_dark_pixels() -> None:
    pixels = picture(128, 256, DEFECTS)
    found = analyse(Micrograph(pixels), ThresholdNetwork(), SPEC)
    truth, _ = ndimage.label(pixels < 100)
    for instance in found.instances:
        label = truth[round(instance.shape.y_px), round(instance.shape.x_px)]
        assert label > 0
        assert iou(instance.mask, encode(truth == label)) > 0.95


def test_bars_and_margins_are_no_part_of_the_micrograph(rng: np.random.Generator) -> None:
    pixels = picture(128, 256, DEFECTS) + rng.normal(0, 8, (128, 256)).astype(np.float32)
    framed = np.full((190, 300), 255, np.float32)
    framed[10:138, 24:280] = pixels
    framed[150:160, 40:90] = 0  # letters
    alone, found = (
        analyse(Micrograph(p, 0.5, 0.5, "argument"), ThresholdNetwork(), SPEC, thickness_nm=100)
        for p in (pixels, framed)
    )
    assert [notice.code for notice in found.notices] == ["data_bar"]
    assert found.table.field_nm2 == alone.table.field_nm2 == 128 * 256 * 0.25
    assert found.hardening == alone.hardening
    for one, other in zip(alone.instances, found.instances, strict=True):
        assert other.mask == one.mask.moved(24, 10)
        assert other.box == pytest.approx(np.add(one.box, (24, 10, 24, 10)))
        assert (other.shape.x_px, other.shape.y_px) == pytest.approx((one.shape.x_px + 24, one.shape.y_px + 10))


def test_what_is_missing_is_said() -> None:
    found = analyse(Micrograph(picture(128, 256, DEFECTS)), ThresholdNetwork(), SPEC, thickness_nm=100)
    assert [notice.code for notice in found.notices] == ["pixel_size_unknown"]
    assert found.hardening is None
    assert found.statistics[0].density_per_nm2 is None
    assert found.instances[0].size_nm is None
    calibrated = Micrograph(picture(128, 256, DEFECTS), 0.5, 0.5, "file")
    found = analyse(calibrated, ThresholdNetwork(), SPEC)
    assert [notice.code for notice in found.notices] == ["no_hardening_without_thickness"]
    assert found.hardening is None


def test_tiles_give_the_same_as_the_whole(rng: np.random.Generator) -> None:
    grid = [(x, y) for y in range(60, 560, 80) for x in range(60, 700, 80)]
    defects = [(x + rng.uniform(-10, 10), y + rng.uniform(-10, 10), *rng.uniform(8, 50, 2)) for x, y in grid]
    micrograph = Micrograph(picture(600, 760, defects), 0.5, 0.5, "argument")
    network = ThresholdNetwork()
    whole = analyse(micrograph, ThresholdNetwork(), SPEC, thickness_nm=90)
    tiled = analyse(micrograph, network, SPEC.model_copy(update={"tile_px": 256, "overlap_px": 96}), thickness_nm=90)
    assert tiled.tiles == len(network.shapes) > 9
    assert max(side for shape in network.shapes for side in shape[1:]) <= 256
    assert len(tiled.instances) == len(whole.instances) == len(defects)
    for a, b in zip(sorted(whole.instances, key=cell), sorted(tiled.instances, key=cell), strict=True):
        assert iou(a.mask, b.mask) > 0.99
        assert a.size_nm == pytest.approx(b.size_nm, rel=0.01)
        assert a.class_name == b.class_name
    assert tiled.statistics[-1].density_per_nm2 == whole.statistics[-1].density_per_nm2


def test_a_defect_larger_than_the_overlap_is_one() -> None:
    micrograph = Micrograph(picture(300, 700, [(350, 150, 500, 60)]))
    found = analyse(micrograph, ThresholdNetwork(), SPEC.model_copy(update={"tile_px": 256, "overlap_px": 64}))
    (instance,) = found.instances
    assert instance.shape.major_px == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize(("size_x", "size_y"), [(1.0, 0.5), (0.25, 0.75)])
def test_non_square_pixels_are_made_square_for_the_network(size_x: float, size_y: float) -> None:
    field_x, field_y = 120.0, 90.0
    rows, columns = np.mgrid[: round(field_y / size_y), : round(field_x / size_x)]
    x, y = (columns + 0.5) * size_x - 60, (rows + 0.5) * size_y - 45
    pixels = np.where(x**2 + y**2 <= 20**2, 50, 200).astype(np.float32)
    network = ThresholdNetwork(125)
    (instance,) = analyse(Micrograph(pixels, size_x, size_y, "file"), network, SPEC).instances
    assert network.shapes[0][2] / network.shapes[0][1] == pytest.approx(field_x / field_y, rel=0.02)
    assert instance.size_nm == pytest.approx(40, rel=0.03)
    assert instance.shape.minor_nm == pytest.approx(40, rel=0.03)
    assert instance.shape.heywood == pytest.approx(1, abs=0.02)


def test_a_pixel_size_outside_the_range_is_brought_into_it() -> None:
    spec = InputSpec(classes=("loop_111",), pixel_size_range_nm=(0.14, 0.88))
    fine = prepare(Micrograph(picture(100, 200, []), 0.07, 0.07, "argument"), spec)
    assert fine.pixels.shape == (50, 100)
    assert (fine.scale_x, fine.notices[0].code) == (0.5, "pixel_size_outside_range")
    inside = prepare(Micrograph(picture(100, 200, []), 0.8, 0.8, "argument"), spec)
    assert (inside.pixels.shape, inside.notices) == ((100, 200), ())
    coarse = prepare(Micrograph(picture(100, 200, []), 8.8, 8.8, "argument"), spec)
    assert coarse.pixels.shape == (400, 800)


def test_the_network_may_work_in_a_narrower_range_than_it_was_made_for() -> None:
    spec = InputSpec(classes=("loop_111",), pixel_size_range_nm=(0.14, 0.88), resampled_to_nm=(0.28, 0.55))
    for size_nm, shape in ((0.139, (50, 99)), (0.14, (50, 100)), (0.4, (100, 200)), (0.825, (150, 300))):
        prepared = prepare(Micrograph(picture(100, 200, []), size_nm, size_nm, "argument"), spec)
        assert (prepared.pixels.shape, prepared.notices) == (shape, ())
    finer = prepare(Micrograph(picture(100, 200, []), 0.07, 0.07, "argument"), spec)
    assert (finer.pixels.shape, finer.notices[0].code) == ((25, 50), "pixel_size_outside_range")


@pytest.mark.parametrize("size", [(0.0003, 0.0003), (280.0, 280.0), (5.0, 30.0)])
def test_a_pixel_size_at_which_no_defect_shows(size: tuple[float, float]) -> None:
    """Refused where the user passed it; doubted, and said so, where the file has it."""
    spec = InputSpec(classes=("loop_111",), pixel_size_range_nm=(0.14, 0.88))
    with pytest.raises(InvalidParameter) as caught:
        prepare(Micrograph(picture(100, 200, []), *size, "argument"), spec)
    assert caught.value.field == "pixel_size_nm"
    prepared = prepare(Micrograph(picture(100, 200, []), *size, "file"), spec)
    assert prepared.pixels.shape == (100, 200)
    assert [notice.code for notice in prepared.notices] == ["pixel_size_implausible"]


@pytest.mark.parametrize(
    ("size", "spec"),
    [
        ((2.0, 0.2), {"pixel_size_range_nm": (0.14, 0.88)}),
        ((0.5, 5.0), {}),
        ((0.5, 0.5), {"shortest_px": 80_000}),
        ((10.0, 10.0), {"pixel_size_range_nm": (0.14, 0.88)}),
    ],
)
def test_what_the_network_sees_can_be_held(size: tuple[float, float], spec: dict) -> None:
    """However far the sides of a pixel differ: a picture is enlarged to 64 million pixels at most."""
    pixels = np.zeros((4000, 4000), np.float32)
    pixels[::2] = 1
    prepared = prepare(Micrograph(pixels, *size, "argument"), InputSpec(classes=("a",), **spec))
    assert prepared.pixels.size < 64.1e6
    assert prepared.scale_x / prepared.scale_y == pytest.approx(size[0] / size[1], rel=1e-3)


@pytest.mark.parametrize(
    ("shortest", "longest", "expected"), [(800, 1333, (667, 1333)), (800, 0, (800, 1600)), (0, 1333, (100, 200))]
)
def test_detectron2s_scaling_by_the_sides(shortest: int, longest: int, expected: tuple[int, int]) -> None:
    spec = InputSpec(classes=("a",), shortest_px=shortest, longest_px=longest)
    assert prepare(Micrograph(picture(100, 200, [])), spec).pixels.shape == pytest.approx(expected, abs=1)


def test_grey_levels() -> None:
    pixels = picture(40, 40, [(20, 20, 10, 10)])
    assert np.array_equal(grey_levels(pixels, SPEC), pixels)
    deep = grey_levels(pixels * 200, SPEC)
    assert (deep.min(), deep.max()) == (0, 255)
    stretched = grey_levels(pixels, SPEC.model_copy(update={"grey_levels": "percentile"}))
    assert (stretched.min(), stretched.max()) == (0, 255)
    assert np.allclose(stretched, deep)
    assert np.allclose(grey_levels(pixels / 255, SPEC), stretched, atol=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_network_gets_as_many_equal_channels_as_it_takes(channels: int) -> None:
    network = ThresholdNetwork()
    analyse(Micrograph(picture(64, 96, [])), network, SPEC.model_copy(update={"channels": channels}))
    assert network.shapes == [(channels, 64, 96)]


def test_the_limit_of_the_network_is_said() -> None:
    spec = SPEC.model_copy(update={"most_detections": 3})
    found = analyse(Micrograph(picture(128, 256, DEFECTS)), ThresholdNetwork(), spec)
    assert "detections_limited" in [notice.code for notice in found.notices]
    surer = analyse(Micrograph(picture(128, 256, DEFECTS)), ThresholdNetwork(), spec, score=0.7)
    assert "detections_limited" not in [notice.code for notice in surer.notices]
    assert len(surer.instances) == 2


def test_a_score_below_the_network_s_own_says_that_it_changes_nothing() -> None:
    micrograph = Micrograph(picture(128, 256, DEFECTS), 0.5, 0.5, "file")
    for score, codes in ((0.049, ["score_below_network"]), (0.05, []), (None, [])):
        found = analyse(micrograph, ThresholdNetwork(), SPEC, score=score, thickness_nm=50)
        assert [notice.code for notice in found.notices] == codes


def test_no_defects() -> None:
    found = analyse(Micrograph(picture(64, 64, []), 0.5, 0.5, "file"), ThresholdNetwork(), SPEC, thickness_nm=50)
    assert (found.instances, found.statistics[-1].density_per_nm2) == ((), 0)
    assert found.hardening is not None
    assert found.hardening.linear_mpa == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("score", 0), ("score", 1), ("score", True), ("score", "0.5"), ("thickness_nm", 0), ("thickness_nm", np.inf)],
)
def test_parameters_out_of_range(field: str, value: object) -> None:
    with pytest.raises(InvalidParameter) as caught:
        analyse(Micrograph(picture(64, 64, [])), ThresholdNetwork(), SPEC, **{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"boxes": np.zeros((1, 4)), "scores": np.ones(2), "classes": np.zeros(2), "masks": np.zeros((2, 28, 28))},
        {"boxes": np.full((1, 4), np.nan), "scores": np.ones(1), "classes": np.zeros(1), "masks": np.ones((1, 9, 9))},
        {"boxes": np.ones((1, 4)), "scores": np.ones(1), "classes": np.full(1, 7), "masks": np.ones((1, 9, 9))},
    ],
)
def test_an_answer_that_is_none_is_the_servers_fault(answer: dict) -> None:
    network = ThresholdNetwork()
    network.run_named = lambda inputs: answer  # type: ignore[method-assign]
    with pytest.raises(InternalError):
        analyse(Micrograph(picture(64, 64, [])), network, SPEC)


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ()},
        {"classes": ("a", "a")},
        {"percentiles": (50, 10)},
        {"overlap_px": 600},
        {"pixel_size_range_nm": (0.4, 0.2)},
        {"resampled_to_nm": (0.4, 0.2)},
        {"colour": True},
    ],
)
def test_a_specification_that_contradicts_itself(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        InputSpec(**({"classes": ("a",)} | wrong))
