"""`voxloop corpora`: what can be read, under which terms, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from voxloop.config import dotted_keys, find_config, load_config, resolved

if TYPE_CHECKING:
    from voxloop.data.corpora.reader import CorpusReader

_WIDTH = 72  # columns of a value; the longer ones are tables a person looks up in the file


def corpora(name: str | None = None) -> None:
    """List the corpora voxloop can read, or tell all about one: `voxloop corpora ravdess`.

    Args:
        name: One corpus. Prints its terms, its layout, the command that ingests it and its configuration.

    Raises:
        CorpusError: voxloop has none of that name; the message lists those it has.
    """
    from voxloop.data.corpora import CORPORA, find_corpus

    if name is not None:
        lines = describe_corpus(find_corpus(name))
    else:
        lines = list_corpora([find_corpus(corpus) for corpus in CORPORA])
    for line in lines:
        print(line, flush=True)


def list_corpora(readers: list[CorpusReader]) -> Iterator[str]:
    """Yield the table of all corpora: a line each, and its layout below."""
    rows = [("CORPUS", "TASKS", "LICENCE", "SIZE")]
    rows += [
        (reader.name, ", ".join(reader.tasks), reader.licence, reader.size or "as configured") for reader in readers
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    layouts = ["", *(reader.layout for reader in readers)]
    for row, layout in zip(rows, layouts, strict=True):
        yield "  ".join(field.ljust(width) for field, width in zip(row, widths, strict=True)).rstrip()
        if layout:
            yield f"    {layout}"
    yield ""
    yield "voxloop corpora NAME tells all about one."


def describe_corpus(reader: CorpusReader) -> Iterator[str]:
    """Yield everything about one corpus, a fact a line, and its configuration."""
    file = find_config("corpora", reader.name)
    config = load_config(reader.config_model, file)
    folder = "" if reader.locate is None else " FOLDER"
    facts = {
        "corpus": reader.title,
        "tasks": ", ".join(reader.tasks),
        "licence": reader.licence,
        "size": reader.size or "as configured",
        "layout": reader.layout,
        "texts": "parallel: every speaker says the same" if reader.parallel_texts else "each speaker has their own",
        "ingest": f"voxloop ingest --corpus {reader.name}{folder} --out data/{reader.name}",
    }
    for title, fact in facts.items():
        yield f"{title:<8} {fact}"
    yield ""
    yield f"configs/corpora/{file.name}, each key to be changed with --set KEY=VALUE:"
    yield from _list_keys(resolved(config), list(dotted_keys(reader.config_model)))


def _list_keys(values: dict[str, Any], keys: list[str]) -> Iterator[str]:
    fixed = [key for key in keys if "*" not in key]  # the others are chosen by people: parts of a value shown
    for key in fixed:
        value = _find_value(values, key)
        if not any(other.startswith(f"{key}.") for other in fixed) or value is None:
            text = "''" if value == "" else str(value)
            yield f"  {key} = {text if len(text) <= _WIDTH else text[: _WIDTH - 1] + '…'}"


def _find_value(values: dict[str, Any], key: str) -> object:
    value: object = values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
