"""Load, a full queue, a new version and an outage: what the runtime makes of them on a real Triton."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from emserve.exceptions import Busy, DeadlineExceeded, Unavailable
from model_store import manifest
from model_store.store import Model, Store

pytest.importorskip("tritonclient")

LIMIT_S = 40
"""So long is waited for something that has to happen; none of it is a measurement."""


def picture(seed: int, tiles: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((tiles, 1, 40, 48), dtype=np.float32)


def outcome(model: Model, batch: np.ndarray) -> np.ndarray | Exception:
    try:
        return model.run(batch)
    except (Busy, DeadlineExceeded, Unavailable) as error:
        return error


def test_tiles_of_several_pictures_run_together(
    blobs: Path, start_triton: Any, setting: Callable[..., None], changed: Callable[..., None]
) -> None:
    changed(blobs, "atoms_blobs", test_delay_ms=30)
    here = Store(blobs).open("atoms_blobs", runtime="onnx")
    with start_triton(blobs) as server:
        for protocol in ("grpc", "http"):
            setting(URL=f"{protocol}://127.0.0.1:{getattr(server, protocol)}", TILES=6)
            model = Store(blobs).open("atoms_blobs", runtime="triton")
            assert model.manifest.input["batch"] == 6
            before = server.counts("atoms_blobs")
            batches = [picture(seed, tiles=8) for seed in range(3)]
            with ThreadPoolExecutor(3) as fronts:
                answers = list(fronts.map(model.run, batches))
            requests, executions = (now - then for now, then in zip(server.counts("atoms_blobs"), before, strict=True))
            assert requests == 24
            assert 6 <= executions < requests, "no more than 4 in a batch, and not each by itself"
            for batch, answer in zip(batches, answers, strict=True):
                np.testing.assert_allclose(answer, here.run(batch), rtol=0, atol=1e-6)


def test_answers_are_kept_where_that_is_asked_for(blobs: Path, start_triton: Any, setting: Callable[..., None]) -> None:
    from export.triton.commands import Choices, write

    write(Store(blobs), "atoms_blobs", Choices(cache=True))
    with start_triton(blobs, "--cache-config=local,size=4194304") as server:
        setting(URL=f"grpc://127.0.0.1:{server.grpc}", SHARED_MEMORY="off")
        model = Store(blobs).open("atoms_blobs", runtime="triton")
        before = server.counts("atoms_blobs")
        first, second = model.run(picture(1)), model.run(picture(1))
        requests, executions = (now - then for now, then in zip(server.counts("atoms_blobs"), before, strict=True))
    np.testing.assert_array_equal(first, second)
    assert (requests, executions) == (2, 1)


def test_a_full_queue_and_a_passed_deadline(
    blobs: Path, start_triton: Any, setting: Callable[..., None], changed: Callable[..., None]
) -> None:
    changed(blobs, "atoms_blobs", queue=1, test_delay_ms=250)
    with start_triton(blobs) as server:
        for protocol in ("grpc", "http"):
            setting(URL=f"{protocol}://127.0.0.1:{getattr(server, protocol)}", TIMEOUT_S=30)
            model = Store(blobs).open("atoms_blobs", runtime="triton")
            with ThreadPoolExecutor(8) as fronts:
                outcomes = list(fronts.map(lambda seed, model=model: outcome(model, picture(seed)), range(8)))
            refused = [found for found in outcomes if isinstance(found, Exception)]
            assert refused, protocol
            assert len(refused) < 8, "the first ones are answered"
            for error in refused:
                assert isinstance(error, Busy), error
                assert (error.status, error.code) == (429, "busy")
                assert error.retry_after_s is not None
                assert error.retry_after_s >= 1
                assert "queue" in error.message
            setting(TIMEOUT_S=0.1)
            hasty = Store(blobs).open("atoms_blobs", runtime="triton")
            with pytest.raises(DeadlineExceeded, match=r"within 0\.1 s"):
                hasty.run(picture(0))
            assert isinstance(outcome(model, picture(1)), np.ndarray), "the next one is answered"


def test_a_new_version_comes_under_traffic(
    blobs: Path, tmp_path: Path, start_triton: Any, setting: Callable[..., None]
) -> None:
    """As when fronts are replaced one by one: those with the old manifest and those with the new one ask at once."""
    from export.triton.commands import Choices, write

    old_front = shutil.copytree(blobs, tmp_path / "old")
    half = onnx.load(blobs / "atoms_blobs" / "1" / "model.onnx")
    (gain,) = (tensor for tensor in half.graph.initializer if tensor.name == "gain")
    gain.CopyFrom(numpy_helper.from_array(np.float32(numpy_helper.to_array(gain) / 2), "gain"))
    batch = picture(5, tiles=3)
    with start_triton(blobs, "--model-control-mode=explicit", "--load-model=*") as server:
        setting(URL=f"grpc://127.0.0.1:{server.grpc}", TILES=3)
        fronts = {"old": Store(old_front).open("atoms_blobs", runtime="triton")}
        first = fronts["old"].run(batch)
        asked: dict[str, int] = {"old": 0, "new": 0}
        wrong: list[object] = []
        over = threading.Event()

        def traffic(stays: bool) -> None:
            while not over.is_set():
                which = "old" if stays or "new" not in fronts else "new"
                try:
                    answer = fronts[which].run(batch)
                except Exception as error:
                    wrong.append(error)
                    return
                if not np.allclose(answer, first if which == "old" else first / 4, atol=1e-6):
                    wrong.append(f"{which} front, other numbers")
                asked[which] += 1

        def until(done: Callable[[], bool]) -> None:
            begin = time.monotonic()
            while not done() and not wrong and time.monotonic() - begin < LIMIT_S:
                time.sleep(0.02)
            assert not wrong
            assert done()

        threads = [threading.Thread(target=traffic, args=(stays,)) for stays in (True, False, False)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: asked["old"] >= 20)
            (blobs / "atoms_blobs" / "2").mkdir()
            onnx.save(half, blobs / "atoms_blobs" / "2" / "model.onnx")
            weights = manifest.weight_file(blobs / "atoms_blobs", "2/model.onnx")
            entry = manifest.load(blobs / "atoms_blobs")
            changes = {"version": "1.1.0", "files": {"onnx": weights}}
            manifest.write(entry.model_copy(update=changes), blobs / "atoms_blobs")
            write(Store(blobs), "atoms_blobs", Choices())
            server.load("atoms_blobs")
            fronts["new"] = Store(blobs).open("atoms_blobs", runtime="triton")
            until(lambda: asked["new"] >= 20)
        finally:
            over.set()
            for thread in threads:
                thread.join(LIMIT_S)
        assert wrong == []
        assert fronts["new"].info.model_extra == {"server": "triton 2.51.0", "server_model_version": "2"}
        assert (fronts["old"].info.version, fronts["new"].info.version) == ("1.0.0", "1.1.0")
        assert fronts["old"].info.sha256 != fronts["new"].info.sha256


def test_an_outage_is_told_and_passes(
    blobs: Path, start_triton: Any, setting: Callable[..., None], changed: Callable[..., None]
) -> None:
    changed(blobs, "atoms_blobs", test_delay_ms=600)
    with start_triton(blobs) as server:
        models = []
        for protocol, shared_memory in (("grpc", "off"), ("grpc", "on"), ("http", "off"), ("http", "on")):
            setting(URL=f"{protocol}://127.0.0.1:{getattr(server, protocol)}", SHARED_MEMORY=shared_memory)
            models.append(Store(blobs).open("atoms_blobs", runtime="triton"))
        expected = [model.run(picture(7)) for model in models]

        with ThreadPoolExecutor(len(models)) as fronts:
            in_flight = [fronts.submit(outcome, model, picture(8, tiles=4)) for model in models]
            time.sleep(0.1)
            server.kill()
            for future in in_flight:
                error = future.result(LIMIT_S)
                assert isinstance(error, Unavailable), error
                assert (error.status, error.code) == (503, "unavailable")
                assert "Triton" in error.message
                assert error.remedy
        for model in models:
            assert isinstance(outcome(model, picture(7)), Unavailable)
            assert "Triton" in (model.unready() or "")

        server.start()
        begin = time.monotonic()
        while any(model.unready() for model in models) and time.monotonic() - begin < LIMIT_S:
            time.sleep(0.1)
        for model, before in zip(models, expected, strict=True):
            assert model.unready() is None
            np.testing.assert_array_equal(model.run(picture(7)), before)
        assert [model._session.sharing.refused is None for model in models] == [False, True, False, True]


def test_the_adapter_refuses_numpy_2(blobs: Path, start_triton: Any) -> None:
    """There tensors would come out as noise, without a word."""
    assert int(np.__version__.split(".")[0]) >= 2, "this test's own environment is the wrong one"
    with (
        pytest.raises(RuntimeError, match=r"numpy 2\S+ corrupts tensors here: install 'numpy<2'"),
        start_triton(blobs, python=Path(sys.executable).parent / "python3"),
    ):
        pass
