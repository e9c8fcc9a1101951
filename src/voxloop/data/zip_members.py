"""The members of a zip (PKWARE's APPNOTE 6.3.10), every stated size held against what is really there."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from voxloop.data.archives import HostileArchiveError, Member

_CHUNK = 2**18
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_ENCRYPTED, _TOLD_LATER, _UTF8 = 0x1, 0x8, 0x800  # general purpose bits
_IN_ZIP64 = 0xFFFF_FFFF
_UNIX = 3
_RULE = "a zip holds regular files and folders, stored or deflated, of the sizes it says"


def read_zip(archive: Path) -> Iterator[Member]:
    """Yield the members of a .zip in the order of its directory.

    Raises:
        HostileArchiveError: It is damaged, encrypted, its parts overlap, its sizes or check sums are wrong, or it has a
            member that is no regular file and no folder.
    """
    try:
        with zipfile.ZipFile(archive) as directory:
            infos = directory.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError) as wrong:
        raise HostileArchiveError(f"{archive.name} is no zip, or damaged: {wrong}", _RULE) from None
    with archive.open("rb") as file:
        end = 0
        for info in sorted(infos, key=lambda one: one.header_offset):
            name = _read_name(info, archive.name)
            _check_kind(info, name, archive.name)
            start = _find_content(file, info, name, archive.name)
            if info.header_offset < end:
                raise HostileArchiveError(f"{archive.name} holds {name!r} on top of another", _RULE)
            end = start + info.compress_size
            yield Member(name, info.is_dir(), iter(()) if info.is_dir() else _unpack(file, start, info, archive.name))


def _read_name(info: zipfile.ZipInfo, archive: str) -> str:
    """Return the name in UTF-8, also where the flag that says so is missing, as macOS leaves it out."""
    if info.flag_bits & _UTF8 or info.orig_filename.isascii():
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode()
    except UnicodeError:
        raise HostileArchiveError(f"{archive} has a name that is not UTF-8: {info.filename!r}", _RULE) from None


def _check_kind(info: zipfile.ZipInfo, name: str, archive: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR} or ((kind == stat.S_IFDIR) != info.is_dir() and kind):
        raise HostileArchiveError(f"{archive} holds {name!r}, a link or a special file", _RULE)
    if info.flag_bits & _ENCRYPTED:
        raise HostileArchiveError(f"{archive} is encrypted", "what cannot be looked into is not read")
    if info.is_dir() and info.file_size:
        raise HostileArchiveError(f"{archive} holds {name!r}, a folder with content", _RULE)
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise HostileArchiveError(f"{archive} packs {name!r} by method {info.compress_type}", _RULE)


def _find_content(file: BinaryIO, info: zipfile.ZipInfo, name: str, archive: str) -> int:
    """Return where the packed bytes begin. What a member says of itself must be what the directory says of it."""
    file.seek(info.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
        raise HostileArchiveError(f"{archive} has no {name!r} where it says", _RULE)
    _, _, flags, method, _, _, _, packed, size, name_size, extra_size = _LOCAL.unpack(head)
    told_later = flags & _TOLD_LATER or _IN_ZIP64 in {packed, size}
    sizes_agree = told_later or (packed, size) == (info.compress_size, info.file_size)
    if method != info.compress_type or file.read(name_size) != _raw_name(info) or not sizes_agree:
        raise HostileArchiveError(f"{archive} says two things of {name!r}", _RULE)
    return int(info.header_offset + _LOCAL.size + name_size + extra_size)


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437")


def _unpack(file: BinaryIO, start: int, info: zipfile.ZipInfo, archive: str) -> Iterator[bytes]:
    sum_, size = 0, 0
    try:
        for piece in _inflate(file, start, info):
            sum_, size = zlib.crc32(piece, sum_), size + len(piece)
            if size > info.file_size:
                break
            yield piece
    except (zlib.error, EOFError) as wrong:
        raise HostileArchiveError(f"{archive} holds a damaged {info.filename!r}: {wrong}", _RULE) from None
    if size != info.file_size or sum_ != info.CRC:
        problem = f"{archive} says {info.file_size} bytes of {info.filename!r}, and holds others"
        raise HostileArchiveError(problem, _RULE)


def _inflate(file: BinaryIO, start: int, info: zipfile.ZipInfo) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None
    file.seek(start)
    left = info.compress_size
    while left:
        packed = file.read(min(left, _CHUNK))
        if not packed:
            raise EOFError("it ends early")
        left -= len(packed)
        if unpacker is None:
            yield packed
            continue
        full = False
        while packed or full:  # zlib may hold more than fills a piece when all input is in
            piece = unpacker.decompress(packed, _CHUNK)
            packed, full = unpacker.unconsumed_tail, len(piece) == _CHUNK
            yield piece
    if unpacker is not None and (not unpacker.eof or unpacker.unused_data):
        raise EOFError("its packed bytes are not those of one file")
