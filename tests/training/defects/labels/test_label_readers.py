"""Labels of every kind of file, self-made and real."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.masks import decode
from training.defects.labels import LabelError, LabelledPicture, read_labels


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two pictures of 80 by 60 px, with a calibration for the first."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("first.png", "second.png"):
        Image.fromarray(np.zeros((60, 80), np.uint8)).save(folder / name)
    (folder / "images.csv").write_text("image,width_px,field_width_nm,thickness_nm\nfirst.png,80,40,95\n")
    return folder


def write(folder: Path, name: str, content: object) -> Path:
    path = folder.parent / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def drawn(picture: LabelledPicture, index: int = 0) -> np.ndarray:
    """A label's pixels in the whole picture."""
    mask = picture.labels[index].pixels(picture.height_px, picture.width_px)
    canvas = np.zeros((picture.height_px, picture.width_px), bool)
    canvas[mask.y_px : mask.bottom_px, mask.x_px : mask.right_px] = decode(mask)
    return canvas


def rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    """Columns x1 … x2 - 1 and rows y1 … y2 - 1 of a picture of 80 by 60."""
    canvas = np.zeros((60, 80), bool)
    canvas[y1:y2, x1:x2] = True
    return canvas


ELLIPSES = """image,class,x_px,y_px,major_px,minor_px,angle_deg
first.png,loop_111,40.5,30.5,30,10,30
second.png,black_dot,10.5,20.5,8,8,0
second.png,loop_100,79,59,20,6,120
"""


def test_imagej_ellipses(images: Path) -> None:
    first, second = read_labels(write(images, "defects.csv", ELLIPSES), images)
    assert (first.image, first.height_px, first.width_px) == ("first.png", 60, 80)
    assert (first.pixel_size_nm, first.thickness_nm) == ((0.5, 0.5), 95)
    assert (second.pixel_size_nm, second.thickness_nm) == (None, None)
    assert first.labelled == second.labelled == {"loop_111", "black_dot", "loop_100"}
    # (40.5, 30.5) from the corner is the centre of pixel (40, 30); 30° goes up to the right, so to smaller rows
    pixels = drawn(first)
    rows, columns = np.nonzero(pixels)
    assert (columns.mean(), rows.mean()) == pytest.approx((40, 30))
    assert pixels.sum() == pytest.approx(np.pi / 4 * 30 * 10, rel=0.03)
    assert pixels[30 - 6, 40 + 11]
    assert not pixels[30 + 6, 40 + 11]
    # the one in the corner is cut by the frame
    assert 0 < drawn(second, 1).sum() < 0.7 * np.pi / 4 * 20 * 6


def test_sizes_of_ellipses_are_those_of_their_axes(images: Path) -> None:
    first, second = (picture.table() for picture in read_labels(write(images, "defects.csv", ELLIPSES), images))
    assert first.size_px.tolist() == [30]
    assert first.size_nm is not None
    assert first.size_nm.tolist() == [15]
    assert first.field_nm2 == 40 * 30
    assert second.size_px.tolist() == [8, 20]
    assert second.heywood[0] == 1
    assert second.size_nm is None


def test_imagejs_own_table_of_results(images: Path) -> None:
    results = " ,Area,X,Y,Major,Minor,Angle,class\n1,12,40.5,30.5,30,10,30,0\n2,12,10,10,9,8,0,2\n"
    path = write(images, "results.csv", results)
    with pytest.raises(LabelError, match="which picture"):
        read_labels(path, images)
    labelled = write(images, "results.csv", results.replace(" ,Area", " ,Area,Label").replace("12,", "12,first.png,"))
    (picture,) = read_labels(labelled, images, names=("loop_111", "black_dot", "loop_100"))
    assert [label.class_name for label in picture.labels] == ["loop_111", "loop_100"]
    with pytest.raises(LabelError, match="class 2 has no name"):
        read_labels(labelled, images, names=("loop_111", "black_dot"))


