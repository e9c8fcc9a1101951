"""Compute what is known of utterances and speakers: prosody, words, emotion history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_step

if TYPE_CHECKING:
    import pyarrow as pa

    from voxloop.data.prosody_tables import FeaturesConfig
    from voxloop.data.word_tables import WordsConfig

WORD_COLUMNS = ("utterance_id", "speaker_id", "recorded_at", "language", "text", "duration_s")
EMOTION_COLUMNS = ("utterance_id", "speaker_id", "recorded_at", "duration_s", "emotion")
WORDS = "words."


def features(dataset: Path, out: Path, *, overrides: Overrides = ()) -> Path:
    """Measure prosody, count words and follow emotions, of every utterance and, running, of every speaker.

    Writes `utterance_prosody.parquet` and `speaker_prosody.parquet`, `utterance_words.parquet` and
    `speaker_words.parquet`, and `speaker_emotions.parquet`, each where the dataset has the sound, the words or the
    labels for it: the offline source of the feature store.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        overrides: Changes to configs/features/prosody.yaml, or with `words.` in front to configs/features/words.yaml.

    Returns:
        The folder written.

    Raises:
        InputError: The dataset is not one.
        IntegrityError: Its bytes are not those its manifest speaks of.
    """
    from voxloop.data.prosody_tables import FeaturesConfig
    from voxloop.data.word_tables import WordsConfig

    of_words = [item.removeprefix(WORDS) for item in overrides if item.startswith(WORDS)]
    others = [item for item in overrides if not item.startswith(WORDS)]
    config = load_config(FeaturesConfig, find_config("features", "prosody"), others)
    words = load_config(WordsConfig, find_config("features", "words"), of_words)

    def work(folder: Path) -> None:
        import pyarrow.parquet as pq

        for name, table in _make_tables(dataset, config, words):
            if table.num_rows > 0:
                pq.write_table(table, folder / f"{name}.parquet")
            print(f"{name}: {table.num_rows} rows", flush=True)

    resolved_configs = {"config": resolved(config), "words": resolved(words)}
    return run_step("features", inputs={"dataset": dataset}, config=resolved_configs, out=out, work=work)


def _make_tables(dataset: Path, config: FeaturesConfig, words: WordsConfig) -> Iterator[tuple[str, pa.Table]]:
    from voxloop.data.emotion_history import follow_emotions
    from voxloop.data.prosody_tables import follow_speakers, measure_utterances
    from voxloop.data.shards import iter_audio, read_manifest
    from voxloop.data.word_tables import count_words, follow_words

    prosody = measure_utterances(iter_audio(dataset), config)
    yield "utterance_prosody", prosody
    yield "speaker_prosody", follow_speakers(prosody)
    counted = count_words(read_manifest(dataset, WORD_COLUMNS).to_pylist(), words, config.known_at)
    yield "utterance_words", counted
    yield "speaker_words", follow_words(counted)
    yield "speaker_emotions", follow_emotions(read_manifest(dataset, EMOTION_COLUMNS).to_pylist(), config.known_at)
