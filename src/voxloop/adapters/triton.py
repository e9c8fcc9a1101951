"""Triton over KServe v2 HTTP: how it is started, and what is asked of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from voxloop.adapters.triton_repository import TritonRepository
from voxloop.adapters.triton_runtime import KEY_HEADER, RESTRICTED, prepare, read_control_key, runtime_environment
from voxloop.errors import InputError, ServiceUnavailableError, VoxloopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from voxloop.settings import Settings

CONNECT_SECONDS, ANSWER_SECONDS, UNLOAD_SECONDS = 5.0, 120.0, 30.0


def server_argv(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts Triton and the variables to add to its environment.

    What lies in the model repository as it was signed is served again; what is otherwise, or broken, is reported and
    left out. Healthy when `GET /v2/health/ready` answers 200 (about 1 s, and 0.3 s a model).

    Raises:
        ConfigError: Triton's environment is missing.
    """
    binary, ports, lock = prepare(settings), settings.ports, f"{RESTRICTED}:{KEY_HEADER}={read_control_key(settings)}"
    sound, refused = TritonRepository(settings).list_verified()
    for name, reason in refused.items():
        print(f"{name} is not loaded: {reason}", file=sys.stderr, flush=True)
    flags = {
        "model-repository": settings.model_repository,
        "backend-directory": settings.home / "triton" / "backends",
        "model-control-mode": "explicit",
        "exit-on-error": "false",
        "strict-readiness": "false",
        "exit-timeout-secs": 10,
        "http-address": settings.host,
        "http-port": ports.triton_http,
        "http-restricted-api": lock,
        "grpc-address": settings.host,
        "grpc-port": ports.triton_grpc,
        "grpc-restricted-protocol": lock,
        "metrics-address": settings.host,
        "metrics-port": ports.triton_metrics,
        "allow-gpu-metrics": "false",
    }
    argv = [str(binary), "--disable-auto-complete-config", *(f"--{name}={value}" for name, value in flags.items())]
    return [*argv, *(f"--load-model={name}" for name in sound)], runtime_environment(settings)


