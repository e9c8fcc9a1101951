"""Feast: where its files lie, and how features are published, declared, carried online and read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from voxloop.data.revisions import merge_revisions
from voxloop.errors import ConfigError, InputError, VoxloopError
from voxloop.settings import child_environment, get_settings
from voxloop.store.atomic import write_file
from voxloop.store.lock import hold_lock

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore

    from voxloop.settings import Settings

TABLES = {"utterance_prosody": "utterance_id", "speaker_prosody": "speaker_id"}
"""Tables of the offline source, and the join key of each."""


def publish_features(features: Path) -> list[Path]:
    """Add what the features job wrote to the offline source; published twice, it is there once.

    What was known before stays, so that a training of the past can still be given what was known in the past.

    Args:
        features: Folder written by features.

    Returns:
        The files of the offline source, one a table.

    Raises:
        InputError: The folder lacks a table.
    """
    for table in TABLES:
        if not (features / f"{table}.parquet").is_file():
            raise InputError(
                f"{features / table}.parquet does not exist",
                rule="`voxloop features` writes it",
                remedy="name the folder that it wrote",
            )
    source = get_settings().home / "features"
    with hold_lock(source / "publish.lock"):
        return [_publish(features / f"{table}.parquet", source / f"{table}.parquet", TABLES[table]) for table in TABLES]


def apply_declarations() -> None:
    """Make Feast's registry and online store agree with `feature_repo/`, through `feast apply`.

    Feast changes the working directory and imports the declarations by bare file name: a process of its own.

    Raises:
        ConfigError: There is no feature repository.
        VoxloopError: Feast refused; its last line says why.
    """
    settings = get_settings()
    (settings.home / "feast").mkdir(parents=True, exist_ok=True)
    repo = _find_store_config(settings).parent
    command = [sys.executable, "-m", "feast.cli.cli", "-c", str(repo), "apply"]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise VoxloopError(
            f"feast apply refused the declarations: {lines[-1] if lines else 'without a word'}",
            remedy=f"correct {repo}",
        )


def open_feature_store() -> FeatureStore:
    """Open the store that `feature_repo/feature_store.yaml` describes, its paths under the settings' home.

    Raises:
        ConfigError: The file is missing or Feast refuses it.
    """
    import yaml
    from feast import FeatureStore
    from feast.repo_config import RepoConfig
    from pydantic import ValidationError

    settings = get_settings()
    path = _find_store_config(settings)
    try:
        config = RepoConfig(**_read_store_config(path, settings))
    except (ValidationError, KeyError, yaml.YAMLError) as refused:
        raise ConfigError(f"{path} is no feature store: {refused}", remedy="correct the file") from None
    config.repo_path = path.parent
    return FeatureStore(config=config)


def materialize_features(store: FeatureStore, *, since: datetime, until: datetime) -> None:
    """Carry the newest row of every entity with an event in [since, until] into the online store; safe to repeat."""
    store.materialize(since, until, disable_event_timestamp=False)


def read_online(store: FeatureStore, service: str, entities: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the newest features of each entity, `<view>__<feature>`; None where the store knows nothing.

    Args:
        store: From `open_feature_store`.
        service: A feature service, such as `emotion_v1`.
        entities: Their join keys: `{"utterance_id": …, "speaker_id": …}`.
    """
    answer = store.get_online_features(
        features=store.get_feature_service(service),
        entity_rows=[dict(entity) for entity in entities],
        full_feature_names=True,
    ).to_dict()
    return [dict(zip(answer, values, strict=True)) for values in zip(*answer.values(), strict=True)]


def read_history(store: FeatureStore, service: str, entities: pd.DataFrame) -> pd.DataFrame:
    """Return the features of each entity as they were known at its own moment, a row for every row asked.

    What was *created* later does not count, even if it speaks of an earlier event: Feast leaves that filter off, and a
    late correction would leak into the past (feast#6617). Feast's file store leaves out entities of which nothing was
    known yet, and returns duplicates once: both come back here.

    Args:
        store: From `open_feature_store`.
        service: A feature service, such as `emotion_v1`.
        entities: Join keys and `event_timestamp`, aware.
    """
    job = store.get_historical_features(
        entity_df=entities,
        features=store.get_feature_service(service),
        full_feature_names=True,
        filter_by_created_timestamp=True,
    )
    return entities.merge(job.to_df(), how="left", on=list(entities.columns))


def _publish(file: Path, source: Path, key: str) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    published = pq.read_table(source) if source.exists() else None
    merged = merge_revisions(published, pq.read_table(file), key)
    sink = pa.BufferOutputStream()
    # One row group: Feast's file store reads each as a partition of its own and loses the order between partitions
    # (126 of 300 questions about the past were answered wrongly with three).
    pq.write_table(merged, sink, row_group_size=max(1, merged.num_rows))
    return write_file(source, sink.getvalue().to_pybytes())


def _find_store_config(settings: Settings) -> Path:
    path = settings.project_root / "feature_repo" / "feature_store.yaml"
    if not path.is_file():
        raise ConfigError(f"{path} does not exist", remedy="set VOXLOOP_PROJECT_ROOT to a checkout or an image's root")
    return path


def _read_store_config(path: Path, settings: Settings) -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(Template(path.read_text(encoding="utf-8")).substitute(settings.environment())))
