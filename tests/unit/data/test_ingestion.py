from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.data.corpora.reader import Candidate, CorpusConfig, UnusableFileError
from voxloop.data.ingestion import write_dataset
from voxloop.data.manifest import load_manifest
from voxloop.data.schema import Utterance
from voxloop.data.shards import read_manifest
from voxloop.data.splits import Shares, SplitConfig
from voxloop.errors import CorpusError

REASONS = ("silent", "no transcript", "too long")


def make_config(**changes: object) -> CorpusConfig:
    return CorpusConfig.model_validate(
        {
            "source": "tones",
            "licence": "CC0-1.0",
            "language": "en",
            "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
            "split": SplitConfig(salt="t", shares=Shares(train=0.6, dev=0.2, test=0.2)),
            "shard_mebibytes": 0.001,
            **changes,
        }
    )


def make_candidate(number: int, speaker: int, reason: str | None = None) -> Candidate:
    name = f"{number:03d}.wav"

    def load() -> Utterance:
        if reason is not None:
            raise UnusableFileError(name, reason, "made so")
        return Utterance(
            utterance_id=name,
            speaker_id=f"s{speaker}",
            waveform=np.sin(np.arange(400, dtype=np.float32) * 0.1),
            recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
            source="tones",
            licence="CC0-1.0",
            emotion=("anger", None)[number % 2],
        )

    return Candidate(name, f"s{speaker}", load)


candidate_plans = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([None, None, *REASONS])), min_size=1, max_size=150
)


@hypothesis_settings(max_examples=20, deadline=None)
@given(plan=candidate_plans, wanted=st.sets(st.integers(0, 5), min_size=1))
def test_every_candidate_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[int, str | None]], wanted: set[int]
) -> None:
    plan = [*plan, *((speaker, None) for speaker in wanted)]
    candidates = [make_candidate(number, *one) for number, one in enumerate(plan)]
    config = make_config(max_refused_share=1.0, speakers=tuple(f"s{speaker}" for speaker in sorted(wanted)))
    folder = tmp_path_factory.mktemp("dataset")
    manifest = write_dataset("tones", candidates, config, folder)

    taken = [(speaker, reason) for speaker, reason in plan if speaker in wanted]
    assert manifest.utterances + sum(manifest.quarantined.values()) + manifest.left_out == len(plan)
    assert manifest.quarantined == Counter(reason for _, reason in taken if reason)
    assert pq.read_table(folder / "quarantine.parquet").num_rows == sum(manifest.quarantined.values())
    table = read_manifest(folder)
    assert table.num_rows == manifest.utterances == sum(shard.rows for shard in manifest.shards)
    assert sum(split.utterances for split in manifest.splits.values()) == manifest.utterances
    assert sum(split.speakers for split in manifest.splits.values()) == manifest.speakers == len(wanted)
    assert len(set(zip(table["speaker_id"].to_pylist(), table["split"].to_pylist(), strict=True))) == len(wanted)
    assert load_manifest(folder) == manifest


@pytest.mark.parametrize(
    ("bad", "share", "written"), [(2, 0.2, True), (3, 0.2, False), (10, 1.0, False), (0, 0.0, True)]
)
def test_too_many_refusals_are_a_wrong_folder(tmp_path: Path, bad: int, share: float, written: bool) -> None:
    candidates = [make_candidate(number, 0, "silent" if number < bad else None) for number in range(10)]
    write = partial(write_dataset, "tones", candidates, make_config(max_refused_share=share), tmp_path)
    if written:
        assert write().utterances == 10 - bad
        return
    with pytest.raises(
        CorpusError, match=rf"{bad} of 10 files of corpus tones are unusable.*silent.*000\.wav"
    ) as error:
        write()
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2


def test_no_candidates_and_an_unknown_speaker_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="has no utterances"):
        write_dataset("tones", [], make_config(), tmp_path)
    with pytest.raises(CorpusError, match="has no speaker 's9'; its speakers are s0"):
        write_dataset("tones", [make_candidate(0, 0)], make_config(speakers=("s9",)), tmp_path)
