"""Taking a speaker out of Feast's online store: SQLite or Redis, bytes and all."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from voxloop.adapters.feast_offline import TABLES
from voxloop.adapters.feast_online import CHUNK
from voxloop.adapters.feast_store import PROJECT, check_online_store, connect_redis, online_store_errors
from voxloop.settings import get_settings
from voxloop.store.lock import hold_lock

if TYPE_CHECKING:
    from redis import Redis

    from voxloop.settings import Settings

KEY_VERSION = 3
"""`entity_key_serialization_version` of feature_repo/."""


def erase_online(speaker_id: str, utterance_ids: Collection[str]) -> dict[str, int]:
    """Take a speaker and their utterances out of the online store, also those that were only ever pushed.

    SQLite overwrites what it deletes and is written anew; in Redis the keys are deleted (what its own backups hold is
    for whoever makes them).

    Returns:
        How many entities were removed, by kind.

    Raises:
        ServiceUnavailableError: The store does not answer, or is locked: nothing may be taken for erased.
    """
    settings = get_settings()
    check_online_store()
    keys = {"speaker": {_entity_key("speaker_id", speaker_id)}}
    keys["utterance"] = {_entity_key("utterance_id", utterance) for utterance in utterance_ids}
    gone = {"speaker": 0, "utterance": 0}
    with hold_lock(settings.home / "feast" / "online.lock"), online_store_errors(settings):
        if (settings.home / "feast" / "online.db").exists():
            _add(gone, _erase_from_sqlite(settings, keys, speaker_id))
        if settings.online_store == "redis":
            with closing(connect_redis(settings)) as redis:
                _add(gone, _erase_from_redis(redis, keys, speaker_id))
    return gone


def _entity_key(key: str, value: str) -> bytes:
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    entity = EntityKey(join_keys=[key], entity_values=[Value(string_val=value)])
    return bytes(serialize_entity_key(entity, entity_key_serialization_version=KEY_VERSION))


def _erase_from_sqlite(settings: Settings, keys: dict[str, set[bytes]], speaker_id: str) -> dict[str, int]:
    from feast.protos.feast.types.Value_pb2 import Value

    whose = Value(string_val=speaker_id).SerializeToString()
    gone: dict[str, set[bytes]] = {kind: set() for kind in keys}
    with closing(sqlite3.connect(settings.home / "feast" / "online.db", timeout=30)) as database:
        database.execute("PRAGMA secure_delete = ON")
        there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for view, key in TABLES.items():
            if (table := f"{PROJECT}_{view}") not in there:
                continue
            kind = key.removesuffix("_id")
            wanted = set(keys[kind])
            if kind == "utterance":
                named = f'SELECT entity_key FROM "{table}" WHERE feature_name = ? AND value = ?'  # noqa: S608
                wanted |= {found for (found,) in database.execute(named, ("speaker_id", whose))}
            delete = f'DELETE FROM "{table}" WHERE entity_key = ?'  # noqa: S608 - a name of ours
            gone[kind] |= {one for one in wanted if database.execute(delete, (one,)).rowcount > 0}
        database.commit()
        # The free pages still hold what was deleted, also when a run was killed between deleting and this.
        if database.execute("PRAGMA freelist_count").fetchone()[0]:
            database.execute("VACUUM")
    return {kind: len(found) for kind, found in gone.items()}


def _erase_from_redis(redis: Redis, keys: dict[str, set[bytes]], speaker_id: str) -> dict[str, int]:
    wanted = {kind: {one + PROJECT.encode() for one in found} for kind, found in keys.items()}
    wanted["utterance"] |= set(_find_in_redis(redis, speaker_id))
    return {kind: _delete(redis, found) for kind, found in wanted.items()}


def _find_in_redis(redis: Redis, speaker_id: str) -> Iterator[bytes]:
    """Yield the keys of utterances that say they are this speaker's: one pass over all keys of utterances."""
    from feast.infra.key_encoding_utils import serialize_entity_key_prefix
    from feast.infra.online_stores.helpers import _mmh3
    from feast.protos.feast.types.Value_pb2 import Value

    whose = Value(string_val=speaker_id).SerializeToString()
    fields = [_mmh3(f"{view}:speaker_id") for view, key in TABLES.items() if key == "utterance_id"]
    prefix = serialize_entity_key_prefix(["utterance_id"], entity_key_serialization_version=KEY_VERSION)
    keys: Any = redis.scan_iter(prefix + b"*" + PROJECT.encode(), count=CHUNK)
    for some in _in_chunks(keys):
        pipe: Any
        with redis.pipeline(transaction=False) as pipe:
            for one in some:
                pipe.hmget(one, fields)
            for one, values in zip(some, pipe.execute(), strict=True):
                if whose in values:
                    yield one


def _delete(redis: Redis, keys: set[bytes]) -> int:
    gone: Any = [redis.delete(*some) for some in _in_chunks(sorted(keys))]
    return sum(gone)


def _in_chunks(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    for one in keys:
        some.append(one)
        if len(some) == CHUNK:
            yield some
            some = []
    if some:
        yield some


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for kind, count in more.items():
        total[kind] += count
