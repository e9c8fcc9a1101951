"""What the demo of a corpus is told: one file of `configs/demo` a corpus."""

from __future__ import annotations

from voxloop.config import StrictModel


class Night(StrictModel):
    """What one night adds.

    Args:
        title: What is new, in words.
        corpus_overrides: Changes to the corpus configuration, `a.b=c`.
    """

    title: str
    corpus_overrides: tuple[str, ...]


class DemoConfig(StrictModel):
    """The demo of one corpus, `configs/demo/<corpus>.yaml`.

    Args:
        task: Model family.
        config: Its configuration, `configs/tasks/<task>/<config>.yaml`.
        poison_policy: What the data are audited by, `configs/poison/<poison_policy>.yaml`; empty for the task's own.
        policy: Gate policy, `configs/gates/<policy>.yaml`.
        because: The approver's reason for the first champion.
        task_overrides: Changes to the task configuration.
        night_one: What the first champion learns from.
        night_two: What the challenger learns from.
    """

    task: str
    config: str
    poison_policy: str = ""
    policy: str
    because: str
    task_overrides: tuple[str, ...] = ()
    night_one: Night
    night_two: Night
