"""`voxloop ingest`: a corpus folder, or the built-in speaker world, into a dataset."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.errors import InputError, IntegrityError

if TYPE_CHECKING:
    from datetime import datetime

    from voxloop.data.corpora.reader import CorpusConfig, CorpusReader
    from voxloop.data.tombstones import Tombstones


def ingest(
    path: Path | None = None,
    *,
    out: Path,
    corpus: str = "world",
    recorded_before: str = "",
    overrides: Overrides = (),
) -> Path:
    """Read a corpus into a dataset: Parquet shards with 16 kHz FLAC inside, a manifest, and a page for people.

    Every file is opened in a process of its own that may take 2 s and 512 MiB. One unusable file stops the run; with
    `--set max_refused_share=0.2` up to that share goes to quarantine.parquet with the reason, counted in the manifest.
    For example `voxloop ingest --corpus nemo data/raw/nemo --out data/nemo`; `fsdd.tar` would do as well as a folder.

    Args:
        path: Folder of the corpus, or one .tar, .tar.gz, .tar.bz2, .tar.xz or .zip with it; `world` needs none.
        out: Folder to write; it appears whole or not at all.
        corpus: `world`, the built-in speaker world, or one that `voxloop corpora` lists; `several` reads some as one.
        recorded_before: As of when: rows recorded at that moment or later are left out, such as 2026-01-05T02:00:00Z.
            Rows without a time of their own stay, and the log counts both. Empty for no bound.
        overrides: Changes to `configs/corpora/<corpus>.yaml`.

    Returns:
        `out`.

    Raises:
        InputError: `recorded_before` is no time with a zone.
        CorpusError: The folder is missing, empty or not in the corpus' layout, the archive is damaged or hostile, or
            too many of its files are unusable.
    """
    from voxloop.data.archives import ArchiveLimits, is_archive, unpack
    from voxloop.data.recording_bound import read_bound
    from voxloop.data.tombstones import read_tombstones
    from voxloop.settings import get_settings
    from voxloop.store.job_store import run_step

    reader, config = _find_reader(corpus, overrides)
    bound = read_bound(recorded_before)
    erased = read_tombstones(get_settings().tombstones_file)
    packed = path is not None and is_archive(path)
    folder = path if packed else _find_folder(reader, path)
    limits = load_config(ArchiveLimits, find_config("archives")) if packed else None
    places = _list_inputs(reader, config, folder)
    rows = None if packed or not places or bound is None else _digest(reader, config, folder, bound)

    def work(target: Path) -> None:
        if folder is None or limits is None:
            _read(reader, config, folder, target, erased, bound)
            if rows is not None and bound is not None:
                _refuse_changed(places.values(), rows, _digest(reader, config, folder, bound))
            return
        with unpack(folder, get_settings().home / "scratch", limits) as unpacked:
            _read(reader, config, _find_folder(reader, unpacked), target, erased, bound)

    run_step(
        "ingest",
        # As of a moment it reads those rows, and not the folders: what came later gives no other result.
        inputs={} if rows is not None else places,
        config={
            "corpus": corpus,
            "config": reader.describe(config),
            "erased": erased.digest,
            **({"archive": resolved(limits)} if limits else {}),
            **({"recorded_before": bound.isoformat(), "rows": rows} if bound else {}),
        },
        out=out,
        work=work,
    )
    print(_summarise(out), flush=True)
    return out


def digest_corpus(path: Path | None, *, corpus: str, recorded_before: str = "", overrides: Overrides = ()) -> str:
    """Return the digest of the rows that `ingest` would read; nothing is decoded.

    Args:
        path: As of `ingest`; an archive counts as a whole.
        corpus: As of `ingest`.
        recorded_before: As of `ingest`; what was recorded then or later changes nothing.
        overrides: As of `ingest`.

    Raises:
        InputError: `recorded_before` is no time with a zone, or there is no such corpus or configuration.
        CorpusError: The corpus cannot be listed.
    """
    from voxloop.data.archives import is_archive
    from voxloop.data.recording_bound import digest_rows, read_bound
    from voxloop.store.digests import digest_file

    bound = read_bound(recorded_before)
    reader, config = _find_reader(corpus, overrides)
    if path is not None and is_archive(path):
        return digest_file(path)
    return digest_rows(reader.list_candidates(config, _find_folder(reader, path)), bound)


def _find_reader(corpus: str, overrides: Overrides) -> tuple[CorpusReader, CorpusConfig]:
    from voxloop.data.corpora import find_corpus

    reader = find_corpus(corpus)
    return reader, load_config(reader.config_model, find_config("corpora", corpus), overrides)


def _digest(reader: CorpusReader, config: CorpusConfig, folder: Path | None, bound: datetime) -> str:
    from voxloop.data.archives import refuse_outside_links
    from voxloop.data.recording_bound import digest_rows

    for place in _list_inputs(reader, config, folder).values():
        refuse_outside_links(place)
    return digest_rows(reader.list_candidates(config, folder), bound)


def _refuse_changed(places: Iterable[Path], rows: str, now: str) -> None:
    if rows != now:
        named = ", ".join(str(place) for place in places)
        raise IntegrityError(
            f"{named} changed while ingest read it", rule="a result belongs to its inputs", remedy="run it again"
        )


def _summarise(dataset: Path) -> str:
    """Return what a dataset holds, and where to read about it, as the last line of the command."""
    from voxloop.data.manifest import load_manifest

    manifest = load_manifest(dataset)
    refused = sum(manifest.quarantined.values())
    found = f"{manifest.utterances} utterances, {manifest.hours:.3f} hours, {manifest.speakers} speakers"
    rest = f"{refused} refused, {manifest.left_out} left out, {manifest.erased} erased"
    return f"{manifest.corpus}: {found}, {rest}; read {dataset / 'report.html'}"


def _read(
    reader: CorpusReader,
    config: CorpusConfig,
    folder: Path | None,
    target: Path,
    erased: Tombstones,
    recorded_before: datetime | None,
) -> None:
    from voxloop.data.archives import refuse_outside_links
    from voxloop.data.ingestion import write_dataset

    for place in _list_inputs(reader, config, folder).values():
        refuse_outside_links(place)
    write_dataset(reader, reader.list_candidates(config, folder), config, target, erased, recorded_before)


def _list_inputs(reader: CorpusReader, config: CorpusConfig, folder: Path | None) -> dict[str, Path]:
    """Return every folder that is read, by name: of a corpus made of others, that of each part."""
    if folder is not None:
        return {"path": folder}
    parts = enumerate(reader.parts(config), start=1)
    return {f"part {number}": part.folder for number, part in parts if part.folder is not None}


def _find_folder(reader: CorpusReader, path: Path | None) -> Path | None:
    if reader.locate is None:
        if path is not None:
            raise InputError(
                f"--path {path} is given", rule=f"corpus {reader.name} reads no folder", remedy="leave it out"
            )
        return None
    if path is None:
        raise InputError(
            f"corpus {reader.name} needs --path", rule="it is read from a folder or an archive", remedy="name it"
        )
    return reader.locate(path)
