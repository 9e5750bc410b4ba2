"""`python -m export precision defects`: the same labelled pictures in fp32 and in bf16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.defects.table import DefectTable
from analysis.masks import encode
from export.__main__ import main
from export.defects.precision import Judged, scores
from export.defects.samples import drawn
from export.precision import Evidence
from model_store import runtimes
from model_store.store import Store
from training.defects.evaluation.predictions import Prediction
from training.defects.evaluation.verdicts import judge
from training.defects.synthetic.command import save, save_truth


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small pictures and what is in them."""
    folder = tmp_path_factory.mktemp("labelled")
    pictures = {f"{seed}.tif": drawn(seed, (96, 128), 0.4) for seed in (900_000_017, 900_000_026)}
    for name, picture in pictures.items():
        save(picture, folder / Path(name).stem)
    save_truth(pictures, folder)
    return folder


def test_both_precisions_are_judged_on_the_same_pictures(
    narrow_store: Path, labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    openvino = runtimes.find("openvino")
    if not openvino.available() or not openvino.supports("bf16"):
        pytest.skip("nothing here is fast in bf16")
    arguments = [
        "precision",
        "defects",
        "defects_narrow",
        "--store",
        str(narrow_store),
        "--out",
        str(tmp_path / "evidence.json"),
    ]
    arguments += ["--images", str(labelled), "--labels", str(labelled / "defects.csv"), "--threads", "1"]
    assert main(arguments) == 0
    evidence = Evidence.model_validate_json((tmp_path / "evidence.json").read_text(encoding="utf-8"))
    assert evidence.sha256 == Store(narrow_store).manifest("defects_narrow").files["onnx"].sha256
    assert list(evidence.sets) == [labelled.name]
    one = evidence.sets[labelled.name]
    assert one == evidence.together
    assert one.pictures == 2
    assert one.fp32.true == one.bf16.true == 5
    # The manifest does not allow bf16: measuring it does not ask.
    assert set(Store(narrow_store).manifest("defects_narrow").precisions) == {"fp32"}
    assert "2 pictures" in capsys.readouterr().out


def test_labels_that_name_no_kind_have_no_say_in_the_kinds() -> None:
    """Loops of unknown kind are found, and not called wrongly."""
    tables = {
        name: DefectTable(
            class_names=np.array([name], np.str_),
            boxes=np.array([[0.0, 0, 8, 8]]),
            masks=(encode(np.ones((8, 8))),),
            size_px=np.ones(1),
            size_nm=None,
            heywood=np.ones(1),
            field_nm2=None,
            labelled=frozenset({name}),
        )
        for name in ("loop", "black_dot", "loop_111")
    }
    answer = Prediction(tables["black_dot"], np.ones(1))
    of_any, wrong, right = (
        Judged(judge("picture.tif", answer, tables[name], classes=("loop_111", "black_dot")), name != "loop")
        for name in ("loop", "loop_111", "black_dot")
    )
    assert scores([of_any]).scores == {"find_f1": 1}
    assert scores([of_any, right]).scores == {"find_f1": 1, "type_f1": 1}
    assert scores([of_any, wrong]).scores["type_f1"] == 0


def test_pictures_are_needed(narrow_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "precision",
        "defects",
        "defects_narrow",
        "--store",
        str(narrow_store),
        "--out",
        str(tmp_path / "evidence.json"),
    ]
    assert main(arguments) == 1
    assert "no labelled pictures" in capsys.readouterr().err
    assert not (tmp_path / "evidence.json").exists()
