"""The numbers of the self-test; `configs/selftest/<task>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from voxloop.config import StrictModel
from voxloop.evaluation.golden import GoldenConfig
from voxloop.verdict import Verdict


class Expectation(StrictModel):
    """The reason by which a fault must be caught; caught by another one, it counts as missed.

    Args:
        rule: The rule that must object.
        measure: What it must have measured.
        cut: In which slice of the evaluation set, or any of which.
        verdicts: What it may say.
        text: What its sentence must hold; empty asks nothing.
    """

    rule: str
    measure: str
    cut: str | tuple[str, ...] = "all"
    verdicts: tuple[Verdict, ...] = Field(default=(Verdict.FAIL,), min_length=1)
    text: str = ""


class PipelineConfig(StrictModel):
    """What goes through the whole pipeline, with what `configs/pipelines/training/local.yaml` says where this does not.

    Args:
        fault: One of the faults tried, made of an exported model; by what it must be caught is said there.
        config: Name of a file in `configs/tasks/<task>`.
        corpus: Changes to `configs/corpora/world.yaml`; the seed of the test comes on top.
        overrides: Changes to the configuration.
    """

    fault: str
    config: str
    corpus: tuple[str, ...]
    overrides: tuple[str, ...] = ()


class SelfTestConfig(StrictModel):
    """How the gate of one family is tested.

    Args:
        corpus: Changes to `configs/corpora/world.yaml`; the seed of the test comes on top.
        recipe: Name of a file in `configs/tasks/<task>`.
        overrides: Changes to it.
        mistaught: Changes on top of these for models that are taught nonsense: it needs no long training.
        policy: Name of a file in `configs/gates`.
        policy_overrides: Changes to it, where the world asks for other numbers than production.
        equal_share: Share of the utterances that each of two equal models answers wrongly on purpose.
        slowness: How many times as long as the champion the slow model takes, about.
        kept_words: Share of the vocabulary that the truncated one keeps.
        batch: Utterances in a request to the graph.
        golden: Which golden requests are asked.
        evaluation_overrides: Changes to `configs/evaluation/<task>.yaml`, whose conditions and tests are asked.
        faults: By what each fault must be caught; those named are tried.
        pipeline: What `--through-pipeline` sends through the whole pipeline.
    """

    corpus: tuple[str, ...]
    recipe: str
    overrides: tuple[str, ...] = ()
    mistaught: tuple[str, ...] = ()
    policy: str
    policy_overrides: tuple[str, ...] = ()
    equal_share: float = Field(gt=0, lt=0.2)
    slowness: float = Field(default=20.0, gt=1)
    kept_words: float = Field(gt=0, lt=1)
    batch: int = Field(default=16, ge=1)
    golden: GoldenConfig = GoldenConfig()
    evaluation_overrides: tuple[str, ...] = ()
    faults: Mapping[str, Expectation] = Field(min_length=1)
    pipeline: PipelineConfig

    @model_validator(mode="after")
    def _pipeline_takes_a_fault_that_is_tried(self) -> Self:
        if self.pipeline.fault not in self.faults:
            raise ValueError(f"pipeline.fault {self.pipeline.fault!r} is none of faults, where its reason stands")
        return self
