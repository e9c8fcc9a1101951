"""What a model folder may be made of: formats that hold numbers and text, and no code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from voxloop.errors import InputError
from voxloop.store.plain_files import read_json_object, require_plain_tree


def require_accepted_formats(folder: Path) -> None:
    """Return when every file of a model folder is ONNX, safetensors or JSON; graphs are read elsewhere.

    Raises:
        InputError: One is of another format or malformed, a link or an empty folder.
    """
    require_plain_tree(folder)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix not in READERS:
            raise InputError(
                f"{path.relative_to(folder)} of a model is a {path.suffix or 'file without a suffix'}"[:200],
                rule=f"only {', '.join(sorted(READERS))} are accepted: they hold no code",
                remedy="export the model again",
            )
        READERS[path.suffix](path)


def read_tensors(path: Path) -> None:
    """Read the header of a safetensors file.

    Raises:
        InputError: It is malformed.
    """
    try:
        with safe_open(path, framework="numpy") as tensors:
            tensors.keys()
    except SafetensorError as malformed:
        raise InputError(f"{path.name} is no safetensors file ({malformed})"[:300], remedy="export again") from None


READERS: Mapping[str, Callable[[Path], object]] = {
    ".onnx": lambda path: path,
    ".safetensors": read_tensors,
    ".json": read_json_object,
}
