"""From a micrograph to its measured lines, with filters in the place of a network."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from analysis.dislocations.pipeline import DislocationsAnalysis, analyse
from analysis.dislocations.preprocess import InputSpec, field_height, prepare
from analysis.dislocations.statistics import LineTension
from analysis.micrograph import Micrograph, read_file
from emserve.exceptions import InternalError, InvalidParameter
from tests.analysis.dislocations.drawn_lines import (
    DarkNetwork,
    dense,
    draw,
    length_of,
    picture,
    pile_up,
    straight,
    wave,
)

SHAPE = (400, 420)
COURSES = pile_up(4, first=(60, 70), step=(60, -8))


def codes(analysis: DislocationsAnalysis) -> set[str]:
    return {notice.code for notice in analysis.notices}


def assert_courses(analysis: DislocationsAnalysis, courses: list[np.ndarray], *, within_px: float = 1.0) -> None:
    """Each course was found once, whole, and in its place."""
    assert len(analysis.lines) == len(courses)
    for course in courses:
        tree = cKDTree(dense(course))
        distances = [tree.query(line.points_px)[0].mean() for line in analysis.lines]
        nearest = analysis.lines[int(np.argmin(distances))]
        assert min(distances) < within_px
        assert nearest.length_px == pytest.approx(length_of(course), rel=0.03, abs=2 * within_px)


def test_the_whole_way(network: DarkNetwork, spec: InputSpec) -> None:
    pixels = picture([draw(course, SHAPE) for course in COURSES], noise=8)
    micrograph = Micrograph(pixels, pixel_size_x_nm=0.5, pixel_size_y_nm=0.5, pixel_size_source="argument")
    found = analyse(micrograph, network, spec, tension=LineTension(50, 0.25))
    assert_courses(found, COURSES)
    assert found.statistics.count == 4
    assert found.statistics.density_per_nm == pytest.approx(4 * length_of(COURSES[0]) / (400 * 420 * 0.5), rel=0.03)
    assert found.slip_traces == ()
    assert codes(found) == set()
    assert (found.tiles, found.threshold, found.scale_x, found.scale_y) == (1, 0.5, 1, 1)
    assert network.shapes == [(1, 1, 400, 420)]


def test_without_a_pixel_size(network: DarkNetwork, spec: InputSpec) -> None:
    found = analyse(Micrograph(picture([draw(COURSES[0], SHAPE)])), network, spec, tension=LineTension(50, 0.25))
    assert codes(found) == {"pixel_size_unknown"}
    assert found.lines[0].length_nm is None
    assert found.tension is not None
    assert found.tension.stress_mpa(found.lines[0]) is None


def test_slip_traces_are_not_lines(network: DarkNetwork, spec: InputSpec) -> None:
    # a little beside the lines' ends, so that the filters do not take all for one piece
    trace = straight(50, 62, 300, 62 - 250 * 8 / 60) - (0, 7)
    found = analyse(Micrograph(picture([draw(course, SHAPE) for course in [*COURSES, trace]])), network, spec)
    assert_courses(found, COURSES)
    assert len(found.slip_traces) == 1


def test_a_large_picture_is_tiled_and_lines_run_on_over_seams(network: DarkNetwork) -> None:
    shape = (700, 900)
    courses = [
        wave(60, 40, 120, 860, 25)[:, ::-1],
        wave(100, 150, 160, 660, 40),
        wave(430, 160, 470, 650, -60),
        wave(400, 500, 440, 870, 12)[:, ::-1],
        wave(620, 440, 800, 680, 25),
    ]
    small = InputSpec(multiple_of=1, tile_px=300, overlap_px=100, batch=3)
    micrograph = Micrograph(picture([draw(course, shape) for course in courses], noise=5))
    found = analyse(micrograph, network, small)
    assert found.tiles > 6
    assert max(height for _, _, height, _ in network.shapes) <= 300
    assert max(batch for batch, *_ in network.shapes) == 3
    assert_courses(found, courses)


@pytest.mark.parametrize("tile_px", [256, 384])
def test_lines_keep_their_ends_where_tiles_share_most_of_a_part(network: DarkNetwork, tile_px: int) -> None:
    courses = pile_up(6)
    micrograph = Micrograph(picture([draw(course, (512, 512)) for course in courses]))
    found = analyse(micrograph, network, InputSpec(multiple_of=1, tile_px=tile_px))
    assert found.tiles >= 4
    assert_courses(found, courses)
    assert sorted(line.length_px for line in found.lines) == pytest.approx(sorted(map(length_of, courses)), rel=0.03)


def test_more_lines_than_the_network_answers() -> None:
    """A network of 6 maps and a picture of 14 lines."""
    courses = [wave(30 + 28 * k, 30, 40 + 28 * k, 380, 8) for k in range(14)]
    micrograph = Micrograph(picture([draw(course, SHAPE, width_px=3) for course in courses]))
    few = DarkNetwork(maps=6)
    found = analyse(micrograph, few, InputSpec(most_lines=6, multiple_of=1, smallest_tile_px=96, overlap_px=48))
    assert found.tiles > 4
    assert_courses(found, courses)
    assert "lines_limited" not in codes(found)


def test_more_lines_than_can_be_told_apart_is_said() -> None:
    courses = [wave(30 + 14 * k, 30, 40 + 14 * k, 380, 0) for k in range(26)]
    micrograph = Micrograph(picture([draw(course, SHAPE, width_px=3) for course in courses]))
    found = analyse(micrograph, DarkNetwork(maps=4), InputSpec(most_lines=4, multiple_of=1, smallest_tile_px=256))
    assert "lines_limited" in codes(found)


def test_pixels_that_are_not_square_become_square_for_the_network(network: DarkNetwork, spec: InputSpec) -> None:
    """A picture of 210 × 400 px of 1.0 × 0.5 nm: the network sees 420 × 400."""
    squeezed = picture([draw(course * (0.5, 1), (400, 210), width_px=3) for course in COURSES])
    found = analyse(Micrograph(squeezed, 1.0, 0.5, "file"), network, spec)
    assert network.shapes == [(1, 1, 400, 420)]
    assert (found.scale_x, found.scale_y) == (2, 1)
    assert_courses(found, [course * (0.5, 1) for course in COURSES])
    lengths_nm = sorted(line.length_nm or 0 for line in found.lines)
    assert lengths_nm == pytest.approx([length_of(COURSES[0]) * 0.5] * 4, rel=0.03)


def test_a_pixel_size_outside_the_range_is_brought_into_it(network: DarkNetwork) -> None:
    spec = InputSpec(multiple_of=1, pixel_size_range_nm=(0.8, 2.0))
    pixels = picture([draw(course, SHAPE, width_px=7) for course in COURSES])
    found = analyse(Micrograph(pixels, 0.4, 0.4, "file"), network, spec)
    assert network.shapes == [(1, 1, 200, 210)]
    assert codes(found) == {"pixel_size_outside_range"}
    assert_courses(found, COURSES, within_px=1.5)


def test_a_picture_too_large_for_its_lines_is_shrunk(network: DarkNetwork) -> None:
    pixels = picture([draw(course, SHAPE, width_px=8) for course in COURSES])
    found = analyse(Micrograph(pixels), network, InputSpec(multiple_of=1, longest_px=210))
    assert network.shapes == [(1, 1, 200, 210)]
    assert_courses(found, COURSES, within_px=1.5)


def test_the_data_bar_is_left_out(network: DarkNetwork, spec: InputSpec) -> None:
    pixels = picture([draw(course, SHAPE) for course in COURSES], noise=8)
    bar = np.zeros((60, 420), np.float32)
    bar[20:30, 30:200] = 255
    found = analyse(Micrograph(np.vstack([pixels, bar])), network, spec)
    assert found.field_height_px == 400
    assert codes(found) == {"data_bar", "pixel_size_unknown"}
    assert_courses(found, COURSES)
    assert found.statistics.density_per_px == pytest.approx(4 * length_of(COURSES[0]) / (400 * 420), rel=0.03)


def test_what_is_no_data_bar(rng: np.random.Generator, shared_data) -> None:
    noise = rng.normal(size=(100, 80)).astype(np.float32)
    assert field_height(noise) == 100
    assert field_height(np.zeros((100, 80), np.float32)) == 100
    dark_below = np.vstack([noise, np.zeros((80, 80), np.float32)])
    assert field_height(dark_below) == 180  # nearly half of the picture is no bar
    frames = shared_data / "dislocation_frames"
    assert field_height(read_file(frames / "in_situ_1.jpg").pixels) == 512
    video = [read_file(path).pixels for path in sorted((frames / "titanium_video").glob("*.png"))]
    assert {field_height(pixels) for pixels in video} == {514}


@pytest.mark.parametrize("pixels", [np.zeros((64, 64), np.float32), np.full((40, 300), 7, np.float32)])
def test_a_blank_picture_has_no_line(pixels: np.ndarray, spec: InputSpec) -> None:
    found = analyse(Micrograph(pixels), DarkNetwork(level=-1), spec)
    assert found.lines == ()
    assert codes(found) == {"pixel_size_unknown", "no_lines"}
    assert found.statistics.total_length_px == 0


def test_the_network_s_grid_is_kept(network: DarkNetwork) -> None:
    pixels = picture([draw(course, SHAPE) for course in COURSES])
    found = analyse(Micrograph(pixels[:391, :405]), network, InputSpec(multiple_of=32))
    assert network.shapes == [(1, 1, 416, 416)]
    assert_courses(found, COURSES)


@pytest.mark.parametrize("threshold", [0, 1, -0.1, float("nan"), "0.5", True])
def test_a_threshold_out_of_range(threshold: object, network: DarkNetwork, spec: InputSpec) -> None:
    with pytest.raises(InvalidParameter) as raised:
        analyse(Micrograph(picture([])), network, spec, threshold=threshold)
    assert raised.value.field == "threshold"


@pytest.mark.parametrize(
    ("tension", "field"),
    [(LineTension(0, 0.25), "shear_modulus_gpa"), (LineTension(50, float("inf")), "burgers_vector_nm")],
)
def test_constants_out_of_range(tension: LineTension, field: str, network: DarkNetwork, spec: InputSpec) -> None:
    with pytest.raises(InvalidParameter) as raised:
        analyse(Micrograph(picture([])), network, spec, tension=tension)
    assert raised.value.field == field


class Broken(DarkNetwork):
    """Answers what is no set of maps."""

    def __init__(self, answer: np.ndarray) -> None:
        super().__init__()
        self.answer = answer

    def run(self, batch: np.ndarray) -> np.ndarray:
        return self.answer


@pytest.mark.parametrize(
    "answer", [np.zeros((256, 256)), np.full((1, 3, 256, 256), np.nan), np.zeros((2, 3, 256, 256))]
)
def test_an_answer_that_is_no_set_of_maps(answer: np.ndarray, spec: InputSpec) -> None:
    with pytest.raises(InternalError):
        analyse(Micrograph(picture([])), Broken(answer), spec)


def test_a_spec_must_be_consistent() -> None:
    for wrong in ({"tile_px": 128, "smallest_tile_px": 200}, {"overlap_px": 300}, {"percentiles": (50, 10)}):
        with pytest.raises(ValueError, match=r"tile|overlap|percentiles"):
            InputSpec(**wrong)
    with pytest.raises(ValueError, match="must rise"):
        InputSpec(pixel_size_range_nm=(2, 0.5))


def test_grey_values_are_scaled_as_in_training() -> None:
    from analysis.intensity import scale

    pixels = picture([draw(COURSES[0], SHAPE)], noise=9)
    assert prepare(Micrograph(pixels), InputSpec()).pixels == pytest.approx(scale(pixels, (0.1, 99.9)))


def test_lines_shorter_than_the_network_s_own_are_not_answered(network: DarkNetwork) -> None:
    courses = [straight(60, 60, 60, 95), straight(150, 60, 150, 140)]
    micrograph = Micrograph(picture([draw(course, SHAPE) for course in courses]))
    assert len(analyse(micrograph, network, InputSpec()).lines) == 2
    assert_courses(analyse(micrograph, network, InputSpec(shortest_px=50)), courses[1:])


@pytest.mark.parametrize("size_nm", [(0.003, 0.003), (60.0, 60.0), (1.0, 60.0)])
def test_a_pixel_size_at_which_no_line_is_seen(network: DarkNetwork, size_nm: tuple[float, float]) -> None:
    """Passed, it is refused; the file's own is told of, and the picture is left as it is."""
    pixels = picture([draw(line, (256, 256)) for line in pile_up(2)])
    spec = InputSpec(multiple_of=1, pixel_size_range_nm=(0.8, 2.0))
    x_nm, y_nm = size_nm
    with pytest.raises(InvalidParameter) as caught:
        analyse(Micrograph(pixels, x_nm, y_nm, "argument"), network, spec)
    assert caught.value.field == "pixel_size_nm"
    found = analyse(Micrograph(pixels, x_nm, y_nm, "file"), network, spec)
    assert "pixel_size_implausible" in codes(found)
    assert (found.scale_x, found.scale_y) == (1, 1)
