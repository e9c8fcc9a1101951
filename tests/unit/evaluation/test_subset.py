"""The rows that are asked again: bounded, even over speakers, the same whatever order they come in."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voxloop.evaluation.subset import Subset, choose_rows, hash_id

counts = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def make_ids(of_speaker: list[int]) -> tuple[list[str], list[str]]:
    pairs = [
        (f"u{speaker}-{place}", f"s{speaker}") for speaker, count in enumerate(of_speaker) for place in range(count)
    ]
    return [name for name, _ in pairs], [speaker for _, speaker in pairs]


@given(of_speaker=counts, size=st.integers(1, 60), seed=st.integers(0, 5))
def test_as_many_as_are_asked_for_and_no_speaker_before_the_others(of_speaker: list[int], size: int, seed: int) -> None:
    names, speakers = make_ids(of_speaker)
    chosen = choose_rows(names, speakers, size, seed)
    assert chosen.sum() == min(size, len(names))
    taken = Counter(np.array(speakers)[chosen].tolist())
    most = max(taken.values())
    # Who has fewer than the most, less one, has nothing left to give.
    assert all(taken[f"s{place}"] >= min(count, most - 1) for place, count in enumerate(of_speaker))


@given(of_speaker=counts, size=st.integers(1, 60), seed=st.integers(0, 5), shuffle=st.randoms())
def test_a_stream_in_any_order_gives_the_same_rows(
    of_speaker: list[int], size: int, seed: int, shuffle: object
) -> None:
    names, speakers = make_ids(of_speaker)
    expected = {name for name, chosen in zip(names, choose_rows(names, speakers, size, seed), strict=True) if chosen}
    rows = list(zip(names, speakers, strict=True))
    shuffle.shuffle(rows)  # type: ignore[attr-defined]
    stream: Subset[str] = Subset(size, seed)
    for name, speaker in rows:
        stream.offer(name, speaker, name)
        assert len(stream._held) <= 2 * size
    assert stream.items() == sorted(expected)


def test_another_seed_chooses_others_and_a_hash_is_the_same_everywhere() -> None:
    names, speakers = make_ids([50])
    assert choose_rows(names, speakers, 10, 1).tolist() != choose_rows(names, speakers, 10, 2).tolist()
    assert hash_id(1, "u0") == 4565503829696278801


def test_no_rows_give_none() -> None:
    assert choose_rows([], [], 5, 1).tolist() == []
    assert Subset[str](5, 1).items() == []
