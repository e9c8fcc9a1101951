"""A training's place between two steps: into a checkpoint, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from voxloop.errors import InputError
from voxloop.training.averaging import WeightAverage
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.devices import gather_json
from voxloop.training.progress import Progress
from voxloop.training.state import gather_state, restore_state

BEST = "best."


class Place(NamedTuple):
    """What a checkpoint holds beside the tensors of network, optimiser and average."""

    progress: Progress
    best: dict[str, Tensor]
    """Weights of the best epoch so far, by name; rank 0 alone needs them."""
    batches_a_step: int


@dataclass(frozen=True)
class PlaceKeeper:
    """Saves and restores one training.

    Args:
        fabric: Launched.
        network: Unwrapped.
        optimiser: Unwrapped.
        average: Of the network.
    """

    fabric: Fabric
    network: nn.Module
    optimiser: torch.optim.Optimizer
    average: WeightAverage

    def save(self, store: CheckpointStore, place: Place) -> None:
        """Write one checkpoint; rank 0 does. All ranks take part where weights are sharded."""
        tensors = gather_state(self.network, self.optimiser, self.average)
        if self.fabric.is_global_zero:
            tensors |= {f"{BEST}{name}": value for name, value in place.best.items()}
            state = {
                "progress": place.progress.model_dump(mode="json"),
                "batches_a_step": place.batches_a_step,
                "scaler": self._scaler_state(),
            }
            store.save(place.progress.step, tensors, state)

    def restore(self, store: CheckpointStore) -> Place | None:
        """Put the newest whole checkpoint into network, optimiser and average; None where there is none.

        Raises:
            InputError: It was made for another training, or the ranks see different checkpoints.
            IntegrityError: Its tensors are not those of this network.
        """
        found = store.load_newest()
        self._refuse_different(gather_json(self.fabric, None if found is None else found.step))
        if found is None:
            return None
        restore_state(found.tensors, self.network, self.optimiser, self.average)
        if (scaler := scaler_of(self.fabric)) is not None and found.state["scaler"]:
            scaler.load_state_dict(found.state["scaler"])
        best = {name.removeprefix(BEST): value for name, value in found.tensors.items() if name.startswith(BEST)}
        return Place(Progress.model_validate(found.state["progress"]), best, found.state["batches_a_step"])

    def _scaler_state(self) -> dict[str, Any]:
        scaler = scaler_of(self.fabric)
        return {} if scaler is None else scaler.state_dict()

    def _refuse_different(self, steps: list[int | None]) -> None:
        if len(set(steps)) > 1:
            raise InputError(
                f"the ranks see checkpoints of steps {', '.join(str(step) for step in steps)}",
                rule="all ranks go on from one checkpoint",
                remedy="put the checkpoints on a file system that all machines share",
            )


def scaler_of(fabric: Fabric) -> torch.amp.GradScaler | None:
    """Return what scales the loss under 16-mixed, None under any other precision."""
    return getattr(fabric.strategy.precision, "scaler", None)


def load_fitting(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy the weights whose name and shape the network has; another label set leaves the last layer fresh.

    Raises:
        InputError: There are weights, and none fits.
    """
    own = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    if weights and not fitting:
        raise InputError(
            "the weights to start from fit nothing of this network",
            rule="names and shapes are the same for what is taken over",
            remedy="use the configuration they were trained with",
        )
    network.load_state_dict(fitting, strict=False)
