"""Archives made to do harm, each in one way. A builder writes one at the path it is given."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Members = list[tuple[tarfile.TarInfo, bytes]]


@dataclass(frozen=True)
class HostileArchive:
    """What the file is called, how it is made, and a word of the refusal."""

    name: str
    build: Callable[[Path], None]
    told: str


def plain(name: str, content: bytes = b"content", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a tar member; `fields` are set on its header."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def pack(members: Members, *, form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def tar_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> Callable[[Path], None]:
    """Return a builder of a tar."""
    return lambda path: write(path, pack(list(members), form=form))


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def with_checksum(header: bytes) -> bytes:
    """Return a 512-byte tar header with the check sum it should have."""
    blank = header[:148] + b" " * 8 + header[156:]
    return blank[:148] + f"{sum(blank):06o}\0 ".encode() + blank[156:]


def bad_utf8(path: Path) -> None:
    content = bytearray(pack([plain("name.wav")]))
    content[0:4] = b"\xff\xfe\xfa\xfb"
    content[:512] = with_checksum(bytes(content[:512]))
    write(path, bytes(content))


def sparse(path: Path) -> None:
    content = bytearray(pack([plain("hole.wav")]))
    content[156:157] = tarfile.GNUTYPE_SPARSE
    content[:512] = with_checksum(bytes(content[:512]))
    write(path, bytes(content))


def many(path: Path) -> None:
    write(path, pack([plain(f"{number}.wav", b"") for number in range(200)]))


def gzip_bomb(path: Path) -> None:
    """40 MiB of zeros in 40 kB."""
    write(path, gzip.compress(pack([plain("silence.wav", bytes(40 * 2**20))])))


def bzip_bomb(path: Path) -> None:
    write(path, bz2.compress(pack([plain("silence.wav", bytes(40 * 2**20))])))


def xz_memory(path: Path) -> None:
    """A stream that asks its reader for 1 GiB of memory."""
    packed = bytearray(lzma.compress(pack([plain("a.wav")]), lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2}]))
    # The dictionary's size is one byte of the block header, which a CRC-32 follows: 36 stands for 1 GiB.
    header = 12
    size = (packed[header] + 1) * 4
    place = packed.index(b"\x21\x01", header) + 2
    packed[place] = 36
    packed[header + size - 4 : header + size] = struct.pack("<I", zlib.crc32(packed[header : header + size - 4]))
    write(path, bytes(packed))


def huge_header(path: Path) -> None:
    """A long name of 100 MB, packed small."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 100_000_000
    write(path, gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"a" * 10_000_000))


def zeros_after_end(path: Path) -> None:
    """2 MiB of zeros after the end mark in 100 bytes; 3 GiB of them took 30 s and were taken."""
    write(path, bz2.compress(pack([plain("a.wav")]) + bytes(2 * 2**20)))


def extended(kind: bytes, content: bytes) -> bytes:
    """Return a header that says more about the member after it, padded to whole blocks."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, len(content)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def pax_record(key: str, value: str) -> bytes:
    """Return one pax record; its length counts its own digits."""
    rest = f" {key}={value}\n".encode()
    length = next(size for size in range(len(rest), len(rest) + 9) if len(str(size)) + len(rest) == size)
    return str(length).encode() + rest


def many_names(path: Path) -> None:
    """Long names one after the other for one member."""
    write(path, gzip.compress(extended(tarfile.GNUTYPE_LONGNAME, b"a.wav\0") * 2 + pack([plain("a.wav")])))


def many_records(path: Path) -> None:
    write(path, gzip.compress(extended(tarfile.XHDTYPE, pax_record("comment", "a" * 60_000)) * 3 + pack([plain("a")])))


def wide_records(path: Path) -> None:
    """99 empty files with two times 64,000 bytes of pax records each, 12 MiB, and 5 MiB of content, which is taken alone."""
    heads = b"".join(extended(kind, pax_record("comment", "a" * 64_000)) for kind in (tarfile.XGLTYPE, tarfile.XHDTYPE))
    members = [heads + pack([plain(f"{number}.wav", b"")])[: tarfile.BLOCKSIZE] for number in range(99)]
    write(path, lzma.compress(b"".join(members) + pack([plain("a.wav", bytes(5 * 2**20))])))


def long_number(path: Path) -> None:
    """A size of 5,000 digits, which Python's int() refuses with an error of its own."""
    write(path, extended(tarfile.XHDTYPE, pax_record("size", "1" * 5_000)) + pack([plain("a.wav")]))


