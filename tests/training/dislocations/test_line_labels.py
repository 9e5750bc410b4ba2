"""labelme's JSON: what is written reads back, what others write is read, and mistakes are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from training.dislocations.labels import LabelError, LabelledFrame, read_frame, read_frames, write_frame


def frame() -> LabelledFrame:
    lines = (np.array([[0.0, 0.0], [10.5, 20.25], [30.0, 31.0]]), np.array([[5.0, 40.0], [60.0, 40.0]]))
    return LabelledFrame("frame.png", 64, 80, lines, (np.array([[0.0, 5.0], [79.0, 8.0]]),))


def test_lines_and_slip_traces_read_back(tmp_path: Path) -> None:
    write_frame(frame(), tmp_path / "a.json")
    (again,) = read_frames(tmp_path)
    assert (again.image, again.height_px, again.width_px) == ("frame.png", 64, 80)
    for mine, theirs in ((again.lines, frame().lines), (again.slip_traces, frame().slip_traces)):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_file_counts_from_the_picture_s_corner(tmp_path: Path) -> None:
    write_frame(frame(), tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["shapes"][0]["points"][0] == [0.5, 0.5]
    assert content["shapes"][0]["shape_type"] == "linestrip"
    assert [shape["label"] for shape in content["shapes"]] == ["dislocation", "dislocation", "slip_trace"]


def test_other_labels_are_left_out_and_windows_paths_read(tmp_path: Path) -> None:
    shapes = [
        {"label": "precipitate", "shape_type": "circle", "points": [[1, 1], [2, 2]]},
        {"label": "dislocation", "shape_type": "line", "points": [[1.5, 1.5], [9.5, 1.5]]},
    ]
    content = {"shapes": shapes, "imagePath": "..\\frames\\f 1.png", "imageHeight": 20, "imageWidth": 30}
    (tmp_path / "a.json").write_text(json.dumps(content))
    read = read_frame(tmp_path / "a.json")
    assert read.image == "f 1.png"
    (line,) = read.lines
    np.testing.assert_array_equal(line, [[1, 1], [9, 1]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "not a JSON of labelme"),
        ("[]", "not a JSON of labelme"),
        ('{"shapes": [], "imagePath": "a.png", "imageHeight": null, "imageWidth": 3}', "not a JSON of labelme"),
        ("polygon", "linestrip"),
        ("one point", "two points"),
        ("no points", "no points"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    shapes = {
        "polygon": {"label": "dislocation", "shape_type": "polygon", "points": [[1, 1], [2, 2], [1, 2]]},
        "one point": {"label": "dislocation", "shape_type": "linestrip", "points": [[1, 1]]},
        "no points": {"label": "dislocation", "shape_type": "linestrip"},
    }
    if text in shapes:
        content = {"shapes": [shapes[text]], "imagePath": "a.png", "imageHeight": 9, "imageWidth": 9}
        text = json.dumps(content)
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(LabelError, match=says):
        read_frame(tmp_path / "a.json")


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="no JSON"):
        read_frames(tmp_path)
