"""Every model of the store, in every runtime: its sample in, its expected output out."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from model_store import manifest, runtimes
from model_store.manifest import Manifest, Precision
from model_store.store import MODELS, Store

SHIPPED = sorted(path.parent.name for path in MODELS.glob("*/manifest.yaml"))
IN_TESTS = {"atoms_blobs": "blob_store", "defects_narrow": "narrow_store"}
"""Models that are made for tests, and the fixtures that make their stores."""
ELSEWHERE = {"fake", "triton"}
"""Runtimes that do not read the file: one needs none, the other a server (tests/triton)."""
CASES = [(name, runtime) for name in (*IN_TESTS, *SHIPPED) for runtime in runtimes.names() if runtime not in ELSEWHERE]
LARGEST_MB = {"atoms": 12, "defects": 25, "dislocations": 20}
LEAST_PX = 200
"""Pixels that the lines of a sample must have."""
SAME_DICE = 0.95
"""Least agreement of the lines of a sample in bf16 with those in fp32."""
MATCHED = {"fp32": 0.98, "bf16": 0.9}
"""Least share of a Mask R-CNN's detections that must be found again; the tolerances hold for those."""

Arrays = dict[str, np.ndarray]


def store_of(name: str, request: pytest.FixtureRequest) -> Store:
    return Store(request.getfixturevalue(IN_TESTS[name]) if name in IN_TESTS else MODELS)


def sample(store: Store, name: str) -> tuple[Arrays, Arrays]:
    entry = store.manifest(name)
    with np.load(store.root / name / entry.sample.input) as inputs:
        given = dict(inputs)
    with np.load(store.root / name / entry.sample.expected) as outputs:
        return given, dict(outputs)


def assert_same_maps(entry: Manifest, precision: Precision, expected: Arrays, found: Arrays, given: Arrays) -> None:
    """Value by value: a map has its pixels where the picture has them."""
    for output, tolerance in entry.precisions[precision].tolerance.items():
        assert found[output].shape == expected[output].shape
        np.testing.assert_allclose(found[output], expected[output].astype(np.float32), rtol=0, atol=tolerance)
        assert np.ptp(expected[output]) > 10 * tolerance, "a flat sample shows nothing"


def assert_same_detections(
    entry: Manifest, precision: Precision, expected: Arrays, found: Arrays, given: Arrays
) -> None:
    """Detection by detection, by place and class: nearly equal scores change rows between runtimes.

    In bf16 only those that count are compared: what is below the model's own score is never answered.
    """
    parity = pytest.importorskip("export.defects.parity", reason="PyTorch is not installed")
    assert len(expected["scores"]) >= 5, "an empty sample shows nothing"
    if precision != "fp32":
        expected = parity.surer_than(expected, entry.input["score"])
    result = parity.compare(expected, found, given["image"].shape, runtime="", precision=precision)
    assert result.matched >= MATCHED[precision] * result.expected
    if precision == "fp32":
        assert result.matched >= MATCHED[precision] * result.found
    tolerance = entry.precisions[precision].tolerance
    assert result.box_px <= tolerance["boxes"]
    assert result.score <= tolerance["scores"]
    assert result.mask_probability <= tolerance["masks"]


def assert_same_lines(entry: Manifest, precision: Precision, expected: Arrays, found: Arrays, given: Arrays) -> None:
    """Value by value in fp32. In bf16 the edges of a mask may move, but neither the lines nor which mask has which."""
    if precision == "fp32":
        return assert_same_maps(entry, precision, expected, found, given)
    tolerance = entry.precisions[precision].tolerance["masks"]
    np.testing.assert_allclose(found["masks"], expected["masks"], rtol=0, atol=tolerance)
    threshold = entry.input["threshold"]
    true, seen = expected["masks"] > threshold, found["masks"] > threshold
    assert true.sum() >= LEAST_PX, "an empty sample shows nothing"
    assert 2 * (true & seen).sum() >= SAME_DICE * (true.sum() + seen.sum())


SAME = {"atoms": assert_same_maps, "defects": assert_same_detections, "dislocations": assert_same_lines}


@pytest.mark.parametrize(("name", "runtime"), CASES)
def test_sample_gives_the_expected_output(name: str, runtime: str, request: pytest.FixtureRequest) -> None:
    store = store_of(name, request)
    entry = store.manifest(name)
    module = runtimes.find(runtime)
    if not module.available():
        pytest.skip(f"the runtime {runtime} is not installed here")
    weights = entry.files.get(module.FORMAT or "onnx")
    if weights is None or not (store.root / name / weights.path).is_file():
        pytest.skip(f"{name} ships no file for {runtime}")
    given, expected = sample(store, name)
    assert set(given) == {tensor.name for tensor in entry.tensors.inputs}
    for precision, rule in entry.precisions.items():
        if not module.supports(precision):
            continue
        model = store.open(name, runtime=runtime, precision=precision)
        found = model.run_named(given)
        assert set(found) == set(expected) == set(rule.tolerance)
        SAME[entry.family](entry, precision, expected, found, given)