class TritonServer:
    """The Triton at `settings.triton_url` and its model repository on this machine.

    Every method raises `ServiceUnavailableError` when Triton does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        from tritonclient.http import InferenceServerClient

        self.settings = settings
        self.repository = TritonRepository(settings)
        self.client = InferenceServerClient(
            f"{settings.host}:{settings.ports.triton_http}",
            connection_timeout=CONNECT_SECONDS,
            network_timeout=ANSWER_SECONDS,
        )
        self.headers = {KEY_HEADER: read_control_key(settings)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def require_ready(self) -> None:
        """Raise `ServiceUnavailableError` unless the server accepts requests."""
        with self._translated("health"):
            if not self.client.is_server_ready():
                raise self._unavailable("not ready")

    def is_ready(self, name: str) -> bool:
        """Return whether the model `name` is loaded and answers."""
        with self._translated(name):
            return bool(self.client.is_model_ready(name))

    def index(self) -> dict[str, str]:
        """Return the state of every model in the repository: READY, UNAVAILABLE, or empty when never loaded."""
        with self._translated("index"):
            models = self.client.get_model_repository_index(headers=self.headers)
        return {str(model["name"]): str(model.get("state", "")) for model in models}

    def stage(self, name: str, model: Path, model_digest: str) -> bool:
        """Put a model folder into the repository under `name`; return whether anything had to be written."""
        return self.repository.stage(name, model, model_digest)

    def staged(self, task: str) -> list[str]:
        """Return the names of the task's models in the repository."""
        return self.repository.staged(task)

    def remove(self, name: str) -> None:
        """Take a model out of the repository."""
        self.repository.remove(name)

    def load(self, name: str) -> None:
        """Load a staged model, or load it anew, once its signature is verified.

        Raises:
            IntegrityError: The staged folder is not what was signed; nothing is loaded.
            VoxloopError: Triton could not load it; the message carries its reason.
        """
        self.repository.verify(name)
        with self._translated(name):
            self.client.load_model(name, headers=self.headers)

    def unload(self, name: str) -> None:
        """Unload a model and wait until it is gone."""
        if not self._is_loaded(name):
            return
        with self._translated(name):
            self.client.unload_model(name, headers=self.headers)
        until = time.monotonic() + UNLOAD_SECONDS
        while self._is_loaded(name):
            if time.monotonic() > until:
                raise self._unavailable(f"{name} is still loaded after {UNLOAD_SECONDS:g} s")
            time.sleep(0.05)

    def _is_loaded(self, name: str) -> bool:
        # The index lists what lies in the repository: a model whose folder is gone is still served.
        return self.index().get(name) in ("READY", "LOADING", "UNLOADING") or self.is_ready(name)

    def read_parameters(self, name: str) -> dict[str, Any]:
        """Return the parameters of a served model: `model_digest`, `onnx_sha256`, `labels` (decoded), `max_samples`."""
        with self._translated(name):
            parameters = self.client.get_model_config(name)["parameters"]
        values: dict[str, Any] = {key: value["string_value"] for key, value in parameters.items()}
        return values | {"labels": json.loads(values["labels"])}

    def read_digest(self, name: str) -> str:
        """Return the digest of the model that is served as `name`; empty where its configuration does not say."""
        with self._translated(name):
            parameters = self.client.get_model_config(name)["parameters"]
        return str(parameters.get("model_digest", {}).get("string_value", ""))

    def answer(self, name: str, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (float32 [labels]) for one waveform (float32 [samples], 16 kHz, in [-1, 1]).

        Raises:
            InputError: Triton refuses the waveform; the message carries its reason.
        """
        import numpy as np

        lengths = np.array([waveform.shape[0]], dtype=np.int64)
        answers: NDArray[np.float32] = self.infer(name, waveform[np.newaxis, :], lengths)[0]
        return answers

    def infer(self, name: str, waveforms: NDArray[np.float32], num_samples: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the probabilities (float32 [batch, labels]) for a zero-padded batch.

        Args:
            name: The model asked.
            waveforms: float32 [batch, samples], 16 kHz, in [-1, 1].
            num_samples: int64 [batch], the true length of each row.
        """
        from tritonclient.http import InferInput, InferRequestedOutput

        inputs = [
            InferInput("waveform", list(waveforms.shape), "FP32"),
            InferInput("num_samples", [len(num_samples), 1], "INT64"),
        ]
        inputs[0].set_data_from_numpy(waveforms)
        inputs[1].set_data_from_numpy(num_samples.reshape(-1, 1))
        with self._translated(name):
            result = self.client.infer(name, inputs, outputs=[InferRequestedOutput("probabilities")])
            probabilities: NDArray[np.float32] = result.as_numpy("probabilities")
        return probabilities

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        from tritonclient.utils import InferenceServerException

        try:
            yield
        except (OSError, HTTPException) as silent:
            raise self._unavailable(type(silent).__name__) from None
        except InferenceServerException as failed:
            reason = " ".join((failed.message() or "no reason given").split())
            if "unknown model" in reason or "is not ready" in reason:
                raise ServiceUnavailableError(
                    f"Triton at {self.settings.triton_url} does not serve {what}",
                    remedy="run `voxloop deploy`, which serves the champion again",
                ) from None
            kind = InputError if failed.status() in ("400", "StatusCode.INVALID_ARGUMENT") else VoxloopError
            raise kind(f"Triton refused {what}: {reason[:400]}") from None

    def _unavailable(self, cause: str) -> ServiceUnavailableError:
        return ServiceUnavailableError(
            f"Triton does not answer at {self.settings.triton_url} ({cause})",
            rule="models are served there",
            remedy="look at `voxloop status`, start it with `voxloop up`",
        )
