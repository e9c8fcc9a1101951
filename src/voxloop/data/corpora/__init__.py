"""The corpora voxloop can read, by name. A reader is imported when its corpus is asked for."""

from __future__ import annotations

from importlib import import_module

from voxloop.data.corpora.reader import CorpusReader
from voxloop.errors import CorpusError

CORPORA = ("nemo", "world")


def find_corpus(name: str) -> CorpusReader:
    """Return the reader of a corpus: the object `READER` of the module of that name.

    Raises:
        CorpusError: voxloop has none of that name.
    """
    if name not in CORPORA:
        raise CorpusError(
            f"no corpus {name!r}", rule=f"the corpora are {', '.join(CORPORA)}", remedy="name one of them as --corpus"
        )
    reader: CorpusReader = import_module(f"voxloop.data.corpora.{name}").READER
    return reader