def test_boxes_in_a_table(images: Path) -> None:
    path = write(images, "boxes.csv", "image,y1_px,x1_px,y2_px,x2_px\nfirst.png,5,10,20,40\nfirst,30,50,70,60\n")
    (picture,) = read_labels(path, images, class_name="loop_111")
    assert picture.labelled == {"loop_111"}
    assert picture.labels[0].box == (9.5, 4.5, 39.5, 19.5)
    assert np.array_equal(drawn(picture), rectangle(10, 5, 40, 20))
    assert np.array_equal(drawn(picture, 1), rectangle(50, 30, 60, 60))
    table = picture.table()
    assert table.masks is None
    assert np.isnan(table.size_px).all()
    with pytest.raises(LabelError, match="class"):
        read_labels(path, images)


def test_boxes_in_text_files(images: Path) -> None:
    folder = images.parent / "boxes"
    folder.mkdir()
    (folder / "first.txt").write_text("# y1 x1 y2 x2\n5 10 20 40\n\n30, 50, 55, 60\n")
    (folder / "second.txt").write_text("")
    first, second = read_labels(folder, images, columns=("y1", "x1", "y2", "x2"), class_name="loop", labelled=["loop"])
    assert [label.box for label in first.labels] == [(9.5, 4.5, 39.5, 19.5), (49.5, 29.5, 59.5, 54.5)]
    assert (second.labels, second.labelled) == ((), {"loop"})


def test_yolo_polygons_and_boxes(images: Path) -> None:
    folder = images.parent / "yolo"
    folder.mkdir()
    (folder / "first.txt").write_text("1 0.125 0.25 0.5 0.25 0.5 0.5 0.125 0.5\n0 0.5 0.5 0.25 0.5\n")
    (folder / "second.txt").write_text("\n")
    (folder / "classes.txt").write_text("loop\nblack_dot\n")
    first, second = read_labels(folder, images)
    assert [label.class_name for label in first.labels] == ["black_dot", "loop"]
    assert first.labelled == second.labelled == {"loop", "black_dot"}
    assert np.array_equal(drawn(first), rectangle(10, 15, 40, 30))
    assert np.array_equal(drawn(first, 1), rectangle(30, 15, 50, 45))
    assert second.labels == ()
    for line in ("0 0.1 0.1 0.2", "0 0.1 0.1 0.2 0.2 0.3", "0 10 20 30 40", "0 a b c d", "7 .1 .1 .2 .1 .2 .2"):
        (folder / "second.txt").write_text(line)
        with pytest.raises(LabelError, match=r"second.txt, line 1"):
            read_labels(folder, images)


def coco(*annotations: dict) -> dict:
    return {
        "images": [{"id": 3, "file_name": "sub/first.png"}, {"id": 5, "file_name": "second.png"}],
        "categories": [{"id": 1, "name": "loop"}, {"id": 2, "name": "void"}],
        "annotations": [{"image_id": 3, "category_id": 1} | annotation for annotation in annotations],
    }


def test_coco_polygons(images: Path) -> None:
    square, hook = [10, 5, 40, 5, 40, 20, 10, 20], [50.0, 30, 60, 30, 60, 40, 50, 40]
    content = coco({"segmentation": [square], "bbox": [10, 5, 30, 15]}, {"segmentation": [square, hook]})
    first, second = read_labels(write(images, "labels.json", content), images)
    assert np.array_equal(drawn(first), rectangle(10, 5, 40, 20))
    assert np.array_equal(drawn(first, 1), rectangle(10, 5, 40, 20) | rectangle(50, 30, 60, 40))
    assert (second.labels, second.labelled) == ((), {"loop", "void"})


def test_coco_polygons_of_traced_pixels_hold_the_pixels_on_the_line(images: Path) -> None:
    content = coco({"segmentation": [[10, 5, 39, 5, 39, 19, 10, 19]], "bbox": [10, 5, 30, 15]})
    first, _ = read_labels(write(images, "labels.json", content), images)
    assert np.array_equal(drawn(first), rectangle(10, 5, 40, 20))


def test_coco_run_lengths(images: Path) -> None:
    pixels = rectangle(10, 5, 13, 9)
    runs = [10 * 60 + 5, 4, 56, 4, 56, 4, 60 * 80 - 12 * 60 - 9]
    content = coco(
        {"segmentation": {"size": [60, 80], "counts": runs}},
        # the same as COCO's own library writes it
        {"segmentation": {"size": [60, 80], "counts": "mb04h1000_m3"}},
        {"segmentation": {"size": [60, 80], "counts": runs}, "iscrowd": 1},
        {"bbox": [10, 5, 3, 4]},
    )
    first, _ = read_labels(write(images, "labels.json", content), images)
    assert len(first.labels) == 3
    for index in range(3):
        assert np.array_equal(drawn(first, index), pixels)
    broken = coco({"segmentation": {"size": [60, 80], "counts": [5, 4]}})
    with pytest.raises(LabelError, match="annotation 0"):
        read_labels(write(images, "labels.json", broken), images)


