"""The corpora voxloop can read, by name. A reader is imported when its corpus is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from voxloop.data.corpora.reader import CorpusReader
from voxloop.errors import CorpusError

CORPORA = (
    "commonvoice",
    "cremad",
    "emodb",
    "essays",
    "friendspersona",
    "fsdd",
    "lhotse",
    "librispeech",
    "mboshi",
    "nemo",
    "production",
    "ravdess",
    "several",
    "world",
    "youtube_personality",
)


def find_corpus(name: str) -> CorpusReader:
    """Return the reader of a corpus: the object `READER` of the module of that name.

    Raises:
        CorpusError: voxloop has none of that name.
    """
    if name not in CORPORA:
        near = get_close_matches(name, CORPORA, n=1)
        raise CorpusError(
            f"no corpus {name!r}",
            rule=f"the corpora are {', '.join(CORPORA)}",
            remedy=f"did you mean {near[0]!r}?" if near else "name one of them",
        )
    reader: CorpusReader = import_module(f"voxloop.data.corpora.{name}").READER
    return reader
