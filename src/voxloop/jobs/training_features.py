"""Ask the feature store what was known of each utterance when it was said."""

from __future__ import annotations

from pathlib import Path

from voxloop.errors import InputError


def training_features(dataset: Path, out: Path, *, service: str = "personality_v1") -> Path:
    """Write the features of a dataset's utterances, as they were known at the moment of each, as one Parquet table.

    It is what `voxloop train --features` takes. Publish the features first: `voxloop features-publish`.

    Args:
        dataset: Folder written by ingest.
        out: Table to write, a new file.
        service: Feature service of the store.

    Returns:
        The file written.

    Raises:
        InputError: No such dataset or service, nothing was published, or `out` exists.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from voxloop.adapters import feast
    from voxloop.adapters.feast_history import find_service
    from voxloop.adapters.feast_training import count_known, read_training_features
    from voxloop.data.shards import read_manifest
    from voxloop.store.atomic import write_file

    if out.exists():
        raise InputError(f"{out} exists", rule="a table is written once", remedy="name a new file")
    utterances = read_manifest(dataset, ("utterance_id", "speaker_id", "recorded_at"))
    store = feast.open_feature_store()
    table = read_training_features(store, service, utterances)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_file(out, sink.getvalue().to_pybytes())
    for view, count in count_known(table, list(find_service(store, service))).items():
        print(f"{view}: known of {count} of {table.num_rows} utterances", flush=True)
    return out
