"""A review: the note on a version in force that something beneath it has changed. It stays in force; a person decides.

Erasure opens one. Its reason names the tombstone, never the speaker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from voxloop.release.standing import Archive, RegisteredModel, find_standing
from voxloop.release.versions import ModelVersion

REVIEW = "review"
"""Tag of a version: `open`, or what a person made of it."""
OPEN = "open"
REVIEW_REASON = "voxloop.review_reason"
"""Tag of a version: every reason a review was opened for, separated by spaces. Kept when the review is closed."""
REASON_CHARS = 12

SPEAKERS_ARTIFACT = "training/speakers.json"


class Learnt(StrEnum):
    """Whether a version learnt from a speaker."""

    YES = "trained on them"
    UNKNOWN = "cannot tell: treat as trained on them"


@dataclass(frozen=True)
class AffectedVersion:
    """A version that learnt from an erased speaker, or may have; `standing` is empty once it is out of service."""

    version: ModelVersion
    learnt: Learnt
    standing: str

    def __str__(self) -> str:
        return f"{self.version} ({self.standing or 'out of service'}): {self.learnt}"


def find_affected(archive: Archive, models: Iterable[RegisteredModel], speaker: str) -> list[AffectedVersion]:
    """Return every version of every model that learnt from `speaker`, or does not say whom it learnt from."""
    return [one for model in models for one in _find_in_model(archive, model, speaker)]


def read_speakers(content: bytes) -> frozenset[str] | None:
    """Return the speakers a `speakers.json` lists; None for what is not one.

    It reads `{"schema_version": 1, "train": ["ann"], "dev": ["bob"]}`: those the weights were fitted to, and those by
    which the epoch was chosen.
    """
    try:
        listed = json.loads(content)
        names = [*listed["train"], *listed["dev"]]
    except (ValueError, KeyError, TypeError):
        return None
    return frozenset(names) if all(isinstance(name, str) for name in names) else None


def open_reviews(archive: Archive, affected: Sequence[AffectedVersion], tombstone: str, *, at: datetime) -> list[str]:
    """Open a review of every affected version that is or may come into force; return a line for each newly opened.

    A review that was opened for this tombstone before is left as it is, open or closed: asking again changes nothing.
    """
    reason = f"erasure:{tombstone[:REASON_CHARS]}"
    return [
        f"{one.version} ({one.standing})"
        for one in affected
        if one.standing and open_review(archive, one.version, reason, one.learnt, at)
    ]


def open_review(archive: Archive, version: ModelVersion, reason: str, learnt: Learnt, at: datetime) -> bool:
    """Open a review for `reason`; return False when it was opened before. The reason is written last."""
    earlier = version.tags.get(REVIEW_REASON, "").split()
    if reason in earlier:
        return False
    note = archive.read_note(version)
    if reason not in note:
        line = f"**Review** ({at:%Y-%m-%d}): {reason}, {learnt}. Retrain without them, or close it: `{REVIEW}=closed`."
        archive.write_note(version, f"{note}\n\n{line}".strip())
    archive.tag_version(version, REVIEW, OPEN)
    archive.tag_version(version, REVIEW_REASON, " ".join([*earlier, reason]))
    return True


def _find_in_model(archive: Archive, model: RegisteredModel, speaker: str) -> Iterator[AffectedVersion]:
    standing = find_standing(model)
    for version in model.versions:
        if (learnt := _has_learnt(archive, version, speaker)) is not None:
            yield AffectedVersion(version, learnt, standing.get(version.number, ""))


def _has_learnt(archive: Archive, version: ModelVersion, speaker: str) -> Learnt | None:
    if not version.run_id or SPEAKERS_ARTIFACT not in archive.list_artifacts(version.run_id):
        return Learnt.UNKNOWN
    speakers = read_speakers(archive.read_artifact(version.run_id, SPEAKERS_ARTIFACT))
    if speakers is None:
        return Learnt.UNKNOWN
    return Learnt.YES if speaker in speakers else None
