"""Triton over KServe v2 HTTP: how it is started, and what is asked of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from voxloop.adapters.triton_errors import translated, unavailable
from voxloop.adapters.triton_keys import list_locks, make_control_headers, make_inference_headers
from voxloop.adapters.triton_memory import measure_peak
from voxloop.adapters.triton_repository import TritonRepository
from voxloop.adapters.triton_runtime import prepare, runtime_environment
from voxloop.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from voxloop.adapters.triton_model import ServedModel
    from voxloop.adapters.triton_opened import OpenedModel
    from voxloop.settings import Settings
    from voxloop.tasks.output_difference import Array, Arrays

CONNECT_SECONDS, ANSWER_SECONDS, UNLOAD_SECONDS = 5.0, 120.0, 30.0


def server_argv(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Return the command that starts Triton and the variables to add to its environment.

    What lies in the model repository as it was signed is served again; what is otherwise, or broken, is reported and
    left out. Healthy when `GET /v2/health/ready` answers 200 (about 1 s, and 0.3 s a model).

    Raises:
        ConfigError: Triton's environment is missing.
    """
    binary, ports, locks = prepare(settings), settings.ports, list(list_locks(settings))
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
        "grpc-address": settings.host,
        "grpc-port": ports.triton_grpc,
        "metrics-address": settings.host,
        "metrics-port": ports.triton_metrics,
        "allow-gpu-metrics": "false",
        # AIP_MODE in the environment would turn these round: a port of Vertex AI alone, which knows no key.
        "allow-vertex-ai": "false",
        "allow-http": "true",
        "allow-grpc": "true",
    }
    argv = [str(binary), "--disable-auto-complete-config", *(f"--{name}={value}" for name, value in flags.items())]
    argv += [f"--{flag}={lock}" for flag in ("http-restricted-api", "grpc-restricted-protocol") for lock in locks]
    return [*argv, *(f"--load-model={name}" for name in sound)], runtime_environment(settings)


class TritonServer:
    """The Triton at `settings.triton_url` and its model repository on this machine.

    Every method raises `ServiceUnavailableError` when Triton does not answer, `VoxloopError` when it was started with
    other keys.
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
        self.headers = make_inference_headers(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @cached_property
    def control_headers(self) -> dict[str, str]:
        """Of requests that list, load or unload; who only asks never reads that key."""
        return make_control_headers(self.settings)

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
            models = self.client.get_model_repository_index(headers=self.control_headers)
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
            self.client.load_model(name, headers=self.control_headers)

    def unload(self, name: str) -> None:
        """Unload a model and wait until it is gone."""
        if not self._is_loaded(name):
            return
        with self._translated(name):
            self.client.unload_model(name, headers=self.control_headers)
        until = time.monotonic() + UNLOAD_SECONDS
        while self._is_loaded(name):
            if time.monotonic() > until:
                raise self._unavailable(f"{name} is still loaded after {UNLOAD_SECONDS:g} s")
            time.sleep(0.05)

    def _is_loaded(self, name: str) -> bool:
        # The index lists what lies in the repository: a model whose folder is gone is still served.
        return self.index().get(name) in ("READY", "LOADING", "UNLOADING") or self.is_ready(name)

    def read_digest(self, name: str) -> str:
        """Return the digest of the model that is served as `name`; empty where its configuration does not say."""
        with self._translated(name):
            parameters = self.client.get_model_config(name, headers=self.headers)["parameters"]
        return str(parameters.get("model_digest", {}).get("string_value", ""))

    def read_model(self, name: str) -> ServedModel:
        """Return what the configuration of a served model says of it: digest, request, labels, encoding.

        Raises:
            InputError: It was staged by another version of voxloop.
        """
        from voxloop.adapters.triton_model import read_served

        with self._translated(name):
            config = self.client.get_model_config(name, headers=self.headers)
        return read_served(name, config)

    def answer(self, name: str, request: Arrays) -> dict[str, Array]:
        """Return the outputs for one request, both by name and without the batch dimension.

        Args:
            name: The model asked.
            request: As the family's `make_request` gives it; int16 stands for sound.

        Raises:
            InputError: Triton refuses the request; the message carries its reason.
        """
        from voxloop.adapters.triton_model import make_batch

        return {key: array[0] for key, array in self.infer(self.read_model(name), make_batch(request)).items()}

    def open(self, name: str) -> OpenedModel:
        """Return a served model to be asked again and again.

        Raises:
            InputError: It was staged by another version of voxloop.
        """
        from voxloop.adapters.triton_opened import OpenedModel

        return OpenedModel(self, self.read_model(name))

    def read_memory(self, name: str) -> int | None:
        """Return the resident memory of a model's own processes at most, bytes; None where none is seen here."""
        return measure_peak(self.repository.root / name)

    def infer(self, model: ServedModel, batch: Arrays) -> dict[str, Array]:
        """Return the outputs [batch, …] for a padded batch.

        Args:
            model: The model asked.
            batch: Arrays [batch, …] by name of input.
        """
        inputs = model.write_inputs(batch)
        with self._translated(model.name):
            result = self.client.infer(model.name, inputs, headers=self.headers)
        return model.read_outputs(result)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        with translated(self.settings, what):
            yield

    def _unavailable(self, cause: str) -> ServiceUnavailableError:
        return unavailable(self.settings, cause)
