"""A stranger's check of what is served: stock clients only, nothing of voxloop.

Makes a WAV, asks Triton over raw KServe v2 HTTP with the key of a file, runs the ONNX file that MLflow holds under the champion's digest on
the same samples, and prints both answers as one JSON line.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import urllib.request
import wave
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
from mlflow import MlflowClient

RATE = 16_000


def make_wav(seconds: float = 1.7) -> bytes:
    """Return a WAV of a gliding, pulsing tone: 16 kHz, mono, 16 bits."""
    time = np.arange(int(seconds * RATE)) / RATE
    sound = 0.4 * np.sin(2 * np.pi * (140 + 60 * time) * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
    stream = io.BytesIO()
    with wave.open(stream, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes((sound * 32767).astype("<i2").tobytes())
    return stream.getvalue()


def read_wav(content: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the samples as float32 in [-1, 1]."""
    with wave.open(io.BytesIO(content)) as wav:
        assert wav.getframerate() == RATE
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    return (samples / 32768).astype(np.float32)


def digest_folder(folder: Path) -> str:
    """Return the SHA-256 over the paths and digests of a folder, as the registry's tag states it."""
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "_record.json"
    }
    return hashlib.sha256(json.dumps(files, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def ask_triton(url: str, key: Path, model: str, samples: np.ndarray[Any, np.dtype[np.float32]]) -> list[float]:
    """Return Triton's probabilities for one waveform."""
    body = {
        "inputs": [
            {"name": "waveform", "shape": [1, len(samples)], "datatype": "FP32", "data": samples.tolist()},
            {"name": "num_samples", "shape": [1, 1], "datatype": "INT64", "data": [len(samples)]},
        ]
    }
    headers = {"Content-Type": "application/json", "x-voxloop-key": key.read_bytes().hex()}
    request = urllib.request.Request(f"{url}/v2/models/{model}/infer", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        outputs = json.load(answer)["outputs"]
    return next(output["data"] for output in outputs if output["name"] == "probabilities")


def ask_onnx(model: Path, samples: np.ndarray[Any, np.dtype[np.float32]]) -> list[float]:
    """Return the ONNX file's probabilities for one waveform."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    feed = {"waveform": samples[None, :], "num_samples": np.array([len(samples)], np.int64)}
    return [float(value) for value in session.run(["probabilities"], feed)[0][0]]


def main(mlflow_url: str, triton_url: str, triton_key: str, task: str) -> None:
    """Compare the champion's two answers and print them."""
    client = MlflowClient(tracking_uri=mlflow_url, registry_uri=mlflow_url)
    champion = client.get_model_version_by_alias(task, "champion")
    digest = champion.tags["voxloop.model_digest"]
    samples = read_wav(make_wav())
    with TemporaryDirectory() as folder:
        model = Path(client.download_artifacts(str(champion.run_id), "model", folder))
        found = digest_folder(model)
        onnx = ask_onnx(model / "model.onnx", samples)
    served = ask_triton(triton_url, Path(triton_key), f"{task}-{digest[:12]}", samples)
    foreign = sorted(name for name in sys.modules if name.split(".")[0] == "voxloop")
    print(
        json.dumps(
            {
                "version": int(champion.version),
                "digest_stated": digest,
                "digest_found": found,
                "triton": served,
                "onnx": onnx,
                "voxloop_modules": foreign,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
