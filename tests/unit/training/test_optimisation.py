"""The weights move as AdamW says, by whichever kernel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.unit.training.trainings import tiny
from voxloop.tasks import get_task
from voxloop.training.optimisation import build_optimiser, set_rate

TASK = get_task("emotion")


def _network(device: str = "cpu") -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2)).to(device)


@pytest.mark.parametrize(
    ("device", "scaled", "fused"), [("cpu", False, True), ("cpu", True, False), ("meta", False, False)]
)
def test_one_kernel_moves_a_weight_where_torch_has_no_faster_way(device: str, scaled: bool, fused: bool) -> None:
    optimiser = build_optimiser(_network(device), TASK, tiny(), scaled=scaled)
    assert {group["fused"] for group in optimiser.param_groups} == {fused}


def test_the_weights_move_as_adamw_says() -> None:
    recipe = tiny("optimiser.weight_decay=0.1", "optimiser.learning_rate=1e-2")
    network, plain = _network(), _network()
    ours = build_optimiser(network, TASK, recipe)
    matrices = [one for one in plain.parameters() if one.ndim > 1]
    vectors = [one for one in plain.parameters() if one.ndim <= 1]
    peer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=1e-2, fused=False
    )
    for step in range(20):
        set_rate(ours, step, 20, recipe.optimiser)
        sound = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        for one, optimiser in ((network, ours), (plain, peer)):
            optimiser.zero_grad()
            one(sound).square().mean().backward()
        for group in peer.param_groups:
            group["lr"] = ours.param_groups[0]["lr"]
        ours.step()
        peer.step()
    for mine, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
