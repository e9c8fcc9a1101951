"""A self-test small enough for every run of the tests."""

from __future__ import annotations

from voxloop.config import find_config, load_config
from voxloop.selftest.config import SelfTestConfig

WORLD = (
    "world.home.speakers=240",
    "world.utterances_per_speaker=3",
    "world.traits.voice=1",
    "world.traits.words=1.5",
    "max_refused_share=0.02",
    "split.shares.train=0.3",
    "split.shares.dev=0.1",
    "split.shares.test=0.6",
)
# Fewer speakers than the shipped self-test, and a margin twice as wide: so few settle no less. Of three utterances, 19
# speakers, one too few, have 57.
SMALL = (
    f"corpus=[{', '.join(WORLD)}]",
    "policy_overrides=[measures.ccc.comparison.margin=0.1, robustness.minimum_utterances=40]",
    "equal_share=0.02",
    "golden.rounds=3",
)


def load_small() -> SelfTestConfig:
    return load_config(SelfTestConfig, find_config("selftest", "personality"), SMALL)
