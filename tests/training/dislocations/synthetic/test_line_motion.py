"""Films: lines move as told, the specimen drifts, the light stays."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.registration import phase_cross_correlation

from training.dislocations.synthetic import draw_parameters, render
from training.dislocations.synthetic.motion import film, glide_directions, moved


def test_lines_move_as_they_are_told() -> None:
    parameters = draw_parameters(2, microstructure="M1", size=(256, 256))
    velocities = 1.5 * glide_directions(parameters)
    frames = list(film(parameters, velocities, 5))
    assert len(frames) == 5
    for number, frame in enumerate(frames):
        for line in frame.lines:
            drawn = parameters.lines[line.number].supports[0]
            now = frame.parameters.lines[line.number].supports[0]
            np.testing.assert_allclose(np.subtract(now, drawn), number * velocities[line.number], atol=1e-9)
    # each frame has noise of its own
    assert np.abs(frames[1].pixels - frames[2].pixels).mean() > 0.5


def test_glide_is_along_the_traces() -> None:
    parameters = draw_parameters(3, microstructure="M1")
    begin, end = np.array(parameters.traces[0].points)
    along = (end - begin) / np.linalg.norm(end - begin)
    for direction in glide_directions(parameters):
        assert direction @ along == pytest.approx(1.0, abs=0.02)


def test_a_lone_line_glides_across_its_chord() -> None:
    parameters = next(one for one in (draw_parameters(seed, most_lines=1) for seed in range(9)) if one.lines)
    (direction,) = glide_directions(parameters)
    chord = np.subtract(parameters.lines[0].supports[-1], parameters.lines[0].supports[0])
    assert direction @ chord == pytest.approx(0.0, abs=1e-6)
    assert np.linalg.norm(direction) == pytest.approx(1.0)


def test_drift_moves_all_but_the_light() -> None:
    parameters = draw_parameters(5, microstructure="M1", size=(200, 200))
    background = parameters.background.model_copy(update={"light": None})
    parameters = parameters.model_copy(update={"background": background})
    still = np.zeros((len(parameters.lines), 2))
    frames = list(film(parameters, still, 4, drift_px=(3.0, -2.0)))
    shift = phase_cross_correlation(frames[0].pixels, frames[3].pixels, upsample_factor=10)[0]
    np.testing.assert_allclose(shift, [6.0, -9.0], atol=0.5)
    line, later = frames[0].lines[0], next(one for one in frames[3].lines if one.number == frames[0].lines[0].number)
    assert line.number == later.number
    np.testing.assert_allclose(
        np.subtract(frames[3].parameters.lines[0].supports, parameters.lines[0].supports), [[9.0, -6.0]] * 12
    )


def test_a_film_without_motion_shows_the_frame_itself() -> None:
    parameters = draw_parameters(1, microstructure="M2", size=(128, 128))
    (frame,) = film(parameters, np.zeros((len(parameters.lines), 2)), 1)
    np.testing.assert_array_equal(frame.masks(), render(parameters).masks())


def test_a_line_that_leaves_the_frame_is_no_true_line_any_more() -> None:
    parameters = draw_parameters(2, microstructure="M1", size=(256, 256))
    gone = moved(parameters, np.full((len(parameters.lines), 2), 600.0))
    assert render(gone).lines == ()
