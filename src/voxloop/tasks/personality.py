"""Personality: the Big Five of a speaker, from how they speak and what they say; either may be missing.

An answer is about one utterance. A speaker's traits are the mean of the answers to their utterances: that is what
`measure` compares, and what the scale is fitted for.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from voxloop.config import StrictModel
from voxloop.data.schema import TRAITS
from voxloop.errors import CorpusError
from voxloop.tasks import Answer, Example, Objective, Request, Row, TensorSpec
from voxloop.tasks.personality_encoding import (
    FeaturesConfig,
    Kind,
    PersonalityEncoding,
    TraitScale,
    encode_inputs,
    golden_request,
    learn_scales,
)
from voxloop.tasks.personality_measures import measure_speakers
from voxloop.tasks.personality_network import (
    PATTERNS,
    Modality,
    NetworkConfig,
    PersonalityNetwork,
    Read,
    Voice,
    Words,
)
from voxloop.tasks.recipe import Recipe
from voxloop.tasks.words import VocabularyConfig

NAME = "personality"
AUDIO = False
FEATURES = "utterance_prosody"
ANSWERS_ARE_LABELS = True
OBJECTIVE = Objective("ccc", "max")


class PerturbationConfig(StrictModel):
    """What is hidden from the network in training, anew in every epoch. A row never loses both modalities."""

    voice: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the rows with both whose features are hidden."""
    words: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the rows with both whose words are hidden."""
    each_word: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the words, wherever they stand in the text, that are hidden from a row."""


class PersonalityConfig(Recipe):
    """Everything a training of this family depends on beside its data. A row costs one second of a batch's budget."""

    kind: Kind = "regression"
    """Scores, or the probability of being above the training median (labels of 0 and 1 are kept as they are)."""
    modalities: tuple[Modality, ...] = Field(default=("voice", "words"), min_length=1)
    features: FeaturesConfig = FeaturesConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    network: NetworkConfig = NetworkConfig()
    perturbation: PerturbationConfig = PerturbationConfig()
    answer_range: tuple[float, float] = (1.0, 7.0)
    """Lowest and highest score of the questionnaire, for 1 - MAE."""


Config = PersonalityConfig
Encoding = PersonalityEncoding


def learn_encoding(rows: Sequence[Row], config: PersonalityConfig) -> PersonalityEncoding:
    """Return scales and vocabulary of the labelled rows.

    Raises:
        CorpusError: A trait has fewer than two values, or a modality that is asked for is nowhere.
    """
    return learn_scales(
        [row for row in rows if any(row[trait] is not None for trait in TRAITS)],
        kind=config.kind,
        modalities=config.modalities,
        features=config.features,
        vocabulary=config.vocabulary,
        answer_range=config.answer_range,
    )


def request(encoding: PersonalityEncoding) -> Request:
    """Return what is asked of a model: features and words, those that it knows, in; five traits out.

    `features` follows the names of the encoding, NaN where one is missing; `words` are numbers of its vocabulary, 0
    where there is none.
    """
    specs = {
        "voice": TensorSpec("features", "float32", ("batch", len(encoding.features))),
        "words": TensorSpec("words", "int64", ("batch", "tokens")),
    }
    return Request(
        inputs=tuple(specs[modality] for modality in encoding.modalities),
        outputs=(TensorSpec("traits", "float32", ("batch", len(encoding.labels))),),
    )


def make_request(
    row: Row, _waveform: npt.NDArray[np.int16] | None, encoding: PersonalityEncoding
) -> dict[str, npt.NDArray[Any]]:
    """Return what is known of the voice and the words said, any of them missing."""
    return encode_inputs(row, encoding)


def encode(
    row: Row, _waveform: npt.NDArray[np.int16] | None, encoding: PersonalityEncoding, _config: PersonalityConfig
) -> Example | None:
    """Return what is known of a row and its standardised traits.

    Raises:
        CorpusError: A trait is not a number.
    """
    scores = [row[trait.name] for trait in encoding.traits]
    if all(score is None for score in scores):
        return None
    if wrong := [score for score in scores if score is not None and not math.isfinite(score)]:
        raise CorpusError(
            f"{row['utterance_id']} has a trait of {wrong[0]}",
            rule="a score is finite or null",
            remedy="ingest it anew",
        )
    return Example(
        inputs=make_request(row, None, encoding),
        targets={
            "traits": np.array([_target(*pair, encoding) for pair in zip(scores, encoding.traits, strict=True)]),
            "known": np.array([score is not None for score in scores], dtype=np.float32),
            "speaker": np.array(_number_of(row["speaker_id"])),
        },
        weight=1.0,
        seconds=1.0,
    )


def _target(score: float | None, trait: TraitScale, encoding: PersonalityEncoding) -> np.float32:
    if score is None:
        return np.float32(0.0)
    return np.float32(score > trait.threshold if encoding.kind == "binary" else (score - trait.mean) / trait.sd)


def _number_of(speaker: str) -> np.int64:
    """Return a number that tells speakers apart: utterances of one are averaged when the scale is fitted."""
    return np.int64(int.from_bytes(hashlib.sha256(speaker.encode()).digest()[:8], "little", signed=True))


