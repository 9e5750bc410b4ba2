"""What the tests of all folders share."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real micrographs beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real micrographs (../shared/data) are not here")
    return folder


def write_blob_model(folder: Path, *, default: bool = True) -> None:
    """A model folder whose network is the operator of the runtime `fake`, as ONNX: real weights of a few kB."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from model_store import manifest
    from model_store.runtimes import fake

    reach = fake.REACH_PX
    constants = {"pads": np.array([0, 0, reach, reach, 0, 0, reach, reach]), "gain": np.float32(fake.GAIN)}
    constants["one"] = np.float32(1)
    nodes = [helper.make_node("Pad", ["micrograph", "pads"], ["padded"], mode="edge")]
    for name, sigma_px in (("narrow", fake.NARROW_PX), ("wide", fake.WIDE_PX)):
        kernel = fake.gaussian(sigma_px)
        constants |= {f"{name}_y": kernel[None, None, :, None], f"{name}_x": kernel[None, None, None, :]}
        nodes.append(helper.make_node("Conv", ["padded", f"{name}_y"], [f"{name}_rows"]))
        nodes.append(helper.make_node("Conv", [f"{name}_rows", f"{name}_x"], [name]))
    for kind, inputs, output in (
        ("Sub", ["narrow", "wide"], "difference"),
        ("Relu", ["difference"], "blobs"),
        ("Mul", ["blobs", "gain"], "scaled"),
        ("Min", ["scaled", "one"], "root"),
        ("Mul", ["root", "root"], "probability"),
    ):
        nodes.append(helper.make_node(kind, inputs, [output]))
    shape = ["n", 1, "height", "width"]
    graph = helper.make_graph(
        nodes,
        "blobs",
        [helper.make_tensor_value_info("micrograph", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    (folder / "1").mkdir(parents=True)
    onnx.save(model, folder / "1" / "model.onnx")

    batch = np.random.default_rng(0).random((2, 1, 48, 40), dtype=np.float32)
    (folder / "sample").mkdir()
    np.savez(folder / "sample" / "input.npz", micrograph=batch)
    np.savez(folder / "sample" / "expected.npz", probability=fake.Session().run([batch])[0])
    manifest.write(
        manifest.Manifest.model_validate(
            {
                "name": folder.name,
                "family": "atoms",
                "version": "1.0.0",
                "title": "Difference of Gaussians, for tests",
                "architecture": "difference of Gaussians",
                "parameters": 4 * (2 * reach + 1),
                "licence": "MIT",
                "authors": ["emserve authors"],
                "default": default,
                "files": {"onnx": manifest.weight_file(folder, "1/model.onnx")},
                "tensors": {
                    "inputs": [{"name": "micrograph", "dtype": "float32", "shape": [-1, 1, -1, -1]}],
                    "outputs": [{"name": "probability", "dtype": "float32", "shape": [-1, 1, -1, -1]}],
                },
                "input": {
                    "scaling": "percentile",
                    "best_pixel_size_nm": 0.016,
                    "pixel_size_range_nm": [0.01, 0.026],
                    "multiple_of": 8,
                    "halo_px": 24,
                },
                "precisions": {"fp32": {"tolerance": {"probability": 1.0e-5}}},
                "sample": {"input": "sample/input.npz", "expected": "sample/expected.npz"},
            }
        ),
        folder,
    )


def write_dark_model(folder: Path, *, default: bool = True) -> None:
    """A model folder of the family `defects` that only the runtime `fake` can run: its weight file is empty words."""
    from model_store import manifest

    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(b"the runtime fake needs no weights")
    manifest.write(
        manifest.Manifest.model_validate(
            {
                "name": folder.name,
                "family": "defects",
                "version": "1.0.0",
                "title": "Whatever is dark, for tests",
                "architecture": "threshold",
                "parameters": 1,
                "licence": "MIT",
                "authors": ["emserve authors"],
                "default": default,
                "files": {"onnx": manifest.weight_file(folder, "1/model.onnx")},
                "tensors": {
                    "inputs": [{"name": "image", "dtype": "float32", "shape": [1, -1, -1]}],
                    "outputs": [
                        {"name": "boxes", "dtype": "float32", "shape": [-1, 4]},
                        {"name": "scores", "dtype": "float32", "shape": [-1]},
                        {"name": "classes", "dtype": "int64", "shape": [-1]},
                        {"name": "masks", "dtype": "float32", "shape": [-1, 28, 28]},
                    ],
                },
                "input": {
                    "classes": ["loop_111", "loop_100", "black_dot"],
                    "channels": 1,
                    "pixel_size_range_nm": [0.14, 0.88],
                    "tile_px": 512,
                    "overlap_px": 128,
                },
                "precisions": {"fp32": {"tolerance": {"boxes": 0.01, "scores": 0.0, "classes": 0.0, "masks": 0.0}}},
                "sample": {"input": "sample/input.npz", "expected": "sample/expected.npz"},
            }
        ),
        folder,
    )


def write_line_model(folder: Path, *, default: bool = True, most_lines: int = 12) -> None:
    """A model folder of the family `dislocations` that only the runtime `fake` can run: its weight file is words."""
    from model_store import manifest

    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.onnx").write_bytes(b"the runtime fake needs no weights")
    manifest.write(
        manifest.Manifest.model_validate(
            {
                "name": folder.name,
                "family": "dislocations",
                "version": "1.0.0",
                "title": "Dark lines, for tests",
                "architecture": "threshold",
                "parameters": 1,
                "licence": "MIT",
                "authors": ["emserve authors"],
                "default": default,
                "files": {"onnx": manifest.weight_file(folder, "1/model.onnx")},
                "tensors": {
                    "inputs": [{"name": "micrograph", "dtype": "float32", "shape": [-1, 1, -1, -1]}],
                    "outputs": [{"name": "masks", "dtype": "float32", "shape": [-1, most_lines, -1, -1]}],
                },
                "input": {"most_lines": most_lines, "pixel_size_range_nm": [0.4, 3.0], "tile_px": 256},
                "precisions": {"fp32": {"tolerance": {"masks": 0.0}}},
                "sample": {"input": "sample/input.npz", "expected": "sample/expected.npz"},
            }
        ),
        folder,
    )


@pytest.fixture(scope="session")
def blob_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one atoms model, `atoms_blobs`, that finds bright blobs; tests must not change it."""
    folder = tmp_path_factory.mktemp("store")
    write_blob_model(folder / "atoms_blobs")
    return folder


@pytest.fixture(scope="session")
def dark_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one defects model, `defects_dark`, that finds dark things; for the runtime `fake` only."""
    folder = tmp_path_factory.mktemp("store")
    write_dark_model(folder / "defects_dark")
    return folder


@pytest.fixture(scope="session")
def line_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one dislocations model, `dislocations_dark`, that finds dark lines; for the runtime `fake` only."""
    folder = tmp_path_factory.mktemp("store")
    write_line_model(folder / "dislocations_dark")
    return folder


@pytest.fixture(scope="session")
def family_store(
    blob_store: Path, dark_store: Path, line_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A store with a model of every family: those of `blob_store`, `dark_store` and `line_store`."""
    folder = tmp_path_factory.mktemp("store")
    for store in (blob_store, dark_store, line_store):
        shutil.copytree(store, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def narrow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one defects model, `defects_narrow`: an exported Mask R-CNN of few channels, its weights random.

    Its norms have statistics of their own, and it finds a few dozen things of two classes, `loop_111` and `black_dot`.
    """
    torch = pytest.importorskip("torch")
    from analysis.defects.preprocess import InputSpec
    from export.defects.folder import Description, export_network
    from training.defects.networks import MaskRCNN, compact
    from training.defects.networks.initialisation import initialise

    torch.set_num_threads(1)
    small = compact(("loop_111", "black_dot"))
    resnet = small.resnet.model_copy(update={"stem_channels": 8, "res2_channels": 8})
    regions = small.regions.model_copy(update={"detections": 20})
    network = MaskRCNN(small.model_copy(update={"resnet": resnet, "regions": regions}))
    initialise(network, 4)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        network.train().features(255 * torch.rand(2, 1, 96, 96, generator=generator))
        network.box_head.logits.weight.normal_(std=0.6, generator=generator)
        network.proposal_head.logits.weight.normal_(std=0.5, generator=generator)
        network.mask_head.logits.weight.normal_(std=2.0, generator=generator)
    spec = InputSpec(classes=network.config.classes, channels=1, most_detections=20)
    folder = tmp_path_factory.mktemp("store")
    export_network(network.eval(), Description(input=spec, default=True), folder / "defects_narrow")
    return folder


@pytest.fixture(scope="session")
def client_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs (`python`, `emserve`) of a fresh environment where only the client's wheel is installed.

    Neither bentoml nor torch nor onnxruntime nor the optional packages of the client are there.
    """
    folder = tmp_path_factory.mktemp("client")
    # Built from a copy: the build leaves its folders beside the sources.
    sources = shutil.copytree(
        ROOT / "clients", folder / "sources", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    )

    def do(*command: str | Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"

    do(sys.executable, "-m", "build", "--wheel", "--outdir", folder, sources)
    (wheel,) = folder.glob("*.whl")
    do(sys.executable, "-m", "venv", folder / "venv")
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    do(programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return programs


@dataclass(frozen=True)
class Server:
    """A real `bentoml serve` of this repository, in a process of its own."""

    url: str
    log_file: Path
    process: subprocess.Popen[bytes]

    def log(self) -> str:
        """All that it has written so far."""
        return self.log_file.read_text(errors="replace")


StartServer = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """`with start_server(EMSERVE_QUEUE="2") as server:` with these settings and no others; ready when it begins."""

    @contextmanager
    def start(**settings: str) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EMSERVE_", "BENTOML_"))}
        paths = [str(ROOT / "clients"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = inherited | {
            "PYTHONPATH": os.pathsep.join(paths),
            "BENTOML_HOME": str(folder / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            **settings,
        }
        command = [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)]
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        server = Server(f"http://127.0.0.1:{port}", folder / "log.txt", process)
        try:
            wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            try:
                code = process.wait(60)
            except subprocess.TimeoutExpired:
                code = None
            with suppress(ProcessLookupError):  # its workers, if it could not end them; the group is its own
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert code == 0, f"the service did not end when it was told to ({code}):\n{server.log()}"

    return start


def wait_until_ready(server: Server, limit_s: float = 120) -> None:
    begin = time.monotonic()
    while time.monotonic() - begin < limit_s and server.process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{server.url}/readyz", trust_env=False).status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail(f"the service did not become ready:\n{server.log()}")


@pytest.fixture(scope="session")
def live_server(start_server: StartServer) -> Iterator[str]:
    """The address of a real service on the shipped models."""
    with start_server() as server:
        yield server.url