def via(*regions: tuple[dict, dict]) -> dict:
    entries = [{"shape_attributes": shape, "region_attributes": attributes} for shape, attributes in regions]
    return {
        "first.png123": {"filename": "first.png", "size": 123, "regions": entries},
        "second.png9": {"filename": "second.png", "size": 9, "regions": []},
    }


POLYGON = {"name": "polygon", "all_points_x": [10, 40, 40, 10], "all_points_y": [5, 5, 20, 20]}
RECT = {"name": "rect", "x": 10, "y": 5, "width": 30, "height": 15}


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("numbered", [False, True])
def test_via_polygons_and_rectangles(images: Path, project: bool, numbered: bool) -> None:
    content = via((POLYGON, {"defect": "loop_111"}), (RECT, {"defect": {"black_dot": True, "loop_111": False}}))
    if numbered:  # as version 1 wrote it
        content["first.png123"]["regions"] = dict(enumerate(content["first.png123"]["regions"]))
    if project:
        content = {"_via_settings": {}, "_via_img_metadata": content}
    first, second = read_labels(write(images, "via.json", content), images)
    assert [label.class_name for label in first.labels] == ["loop_111", "black_dot"]
    assert np.array_equal(drawn(first), rectangle(10, 5, 40, 20))
    assert first.labels[0].has_outline
    assert np.array_equal(drawn(first, 1), rectangle(10, 5, 40, 20))
    assert not first.labels[1].has_outline
    assert second.labels == ()


def test_via_ellipses_turn_clockwise(images: Path) -> None:
    shape = {"name": "ellipse", "cx": 40.5, "cy": 30.5, "rx": 5, "ry": 15, "theta": np.radians(30)}
    circle = {"name": "circle", "cx": 20, "cy": 20, "r": 4}
    content = via((shape, {"defect": "loop"}), (circle, {"defect": "loop"}))
    first, _ = read_labels(write(images, "via.json", content), images)
    pixels = drawn(first)
    assert pixels.sum() == pytest.approx(np.pi * 5 * 15, rel=0.03)
    # upright, then 30° clockwise: its upper end lies to the right
    assert pixels[30 - 11, 40 + 6]
    assert not pixels[30 - 11, 40 - 6]
    assert first.labels[1].ellipse is not None
    assert first.labels[1].ellipse.heywood == 1


