"""The places a speaker may be in on this machine, what to do in each, and the journal that lets a killed erasure go on.

A dataset is rewritten. Any other result of a step (features, answers, reports) is removed whole: its record and, in the
job store, its key would no longer tell the truth; the step makes it again. A file that belongs to no step loses the
rows or lines. The feature store and MLflow have their own ways and are left out here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from voxloop.data.erasure import erase_from_dataset, erase_from_file
from voxloop.data.erasure_lineage import digest_result, find_derived
from voxloop.data.erasure_scan import REPORT_NAME, find_links, holds, walk_files
from voxloop.data.erasure_words import Names
from voxloop.data.manifest import MANIFEST_NAME, load_manifest
from voxloop.errors import InputError, VoxloopError
from voxloop.settings import Settings
from voxloop.store.atomic import write_file
from voxloop.store.digests import RECORD_NAME
from voxloop.store.sweep import delete, doom, find_doomed, find_leftovers, sort_leftovers
from voxloop.store.unfinished import UNFINISHED, find_unfinished

ELSEWHERE = ("mlflow", "triton", "airflow", "feast", "features", "ledger", "logs", "erasures")
"""Folders of the state folder that hold no utterance, or are asked through the system that keeps them."""


class Kind(StrEnum):
    """What a place is, in the words of the report."""

    DATASET = "datasets rewritten"
    STORED = "stored results removed"
    RESULT = "results of steps removed"
    FILE = "files rewritten or removed"


@dataclass(frozen=True)
class Place:
    """A folder or file that holds the speaker."""

    kind: Kind
    path: Path


@dataclass(frozen=True)
class Journal:
    """What a killed erasure needs to go on: ids that may be gone from the data already, and what is to be finished."""

    utterances: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    """Of the datasets and results that held them, as the records of what was made from those name them."""

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Return the journal of an unfinished erasure; an empty one when there is none."""
        if not path.is_file():
            return cls()
        return cls(**{name: tuple(values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()})

    def write(self, path: Path) -> None:
        """Replace the journal; readable by its owner alone, it names utterances until the erasure is done."""
        content = {name: sorted(getattr(self, name)) for name in asdict(self)}
        write_file(path, json.dumps(content), mode=0o600)

    def extended(self, names: Names, places: Sequence[Place], evaluation_sets: Path) -> Journal:
        """Return the journal with what this attempt has found."""
        datasets = [place.path for place in places if place.kind is Kind.DATASET]
        reports = {str(path) for path in datasets if (path / REPORT_NAME).is_file()}
        sets = {str(found) for path in datasets if (found := find_set(path, evaluation_sets)) is not None}
        return replace(
            self,
            utterances=tuple(sorted(names.utterances | {*self.utterances})),
            reports=tuple(sorted({*self.reports} | reports)),
            sets=tuple(sorted({*self.sets} | sets)),
            digests=tuple(sorted(self.sources(places))),
        )

    def sources(self, places: Iterable[Place]) -> set[str]:
        """Return the digests of all that held the speaker, by this attempt or an earlier one."""
        return {*self.digests, *(digest_result(one.path) for one in places if one.kind is not Kind.FILE)}


def check_folders(folders: Iterable[Path]) -> list[Path]:
    """Return the folders a person named, absolute.

    Raises:
        InputError: One is no folder, or holds nothing that a step of voxloop wrote.
    """
    checked = []
    for folder in folders:
        if not folder.is_dir():
            raise InputError(
                f"{folder} is no folder", rule="--dataset names one", remedy="name a dataset, or leave it out"
            )
        if not any(path.name in (MANIFEST_NAME, RECORD_NAME) for path in walk_files(folder)):
            raise InputError(
                f"{folder} holds no dataset and no result of a step",
                rule="raw recordings are yours to remove: nothing is deleted that voxloop did not write",
                remedy="name a folder that `voxloop ingest` or a later step wrote",
            )
        checked.append(folder.absolute())
    return checked


def list_files(settings: Settings, folders: Sequence[Path]) -> list[Path]:
    """Return every file in which the speaker may be: of the state folder and of the folders a person named."""
    roots = [settings.home, *(folder for folder in folders if not folder.is_relative_to(settings.home))]
    return [path for root in roots for path in walk_files(root, _elsewhere(settings))]


def _elsewhere(settings: Settings) -> set[Path]:
    return {settings.home / name for name in ELSEWHERE}


def find_places(files: Iterable[Path], names: Names, settings: Settings) -> tuple[list[Place], list[str]]:
    """Return the places that hold the speaker, and a line for every file that could not be read."""
    found: dict[Place, None] = {}
    unreadable = []
    for path in files:
        try:
            if holds(path, names) and (place := classify(path, settings)) is not None:
                found[place] = None
        except (VoxloopError, OSError) as broken:
            unreadable.append(str(broken))
    return list(found), unreadable


def add_derived(files: Sequence[Path], places: Sequence[Place], journal: Journal, settings: Settings) -> list[Place]:
    """Return the places, and the results made from them that cannot be read: `find_derived`."""
    derived = [classify(folder / RECORD_NAME, settings) for folder in find_derived(files, journal.sources(places))]
    return [*dict.fromkeys([*places, *(one for one in derived if one is not None and one.kind is not Kind.DATASET)])]


def classify(path: Path, settings: Settings) -> Place | None:
    """Return the place a file belongs to; None for one outside the state folder that no step wrote: it is not ours."""
    if path.is_relative_to(settings.store / UNFINISHED):  # goes whole, with the debris
        return None
    for folder in path.parents:
        if folder.parent.parent == settings.store or _is_stored(folder):
            return Place(Kind.STORED, folder)
        if (folder / MANIFEST_NAME).is_file() and _is_dataset(folder):
            return Place(Kind.DATASET, folder)
        if (folder / RECORD_NAME).is_file():
            return Place(Kind.RESULT, folder)
        if folder == settings.home:
            return Place(Kind.FILE, path)
    return None


def erase_place(place: Place, names: Names, settings: Settings) -> int:
    """Take the speaker out of a place; return how many utterances of a dataset went, 0 for anything else."""
    if not place.path.exists():  # inside a place that went before it
        return 0
    if place.kind is Kind.DATASET:
        frozen = find_set(place.path, settings.evaluation_sets) is not None
        return erase_from_dataset(place.path, names, frozen=frozen)
    real = place.path.resolve()  # of a link the target goes too
    if place.kind is Kind.FILE:
        erase_from_file(real, names)
    else:
        delete(doom(real))
    if place.path.is_symlink() and not real.exists():
        place.path.unlink()
    return 0


def remove_debris(settings: Settings, folders: Sequence[Path]) -> tuple[int, list[Path]]:
    """Delete what cannot be searched: half-built folders of dead processes, results put aside, doomed ones.

    Unfinished steps go too, whatever data they are of: what a checkpoint has learnt names nobody.

    Returns:
        How many went, and the folders that living processes are filling: what they hold cannot be known.
    """
    tops = [settings.home, *folders]
    roots = [*tops, *(link for top in tops for link in find_links(top, _elsewhere(settings)))]
    dead, alive = find_leftovers(roots)
    beside = sort_leftovers(path for folder in folders for path in folder.parent.glob(f".{folder.name}.building-*"))
    waiting, held = find_unfinished(settings.store)
    gone = {*dead, *beside[0], *settings.store.glob("*/.spoilt-*"), *find_doomed(roots), *waiting}
    for path in sorted(gone):
        delete(path)
    return len(gone), sorted({*alive, *beside[1], *held})


def find_set(dataset: Path, evaluation_sets: Path) -> Path | None:
    """Return the frozen evaluation set (`<task>/<name>`) a dataset folder belongs to, or None."""
    if not dataset.is_relative_to(evaluation_sets):
        return None
    return evaluation_sets.joinpath(*dataset.relative_to(evaluation_sets).parts[:2])


def count_kinds(places: Iterable[Place]) -> Iterator[str]:
    """Yield a line for each kind of place."""
    for kind, count in sorted(Counter(place.kind for place in places).items()):
        yield f"{count} {kind}"


def _is_stored(folder: Path) -> bool:
    """Return whether a folder is a result in the job store of another state folder, such as that of a demo."""
    return folder.parent.parent.name == "store" and (folder / RECORD_NAME).is_file()


def _is_dataset(folder: Path) -> bool:
    try:
        load_manifest(folder)
    except VoxloopError:
        return False
    return True