def truncated(path: Path) -> None:
    write(path, pack([plain("a.wav", bytes(5_000)), plain("b.wav", bytes(5_000))])[:7_000])


def no_end(path: Path) -> None:
    write(path, pack([plain("a.wav", bytes(512))])[:1_024])


def second_tar(path: Path) -> None:
    write(path, pack([plain("a.wav")]) + pack([plain("b.wav")]))


def pax_escape(path: Path) -> None:
    """A harmless name in the header, another one in the extended header before it."""
    write(path, pack([plain("a.wav", pax_headers={"path": "../escape.wav"})], form=tarfile.PAX_FORMAT))


def pax_sparse(path: Path) -> None:
    headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "1000000000000"}
    write(path, pack([plain("a.wav", pax_headers=headers)], form=tarfile.PAX_FORMAT))


def zip_of(*members: tuple[zipfile.ZipInfo | str, bytes]) -> Callable[[Path], None]:
    """Return a builder of a zip."""

    def build(path: Path) -> None:
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            warnings.simplefilter("ignore")  # it warns of duplicate names, which are the point
            for name, content in members:
                archive.writestr(name, content)

    return build


def zip_link(path: Path) -> None:
    info = zipfile.ZipInfo("link.wav")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    zip_of((info, b"/etc/passwd"))(path)


def change_zip(
    path: Path, member: bytes, *, directory: tuple[int, str, int], local: tuple[int, str, int] | None
) -> None:
    """Write a zip of one file and change a field of its directory entry, and one of the file's own header."""
    zip_of(("a.wav", member))(path)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    struct.pack_into(f"<{directory[1]}", content, place + directory[0], directory[2])
    if local is not None:
        struct.pack_into(f"<{local[1]}", content, local[0], local[2])
    write(path, bytes(content))


def zip_encrypted(path: Path) -> None:
    change_zip(path, b"secret", directory=(8, "H", 1), local=(6, "H", 1))


def zip_says_less(path: Path) -> None:
    """1,000,000 bytes, of which both headers own up to 10."""
    change_zip(path, bytes(1_000_000), directory=(24, "I", 10), local=(22, "I", 10))


def zip_says_more(path: Path) -> None:
    change_zip(path, bytes(1_000), directory=(24, "I", 2_000), local=(22, "I", 2_000))


def zip_disagrees(path: Path) -> None:
    change_zip(path, bytes(1_000), directory=(24, "I", 2_000), local=None)


def zip_bomb(path: Path) -> None:
    zip_of(("silence.wav", bytes(40 * 2**20)))(path)


def zip_overlap(path: Path) -> None:
    """Two entries of the directory that share their bytes, as in David Fifield's bomb."""
    zip_of(("a.wav", b"a" * 1_000), ("b.wav", b"a" * 1_000))(path)
    content = bytearray(path.read_bytes())
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", content, second + 42, 0)
    content[second + 46 : second + 51] = b"a.wav"
    write(path, bytes(content))


def zip_bad_name(path: Path) -> None:
    zip_of(("abcd.wav", b"a"))(path)
    write(path, path.read_bytes().replace(b"abcd.wav", b"\xff\xfe\xfa\xfb.wav"))


