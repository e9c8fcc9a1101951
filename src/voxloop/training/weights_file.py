"""Loading weights somebody else may have made into the network they claim to be of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from voxloop.errors import InputError
from voxloop.training.tensors import is_finite

WEIGHTS_NAME = "weights.safetensors"
REPORT_NAME = "training.json"
"""What a weights folder holds."""
MOST_BYTES_OF_ONE = 8
"""A network may take so many bytes while it is built for each byte of its weights, beside `FREE_BYTES`."""
FREE_BYTES = 256 * 2**20
MOST_HEADER_BYTES = 100 * 2**20
"""Of safetensors itself."""


def load_network(path: Path, build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network and fill it from a safetensors file: every tensor of it, and no other.

    Args:
        path: The file; a link is refused.
        build: Gives the fresh network. A configuration that asks for more memory than weights of this size need is
            stopped before it has it.

    Raises:
        InputError: The file is a link or missing, is too large for the network, or holds another kind of number than
            the network or something that is no number.
        RuntimeError: Names or shapes differ, in torch's words.
    """
    if path.is_symlink() or not path.is_file():
        raise InputError(f"{path.name} is {'a link' if path.is_symlink() else 'missing'}")
    size = path.stat().st_size
    with _Frugal(MOST_BYTES_OF_ONE * size + FREE_BYTES):
        network = build()
    places: dict[str, Tensor] = network.state_dict()
    most = sum(value.nbytes for value in places.values()) + MOST_HEADER_BYTES
    if size > most:
        raise InputError(f"{path.name} has {size:,} bytes, the network at most {most:,}")
    tensors = load_file(path)
    for name in sorted(tensors.keys() & places.keys()):
        _check(name, tensors[name], places[name])
    network.load_state_dict(tensors, strict=True)
    return network


def _check(name: str, value: Tensor, place: Tensor) -> None:
    if value.dtype != place.dtype:
        raise InputError(f"{name} is of {value.dtype}, in the network of {place.dtype}")
    if not is_finite(value):
        raise InputError(f"{name} holds something that is no number")


class _Frugal(TorchFunctionMode):
    """Stops a network from being built that needs more memory than it may."""

    FILLING = (torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.linspace, torch.arange, torch.eye)

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def __torch_function__(
        self,
        func: Callable[..., Any],
        _types: object,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one function of torch; what it makes of nothing counts."""
        given = dict(kwargs or {})
        if func in self.FILLING:  # these touch what they allocate: ask for the size alone first
            self._take(func(*args, **{**given, "device": "meta"}), count=False)
        made = func(*args, **given)
        if isinstance(made, Tensor) and not any(isinstance(one, Tensor) for one in (*args, *given.values())):
            self._take(made, count=True)
        return made

    def _take(self, made: Tensor, *, count: bool) -> None:
        if made.nbytes > self.left:
            raise InputError(
                f"the configuration asks for a tensor of {made.nbytes:,} bytes",
                rule="a network is not built far larger than its weights",
            )
        self.left -= made.nbytes if count else 0
