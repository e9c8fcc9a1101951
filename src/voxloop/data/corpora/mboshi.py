"""Mboshi, a Bantu language of Congo-Brazzaville: elicited speech with transcripts (Godard and others, LREC 2018).

Layout: `{train,dev}/X.ogg` (the original has .wav) with its transcript in `X.mb.cleaned`; X begins with the speaker and
the moment the recording session began.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Literal

from voxloop.data.corpora.clips import SOUND_SUFFIXES, draft, list_names, need_folder, offer_clip
from voxloop.data.corpora.labels import match_name, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.schema import Utterance
from voxloop.errors import CorpusError

LAYOUT = "Mboshi is a folder with train/ and dev/ holding X.ogg or X.wav and its transcript X.mb.cleaned"
TRANSCRIPT = ".mb.cleaned"
STEM = re.compile(r"(?P<speaker>[a-z]+)_(?P<session>[0-9]{4}(?:-[0-9]{2}){5})_.+")


class MboshiConfig(CorpusConfig):
    """`configs/corpora/mboshi.yaml`."""

    parts: tuple[Literal["train", "dev"], ...] = ("train", "dev")
    """The official parts to take."""


def locate(path: Path) -> Path:
    """Return the folder that holds train/ and dev/.

    Raises:
        CorpusError: There is none at or below `path`, or their transcripts are missing.
    """
    folder = find_folder(path, ("train", "dev"), LAYOUT)
    if not any(folder.glob(f"*/*{TRANSCRIPT}")):
        raise CorpusError(f"{folder} has no *{TRANSCRIPT}, the transcripts", rule=LAYOUT, remedy="restore them")
    return folder


def list_candidates(config: MboshiConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every sound, and for every transcript without one, by part and name."""
    folder = need_folder(folder, "Mboshi", LAYOUT)
    return [candidate for part in sorted(set(config.parts)) for candidate in _list_part(config, folder, part)]


def _list_part(config: MboshiConfig, folder: Path, part: str) -> list[Candidate]:
    names = list_names(folder / part)
    transcripts = {name.removesuffix(TRANSCRIPT) for name in names if name.endswith(TRANSCRIPT)}
    sounds = {Path(name).stem: name for name in names if name.endswith(SOUND_SUFFIXES)}
    return [
        offer_clip(
            config,
            folder,
            f"{part}/{sounds.get(stem, f'{stem}.ogg')}",
            stem.split("_")[0],
            partial(_describe, config, folder / part, stem, sounds.get(stem), written=stem in transcripts),
        )
        for stem in sorted(sounds.keys() | transcripts)
    ]


def _describe(config: MboshiConfig, place: Path, stem: str, sound: str | None, *, written: bool) -> Utterance:
    path = f"{place.name}/{sound or f'{stem}.ogg'}"
    if sound is None:
        raise UnusableFileError(path, "missing audio", f"its transcript {stem}{TRANSCRIPT} has no sound beside it")
    if not written:
        raise UnusableFileError(path, "no transcript", f"{stem}{TRANSCRIPT} is not beside it")
    match = match_name(STEM, stem, path)
    return draft(
        config,
        f"mboshi-{place.name}-{stem}",
        match["speaker"],
        session_id=f"{match['speaker']}-{match['session']}",
        text=_read_transcript(place / f"{stem}{TRANSCRIPT}", path),
    )


def _read_transcript(file: Path, path: str) -> str:
    try:
        return read_text(file.read_text(encoding="utf-8-sig"), path, file.name)
    except UnicodeDecodeError:
        raise UnusableFileError(path, "no transcript", f"{file.name} is not UTF-8 text") from None


READER = CorpusReader(
    name="mboshi",
    title="Mboshi: elicited speech of a Bantu language, with transcripts",
    tasks=("asr",),
    licence="research only",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=MboshiConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="5,130 utterances, 4.5 h, 3 speakers",
)
