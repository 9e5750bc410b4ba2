"""A real `tritonserver` on the CPU, on 127.0.0.1, in a session of its own: NVIDIA's binary out of a Python wheel."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
BACKENDS = Path(__file__).parent / "backends"


def environment(root: Path) -> Path | None:
    """The folder of packages that holds the server, or None where it has not been made, or not for this Python."""
    for packages in sorted((root / ".venv-triton").glob("lib/python3.*/site-packages")):
        if _stub(packages).is_file() and _links(packages):
            return packages
    return None


def _links(packages: Path) -> bool:
    """Whether Python is there as a shared library, which the stub needs; some Pythons come without."""
    version = packages.parent.name.removeprefix("python")
    ask = f"import ctypes; ctypes.CDLL('libpython{version}.so.1.0')"
    python = packages.parents[2] / "bin" / "python3"
    settings = os.environ | {"LD_LIBRARY_PATH": library_folder(python)}
    return subprocess.run([python, "-c", ask], env=settings, capture_output=True).returncode == 0


def library_folder(python: Path) -> str:
    """Where an interpreter's own library lies."""
    ask = "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def _stub(packages: Path) -> Path:
    """What runs a backend that is written in Python; there is one for each version of it."""
    stubs = packages / "pytriton" / "tritonserver" / "python_backend_stubs"
    return stubs / packages.parent.name.removeprefix("python") / "triton_python_backend_stub"


class TritonServer:
    """Started by `start`, on the same ports each time. work: an empty folder for its log and its backends."""

    def __init__(self, packages: Path, store: Path, work: Path, *options: str, python: Path | None = None) -> None:
        """packages: of `environment`. store: the models. python: the interpreter of the backend, if another."""
        self.store = store
        self.log_file = work / "log.txt"
        self._server = packages / "pytriton" / "tritonserver"
        self._work = work
        self._options = options
        self._python = python or packages.parents[2] / "bin" / "python3"
        self._libraries = packages / "nvidia_pytriton.libs"
        self._process: subprocess.Popen[bytes] | None = None
        self._memory: set[Path] = set()
        self.http, self.grpc, self.metrics = _free_ports(3)
        self._make_backends()

    def _make_backends(self) -> None:
        # Copies: the server refuses a backend that is a link. The empty folder is where it is started, as a file
        # model.py in the current folder would be taken for the backend's.
        python = self._work / "backends" / "python"
        shutil.copytree(self._server / "backends" / "python", python)
        shutil.copy(_stub(self._server.parents[1]), python)
        shutil.copytree(BACKENDS, self._work / "backends", dirs_exist_ok=True)
        (self._work / "empty").mkdir()

    def launch(self) -> None:
        """Starts the process and does not wait."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "EMSERVE_", "LD_LIBRARY_PATH"))
        }
        settings = inherited | {
            "PATH": f"{self._python.parent}{os.pathsep}{os.environ['PATH']}",  # the stub takes `python3` from there
            "LD_LIBRARY_PATH": f"{library_folder(self._python)}{os.pathsep}{self._libraries}",
            "OMP_NUM_THREADS": "1",
        }
        command = [
            str(self._server / "bin" / "tritonserver"),
            f"--model-repository={self.store}",
            f"--backend-directory={self._work / 'backends'}",
            f"--cache-directory={self._server / 'caches'}",
            *(f"--{name}-address=127.0.0.1" for name in ("http", "grpc", "metrics")),
            f"--http-port={self.http}",
            f"--grpc-port={self.grpc}",
            f"--metrics-port={self.metrics}",
            "--allow-gpu-metrics=false",
            "--pinned-memory-pool-byte-size=0",
            "--disable-auto-complete-config",
            "--strict-readiness=true",
            "--exit-timeout-secs=10",
            *self._options,
        ]
        libc = ctypes.CDLL(None)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._work / "empty",
                env=settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: libc.prctl(_DEATH_SIGNAL, signal.SIGTERM),  # should the tests be killed
            )

    def start(self, limit_s: float = 120) -> None:
        """Starts it and returns when it is ready; raises RuntimeError with its log where it does not become so."""
        self.launch()
        begin = time.monotonic()
        while time.monotonic() - begin < limit_s and self.running():
            if self.ready():
                self._memory |= self._own_memory()
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"Triton did not become ready:\n{self.log()}")

    def ready(self, model: str | None = None) -> bool:
        """Whether it says so of itself, or of a model."""
        with suppress(OSError):
            return int(self._get(self.http, f"v2/models/{model}/ready" if model else "v2/health/ready").status) == 200
        return False

    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def wait_for_end(self, limit_s: float = 30) -> int:
        """The exit code of a server that ends by itself."""
        assert self._process is not None
        return self._process.wait(limit_s)

    def stop(self) -> None:
        """Ends it as an orchestrator would, and what it has left after 15 s by force."""
        if self._process is not None and self.running():
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(15)
        self.kill()

    def kill(self) -> None:
        """Ends the process and its group at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for file in self._memory:  # what a server that was killed leaves behind
            file.unlink(missing_ok=True)

    def _own_memory(self) -> set[Path]:
        """The files of shared memory that it has made for its backends, by its own map of its memory."""
        assert self._process is not None
        with suppress(OSError):
            lines = Path(f"/proc/{self._process.pid}/maps").read_text().splitlines()
            return {Path(line.split()[-1]) for line in lines if "/dev/shm/triton_" in line and "deleted" not in line}
        return set()

    def log(self) -> str:
        """All that it has written."""
        return self.log_file.read_text(errors="replace")

    def load(self, model: str) -> None:
        """Reads a model's folder anew; for a server that was started with `--model-control-mode=explicit`."""
        self._get(self.http, f"v2/repository/models/{model}/load", data=b"{}")

    def counts(self, model: str, version: str = "1") -> tuple[int, int]:
        """Requests that were answered, and executions of the network that it took."""
        (stats,) = json.load(self._get(self.http, f"v2/models/{model}/versions/{version}/stats"))["model_stats"]
        return int(stats["inference_stats"]["success"]["count"]), int(stats["execution_count"])

    def regions(self) -> set[str]:
        """Names of the shared memory that clients have made known to it."""
        return {entry["name"] for entry in json.load(self._get(self.http, "v2/systemsharedmemory/status"))}

    def exposition(self) -> str:
        """What it shows to Prometheus."""
        return str(self._get(self.metrics, "metrics").read().decode())

    def _get(self, port: int, path: str, data: bytes | None = None) -> Any:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return direct.open(f"http://127.0.0.1:{port}/{path}", data=data, timeout=20)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
