"""LibriSpeech, read English books (Panayotov and others, ICASSP 2015).

Layout: `SPEAKERS.TXT`, and `<set>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac` with the words of a chapter in
`<speaker>-<chapter>.trans.txt`, a line an utterance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import SOUND_SUFFIXES, draft, list_names, need_folder, offer_clip
from voxloop.data.corpora.labels import match_name, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.schema import Utterance
from voxloop.data.splits import split_of
from voxloop.errors import CorpusError

SPEAKERS = "SPEAKERS.TXT"
STEM = re.compile(r"(?P<reader>[0-9]+)-(?P<chapter>[0-9]+)-(?P<number>[0-9]+)")
SETS = ("train", "dev", "test")
LAYOUT = f"LibriSpeech is a folder with {SPEAKERS} and <set>/<speaker>/<chapter>/*.flac with *.trans.txt beside them"
GENDERS = {"F": "female", "M": "male"}


class LibrispeechConfig(CorpusConfig):
    """`configs/corpora/librispeech.yaml`."""

    parts: tuple[str, ...] = ()
    """The sets to take, such as dev-clean; all that are there when empty."""
    official_split: bool = True
    """Whether the split must be the one of the sets, whose speakers are disjoint."""


def locate(path: Path) -> Path:
    """Return the folder that holds SPEAKERS.TXT and the sets.

    Raises:
        CorpusError: There is none at or below `path`, or it has no set.
    """
    folder = find_folder(path, (SPEAKERS,), LAYOUT)
    if not _list_sets(folder):
        raise CorpusError(f"{folder} has no set such as dev-clean", rule=LAYOUT, remedy="unpack one there")
    return folder


def list_candidates(config: LibrispeechConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every sound and every line of words, by set, speaker, chapter and name.

    Raises:
        CorpusError: A set is missing, SPEAKERS.TXT or a file of words cannot be read, or a speaker would be put into
            another split than the set is meant for.
    """
    folder = need_folder(folder, "LibriSpeech", LAYOUT)
    genders = read_genders(folder / SPEAKERS)
    there = _list_sets(folder)
    if missing := sorted(set(config.parts) - set(there)):
        raise CorpusError(
            f"{folder} has no set {missing[0]}", rule=f"it has {', '.join(there)}", remedy="correct parts"
        )
    return [
        candidate
        for part in config.parts or there
        for chapter in _list_chapters(folder / part)
        for candidate in _list_chapter(config, folder, chapter, genders)
    ]


def read_genders(path: Path) -> dict[str, str]:
    """Read SPEAKERS.TXT, `ID | SEX | SUBSET | MINUTES | NAME` with comments after `;`, into the gender of each reader.

    Raises:
        CorpusError: It is not UTF-8, or a line is not of this form. A name may hold further bars, and does.
    """
    genders: dict[str, str] = {}
    for number, line in enumerate(_read_lines(path), start=1):
        if not line or line.startswith(";"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 4 or fields[1] not in GENDERS:
            raise CorpusError(
                f"{path} is broken in line {number}", rule="ID | SEX | SUBSET | MINUTES | NAME", remedy="restore it"
            )
        genders[fields[0]] = GENDERS[fields[1]]
    return genders


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise CorpusError(f"{path} is not UTF-8 text", rule=LAYOUT, remedy="restore the file") from None


def _list_sets(folder: Path) -> list[str]:
    return [name for name in list_names(folder) if name.partition("-")[0] in SETS and (folder / name).is_dir()]


def _list_chapters(part: Path) -> Iterator[Path]:
    for speaker in list_names(part):
        yield from (part / speaker / chapter for chapter in list_names(part / speaker))


def _list_chapter(
    config: LibrispeechConfig, folder: Path, chapter: Path, genders: Mapping[str, str]
) -> list[Candidate]:
    speaker = f"librispeech-{chapter.parent.name}"
    _check_split(config, speaker, chapter.parent.parent.name)
    lines = _read_words(chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt")
    sounds = {Path(name).stem: name for name in list_names(chapter) if name.endswith(SOUND_SUFFIXES)}
    place = chapter.relative_to(folder).as_posix()
    gender = genders.get(chapter.parent.name)
    paths = {stem: f"{place}/{sounds.get(stem, f'{stem}.flac')}" for stem in sorted(sounds.keys() | lines.keys())}
    return [
        offer_clip(
            config,
            folder,
            path,
            speaker,
            partial(_describe, config, path, lines.get(stem, ""), gender, heard=stem in sounds),
        )
        for stem, path in paths.items()
    ]


def _read_words(path: Path) -> dict[str, str]:
    """Return the words of a chapter by utterance; a chapter without the file has none."""
    lines = [line.partition(" ")[::2] for line in _read_lines(path) if line] if path.is_file() else []
    words = dict(lines)
    if len(words) < len(lines):
        raise CorpusError(f"{path} names an utterance twice", rule="a line an utterance", remedy="restore the file")
    return words


def _check_split(config: LibrispeechConfig, speaker: str, part: str) -> None:
    meant, ours = part.partition("-")[0], split_of(speaker, config.split)
    if config.official_split and ours != meant:
        raise CorpusError(
            f"{speaker} of {part} would be put into {ours}",
            rule="the split is the one of LibriSpeech's sets",
            remedy=f"--set split.table.{speaker}={meant}, or --set official_split=false",
        )


def _describe(config: LibrispeechConfig, path: str, text: str, gender: str | None, *, heard: bool) -> Utterance:
    match = match_name(STEM, Path(path).stem, path)
    if not heard:
        raise UnusableFileError(path, "missing audio", "its chapter's words name it, the folder does not hold it")
    if path.split("/")[1:3] != [match["reader"], match["chapter"]]:
        raise UnusableFileError(path, "contradicts its name", "it lies in the folder of another reader or chapter")
    return draft(
        config,
        f"librispeech-{match[0]}",
        f"librispeech-{match['reader']}",
        session_id=f"librispeech-{match['reader']}-{match['chapter']}",
        text=read_text(text, path, "the words of its chapter"),
        gender=gender,
    )


READER = CorpusReader(
    name="librispeech",
    title="LibriSpeech: read English books with their text",
    tasks=("asr",),
    licence="CC-BY-4.0",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=LibrispeechConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="292,367 utterances, 982 h, 2,484 speakers",
)
