"""One erasure from its beginning to its end, in the order that makes a kill at any moment harmless."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import InputError, IntegrityError, ServiceUnavailableError, VoxloopError

if TYPE_CHECKING:
    from voxloop.data.erasure_scan import Names
    from voxloop.release.reviews import AffectedVersion
    from voxloop.release.standing import Archive, RegisteredModel
    from voxloop.settings import Settings


class Erasure:
    """Tombstone, journal, data, features, registry, and the journal away: killed in between, the same call goes on.

    Args:
        settings: Where things lie.
        archive: Registry and tracking server.
        speaker: Whose data go.
        folders: Folders outside the state folder to look into.
        dry_run: Look and change nothing.
    """

    def __init__(
        self, settings: Settings, archive: Archive, speaker: str, folders: list[Path], *, dry_run: bool = False
    ) -> None:
        from voxloop.data.erasure_places import Journal
        from voxloop.data.tombstones import Tombstones

        self.settings = settings
        self.archive = archive
        self.speaker = speaker
        self.folders = folders
        self.dry_run = dry_run
        self.tombstones = Tombstones()
        self.known = False
        self.tombstone = ""
        self.journal = Journal()
        self.problems: list[VoxloopError] = []
        self.done: list[str] = []
        self.left: list[str] = []
        self.affected: list[AffectedVersion] = []
        self.asked_registry = False
        self.filling: list[Path] = []

    def run(self, reason: str = "") -> None:
        """Do it. Raises as `erase`, after everything that could be done is done."""
        with self._alone():
            self._load()
            names = self._erase_data(reason or f"erasure:{self.tombstone[:12]}")
        for act in (self._erase_features, self._review_models, self._erase_artifacts):
            self._attempt(act, names)
        if self.problems:
            raise self.problems[0]
        if not self.dry_run:
            self._check_gone(names)
            self.journal_file.unlink(missing_ok=True)

    @property
    def journal_file(self) -> Path:
        """Where this erasure says what is left to do."""
        return self.settings.home / "erasures" / f"{self.tombstone}.json"

    def _load(self) -> None:
        """Read what earlier erasures left; under the lock, or one that runs now would be overwritten."""
        from voxloop.data.erasure_places import Journal
        from voxloop.data.tombstones import read_tombstones

        tombstones = read_tombstones(self.settings.tombstones_file)
        self.known = self.speaker in tombstones
        self.tombstones = tombstones.with_speaker(self.speaker)
        self.tombstone = self.tombstones.hash_of(self.speaker)
        self.journal = Journal.read(self.journal_file)

    def _attempt(self, act: Callable[..., object], *args: object) -> None:
        """Do one part; what it cannot do is said at the end, and keeps no other part from being done."""
        try:
            act(*args)
        except VoxloopError as problem:
            self.problems.append(problem)

    def _alone(self) -> ExitStack:
        """Keep sweeps and other erasures out, and steps from copying what is about to go."""
        from voxloop.store.lock import hold_lock
        from voxloop.store.sweep import hold_store

        held = ExitStack()
        if not self.dry_run or self.settings.home.is_dir():  # a dry run makes nothing
            held.enter_context(hold_lock(self.settings.home / "gc.lock"))
            held.enter_context(hold_store(self.settings.store, alone=True))
        return held

    def _erase_data(self, reason: str) -> Names:
        from voxloop.data.erasure_places import add_derived, count_kinds, erase_place, find_places, list_files
        from voxloop.data.erasure_scan import Names, find_utterances
        from voxloop.data.tombstones import write_tombstones

        files = list_files(self.settings, self.folders)
        features = sorted((self.settings.home / "features").glob("*.parquet"))
        found = find_utterances([*files, *features], self.speaker)
        names = Names(self.speaker, found | {*self.journal.utterances})
        places, _ = find_places(files, names, self.settings)  # what cannot be read is named at the end
        places = add_derived(files, places, self.journal, self.settings)
        if not (self.known or places or find_places(features, names, self.settings)[0]):
            self._require_model()
        self.done += count_kinds(places)
        if not self.dry_run:
            if not self.known:
                write_tombstones(self.settings.tombstones_file, self.tombstones)
            self.journal = self.journal.extended(names, places, self.settings.evaluation_sets)
            if places or names.utterances:
                self.journal.write(self.journal_file)
            rows: list[int] = []
            for place in places:
                self._attempt(lambda one: rows.append(erase_place(one, names, self.settings)), place)
            self.done += [f"{sum(rows)} utterances taken out of datasets"] if any(rows) else []
            self._finish(reason)
        return names

    def _finish(self, reason: str) -> None:
        """Renew what speaks of rewritten data, and delete what could not be searched."""
        from voxloop.data.erasure_places import remove_debris
        from voxloop.data.report_page import write_report

        for report in map(Path, self.journal.reports):
            self._attempt(write_report, report)
        for frozen in map(Path, self.journal.sets):
            self._attempt(self._refreeze, frozen, reason)
        gone, self.filling = remove_debris(self.settings, self.folders)
        self.done += [f"{gone} half-built, spoilt or doomed folders deleted unread"] if gone else []

    def _refreeze(self, frozen: Path, reason: str) -> None:
        from voxloop.data.evaluation_sets import refreeze
        from voxloop.ledger.acts import record_refrozen_set
        from voxloop.ledger.book import open_ledger
        from voxloop.settings import now

        record = refreeze(frozen, reason)
        if record.supersedes is not None:  # killed before this, the journal still names the set
            record_refrozen_set(open_ledger(self.settings), record, supersedes=record.supersedes, at=now())
        self.done.append(f"evaluation set {frozen.parent.name}/{frozen.name} frozen anew")

    def _require_model(self) -> None:
        """Raise `InputError` unless some model learnt from the speaker: then they are nobody we know."""
        places = ", ".join(map(str, [self.settings.home, *self.folders]))
        nobody = InputError(
            f"no data of a speaker {self.speaker!r} in {places}",
            rule="an id is spelt as the datasets spell it; nothing was changed, no tombstone was left",
            remedy="correct --speaker, or name the folder that holds them as --dataset",
        )
        from voxloop.release.reviews import Learnt, find_affected

        try:
            affected = find_affected(self.archive, self.archive.list_models(), self.speaker)
        except VoxloopError:
            raise nobody from None
        if all(one.learnt is not Learnt.YES for one in affected):
            raise nobody

    def _erase_features(self, names: Names) -> None:
        home = self.settings.home
        if not ((home / "features").is_dir() or (home / "feast").is_dir() or self.settings.online_store == "redis"):
            return
        if self.dry_run:
            self.left.append("a dry run does not look into the feature store")
            return
        from voxloop.adapters.feast import erase_features

        counts = erase_features(names.speaker, names.utterances)
        self.done += [f"{count} rows out of features {table}" for table, count in counts.items() if count]

    def _review_models(self, names: Names) -> None:
        for model in self.archive.list_models():  # a broken alias of one model hides no other
            self._attempt(self._review, names, model)
        self.asked_registry = not self.problems

    def _review(self, names: Names, model: RegisteredModel) -> None:
        from voxloop.release.reviews import find_affected, open_reviews
        from voxloop.settings import now

        affected = find_affected(self.archive, [model], names.speaker)
        self.affected += affected
        if not self.dry_run:
            opened = open_reviews(self.archive, affected, self.tombstone, at=now())
            self.done += [f"review opened: {one}" for one in opened]

    def _erase_artifacts(self, names: Names) -> None:
        from voxloop.release.artifact_erasure import erase_artifacts

        deleted, failed = erase_artifacts(self.archive, names, self.tombstone, dry_run=self.dry_run)
        self.done += [f"artifact deleted: {one}" for one in deleted]
        self.left += [f"artifact to delete by hand in MLflow: {one}" for one in failed]

    def _check_gone(self, names: Names) -> None:
        """Read everything once more.

        Raises:
            IntegrityError: Something holds them still, or could not be read.
            ServiceUnavailableError: A step is writing: what it read before the erasure is not known.
        """
        from voxloop.data.erasure_places import add_derived, find_places, list_files

        files = list_files(self.settings, self.folders)
        places, unreadable = find_places(files, names, self.settings)
        places = add_derived(files, places, self.journal, self.settings)
        if still := [*(f"{place.path} holds them" for place in places), *unreadable]:
            raise IntegrityError(
                f"not all is erased: {still[0]}",
                rule="no file below the state folder or the folders named holds them afterwards",
                remedy="remove it, then run `voxloop erase` again",
            )
        if self.filling:
            raise ServiceUnavailableError(
                f"a running step is writing {self.filling[0]}",
                rule="what it read before the erasure it may still write",
                remedy="run `voxloop erase` again when it has ended",
            )
