"""SHA-256 of bytes, files, folders and JSON, as lower-case hex."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RECORD_NAME = "_record.json"
"""The record a step leaves beside its outputs; it describes them and is no part of their digest."""


LIBRARIES = (
    *("cleanlab", "espeakng-loader", "great-expectations", "librosa", "lightning", "numpy", "onnx", "onnxruntime"),
    *("onnxscript", "pandas", "pyarrow", "safetensors", "scikit-learn", "scipy", "soundfile", "soxr", "torch"),
    "transformers",
)
"""What the bytes of a step's result may depend on besides our own code."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_bytes(content: bytes) -> str:
    """Return the SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_json(value: object) -> str:
    """Return the SHA-256 of `value` as canonical JSON: sorted keys, no spaces, no NaN."""
    return digest_bytes(canonical_json(value).encode())


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`.

    Raises:
        ValueError: `value` holds a NaN or an infinity, which JSON does not know.
    """
    return _CANONICAL.encode(value)


def list_files(folder: Path) -> dict[str, str]:
    """Return the digest of every file under `folder` by its relative POSIX path, the record left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): digest_file(path)
        for path in files
        if path.relative_to(folder).as_posix() != RECORD_NAME
    }


def digest_tree(path: Path) -> str:
    """Return the digest of a folder (its relative paths and the bytes under them) or of a single file."""
    return digest_file(path) if path.is_file() else digest_json(list_files(path))


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return the digest of the package's own source: a result belongs to the code that made it."""
    package = Path(__file__).resolve().parents[1]
    sources = {path.relative_to(package).as_posix(): digest_file(path) for path in sorted(package.rglob("*.py"))}
    return digest_json(sources)


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Return the installed version of each of `LIBRARIES`; empty for one that is not installed."""
    return {name: _version(name) for name in LIBRARIES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
