from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.hostile_archives import HOSTILE, HostileArchive, extended, pack, pax_record, plain
from voxloop.config import find_config, load_config
from voxloop.data.archives import ArchiveLimits, HostileArchiveError, is_archive, refuse_outside_links, unpack
from voxloop.errors import CorpusError
from voxloop.store.digests import list_files

LIMITS = ArchiveLimits(max_members=100, max_gibibytes=0.02, max_expansion=100.0, max_name_bytes=1024, max_depth=16)
CONTENT = {"corpus/a.wav": b"aaaa", "corpus/sub/zażółć.txt": b"b" * 5_000, f"corpus/{'n' * 120}.txt": b""}


def as_tar(form: int) -> bytes:
    folder = plain("corpus", b"", type=tarfile.DIRTYPE)
    return pack([folder, *(plain(f"./{name}", content) for name, content in CONTENT.items())], form=form)


def as_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("corpus")
        for name, content in CONTENT.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name.endswith(".wav") else None)
    return buffer.getvalue()


GOOD: dict[str, Callable[[], bytes]] = {
    "gnu.tar": lambda: as_tar(tarfile.GNU_FORMAT),
    "pax.tar": lambda: as_tar(tarfile.PAX_FORMAT),
    "a.tar.gz": lambda: gzip.compress(as_tar(tarfile.GNU_FORMAT)),
    "a.TGZ": lambda: gzip.compress(as_tar(tarfile.PAX_FORMAT)),
    "a.tar.bz2": lambda: bz2.compress(as_tar(tarfile.GNU_FORMAT)),
    "a.tar.xz": lambda: lzma.compress(as_tar(tarfile.PAX_FORMAT), preset=9),
    "a.zip": as_zip,
}


@pytest.mark.parametrize("name", GOOD)
def test_a_sound_archive_is_unpacked_and_gone_afterwards(tmp_path: Path, name: str) -> None:
    archive, scratch = tmp_path / name, tmp_path / "scratch"
    archive.write_bytes(GOOD[name]())
    assert is_archive(archive)
    with unpack(archive, scratch, LIMITS) as folder:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert files == CONTENT
        assert folder.stat().st_mode & 0o077 == 0
    assert not scratch.exists()


@pytest.mark.parametrize("more", [-1, 0, 1, 64, 128, 180, 300])
@pytest.mark.parametrize("chunks", [1, 2, 4])
@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_files_of_about_whole_chunks_come_out_as_they_were(tmp_path: Path, ending: str, chunks: int, more: int) -> None:
    """Silence: with 21 to 180 bytes beyond whole chunks zlib has more to give when it has taken in everything."""
    content = bytes(chunks * 2**18 + more)
    archive = tmp_path / f"a.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a.wav", content)
    else:
        archive.write_bytes(pack([plain("a.wav", content)]))
    with unpack(archive, tmp_path / "scratch", LIMITS) as folder:
        assert (folder / "a.wav").read_bytes() == content


def test_a_tar_in_large_records_is_sound(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    content = as_tar(tarfile.GNU_FORMAT)
    archive.write_bytes(content + bytes(2**20 - len(content)))
    with unpack(archive, tmp_path / "scratch", LIMITS) as folder:
        assert len(list_files(folder)) == len(CONTENT)


def test_global_and_own_records_go_together(tmp_path: Path) -> None:
    """As `git archive` writes them."""
    archive = tmp_path / "a.tar"
    heads = extended(tarfile.XGLTYPE, pax_record("comment", "a" * 40)) + extended(
        tarfile.XHDTYPE, pax_record("path", "b/c.wav")
    )
    archive.write_bytes(heads + pack([plain("a.wav")]))
    with unpack(archive, tmp_path / "scratch", LIMITS) as folder:
        assert (folder / "b" / "c.wav").read_bytes() == b"content"


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_archive_is_refused_and_changes_nothing(tmp_path: Path, hostile: HostileArchive) -> None:
    archive, scratch = tmp_path / "in" / hostile.name, tmp_path / "work" / "scratch"
    archive.parent.mkdir()
    hostile.build(archive)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "sentinel").write_text("untouched")
    before = list_files(tmp_path)
    with pytest.raises(HostileArchiveError, match=hostile.told) as refused, unpack(archive, scratch, LIMITS):
        pytest.fail("it was unpacked")
    assert list_files(tmp_path) == before
    assert not scratch.exists()
    assert not Path("/tmp/voxloop-escape.wav").exists()
    assert not list(tmp_path.rglob("escape*"))
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    assert refused.value.remedy


def test_there_are_at_least_twelve_and_their_names_differ() -> None:
    assert len({hostile.name for hostile in HOSTILE}) == len(HOSTILE) >= 12


def test_what_fails_inside_leaves_nothing_either(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(as_tar(tarfile.GNU_FORMAT))
    with pytest.raises(ValueError, match="inside"), unpack(archive, tmp_path / "scratch", LIMITS):
        raise ValueError("inside")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(as_tar(tarfile.GNU_FORMAT))
    with subprocess.Popen(["true"]) as process:
        ended = process.pid
    left = tmp_path / "scratch" / f".archive.building-{ended}-abc"
    (left / "corpus").mkdir(parents=True)
    with unpack(archive, tmp_path / "scratch", LIMITS):
        assert not left.exists()


@pytest.mark.parametrize("name", ["a.wav", "a.gz", "tar", "a.7z"])
def test_other_files_are_no_archives(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert not is_archive(tmp_path / name)
    (tmp_path / "folder.tar").mkdir(exist_ok=True)
    assert not is_archive(tmp_path / "folder.tar")


def test_links_may_lead_inside_and_nowhere_else(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    (corpus / "sub").mkdir(parents=True)
    (corpus / "sub" / "a.wav").write_bytes(b"a")
    (corpus / "b.wav").symlink_to("sub/a.wav")
    (tmp_path / "also").symlink_to(corpus)
    refuse_outside_links(corpus)
    refuse_outside_links(tmp_path / "also")
    (tmp_path / "secret").write_bytes(b"s")
    (corpus / "sub" / "c.wav").symlink_to("../../secret")
    with pytest.raises(CorpusError, match=r"sub/c\.wav is a link to \.\./\.\./secret, outside the corpus"):
        refuse_outside_links(corpus)
    (corpus / "sub" / "c.wav").unlink()
    (corpus / "folder").symlink_to("/tmp")
    with pytest.raises(CorpusError, match="folder is a link to /tmp"):
        refuse_outside_links(corpus)


def test_the_limits_in_force_take_large_corpora() -> None:
    limits = load_config(ArchiveLimits, find_config("archives"))
    assert limits.max_members >= 2_400_000
    assert limits.max_gibibytes >= 90
