"""What is gathered is put back bit by bit, whatever the optimiser has met so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from voxloop.errors import IntegrityError
from voxloop.training.averaging import WeightAverage
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.state import gather_state, gather_weights, restore_state

Training = tuple[nn.Module, torch.optim.Optimizer, WeightAverage]


class Network(nn.Module):
    """Two layers that learn, one that is frozen, one that nothing uses, a buffer, and a weight under two names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(3, width)
        self.frozen = nn.Linear(width, width)
        self.last = nn.Linear(width, 2)
        self.unused = nn.Linear(2, 2)
        self.tied = self.first
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.frozen.requires_grad_(False)

    def forward(self, values: Tensor) -> Tensor:
        """Float32 [batch, 3] -> [batch, 2]."""
        self.get_buffer("seen").add_(1)
        answer: Tensor = self.last(self.frozen(self.first(values)).tanh())
        return answer


def make(seed: int, width: int, groups: int, decay: float | None) -> Training:
    torch.manual_seed(seed)
    network = Network(width)
    parameters = list(network.parameters())  # the frozen ones too: an optimiser may hold what never gets a gradient
    parts: list[dict[str, Any]] = [
        {"params": parameters[number::groups], "weight_decay": 0.1 * number} for number in range(groups)
    ]
    return network, torch.optim.AdamW(parts, lr=1e-2), WeightAverage(network, decay)


def train(training: Training, steps: range) -> None:
    network, optimiser, average = training
    for step in steps:
        values = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        network(values).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
        average.update(step + 1)


def snapshot(training: Training) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in gather_state(*training).items()}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.dtype == other[name].dtype
        assert torch.equal(value.view(-1).view(torch.uint8), other[name].view(-1).view(torch.uint8)), name


@given(
    before=st.integers(0, 4),
    stray=st.integers(0, 3),
    width=st.integers(1, 5),
    groups=st.integers(1, 4),
    decay=st.sampled_from([None, 0.9]),
)
@settings(max_examples=30, deadline=None)
def test_going_on_from_a_restored_state_is_going_on(
    before: int, stray: int, width: int, groups: int, decay: float | None
) -> None:
    straight, resumed = make(1, width, groups, decay), make(2, width, groups, decay)
    train(straight, range(before))
    saved = snapshot(straight)
    train(resumed, range(90, 90 + stray))  # what is there already must not shine through
    restore_state(saved, *resumed)
    assert_equal(snapshot(resumed), saved)
    train(straight, range(before, before + 3))
    train(resumed, range(before, before + 3))
    assert_equal(snapshot(resumed), snapshot(straight))


def test_before_the_first_step_there_are_no_moments_and_none_are_made() -> None:
    training = make(1, 3, 2, None)
    saved = snapshot(training)
    assert [name for name in saved if name.startswith("optimiser.")] == []
    assert not training[1].state
    train(training, range(1))
    assert {name for name in snapshot(training) if name.endswith(".step")} == {
        f"optimiser.{layer}.{part}.step" for layer in ("first", "last") for part in ("weight", "bias")
    }
    restore_state(saved, *training)
    assert not training[1].state


def test_it_survives_the_disk(tmp_path: Path) -> None:
    straight, resumed = make(1, 3, 2, 0.9), make(2, 3, 2, 0.9)
    train(straight, range(3))
    CheckpointStore(tmp_path, keep=1).save(3, gather_state(*straight), {})
    found = CheckpointStore(tmp_path, keep=1).load_newest()
    assert found is not None
    restore_state(found.tensors, *resumed)
    train(straight, range(3, 5))
    train(resumed, range(3, 5))
    assert_equal(snapshot(resumed), snapshot(straight))


def test_gathered_weights_are_copies() -> None:
    training = make(1, 3, 1, None)
    weights = gather_weights(training[0])
    kept = {name: value.clone() for name, value in weights.items()}
    train(training, range(2))
    assert_equal(weights, kept)
    assert weights.keys() == training[0].state_dict().keys()


def test_the_state_of_another_network_is_refused() -> None:
    saved = snapshot(make(1, 3, 1, None))
    with pytest.raises(IntegrityError, match="not those of the network: first.weight"):
        restore_state(saved, *make(1, 4, 1, None))
    with pytest.raises(IntegrityError, match="not those of the running mean"):
        restore_state(saved, *make(1, 3, 1, 0.9))
    del saved["network.seen"]
    with pytest.raises(IntegrityError, match="seen"):
        restore_state(saved, *make(1, 3, 1, None))


def test_moments_of_no_parameter_are_refused() -> None:
    saved = snapshot(make(1, 3, 1, None)) | {"optimiser.ghost.weight.exp_avg": torch.zeros(1)}
    with pytest.raises(IntegrityError, match=r"ghost.weight.exp_avg is of no parameter"):
        restore_state(saved, *make(1, 3, 1, None))
