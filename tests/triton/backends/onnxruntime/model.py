"""Not NVIDIA's onnxruntime backend: an adapter of ours, so that Triton's real core runs ONNX models without a GPU.

It is a "python-based backend" of Triton: configurations with `platform: "onnxruntime_onnx"` load unchanged, and the
network is run by the ONNX Runtime of the Python environment that the server was started in. For tests only.

The parameter `test_delay_ms` of a configuration makes every execution take longer.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance of one model."""

    def initialize(self, args: dict[str, str]) -> None:
        if int(np.__version__.split(".")[0]) >= 2:
            # The stub of this release reads numpy's memory by the layout of numpy 1: tensors come out as noise.
            raise pb_utils.TritonModelException(f"numpy {np.__version__} corrupts tensors here: install 'numpy<2'")
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        self.delay_s = float(parameters.get("test_delay_ms", 0)) / 1000
        self.batched = config["max_batch_size"] > 0
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", 1))
        options.inter_op_num_threads = 1
        file = Path(args["model_repository"]) / args["model_version"] / config["default_model_filename"]
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        """The answers; Triton gives requests whose pictures have one shape, which are run as one batch."""
        time.sleep(self.delay_s)
        given = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            for request in requests
        ]
        if not self.batched:
            return [self._respond(self._run(feeds)) for feeds in given]
        outputs = self._run({name: np.concatenate([feeds[name] for feeds in given]) for name in self.inputs})
        ends = np.cumsum([len(feeds[self.inputs[0]]) for feeds in given])[:-1]
        return [self._respond(list(parts)) for parts in zip(*(np.split(array, ends) for array in outputs), strict=True)]

    def _run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        return self.session.run(self.outputs, feeds)

    def _respond(self, arrays: list[np.ndarray]) -> pb_utils.InferenceResponse:
        tensors = [
            pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in zip(self.outputs, arrays, strict=True)
        ]
        return pb_utils.InferenceResponse(tensors)
