"""The YouTube Personality Dataset: vlogs as words, features and impressions (Biel and Gatica-Perez, 2013).

There is no sound: an utterance is one vlog's transcript, its 21 audio and 4 motion features are `measures`. Layout:
three tables with a blank between fields, and `transcripts/VLOG*.txt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import draft, list_names, need_folder, offer
from voxloop.data.corpora.labels import look_up, read_number, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.corpora.tables import Row, TableForm, index_rows
from voxloop.data.schema import Utterance

SCORES = "YouTube-Personality-Personality_impression_scores.csv"
FEATURES = "YouTube-Personality-audiovisual_features.csv"
GENDERS = "YouTube-Personality-gender.csv"
TRANSCRIPTS = "transcripts"
LAYOUT = f"YouTube Personality is a folder with its three YouTube-Personality-*.csv and {TRANSCRIPTS}/VLOG*.txt"
KEY = "vlogId"
AUDIO_FEATURES = (
    *("mean.pitch", "sd.pitch", "mean.conf.pitch", "sd.conf.pitch", "mean.spec.entropy", "sd.spec.entropy"),
    *("mean.val.apeak", "sd.val.apeak", "mean.loc.apeak", "sd.loc.apeak", "mean.num.apeak", "sd.num.apeak"),
    *("mean.energy", "sd.energy", "mean.d.energy", "sd.d.energy"),
    *("avg.voiced.seg", "avg.len.seg", "time.speaking", "voice.rate", "num.turns"),
)
MOTION_FEATURES = ("hogv.entropy", "hogv.median", "hogv.cogR", "hogv.cogC")
MEASURES = (*AUDIO_FEATURES, *MOTION_FEATURES)
TRAIT_COLUMNS = {"openness": "Open", "conscientiousness": "Cons", "extraversion": "Extr", "agreeableness": "Agr"}
STABILITY = "Emot"
LOWEST, HIGHEST = 1.0, 7.0  # the scale of the questionnaire (TIPI)


class YoutubePersonalityConfig(CorpusConfig):
    """`configs/corpora/youtube_personality.yaml`."""

    genders: dict[str, str]
    """The corpus' spelling, and ours."""


@dataclass(frozen=True)
class Tables:
    """The three tables, each by vlog."""

    scores: Mapping[str, Row]
    features: Mapping[str, Row]
    genders: Mapping[str, Row]


def locate(path: Path) -> Path:
    """Return the folder that holds the tables and transcripts/.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (SCORES, FEATURES, GENDERS, TRANSCRIPTS), LAYOUT)


def list_candidates(config: YoutubePersonalityConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every transcript and for every row of scores without one, sorted by name.

    Raises:
        CorpusError: A table cannot be read.
    """
    folder = need_folder(folder, "YouTube Personality", LAYOUT)
    tables = Tables(
        scores=_read(folder / SCORES, *TRAIT_COLUMNS.values(), STABILITY),
        features=_read(folder / FEATURES, *MEASURES),
        genders=_read(folder / GENDERS, "gender"),
    )
    vlogs = {Path(name).stem for name in list_names(folder / TRANSCRIPTS)}
    return [
        offer(f"{TRANSCRIPTS}/{vlog}.txt", vlog, partial(_describe, config, folder, vlog, tables))
        for vlog in sorted(vlogs | tables.scores.keys())
    ]


def _read(path: Path, *columns: str) -> dict[str, Row]:
    return index_rows(path, TableForm(columns=(KEY, *columns), key=KEY, delimiter=" "))


def _describe(config: YoutubePersonalityConfig, folder: Path, vlog: str, tables: Tables) -> Utterance:
    path = f"{TRANSCRIPTS}/{vlog}.txt"
    text = _read_transcript(folder / path, path)
    if vlog not in tables.scores:
        raise UnusableFileError(path, "no labels", f"{SCORES} has no row of it")
    if vlog not in tables.features:
        raise UnusableFileError(path, "no measures", f"{FEATURES} has no row of it")
    spelt = tables.genders.get(vlog, {}).get("gender")
    return draft(
        config,
        f"youtube-{vlog}",
        vlog,
        text=text,
        gender=look_up(config.genders, spelt, path, "gender") if spelt else None,
        traits=_read_traits(tables.scores[vlog], path),
        measures={name: read_number(tables.features[vlog][name], path, name) for name in MEASURES},
    )


def _read_transcript(file: Path, path: str) -> str:
    try:
        return read_text(file.read_text(encoding="utf-8-sig"), path, path)
    except FileNotFoundError:
        raise UnusableFileError(path, "no transcript", f"{SCORES} names it, {TRANSCRIPTS}/ does not hold it") from None
    except UnicodeDecodeError:
        raise UnusableFileError(path, "no transcript", "it is not UTF-8 text") from None


def _read_traits(row: Row, path: str) -> dict[str, float]:
    """Return the five traits on the scale 1 to 7; neuroticism is emotional stability turned round, 8 - stability."""
    traits = {trait: read_number(row[name], path, name, LOWEST, HIGHEST) for trait, name in TRAIT_COLUMNS.items()}
    stability = read_number(row[STABILITY], path, STABILITY, LOWEST, HIGHEST)
    return {**traits, "neuroticism": round(LOWEST + HIGHEST - stability, 6)}


READER = CorpusReader(
    name="youtube_personality",
    title="YouTube Personality: transcripts, features and Big-Five impressions of vloggers; no sound",
    tasks=("personality",),
    licence="research with citation",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=YoutubePersonalityConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="404 vlogs, 404 speakers, words only",
)
