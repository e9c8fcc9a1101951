"""What personality learns of its training rows beside the weights: scales of traits and features, and the words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.data.schema import TRAITS
from voxloop.errors import CorpusError
from voxloop.tasks import Row
from voxloop.tasks.personality_network import Modality
from voxloop.tasks.words import Vocabulary, VocabularyConfig, learn_vocabulary

Kind = Literal["regression", "binary"]


class FeaturesConfig(StrictModel):
    """Which numbers of a row are features, and how they are standardised."""

    names: tuple[str, ...] = ("*",)
    """Names or patterns with * and ?."""
    left_out: tuple[str, ...] = ()
    """The same; what is named here is no feature."""
    least_known: float = Field(default=0.1, gt=0.0, le=1.0)
    """Share of the training rows that must have it."""
    clip: float = Field(default=4.0, gt=0.0)
    """Standardised values beyond are cut: a slipped measurement must not carry an answer away."""


class FeatureScale(StrictModel):
    """One feature: its median, and its interquartile range / 1.349, the standard deviation of a normal one."""

    name: str
    centre: float
    spread: float = Field(gt=0.0)


class TraitScale(StrictModel):
    """One trait over the training speakers that have it."""

    name: str
    mean: float
    sd: float = Field(gt=0.0)
    threshold: float
    """Above it a trait counts as present."""


class PersonalityEncoding(StrictModel):
    """What was learnt of the training rows."""

    kind: Kind
    modalities: tuple[Modality, ...]
    traits: tuple[TraitScale, ...]
    features: tuple[FeatureScale, ...]
    clip: float
    vocabulary: Vocabulary
    answer_range: tuple[float, float]

    @property
    def labels(self) -> tuple[str, ...]:
        """The five traits."""
        return tuple(trait.name for trait in self.traits)


def learn_scales(
    rows: Sequence[Row],
    *,
    kind: Kind,
    modalities: tuple[Modality, ...],
    features: FeaturesConfig,
    vocabulary: VocabularyConfig,
    answer_range: tuple[float, float],
) -> PersonalityEncoding:
    """Return the encoding of labelled rows: traits over speakers, features over rows, words over texts.

    Raises:
        CorpusError: A trait has fewer than two values, or a modality that is asked for is nowhere.
    """
    scales = _learn_features(rows, features) if "voice" in modalities else ()
    texts = ((row["speaker_id"], row["text"], row["language"]) for row in rows)
    known = learn_vocabulary(texts if "words" in modalities else (), vocabulary)
    for modality, there in (("voice", scales), ("words", known.words)):
        if modality in modalities and not there:
            raise CorpusError(
                f"no training row has {modality}",
                rule=f"modalities are {', '.join(modalities)}",
                remedy="give --features, or leave it out: --set 'modalities=[words]' or --set 'modalities=[voice]'",
            )
    return PersonalityEncoding(
        kind=kind,
        modalities=modalities,
        traits=tuple(_learn_trait(rows, trait) for trait in TRAITS),
        features=scales,
        clip=features.clip,
        vocabulary=known,
        answer_range=answer_range,
    )


def _learn_trait(rows: Sequence[Row], trait: str) -> TraitScale:
    of_speaker: dict[str, list[float]] = {}
    for row in rows:
        if row[trait] is not None:
            of_speaker.setdefault(row["speaker_id"], []).append(row[trait])
    scores = np.array([np.mean(values) for values in of_speaker.values()])
    if len(np.unique(scores)) < 2:
        raise CorpusError(
            f"the training rows have {len(np.unique(scores))} different values of {trait}",
            rule="what never differs cannot be learnt",
            remedy="ingest a corpus with speakers who differ in it",
        )
    yes_or_no = bool(np.isin(scores, (0.0, 1.0)).all())
    threshold = 0.5 if yes_or_no else float(np.median(scores))
    return TraitScale(name=trait, mean=float(scores.mean()), sd=float(scores.std()), threshold=threshold)


def _learn_features(rows: Sequence[Row], config: FeaturesConfig) -> tuple[FeatureScale, ...]:
    names = sorted({name for row in rows for name in row["features"] if _is_feature(name, config)})
    scales = (_learn_feature(rows, name, config) for name in names)
    return tuple(scale for scale in scales if scale is not None)


def _is_feature(name: str, config: FeaturesConfig) -> bool:
    asked, left_out = ([fnmatchcase(name, pattern) for pattern in part] for part in (config.names, config.left_out))
    return any(asked) and not any(left_out)


def _learn_feature(rows: Sequence[Row], name: str, config: FeaturesConfig) -> FeatureScale | None:
    values = np.array([value for row in rows if is_number(value := row["features"].get(name))])
    if len(values) < config.least_known * len(rows):
        return None
    low, centre, high = np.percentile(values, (25, 50, 75)).tolist()
    spread = (high - low) / 1.349 or float(values.std())
    return FeatureScale(name=name, centre=centre, spread=spread) if spread > 0.0 else None


def is_number(value: float | None) -> bool:
    """Return whether something is known: neither null nor NaN nor infinite."""
    return value is not None and math.isfinite(value)


def encode_inputs(row: Row, encoding: PersonalityEncoding) -> dict[str, npt.NDArray[Any]]:
    """Return the request of a row, labelled or not: its `features`, `text` and `language`, any of them missing."""
    known = row.get("features") or {}
    values = [known.get(scale.name) for scale in encoding.features]
    features = np.array([value if is_number(value) else math.nan for value in values], dtype=np.float32)
    words = encoding.vocabulary.read(row.get("text"), row.get("language"))
    return _choose(encoding, features, words)


def golden_request(encoding: PersonalityEncoding, seconds: float, index: int) -> dict[str, npt.NDArray[Any]]:
    """Return a request made by a formula: the second (`index` 1) has no voice, the third no words."""
    steps = np.sin(np.arange(len(encoding.features)) + 1.7 * index)
    values = [scale.centre + scale.spread * step for scale, step in zip(encoding.features, steps, strict=True)]
    features = np.array([math.nan] * len(values) if index == 1 else values, dtype=np.float32)
    count = max(2, round(3.0 * seconds))
    words = (np.arange(count, dtype=np.int64) * (7 + index)) % max(1, len(encoding.vocabulary.words)) + 1
    return _choose(encoding, features, np.zeros_like(words) if index == 2 else words)


def _choose(
    encoding: PersonalityEncoding, features: npt.NDArray[np.float32], words: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[Any]]:
    inputs: dict[Modality, tuple[str, npt.NDArray[Any]]] = {"voice": ("features", features), "words": ("words", words)}
    return dict(inputs[modality] for modality in encoding.modalities)
