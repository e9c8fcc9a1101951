"""The running mean of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from voxloop.training.averaging import WeightAverage


def linear(value: float) -> nn.Linear:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def test_the_mean_follows_the_formula() -> None:
    network = linear(1.0)
    average = WeightAverage(network, 0.5)
    wanted = 1.0
    for step in range(1, 20):
        nn.init.constant_(network.weight, float(step))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * step
        assert average.mean["weight"].item() == pytest.approx(wanted, rel=1e-5)


def test_it_takes_the_place_of_the_weights_for_a_while_even_when_that_fails() -> None:
    network = linear(1.0)
    average = WeightAverage(network, 0.9)
    nn.init.constant_(network.weight, 5.0)
    with pytest.raises(RuntimeError), average.in_place():
        assert network.weight.item() == 1.0
        raise RuntimeError
    assert network.weight.item() == 5.0


def test_without_a_decay_there_is_nothing_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    network = linear(2.0)
    average = WeightAverage(network, None)
    monkeypatch.setattr(torch, "_foreach_lerp_", None)
    average.update(1)
    with average.in_place():
        assert network.weight.item() == 2.0
    assert average.mean == {}


def test_running_statistics_are_averaged_like_the_weights() -> None:
    network = nn.BatchNorm1d(1, momentum=1.0)
    average = WeightAverage(network, 0.5)
    for step, level in enumerate((4.0, 8.0), start=1):
        network(torch.tensor([[level - 1.0], [level + 1.0]]))
        average.update(step)
    mean, count = network.running_mean, network.num_batches_tracked
    assert mean is not None
    assert count is not None
    assert mean.item() == 8.0
    first = 4.0 * (1 - 2 / 11)
    with average.in_place():
        assert mean.item() == pytest.approx(first + (8.0 - first) * (1 - 3 / 12), rel=1e-5)
        assert count.item() == 2
    assert mean.item() == 8.0
