"""nEMO, acted emotional Polish speech (Christop, "nEMO: Dataset of Emotional Speech in Polish", LREC-COLING 2024).

Layout: `data.tsv` with one row a file, beside `samples/{speaker}_{emotion}_{sentence}.ogg`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import draft, list_names, need_folder, offer_clip
from voxloop.data.corpora.labels import look_up, read_age, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.corpora.tables import Row, TableForm, index_rows
from voxloop.data.schema import Utterance

TABLE = "data.tsv"
SAMPLES = "samples"
LAYOUT = "nEMO is a folder with data.tsv and samples/{speaker}_{emotion}_{sentence}.ogg"
FORM = TableForm(
    columns=("file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age"),
    key="file_id",
    delimiter="\t",
    quoted=False,
)


class NemoConfig(CorpusConfig):
    """`configs/corpora/nemo.yaml`."""

    emotions: dict[str, str]
    """The corpus' spelling of each label, and ours."""


def locate(path: Path) -> Path:
    """Return the folder that holds data.tsv and samples/.

    Raises:
        CorpusError: There is no such folder, it is empty, or it lacks one of them.
    """
    return find_folder(path, (TABLE, SAMPLES), LAYOUT)


def list_candidates(config: NemoConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every file in samples/ and for every row whose file is missing, sorted by name.

    Raises:
        CorpusError: data.tsv is not a table with the columns of nEMO.
    """
    folder = need_folder(folder, "nEMO", LAYOUT)
    rows = read_table(folder / TABLE)
    files = set(list_names(folder / SAMPLES))
    return [
        offer_clip(
            config,
            folder,
            f"{SAMPLES}/{name}",
            rows[name]["speaker_id"] if name in rows else None,
            partial(_describe, config, name, rows.get(name), there=name in files),
        )
        for name in sorted(files | rows.keys())
    ]


def read_table(path: Path) -> dict[str, Row]:
    """Read data.tsv into rows by file_id.

    Raises:
        CorpusError: It is not UTF-8, lacks a column, has no rows, a broken one, or two of one file.
    """
    return index_rows(path, FORM)


def _describe(config: NemoConfig, name: str, row: Row | None, *, there: bool) -> Utterance:
    path = f"{SAMPLES}/{name}"
    if row is None:
        raise UnusableFileError(path, "no transcript", f"{TABLE} has no row of it")
    if not there:
        raise UnusableFileError(path, "missing audio", f"{TABLE} names it, {SAMPLES}/ does not hold it")
    text = read_text(row["normalized_text"], path, f"the column normalized_text of {TABLE}")
    emotion = look_up(config.emotions, row["emotion"], path, "emotion")
    if name.split("_")[:2] != [row["speaker_id"], row["emotion"]]:
        found = f"{TABLE} says speaker {row['speaker_id']!r}, emotion {row['emotion']!r}"
        raise UnusableFileError(path, "contradicts its name", found)
    return draft(
        config,
        f"nemo-{Path(name).stem}",
        row["speaker_id"],
        text=text,
        emotion=emotion,
        gender=row["gender"] or None,
        age=read_age(row["age"], path),
    )


READER = CorpusReader(
    name="nemo",
    title="nEMO: acted emotional Polish speech, 9 speakers, 6 emotions",
    tasks=("emotion",),
    licence="CC-BY-NC-SA-4.0",
    layout=LAYOUT,
    parallel_texts=True,
    config_model=NemoConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="4,481 clips, 3.1 h, 9 speakers",
)
