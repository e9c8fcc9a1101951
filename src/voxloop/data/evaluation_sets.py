"""Frozen evaluation sets: added, never changed.

A set is a dataset folder of its own at `<root>/<task>/<domain>-<date>/`, with its audio, so that it stays when the
dataset it was cut from goes. Beside `manifest.json` and `shards/` lie `evaluation_set.json`, which says what it is and
holds the digest of every file, and `rows.json` with the digest of each row. Only an erasure changes a set: it takes
rows away, and the record of the rest names the digest of what it was before.
"""

from __future__ import annotations

import json
from datetime import date as Date  # noqa: N812 - a field is called date
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError

from voxloop.config import StrictModel
from voxloop.data.evaluation_set_files import (
    RECORD_NAME,
    digest_rows,
    list_set_files,
    make_read_only,
    read_rows,
    write_rows,
)
from voxloop.data.shards import read_manifest
from voxloop.data.splits import Split
from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.store.atomic import write_file
from voxloop.store.digests import canonical_json, digest_json

INDEX_NAME = "index.json"
"""Beside the sets of a family: their names. A set is never taken away, so one that is missing was lost."""


class EvaluationSet(StrictModel):
    """What `evaluation_set.json` says.

    Args:
        name: `<domain>-<date>`, with `-dev` behind it for a development set.
        task: Family that is judged on it.
        domain: Where its speech is from.
        date: Day of the cut.
        by: What was kept whole in cutting it.
        split: Split of the dataset it was cut from, which its rows still carry.
        looks: Whether a look at its figures is counted: those of a development set are free.
        corpus: The corpus it was cut from.
        rows: Number of utterances.
        speakers: Number of speakers.
        rows_digest: Digest of the digests of all rows.
        files: Digest of every file by its path; this record left out.
        supersedes: Digest of the record before the last erasure; None when nobody was erased.
        reason: Why it was made anew; empty for a set as it was cut.
        folder: Where it lies; not part of the record.
    """

    name: str
    task: str
    domain: str
    date: Date
    by: Literal["speaker"]
    split: Split
    looks: Literal["counted", "free"]
    corpus: str
    rows: int
    speakers: int
    rows_digest: str
    files: dict[str, str]
    supersedes: str | None = None
    reason: str = ""
    folder: Path = Field(default=Path(), exclude=True, validate_default=False)

    @property
    def digest(self) -> str:
        """Digest of the record, and so of every byte of the set."""
        return digest_json(self.model_dump(mode="json"))

    def describe(self, folder: Path, **changed: object) -> Self:
        """Return the record of what lies in `folder` now.

        Args:
            folder: The set.
            changed: Other fields to change.
        """
        table = read_manifest(folder, ("speaker_id",))
        seen = {
            "rows": table.num_rows,
            "speakers": len(set(table["speaker_id"].to_pylist())),
            "rows_digest": digest_json(read_rows(folder)),
            "files": list_set_files(folder),
        }
        return self.model_copy(update={**seen, **changed, "folder": folder})


def find_cut_since(root: Path, task: str, day: Date) -> EvaluationSet | None:
    """Return the newest set of a family, cut on a day or after it, whose looks are counted; None without one.

    Args:
        root: `settings.evaluation_sets`.
        task: Family.
        day: The first that counts.

    Raises:
        IntegrityError: As `list_evaluation_sets`.
    """
    cut = [one for one in list_evaluation_sets(root, task) if one.looks == "counted" and one.date >= day]
    return max(cut, key=lambda one: (one.date, one.name), default=None)


def find_family(sets: Path | None, own: Path, task: str) -> Path | None:
    """Return the folder of a task's frozen sets, None when there are none yet.

    Args:
        sets: Root that was asked for; None for the platform's own.
        own: The platform's own, `settings.evaluation_sets`, which may not be there yet.
        task: Family.

    Raises:
        InputError: The root that was asked for is not there.
    """
    root = own if sets is None else sets
    if not root.is_dir() and root.absolute() != own:
        raise InputError(
            f"{root} is no folder of evaluation sets",
            rule="frozen sets that are named must be there",
            remedy="name the folder that holds <task>/<domain>-<date>, or leave --sets out",
        )
    folder = root / task
    return folder if folder.is_dir() else None


