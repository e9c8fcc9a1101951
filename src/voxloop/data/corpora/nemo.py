"""nEMO, acted emotional Polish speech (Christop, "nEMO: Dataset of Emotional Speech in Polish", LREC-COLING 2024).

Layout: `data.tsv` with one row a file, beside `samples/{speaker}_{emotion}_{sentence}.ogg`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, require_folder
from voxloop.data.schema import Utterance
from voxloop.errors import CorpusError
from voxloop.speech.waveform import decode_audio

TABLE = "data.tsv"
COLUMNS = ("file_id", "emotion", "raw_text", "normalized_text", "speaker_id", "gender", "age")
LAYOUT = "nEMO is a folder with data.tsv and samples/{speaker}_{emotion}_{sentence}.ogg"

Row = Mapping[str, str]


class NemoConfig(CorpusConfig):
    """`configs/corpora/nemo.yaml`."""

    emotions: dict[str, str]
    """The corpus' spelling of each label, and ours."""


def locate(path: Path) -> Path:
    """Return the folder that holds data.tsv: `path`, or its folder `nemo`.

    Raises:
        CorpusError: There is no such folder, it is empty, or it lacks data.tsv or samples/.
    """
    require_folder(path, LAYOUT)
    folder = next((place for place in (path, path / "nemo") if (place / TABLE).is_file()), None)
    if folder is None:
        raise CorpusError(
            f"{path} has no {TABLE}, the transcripts and labels",
            rule=LAYOUT,
            remedy=f"put {TABLE} there, or fix --path",
        )
    require_folder(folder / "samples", LAYOUT)
    return folder


def list_candidates(config: NemoConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every file in samples/ and for every row whose file is missing, sorted by name.

    Raises:
        CorpusError: data.tsv is not a table with the columns of nEMO.
    """
    if folder is None:
        raise CorpusError("nEMO needs its folder", rule=LAYOUT, remedy="name it as --path")
    rows = read_table(folder / TABLE)
    files = {path.name: path for path in (folder / "samples").iterdir() if not path.name.startswith(".")}
    return [
        Candidate(
            path=f"samples/{name}",
            speaker_id=rows[name]["speaker_id"] if name in rows else None,
            load=partial(_load, config, name, rows.get(name), files.get(name)),
        )
        for name in sorted(files.keys() | rows.keys())
    ]


def read_table(path: Path) -> dict[str, Row]:
    """Read data.tsv into rows by file_id.

    Raises:
        CorpusError: It is not UTF-8, lacks a column, has no rows, a broken one, or two of one file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise _bad_table(path, f"lacks the column {missing[0]}")
            rows: dict[str, Row] = {}
            for number, row in enumerate(reader, start=2):
                _check_row(path, number, row, rows)
                rows[row["file_id"]] = row
    except UnicodeDecodeError:
        raise _bad_table(path, "is not UTF-8 text") from None
    if not rows:
        raise _bad_table(path, "has no rows")
    return rows


def _check_row(path: Path, number: int, row: Mapping[str | None, object], seen: Mapping[str, Row]) -> None:
    if None in row or None in row.values():
        raise _bad_table(path, f"has {'more' if None in row else 'fewer'} fields than its header in line {number}")
    if row["file_id"] in seen:
        raise _bad_table(path, f"names {row['file_id']} twice, again in line {number}")


def _bad_table(path: Path, problem: str) -> CorpusError:
    return CorpusError(f"{path} {problem}", rule=f"its columns are {' '.join(COLUMNS)}", remedy="restore the file")


def _load(config: NemoConfig, name: str, row: Row | None, file: Path | None) -> Utterance:
    path = f"samples/{name}"
    if row is None:
        raise UnusableFileError(path, "no transcript", f"{TABLE} has no row of it")
    if file is None:
        raise UnusableFileError(path, "missing audio", f"{TABLE} names it, samples/ does not hold it")
    text, emotion, age = _check_labels(config, path, row)
    return Utterance(
        utterance_id=f"nemo-{file.stem}",
        speaker_id=row["speaker_id"],
        waveform=decode_audio(file, name=path, limits=config.audio),
        recorded_at=config.recorded_at,
        source=config.source,
        licence=config.licence,
        language=config.language,
        text=text,
        emotion=emotion,
        gender=row["gender"] or None,
        age=age,
    )


def _check_labels(config: NemoConfig, path: str, row: Row) -> tuple[str, str, int | None]:
    text = row["normalized_text"].strip()
    if not text:
        raise UnusableFileError(path, "no transcript", f"its normalized_text in {TABLE} is empty")
    if row["emotion"] not in config.emotions:
        raise UnusableFileError(path, "unknown label", f"emotion {row['emotion']!r} is not one of the configuration's")
    if Path(path).name.split("_")[:2] != [row["speaker_id"], row["emotion"]]:
        found = f"{TABLE} says speaker {row['speaker_id']!r}, emotion {row['emotion']!r}"
        raise UnusableFileError(path, "contradicts its name", found)
    if row["age"] and not row["age"].isdecimal():
        raise UnusableFileError(path, "unknown label", f"age {row['age']!r} is no number of years")
    return text, config.emotions[row["emotion"]], int(row["age"]) if row["age"] else None


READER = CorpusReader(config_model=NemoConfig, locate=locate, list_candidates=list_candidates)
