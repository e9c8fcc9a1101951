"""Which stored results something kept was made from: the lineage of digests, walked from what is kept to its sources.

A record names its inputs by digest, and the digest of its outputs is what the next step names. So the job store is a
graph without an index: a result is needed when something needed reads it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from voxloop.store.digests import digest_json
from voxloop.store.job_store import StepRecord, read_record

HIDDEN = "."


@dataclass(frozen=True)
class Entry:
    """One result in the job store.

    Args:
        folder: Where it lies.
        key: Key of its record, unique over all steps.
        made: Digests it can be named by as an input: of the whole, of its files, of its folders.
        reads: Digests of its own inputs.
        changed: When it was kept or last reused, seconds since 1970.
    """

    folder: Path
    key: str
    made: frozenset[str]
    reads: frozenset[str]
    changed: float

    @property
    def step(self) -> str:
        """Name of the step."""
        return self.folder.parent.name


def read_entries(store: Path) -> tuple[list[Entry], list[Path]]:
    """Return the results of a store, and the folders that no step can find: without a readable record of their own."""
    entries: list[Entry] = []
    lost: list[Path] = []
    for folder in sorted(store.glob("*/*")):
        if HIDDEN in (folder.name[:1], folder.parent.name[:1]) or not folder.is_dir():
            continue
        record = read_record_if_sound(folder)
        if record is None or (record.step, record.key) != (folder.parent.name, folder.name):
            lost.append(folder)
        else:
            entries.append(_describe(folder, record))
    return entries, lost


def read_record_if_sound(folder: Path) -> StepRecord | None:
    """Return the record in a folder; None where there is none that can be read."""
    try:
        record = read_record(folder)
    except (OSError, ValueError, TypeError):
        return None
    sound = record is not None and isinstance(record.outputs, Mapping) and isinstance(record.inputs, Mapping)
    return record if sound else None


def mark(entries: Iterable[Entry], keys: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, str]:
    """Return the key of every result that is needed, with the reason it inherits from what needs it.

    Args:
        entries: All results.
        keys: Keys of results needed for themselves, with the reason.
        digests: Digests of folders that are needed (models, datasets, evaluations), with the reason.
    """
    by_key = {entry.key: entry for entry in entries}
    makers: dict[str, list[Entry]] = defaultdict(list)
    for entry in by_key.values():
        for digest in entry.made:
            makers[digest].append(entry)
    open_ends = [(by_key[key], why) for key, why in keys.items() if key in by_key]
    open_ends += [(entry, why) for digest, why in digests.items() for entry in makers.get(digest, ())]
    needed: dict[str, str] = {}
    while open_ends:
        entry, why = open_ends.pop()
        if entry.key not in needed:
            needed[entry.key] = why
            open_ends += [(maker, why) for digest in entry.reads for maker in makers.get(digest, ())]
    return needed


def _describe(folder: Path, record: StepRecord) -> Entry:
    return Entry(
        folder=folder,
        key=record.key,
        made=frozenset(_names_of(record.outputs)),
        reads=frozenset(digest for digest in record.inputs.values() if digest),
        changed=folder.stat().st_mtime,
    )


def _names_of(outputs: Mapping[str, str]) -> Iterator[str]:
    """Yield the digest of the whole result, of each file and of each folder in it: a step may read any of them."""
    yield digest_json(dict(outputs))
    yield from outputs.values()
    inside: dict[PurePosixPath, dict[str, str]] = defaultdict(dict)
    for name, digest in outputs.items():
        path = PurePosixPath(name)
        for parent in path.parents[:-1]:
            inside[parent][path.relative_to(parent).as_posix()] = digest
    yield from (digest_json(files) for files in inside.values())
