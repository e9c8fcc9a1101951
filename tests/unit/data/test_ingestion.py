from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError
from voxloop.data.ingestion import write_dataset
from voxloop.data.manifest import load_manifest
from voxloop.data.schema import Utterance
from voxloop.data.shards import iter_audio, read_manifest
from voxloop.data.splits import Shares, SplitConfig
from voxloop.data.text import NORMALISER_VERSION
from voxloop.errors import CorpusError

REASONS = ("silent", "no transcript", "too long")
FEW = 8
"""Examples: each starts a worker or two."""


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


def load_tone(number: int, speaker: int, reason: str | None, changes: dict[str, object]) -> Utterance:
    name = f"{number:03d}.wav"
    if reason is not None:
        raise UnusableFileError(name, reason, "made so")
    tone = Utterance(
        utterance_id=name,
        speaker_id=f"s{speaker}",
        waveform=np.sin(np.arange(400, dtype=np.float32) * 0.1),
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        source="tones",
        licence="CC0-1.0",
        emotion=("anger", None)[number % 2],
    )
    return replace(tone, **changes)  # type: ignore[arg-type]


def make_candidate(
    number: int, speaker: int, reason: str | None = None, *, known: bool = True, **changes: object
) -> Candidate:
    name = f"{number:03d}.wav"
    return Candidate(name, f"s{speaker}" if known else None, partial(load_tone, number, speaker, reason, changes))


TONES = CorpusReader(
    name="tones",
    title="Tones",
    tasks=("emotion",),
    licence="CC0-1.0",
    layout="no folder",
    parallel_texts=True,
    config_model=CorpusConfig,
    locate=None,
    list_candidates=lambda _config, _folder: [],
)


candidate_plans = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([None, None, *REASONS]), st.booleans()), min_size=1, max_size=60
)


@hypothesis_settings(max_examples=FEW, deadline=None)
@given(plan=candidate_plans, wanted=st.sets(st.integers(0, 5), min_size=1), erased=st.sets(st.integers(0, 5)))
def test_every_candidate_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory,
    plan: list[tuple[int, str | None, bool]],
    wanted: set[int],
    erased: set[int],
) -> None:
    wanted |= {6}  # one who is there in any case
    plan = [*plan, *((speaker, None, True) for speaker in sorted(wanted))]
    candidates = [make_candidate(number, who, why, known=known) for number, (who, why, known) in enumerate(plan)]
    config = make_config(max_refused_share=1.0, speakers=tuple(f"s{speaker}" for speaker in sorted(wanted)))
    folder = tmp_path_factory.mktemp("dataset")
    manifest = write_dataset(TONES, candidates, config, folder, {f"s{speaker}" for speaker in erased})

    refused = sum(manifest.quarantined.values())
    assert manifest.utterances + refused + manifest.left_out + manifest.erased == len(plan)
    # Who speaks in a refused file may be unknown: then it is refused whoever it was.
    reached = [(who, why) for who, why, known in plan if (who in wanted and who not in erased) or (why and not known)]
    assert manifest.quarantined == Counter(why for _, why in reached if why)
    assert manifest.left_out == sum(who not in wanted and not (why and not known) for who, why, known in plan)
    assert pq.read_table(folder / "quarantine.parquet").num_rows == refused
    table = read_manifest(folder)
    assert table.num_rows == manifest.utterances == sum(shard.rows for shard in manifest.shards)
    assert table["utterance_id"].to_pylist() == sorted(table["utterance_id"].to_pylist())
    assert sum(split.utterances for split in manifest.splits.values()) == manifest.utterances
    speakers = {f"s{speaker}" for speaker in wanted - erased}
    assert set(table["speaker_id"].to_pylist()) == speakers
    assert sum(split.speakers for split in manifest.splits.values()) == manifest.speakers == len(speakers)
    assert load_manifest(folder) == manifest
    assert (folder / "report.html").is_file()
    durations = table["duration_s"].to_numpy()
    assert manifest.numbers["duration_s"].count == len(durations)
    assert manifest.numbers["duration_s"].mean == pytest.approx(durations.mean())
    assert manifest.numbers["loudness_dbfs"].sd == pytest.approx(table["loudness_dbfs"].to_numpy().std(), abs=1e-9)


@pytest.mark.parametrize(
    ("bad", "share", "written"), [(2, 0.2, True), (3, 0.2, False), (10, 1.0, False), (0, 0.0, True)]
)
def test_too_many_refusals_are_a_wrong_folder(tmp_path: Path, bad: int, share: float, written: bool) -> None:
    candidates = [make_candidate(number, 0, "silent" if number < bad else None) for number in range(10)]
    write = partial(write_dataset, TONES, candidates, make_config(max_refused_share=share), tmp_path)
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
        write_dataset(TONES, [], make_config(), tmp_path)
    with pytest.raises(CorpusError, match="has no speaker 's9'; its speakers are s0"):
        write_dataset(TONES, [make_candidate(0, 0)], make_config(speakers=("s9",)), tmp_path)


