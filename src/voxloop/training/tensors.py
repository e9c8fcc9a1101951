"""Tensors looked at as a whole: what they are to the byte, and whether they are numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors: names, dtypes, shapes and, in the order of the names, their bytes."""
    names = sorted(tensors)
    shapes = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in names]
    total = hashlib.sha256(json.dumps(shapes).encode())
    for name in names:
        total.update(tensors[name].detach().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def is_finite(value: Tensor) -> bool:
    """Return whether no element is NaN or infinite; the bounds tell, which takes no memory."""
    if value.numel() == 0 or not value.is_floating_point():
        return True
    return all(bool(bound.isfinite()) for bound in torch.aminmax(value))
