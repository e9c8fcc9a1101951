"""Several corpora read as one: what a model was trained on so far, and what is new.

Each part keeps the configuration it has by itself, its split above all: who is a test speaker of a corpus, and perhaps
in an evaluation set that was cut from it, is one here too. Utterances and speakers keep their names, by which erasure,
leakage and evaluation sets know them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from voxloop.config import StrictModel, find_config, load_config
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusPart, CorpusReader
from voxloop.data.schema import Utterance
from voxloop.data.splits import split_of
from voxloop.errors import CorpusError
from voxloop.speech.limits import AudioLimits
from voxloop.speech.waveform import check_samples

NAME = "several"
LAYOUT = "no folder: its key `parts` names corpora, each with its path and its overrides"


class Part(StrictModel):
    """One of the corpora.

    Args:
        corpus: As `--corpus` names it.
        path: Its folder; None for one that needs none.
        overrides: `a.b=c` changes to its configuration.
    """

    corpus: str
    path: Path | None = None
    overrides: tuple[str, ...] = ()


class SeveralConfig(CorpusConfig):
    """`configs/corpora/several.yaml`; `speakers`, `split` and `audio` are those of each part."""

    parts: tuple[Part, ...] = ()


def list_parts(config: SeveralConfig) -> list[CorpusPart]:
    """Return the parts, each with its own reader, configuration and folder, in the order they are named.

    Raises:
        CorpusError: There are none, or one is no corpus or not in its layout.
        ConfigError: Overrides of a part are malformed.
    """
    if not config.parts:
        raise CorpusError(
            "several corpora are none",
            rule="the key `parts` names them",
            remedy="--set 'parts=[{corpus: nemo, path: data/raw/nemo}, {corpus: production, path: data/raw/new}]'",
        )
    return [_open(part) for part in config.parts]


def list_candidates(config: SeveralConfig, _folder: Path | None) -> list[Candidate]:
    """Return the candidates of all parts, in the order of the parts.

    Raises:
        CorpusError: As `list_parts`; or two parts have a speaker of the same name who may be two people, or would be in
            two splits.
    """
    found: list[Candidate] = []
    seen: dict[str, CorpusPart] = {}
    for number, part in enumerate(list_parts(config), start=1):
        candidates = part.reader.list_candidates(part.config, part.folder)
        for speaker in sorted({one.speaker_id for one in candidates if one.speaker_id is not None}):
            _refuse_two(speaker, seen.setdefault(speaker, part), part)
        found += [_as_part(one, f"{number}-{part.reader.name}", part) for one in candidates]
    return found


def _open(part: Part) -> CorpusPart:
    from voxloop.data.corpora import find_corpus

    if part.corpus == NAME:
        raise CorpusError(f"a part of {NAME} is {NAME}", rule="parts are corpora", remedy="name its parts instead")
    reader = find_corpus(part.corpus)
    config = load_config(reader.config_model, find_config("corpora", part.corpus), part.overrides)
    if (reader.locate is None) != (part.path is None):
        needs = "needs no" if reader.locate is None else "needs its"
        raise CorpusError(
            f"part {part.corpus} has path {part.path}", rule=f"{part.corpus} {needs} folder", remedy="correct `parts`"
        )
    folder = reader.locate(part.path) if reader.locate is not None and part.path is not None else None
    return CorpusPart(reader, config, folder)


def _as_part(one: Candidate, name: str, part: CorpusPart) -> Candidate:
    load = one.load if part.folder is not None else partial(load_checked, one, part.config.audio)
    return replace(one, path=f"{name}/{one.path}", load=load, config=part.config)


def load_checked(candidate: Candidate, limits: AudioLimits) -> Utterance:
    """Load a candidate whose sound comes from no file, so that no decoding has checked its samples.

    Raises:
        UnusableAudioError: It is no usable sound.
    """
    utterance = candidate.load()
    if utterance.waveform is not None:
        check_samples(utterance.waveform, candidate.path, limits)
    return utterance


def _refuse_two(speaker: str, first: CorpusPart, part: CorpusPart) -> None:
    if first is part:
        return
    splits = [split_of(speaker, one.config.split) for one in (first, part)]
    if first.reader.name != part.reader.name or len({*splits}) > 1:
        raise CorpusError(
            f"speaker {speaker!r} is in a part {first.reader.name} ({splits[0]}) and in a part {part.reader.name} "
            f"({splits[1]})",
            rule="a speaker is one person, of one corpus, in one split",
            remedy="give one of them a prefix where its reader has one, or leave these speakers out of one",
        )


READER = CorpusReader(
    name=NAME,
    title="Several corpora read as one, such as the last one and what was collected since",
    tasks=("asr", "emotion", "personality"),
    licence="that of each part",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=SeveralConfig,
    locate=None,
    list_candidates=list_candidates,
    size="that of its parts",
    list_parts=list_parts,
)
