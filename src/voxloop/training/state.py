"""The tensors of a training, whole and by name, whatever strategy spreads them over ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from voxloop.errors import IntegrityError
from voxloop.training.averaging import WeightAverage

NETWORK, OPTIMISER, AVERAGE = "network.", "optimiser.", "average."


def gather_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the network's weights and buffers on the CPU, whole.

    Every rank takes part; rank 0 receives them, the others an empty dict.
    """
    return {name: value.clone() for name, value in _gather("", network.state_dict()).items()}


def gather_state(network: nn.Module, optimiser: Optimizer, average: WeightAverage) -> dict[str, Tensor]:
    """Return every tensor that going on needs: weights, what the optimiser keeps of each, the running mean.

    Every rank takes part; rank 0 receives them, the others an empty dict. On a CPU they are the training's own
    memory, not copies: write them, or copy them, before the next step.

    Args:
        network: As the family built it, perhaps sharded in place.
        optimiser: Over parameters of `network`; what it has not yet met has nothing here.
        average: Of `network`.
    """
    return {
        **_gather(NETWORK, network.state_dict()),
        **_gather(OPTIMISER, dict(_moments(network, optimiser))),
        **_gather(AVERAGE, average.mean),
    }


def restore_state(
    tensors: Mapping[str, Tensor], network: nn.Module, optimiser: Optimizer, average: WeightAverage
) -> None:
    """Put back what `gather_state` gave, bit by bit, on every rank, under any strategy.

    torch's own `set_optimizer_state_dict` is not used: it makes an empty AdamW take a step to have moments to fill,
    and a training saved before its first step would start at its second.

    Raises:
        IntegrityError: The tensors are not those of this network, or of this average.
    """
    _fill(network.state_dict(), _under(tensors, NETWORK), "the network")
    _fill(average.mean, _under(tensors, AVERAGE), "the running mean")
    parameters = dict(network.named_parameters())
    optimiser.state.clear()
    for name, value in _under(tensors, OPTIMISER).items():
        parameter, key = name.rpartition(".")[::2]
        if parameter not in parameters:
            raise IntegrityError(f"the optimiser's {name} is of no parameter of the network", remedy="train afresh")
        optimiser.state[parameters[parameter]][key] = _place(value, parameters[parameter])


def _moments(network: nn.Module, optimiser: Optimizer) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in network.named_parameters():
        # A look that adds nothing: the state is a defaultdict, and an empty entry passes for one with moments.
        for key, value in optimiser.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                yield f"{name}.{key}", value


def _gather(prefix: str, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the values whole, on rank 0; parameters under two names are copied, as a file holds each apart."""
    first = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
    found: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, value in values.items():
        whole = (value.full_tensor() if isinstance(value, DTensor) else value).detach()
        if first:
            whole = whole.cpu().contiguous()
            found[prefix + name] = whole.clone() if whole.data_ptr() in places else whole
            places.add(whole.data_ptr())
    return found


@torch.no_grad()
def _fill(places: Mapping[str, Tensor], values: Mapping[str, Tensor], of: str) -> None:
    wrong = sorted(places.keys() ^ values.keys()) or [
        name for name, value in values.items() if value.shape != places[name].shape
    ]
    if wrong:
        raise IntegrityError(
            f"the checkpoint's tensors are not those of {of}: {', '.join(wrong[:3])}",
            rule="a training goes on with the network it began with",
            remedy="train afresh in another folder",
        )
    for name, value in values.items():
        places[name].detach().copy_(_spread(value, places[name]))


def _place(value: Tensor, parameter: Tensor) -> Tensor:
    """Return a value the optimiser keeps of a parameter where it keeps it: counts of steps stay on the CPU."""
    if value.shape != parameter.shape or value.ndim == 0:
        return value.clone()
    return _spread(value, parameter).clone()


def _spread(value: Tensor, like: Tensor) -> Tensor:
    if isinstance(like, DTensor):
        # Every rank has read the whole tensor: none has to be sent.
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
    return value.to(like.device)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
