"""The dev split under the weights of the moment, over all ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import nn

from voxloop.tasks import Answer
from voxloop.training.batching import plan_dev
from voxloop.training.devices import gather_json
from voxloop.training.examples import collate
from voxloop.training.material import Material


@torch.no_grad()
def score_dev(fabric: Fabric, network: nn.Module, material: Material) -> tuple[float, list[Answer]]:
    """Return the mean loss over dev and the answer to each of its examples, the same on every rank.

    Answers are gathered whole: a measure over the set is no mean of measures over its batches.
    """
    network.eval()
    dev, ranks = material.dev, fabric.world_size
    plan = plan_dev(dev.seconds, material.recipe.batching)
    total, found = 0.0, []
    for start in range(0, len(plan), ranks):
        place = start + fabric.global_rank
        # A rank without a batch takes the last one too: sharded weights are gathered by all or none.
        indices = plan[min(place, len(plan) - 1)]
        loss, answers = _score_batch(fabric, network, material, [dev.examples[index] for index in indices])
        if place < len(plan):
            total += loss
            found += [[int(index), answer] for index, answer in zip(indices, answers, strict=True)]
    every = gather_json(fabric, {"total": total, "found": found})
    answers_of = {index: answer for part in every for index, answer in part["found"]}
    return sum(part["total"] for part in every) / len(dev), [answers_of[index] for index in range(len(dev))]


def _score_batch(
    fabric: Fabric, network: nn.Module, material: Material, examples: Sequence[Any]
) -> tuple[float, list[Answer]]:
    task, batch = material.task, fabric.to_device(collate(examples))
    request = task.request(material.encoding)
    outputs = network(*[batch.inputs[spec.name] for spec in request.inputs])
    loss = float(task.losses(outputs, batch.targets, material.recipe).sum())
    answered = [tensor.float().cpu().numpy() for tensor in task.answer(outputs)]
    names = [spec.name for spec in request.outputs]
    return loss, task.decode(dict(zip(names, answered, strict=True)), material.encoding)
