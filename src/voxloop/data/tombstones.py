"""Who was erased, as salted hashes: nobody can read a name here, and nobody comes back by the next ingest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, ValidationError

from voxloop.config import StrictModel
from voxloop.errors import IntegrityError
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_json

SALT_BYTES = 16


class Tombstones(StrictModel):
    """The erased speakers. `speaker_id in tombstones` asks; the salt is drawn with the first of them."""

    salt: str = ""
    hashes: frozenset[str] = Field(default=frozenset())

    def __contains__(self, speaker_id: object) -> bool:
        return isinstance(speaker_id, str) and bool(self.hashes) and self.hash_of(speaker_id) in self.hashes

    def hash_of(self, speaker_id: str) -> str:
        """Return the salted SHA-256 of a speaker's id, as hex."""
        return hashlib.sha256(bytes.fromhex(self.salt) + speaker_id.encode()).hexdigest()

    def with_speaker(self, speaker_id: str) -> Tombstones:
        """Return the tombstones with one more speaker; the same ones when they were erased before."""
        salted = Tombstones(salt=self.salt or secrets.token_hex(SALT_BYTES), hashes=self.hashes)
        return Tombstones(salt=salted.salt, hashes=salted.hashes | {salted.hash_of(speaker_id)})

    def key(self, speaker_ids: Iterable[str]) -> list[str]:
        """Return the hashes of those of `speaker_ids` that are erased, sorted: what a result depends on."""
        return sorted({self.hash_of(speaker) for speaker in speaker_ids if speaker in self})

    @property
    def digest(self) -> str:
        """Digest of all of them; empty without any."""
        return digest_json({"salt": self.salt, "hashes": sorted(self.hashes)}) if self.hashes else ""


def read_tombstones(path: Path) -> Tombstones:
    """Read the tombstones; none when nobody was erased yet.

    Raises:
        IntegrityError: The file is not one: without it erased speakers would come back.
    """
    if not path.exists():
        return Tombstones()
    try:
        return Tombstones.model_validate_json(path.read_bytes())
    except ValidationError as invalid:
        raise IntegrityError(
            f"{path} holds no tombstones: {invalid.errors()[0]['msg']}",
            rule="erased speakers must stay erased",
            remedy="restore the file from a backup",
        ) from None


def write_tombstones(path: Path, tombstones: Tombstones) -> None:
    """Replace the tombstones in one step; the file is readable by its owner alone."""
    write_file(path, tombstones.model_dump_json(), mode=0o600)