HOSTILE = (
    HostileArchive("absolute.tar", tar_of(plain("/tmp/voxloop-escape.wav")), "leads out"),
    HostileArchive("climbing.tar", tar_of(plain("a/../../escape.wav")), "leads out"),
    HostileArchive("backslash.tar", tar_of(plain("..\\escape.wav")), "leads out"),
    HostileArchive("pax-climbing.tar", pax_escape, "leads out"),
    HostileArchive(
        "symlink.tar", tar_of(plain("out", b"", type=tarfile.SYMTYPE, linkname=".."), plain("out/e.wav")), "link"
    ),
    HostileArchive(
        "hardlink.tar", tar_of(plain("a.wav", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")), "hard link"
    ),
    HostileArchive("device.tar", tar_of(plain("null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "device"),
    HostileArchive("pipe.tar", tar_of(plain("pipe.wav", b"", type=tarfile.FIFOTYPE)), "pipe"),
    HostileArchive("twice.tar", tar_of(plain("a.wav"), plain("a.wav")), "collide|one on other"),
    HostileArchive("case.tar", tar_of(plain("a/x.wav"), plain("A/x.wav")), "one on other"),
    HostileArchive("forms.tar", tar_of(plain("\u00e9.wav"), plain("e\u0301.wav")), "one on other"),
    HostileArchive("file-and-folder.tar", tar_of(plain("a"), plain("a/b.wav")), "one on other"),
    HostileArchive("many.tar", many, "more than 100 members"),
    HostileArchive("large.tar", tar_of(plain("a.wav", bytes(30 * 2**20))), "MiB"),
    HostileArchive("long.tar", tar_of(plain("a" * 300 + ".wav")), "too long"),
    HostileArchive("deep.tar", tar_of(plain("/".join("abcdefghijklmnopqrstuvw"))), "deep"),
    HostileArchive("control.tar", tar_of(plain("a\x1b[2J.wav")), "control"),
    HostileArchive("utf8.tar", bad_utf8, "UTF-8"),
    HostileArchive("sparse.tar", sparse, "sparse"),
    HostileArchive("pax-sparse.tar", pax_sparse, "sparse"),
    HostileArchive("bomb.tar.gz", gzip_bomb, "MiB"),
    HostileArchive("bomb.tar.bz2", bzip_bomb, "MiB"),
    HostileArchive("memory.tar.xz", xz_memory, "[Mm]emory"),
    HostileArchive("header.tar.gz", huge_header, "header of 100000000"),
    HostileArchive("zeros.tar.bz2", zeros_after_end, "goes on"),
    HostileArchive("names.tar.gz", many_names, "one member twice"),
    HostileArchive("records.tar.gz", many_records, "one member twice"),
    HostileArchive("wide.tar.xz", wide_records, "unpacks to more than 1[67] MiB"),
    HostileArchive("digits.tar", long_number, "pax record 'size'"),
    HostileArchive("truncated.tar", truncated, "ends within"),
    HostileArchive("no-end.tar", no_end, "end mark"),
    HostileArchive("second.tar", second_tar, "goes on"),
    HostileArchive("text.tar", lambda path: write(path, b"this is a text\n" * 100), "no tar"),
    HostileArchive("text.zip", lambda path: write(path, b"this is a text\n"), "no zip"),
    HostileArchive("climbing.zip", zip_of(("../escape.wav", b"a")), "leads out"),
    HostileArchive("absolute.zip", zip_of(("/tmp/voxloop-escape.wav", b"a")), "leads out"),
    HostileArchive("drive.zip", zip_of(("C:/escape.wav", b"a")), "leads out"),
    HostileArchive("link.zip", zip_link, "link"),
    HostileArchive("twice.zip", zip_of(("a.wav", b"a"), ("A.wav", b"b")), "one on other"),
    HostileArchive("encrypted.zip", zip_encrypted, "encrypted"),
    HostileArchive("says-less.zip", zip_says_less, "says 10 bytes"),
    HostileArchive("says-more.zip", zip_says_more, "says 2000 bytes"),
    HostileArchive("disagrees.zip", zip_disagrees, "says two things"),
    HostileArchive("bomb.zip", zip_bomb, "MiB"),
    HostileArchive("overlap.zip", zip_overlap, "on top of|no zip"),
    HostileArchive("utf8.zip", zip_bad_name, "UTF-8"),
)