def ingest_tones(folder: Path, *candidates: Candidate, share: float = 1.0) -> dict[str, str]:
    """Write the dataset of these candidates and return the reasons of those refused, by path."""
    write_dataset(TONES, candidates, make_config(max_refused_share=share), folder)
    return {row["path"]: row["reason"] for row in pq.read_table(folder / "quarantine.parquet").to_pylist()}


def test_two_utterances_of_one_name_are_refused_by_name(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    twice = make_candidate(1, 0, utterance_id="000.wav")
    assert ingest_tones(tmp_path, make_candidate(0, 0), twice) == {"001.wav": "named twice"}
    detail = pq.read_table(tmp_path / "quarantine.parquet")["detail"][0].as_py()
    assert detail == "000.wav is utterance 000.wav already"
    with pytest.raises(CorpusError, match=r"1 named twice.*001\.wav.*--set max_refused_share=0\.5"):
        ingest_tones(tmp_path_factory.mktemp("none"), make_candidate(0, 0), twice, share=0.0)


def test_texts_are_normalised_and_broken_ones_refused(tmp_path: Path) -> None:
    refused = ingest_tones(
        tmp_path,
        make_candidate(0, 0, text="Zażo\u0301łc\u0301  GĘŚLĄ", language="pl"),
        make_candidate(1, 0, text="a\x07b", language="pl"),
        make_candidate(2, 0, text="caf\ufffd", language="pl"),
        make_candidate(3, 0, text="\u200b", language="pl"),
        make_candidate(4, 0, text=None),
        make_candidate(5, 0, text="a\ud800", language="pl"),
    )
    reasons = {
        "001.wav": "control characters",
        "002.wav": "broken text",
        "003.wav": "no text",
        "005.wav": "broken text",
    }
    assert refused == reasons
    assert read_manifest(tmp_path)["text"].to_pylist() == ["zażółć gęślą", None]
    assert load_manifest(tmp_path).text_normaliser == NORMALISER_VERSION


def test_a_virtual_sound_that_is_none_is_refused_too(tmp_path: Path) -> None:
    nothing = np.zeros(400, np.float32)
    refused = ingest_tones(
        tmp_path,
        make_candidate(0, 0),
        make_candidate(1, 0, waveform=nothing),
        make_candidate(2, 0, waveform=np.full(400, 0.3, np.float32)),
        make_candidate(3, 0, waveform=np.sign(np.sin(np.arange(400, dtype=np.float32)))),
    )
    assert refused == {"001.wav": "silent", "002.wav": "dc offset", "003.wav": "clipped"}


def test_words_alone_and_measures_are_kept(tmp_path: Path) -> None:
    write_dataset(
        TONES,
        [
            make_candidate(0, 0, waveform=None, text="Words alone", measures={"f0": 120.0}, traits={"openness": 4.5}),
            make_candidate(1, 1, measures={"f0": 90.0, "energy": 0.5}, gender="female", age=30, language="en"),
            make_candidate(2, 2),
        ],
        make_config(),
        tmp_path,
    )
    measures = pq.read_table(tmp_path / "measures.parquet").to_pylist()
    assert measures == [
        {"utterance_id": "000.wav", "energy": None, "f0": 120.0},
        {"utterance_id": "001.wav", "energy": 0.5, "f0": 90.0},
    ]
    rows = read_manifest(tmp_path).to_pylist()
    assert (rows[0]["text"], rows[0]["duration_s"], rows[0]["sample_rate"]) == ("words alone", None, None)
    assert [row["utterance_id"] for row, _ in iter_audio(tmp_path)] == ["001.wav", "002.wav"]
    manifest = load_manifest(tmp_path)
    assert manifest.labels == {"emotion": {"anger": 2}, "gender": {"female": 1}, "language": {"en": 1}}
    assert set(manifest.numbers) == {"duration_s", "loudness_dbfs", "age", "openness"}
    assert manifest.numbers["age"].model_dump() == {"count": 1, "mean": 30, "sd": 0, "minimum": 30, "maximum": 30}


def test_no_measures_no_file(tmp_path: Path) -> None:
    ingest_tones(tmp_path, make_candidate(0, 0))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "manifest.json",
        "quarantine.parquet",
        "report.html",
        "shards",
    ]


def test_when_all_are_erased_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="nothing is left of corpus tones: 1 files are withheld"):
        write_dataset(TONES, [make_candidate(0, 0)], make_config(), tmp_path, {"s0"})
    assert not (tmp_path / "manifest.json").exists()
