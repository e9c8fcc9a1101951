"""Measure the prosody of utterances and speakers."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_step


def features(dataset: Path, out: Path, *, overrides: Overrides = ()) -> Path:
    """Measure the prosody of every utterance and, running, of every speaker.

    Writes `utterance_prosody.parquet` and `speaker_prosody.parquet`, the offline source of the feature store.

    Args:
        dataset: Folder written by ingest.
        out: Folder to write; it must be empty or not there.
        overrides: Changes to configs/features/prosody.yaml.

    Returns:
        The folder written.

    Raises:
        InputError: The dataset is not one.
        IntegrityError: Its bytes are not those its manifest speaks of.
    """
    from voxloop.data.prosody_tables import FeaturesConfig

    config = load_config(FeaturesConfig, find_config("features", "prosody"), overrides)

    def work(folder: Path) -> None:
        import pyarrow.parquet as pq

        from voxloop.data.prosody_tables import follow_speakers, measure_utterances
        from voxloop.data.shards import iter_audio

        utterances = measure_utterances(iter_audio(dataset), config)
        speakers = follow_speakers(utterances)
        pq.write_table(utterances, folder / "utterance_prosody.parquet")
        pq.write_table(speakers, folder / "speaker_prosody.parquet")
        print(f"prosody of {utterances.num_rows} utterances, {speakers.num_rows} rows of speakers", flush=True)

    return run_step("features", inputs={"dataset": dataset}, config={"config": resolved(config)}, out=out, work=work)
