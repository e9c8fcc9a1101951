"""What Triton runs for one model: ONNX Runtime on one thread, over bytes whose digest was checked.

Runs in Triton's own environment, where voxloop is not installed.
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
        parameters = json.loads(args["model_config"])["parameters"]
        self.max_samples = int(parameters["max_samples"]["string_value"])
        content = (Path(__file__).parent / "model.onnx").read_bytes()
        expected, found = parameters["onnx_sha256"]["string_value"], hashlib.sha256(content).hexdigest()
        if found != expected:
            raise ValueError(f"sha256 of model.onnx is {found}, config.pbtxt says {expected}: not loaded")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list) -> list:
        """Answer each request by itself: no answer depends on its neighbours."""
        return [self.answer(request) for request in requests]

    def answer(self, request):
        """Return the response to one request, or the error that says what is wrong with it."""
        waveform = pb_utils.get_input_tensor_by_name(request, "waveform").as_numpy()
        num_samples = pb_utils.get_input_tensor_by_name(request, "num_samples").as_numpy()
        if problem := self.find_problem(waveform, num_samples):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(problem, pb_utils.TritonError.INVALID_ARG))
        (probabilities,) = self.session.run(["probabilities"], {"waveform": waveform, "num_samples": num_samples})
        return pb_utils.InferenceResponse([pb_utils.Tensor("probabilities", probabilities)])

    def find_problem(self, waveform: np.ndarray, num_samples: np.ndarray) -> str:
        """Return what is wrong with a request, or nothing.

        Args:
            waveform: float32 [batch, samples].
            num_samples: int64 [batch].
        """
        samples = waveform.shape[1]
        if samples > self.max_samples:
            return f"waveform has {samples} samples; at most {self.max_samples} are answered; cut it"
        if ((num_samples < 1) | (num_samples > samples)).any():
            return f"num_samples is {num_samples.tolist()}; each must lie in 1..{samples}, the width of waveform"
        if not np.isfinite(waveform).all():
            return "waveform holds NaN or infinity; send numbers in [-1, 1]"
        return ""
