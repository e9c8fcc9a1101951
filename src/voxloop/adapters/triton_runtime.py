"""The real Triton server on this machine, from the `nvidia-pytriton` wheel in its own environment.

The wheel holds `tritonserver`, the Python backend and one stub a Python version, but not joined: Triton looks for
the stub beside the backend's library. The two are linked together in a folder of ours, so that the environment
stays as pip installed it.
"""

from __future__ import annotations

import ctypes.util
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import ConfigError

if TYPE_CHECKING:
    from voxloop.settings import Settings

STUB = "triton_python_backend_stub"


def prepare(settings: Settings) -> Path:
    """Link the backends folder, make the model repository and return the path of `tritonserver`.

    Raises:
        ConfigError: Triton's environment is missing or its wheel does not fit the interpreter.
    """
    wheel = find_wheel(settings.triton_python)
    backend = settings.home / "triton" / "backends" / "python"
    backend.mkdir(parents=True, exist_ok=True)
    version = _python_version(wheel)
    stub = wheel / "python_backend_stubs" / version / STUB
    if not stub.is_file():
        raise ConfigError(f"{wheel} has no stub for Python {version}", remedy="make .venv-triton anew: `make setup`")
    files = [path for path in (wheel / "backends" / "python").iterdir() if path.is_file()]  # byte code lies in a folder
    for source in [*files, stub]:
        _link(backend / source.name, source)
    settings.model_repository.mkdir(parents=True, exist_ok=True)
    return wheel / "bin" / "tritonserver"


def find_wheel(python: Path) -> Path:
    """Return the `tritonserver` folder of the wheel installed beside the interpreter `python`.

    Raises:
        ConfigError: There is none.
    """
    found = sorted(python.parents[1].glob("lib/python3.*/site-packages/pytriton/tritonserver"))
    if not python.exists() or not found:
        raise ConfigError(
            f"no Triton under {python.parents[1]}",
            rule="nvidia-pytriton lives in an environment of its own (it wants numpy < 2)",
            remedy="run `make setup`",
        )
    return found[-1]


def runtime_environment(settings: Settings) -> dict[str, str]:
    """Return the variables `tritonserver` needs: its environment's interpreter first, and its libpython.

    PYTHONPATH alone can pick the system's interpreter, which has no numpy. What byte code can be kept from
    being written this way, is (a staged model's is not: `triton_repository`).
    """
    binaries = settings.triton_python.parent
    library = settings.triton_python.resolve().parents[1] / "lib"
    version = _python_version(find_wheel(settings.triton_python))
    if not (library / f"libpython{version}.so.1.0").exists() and not ctypes.util.find_library(f"python{version}"):
        raise ConfigError(
            f"no libpython{version}.so.1.0 in {library} or on the system",
            rule="Triton's Python backend links it",
            remedy=f"make .venv-triton from a Python built with --enable-shared, or install libpython{version}",
        )
    return {
        "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": str(library),
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _python_version(wheel: Path) -> str:
    return wheel.parents[2].name.removeprefix("python")


def _link(place: Path, target: Path) -> None:
    if place.is_symlink() and place.readlink() == target:
        return
    beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    beside.symlink_to(target)
    beside.replace(place)
