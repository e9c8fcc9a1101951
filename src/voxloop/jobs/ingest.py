"""`voxloop ingest`: a corpus folder, or the built-in speaker world, into a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.errors import InputError

if TYPE_CHECKING:
    from voxloop.data.corpora.reader import CorpusConfig, CorpusReader
    from voxloop.data.tombstones import Tombstones


def ingest(path: Path | None = None, *, out: Path, corpus: str = "world", overrides: Overrides = ()) -> Path:
    """Read a corpus into a dataset: Parquet shards with 16 kHz FLAC inside, a manifest, and a page for people.

    Every file is opened in a process of its own that may take 2 s and 512 MiB. One unusable file stops the run; with
    `--set max_refused_share=0.2` up to that share goes to quarantine.parquet with the reason, counted in the manifest.
    For example `voxloop ingest --corpus nemo data/raw/nemo --out data/nemo`; `fsdd.tar` would do as well as a folder.

    Args:
        path: Folder of the corpus, or one .tar, .tar.gz, .tar.bz2, .tar.xz or .zip with it; `world` needs none.
        out: Folder to write; it appears whole or not at all.
        corpus: `world`, the built-in speaker world, or one that `voxloop corpora` lists.
        overrides: Changes to `configs/corpora/<corpus>.yaml`.

    Returns:
        `out`.

    Raises:
        CorpusError: The folder is missing, empty or not in the corpus' layout, the archive is damaged or hostile, or
            too many of its files are unusable.
    """
    from voxloop.data.archives import ArchiveLimits, is_archive, unpack
    from voxloop.data.corpora import find_corpus
    from voxloop.data.tombstones import read_tombstones
    from voxloop.settings import get_settings
    from voxloop.store.job_store import run_step

    reader = find_corpus(corpus)
    config = load_config(reader.config_model, find_config("corpora", corpus), overrides)
    erased = read_tombstones(get_settings().tombstones_file)
    packed = path is not None and is_archive(path)
    folder = path if packed else _find_folder(reader, path)
    limits = load_config(ArchiveLimits, find_config("archives")) if packed else None

    def work(target: Path) -> None:
        if folder is None or limits is None:
            _read(reader, config, folder, target, erased)
            return
        with unpack(folder, get_settings().home / "scratch", limits) as unpacked:
            _read(reader, config, _find_folder(reader, unpacked), target, erased)

    run_step(
        "ingest",
        inputs={} if folder is None else {"path": folder},
        config={
            "corpus": corpus,
            "config": resolved(config),
            "erased": erased.digest,
            **({"archive": resolved(limits)} if limits else {}),
        },
        out=out,
        work=work,
    )
    print(_summarise(out), flush=True)
    return out


def _summarise(dataset: Path) -> str:
    """Return what a dataset holds, and where to read about it, as the last line of the command."""
    from voxloop.data.manifest import load_manifest

    manifest = load_manifest(dataset)
    refused = sum(manifest.quarantined.values())
    found = f"{manifest.utterances} utterances, {manifest.hours:.3f} hours, {manifest.speakers} speakers"
    rest = f"{refused} refused, {manifest.left_out} left out, {manifest.erased} erased"
    return f"{manifest.corpus}: {found}, {rest}; read {dataset / 'report.html'}"


def _read(reader: CorpusReader, config: CorpusConfig, folder: Path | None, target: Path, erased: Tombstones) -> None:
    from voxloop.data.archives import refuse_outside_links
    from voxloop.data.ingestion import write_dataset

    if folder is not None:
        refuse_outside_links(folder)
    write_dataset(reader, reader.list_candidates(config, folder), config, target, erased)


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