@pytest.mark.parametrize("name", [*IN_TESTS, *SHIPPED])
def test_folder_holds_what_the_manifest_says(name: str, request: pytest.FixtureRequest) -> None:
    store = store_of(name, request)
    folder = store.root / name
    entry = manifest.load(folder)
    assert manifest.parse(manifest.dump(entry)) == entry
    assert entry.files["onnx"].bytes <= LARGEST_MB[entry.family] * 1_000_000
    for weights in entry.files.values():
        file = folder / weights.path
        if file.is_file():
            assert (manifest.sha256(file), file.stat().st_size) == (weights.sha256, weights.bytes)
    for path in (entry.sample.input, entry.sample.expected, *entry.sample.micrographs):
        assert (folder / path).is_file()
    if name in SHIPPED:
        assert (folder / "card.md").is_file()
        assert entry.sample.micrographs


@pytest.mark.parametrize("runtime", ["fake", "onnx", "openvino"])
def test_many_threads_and_sizes_at_once(runtime: str, blob_store: Path) -> None:
    """Each thread gets the answer to its own picture, whatever the others send meanwhile."""
    if not runtimes.find(runtime).available():
        pytest.skip(f"the runtime {runtime} is not installed here")
    model = Store(blob_store).open("atoms_blobs", runtime=runtime)
    generator = np.random.default_rng(1)
    batches = [generator.random((1 + i % 2, 1, 40 + 8 * i, 64), dtype=np.float32) for i in range(6)]
    fake = Store(blob_store).open("atoms_blobs", runtime="fake")
    expected = [fake.run(batch) for batch in batches]
    kept: list[tuple[int, np.ndarray]] = []

    def work(offset: int) -> None:
        for i in range(len(batches)):
            index = (i + offset) % len(batches)
            kept.append((index, model.run(batches[index])))

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 24
    for index, found in kept:  # compared at the end: an output must not be overwritten by a later run
        np.testing.assert_allclose(found, expected[index], atol=1e-5)


def test_torchscript_reads_what_torch_wrote(tmp_path: Path, blob_store: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = Store(blob_store).manifest("atoms_blobs").tensors
    scripted = torch.jit.trace(torch.nn.AvgPool2d(3, stride=1, padding=1), torch.zeros(1, 1, 8, 8))
    scripted.save(tmp_path / "model.pt")
    session = runtimes.find("torchscript").open_session(tmp_path / "model.pt", tensors, "fp32", 1)
    constant = np.full((2, 1, 8, 8), 3, np.float32)
    constant.flags.writeable = False
    (output,) = session.run([constant])
    np.testing.assert_allclose(output[:, :, 1:-1, 1:-1], 3)


def test_fake_finds_the_columns_of_a_synthetic_lattice(blob_store: Path) -> None:
    y, x = np.mgrid[:128, :128].astype(np.float32)
    truth = [(20 + 18 * i, 20 + 18 * j) for i in range(6) for j in range(6)]
    image = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 3.5**2)) for cx, cy in truth)
    output = Store(blob_store).open("atoms_blobs", runtime="fake").run(np.asarray(image)[None, None])
    peaks = output[0, 0]
    assert peaks.min() >= 0
    assert peaks.max() <= 1
    for cx, cy in truth:
        around = peaks[cy - 4 : cy + 5, cx - 4 : cx + 5]
        assert around.argmax() == 40, "the peak is at the column"
        assert around.max() > 0.6
    assert (peaks > 0.5).mean() < 0.1, "peaks are compact"


def test_fake_gives_every_dark_line_a_map_of_its_own(line_store: Path) -> None:
    """Lines that touch are one piece; the longest come first, and specks and lines beyond the last map are left out."""
    entry = Store(line_store).manifest("dislocations_dark")
    maps = entry.tensors.outputs[0].shape[1]
    pictures = np.full((2, 1, 200, 120), 0.8, np.float32)
    lengths = [100, 60, 40]
    for number, length in enumerate(lengths):
        for row in range(length):
            x = 10 + 30 * number + row // 5
            pictures[0, 0, 5 + row, x : x + 3] = 0.1
    pictures[0, 0, 190:193, 3:6] = 0.1
    pictures[1, 0, 2::8, :] = 0.1
    found = Store(line_store).open("dislocations_dark", runtime="fake").run(pictures)
    assert found.shape == (2, maps, 200, 120)
    assert ((found >= 0) & (found <= 1)).all()
    lines = found > 0.5
    assert lines[0].sum(axis=(1, 2)).tolist() == [3 * length for length in lengths] + [0] * (maps - 3)
    assert (lines[0].sum(axis=0) <= 1).all()
    assert not (lines[0].any(axis=0) & (pictures[0, 0] > 0.5)).any()
    assert lines[1].sum(axis=(1, 2)).tolist() == [120] * maps, "more lines than maps"