def perturb(example: Example, config: PersonalityConfig, draw: np.random.Generator) -> Example:
    """Hide a modality or some words of a training example: dropout that is the same however many ranks there are."""
    hidden, chance = config.perturbation, float(draw.random())
    inputs = dict(example.inputs)
    if len(inputs) == 2 and inputs["words"].any() and not np.isnan(inputs["features"]).all():
        if chance < hidden.voice:
            inputs["features"] = np.full_like(inputs["features"], np.nan)
        elif chance < hidden.voice + hidden.words:
            inputs["words"] = np.zeros(1, dtype=np.int64)
    if hidden.each_word and "words" in inputs:
        inputs["words"] = _hide_words(inputs["words"], hidden.each_word, draw)
    return Example(inputs, example.targets, example.weight, example.seconds)


def _hide_words(words: npt.NDArray[np.int64], share: float, draw: np.random.Generator) -> npt.NDArray[np.int64]:
    kinds, places = np.unique(words, return_inverse=True)
    kept = words[(draw.random(len(kinds)) >= share)[places]]
    return kept if len(kept) else words


def build_network(config: PersonalityConfig, encoding: PersonalityEncoding) -> PersonalityNetwork:
    """Return a fresh network, which answers the mean of the training speakers."""
    branches: dict[Modality, nn.Module] = {}
    for modality in encoding.modalities:
        if modality == "voice":
            centres = [scale.centre for scale in encoding.features]
            branches[modality] = Voice(
                centres, [scale.spread for scale in encoding.features], encoding.clip, config.network
            )
        else:
            branches[modality] = Words(encoding.vocabulary.weights, config.network)
    means, sds = [trait.mean for trait in encoding.traits], [trait.sd for trait in encoding.traits]
    return PersonalityNetwork(branches, means, sds, binary=encoding.kind == "binary")


def rate_scale(_parameter: str, _config: PersonalityConfig) -> float:
    """Every parameter learns at the one rate."""
    return 1.0


def losses(outputs: Read, targets: Mapping[str, Tensor], config: PersonalityConfig) -> Tensor:
    """Mean over the five traits of the squared error of standardised scores, or the cross-entropy: float32 [batch].

    A trait that is not known counts 0. CCC is no sum over rows: that of a local batch has another optimum than that of
    all rows, and ranks could not share a step. So the squared error is learnt, and the scale, which CCC asks for
    beside correlation, is fitted on dev (`calibrate`).
    """
    wanted, known = targets["traits"].float(), targets["known"]
    if config.kind == "binary":
        each = functional.binary_cross_entropy_with_logits(outputs.standard, wanted, reduction="none")
    else:
        each = (outputs.standard - wanted).square()
    return (each * known).mean(dim=1)


def answer(outputs: Read) -> tuple[Tensor, ...]:
    """Traits float32 [batch, 5]: scores on the labels' own scale, or probabilities."""
    return (outputs.traits,)


def calibrate(network: nn.Module, dev: Iterable[tuple[Any, Mapping[str, Tensor]]]) -> dict[str, float]:
    """Mix voice and words by dev's scores, and stretch the answers until they vary between speakers as the labels do.

    Least squares shrinks towards the mean by about r, which costs CCC a factor of 2 r / (1 + r^2); at equal variance
    CCC is r. One scale for each trait and for each of `PATTERNS`, from dev's answers alone; the mix is one number.
    """
    if not isinstance(network, PersonalityNetwork) or network.binary:
        return {}
    found = list(dev)
    read = Read(*(torch.cat(part) for part in zip(*(outputs for outputs, _ in found), strict=True)))
    network.fit(read, *(torch.cat([targets[name] for _, targets in found]) for name in ("traits", "known", "speaker")))
    named = zip(PATTERNS, network.scale.tolist(), strict=True)
    scales = {f"scale_{name}_{trait}": row[place] for name, row in named for place, trait in enumerate(TRAITS)}
    return {"voice_share": float(network.voice_share), **scales}


def decode(outputs: Mapping[str, npt.NDArray[Any]], encoding: PersonalityEncoding) -> list[Answer]:
    """Return the five numbers of each row of `traits` [n, 5] by name; binary: and whether each is at least one half."""
    rows = np.atleast_2d(np.asarray(outputs["traits"])).tolist()
    named = [dict(zip(encoding.labels, row, strict=True)) for row in rows]
    if encoding.kind == "regression":
        return [{"traits": row} for row in named]
    return [{"traits": row, "present": {name: value >= 0.5 for name, value in row.items()}} for row in named]


def reference(row: Row, encoding: PersonalityEncoding) -> Answer | None:
    """Return the traits of a row (null for unknown ones; binary: 0 or 1), and whose they are."""
    scores: dict[str, float | None] = {trait.name: row[trait.name] for trait in encoding.traits}
    if all(score is None for score in scores.values()):
        return None
    if encoding.kind == "binary":
        thresholds = {trait.name: trait.threshold for trait in encoding.traits}
        scores = {name: None if score is None else float(score > thresholds[name]) for name, score in scores.items()}
    return {"traits": scores, "speaker_id": row["speaker_id"]}


def measure(references: Sequence[Answer], answers: Sequence[Answer], encoding: PersonalityEncoding) -> dict[str, float]:
    """Return CCC, r and 1 - MAE, or the accuracies, over speakers: see `measure_speakers`."""
    return measure_speakers(references, answers, encoding)


def golden_inputs(encoding: PersonalityEncoding, seconds: Sequence[float]) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Give a request of about three words a second for each length; the second has no voice, the third no words."""
    for index, duration in enumerate(seconds):
        yield golden_request(encoding, duration, index)
