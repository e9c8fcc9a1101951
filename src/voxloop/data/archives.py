"""A corpus that comes as one archive, unpacked by code that writes regular files and folders and nothing else.

`tarfile`'s own data filter was bypassed (CVE-2025-4517), so links are not filtered here, they are refused, with every
name that could lead elsewhere, and nothing is extracted that is not counted first.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import Field

from voxloop.config import StrictModel
from voxloop.errors import CorpusError
from voxloop.store.atomic import make_beside, remove_tree

SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")

_NAME_MAX = 255  # bytes of one part, NAME_MAX of limits.h
_SLACK = 16 * 2**20  # bytes any archive may expand to: an empty tar is 10 KiB of zeros, which bzip2 makes 46 bytes


class ArchiveLimits(StrictModel):
    """`configs/archives.yaml`: what an archive may hold."""

    max_members: int = Field(gt=0)
    max_gibibytes: float = Field(gt=0.0)
    """Of all its files together, unpacked."""
    max_expansion: float = Field(gt=1.0)
    """Bytes unpacked over bytes of the archive; 16 MiB are always free."""
    max_name_bytes: int = Field(gt=0, le=4_096)
    max_depth: int = Field(gt=0)
    """Folders within folders."""


@dataclass(frozen=True)
class Member:
    """One thing in an archive. `chunks` must be read before the next member is asked for; a folder has none."""

    name: str
    is_folder: bool
    chunks: Iterator[bytes]


class HostileArchiveError(CorpusError):
    """An archive that is damaged, or made to do harm; nothing of it is kept."""

    def __init__(self, problem: str, rule: str) -> None:
        super().__init__(problem, rule=rule, remedy="get the archive from its authors again, or unpack it yourself")


def is_archive(path: Path) -> bool:
    """Return whether a path is a file with the name of an archive."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


@contextmanager
def unpack(archive: Path, scratch: Path, limits: ArchiveLimits) -> Iterator[Path]:
    """Give a private folder with what the archive holds; it is gone afterwards, and what killed runs left before.

    Args:
        archive: A file that `is_archive`.
        scratch: Where the folder is made.
        limits: What it may hold.

    Raises:
        HostileArchiveError: It is damaged, breaks a limit, or holds something else than regular files and folders with
            names that stay inside.
    """
    folder = make_beside(scratch / "archive")
    folder.chmod(0o700)
    try:
        _extract(archive, folder, limits)
        yield folder
    finally:
        remove_tree(folder)
        with suppress(OSError):  # another run may be at work there
            scratch.rmdir()


def refuse_outside_links(folder: Path) -> None:
    """Check that no symbolic link below a corpus folder leads out of it.

    Raises:
        CorpusError: One does, and is named.
    """
    root = folder.resolve()
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in sorted([*folders, *files])):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise CorpusError(
                    f"{path} is a link to {path.readlink()}, outside the corpus",
                    rule="what is read lies below the folder that was named",
                    remedy="put the file itself there, or name the folder that holds everything",
                )


def _extract(archive: Path, folder: Path, limits: ArchiveLimits) -> None:
    from voxloop.data.tar_members import read_tar
    from voxloop.data.zip_members import read_zip

    size = archive.stat().st_size
    most = min(limits.max_gibibytes * 2**30, limits.max_expansion * size + _SLACK)
    members = read_zip(archive) if archive.name.lower().endswith(".zip") else read_tar(archive, most)
    book = _Names(archive.name, limits)
    written = 0
    for member in members:
        path = folder / book.admit(member)
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            for chunk in member.chunks:
                written += len(chunk)
                if written > most:
                    raise HostileArchiveError(
                        f"{archive.name} holds more than {most / 2**20:.0f} MiB, {size} bytes packed",
                        f"at most {limits.max_expansion:g} times its size and {limits.max_gibibytes:g} GiB are taken",
                    )
                stream.write(chunk)


class _Names:
    """The names seen so far. Two that differ in case or in Unicode form alone are one on other systems."""

    def __init__(self, archive: str, limits: ArchiveLimits) -> None:
        self._archive = archive
        self._limits = limits
        self._count = 0
        self._taken: dict[str, tuple[str, bool]] = {}
        self._files: set[str] = set()

    def admit(self, member: Member) -> PurePosixPath:
        """Return the path of a member, relative to where it is unpacked.

        Raises:
            HostileArchiveError: It leads elsewhere, is too long, or is taken.
        """
        self._count += 1
        if self._count > self._limits.max_members:
            raise HostileArchiveError(
                f"{self._archive} has more than {self._limits.max_members} members", "their number has a limit"
            )
        path = PurePosixPath(member.name)
        if fault := self._find_fault(member.name, path) or ("" if path.parts or member.is_folder else "it has no name"):
            raise HostileArchiveError(
                f"{self._archive} holds {member.name[:200]!r}: {fault}", "names stay inside, are short and differ"
            )
        for parent in list(path.parents)[-2::-1]:
            self._take(parent, is_folder=True)
        if path.parts:
            self._take(path, is_folder=member.is_folder)
        return path

    def _find_fault(self, name: str, path: PurePosixPath) -> str:
        limits = self._limits
        if path.is_absolute() or ".." in path.parts or "\\" in name or name[1:2] == ":":
            return "it leads out of the folder"
        if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name):
            return "control characters in a name"
        if len(name.encode()) > limits.max_name_bytes or any(len(part.encode()) > _NAME_MAX for part in path.parts):
            return "the name is too long"
        return f"it lies more than {limits.max_depth} folders deep" if len(path.parts) > limits.max_depth else ""

    def _take(self, path: PurePosixPath, *, is_folder: bool) -> None:
        key = unicodedata.normalize("NFC", str(path)).casefold()
        taken = self._taken.setdefault(key, (str(path), is_folder))
        if key in self._files or taken != (str(path), is_folder):
            raise HostileArchiveError(
                f"{self._archive} holds {str(path)[:200]!r} and {taken[0][:200]!r}",
                "names that differ in case or spelling alone are one on other systems",
            )
        if not is_folder:
            self._files.add(key)