def test_via_without_a_clear_class_is_refused(images: Path) -> None:
    path = write(images, "via.json", via((POLYGON, {"defect": "loop", "note": "x"})))
    with pytest.raises(LabelError, match=r"region 0.*attributes"):
        read_labels(path, images)
    first, _ = read_labels(path, images, attribute="defect")
    assert first.labels[0].class_name == "loop"
    plain = write(images, "via.json", via((POLYGON, {})))
    with pytest.raises(LabelError, match="without a class"):
        read_labels(plain, images)
    assert read_labels(plain, images, class_name="loop")[0].labels[0].class_name == "loop"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "image,class,x,y,major,minor,angle\nfirst.png,loop,1,2,3,4\n", "line 2: 6 cells under 7"),
        ("x.csv", "image,class,x,y,major,minor,angle\nfirst.png,loop,1,2,3,4,0\n", "major >= minor"),
        ("x.csv", "image,class,x,y,major,minor,angle\nfirst.png,loop,1,2,nan,4,0\n", "not finite"),
        ("x.csv", "image,class,x,y,major,minor,angle\nfirst.png,loop,1,two,5,4,0\n", "'two' is no number"),
        ("x.csv", "image,class,x,y,major,minor,angle\nthird.png,loop,1,2,5,4,0\n", "'third.png'"),
        ("x.csv", "image,class,x1,y1,x2,y2\nfirst.png,loop,10,2,5,4\n", "x2 > x1"),
        ("x.csv", "image,class,colour\n", "columns major and minor"),
        ("x.json", "{", "not JSON"),
        ("x.json", "[1, 2]", "not a VIA file"),
        ("x.json", '{"images": [], "annotations": [], "categories": [{}]}', "not a COCO file"),
    ],
)
def test_broken_files_are_named_with_the_line(images: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        read_labels(write(images, name, content), images)


def test_only_labelled_classes_may_be_labelled(images: Path) -> None:
    with pytest.raises(LabelError, match="loop_100"):
        read_labels(write(images, "defects.csv", ELLIPSES), images, labelled=["loop_111", "black_dot"])


def test_a_label_smaller_than_a_pixel_keeps_one(images: Path) -> None:
    tiny = write(images, "x.csv", "image,class,x,y,major,minor,angle\nfirst.png,dot,20.9,10.1,0.4,0.3,0\n")
    (picture,) = read_labels(tiny, images)
    assert np.argwhere(drawn(picture)).tolist() == [[10, 20]]


@pytest.mark.parametrize(
    ("labels", "pictures", "options", "count", "number", "classes"),
    [
        ("fecral_three_class/defects.csv", "fecral_three_class", {}, 4, 239, {"loop_111", "loop_100", "black_dot"}),
        ("fecral_111_boxes/boxes.csv", "fecral_111_boxes", {"class_name": "loop_111"}, 252, None, {"loop_111"}),
        ("fecral_in_situ/boxes.csv", "fecral_in_situ/labelled", {"class_name": "loop"}, 10, 1452, {"loop"}),
        ("titanium_loops/polygons_second_pass", "titanium_loops/images", {"class_name": "loop"}, 9, 3848, {"loop"}),
        ("steel_316l_loops/coco.json", "steel_316l_loops/images", {"pixel_size_nm": 200 / 512}, 16, 186, {"hcloop"}),
    ],
)
def test_real_labels(
    shared_data: Path, labels: str, pictures: str, options: dict, count: int, number: int | None, classes: set[str]
) -> None:
    found = read_labels(shared_data / labels, shared_data / pictures, **options)
    assert len(found) == count
    assert number is None or sum(len(picture.labels) for picture in found) == number
    for picture in found:
        assert picture.labelled == classes
        for label in picture.labels:
            x1, y1, x2, y2 = label.box
            assert x2 > x1
            assert y2 > y1
            assert x2 > 0
            assert y2 > 0
            assert x1 < picture.width_px
            assert y1 < picture.height_px


def test_real_calibrations(shared_data: Path) -> None:
    three = read_labels(shared_data / "fecral_three_class/defects.csv", shared_data / "fecral_three_class")
    assert {picture.pixel_size_nm for picture in three} == {(w / 1024, w / 1024) for w in (490, 890, 145, 290)}
    boxes = read_labels(
        shared_data / "fecral_111_boxes/boxes.csv", shared_data / "fecral_111_boxes", class_name="loop_111"
    )
    assert sum(picture.thickness_nm is not None and picture.pixel_size_nm is not None for picture in boxes) == 251


def test_loops_are_darker_than_their_surroundings_where_the_labels_say(shared_data: Path) -> None:
    # angles the wrong way round, x and y exchanged or a shift would all show here
    folder = shared_data / "fecral_three_class"
    contrast = []
    for picture in read_labels(folder / "defects.csv", folder):
        pixels = np.asarray(Image.open(folder / picture.image).convert("L"), float)
        for label in picture.labels:
            ellipse = label.ellipse
            if ellipse is not None and label.class_name == "loop_100" and ellipse.major_px > 2.5 * ellipse.minor_px:
                mask = label.pixels(*pixels.shape)
                crop = pixels[mask.y_px : mask.bottom_px, mask.x_px : mask.right_px]
                contrast.append(crop[~decode(mask)].mean() - crop[decode(mask)].mean())
    assert len(contrast) > 8
    assert np.mean(np.array(contrast) > 20) > 0.9


def test_steels_polygons_are_its_masks(shared_data: Path) -> None:
    folder = shared_data / "steel_316l_loops"
    for picture in read_labels(folder / "coco.json", folder / "images")[:4]:
        truth = np.asarray(Image.open(folder / "masks" / picture.image)) > 0
        mine = np.any([drawn(picture, index) for index in range(len(picture.labels))], axis=0)
        assert (mine & truth).sum() / (mine | truth).sum() > 0.92
