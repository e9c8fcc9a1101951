"""`voxloop ingest`: a corpus folder, or the built-in speaker world, into a dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.errors import InputError


def ingest(path: Path | None = None, *, out: Path, corpus: str = "world", overrides: Overrides = ()) -> Path:
    """Read a corpus into a dataset: Parquet shards with 16 kHz FLAC inside, and a manifest.

    One unusable file stops it. With `--set max_refused_share=0.2` up to that share goes to quarantine.parquet with the
    reason, counted in the manifest. For example `voxloop ingest --corpus nemo data/raw/nemo --out data/nemo`.

    Args:
        path: Folder of the corpus; `world` needs none.
        out: Folder to write; it appears whole or not at all.
        corpus: `world`, the built-in speaker world, or `nemo`.
        overrides: Changes to `configs/corpora/<corpus>.yaml`.

    Returns:
        `out`.

    Raises:
        CorpusError: The folder is missing, empty or not in the corpus' layout, or too many of its files are unusable.
    """
    from voxloop.data.corpora import find_corpus
    from voxloop.data.ingestion import write_dataset
    from voxloop.store.job_store import run_step

    reader = find_corpus(corpus)
    config = load_config(reader.config_model, find_config("corpora", corpus), overrides)
    folder = _locate(corpus, reader.locate, path)

    def work(target: Path) -> None:
        write_dataset(corpus, reader.list_candidates(config, folder), config, target)

    inputs = {} if folder is None else {"path": folder}
    return run_step("ingest", inputs=inputs, config={"corpus": corpus, "config": resolved(config)}, out=out, work=work)


def _locate(corpus: str, locate: Callable[[Path], Path] | None, path: Path | None) -> Path | None:
    if locate is None:
        if path is not None:
            raise InputError(f"--path {path} is given", rule=f"corpus {corpus} reads no folder", remedy="leave it out")
        return None
    if path is None:
        raise InputError(f"corpus {corpus} needs --path", rule="it is read from a folder", remedy="name its folder")
    return locate(path)
