from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from voxloop.config import find_config, load_config
from voxloop.data.corpora.nemo import NemoConfig
from voxloop.data.corpora.world import WorldCorpusConfig
from voxloop.data.splits import SPLITS, Shares, SplitConfig, split_of

SHARES = Shares(train=0.6, dev=0.15, test=0.25)


@given(st.text(min_size=1), st.text(), st.lists(st.text(min_size=1)))
def test_a_split_is_a_function_of_the_speaker_alone(speaker: str, salt: str, others: list[str]) -> None:
    config = SplitConfig(salt=salt, shares=SHARES)
    alone = split_of(speaker, config)
    assert alone in SPLITS
    for other in others:
        split_of(other, config)
    tabled = SplitConfig(salt=salt, shares=SHARES, table={name: "dev" for name in others if name != speaker})
    assert split_of(speaker, config) == split_of(speaker, tabled) == alone


@given(st.text(min_size=1), st.sampled_from(SPLITS))
def test_the_table_goes_before_the_hash(speaker: str, split: str) -> None:
    config = SplitConfig.model_validate({"salt": "s", "shares": SHARES, "table": {speaker: split}})
    assert split_of(speaker, config) == split


def test_shares_are_kept_over_many_speakers() -> None:
    config = SplitConfig(salt="any", shares=SHARES)
    counts = Counter(split_of(f"speaker-{number}", config) for number in range(4_000))
    for split in SPLITS:
        assert counts[split] / 4_000 == pytest.approx(getattr(SHARES, split), abs=0.03)


def test_another_salt_is_another_split() -> None:
    one, other = (SplitConfig(salt=salt, shares=SHARES) for salt in "ab")
    names = [f"speaker-{number}" for number in range(100)]
    assert [split_of(name, one) for name in names] != [split_of(name, other) for name in names]


def test_shares_must_add_up() -> None:
    with pytest.raises(ValidationError, match="add up to 1"):
        Shares(train=0.5, dev=0.1, test=0.1)


@pytest.mark.parametrize(("cohort", "test_speakers"), [("home", 14), ("newcomer", 11)])
def test_the_world_tests_on_enough_speakers_of_each_cohort(cohort: str, test_speakers: int) -> None:
    config = load_config(WorldCorpusConfig, find_config("corpora", "world")).split
    counts = Counter(split_of(f"{cohort}-{number:04d}", config) for number in range(48))
    assert counts["test"] == test_speakers
    assert min(counts["train"], counts["dev"]) >= 5


def test_nemo_tests_on_a_woman_and_a_man() -> None:
    config = load_config(NemoConfig, find_config("corpora", "nemo")).split
    assert {name for name, split in config.table.items() if split == "test"} == {"EB0", "WR0"}
    assert set(config.table.values()) == set(SPLITS)