def list_evaluation_sets(root: Path, task: str | None = None) -> list[EvaluationSet]:
    """Return the sets under `root`, by task and name; a root that is not there holds none.

    Args:
        root: `settings.evaluation_sets`.
        task: Only those of this family.

    Raises:
        IntegrityError: A folder there holds no readable record, or a set that was frozen is not there any more: neither
            is skipped.
    """
    for family in root.glob(task or "*"):
        for name in _read_index(family):
            if not (family / name).is_dir():
                raise _changed(family / name, "is gone")
    places = root.glob(f"{task or '*'}/*")
    return [load_evaluation_set(place) for place in sorted(places) if place.is_dir() and not _is_hidden(place)]


def list_set(folder: Path) -> None:
    """Note a set in the index of its family, so that its loss is noticed."""
    names = sorted({*_read_index(folder.parent), folder.name})
    write_file(folder.parent / INDEX_NAME, canonical_json(names) + "\n")


def _read_index(family: Path) -> list[str]:
    path = family / INDEX_NAME
    try:
        names: list[str] = json.loads(path.read_bytes()) if path.exists() else []
    except ValueError:
        raise _changed(family, f"has a malformed {INDEX_NAME}") from None
    return names


def load_evaluation_set(folder: Path) -> EvaluationSet:
    """Read the record of a set; its files are not looked at.

    Raises:
        IntegrityError: There is none, or it is another set's.
    """
    path = folder / RECORD_NAME
    try:
        record = EvaluationSet.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise _changed(folder, f"has no {RECORD_NAME}") from None
    except ValidationError as invalid:
        raise _changed(folder, f"has a malformed {RECORD_NAME}: {invalid.errors()[0]['msg']}") from None
    if (record.task, record.name) != (folder.resolve().parent.name, folder.resolve().name):
        raise _changed(folder, f"holds the record of {record.task}/{record.name}")
    return record.model_copy(update={"folder": folder})


def verify_evaluation_set(folder: Path) -> EvaluationSet:
    """Check every byte of a set against its record.

    Raises:
        IntegrityError: A file was changed, added or taken away, or the rows are not those that were frozen.
    """
    record = load_evaluation_set(folder)
    found = list_set_files(folder)
    if found != record.files:
        name = min(name for name, _ in set(found.items()) ^ set(record.files.items()))
        raise _changed(folder, f"was changed in {name}")
    rows = digest_rows(folder)
    if rows != read_rows(folder) or digest_json(rows) != record.rows_digest or len(rows) != record.rows:
        raise _changed(folder, "does not hold the rows that were frozen")
    return record


def refreeze(folder: Path, reason: str) -> EvaluationSet:
    """Freeze a set again after an erasure took rows out of it; nothing else may have changed.

    Called again, it changes nothing.

    Args:
        folder: The set, its shards and manifest rewritten.
        reason: Why, for the record.

    Raises:
        IntegrityError: There is no readable record, or shards and manifest disagree.
        RefusedError: A row was added or changed: that is another set.
    """
    before = load_evaluation_set(folder)
    old, new = read_rows(folder), digest_rows(folder)
    if wrong := sorted(key for key, digest in new.items() if old.get(key) != digest):
        raise RefusedError(
            f"row {wrong[0]!r} of {folder} is not as it was frozen",
            rule="an erasure takes rows away and changes none",
            remedy="restore the set from a backup and erase again",
        )
    write_rows(folder, new)
    same = before.describe(folder)
    # rows.json goes first: killed in between, the record does not fit, and this is called again.
    record = before if same == before else before.describe(folder, supersedes=before.digest, reason=reason)
    if record is not before:
        write_record(record, folder)
    make_read_only(folder)
    return record


def write_record(record: EvaluationSet, folder: Path) -> None:
    """Write `evaluation_set.json`."""
    text = json.dumps(record.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    write_file(folder / RECORD_NAME, text + "\n", mode=0o444)


def _is_hidden(place: Path) -> bool:
    return place.name.startswith(".") or place.parent.name.startswith(".")


def _changed(folder: Path, problem: str) -> IntegrityError:
    return IntegrityError(
        f"evaluation set {folder} {problem}",
        rule="a frozen set is never changed",
        remedy="restore it from a backup, or remove the folder and cut a new one",
    )
