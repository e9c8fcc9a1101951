"""Seeds of steps, and what is seeded by them."""

from __future__ import annotations

import torch

from voxloop.training.seeding import seed_torch, seeds_of_steps


def test_a_step_has_its_seed_wherever_one_begins() -> None:
    seeds = seeds_of_steps(7, 0, 10, rank=0)
    assert seeds_of_steps(7, 4, 6, rank=0) == seeds[4:]
    assert len({*seeds, *seeds_of_steps(7, 0, 10, rank=1), *seeds_of_steps(8, 0, 10, rank=0)}) == 30
    assert seeds_of_steps(7, 3, 0, rank=0) == []


def test_torch_draws_what_it_draws_under_its_own_seeding() -> None:
    torch.manual_seed(11)
    wanted = torch.rand(5)
    seed_torch(11, torch.device("cpu"))
    assert torch.equal(torch.rand(5), wanted)
