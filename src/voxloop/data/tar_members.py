"""The members of a tar, one after the other: ustar, pax (POSIX.1-2017) and GNU long names; links are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from voxloop.data.archives import HostileArchiveError, Member

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 2**18
_MOST_HEADER = 2**16  # bytes of a long name or of pax records; tarfile would read any size into memory
_MOST_ZEROS = 2**20  # bytes after the end mark: a tar is filled up to whole records, 10 KiB each unless told otherwise
_FREE = 2_048  # bytes of a member that do not count: its header, a pax header with its records, and the padding of both
_MOST_DIGITS = 18  # of a number in a pax record; Python's int() raises beyond 4,300
_XZ_MEMORY = 256 * 2**20  # `xz -9` needs 65 MiB to unpack; a header may ask for 4 GiB
_RULE = "a tar holds regular files and folders, whole"
_UNSEEN = (EOFError, OSError, zlib.error, lzma.LZMAError)


def read_tar(archive: Path, most: float) -> Iterator[Member]:
    """Yield the members of a .tar, .tar.gz, .tar.bz2 or .tar.xz.

    Args:
        archive: The file.
        most: Bytes that may come out of it, long names and pax records counted; 2 KiB a member are free.

    Raises:
        HostileArchiveError: It is damaged or cut short, unpacks to more, or has a member that is no regular file and no
            folder.
    """
    with archive.open("rb") as file:
        stream = _Meter(_open_stream(file), archive.name, most)
        try:
            yield from _walk(stream, archive.name)
        except tarfile.TarError as wrong:
            raise HostileArchiveError(f"{archive.name} is no tar, or damaged: {wrong}", _RULE) from None
        except UnicodeDecodeError:
            raise HostileArchiveError(f"{archive.name} has a name that is not UTF-8", _RULE) from None
        except _UNSEEN as wrong:
            raise HostileArchiveError(f"{archive.name} cannot be unpacked: {wrong}", _RULE) from None


def _open_stream(file: BinaryIO) -> BinaryIO:
    magic = file.read(6)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if magic[:3] == b"BZh":
        return cast(BinaryIO, bz2.BZ2File(file))
    if magic == b"\xfd7zXZ\x00":
        return io.BufferedReader(_XzStream(file), _CHUNK)
    return file


class _XzStream(io.RawIOBase):
    """An xz stream whose unpacking may not take as much memory as its header likes (lzma.open sets no limit)."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = b""
        while not piece and not self._unpacker.eof:
            packed = self._file.read(_CHUNK) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                raise EOFError("it ends within its packed stream")
            piece = self._unpacker.decompress(packed, len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Meter:
    """A stream that counts what is read of it: what is skipped costs as much time to unpack as what is kept."""

    def __init__(self, stream: BinaryIO, archive: str, most: float) -> None:
        self._stream = stream
        self._archive = archive
        self._most = most
        self._left = most

    def read(self, size: int) -> bytes:
        """Return the next bytes, `size` of them unless the stream ends before.

        Raises:
            HostileArchiveError: With them it were too many.
        """
        piece = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            problem = f"{self._archive} unpacks to more than {self._most / 2**20:.0f} MiB"
            raise HostileArchiveError(problem, "headers, padding and long names count as files do")
        return piece

    def pay(self) -> None:
        """Let the next member have its header and its padding; members are counted elsewhere."""
        self._left += _FREE


def _walk(stream: _Meter, archive: str) -> Iterator[Member]:
    long_name: str | None = None
    records: dict[str, str] = {}
    seen: set[bytes] = set()
    stream.pay()
    while (header := _read_header(stream, archive)) is not None:
        if header.type in seen:
            raise HostileArchiveError(f"{archive} names one member twice", "a member has one header of each kind")
        seen.add(header.type)
        if header.type == tarfile.GNUTYPE_LONGNAME:
            long_name = _read_small(stream, header, archive).rstrip(b"\0").decode()
        elif header.type in {tarfile.XHDTYPE, tarfile.XGLTYPE}:
            found = _read_records(_read_small(stream, header, archive), archive)
            records = found if header.type == tarfile.XHDTYPE else records
        else:
            name = records.get("path", long_name or header.name)
            size = int(records.get("size", header.size))
            yield _make_member(stream, header, name, size, archive)
            long_name, records = None, {}
            seen.clear()
            stream.pay()


def _read_header(stream: _Meter, archive: str) -> tarfile.TarInfo | None:
    """Return the next header; None at the zeros that end a tar. A tar without them was cut short."""
    block = stream.read(_BLOCK)
    if len(block) < _BLOCK:
        raise HostileArchiveError(f"{archive} ends without an end mark", _RULE)
    if any(block):
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    zeros = 0
    while rest := stream.read(_CHUNK):  # to its end, where the check sum of a packed stream stands
        zeros += len(rest)
        if zeros > _MOST_ZEROS or any(rest):
            raise HostileArchiveError(f"{archive} goes on after its end mark", _RULE)
    return None


def _make_member(stream: _Meter, header: tarfile.TarInfo, name: str, size: int, archive: str) -> Member:
    if header.type == tarfile.DIRTYPE and size == 0:
        return Member(name, True, iter(()))
    if header.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or size < 0:
        raise HostileArchiveError(f"{archive} holds {name[:200]!r}, a {_KINDS.get(header.type, 'special file')}", _RULE)
    return Member(name, False, _read_content(stream, size, archive))


_KINDS = {
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
    tarfile.GNUTYPE_SPARSE: "sparse file",
}


def _read_content(stream: _Meter, size: int, archive: str) -> Iterator[bytes]:
    left = size
    while left:
        chunk = stream.read(min(left, _CHUNK))
        if not chunk:
            raise HostileArchiveError(f"{archive} ends within a file", _RULE)
        left -= len(chunk)
        yield chunk
    stream.read(-size % _BLOCK)


def _read_small(stream: _Meter, header: tarfile.TarInfo, archive: str) -> bytes:
    if not 0 <= header.size <= _MOST_HEADER:
        raise HostileArchiveError(f"{archive} has a header of {header.size} bytes", f"at most {_MOST_HEADER} are read")
    return b"".join(_read_content(stream, header.size, archive))


def _read_records(content: bytes, archive: str) -> dict[str, str]:
    """Read pax records, each a length, a space, KEY=VALUE and a line feed."""
    records: dict[str, str] = {}
    place = 0
    while place < len(content):
        length = content[place : place + _MOST_DIGITS].partition(b" ")[0]
        if not length.isdigit() or not len(length) + 1 < int(length) <= len(content) - place:
            raise HostileArchiveError(f"{archive} has malformed pax records", _RULE)
        key, equals, value = content[place + len(length) + 1 : place + int(length) - 1].decode().partition("=")
        sized = value.isdecimal() and len(value) <= _MOST_DIGITS
        if not equals or key.startswith("GNU.sparse") or (key == "size" and not sized):
            raise HostileArchiveError(f"{archive} has a pax record {key[:200]!r} that is not taken", _RULE)
        records[key] = value
        place += int(length)
    return records
