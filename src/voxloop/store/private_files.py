"""Files that are their owner's alone."""

from __future__ import annotations

from pathlib import Path
from typing import Generic

from pydantic import ValidationError

from voxloop.config import Model
from voxloop.errors import IntegrityError
from voxloop.store.atomic import write_file


def require_private(
    path: Path, *, rule: str = "secrets are their owner's alone", remedy: str = "find out who had it, then chmod 600 it"
) -> None:
    """Raise `IntegrityError` when others than its owner may use a file.

    Args:
        path: An existing file.
        rule: Why not.
        remedy: What to do then.
    """
    if (mode := path.stat().st_mode) & 0o077:
        raise IntegrityError(f"{path} may be used by others (mode {mode & 0o777:o})", rule=rule, remedy=remedy)


class PrivateFile(Generic[Model]):
    """A JSON file of its owner's alone, written beside and renamed, and read anew when it is another one.

    Args:
        path: The file.
        model: What it holds.
        writer: The command that writes it, for a message.
    """

    def __init__(self, path: Path, model: type[Model], *, writer: str) -> None:
        self._path, self._model, self._writer = path, model, writer
        self._seen: tuple[int, int, int] | None = None
        self._content: Model | None = None

    @property
    def lock(self) -> Path:
        """What who writes holds, from reading on."""
        return self._path.with_suffix(".lock")

    def read(self) -> Model | None:
        """Return the content, the same object as long as the file is the same; None where there is no file.

        Raises:
            IntegrityError: It is malformed, or others may read or write it.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen = self._content = None
            return None
        seen = (status.st_ino, status.st_ctime_ns, status.st_size)  # every write is a rename
        if seen != self._seen:
            require_private(self._path)
            self._content = self._parse()
            self._seen = seen
        return self._content

    def write(self, content: Model) -> None:
        """Write the content."""
        write_file(self._path, content.model_dump_json(indent=2) + "\n", mode=0o600)

    def _parse(self) -> Model:
        try:
            return self._model.model_validate_json(self._path.read_bytes())
        except ValidationError:
            raise IntegrityError(
                f"{self._path} is malformed", rule=f"{self._writer} alone writes it", remedy="restore it from a backup"
            ) from None
