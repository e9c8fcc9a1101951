"""What a step was made from and what it made, sealed by the runner and written beside the outputs."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from voxloop.errors import IntegrityError
from voxloop.store.digests import RECORD_NAME, canonical_json, list_files


@dataclass(frozen=True)
class StepRecord:
    """What a step was made from and what it made, as digests, with the runner's seal on it."""

    step: str
    key: str
    inputs: Mapping[str, str | None]
    config: Mapping[str, object]
    code: str
    outputs: Mapping[str, str]
    seal: str = ""

    def sealed(self, secret: bytes) -> StepRecord:
        """Return the record with the HMAC-SHA256 of its other fields."""
        return StepRecord(**{**asdict(self), "seal": self._seal(secret)})

    def is_authentic(self, secret: bytes) -> bool:
        """Return whether the seal is the one `secret` makes."""
        return hmac.compare_digest(self.seal, self._seal(secret))

    def _seal(self, secret: bytes) -> str:
        fields = {name: value for name, value in asdict(self).items() if name != "seal"}
        return hmac.new(secret, canonical_json(fields).encode(), "sha256").hexdigest()


def verify_result(folder: Path, step: str, key: str, secret: bytes) -> StepRecord:
    """Read the record of a kept result and check the seal and every byte it speaks of.

    Raises:
        IntegrityError: The record is missing, malformed, not sealed by this runner, of another step, or the files
            are not those it lists.
    """
    name = f"stored result {step}/{key[:12]}"
    try:
        record = StepRecord(**json.loads((folder / RECORD_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as unreadable:
        raise IntegrityError(f"{name} has no readable record ({unreadable})", remedy="it is made again") from None
    if not record.is_authentic(secret) or (record.step, record.key) != (step, key):
        raise IntegrityError(f"{name} carries a record this runner did not seal", remedy="it is made again")
    if (found := list_files(folder)) != dict(record.outputs):
        changed = sorted(set(found.items()) ^ set(record.outputs.items()))
        raise IntegrityError(f"{name} was changed in {changed[0][0]}", remedy="it is made again")
    return record


def read_record(folder: Path) -> StepRecord | None:
    """Return the record beside a step's outputs, unverified; None when the folder has none."""
    path = folder / RECORD_NAME
    return StepRecord(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
