"""What Triton runs for one model: ONNX Runtime, over bytes whose digest was checked.

Which tensors come and go is what `config.pbtxt` says. Runs in Triton's own environment, where voxloop is not installed.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance of the model, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the ONNX file beside this one.

        Raises:
            ValueError: Its SHA-256 is not the one in `config.pbtxt`.
        """
        config = json.loads(args["model_config"])
        parameters = config["parameters"]
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]
        self.max_length = int(parameters["max_length"]["string_value"])
        content = (Path(__file__).parent / "model.onnx").read_bytes()
        expected, found = parameters["onnx_sha256"]["string_value"], hashlib.sha256(content).hexdigest()
        if found != expected:
            raise ValueError(f"sha256 of model.onnx is {found}, config.pbtxt says {expected}: not loaded")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(parameters["intra_op_thread_count"]["string_value"])
        options.inter_op_num_threads = int(parameters["inter_op_thread_count"]["string_value"])
        options.log_severity_level = 4  # a refused request is told to who asked, not to the log
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list) -> list:
        """Answer each request by itself: no answer depends on its neighbours."""
        return [self.answer(request) for request in requests]

    def answer(self, request):
        """Return the response to one request, or the error that says what is wrong with it."""
        arrays = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
        if problem := self.find_problem(arrays):
            return refuse(problem)
        try:
            answers = self.session.run(self.outputs, arrays)
        except Exception as refused:  # noqa: BLE001 - onnxruntime's errors share no other class
            return refuse(f"the model cannot take this request: {refused}")
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, array) for name, array in zip(self.outputs, answers, strict=True)]
        )

    def find_problem(self, arrays: dict[str, np.ndarray]) -> str:
        """Return what is wrong with a request, or nothing.

        Args:
            arrays: [batch, …] by name; NaN stands for a missing number, but not in a waveform.
        """
        for name, array in arrays.items():
            if max(array.shape[1:], default=0) > self.max_length:
                return f"{name} has the shape {array.shape}; at most {self.max_length} are answered; cut it"
            if array.dtype.kind == "f" and np.isinf(array).any():
                return f"{name} holds infinity; send finite numbers"
        if "waveform" in arrays:
            return find_problem_of_sound(arrays["waveform"], arrays.get("num_samples"))
        return ""


def find_problem_of_sound(waveform: np.ndarray, num_samples: np.ndarray | None) -> str:
    """Return what is wrong with float32 [batch, samples] and the true length of each row, int64 [batch], or nothing."""
    samples = waveform.shape[1]
    if num_samples is not None and ((num_samples < 1) | (num_samples > samples)).any():
        return f"num_samples is {num_samples.tolist()}; each must lie in 1..{samples}, the width of waveform"
    if np.isnan(waveform).any():
        return "waveform holds NaN; send numbers in [-1, 1]"
    return ""


def refuse(problem: str):
    """Return the response that says what is wrong with a request."""
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(problem, pb_utils.TritonError.INVALID_ARG))
